"""``api-key``: keys of a running server, or of a data folder that no server has open."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Awaitable, Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sirrchat_testkit.cli.options import Target, add_target, fail, target
from sirrchat_testkit.errors import TestkitError
from sirrchat_testkit.formatting import iso_seconds

if TYPE_CHECKING:
    from sirrchat_testkit.domain.models import ApiKey
    from sirrchat_testkit.domain.services import Services

Fact = Mapping[str, Any]


def add_keys(commands: argparse._SubParsersAction[Any]) -> None:
    """Add the commands."""
    group = commands.add_parser("api-key", help="create, list and revoke API keys").add_subparsers(
        required=True, metavar="COMMAND"
    )
    create = group.add_parser("create", help="create an API key and print it; it cannot be shown again")
    create.add_argument("--user", required=True, metavar="EMAIL", help="the account, by its address or id")
    create.add_argument("--role", choices=["admin", "user"], default="admin", help="the role of the key [admin]")
    listing = group.add_parser("list", help="list all API keys by id, without the keys themselves")
    revoke = group.add_parser("revoke", help="revoke an API key")
    revoke.add_argument("key", metavar="ID", help="the id of the key, as shown by list")
    for command, work in ((create, _create), (listing, _list), (revoke, _revoke)):
        add_target(command)
        command.set_defaults(run=_guarded(work))


def _guarded(work: Callable[[argparse.Namespace, Target], int]) -> Callable[[argparse.Namespace], int]:
    def run(arguments: argparse.Namespace) -> int:
        try:
            return work(arguments, target(arguments, os.environ))
        except BrokenPipeError:  # of stdout
            raise
        except (TestkitError, OSError) as error:
            return fail(str(error))
        except ValueError as error:
            return fail(str(error), 2)

    return run


def _create(arguments: argparse.Namespace, at: Target) -> int:
    if isinstance(at, Path):
        made = _in_folder(at, lambda services: _add(services, arguments.user, arguments.role))
    else:
        with at as client:
            made = client.api_keys.create(arguments.user, arguments.role).model_dump(mode="json")
    if arguments.json:
        print(json.dumps(made))
    else:
        print(f"API Key: {made['key']}\nSecret: {made['secret']}\nId: {made['id']}")
    return 0


def _list(arguments: argparse.Namespace, at: Target) -> int:
    found: Iterable[Fact]
    if isinstance(at, Path):
        found = _in_folder(at, _all)
    else:
        with at as client:
            found = [each.model_dump(mode="json") for each in client.api_keys.list()]
    if arguments.json:
        print(json.dumps(found))
    else:
        for each in found:
            expires = f" expires {each['expires_at']}" if each["expires_at"] else ""
            print(each["id"], f"{each['role']:5}", each["created_at"], f"{each['user']}{expires}")
    return 0


def _revoke(arguments: argparse.Namespace, at: Target) -> int:
    if isinstance(at, Path):
        _in_folder(at, lambda services: services.keys.revoke(arguments.key))
    else:
        with at as client:
            client.api_keys.revoke(arguments.key)
    if arguments.json:
        print(json.dumps({"revoked": arguments.key}))
    return 0


def _in_folder(folder: Path, work: Callable[[Services], Awaitable[Any]]) -> Any:
    """Return the result of ``work`` on the domain of the data folder."""
    import asyncio

    from sirrchat_testkit.domain.services import Services
    from sirrchat_testkit.settings import Settings
    from sirrchat_testkit.storage import TinyStore

    async def run() -> Any:
        store = TinyStore(folder)
        try:
            services = Services.build(Settings(data=str(folder)), store, asyncio.get_running_loop())
            try:
                return await work(services)
            finally:
                await services.close()
        finally:
            await store.close()

    return asyncio.run(run())


async def _add(services: Services, user: str, role: str) -> Fact:
    account = await (services.accounts.of(user) if "@" in user else services.accounts.owner(user))
    made = await services.keys.add(account, role)
    return {**_shown(made.record, account.email), "key": made.key, "secret": made.secret}


async def _all(services: Services) -> list[Fact]:
    from sirrchat_testkit.domain.models import ApiKey

    found = await services.store.find(ApiKey)
    return [_shown(each, (await services.accounts.owner(each.account)).email) for each in found]


def _shown(key: ApiKey, user: str) -> Fact:
    return {
        "id": key.id,
        "user": user,
        "role": key.role,
        "created_at": iso_seconds(key.created_at),
        "expires_at": iso_seconds(key.expires_at) if key.expires_at else None,
    }
