"""``wait``, ``list``, ``search``, ``read`` and ``delete``: the messages of a running server, over the control API."""

from __future__ import annotations

import argparse
import sys
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
from sirrchat_testkit.formatting import counted, in_line, printable

if TYPE_CHECKING:
    from sirrchat_testkit.cli.api import Api

Shown = Mapping[str, Any]
"""A message, as the control API shows it."""

_PATH: Final = "/testkit/v1/messages"
_LIMIT: Final = 20
_MOST: Final = 100
"""Messages of one page of the API."""

_LONGEST: Final = 600.0
"""Seconds that the API waits at most."""

_CONDITIONS: Final = ("to", "from", "subject", "text")


def add_wait(command: Parser) -> None:
    """Add the arguments."""
    command.usage = "%(prog)s --to ADDRESS [flags]"
    command.description = (
        "Wait for a message that meets all conditions, and print it. If some have arrived already, print the newest at "
        "once. Nothing is taken, so the next wait finds it again. If none arrives in time, the reason is on stderr and "
        "the exit status is 1."
    )
    _add_conditions(command, to_required=True)
    command.add_argument(
        "--timeout",
        type=duration,
        default="10s",
        metavar="DURATION",
        help="how long to wait, at most 10m [default: 10s]",
    )
    add_server(command)
    command.set_defaults(run=with_api(_wait))


def add_list(command: Parser) -> None:
    """Add the arguments."""
    command.usage = "%(prog)s [flags]"
    command.description = (
        "List the messages that meet all conditions, outgoing mail included, the newest first. A line has the id, the "
        "time of receipt, the sender, the recipient and the subject."
    )
    _add_conditions(command)
    _add_limit(command)
    add_server(command)
    command.set_defaults(run=with_api(_list))


def add_search(command: Parser) -> None:
    """Add the arguments."""
    command.usage = "%(prog)s QUERY [flags]"
    command.description = _SEARCH
    command.add_argument("query", nargs="+", metavar="QUERY", help="terms, all of which must be met")
    _add_limit(command)
    add_server(command)
    command.set_defaults(run=with_api(_search))


_SEARCH: Final = """\
List the messages that a search finds, the newest first, in the form of list.

  to:ann from:shop subject:welcome text:hello    the field contains the word
  has:attachment is:unread is:read
  before:2026-01-31 after:2026-01-31T12:00       received before, or at or after
  word "some words"                              in an address, the subject or the text
  -word -from:shop                               the opposite

Put the query in single quotes, and -- before one that begins with a dash."""


def add_read(command: Parser) -> None:
    """Add the arguments."""
    command.usage = "%(prog)s ID [flags]"
    command.description = (
        "Print a message. It stays unread. Control characters are shown as escapes, except in the bytes that --raw "
        "writes to a file or a pipe."
    )
    command.add_argument("id", metavar="ID", help="the id of the message, as shown by list and wait")
    command.add_argument("--raw", action="store_true", help="write the bytes of the message as they were received")
    add_server(command)
    command.set_defaults(run=with_api(_read))


def add_delete(command: Parser) -> None:
    """Add the arguments."""
    command.usage = "%(prog)s ID... | --to ADDRESS | --search QUERY [flags]"
    command.description = "Delete messages by their ids, or all that meet the conditions."
    command.add_argument("ids", nargs="*", metavar="ID", help="the id of a message, as shown by list and wait")
    _add_conditions(command).add_argument("--search", metavar="QUERY", help="terms as in the command search")
    add_server(command)
    command.set_defaults(run=with_api(_delete))


def _add_conditions(command: Parser, *, to_required: bool = False) -> argparse._ArgumentGroup:
    group = command.add_argument_group("conditions")
    group.add_argument("--to", required=to_required, metavar="ADDRESS", help="the recipient; * and ? are wildcards")
    group.add_argument("--from", metavar="ADDRESS", help="the address of From; * and ? are wildcards")
    group.add_argument("--subject", metavar="TEXT", help="the whole subject")
    group.add_argument("--text", help="a part of the plain text")
    return group


def _add_limit(command: Parser) -> None:
    command.add_argument(
        "--limit",
        type=_limit,
        default=_LIMIT,
        metavar="NUMBER",
        help=f"list at most this many [default: {_LIMIT}; 0: all]",
    )


