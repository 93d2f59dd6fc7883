"""The files that are saved for a failed test with ``--mailserver-artifacts DIR``, in a folder of its own.

Example::

    DIR/tests-test_shop.py-test_sign_up/
        report.txt                      the failure, and the report of the mail server, complete
        01-welcome.eml                  each message as it was received,
        01-welcome.html                 its HTML as one page, with its images,
        01-welcome.transcript.txt       and the SMTP dialogue that delivered it
        connections.txt                 the dialogues of connections that delivered no mail
        webhooks.json                   the webhook deliveries, with bodies and attempts

1. The name of a folder follows from the id of its test, so each run replaces the files of the last one. A test that
   fails in its call and in its teardown has one folder, and both failures in ``report.txt``.
2. Only the messages that the overview holds are saved, the latest 200.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from sirrchat_testkit.errors import NotFound
from sirrchat_testkit.formatting import file_name, printable
from sirrchat_testkit.handles.message import ReceivedMessage
from sirrchat_testkit.handles.overview import Overview
from sirrchat_testkit.handles.viewing import page_of, stem
from sirrchat_testkit.handles.webhooks import WebhookDelivery

LONGEST: Final = 120
"""Bytes of the name of a folder, without the digest; file systems allow 255."""

_REPORTS = pytest.StashKey[list[str]]()
"""The reports of a test that have been saved."""

_ESCAPED = re.compile(r"\\x([0-9a-f]{2})|\\u([0-9a-f]{4})|\\U([0-9a-f]{8})")
"""How pytest writes characters of parameters that are not ASCII."""


def save_artifacts(item: pytest.Item, overviews: Sequence[Overview], report: str) -> str:
    """Save the files of a failed test, if a folder is set; return a line for its report, empty if none is set."""
    folder = item.config.getoption("--mailserver-artifacts")
    if not folder:
        return ""
    own = Path(folder, folder_name(item.nodeid))
    reports = [*item.stash.get(_REPORTS, []), report]
    try:
        if _REPORTS not in item.stash:
            shutil.rmtree(own, ignore_errors=True)
        save(overviews, own, "\n\n".join(reports))
    except (OSError, UnicodeError) as error:
        return f"The artifacts could not be saved: {error}"
    item.stash[_REPORTS] = reports
    return f"Artifacts: {own}"


def folder_name(test: str) -> str:
    """Return a name for the folder of ``test``, an id of pytest; different tests have different names.

    It is the id with a dash between its parts. If other ids may look the same then, a digest of the id follows.
    """
    path, bracket, parameters = test.partition("[")
    plain = f"{path.replace('::', '-').replace('/', '-')}{bracket}{parameters}"
    shown = _ESCAPED.sub(lambda found: chr(int(found[1] or found[2] or found[3], 16)), plain)
    name = file_name(shown, keep="_.[]=+-").strip("-.") or "test"
    cut = name.encode()[:LONGEST].decode("utf-8", "ignore")
    if cut == plain and "-" not in path:
        return cut
    return f"{cut}-{hashlib.sha256(test.encode('utf-8', 'surrogatepass')).hexdigest()[:8]}"


def save(overviews: Sequence[Overview], folder: Path, report: str) -> None:
    """Write the files of ``overviews``, one for each server, into ``folder``, which is made. Raises ``OSError``."""
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder / "report.txt", report)
    for number, message in enumerate((each for overview in overviews for each in overview.messages), 1):
        save_message(message, folder / f"{number:02}-{stem(message)}")
    connections = [each for overview in overviews for each in overview.snapshot.without_mail()]
    if connections:
        _write(folder / "connections.txt", "\n".join(f"{each.peer}\n{each.transcript}\n" for each in connections))
    deliveries = [each for overview in overviews for each in overview.deliveries]
    if deliveries:
        _write(folder / "webhooks.json", json.dumps(webhooks(deliveries), indent=2, ensure_ascii=False))


def save_message(message: ReceivedMessage, path: Path) -> None:
    """Write a message as files that differ in their suffix from ``path``. Raises ``OSError``."""
    path.with_name(f"{path.name}.eml").write_bytes(message.raw)
    if message.html:
        _write(path.with_name(f"{path.name}.html"), page_of(message))
    if message.transcript:
        _write(path.with_name(f"{path.name}.transcript.txt"), str(message.transcript))


def webhooks(deliveries: Sequence[WebhookDelivery]) -> list[dict[str, Any]]:
    """Return webhook deliveries as JSON."""
    return [
        {
            "id": each.id,
            "event": each.event,
            "url": each.url,
            "status": each.status,
            "attempts": [
                {
                    "at": attempt.at.isoformat(),
                    "status": attempt.status,
                    "error": attempt.error,
                    "reason": attempt.reason,
                    "seconds": attempt.duration,
                    "request": attempt.request.splitlines(),
                    "response": attempt.response.splitlines(),
                }
                for attempt in each.attempts
            ],
            "body": _body(each),
        }
        for each in deliveries
    ]


def _body(delivery: WebhookDelivery) -> Any:
    """Return the body of a delivery, as JSON if it is; None if it was deleted."""
    try:
        return delivery.json
    except ValueError:
        return delivery.body.decode("utf-8", "replace")
    except NotFound:
        return None


def _write(path: Path, text: str) -> None:
    path.write_text(f"{printable(text).rstrip()}{os.linesep}" if path.suffix == ".txt" else text, "utf-8", "replace")
