"""``address``: the disposable addresses of the account of an API key."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from sirrchat_testkit.cli.parser import (
    NOT_FOUND,
    CommandFailed,
    Parser,
    add_server,
    duration,
    print_json,
    print_list,
    with_api,
)

if TYPE_CHECKING:
    from sirrchat_testkit.cli.api import Api

_NEVER: Final = "never"
_FAR_AWAY: Final = "9999-"
"""Begins the time at which a permanent address expires, in the list of the API."""


def add_addresses(command: Parser) -> None:
    """Add the commands."""
    command.description = "Create, list and delete the disposable addresses of the account of the API key."
    group = command.add_commands()
    group.add_parser("create", fill=_add_create, help="create an address and print it")
    group.add_parser("list", fill=_add_list, help="list the addresses, the newest first")
    group.add_parser("delete", fill=_add_delete, help="delete an address and its messages")


def _add_create(command: Parser) -> None:
    command.usage = "%(prog)s [flags]"
    command.description = "Create an address and print it; with --json an object with id, email and expires_at."
    command.add_argument("--name", help="the part before the @ [default: a person's name and random characters]")
    command.add_argument("--domain", help="a domain that the server serves [default: its first one]")
    command.add_argument(
        "--expires",
        type=_lifetime,
        default=_NEVER,
        metavar="DURATION",
        help="the time until it expires, such as 1h or 3d [default: never]",
    )
    add_server(command)
    command.set_defaults(run=with_api(_create))


def _add_list(command: Parser) -> None:
    command.usage = "%(prog)s [flags]"
    command.description = "List the addresses that exist, the newest first, each with the time at which it expires."
    add_server(command)
    command.set_defaults(run=with_api(_list))


def _add_delete(command: Parser) -> None:
    command.usage = "%(prog)s ADDRESS [flags]"
    command.description = "Delete an address and its messages."
    command.add_argument("address", metavar="ADDRESS", help="the address, or its id")
    add_server(command)
    command.set_defaults(run=with_api(_delete))


def _lifetime(text: str) -> int | None:
    """Return the milliseconds of a duration; None for ``never``."""
    return None if text == _NEVER else round(duration(text) * 1000)


def _create(arguments: argparse.Namespace, server: Api) -> int:
    body = {"name": arguments.name, "domain": arguments.domain, "expires_in_ms": arguments.expires}
    made = server.call("POST", "/testkit/v1/addresses", body)
    if arguments.json:
        print_json({name: made[name] for name in ("id", "email", "expires_at")})
    else:
        print(made["email"])
    return 0


def _list(arguments: argparse.Namespace, server: Api) -> int:
    print_list(_addresses(server), _line, as_json=arguments.json)
    return 0


def _line(address: Mapping[str, Any]) -> str:
    return f"{address['email']}  {address['expires_at'] or _NEVER}"


def _delete(arguments: argparse.Namespace, server: Api) -> int:
    from sirrchat_testkit.cli.api import in_path

    wanted = arguments.address.lower()
    found = next((each for each in _addresses(server) if wanted in {each["id"], each["email"].lower()}), None)
    if found is None:
        raise CommandFailed(f"there is no address {arguments.address}; address list shows those there are", NOT_FOUND)
    server.call("DELETE", f"/api/emails/{in_path(found['id'])}")
    if arguments.json:
        print_json({"deleted": found["email"]})
    return 0


def _addresses(server: Api) -> Iterator[Mapping[str, Any]]:
    for each in server.pages("/api/emails", name="emails", cursor="nextCursor"):
        expires = None if each["expiresAt"].startswith(_FAR_AWAY) else each["expiresAt"]
        yield {"id": each["id"], "email": each["address"], "expires_at": expires}
