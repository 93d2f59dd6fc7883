"""Lists of phrases that are looked for in lower-case text.

1. Phrases are separated by commas. ``*`` stands for any letters: ``order*`` finds "orders", ``*kod*`` finds
   "engångskoden". Without it a phrase begins and ends where words do.
2. The cost is linear in the text: first the words of a phrase are looked for, as plain strings, in the distinct words
   of the text. Patterns are compiled when needed.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from functools import cache
from typing import Final, Generic, NamedTuple, TypeAlias, TypeVar

SEPARATORS: Final = " \t\n\r.:;,#№*_-–—=>→|~(\"'“”„«»‘’「『【[{<、，："
"""Signs that may stand behind a phrase."""

_LONGEST: Final = 4
"""The maximum number of words of a phrase that ``ends`` knows."""

_TAIL: Final = 80
_WORD = re.compile(r"[^\W\d_]+")

T = TypeVar("T")


def split(texts: Iterable[str]) -> list[str]:
    """Return the distinct phrases of comma-separated lists, in order."""
    phrases = (phrase.strip() for text in texts for phrase in text.split(","))
    return list(dict.fromkeys(phrase for phrase in phrases if phrase))


def distinct_words(text: str) -> str:
    """Return the words of ``text``, each once: a phrase whose words are not there is not in the text."""
    distinct = " ".join(dict.fromkeys(text.split()))
    return "\n".join(dict.fromkeys(_WORD.findall(distinct)))


def _longest_word(phrase: str) -> str:
    words: list[str] = _WORD.findall(phrase)
    return max(words, key=len)


def backwards(words: str) -> str:
    """Return a pattern for any of the ``words`` in a text that is read backwards."""
    return f"(?:{'|'.join(re.escape(word[::-1]) for word in words.split())})"


Kinds: TypeAlias = list[tuple[T, frozenset[str]]]
"""The kinds of a word, each with the languages in which it is of that kind."""


class _Form(NamedTuple, Generic[T]):
    """A phrase of a list; ``inside`` and ``open_ended`` say whether letters may stand before and behind it."""

    inside: bool
    open_ended: bool
    kind: T
    language: str


class Stems(Generic[T]):
    """Phrases of which every occurrence is found, with its kinds and languages. ``*`` is at their ends only."""

    def __init__(self, lists: Iterable[tuple[T, str, str]]) -> None:
        stems: dict[str, list[_Form[T]]] = {}
        for kind, language, text in lists:
            for each in split([text]):
                form = _Form(each.startswith("*"), each.endswith("*"), kind, language)
                stems.setdefault(each.strip("*"), []).append(form)
        self._stems = [(_longest_word(stem), stem, forms) for stem, forms in stems.items()]
        self._ascii = [each for each in self._stems if each[1].isascii()]

    def spans(self, text: str, words: str | None = None, apart: int = 0) -> Iterator[tuple[int, int, Kinds[T]]]:
        """Yield the beginning, the end and the kinds of each occurrence in ``text``, in no order.

        Between those of one phrase there are at least ``apart`` characters; others are passed over. ``words`` are the
        ``distinct_words`` of the text, if they are known.
        """
        for word, stem, forms in self._ascii if text.isascii() else self._stems:
            at = text.find(stem) if words is None or word in words else -1
            passed = 0
            kinds: dict[tuple[str, str], Kinds[T]] = {}
            while at >= 0:
                end = at + len(stem)
                beside = before, behind = text[at - 1 : at], text[end : end + 1]
                found = kinds.get(beside)
                if found is None:
                    found = kinds[beside] = _kinds(forms, inside=_in_word(before), open_ended=_in_word(behind))
                if found:
                    yield at, end, found
                    passed = end + apart
                at = text.find(stem, max(end, passed))


def _kinds(forms: Iterable[_Form[T]], *, inside: bool, open_ended: bool) -> Kinds[T]:
    """Return the kinds of those forms that may have letters before and behind them, each with its languages."""
    kinds: dict[T, set[str]] = {}
    for form in forms:
        if form.inside >= inside and form.open_ended >= open_ended:
            kinds.setdefault(form.kind, set()).add(form.language)
    return [(kind, frozenset(languages)) for kind, languages in kinds.items()]


def _in_word(character: str) -> bool:
    return character.isalpha() or character == "_"


class Patterns:
    """Phrases with ``*`` anywhere, in which a blank also matches a hyphen, or nothing."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._phrases = [(_longest_word(each), each) for each in split(texts)]
        self._ascii = [each for each in self._phrases if each[1].isascii()]

    def likely(self, text: str, words: str) -> list[str]:
        """Return the phrases whose words are all in ``text``; ``words`` are its ``distinct_words``."""
        phrases = self._ascii if text.isascii() else self._phrases
        likely = [phrase for word, phrase in phrases if word in words]
        return [phrase for phrase in likely if all(word in words for word in _WORD.findall(phrase))]

    @staticmethod
    def spans(text: str, phrases: Iterable[str]) -> list[tuple[int, int]]:
        """Return the beginning and the end of each occurrence of ``phrases`` in ``text``, in order."""
        return sorted(found.span() for phrase in phrases for found in _compiled(phrase).finditer(text))


