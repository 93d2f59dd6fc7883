"""A text in which codes are searched: its lines, and the words in it that tell a code from another number.

1. A line is what a reader sees as one: a line of plain text, a block of HTML, or a cell of a table.
2. Digits of all scripts and full-width characters are folded to ASCII, invisible signs are removed, and boxes of
   one character each are joined on one line.
3. Lists of words are searched once for the whole text; what stands beside a word is looked at only for those found.
"""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from functools import cached_property
from itertools import accumulate
from operator import itemgetter
from typing import Final, Literal, NamedTuple, TypeAlias

from sirrchat_testkit.mail.code_words import LANGUAGES, Language
from sirrchat_testkit.mail.phrases import Copulas, Ends, Patterns, Stems, distinct_words

WordKind: TypeAlias = Literal["code", "secret", "reason"]
"""Whether a word names a code, a password or verification, or what a code is sent for."""

_ZEROS: Final = (
    *(0x0660, 0x06F0, 0x07C0, 0x0966, 0x09E6, 0x0A66, 0x0AE6, 0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0DE6, 0x0E50),
    *(0x0ED0, 0x0F20, 0x1040, 0x1090, 0x17E0, 0x1810, 0x1946, 0x19D0, 0x1A80, 0x1A90, 0x1B50, 0x1BB0, 0x1C40, 0x1C50),
    *(0xA620, 0xA8D0, 0xA900, 0xA9D0, 0xA9F0, 0xAA50, 0xABF0, 0x1D7CE, 0x1D7D8, 0x1D7E2, 0x1D7EC, 0x1D7F6),
)
"""The zeros of the scripts that have decimal digits of their own."""

_UNSEEN: Final = (
    "\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\u20e3\ufe0e\ufe0f\ufeff\u0640"
)
_FOLD = dict.fromkeys(map(ord, "‐‑‒–—−"), ord("-")) | {0x130: ord("I"), ord("："): ord(":")}
_FOLD |= dict.fromkeys(
    map(ord, "\u00a0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u3000\t\r\v\f"),
    ord(" "),
)
_FOLD |= {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F) if chr(wide) not in "！？，．"}
_FOLD |= {zero + digit: ord("0") + digit for zero in _ZEROS for digit in range(10)}
_INVISIBLE = re.compile(f"[{_UNSEEN}]")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_URL = re.compile(r"://\S*")
_MIXED = re.compile(
    r"(?<![A-Za-z0-9-])(?=[A-Z0-9-]{0,16}(?:[A-Z][0-9]|[0-9][A-Z]))[A-Z0-9]{1,16}(?:-[A-Z0-9]{1,16}){0,3}(?![A-Za-z0-9-])"
)
"""A code with letters and digits; a word in it, as in ``TAN5-7B5G``, is there by chance."""

_BOX = re.compile(r"[A-Z0-9]")
_BOXES = re.compile(r"(?m)^ *[A-Z0-9] *(?:\n\s*(?:- *\n\s*)?[A-Z0-9] *){3,8}$")
_SPREAD = re.compile(
    r"(?<!\S)[A-Z0-9](?P<between> {2,4}| ?[-|] ?)[A-Z0-9](?:(?P=between)(?:-(?P=between))?[A-Z0-9]){2,7}(?![^\s|])"
)
_ITALIC = re.compile(r"(?<![A-Za-z0-9_])_{1,2}([A-Za-z0-9 -]{4,16})_{1,2}(?![A-Za-z0-9_])")


def _kinds(language: Language) -> tuple[tuple[WordKind, str], ...]:
    return ("code", language.code), ("secret", language.secret), ("reason", language.reason)


WORDS: Final = Stems((kind, name, words) for name, each in LANGUAGES.items() for kind, words in _kinds(each))
_NAMES: Final = Stems(("", "", words) for each in LANGUAGES.values() for words in (each.code, each.secret))
OTHER_CODES: Final = Patterns(each.other_codes for each in LANGUAGES.values())
PROMOTION: Final = Patterns(each.promotion for each in LANGUAGES.values())
NUMBERS: Final = Ends(each.numbers for each in LANGUAGES.values())
NUMBERS_AFTER: Final = Ends(each.numbers_after for each in LANGUAGES.values())
VERBS: Final = Ends(each.verbs for each in LANGUAGES.values())
VERBS_AFTER: Final = Ends(each.verbs_after for each in LANGUAGES.values())
COPULAS: Final = Copulas((language, each.copulas) for language, each in LANGUAGES.items())
_AROUND: Final = 40
"""Characters on either side of a word that names a code, in which it may turn out to be another code."""

