"""Cursors of the disposable-address API: where a list goes on.

1. A cursor is base64url of JSON without padding, so that it can be pasted into a URL as it is.
2. It holds a position, never a record: it outlives the deletion of what it was made from, and mail that arrives
   while a client pages changes nothing on the pages to come.
3. To whoever sends one back it is opaque; one that cannot have been made here is ``InvalidValue``.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from typing import TypeVar

from aiohttp import web
from pydantic_core import from_json, to_json

from sirrchat_testkit.errors import InvalidValue
from sirrchat_testkit.records import Record

R = TypeVar("R", bound=Record)

PAGE = 20
"""Records on a page."""

ASKED = PAGE + 1
"""How many to ask a store for: one more than is shown tells whether there is a next page."""

_BASE64URL = re.compile(r"[A-Za-z0-9_-]{1,64}={0,2}")
_HIGHEST = 2**63 - 1


def position(request: web.Request) -> int | None:
    """Return the ``seq`` below which the page asked for begins, None for the first page. Raises ``InvalidValue``."""
    cursor = request.query.get("cursor", "")
    return decode(cursor) if cursor else None


def cut(records: Sequence[R]) -> tuple[Sequence[R], str | None]:
    """Return the page out of up to ``ASKED`` records, and the cursor of the next page or None."""
    page = records[:PAGE]
    return page, encode(page[-1].seq) if len(records) > PAGE else None


def encode(seq: int) -> str:
    """Return the cursor of what comes after the record at ``seq``."""
    return base64.urlsafe_b64encode(to_json({"seq": seq})).decode("ascii").rstrip("=")


def decode(cursor: str) -> int:
    """Return the position that ``cursor`` holds. Raises ``InvalidValue``."""
    try:
        held = from_json(_unpack(cursor), allow_inf_nan=False)
    except ValueError:
        held = None
    seq = held.get("seq") if isinstance(held, dict) else None
    if type(seq) is not int or not 0 < seq <= _HIGHEST:
        raise InvalidValue("cursor must be a nextCursor that was answered here", field="cursor", value=cursor)
    return seq


def _unpack(cursor: str) -> bytes:
    if not _BASE64URL.fullmatch(cursor):
        raise ValueError("no base64url")
    text = cursor.rstrip("=")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
