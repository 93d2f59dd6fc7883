"""Helpers that several test folders share: ``from tests.support import send``."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import shutil
import signal
import smtplib
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import aiosmtplib
import pytest

from sirrchat_testkit.domain.models import Envelope, Message
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.threads import LoopThread

SERVE = [sys.executable, "-m", "sirrchat_testkit", "serve"]
ANY_PORT = ["--smtp-port", "0", "--http-port", "0"]
RAW = b"From: Shop <shop@shop.example>\r\nTo: ann@example.com\r\nSubject: Hello\r\n\r\nIt works.\r\n"


class Server(Protocol):
    """What the helpers need of a server: a ``MailServer`` and a ``Serve`` both have it."""

    @property
    def smtp_host(self) -> str: ...
    @property
    def smtp_port(self) -> int: ...
    @property
    def api_url(self) -> str: ...
    @property
    def api_key(self) -> str: ...


class Answer(NamedTuple):
    """An HTTP answer; ``json`` is None if the body is empty."""

    status: int
    json: Any
    headers: dict[str, str]


class Serve:
    """A ``serve`` process; ``facts`` is the line of JSON that it prints when it is ready."""

    def __init__(
        self,
        *arguments: str,
        command: Sequence[str] = SERVE,
        preexec_fn: Callable[[], None] | None = None,
        **variables: str,
    ) -> None:
        self.process = subprocess.Popen(
            [*command, *ANY_PORT, "--json", *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment(**variables),
            preexec_fn=preexec_fn,  # noqa: PLW1509 - it only sets a limit
        )
        assert self.process.stdout is not None
        self.line = self.process.stdout.readline()
        self.facts: dict[str, Any] = json.loads(self.line)
        self.smtp_host: str = self.facts["smtp_host"]
        self.smtp_port: int = self.facts["smtp_port"]
        self.api_url: str = self.facts["api_url"]
        self.api_key: str = self.facts["api_key"]

    def end(self, number: int = signal.SIGTERM) -> tuple[int, str]:
        """Send the signal; return the exit status and what the process wrote to stderr."""
        self.process.send_signal(number)
        _, errors = self.process.communicate(timeout=60)
        return self.process.returncode, errors


StartServe = Callable[..., Serve]
"""The type of the fixture ``serve``, which takes the arguments of ``Serve``."""


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without settings of the package, plus ``variables``."""
    return {name: text for name, text in os.environ.items() if not name.startswith("SIRRCHAT_TESTKIT_")} | variables


def until(thread: LoopThread, true: Callable[[], object]) -> None:
    """Return as soon as ``true()`` holds. ``thread`` runs one step of its loop between two checks; nothing sleeps."""
    while not true():
        thread.call(asyncio.sleep(0))


async def auntil(true: Callable[[], object]) -> None:
    """Return as soon as ``true()`` holds. The running loop runs one step between two checks; nothing sleeps."""
    while not true():  # noqa: ASYNC110 - there is no event to wait for
        await asyncio.sleep(0)


def connect(server: Server, timeout: float = 30) -> smtplib.SMTP:
    """Open an SMTP connection whose client names itself ``client.example``."""
    return smtplib.SMTP(server.smtp_host, server.smtp_port, "client.example", timeout=timeout)


def send(
    server: Server,
    *recipients: object,
    subject: str = "Hello",
    text: str = "Hi.",
    sender: str = "shop@shop.example",
    raw: bytes = b"",
) -> dict[str, tuple[int, bytes]]:
    """Send one message by SMTP, ``raw`` if it is given; return the refused recipients and their replies."""
    addresses = [str(each) for each in recipients]
    made = f"From: shop@shop.example\r\nTo: {addresses[0]}\r\nSubject: {subject}\r\n\r\n{text}\r\n"
    with connect(server) as smtp:
        return smtp.sendmail(sender, addresses, raw or made.encode())


async def asend(raw: bytes, sender: str, recipient: str, **options: Any) -> None:
    """Send one message with aiosmtplib and wait until its socket is closed.

    aiosmtplib does not wait for the end of TLS: a loop that stops before it leaves an open transport.
    """
    smtp = aiosmtplib.SMTP(**options)
    await smtp.connect()
    socket = smtp.get_transport_info("socket")
    try:
        async with smtp:
            await smtp.sendmail(sender, recipient, raw)
    finally:
        await auntil(lambda: socket.fileno() == -1)


def call_api(
    server: Server, method: str, path: str, body: Any = None, *, key: str | None = None, **headers: str
) -> Answer:
    """Call the REST API with the key of the server's admin, or with ``key``."""
    key = key or server.api_key
    headers |= {"Authorization": f"Bearer {key}", "X-API-Key": key}
    connection = http.client.HTTPConnection(server.api_url.removeprefix("http://"), timeout=30)
    with contextlib.closing(connection):
        connection.request(method, path, None if body is None else json.dumps(body), headers)
        answer = connection.getresponse()
        raw = answer.read()
    return Answer(answer.status, json.loads(raw) if raw else None, dict(answer.headers))


def generate(server: Server, name: str) -> Answer:
    """Make the disposable address ``name@example.com`` over the REST API; it never expires."""
    return call_api(server, "POST", "/api/emails/generate", {"name": name, "expiryTime": 0, "domain": "example.com"})


async def deliver(
    services: Services, *recipients: str, raw: bytes = RAW, sender: str = "a@shop.example", login: str = ""
) -> list[Message]:
    """Deliver ``raw`` without SMTP; return the stored copies."""
    envelope = Envelope(id="", sender=sender, recipients=recipients, login=login)
    return await services.delivery.deliver(envelope, raw)


NODE_FOLDER = os.environ.get("TEST_NODE_FOLDER", "")
"""The folder in which ``.ci/run`` installs packages of npm."""


def missing(what: str) -> None:
    """Skip the test because a tool is not installed; fail it in CI."""
    (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{what} is not installed; .ci/run does")


def node_lines(script: Path, lines: Sequence[str], package: str = "") -> list[Any]:
    """Return the JSON of each line that a script of node writes when it reads ``lines``; it may need a package."""
    if shutil.which("node") is None:
        missing("node")
    if package and not Path(NODE_FOLDER, "node_modules", package).is_dir():
        missing(package)
    done = subprocess.run(
        ["node", str(script)],
        input="\n".join(lines).encode("utf-8", "surrogatepass"),
        capture_output=True,
        timeout=50,
        check=False,
        env={**os.environ, "NODE_PATH": str(Path(NODE_FOLDER, "node_modules"))},
    )
    assert done.returncode == 0, done.stderr.decode("utf-8", "replace")
    return [json.loads(line) for line in done.stdout.decode().rstrip("\n").split("\n")]
