"""One-time codes in the text, the HTML or the subject of a message.

1. ``code``, ``codes`` and the failures use the same ranks (see ``code_ranking``): the candidates of the best rank are
   kept, the others dropped, each for a reason that a failure shows.
2. The text comes first, then the HTML if the text has no code. The subject is read too, unless a word such as "code"
   introduces a code in the body.
3. With ``near``, the candidate nearest to that text is kept; on the same line, else rather below it than above it.
4. With a pattern, its matches are the candidates; if none has a rank, all are kept except parts of longer numbers.
5. Only ``pick_code_in`` raises.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from string import digits
from typing import Any, Final, NamedTuple, TypeAlias

from sirrchat_testkit.formatting import named
from sirrchat_testkit.mail.candidates import Candidate, only
from sirrchat_testkit.mail.code_ranking import REASONS, Place, Ranked, Ranking, Token
from sirrchat_testkit.mail.code_text import CodeText, near_words

__tracebackhide__ = True

Pattern: TypeAlias = str | re.Pattern[str] | None

MOST: Final = 1_048_576
"""Characters of a text that is searched as a whole."""

_ENDS: Final = MOST // 4
"""Characters at the beginning and at the end of a longer text that are searched."""

_RANKED: Final = 49_152
"""Characters of a longer text in which candidates are ranked: the lines near words such as "code"."""

_SPACE = re.compile(r"\s")
_DIGITS = re.compile(r"\d+")
_CAPITALS = re.compile(r"(?<!\\)[A-Z]+")
_LETTER = re.compile(r"[^\W\d_]")
_SIGNS: Final = " .,:;!?()[]'\"*_-=|>"
_FEW: Final = 3
_LONGEST = 32  # digits that are shown before and after a match that is only a part of a number
_ALNUM = re.compile(r"[A-Za-z0-9]")


class Texts(NamedTuple):
    """The texts of a message, in the order in which they are searched. ``html()`` returns the text of the HTML."""

    text: str
    html: Callable[[], str]
    subject: str = ""


class _Found(NamedTuple):
    """A candidate in one of the texts; ``part`` says in which, in a failure.

    ``longer`` is the number that a pattern cut it out of; empty if it is whole.
    """

    ranked: Ranked
    ranking: Ranking
    part: str
    longer: str = ""

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.ranked.place

    @property
    def token(self) -> Token:
        """The candidate itself."""
        return self.ranked.token

    @property
    def possible(self) -> bool:
        """Whether it has the form of a code and is not a part of a name."""
        return self.ranking.is_possible(self.token)

    @property
    def reason(self) -> str:
        """Why it has its place, or none."""
        return self.ranking.reason(self.ranked)

    @property
    def cut(self) -> str:
        """What is wrong with a part of a number; empty if it is whole."""
        return f"it is only a part of {self.longer!r}" if self.longer else ""

    def candidate(self, reason: str, *, kept: bool) -> Candidate[str]:
        """Return it as kept or dropped for a reason."""
        return Candidate(self.token.value, f"{self.token.value!r} {self.part}".rstrip(), kept, reason)


def codes_in(texts: Texts) -> tuple[str, ...]:
    """Return the distinct codes in ``texts``, in order."""
    return tuple(each.token.value for each in _best(_body(texts)))


def judged_codes(texts: Texts) -> list[Candidate[str]]:
    """Return the candidates in ``texts``, each with the reason why ``code()`` takes it or leaves it out."""
    return _judged(_distinct(_body(texts)))


def pick_code_in(texts: Texts, pattern: Pattern = None, near: Any = None) -> str:
    """Return the one code in ``texts``.

    Raises:
        NotExactlyOne: There is none, or there are several.
    """
    asked = f"code matching {named(re.compile(pattern))}" if pattern is not None else "code"
    if len(texts.text) > MOST:
        asked = f"{asked} in the first and last {_ENDS // 1024} KiB of the text"
    elif len(texts.text) > _RANKED and pattern is None and near is None:
        asked = f'{asked} near words such as "code" in a text of more than {_RANKED // 1024} KiB'
    asked += f" near {named(near)}" if near is not None else ""
    found = _distinct(_matching(texts, pattern) if pattern is not None else _body(texts, near))
    if near is None and len(best := _best(found)) == 1:
        return best[0].token.value
    judged = _nearest(found, near) if near is not None else _judged(found, every=pattern is not None)
    kind = "text that matches" if pattern is not None else "text with the form of one"
    shown = lambda: texts.text if texts.text.strip() else texts.html()  # noqa: E731 - only a failure reads it
    return only(judged, asked, kind, lambda: _advice(texts, found, judged), shown)


_ANOTHER_FORM: Final = 'To ask more precisely: code(r"[A-Za-z]{6}"), with the form of your code'
_TRIED: Final = 4
"""The maximum number of candidates for which a failure looks for a call."""


def _advice(texts: Texts, found: list[_Found], judged: list[Candidate[str]]) -> str:
    """Return calls that find the first candidate that was kept, or that may be the one."""
    several = [each for each, candidate in zip(found, judged, strict=True) if candidate.kept]
    around = _distinct(_body(texts, ""))
    found = [each for each in found if not each.longer] or around
    first = chain(
        (each for each in found if each.possible and not each.ranking.is_other(each.token)),
        (each for each in found if each.possible),
        (each for each in found if not each.ranking.is_part_of_a_name(each.token)),
    )
    for each in several[:_TRIED] or islice(first, _TRIED):
        forms = [form for form in [_form(each)] if _only(_judged(_distinct(_matching(texts, form)), every=True), each)]
        labels = [label for label in _labels(each) if _only(_nearest(around, label), each)]
        calls = [*(f'code(r"{form}")' for form in forms), *(f"code(near={label!r})" for label in labels[:1])]
        if calls:
            return f"To ask more precisely: {' or '.join(calls)}"
    return _ANOTHER_FORM


def _only(judged: list[Candidate[str]], one: _Found) -> bool:
    """Return whether a candidate is the only one that was kept."""
    return [each.value for each in judged if each.kept] == [one.token.value]


def _form(each: _Found) -> str:
    """Return a pattern for the form of a candidate."""
    form = _DIGITS.sub(lambda run: rf"\d{{{len(run[0])}}}", each.token.value)
    mixed = each.token.form == "mixed"
    return rf"\b[A-Za-z0-9]{{{len(each.token.value)}}}\b" if mixed else rf"\b{_CAPITALS.sub('[A-Z]+', form)}\b"


def _labels(each: _Found) -> list[str]:
    """Return up to three words around a candidate: before it, after it, and above it."""
    page, token = each.ranking.page, each.token
    number = page.line_at(token.start)
    line = page.lines[number]
    above = page.lines[number - 1] if number else line
    before, behind = page.text[line.start : token.start], page.text[token.end : line.end]
    beside = before.split()[-_FEW:], behind.split()[:_FEW], page.text[above.start : above.end].split()[-_FEW:]
    labels = (" ".join(words).strip(_SIGNS) for words in beside)
    return [label for label in labels if _LETTER.search(label)]


def _pages(texts: Texts, asked: Pattern = None) -> Iterator[tuple[CodeText, str]]:
    """Yield the text, the HTML and the subject, each with the words for it in a failure.

    Of a long text, these are the parts near what is ``asked`` for, or else near words such as "code".
    """
    yield _page(texts.text, asked, wraps=True), ""
    yield _page(texts.html(), asked), ""
    yield CodeText(texts.subject), "(in the subject)"


def _page(text: str, asked: Pattern, *, wraps: bool = False) -> CodeText:
    text = _searched(text)
    if len(text) > _RANKED:
        places = [found.start() for found in re.finditer(asked, text)] if asked is not None else []
        text = near_words(text, _RANKED, places)
    return CodeText(text, wraps=wraps)


def _searched(text: str) -> str:
    """Return the parts of ``text`` to search: all of it, or its two ends without words that are cut off."""
    if len(text) <= MOST:
        return text
    first, last = _SPACE.split(text[:_ENDS][::-1], maxsplit=1)[-1][::-1], _SPACE.split(text[-_ENDS:], maxsplit=1)[-1]
    return f"{first}\n{last}"


def _body(texts: Texts, near: Pattern = None) -> list[_Found]:
    """Return the candidates of the text, or of the HTML if the text has no code, and those of the subject.

    With ``near``, the HTML is read only if the text has no candidates.
    """
    whole = near is not None
    asked = re.compile(re.escape(near), re.IGNORECASE) if isinstance(near, str) and near else near or None
    found: list[_Found] = []
    best = Place.NOWHERE
    subject = CodeText(texts.subject)
    for page, part in _pages(texts, asked):
        if part and best <= Place.INTRODUCED:
            break
        if not part and (any(each.possible for each in found) if whole else best < Place.NOWHERE):
            continue
        ranking = Ranking(page, None if part else subject)
        found += [_Found(each, ranking, part) for each in ranking.candidates()]
        best = min((each.place for each in found), default=Place.NOWHERE)
    return _distinct(found)


def _matching(texts: Texts, pattern: str | re.Pattern[str]) -> list[_Found]:
    """Return the matches of a pattern in the first of the texts that has one."""
    subject = CodeText(texts.subject)
    for page, part in _pages(texts, pattern):
        ranking = Ranking(page, None if part else subject)
        matches = [each for each in re.finditer(pattern, page.text) if each[0]]
        found = [_Found(_match(ranking, each), ranking, part, _longer(page.text, each)) for each in matches]
        if found:
            return found
    return []


def _match(ranking: Ranking, match: re.Match[str]) -> Ranked:
    """Return a match of a user's pattern, or of its first group, as a candidate."""
    group = 1 if match.re.groups and match[1] is not None else 0
    value, (start, end) = match[group], match.span(group)
    text = ranking.page.text
    token = Token(value, start, end, "digits" if value.isdigit() else "mixed" if value.isalnum() else "groups")
    if _ALNUM.match(text, end) or (start and _ALNUM.match(text, start - 1)):
        return Ranked(token, Place.NOWHERE)
    return ranking.ranked(token)


