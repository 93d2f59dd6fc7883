"""One-time codes in the text, the HTML or the subject of a message.

1. Everything with the shape of a code is a candidate. Each is kept or dropped for a reason that a failure shows.
2. A candidate is dropped if it is part of something else (a URL, a date, a price, a phone or order number), or if no
   word such as "code" is near it: on its line, two lines up or down, or within 80 characters.
3. If one candidate directly follows such a word and another is only near it, the first is the code.
4. A year or a date that directly follows such a word ("Your code is 2031") is a code.
5. The body comes first. The subject is read if the body has no code, or only numbers near such a word that are not
   certain; if the two then disagree, both are candidates.
6. Positions matter, so folding of full-width characters keeps the length.
7. Only ``pick_code_in`` raises.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final, NamedTuple

from sirrchat_testkit.comparing import CONTAINED, holds
from sirrchat_testkit.formatting import named
from sirrchat_testkit.mail.attachments import Candidate, only
from sirrchat_testkit.mail.code_patterns import (
    DATES,
    INTRODUCED,
    KEYWORD,
    NUMBERED,
    PHONES,
    PRICES,
    SHAPE,
    URLS,
    YEAR,
)

__tracebackhide__ = True

_REACH: Final = 80
_LINES: Final = 2
_WIDEST: Final = 600
"""Characters on either side of a candidate that are searched for lines."""
_DIGITS: Final = range(4, 10)
_BEFORE: Final = 60
"""Characters before a candidate that are searched for the words that introduce it."""
_FOLLOWS: Final = 'it directly follows a word such as "code"'
_ON_LINE: Final = 'it is on the same line as a word such as "code"'
_NEAR: Final = 'it is near a word such as "code"'
_SPACE = re.compile(r"\s")
_DATE: Final = "it is part of a date or a time"
_GROUPED: Final = range(6, 17)
"""Letters and digits of a code that has letters. Shorter ones, such as "UTF-8" and "AB-12", look like words."""

# Full-width letters and digits, all dashes, wide and no-break blanks. Full-width stops are kept: they end numbers.
_WIDE: Final = (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))
_FOLDED = {wide: wide - 0xFEE0 for wide in _WIDE} | dict.fromkeys(map(ord, "‐‑‒–—−－"), ord("-"))
_FOLDED |= dict.fromkeys(map(ord, "\u3000\u00a0\u2007\u202f\u2009\t\r"), ord(" "))

_WHOLES: Final = {
    "it is in a URL or an address": URLS,
    "it is a year": re.compile(r"(?<!\d)\d{4} ?[年년]"),
    _DATE: DATES,
    "it is part of a phone number": PHONES,
    "it is part of a price or an amount": PRICES,
}
"""Larger things that a candidate may be part of, by the reason for dropping it."""


_MOST: Final = 1_048_576
"""Characters of a text that is searched as a whole."""

_ENDS: Final = 262_144
"""Characters at the beginning and at the end of a longer text that are searched."""


class Texts(NamedTuple):
    """The texts of a message, in the order in which they are searched. ``html()`` returns the text of the HTML."""

    text: str
    html: Callable[[], str]
    subject: str = ""


def codes_in(texts: Texts) -> tuple[str, ...]:
    """Return the distinct codes in ``texts``, in order."""
    return tuple(each.value for each in _found(texts, None, None) if each.kept)


def pick_code_in(texts: Texts, pattern: str | re.Pattern[str] | None = None, near: Any = None) -> str:
    """Return the one code in ``texts``.

    Raises:
        NotExactlyOne: There is none, or there are several.
    """
    asked = f"code matching {named(re.compile(pattern))}" if pattern is not None else "code"
    if len(texts.text) > _MOST:
        asked = f"{asked} in the first and last 256 KiB of the text"
    asked += f" near {named(near)}" if near is not None else ""
    candidates = _closest(_found(texts, pattern, near))
    return only(candidates, asked, "text that looks like one" if pattern else _NO_SHAPE, _ADVICE)


_NO_SHAPE: Final = 'text that looks like one; for another form: code(r"[A-Za-z]{6}")'
_ADVICE: Final = 'code(r"[A-Z0-9]{6}"), or code(near="sign in")'


def _found(texts: Texts, pattern: str | re.Pattern[str] | None, near: Any) -> list[Candidate[str]]:
    """Return the distinct candidates of the body, and those of the subject if none of the body is certain."""
    found = _distinct(_candidates(_searched(texts.text), pattern, near))
    if not any(each.kept for each in found):
        found = _distinct([*_candidates(texts.html(), pattern, near), *found])
    if not any(each.kept and each.reason != _NEAR for each in found):
        subject = _candidates(texts.subject, pattern, near)
        found = _distinct([*found, *(each._replace(shown=f"{each.shown} (in the subject)") for each in subject)])
    return found


def _searched(text: str) -> str:
    """Return the parts of ``text`` to search: all of it, or its two ends without words that are cut off."""
    if len(text) <= _MOST:
        return text
    first, last = _SPACE.split(text[:_ENDS][::-1], maxsplit=1)[-1][::-1], _SPACE.split(text[-_ENDS:], maxsplit=1)[-1]
    return f"{first}\n{last}"


def _candidates(text: str, pattern: str | re.Pattern[str] | None, near: Any) -> Iterator[Candidate[str]]:
    if pattern is None:
        yield from _judged(text, near)
        return
    text = text.translate(_FOLDED)
    for found in re.finditer(pattern, text):
        value = found[1] if found.re.groups and found[1] is not None else found[0]
        missed = near is not None and not holds(near, _around(text, found.start(), found.end()), CONTAINED)
        yield Candidate(value, repr(value), not missed, f"it is not near {named(near)}" if missed else "it matches")


def _judged(text: str, near: Any) -> Iterator[Candidate[str]]:
    """Yield everything in ``text`` with the shape of a code, kept or dropped."""
    text = text.translate(_FOLDED)
    plain = Plain(URLS.sub(lambda url: " " * len(url[0]), text))
    spans = [(reason, [span.span() for span in pattern.finditer(text)]) for reason, pattern in _WHOLES.items()]
    good = f"it is near {named(near)}"
    for found in SHAPE.finditer(text):
        value = found[0].replace(" ", "") if found["apart"] else found[0]
        reason = _inside(plain, found, spans) or _shape_flaw(found) or _flaw(plain, found, near)
        yield Candidate(value, repr(value), not reason, reason or (_rank(plain, found) if near is None else good))


class Plain:
    """A text without URLs, with the positions of words such as "code"."""

    def __init__(self, text: str) -> None:
        self.text = text
        words = [word.span() for word in KEYWORD.finditer(text)]
        self._starts, self._ends = [start for start, _ in words], [end for _, end in words]

    def has_keyword(self, start: int, end: int) -> bool:
        """Return whether a word such as "code" is between two positions."""
        first = bisect_left(self._starts, start)
        return first < len(self._ends) and self._ends[first] <= end

    def introduces(self, position: int) -> bool:
        """Return whether a word such as "code" comes directly before ``position``."""
        last = bisect_right(self._ends, position) - 1
        if last < 0 or self._starts[last] < position - _BEFORE:
            return False
        return INTRODUCED.fullmatch(self.text, self._ends[last], position) is not None


def _rank(plain: Plain, found: re.Match[str]) -> str:
    """Return how near a word such as "code" is to a candidate: directly before it, on its line, or further away."""
    if plain.introduces(found.start()):
        return _FOLLOWS
    end = plain.text.find("\n", found.end())
    begin = plain.text.rfind("\n", 0, found.start()) + 1
    return _ON_LINE if plain.has_keyword(begin, end if end >= 0 else len(plain.text)) else _NEAR


def _closest(candidates: list[Candidate[str]]) -> list[Candidate[str]]:
    """Drop the candidates that are only near a word such as "code" if another one directly follows it."""
    if not any(each.kept and each.reason == _FOLLOWS for each in candidates):
        return candidates
    further = 'it is only near a word such as "code", which another candidate directly follows'
    return [
        each._replace(kept=False, reason=further) if each.kept and each.reason == _NEAR else each for each in candidates
    ]


def _shape_flaw(found: re.Match[str]) -> str:
    """Return why this does not have the shape of a code, or an empty string if it does."""
    characters = sum(each.isalnum() for each in found[0])
    digits = sum(each.isdigit() for each in found[0])
    if digits == characters:
        return "" if digits in _DIGITS else f"it has {digits} digits, not 4 to 9"
    if (not digits and " " in found[0]) or KEYWORD.search(found[0]) or characters not in _GROUPED:
        return "it looks like words"
    return ""


def _inside(plain: Plain, found: re.Match[str], wholes: list[tuple[str, list[tuple[int, int]]]]) -> str:
    """Return what the candidate is part of, such as a URL, or "". A date that is introduced as a code is a code."""
    for reason, spans in wholes:
        following = bisect_right(spans, found.start(), key=lambda span: span[1])
        if following < len(spans) and spans[following][0] < found.end():
            if reason == _DATE and plain.introduces(found.start()):
                continue
            return reason
    return ""


def _flaw(plain: Plain, found: re.Match[str], near: Any) -> str:
    """Return why the surrounding words show that this is not a code, or an empty string if it is one."""
    introduced = plain.introduces(found.start())
    numbered = NUMBERED.search(plain.text[max(0, found.start() - _BEFORE) : found.start()])
    if numbered and not (introduced and numbered[0].startswith(("#", "№"))):
        return f"it is another number: it follows {numbered[0].strip()!r}"
    if YEAR.fullmatch(found[0]) and not introduced:
        return "it is a year or a date"
    if near is not None:
        around = _around(plain.text, found.start(), found.end())
        return "" if holds(near, around, CONTAINED) else f"it is not near {named(near)}"
    up, down = _reach(plain.text, found.start(), found.end())
    near_keyword = plain.has_keyword(found.start() - up, found.start()) or plain.has_keyword(
        found.end(), found.end() + down
    )
    return "" if near_keyword else 'no word such as "code" is near it'


def _around(text: str, start: int, end: int) -> str:
    """Return the text around a candidate within ``_reach``."""
    up, down = _reach(text, start, end)
    return f"{text[max(0, start - up) : start]} {text[end : end + down]}"


def _reach(text: str, start: int, end: int) -> tuple[int, int]:
    """Return how many characters before and after a candidate count as near.

    That is its line and two non-empty lines on either side, but at least 80 characters.
    """
    before, after = text[max(0, start - _WIDEST) : start], text[end : end + _WIDEST]
    lines = before.split("\n")
    full = [number for number, line in enumerate(lines[:-1]) if line.strip()]
    first = full[-_LINES] if len(full) >= _LINES else 0
    up = max(len("\n".join(lines[first:])), _REACH)
    lines = after.split("\n")
    full = [number for number, line in enumerate(lines) if number and line.strip()]
    last = full[_LINES - 1] if len(full) >= _LINES else len(lines)
    down = max(len("\n".join(lines[: last + 1])), _REACH)
    return up, down


def _distinct(candidates: Iterable[Candidate[str]]) -> list[Candidate[str]]:
    """Return each code once, however it is grouped. It is kept if it was kept anywhere, with the best reason."""
    known: dict[str, Candidate[str]] = {}
    for each in candidates:
        key = each.value.replace("-", "").replace(" ", "")
        if key not in known or (each.kept and not known[key].kept):
            known[key] = each
        elif each.reason == _FOLLOWS:
            known[key] = known[key]._replace(reason=_FOLLOWS)
    return list(known.values())
