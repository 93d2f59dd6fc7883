"""Users and their quotas."""

from __future__ import annotations

from typing import Any

from aiohttp import web

from sirrchat_testkit.domain.accounts import NewAccount
from sirrchat_testkit.domain.models import Account
from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.errors import InvalidValue, TestkitError
from sirrchat_testkit.http.body import checked, read_object
from sirrchat_testkit.http.numbered_pages import listed, window
from sirrchat_testkit.http.row_cache import Rows
from sirrchat_testkit.http.style import answer, nested, status_of
from sirrchat_testkit.schemas.sirrchat import requests
from sirrchat_testkit.schemas.times import iso_seconds


class UserViews:
    """One method for each route."""

    def __init__(self, backend: Backend) -> None:
        self._accounts = backend.accounts
        self._rows = Rows[Account](_shown)

    async def listed(self, request: web.Request) -> web.Response:
        """``GET /users``: a page of users, of one domain if asked for."""
        asked = window(request)
        found, total = await self._accounts.page(asked.offset, asked.limit, request.query.get("domain"))
        sizes = await self._accounts.sizes(found)
        rows = [self._rows.of(each, used) for each, used in zip(found, sizes, strict=True)]
        return listed(request, asked, rows, total)

    async def add(self, request: web.Request) -> web.Response:
        """``POST /users``: make one."""
        wanted = _wanted(await read_object(request))
        [made] = await self._accounts.add_all([wanted])
        if isinstance(made, TestkitError):
            raise made
        return answer(await self._shown(made), 201)

    async def add_batch(self, request: web.Request) -> web.Response:
        """``POST /users/batch``: make each that can be made, and say of each what became of it."""
        asked = checked(requests.UserBatch, await read_object(request))
        wanted = [_wanted_or_why_not(each) for each in asked.users]
        outcomes = iter(await self._accounts.add_all([each for each in wanted if isinstance(each, NewAccount)]))
        made = [next(outcomes) if isinstance(each, NewAccount) else each for each in wanted]
        data = [await self._outcome(index, each) for index, each in enumerate(made)]
        failed = sum(isinstance(each, TestkitError) for each in made)
        meta = {"created": len(made) - failed, "failed": failed}
        return answer({"data": data, "meta": meta}, 207 if failed else 201)

    async def show(self, request: web.Request) -> web.Response:
        """``GET /users/{id}``."""
        return answer(await self._shown(await self._account(request)))

    async def update(self, request: web.Request) -> web.Response:
        """``PUT /users/{id}``: change the named fields."""
        account = await self._account(request)
        asked = checked(requests.UserChanges, await read_object(request))
        changes = {name: getattr(asked, name) for name in asked.model_fields_set}
        return answer(await self._shown(await self._accounts.update(account.id, **changes)))

    async def delete(self, request: web.Request) -> web.Response:
        """``DELETE /users/{id}``, with everything that is theirs."""
        await self._accounts.delete(await self._account(request))
        return web.Response(status=204)

    async def quota(self, request: web.Request) -> web.Response:
        """``GET /users/{id}/quota``."""
        return answer(await self._filled(await self._account(request)))

    async def set_quota(self, request: web.Request) -> web.Response:
        """``PUT /users/{id}/quota``."""
        account = await self._account(request)
        asked = checked(requests.NewQuota, await read_object(request))
        return answer(await self._filled(await self._accounts.update(account.id, quota=asked.quota)))

    async def _account(self, request: web.Request) -> Account:
        return await self._accounts.get(request.match_info["user"])

    async def _shown(self, account: Account) -> dict[str, Any]:
        return _shown(account, (await self._accounts.usage(account)).size)

    async def _filled(self, account: Account) -> dict[str, Any]:
        usage = await self._accounts.usage(account)
        return {
            "quota": account.quota,
            "used": usage.size,
            "percentage": round(100 * usage.size / account.quota, 1) if account.quota else 0.0,
            "files_count": usage.count,
        }

    async def _outcome(self, index: int, made: Account | TestkitError) -> dict[str, Any]:
        if isinstance(made, Account):
            return {"index": index, "status": 201, "user": await self._shown(made)}
        status = status_of(made)
        return {"index": index, "status": status, **nested(status, str(made), made)}


def _shown(account: Account, used: int) -> dict[str, Any]:
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


def _wanted(body: dict[str, Any]) -> NewAccount:
    asked = checked(requests.NewUser, body)
    return NewAccount(
        email=asked.email,
        password=asked.password,
        quota=asked.quota,
        blockchain_address=asked.blockchain_address,
    )


def _wanted_or_why_not(body: Any) -> NewAccount | TestkitError:
    """Return a user of a batch, or why there cannot be one: the others are made all the same."""
    try:
        return _wanted(body)
    except InvalidValue as error:
        return error