def _longer(text: str, match: re.Match[str]) -> str:
    """Return the number of which ``match`` is only a part; empty if it is whole, or the pattern has a group."""
    if match.re.groups:
        return ""
    start, end = match.span()
    before, behind = text[max(0, start - _LONGEST) : start], text[end : end + _LONGEST]
    head = before[len(before.rstrip(digits)) :] if match[0][0] in digits else ""
    tail = behind[: len(behind) - len(behind.lstrip(digits))] if match[0][-1] in digits else ""
    return f"{head}{match[0]}{tail}" if head or tail else ""


def _best(found: list[_Found]) -> list[_Found]:
    """Return the candidates of the best place; words in capitals only if no other candidate is there."""
    best = min((each.place for each in found), default=Place.NOWHERE)
    if best == Place.NOWHERE:
        return []
    kept = [each for each in found if each.place == best]
    return [each for each in kept if not each.token.is_word] or kept


def _judged(found: list[_Found], *, every: bool = False) -> list[Candidate[str]]:
    """Return the candidates, the best ones as kept. With ``every``, all are kept if none has a place."""
    best = _best(found)
    if not best and every:
        return [each.candidate(each.cut or "it matches", kept=not each.longer) for each in found]
    better = f", but another candidate is better: {_BETTER[best[0].place]}" if best else ""
    return [
        each.candidate(
            f"{each.reason}{better if each.place != Place.NOWHERE and each not in best else ''}", kept=each in best
        )
        for each in found
    ]


