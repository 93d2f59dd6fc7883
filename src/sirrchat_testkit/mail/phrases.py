"""Lists of phrases that are looked for in lower-case text.

1. Phrases are separated by commas. ``*`` stands for any letters: ``order*`` finds "orders", ``*kod*`` finds
   "engångskoden". Without it a phrase begins and ends where words do.
2. The cost is linear in the text: a phrase is first looked for as a plain string. Patterns are compiled when needed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from functools import cache
from typing import Final, Generic, TypeVar

_SEPARATORS: Final = " \t\n\r.:;,#№*_-–—=>→|~(\"'“”„«»‘’「『【[{<、，："
_LONGEST: Final = 4
"""The maximum number of words of a phrase that ``ends`` knows."""

_TAIL: Final = 80


T = TypeVar("T")


def split(texts: Iterable[str]) -> list[str]:
    """Return the distinct phrases of comma-separated lists, in order."""
    phrases = (phrase.strip() for text in texts for phrase in text.split(","))
    return list(dict.fromkeys(phrase for phrase in phrases if phrase))


class Stems(Generic[T]):
    """Phrases of which every occurrence is found, each with a tag. ``*`` is at the ends of a phrase only."""

    def __init__(self, tagged: Iterable[tuple[T, str]]) -> None:
        self._stems: dict[str, list[tuple[bool, bool, T]]] = {}
        for tag, text in tagged:
            for each in split([text]):
                form = each.startswith("*"), each.endswith("*"), tag
                self._stems.setdefault(each.strip("*"), []).append(form)
        self._ascii = {stem: forms for stem, forms in self._stems.items() if stem.isascii()}

    def spans(self, text: str, apart: int = 0) -> Iterator[tuple[int, int, T]]:
        """Yield the beginning, the end and the tag of each occurrence in ``text``, in no order.

        Between those of one phrase there are at least ``apart`` characters; others are passed over.
        """
        for stem, forms in (self._ascii if text.isascii() else self._stems).items():
            at = text.find(stem)
            passed = 0
            while at >= 0:
                end = at + len(stem)
                begins, ends = not _in_word(text[at - 1 : at]), not _in_word(text[end : end + 1])
                for inside, open_ended, tag in forms:
                    if (inside or begins) and (open_ended or ends):
                        yield at, end, tag
                        passed = end + apart
                at = text.find(stem, max(end, passed))


def _in_word(character: str) -> bool:
    return character.isalpha() or character == "_"


class Patterns:
    """Phrases with ``*`` anywhere, in which a blank also matches a hyphen, or nothing."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._phrases = [(_longest(each), each) for each in split(texts)]
        self._ascii = [each for each in self._phrases if each[1].isascii()]

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Return the beginning and the end of each occurrence in ``text``, in order."""
        phrases = self._ascii if text.isascii() else self._phrases
        present = [phrase for literal, phrase in phrases if literal in text]
        return sorted(found.span() for phrase in present for found in _compiled(phrase).finditer(text))


def _longest(phrase: str) -> str:
    return max(re.split(r"[* -]", phrase), key=len)


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
        self._words = {each for each in phrases if "*" not in each}
        self._starts = tuple(starts)
        self._several = tuple(each for each in starts if " " in each)
        self._suffixes = tuple(each[1:] for each in phrases if each.startswith("*") and not each.endswith("*"))
        self._parts = re.compile("|".join(map(re.escape, parts)) or "(?!)")
        self._beginnings = [each.lstrip("*") for each in phrases]
        self._literals = tuple(each.strip("*") for each in phrases)

    def end(self, text: str) -> str:
        """Return the last words of ``text`` if they are one of the phrases, else "". Punctuation may follow them."""
        text = text[-_TAIL:].rstrip(_SEPARATORS)
        words = [word.strip(_SEPARATORS) for word in text.rsplit(None, _LONGEST)[-_LONGEST:]]
        if not words:
            return ""
        last = words[-1]
        if last in self._words or last.startswith(self._starts):
            return last
        if text.endswith(self._suffixes) or self._parts.search(last):
            return last
        for number in range(2, len(words) + 1):
            last = " ".join(words[-number:])
            if last in self._words or last.startswith(self._several):
                return last
        return ""

    def begin(self, text: str) -> bool:
        """Return whether ``text`` begins with one of the phrases; only signs may stand before it."""
        text = text.lstrip(_CLOSING)
        return text.startswith(self._literals) and any(_compiled(each).match(text) for each in self._beginnings)


class Copulas:
    """Words such as "is" by their languages, as they stand between the name of a thing and the thing."""

    def __init__(self, languages: Iterable[tuple[str, str]]) -> None:
        self._words: dict[str, set[str]] = {}
        for language, text in languages:
            for word in split([text]):
                self._words.setdefault(word, set()).add(language)

    def languages(self, word: str) -> set[str]:
        """Return the languages in which ``word`` is a copula, or ends in one if the script joins words."""
        word = word.strip(_SEPARATORS)
        found = self._words.get(word, set())
        for length in range(1, min(len(word), _PARTICLE) + 1):
            found = found | self._words.get(f"*{word[-length:]}", set())
        return found

    def last(self, text: str) -> set[str]:
        """Return the languages in which ``text`` ends in a copula; punctuation may follow it."""
        words = text.rstrip(_SEPARATORS).rsplit(None, 1)
        return self.languages(words[-1]) if words else set()

    def only(self, text: str, languages: set[str]) -> bool:
        """Return whether each word of ``text`` is a copula of one of ``languages``."""
        words = [bare for word in text.split() if (bare := word.strip(_SEPARATORS))]
        return bool(words) and all(
            self._words.get(word, _NONE) & languages or self._words.get(f"*{word}", _NONE) & languages for word in words
        )


_NONE: Final[set[str]] = set()
_PARTICLE: Final = 3
"""The maximum length of a copula that is joined to the word before it."""

_CLOSING: Final = " \t\n*_\"'“”»’」』】])>、，,"
