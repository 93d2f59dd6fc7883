"""The part of an HTML document that is read, so that no page costs its parser more than a large newsletter.

An HTML5 parser is linear in ordinary pages, and quadratic, in time or in memory, in nested elements, in the attributes
of one tag, and in formatting elements that are not closed: it opens them again in every following paragraph. A page is
cut before the first tag that exceeds a bound.

1. Every ``<`` with a letter counts as a tag, in a comment or a script too, so that nothing can hide a tag.
2. An end counts only if such an element is open. Elements that the next of their kind ends do not count as nested.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from functools import lru_cache
from typing import Final

MOST: Final = 1_048_576
"""The maximum number of characters to read; newsletters have a tenth of that."""

TAGS: Final = 16_000
"""The maximum number of tags to read, the ends of elements included; newsletters have a few thousand."""

DEEPEST: Final = 512
"""The maximum depth of nested elements, as in Chromium."""

_ATTRIBUTES: Final = 256
_MERGING: Final = frozenset({"html", "body"})
_MERGED: Final = 64
"""Tags of ``html`` and ``body``, whose attributes become those of one element."""

_OVERLAPPING: Final = 1000
"""Tags in the attributes of others."""

_REOPENED: Final = 24_576
"""Formatting elements that the parser may have to open again."""

_ALIKE: Final = 3
"""Equal formatting elements that the parser opens again."""

_UNREAD: Final = (
    f"the HTML is longer than {MOST // 1024} KiB, has more than {TAGS} tags or {_ATTRIBUTES} attributes of one, or"
    f" elements nested more than {DEEPEST} deep: links, codes and select read the part before that"
)
_BLANK: Final = r" \t\n\f\r"
_TAG = re.compile(rf"<(/?)([a-z][^{_BLANK}/>]*+)(>)?+", re.IGNORECASE)
_ATTRIBUTE: Final = (
    rf"[{_BLANK}/]*+[^{_BLANK}/>][^{_BLANK}/>=]*+"
    rf"(?:[{_BLANK}]*+=[{_BLANK}]*+(?:\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z)|[^{_BLANK}>\"'][^{_BLANK}>]*+)?+)?+"
)
_REST = re.compile(rf"(?:{_ATTRIBUTE}){{0,{_ATTRIBUTES}}}+[{_BLANK}/]*+(>|\Z)?+", re.IGNORECASE)
_EMPTY_TAGS: Final = "area base br col embed hr img input link meta source track wbr"
_CLOSED_BY_THE_NEXT: Final = "p tr td th thead tbody tfoot option optgroup colgroup rt rp a nobr"
_NOT_NESTED: Final = frozenset(f"{_EMPTY_TAGS} {_CLOSED_BY_THE_NEXT}".split())
_ITEMS: Final = {"li": "li", "dd": "dd", "dt": "dd"}
"""Elements that the next of their kind ends, but that nest in those of the other kind."""

_FORMATTING_TAGS: Final = "b big code em font i s small strike strong tt u"
_FORMATTING: Final = frozenset(_FORMATTING_TAGS.split())


@lru_cache(maxsize=2)
def bounded(html: str) -> str:
    """Return the part of ``html`` that is read, without lone surrogates, which the parser rejects."""
    html = html[:MOST]
    return html[: _end(html)].encode("utf-8", "replace").decode()


def unread(html: str) -> tuple[str, ...]:
    """Return the reason why a part of ``html`` is not read, or nothing."""
    if len(bounded(html)) >= len(html):
        return ()
    return (_UNREAD,)


def _end(html: str) -> int:
    """Return where ``html`` is cut."""
    elements = _Elements()
    read = overlapping = merged = 0  # up to where attributes were read
    for number, tag in enumerate(_TAG.finditer(html)):
        ends, name, complete = tag.groups()
        start, end = tag.span()
        name = name.lower()
        overlapping += start < read
        merged += name in _MERGING
        if number >= TAGS or overlapping > _OVERLAPPING or merged > _MERGED:
            return start
        if not complete:
            rest = _REST.match(html, end)
            if rest is None or rest[1] is None:
                return start  # too many attributes
            end = rest.end()
        if end > read:  # noqa: PLR1730 - ``max`` takes three times as long, and there may be thousands of tags
            read = end
        if ends:
            elements.close(name)
            continue
        if name in _NOT_NESTED:
            elements.reopened += elements.active
        else:
            elements.open(name, html[start:end])
        if elements.depth > DEEPEST or elements.reopened > _REOPENED:
            return start
    return len(html)


class _Elements:
    """The elements that are open, at most.

    Attributes:
        depth: How deep they are nested.
        active: How many formatting elements are open.
        reopened: How many formatting elements have been opened again.
    """

    def __init__(self) -> None:
        self.depth = self.active = self.reopened = 0
        self._open: Counter[str] = Counter()
        self._formatting: defaultdict[str, list[str]] = defaultdict(list)
        self._alike: Counter[str] = Counter()
        self._item = ""

    def open(self, name: str, tag: str) -> None:
        """Note the beginning of an element that may be nested; ``tag`` is all of its tag."""
        self.reopened += self.active
        if name in _ITEMS:
            before, self._item = self._item, _ITEMS[name]
            if self._item == before:
                return
        if name in _FORMATTING:
            self._alike[tag] += 1
            if self._alike[tag] > _ALIKE:
                return
            self._formatting[name].append(tag)
            self.active += 1
        self._open[name] += 1
        self.depth += 1

    def close(self, name: str) -> None:
        """Note the end of an element."""
        if not self._open.get(name):
            return
        if name in _ITEMS:
            self._item = ""
        self._open[name] -= 1
        self.depth -= 1
        if name in _FORMATTING:
            self._alike[self._formatting[name].pop()] -= 1
            self.active -= 1