_NEAR_WORDS: Final = 500
"""Characters on either side of a word in a long text that are read; up to twice as many, to the end of a line."""

_CELL = re.compile(r"[^\s|](?:[^|]*[^\s|])?")
_LETTERS = re.compile(r"[^\W\d_]*")
_JOINED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]")
"""Scripts in which letters beside a word may belong to the next one."""


class Word(NamedTuple):
    """A word at a position of a text, with the languages that have it."""

    start: int
    end: int
    kind: WordKind
    languages: frozenset[str]


class Line(NamedTuple):
    """A line that is not empty, or one cell of a row of a table.

    Attributes:
        start: The position of its first character that is not a blank.
        end: The position after its last one.
        block: The number of the paragraph that it belongs to.
        row: The number of the line that a cell is in, without the empty ones.
        column: The number of the cell in its row.
        columns: The number of cells in the row; 1 for other lines.
    """

    start: int
    end: int
    block: int
    row: int
    column: int = 0
    columns: int = 1


class CodeText:
    """A folded text, with its lines and its words.

    Attributes:
        text: The text.
        lower: The text in lower case, with the same positions.
        lines: The lines that are not empty, and the cells of tables.
        rows: The row of each line.
        wraps: Whether a sentence may go on in the next line, as in plain text.
    """

    def __init__(self, text: str, *, wraps: bool = False) -> None:
        self.wraps = wraps
        text = _BOXES.sub(lambda boxes: " ".join(_BOX.findall(boxes[0])), _folded(text))
        self.text = _ITALIC.sub(r"\1", _SPREAD.sub(lambda boxes: " ".join(_BOX.findall(boxes[0])), text))
        self.lower = self.text.lower()
        self.lines = _lines(self.text)
        self.rows = [line.row for line in self.lines]
        self._starts = [line.start for line in self.lines]

    @cached_property
    def _distinct_words(self) -> str:
        return distinct_words(self.lower)

    @cached_property
    def words(self) -> list[Word]:
        """The words for codes, passwords and reasons, in order, without those of other codes such as "postal code"."""
        words = [
            Word(start, until, kind, languages)
            for start, end, kinds in WORDS.spans(self.lower, self._distinct_words)
            for until in [self._word_end(end)]
            for kind, languages in kinds
        ]
        others = [url.span() for url in _URL.finditer(self.text)]
        if any(not self.text[word.start].islower() for word in words):  # a mixed code has no small letters
            others += [mixed.span() for mixed in _MIXED.finditer(self.text)]
        others += self._others([(word.start, word.end) for word in words if word.kind == "code"])
        if others:
            others.sort()
            starts = [start for start, _ in others]
            words = [word for word in words if not _covers(others, starts, word.start)]
        return sorted(words, key=itemgetter(0))

    @cached_property
    def _positions(self) -> list[int]:
        return [word.start for word in self.words]

    def _word_end(self, end: int) -> int:
        """Return the end of the word that a stem ends in."""
        if not self.lower[end : end + 1].isalnum() or _JOINED.match(self.lower, end - 1):
            return end
        rest = _LETTERS.match(self.lower, end)
        return rest.end() if rest else end

    def _others(self, codes: list[tuple[int, int]]) -> list[tuple[int, int]]:
        """Return where other codes are named, such as postal codes, in order. Only text near ``codes`` is searched."""
        phrases = OTHER_CODES.likely(self.lower, self._distinct_words)
        if not phrases:
            return []
        near: list[list[int]] = []
        for start, end in sorted(codes):
            if near and start - _AROUND <= near[-1][1]:
                near[-1][1] = max(near[-1][1], end + _AROUND)
            else:
                near.append([max(0, start - _AROUND), end + _AROUND])
        pieces = [self.lower[start:end] for start, end in near]
        offsets = list(accumulate((len(piece) + 1 for piece in pieces), initial=0))
        found = []
        for start, end in OTHER_CODES.spans("\n".join(pieces), phrases):
            number = bisect_right(offsets, start) - 1
            moved = near[number][0] - offsets[number]
            found.append((start + moved, end + moved))
        return found

    @cached_property
    def promotions(self) -> list[tuple[int, int]]:
        """The words for discounts, by their positions."""
        return PROMOTION.spans(self.lower, PROMOTION.likely(self.lower, self._distinct_words))

    def is_promotion(self, start: int, end: int) -> bool:
        """Return whether a word for a discount begins between two positions."""
        number = bisect_left(self.promotions, (start, 0))
        return number < len(self.promotions) and self.promotions[number][0] < end

    def words_between(self, start: int, end: int) -> list[Word]:
        """Return the words that begin between two positions."""
        return self.words[bisect_left(self._positions, start) : bisect_left(self._positions, end)]

    def kinds_between(self, start: int, end: int) -> set[WordKind]:
        """Return the kinds of the words that begin between two positions."""
        return {word.kind for word in self.words_between(start, end)}

    def occurrences(self, wanted: str | re.Pattern[str]) -> list[tuple[int, int]]:
        """Return where a text is, ignoring case, or where a pattern matches."""
        if not isinstance(wanted, str):
            return [found.span() for found in wanted.finditer(self.text)]
        return [found.span() for found in re.finditer(re.escape(fold_case(wanted)), self.lower)] if wanted else []

    def line_at(self, position: int) -> int:
        """Return the number of the line that ``position`` is in."""
        return max(0, bisect_right(self._starts, position) - 1)


