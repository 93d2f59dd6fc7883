"""``api-key``: keys of a running server, or of a data folder that no server has open."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sirrchat_testkit.cli.parser import (
    NOT_FOUND,
    WRONG,
    CommandFailed,
    Parser,
    add_server,
    api,
    print_json,
    print_list,
)
from sirrchat_testkit.errors import NotFound, TestkitError
from sirrchat_testkit.formatting import iso_seconds

if TYPE_CHECKING:
    from sirrchat_testkit.cli.api import Api
    from sirrchat_testkit.domain.models import ApiKey
    from sirrchat_testkit.domain.services import Services

Fact = Mapping[str, Any]

_KEYS = "/api/v1/api-keys"


def add_keys(command: Parser) -> None:
    """Add the commands."""
    command.description = "Create, list and revoke API keys of a running server, or of a data folder."
    group = command.add_commands()
    group.add_parser("create", fill=_add_create, help="create an API key and print it; it is never shown again")
    group.add_parser("list", fill=_add_list, help="list all API keys by id, without the keys themselves")
    group.add_parser("revoke", fill=_add_revoke, help="revoke an API key")


def _add_create(command: Parser) -> None:
    command.usage = "%(prog)s --user EMAIL [flags]"
    command.description = (
        "Create an API key. Print the key and its secret, which cannot be shown again, to stdout, and its id to "
        "stderr; with --json everything to stdout."
    )
    command.add_argument("--user", required=True, metavar="EMAIL", help="the account, by its address or id")
    command.add_argument(
        "--role", choices=["admin", "user"], default="admin", metavar="admin|user", help="its role [default: admin]"
    )
    _add_target(command, _create)


def _add_list(command: Parser) -> None:
    command.usage, command.description = "%(prog)s [flags]", "List all API keys, without the keys themselves."
    _add_target(command, _list)


def _add_revoke(command: Parser) -> None:
    command.usage, command.description = "%(prog)s ID [flags]", "Revoke an API key: it is invalid from now on."
    command.add_argument("key", metavar="ID", help="the id of the key, as shown by list")
    _add_target(command, _revoke)


def _add_target(command: Parser, work: Callable[[argparse.Namespace, Api | Path], int]) -> None:
    group = add_server(command)
    group.add_argument(
        "--data", type=Path, metavar="DIR", help="a data folder that no server has open, in place of --url"
    )
    command.set_defaults(run=lambda arguments: _run(arguments, work))


def _run(arguments: argparse.Namespace, work: Callable[[argparse.Namespace, Api | Path], int]) -> int:
    """Run ``work`` with a running server, or with a data folder that no server has open."""
    if arguments.data is None:
        with api(arguments, ", or name a folder with --data") as server:
            return work(arguments, server)
    if arguments.url is not None:
        raise CommandFailed("--url names a running server, --data a folder without one: give only one of them")
    if not arguments.data.is_dir():
        raise CommandFailed(f"there is no folder {arguments.data}")
    return work(arguments, arguments.data)


def _create(arguments: argparse.Namespace, at: Api | Path) -> int:
    if isinstance(at, Path):
        made = _in_folder(at, lambda services: _add(services, arguments.user, arguments.role))
    else:
        made = at.call("POST", _KEYS, {"user": arguments.user, "role": arguments.role})
    if arguments.json:
        print_json(made)
    else:
        print(f"API Key: {made['key']}\nSecret: {made['secret']}")
        print(f"Id: {made['id']}", file=sys.stderr)
    return 0


def _list(arguments: argparse.Namespace, at: Api | Path) -> int:
    found: Iterable[Fact] = _in_folder(at, _all) if isinstance(at, Path) else _pages(at)
    print_list(found, _line, as_json=arguments.json)
    return 0


def _line(key: Fact) -> str:
    expires = f" expires {key['expires_at']}" if key["expires_at"] else ""
    return f"{key['id']} {key['role']:5} {key['created_at']} {key['user']}{expires}"


def _revoke(arguments: argparse.Namespace, at: Api | Path) -> int:
    if isinstance(at, Path):
        _in_folder(at, lambda services: services.keys.revoke(arguments.key))
    else:
        from sirrchat_testkit.cli.api import in_path

        at.call("DELETE", f"{_KEYS}/{in_path(arguments.key)}")
    if arguments.json:
        print_json({"revoked": arguments.key})
    return 0


def _pages(server: Api) -> Iterator[Fact]:
    page = pages = 1
    while page <= pages:
        answer = server.call("GET", _KEYS, query={"page": page, "limit": 100})
        yield from answer["data"]
        page, pages = page + 1, answer["meta"]["total_pages"]


def _in_folder(folder: Path, work: Callable[[Services], Awaitable[Any]]) -> Any:
    """Return the result of ``work`` on the domain of the data folder. Raises ``CommandFailed``."""
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

    try:
        return asyncio.run(run())
    except (TestkitError, OSError) as error:
        raise CommandFailed(str(error), NOT_FOUND if isinstance(error, NotFound) else WRONG) from None


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