@cache
def _compiled(phrase: str) -> re.Pattern[str]:
    inner = re.escape(phrase.strip("*")).replace(r"\*", r"[^\W\d_]{0,12}").replace(r"\ ", r"[\s-]{0,2}")
    before, after = "" if phrase.startswith("*") else r"(?<![^\W\d_])", "" if phrase.endswith("*") else r"(?![^\W\d_])"
    return re.compile(f"{before}{inner}{after}")


class Ends:
    """Phrases that a text ends or begins with."""

    def __init__(self, texts: Iterable[str]) -> None:
        phrases = split(texts)
        starts = [each[:-1] for each in phrases if each.endswith("*") and not each.startswith("*")]
        parts = [each[1:-1] for each in phrases if each.endswith("*") and each.startswith("*")]
        suffixes = [each[1:] for each in phrases if each.startswith("*") and not each.endswith("*")]
        self._words = {each for each in phrases if "*" not in each}
        self._starts = _by_sign(starts, 0)
        self._several = tuple(each for each in starts if " " in each)
        self._suffixes = _by_sign(suffixes, -1)
        self._parts = re.compile("|".join(map(re.escape, parts))) if parts else None
        self._last_words = {each.rpartition(" ")[2] for each in self._words if " " in each}
        self._beginnings = [each.lstrip("*") for each in phrases]
        self._literals = _by_sign((each.strip("*") for each in phrases), 0)

    def end(self, text: str) -> str:
        """Return the last words of ``text`` if they are one of the phrases, else "". Punctuation may follow them."""
        text = text[-_TAIL:].rstrip(SEPARATORS)
        words = text.rsplit(None, _LONGEST)[-_LONGEST:]
        if not words:
            return ""
        last = words[-1].strip(SEPARATORS)
        if last in self._words or last.startswith(self._starts.get(last[:1], ())):
            return last
        if text.endswith(self._suffixes.get(text[-1], ())) or (self._parts and self._parts.search(last)):
            return last
        if self._several or last in self._last_words:
            for word in words[-2::-1]:
                last = f"{word.strip(SEPARATORS)} {last}"
                if last in self._words or last.startswith(self._several):
                    return last
        return ""

    def begin(self, text: str) -> bool:
        """Return whether ``text`` begins with one of the phrases; only signs may stand before it."""
        text = text.lstrip(_CLOSING)
        begins = text.startswith(self._literals.get(text[:1], ()))
        return begins and any(_compiled(each).match(text) for each in self._beginnings)


def _by_sign(phrases: Iterable[str], position: int) -> dict[str, tuple[str, ...]]:
    """Return phrases by their first or their last sign."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for each in phrases:
        found[each[position]].append(each)
    return {sign: tuple(several) for sign, several in found.items()}


class Copulas:
    """Words such as "is" by their languages, as they stand between the name of a thing and the thing."""

    def __init__(self, languages: Iterable[tuple[str, str]]) -> None:
        self._words: dict[str, set[str]] = {}
        for language, text in languages:
            for word in split([text]):
                self._words.setdefault(word, set()).add(language)

    def languages(self, word: str) -> set[str]:
        """Return the languages in which ``word`` is a copula, or ends in one if the script joins words."""
        word = word.strip(SEPARATORS)
        found = self._words.get(word, set())
        for length in range(1, min(len(word), _PARTICLE) + 1):
            found = found | self._words.get(f"*{word[-length:]}", set())
        return found

    def last(self, text: str) -> set[str]:
        """Return the languages in which ``text`` ends in a copula; punctuation may follow it."""
        words = text.rstrip(SEPARATORS).rsplit(None, 1)
        return self.languages(words[-1]) if words else set()

    def only(self, text: str, languages: AbstractSet[str]) -> bool:
        """Return whether each word of ``text`` is a copula of one of ``languages``."""
        words = [bare for word in text.split() if (bare := word.strip(SEPARATORS))]
        return bool(words) and all(
            self._words.get(word, _NONE) & languages or self._words.get(f"*{word}", _NONE) & languages for word in words
        )


_NONE: Final[set[str]] = set()
_PARTICLE: Final = 3
"""The maximum length of a copula that is joined to the word before it."""

_CLOSING: Final = " \t\n*_\"'“”»’」』】])>、，,"