def near_words(text: str, most: int, places: list[int]) -> str:
    """Return the lines of a long text near words such as "code": about ``most`` characters, from both ends.

    If there are ``places``, it is the lines near them; if there are neither, the ends of the text.
    """
    lower = text.replace("\u0130", "I").lower()
    words = places or sorted({start for start, _, _ in _NAMES.spans(lower, apart=_NEAR_WORDS // 2)}) or [0, len(text)]
    first, last = [*_around(text, words, most // 2)], [*_around(text, words, most // 2, backwards=True)]
    spans = sorted({*first, *last})
    pieces: list[str] = []
    end = 0
    for start, stop in spans:
        pieces.append(text[max(start, end) : stop])
        end = max(end, stop)
    return "\n\n".join(filter(None, pieces))


def _around(text: str, words: list[int], most: int, *, backwards: bool = False) -> Iterator[tuple[int, int]]:
    """Yield where the lines around ``words`` are, from one end of the text, until they have ``most`` characters."""
    number = len(words) - 1 if backwards else 0
    while 0 <= number < len(words) and most > 0:
        word = words[number]
        start = max(text.rfind("\n", 0, max(0, word - _NEAR_WORDS)) + 1, word - 2 * _NEAR_WORDS, 0)
        stop = text.find("\n", min(len(text), word + _NEAR_WORDS), word + 2 * _NEAR_WORDS)
        stop = stop if stop >= 0 else min(len(text), word + 2 * _NEAR_WORDS)
        while start < stop and _is_within_a_word(text, start):
            start += 1
        while start < stop and _is_within_a_word(text, stop):
            stop -= 1
        yield start, stop
        most -= stop - start
        if backwards:
            number = min(number, bisect_left(words, start + _NEAR_WORDS // 2)) - 1
        else:
            number = max(number + 1, bisect_left(words, stop - _NEAR_WORDS // 2))


def _is_within_a_word(text: str, position: int) -> bool:
    """Return whether a word in ASCII, which may be a code, would be cut at a position."""
    beside = text[max(0, position - 1) : position + 1]
    return len(beside) > 1 and beside.isascii() and beside.isalnum()


def fold_case(text: str) -> str:
    """Return ``text`` as ``CodeText.lower`` has it."""
    return _folded(text).lower()


def _covers(spans: list[tuple[int, int]], starts: list[int], position: int) -> bool:
    """Return whether one of ``spans``, which are sorted and begin at ``starts``, covers ``position``."""
    before = bisect_right(starts, position)
    return any(end > position for _, end in spans[max(0, before - 8) : before])


def _folded(text: str) -> str:
    """Return ``text`` with digits, dashes and blanks as ASCII, composed, and without invisible signs."""
    if not _NOT_ASCII.search(text) and "\t" not in text and "\r" not in text:
        return text
    return unicodedata.normalize("NFC", _INVISIBLE.sub("", text.translate(_FOLD)))


def _lines(text: str) -> list[Line]:
    lines: list[Line] = []
    at = block = row = 0
    for line in text.split("\n"):
        number = len(lines)
        if "|" in line:
            cells = [cell.span() for cell in _CELL.finditer(line)]
            lines += [
                Line(at + start, at + end, block, row, column, len(cells)) for column, (start, end) in enumerate(cells)
            ]
        elif stripped := line.strip():
            start = at + line.index(stripped[0])
            lines.append(Line(start, start + len(stripped), block, row))
        if len(lines) > number:
            row += 1
        else:
            block += 1
        at += len(line) + 1
    return lines
