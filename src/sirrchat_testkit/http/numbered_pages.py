"""Numbered pages of the administration API.

1. ``page`` begins at 1; ``limit`` is 1 to 100, 20 unless asked for, and a higher one is cut to 100 and shown so.
2. Links are paths that keep every other query parameter as it was sent; None where there is no such page.
3. A page past the end is empty, never an error.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import unquote_plus

from aiohttp import web

from sirrchat_testkit.errors import InvalidValue
from sirrchat_testkit.http.row_cache import paged

PAGE = 20
MOST = 100

_DIGITS = re.compile(r"0*([0-9]+)")
_HIGHEST = 10**18
"""No list is as long: whoever asks for more gets what is there, which is nothing."""


class Window(NamedTuple):
    """Which page is asked for."""

    page: int
    limit: int

    @property
    def offset(self) -> int:
        """How many records come before it."""
        return (self.page - 1) * self.limit


_FIRST = Window(1, PAGE)


def window(request: web.Request) -> Window:
    """Return the page that ``request`` asks for. Raises ``InvalidValue``."""
    if not request.rel_url.raw_query_string:
        return _FIRST
    return Window(number(request, "page", 1, least=1), limit(request))


def limit(request: web.Request) -> int:
    """Return how many records ``request`` asks for at most. Raises ``InvalidValue``."""
    return min(number(request, "limit", PAGE, least=1), MOST)


def number(request: web.Request, name: str, default: int, *, least: int) -> int:
    """Return the query parameter ``name``, ``default`` without it. Raises ``InvalidValue`` below ``least``."""
    text = request.query.get(name)
    if text is None:
        return default
    digits = _DIGITS.fullmatch(text)
    value = -1 if digits is None else int(digits[1]) if len(digits[1]) <= len(str(_HIGHEST)) else _HIGHEST
    if value < least:
        raise InvalidValue(f"{name} must be a whole number, {least} or more", field=name, value=text)
    return min(value, _HIGHEST)


def listed(request: web.Request, asked: Window, rows: Sequence[bytes], total: int) -> web.Response:
    """Return the answer that shows ``rows``, one page of ``total`` records."""
    last = -(-total // asked.limit)
    meta = {"page": asked.page, "limit": asked.limit, "total": total, "total_pages": last}
    return paged(rows, meta=meta, links=_links(request, asked.page, last))


def _links(request: web.Request, page: int, last: int) -> dict[str, str | None]:
    url = request.rel_url
    kept = [part for part in url.raw_query_string.split("&") if part and _name(part) != "page"]
    start = f"{url.raw_path}?{''.join(f'{part}&' for part in kept)}page="
    return {
        "first": f"{start}1",
        "last": f"{start}{max(last, 1)}",
        "prev": f"{start}{min(page - 1, max(last, 1))}" if page > 1 else None,
        "next": f"{start}{page + 1}" if page < last else None,
    }


def _name(part: str) -> str:
    return unquote_plus(part.partition("=")[0])
