"""What a command works on: a running server, or a data folder that no server has open."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, Union

from sirrchat_testkit.cli.options import PREFIX

if TYPE_CHECKING:
    from sirrchat_testkit.client import Client

KEY_VARIABLE = f"{PREFIX}API_KEY"
URL_VARIABLE = f"{PREFIX}URL"

Target: TypeAlias = Union["Client", Path]


def add_target(command: argparse.ArgumentParser) -> None:
    """Add the flags that say what the command works on, and how it answers."""
    command.add_argument("--url", help=f"the server's URL [http://127.0.0.1:8080; {URL_VARIABLE}]")
    command.add_argument("--api-key", metavar="KEY", help=f"an admin key of the server [{KEY_VARIABLE}]")
    command.add_argument("--data", type=Path, metavar="DIR", help="a data folder, while no server has it open")
    command.add_argument("--json", action="store_true", help="print JSON")


def target(arguments: argparse.Namespace, environment: Mapping[str, str]) -> Target:
    """Return what is asked for. Raises ``ValueError`` where that is unclear."""
    if arguments.data is not None:
        if arguments.url is not None:
            raise ValueError("--url names a running server and --data a folder without one: only one of them works")
        if not arguments.data.is_dir():
            raise ValueError(f"there is no folder {arguments.data}")
        folder: Path = arguments.data
        return folder
    key = arguments.api_key or environment.get(KEY_VARIABLE)
    if not key:
        raise ValueError(f"the server wants a key: give --api-key or {KEY_VARIABLE}, or a folder with --data")
    from sirrchat_testkit.client import Client  # httpx costs more than all of serve's own start

    return Client(key, arguments.url)
