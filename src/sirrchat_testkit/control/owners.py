"""The control API: accounts of tests, and addresses with any expiry."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

from aiohttp import web

from sirrchat_testkit.domain.accounts import QUOTA
from sirrchat_testkit.domain.models import Account, Address
from sirrchat_testkit.errors import Conflict, InvalidValue
from sirrchat_testkit.formatting import iso_milliseconds
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.handles.names import Names
from sirrchat_testkit.http.middleware import api_key
from sirrchat_testkit.http.style import answer, checked, read_object
from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.schemas import control as schemas

_PASSWORD: Final = 16
"""Characters of a generated password."""


class OwnerViews:
    """The routes of accounts and addresses."""

    def __init__(self, control: ServerControl) -> None:
        self._services = services = control.services
        self._names = Names(services.settings.value.seed or services.ids.token(8))

    async def create_account(self, request: web.Request) -> web.Response:
        """Make an account with a password and a user key. Only this answer shows them.

        Without ``email`` it gets an address of its own and is in no list and no count.
        """
        services = self._services
        body = checked(schemas.NewAccount, await read_object(request))
        email = self._generated(services.settings.value.domains[0]) if body.email is None else body.email
        password = body.password or services.ids.token(_PASSWORD)
        quota = QUOTA if body.quota is None else body.quota
        account = await services.accounts.add(email, password=password, quota=quota, listed=body.email is not None)
        key = await services.keys.add(account, "user")
        shown = {"id": account.id, "email": account.email, "password": password, "api_key": key.key, "quota": quota}
        return answer(shown, 201)

    async def delete_account(self, request: web.Request) -> web.Response:
        """Delete an account with its addresses, messages, keys and webhooks."""
        account: Account = await self._services.accounts.get(request.match_info["account"])
        await self._services.accounts.delete(account)
        return web.Response(status=204)

    async def create_address(self, request: web.Request) -> web.Response:
        """Make a disposable address, with a generated name unless one is given.

        It belongs to ``account``, or to the account of the API key, which then lists it as one of its addresses.
        """
        services = self._services
        body = checked(schemas.NewAddress, await read_object(request))
        owner = api_key().account if body.account is None else (await services.accounts.get(body.account)).id
        domain = body.domain or services.settings.value.domains[0]
        if not await services.domains.serves(domain):
            served = ", ".join(each.name for each in await services.domains.all())
            raise InvalidValue(f"domain must be one of {served}", field="domain", value=domain)
        made: Address | None = None
        while made is None:
            text = self._generated(domain) if body.name is None else f"{body.name}@{domain}"
            if flaw := addressing.flaw(text):
                raise InvalidValue(f"name must be the local part of an address: {flaw}", field="name", value=body.name)
            with suppress(*() if body.name is not None else (Conflict,)):
                made = await services.directory.add_address(owner, text, expires_in=body.expires_in_ms)
        return answer(_address_json(made), 201)

    def _generated(self, domain: str) -> str:
        return f"{self._names.make('control')}@{domain}"


def _address_json(address: Address) -> dict[str, Any]:
    return {
        "id": address.id,
        "email": address.text,
        "account": address.account,
        "created_at": iso_milliseconds(address.created_at),
        "expires_at": iso_milliseconds(address.expires_at) if address.expires_at else None,
    }