def _limit(text: str) -> int:
    if text.isascii() and text.isdigit():
        return int(text)
    raise argparse.ArgumentTypeError(f"must be a whole number such as 20, not {text!r}")


def _conditions(arguments: argparse.Namespace) -> dict[str, str | None]:
    given = vars(arguments)
    return {name: given[name] for name in _CONDITIONS}


def _wait(arguments: argparse.Namespace, server: Api) -> int:
    timeout: float = arguments.timeout
    if timeout > _LONGEST:
        raise CommandFailed("--timeout must be at most 10m")
    query = {**_conditions(arguments), "timeout": timeout}
    [message] = server.call("GET", "/testkit/v1/wait", query=query, wait=timeout)["data"]
    return _print(message, as_json=arguments.json)


def _list(arguments: argparse.Namespace, server: Api) -> int:
    print_list(_found(server, arguments.limit, **_conditions(arguments)), _line, as_json=arguments.json)
    return 0


def _search(arguments: argparse.Namespace, server: Api) -> int:
    found = _found(server, arguments.limit, q=" ".join(arguments.query))
    return 0 if print_list(found, _line, as_json=arguments.json) else NOT_FOUND


def _found(server: Api, limit: int, **query: str | None) -> Iterator[Shown]:
    for count, message in enumerate(server.pages(_PATH, {**query, "limit": min(limit or _MOST, _MOST)}), 1):
        yield message
        if count == limit:
            return


def _read(arguments: argparse.Namespace, server: Api) -> int:
    from sirrchat_testkit.cli.api import in_path

    path = f"{_PATH}/{in_path(arguments.id)}"
    if not arguments.raw:
        return _print(server.call("GET", path), as_json=arguments.json)
    raw = server.raw("GET", f"{path}/raw")
    if sys.stdout.isatty():
        print(_safe(raw.decode("utf-8", "backslashreplace")))
    else:
        sys.stdout.buffer.write(raw)
    return 0


def _delete(arguments: argparse.Namespace, server: Api) -> int:
    from sirrchat_testkit.cli.api import in_path

    query = {**_conditions(arguments), "q": arguments.search}
    if bool(arguments.ids) == any(query.values()):
        raise CommandFailed("give either the ids of messages, or conditions such as --to")
    if arguments.ids:
        for each in arguments.ids:
            server.call("DELETE", f"{_PATH}/{in_path(each)}")
        deleted = arguments.ids
    else:
        deleted = server.call("DELETE", _PATH, query=query)["deleted"]
    if arguments.json:
        print_json({"deleted": deleted})
    else:
        print(f"{counted(len(deleted), 'message')} deleted")
    return 0


def _print(message: Shown, *, as_json: bool) -> int:
    if as_json:
        print_json(message)
    else:
        print("\n".join([*_head(message), "", _safe(_body(message)).rstrip("\n")]))
    return 0


def _head(message: Shown) -> Iterator[str]:
    fields = {
        "Id": message["id"],
        "Received": message["received_at"],
        "Recipient": message["recipient"],
        "From": message["from"],
        "To": ", ".join(message["to"]),
        "Cc": ", ".join(message.get("cc", ())),
        "Subject": message["subject"],
        "Files": ", ".join(f"{each['name'] or each['type']} ({each['size']} bytes)" for each in _files(message)),
        "Code": message["code"],
        "Link": message["link"],
    }
    for name, value in fields.items():
        if value:
            yield f"{name}: {in_line(value)}"


def _files(message: Shown) -> list[Shown]:
    return [*message.get("attachments", ()), *message.get("inline", ())]


def _body(message: Shown) -> str:
    text: str = message["text"]
    if text or not message["html"]:
        return text
    from sirrchat_testkit.mail.html import readable_text

    return readable_text("", message["html"])


def _line(message: Shown) -> str:
    at = f"{message['received_at'][:19]}Z"
    return in_line(
        f"{message['id']}  {at}  {message['from'] or '-'}  {message['recipient'] or '-'}  {message['subject']}"
    )


def _safe(text: str) -> str:
    """Return ``text`` without what a terminal would obey; tabs are shown as spaces."""
    return printable(text.replace("\r\n", "\n").expandtabs())
