"""The SirrChat API: users, their quotas, and the messages of their permanent addresses by folder and uid."""

from __future__ import annotations

import re
from typing import Any

from aiohttp import web

from sirrchat_testkit.domain.accounts import NewAccount
from sirrchat_testkit.domain.models import INBOX, Account, Message
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.errors import Forbidden, InvalidValue, NotFound, TestkitError
from sirrchat_testkit.formatting import iso_seconds
from sirrchat_testkit.http.middleware import api_key
from sirrchat_testkit.http.pagination import OFFSET, limit, page_answer, window
from sirrchat_testkit.http.style import answer, answer_large, checked, nested, read_object, status_of
from sirrchat_testkit.mail import mime
from sirrchat_testkit.schemas import sirrchat as schemas
from sirrchat_testkit.threads import apply


class UserViews:
    """The routes of users."""

    def __init__(self, services: Services) -> None:
        self._accounts = services.accounts
        self._passwords = services.passwords

    async def list_users(self, request: web.Request) -> web.Response:
        """List the users, oldest first."""
        requested = window(request)
        found, total = await self._accounts.page(requested.offset, requested.limit, request.query.get("domain"))
        sizes = await self._accounts.sizes(found)
        rows = [_user_json(each, used) for each, used in zip(found, sizes, strict=True)]
        return page_answer(request, requested, rows, total)

    async def create_user(self, request: web.Request) -> web.Response:
        """Make a user."""
        wanted = _new_account(await read_object(request))
        self._passwords.check_load()
        [made] = await self._accounts.add_all([wanted])
        if isinstance(made, TestkitError):
            raise made
        return answer(await self._user_json(made), 201)

    async def create_users(self, request: web.Request) -> web.Response:
        """Make all users that are valid. The answer has the outcome of each, in order."""
        body = checked(schemas.UserBatch, await read_object(request))
        wanted = [_new_account_or_error(each) for each in body.users]
        self._passwords.check_load()
        outcomes = iter(await self._accounts.add_all([each for each in wanted if isinstance(each, NewAccount)]))
        made = [next(outcomes) if isinstance(each, NewAccount) else each for each in wanted]
        data = [await self._batch_item(index, each) for index, each in enumerate(made)]
        failed = sum(isinstance(each, TestkitError) for each in made)
        meta = {"created": len(made) - failed, "failed": failed}
        return answer({"data": data, "meta": meta}, 207 if failed else 201)

    async def get_user(self, request: web.Request) -> web.Response:
        """Return a user."""
        return answer(await self._user_json(await self._account(request)))

    async def update_user(self, request: web.Request) -> web.Response:
        """Change the given fields of a user. The quota needs an admin's API key."""
        account = await self._account(request)
        sent = await read_object(request)
        if "quota" in sent and api_key().role != "admin":
            raise Forbidden("an admin's API key is required to change the quota")
        body = checked(schemas.UserChanges, sent)
        changes = {name: getattr(body, name) for name in body.model_fields_set}
        if "password" in changes:
            self._passwords.check_load()
        return answer(await self._user_json(await self._accounts.update(account.id, **changes)))

    async def delete_user(self, request: web.Request) -> web.Response:
        """Delete a user with all its data."""
        await self._accounts.delete(await self._account(request))
        return web.Response(status=204)

    async def get_quota(self, request: web.Request) -> web.Response:
        """Return the quota of a user and how much of it is used."""
        return answer(await self._quota_json(await self._account(request)))

    async def set_quota(self, request: web.Request) -> web.Response:
        """Set the quota of a user."""
        account = await self._account(request)
        body = checked(schemas.NewQuota, await read_object(request))
        return answer(await self._quota_json(await self._accounts.update(account.id, quota=body.quota)))

    async def _account(self, request: web.Request) -> Account:
        return await self._accounts.get(request.match_info["user"])

    async def _user_json(self, account: Account) -> dict[str, Any]:
        return _user_json(account, (await self._accounts.usage(account)).size)

    async def _quota_json(self, account: Account) -> dict[str, Any]:
        usage = await self._accounts.usage(account)
        return {
            "quota": account.quota,
            "used": usage.size,
            "percentage": round(100 * usage.size / account.quota, 1) if account.quota else 0.0,
            "files_count": usage.count,
        }

    async def _batch_item(self, index: int, made: Account | TestkitError) -> dict[str, Any]:
        if isinstance(made, Account):
            return {"index": index, "status": 201, "user": await self._user_json(made)}
        status = status_of(made)
        return {"index": index, "status": status, **nested(status, str(made), made)}


def _user_json(account: Account, used: int) -> dict[str, Any]:
    shown = {
        "id": account.id,
        "email": account.email,
        "quota": account.quota,
        "used": used,
        "created_at": iso_seconds(account.created_at),
    }
    if account.blockchain_address is not None:
        shown["blockchain_address"] = account.blockchain_address
    return shown


def _new_account(body: dict[str, Any]) -> NewAccount:
    user = checked(schemas.NewUser, body)
    return NewAccount(
        email=user.email,
        password=user.password,
        quota=user.quota,
        blockchain_address=user.blockchain_address,
    )


def _new_account_or_error(body: Any) -> NewAccount | TestkitError:
    """Return a user of a batch, or the error that refuses it."""
    try:
        return _new_account(body)
    except InvalidValue as error:
        return error


RAW = "message/rfc822"
"""With this media type in ``Accept``, the answer is the raw message."""

_UID = re.compile(r"[1-9][0-9]{0,18}")


class MessageViews:
    """The routes of messages."""

    def __init__(self, services: Services) -> None:
        self._accounts = services.accounts
        self._folders = services.folders
        self._delivery = services.delivery

    async def list_messages(self, request: web.Request) -> web.Response:
        """List the messages in a folder of a user, newest first. Their flags stay as they are."""
        account = await self._account(request)
        meta = {"limit": limit(request), "offset": OFFSET.read(request)}
        folder = request.query.get("mailbox", INBOX)
        found, total = await self._folders.page(account, folder, meta["offset"], meta["limit"])
        return answer({"data": [_message_json(each) for each in found], "meta": {**meta, "total": total}})

    async def get_message(self, request: web.Request) -> web.Response:
        """Return a whole message and mark it as read. With ``Accept: message/rfc822``, return its raw bytes."""
        message = await self._message(request)
        raw = await self._delivery.raw(message)
        message = await self._folders.see(message)
        if _wants_raw(request):
            return web.Response(body=raw, headers={"Content-Type": RAW})
        shown = _message_json(message) | await apply(_contents_json, raw, len(raw))
        return await answer_large(shown, len(raw))

    async def delete_message(self, request: web.Request) -> web.Response:
        """Delete a message."""
        await self._delivery.delete([await self._message(request)])
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


def _message_json(message: Message) -> dict[str, Any]:
    return {
        "uid": message.seq,
        "from": message.sender or message.mail_from,
        "to": message.to,
        "subject": message.subject,
        "date": iso_seconds(message.received_at),
        "size": message.size,
        "flags": message.flags,
    }


def _contents_json(raw: bytes) -> dict[str, Any]:
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