_BETTER: Final = {place: reason.removeprefix("it is ") for place, reason in REASONS.items()}


def _nearest(found: list[_Found], near: str | re.Pattern[str]) -> list[Candidate[str]]:
    """Return the candidates, the nearest to a text as kept; of those that are equally near by lines, rather a code."""
    texts = {id(each.ranking): _Nearness(each.ranking, near) for each in found}
    places = [not each.longer and each.possible and texts[id(each.ranking)].of(each.ranked) for each in found]
    best = min((place for place in places if place), default=None)
    judged = []
    for each, place in zip(found, places, strict=True):
        missed = f"another candidate is nearer to {named(near)}" if place else f"{named(near)} is not in the message"
        kept = best is not None and place == best
        other = each.cut or (missed if each.possible else each.reason)
        reason = f"it is nearest to {named(near)}" if kept else other
        judged.append(each.candidate(reason, kept=kept))
    return judged


class _Nearness:
    """How near candidates are to a text of the user's."""

    def __init__(self, ranking: Ranking, near: str | re.Pattern[str]) -> None:
        self._ranking = ranking
        self._places = list(ranking.page.occurrences(near))

    def of(self, ranked: Ranked) -> tuple[int, bool, bool, int] | None:
        """Return a key that is less for a nearer candidate; None if the text is not there."""
        token = ranked.token
        other = ranked.place == Place.NOWHERE and self._ranking.is_other(token)
        number = bisect_right(self._places, (token.start, token.end))
        near = self._places[max(0, number - 1) : number + 1]
        distances = [(self._lines(token, start), max(start - token.end, token.start - end, 0)) for start, end in near]
        return min(((lines, other, ranked.place == Place.NOWHERE, gap) for lines, gap in distances), default=None)

    def _lines(self, token: Token, start: int) -> int:
        """Return how many lines are between; those above a text count more than those below, and empty lines too."""
        page = self._ranking.page
        here, there = page.line_at(token.start), page.line_at(start)
        return 2 * (abs(here - there) + abs(page.lines[here].block - page.lines[there].block)) + (here < there)


def _distinct(found: Iterable[_Found]) -> list[_Found]:
    """Return each candidate once, grouped as where it has a place first, with its best place."""
    known: dict[tuple[str, str], _Found] = {}
    for each in found:
        key = each.token.value.replace("-", "").replace(" ", ""), each.longer
        first = known.setdefault(key, each)
        if each.place < first.place:
            token = each.token if first.place == Place.NOWHERE else each.token._replace(value=first.token.value)
            known[key] = each._replace(ranked=Ranked(token, each.place))
    return list(known.values())
