"""``ready``: waits until a server accepts connections."""

from __future__ import annotations

import argparse
import time
from typing import Final

from sirrchat_testkit.cli.parser import NOT_FOUND, CommandFailed, Parser, add_server, duration, print_json, server_url

_PAUSES: Final = (0.02, 0.05, 0.1, 0.2)
"""Seconds between attempts; the last for all further ones."""


def add_ready(command: Parser) -> None:
    """Add the arguments."""
    command.usage = "%(prog)s [flags]"
    command.description = (
        "Wait until a server accepts mail and requests. The exit status is 0 as soon as it does, and 1 if it does not "
        "in time. No API key is needed."
    )
    command.add_argument(
        "--timeout", type=duration, default="10s", metavar="DURATION", help="how long to wait [default: 10s]"
    )
    add_server(command, key=False)
    command.set_defaults(run=_ready)


def _ready(arguments: argparse.Namespace) -> int:
    from sirrchat_testkit.cli.api import Api
    from sirrchat_testkit.durations import show_duration

    url, end, attempt = server_url(arguments), time.monotonic() + arguments.timeout, 0
    while True:
        left = end - time.monotonic()
        with Api(url, timeout=max(left, 0.1)) as server:
            try:
                server.call("GET", "/readyz")
            except CommandFailed as failure:
                why = str(failure)
            else:
                break
        pause = _PAUSES[min(attempt, len(_PAUSES) - 1)]
        if pause >= end - time.monotonic():
            raise CommandFailed(f"{url} is not ready after {show_duration(arguments.timeout)}: {why}", NOT_FOUND)
        time.sleep(pause)
        attempt += 1
    if arguments.json:
        print_json({"ready": True, "url": server.url})
    else:
        print(f"{server.url} is ready")
    return 0
