"""Pagination: numbered pages for the SirrChat API, cursors for the disposable-address API.

1. ``page`` begins at 1. ``limit`` is 1 to 100, by default 20; a higher one is reduced to 100, as the answer shows.
2. Links are paths that keep every other query parameter as it was sent; None if there is no such page.
3. A page past the end is empty, not an error.
4. A cursor is base64url of JSON without padding, so it can be pasted into a URL. It holds a position, so it outlives
   the deletion of the record that it was made from, and mail that arrives later does not change the next pages.
5. Cursors are opaque to clients. An invalid one is ``InvalidValue``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, TypeVar
from urllib.parse import unquote_plus

from aiohttp import web
from pydantic_core import from_json, to_json

from sirrchat_testkit.errors import InvalidValue
from sirrchat_testkit.http.parameters import Number, Parameter
from sirrchat_testkit.http.style import answer
from sirrchat_testkit.records import Record

MAX_LIMIT = 100

PAGE = Number("page", "The page, from 1.", 1, least=1)
LIMIT = Number("limit", f"How many records to return; more than {MAX_LIMIT} is reduced to {MAX_LIMIT}.", 20, least=1)
OFFSET = Number("offset", "How many records to skip.", 0, least=0)
CURSOR = Parameter("cursor", "The cursor of the page, from the answer with the previous one. Default: the first page.")
PAGING = (PAGE, LIMIT)


class Window(NamedTuple):
    """The page that was requested."""

    page: int
    limit: int

    @property
    def offset(self) -> int:
        """The number of records before it."""
        return (self.page - 1) * self.limit


_FIRST = Window(PAGE.default, LIMIT.default)


def window(request: web.Request) -> Window:
    """Return the requested page. Raises ``InvalidValue``."""
    if not request.rel_url.raw_query_string:
        return _FIRST
    return Window(PAGE.read(request), limit(request))


def limit(request: web.Request) -> int:
    """Return the requested number of records. Raises ``InvalidValue``."""
    return min(LIMIT.read(request), MAX_LIMIT)


def page_answer(request: web.Request, requested: Window, rows: Sequence[Mapping[str, Any]], total: int) -> web.Response:
    """Return the answer for ``rows``, the requested page of ``total`` records."""
    return answer(page_json(request, requested, rows, total))


def page_json(
    request: web.Request, requested: Window, rows: Sequence[Mapping[str, Any]], total: int
) -> Mapping[str, Any]:
    """Return the body of the answer for ``rows``, the requested page of ``total`` records."""
    last = -(-total // requested.limit)
    meta = {"page": requested.page, "limit": requested.limit, "total": total, "total_pages": last}
    return {"data": rows, "meta": meta, "links": _links(request, requested.page, last)}


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


R = TypeVar("R", bound=Record)

CURSOR_PAGE = 20
"""Records on a page."""

FETCHED = CURSOR_PAGE + 1
"""Records to read from the store: one more than a page, to see whether there is a next one."""

_BASE64URL = re.compile(r"[A-Za-z0-9_-]{1,64}={0,2}")
_HIGHEST_SEQ = 2**63 - 1


def cursor_position(request: web.Request) -> int | None:
    """Return the ``seq`` below which the requested page begins, or None for the first. Raises ``InvalidValue``."""
    cursor = CURSOR.read(request)
    return decode_cursor(cursor) if cursor else None


def split_page(records: Sequence[R]) -> tuple[Sequence[R], str | None]:
    """Return the page of up to ``FETCHED`` records, and the cursor of the next page or None."""
    page = records[:CURSOR_PAGE]
    return page, encode_cursor(page[-1].seq) if len(records) > CURSOR_PAGE else None


def encode_cursor(seq: int) -> str:
    """Return the cursor of the page after the record at ``seq``."""
    return base64.urlsafe_b64encode(to_json({"seq": seq})).decode("ascii").rstrip("=")


def decode_cursor(cursor: str) -> int:
    """Return the position in ``cursor``. Raises ``InvalidValue``."""
    try:
        content = from_json(_from_base64url(cursor), allow_inf_nan=False)
    except ValueError:
        content = None
    seq = content.get("seq") if isinstance(content, dict) else None
    if type(seq) is not int or not 0 < seq <= _HIGHEST_SEQ:
        raise InvalidValue("cursor must come from an earlier answer", field="cursor", value=cursor)
    return seq


def _from_base64url(cursor: str) -> bytes:
    if not _BASE64URL.fullmatch(cursor):
        raise ValueError("not base64url")
    text = cursor.rstrip("=")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
