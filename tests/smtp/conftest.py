"""A listener on the test's own loop, and a client that speaks line by line."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest_asyncio

from sirrchat_testkit.domain.events import Crashed, RecipientRefused
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.smtp.listener import Listener, serve_smtp

USER = "user@example.com"
SECOND = "second@example.com"


class Dialogue:
    """A raw SMTP client. A reply is its lines joined by line feeds, and empty when the connection has ended."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def __call__(self, *commands: str | bytes) -> str:
        """Send each command by itself and wait for its reply; return the last one."""
        reply = ""
        for command in commands:
            self.write(command if isinstance(command, bytes) else command.encode() + b"\r\n")
            reply = await self.reply()
        return reply

    def write(self, data: bytes) -> None:
        self.writer.write(data)

    async def reply(self) -> str:
        lines: list[str] = []
        while line := (await self.reader.readline()).decode():
            lines.append(line.removesuffix("\r\n"))
            if line[3] == " ":
                break
        return "\n".join(lines)

    async def to_data(self, *recipients: str, sender: str = "sender@example.net") -> str:
        """Go as far as DATA."""
        await self("EHLO client.example", f"MAIL FROM:<{sender}>")
        for recipient in recipients or (USER,):
            await self(f"RCPT TO:<{recipient}>")
        return await self("DATA")

    async def send(self, raw: bytes, *recipients: str) -> str:
        """Send a whole message, dots added, and return the last reply."""
        await self.to_data(*recipients)
        stuffed = (b"\r\n" + raw).replace(b"\r\n.", b"\r\n..")[2:]
        return await self(stuffed + b".\r\n")

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


Dial = Callable[[], Awaitable[Dialogue]]


@pytest_asyncio.fixture
async def smtp(services: Services) -> AsyncIterator[Listener]:
    """A listener; ``USER`` and ``SECOND`` exist, in one account. No test may leave a crash that it did not ask for."""
    account = await services.accounts.add(USER)
    await services.directory.add_address(account.id, SECOND)
    async with serve_smtp(services) as listener:
        yield listener
    assert not len(services.sessions)


@pytest_asyncio.fixture
async def dial(smtp: Listener) -> AsyncIterator[Dial]:
    """Connect, and read the greeting."""
    dialogues: list[Dialogue] = []

    async def connect() -> Dialogue:
        dialogue = Dialogue(*await asyncio.open_connection(*smtp.address))
        dialogues.append(dialogue)
        await dialogue.reply()
        return dialogue

    yield connect
    for dialogue in dialogues:
        await dialogue.close()


@pytest_asyncio.fixture
async def talk(dial: Dial) -> Dialogue:
    """One connection that has been greeted."""
    return await dial()


@pytest_asyncio.fixture
async def stored(services: Services) -> Callable[..., Awaitable[list[bytes]]]:
    """Return the raw bytes of what arrived for a recipient, or for anybody."""

    async def read(recipient: str | None = None) -> list[bytes]:
        return [await services.delivery.raw(each) for each in await services.delivery.messages(recipient)]

    return read


@pytest_asyncio.fixture
async def crashes(services: Services) -> Callable[[], list[Crashed]]:
    """Return what has crashed so far."""
    return lambda: [event for event in services.events.after() if isinstance(event, Crashed)]


@pytest_asyncio.fixture
async def refusals(services: Services) -> Callable[[], list[RecipientRefused]]:
    """Return which recipients have been refused so far."""
    return lambda: [event for event in services.events.after() if isinstance(event, RecipientRefused)]
