"""Messages of a user's permanent address, by folder and uid."""

from __future__ import annotations

import asyncio
import re
from typing import Any

from aiohttp import web

from sirrchat_testkit.domain.models import INBOX, Account, Message
from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.errors import NotFound
from sirrchat_testkit.http.numbered_pages import limit, number
from sirrchat_testkit.http.row_cache import Rows, paged
from sirrchat_testkit.http.style import answer
from sirrchat_testkit.http.text_cache import LARGE
from sirrchat_testkit.mail import mime
from sirrchat_testkit.schemas.times import iso_seconds

RAW = "message/rfc822"
"""Who accepts it gets the bytes as they were received."""

_UID = re.compile(r"[1-9][0-9]{0,18}")


class MessageViews:
    """One method for each route."""

    def __init__(self, backend: Backend) -> None:
        self._accounts = backend.accounts
        self._folders = backend.folders
        self._postoffice = backend.postoffice
        self._rows = Rows[Message](_listed)

    async def listed(self, request: web.Request) -> web.Response:
        """``GET /users/{id}/messages``: what is in a folder, newest first; changes no flag."""
        account = await self._account(request)
        meta = {"limit": limit(request), "offset": number(request, "offset", 0, least=0)}
        folder = request.query.get("mailbox", INBOX)
        found, total = await self._folders.page(account, folder, meta["offset"], meta["limit"])
        return paged([self._rows.of(each) for each in found], meta={**meta, "total": total})

    async def show(self, request: web.Request) -> web.Response:
        r"""``GET /users/{id}/messages/{uid}``: all of a message, or its bytes; sets ``\Seen``."""
        message = await self._message(request)
        raw = await self._postoffice.raw(message)
        message = await self._folders.see(message)
        if _wants_raw(request):
            return web.Response(body=raw, headers={"Content-Type": RAW})
        return answer(_listed(message) | await _contents(raw))

    async def delete(self, request: web.Request) -> web.Response:
        """``DELETE /users/{id}/messages/{uid}``."""
        await self._postoffice.delete([await self._message(request)])
        return web.Response(status=204)

    async def _account(self, request: web.Request) -> Account:
        return await self._accounts.get(request.match_info["user"])

    async def _message(self, request: web.Request) -> Message:
        account = await self._account(request)
        uid = request.match_info["uid"]
        if not _UID.fullmatch(uid):
            raise NotFound("no such message")
        return await self._folders.message(account, int(uid))


def _wants_raw(request: web.Request) -> bool:
    accepted = request.headers.get("Accept", "").split(",")
    return any(each.partition(";")[0].strip().lower() == RAW for each in accepted)


def _listed(message: Message) -> dict[str, Any]:
    return {
        "uid": message.seq,
        "from": message.sender or message.mail_from,
        "to": message.to,
        "subject": message.subject,
        "date": iso_seconds(message.received_at),
        "size": message.size,
        "flags": message.flags,
    }


async def _contents(raw: bytes) -> dict[str, Any]:
    if len(raw) < LARGE:
        return _read(raw)
    return await asyncio.get_running_loop().run_in_executor(None, _read, raw)


def _read(raw: bytes) -> dict[str, Any]:
    parsed = mime.parse(raw)
    return {
        "cc": parsed.cc,
        "headers": dict(parsed.headers),
        "text": parsed.text,
        "html": parsed.html,
        "attachments": [
            {"name": each.name, "content_type": each.type, "size": each.size}
            for each in (*parsed.attachments, *parsed.inline)
        ],
    }
