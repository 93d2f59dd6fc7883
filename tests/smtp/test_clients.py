"""The clients that people use."""

from __future__ import annotations

import asyncio
import os
import shutil
import smtplib
import subprocess
from collections.abc import Awaitable, Callable
from email.message import EmailMessage
from pathlib import Path

import aiosmtplib
import pytest

from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.smtp.listener import Listener

pytestmark = pytest.mark.asyncio

Stored = Callable[..., Awaitable[list[bytes]]]


def mail(text: str = "hello\n\n.a dot\n..two\n") -> EmailMessage:
    message = EmailMessage()
    message["From"] = "sender@example.net"
    message["To"] = "user@example.com"
    message["Subject"] = "Grüße"
    message.set_content(text)
    return message


async def test_smtplib(smtp: Listener, services: Services, stored: Stored) -> None:
    def send() -> dict[str, tuple[int, bytes]]:
        with smtplib.SMTP(*smtp.address, timeout=10) as client:
            client.send_message(mail())
            return client.send_message(mail("again\n"), to_addrs=["second@example.com", "nobody@example.com"])

    refused = await asyncio.to_thread(send)
    assert refused == {"nobody@example.com": (550, b"5.1.1 nobody@example.com does not exist here")}
    [raw] = await stored("user@example.com")
    assert raw.endswith(b"hello\r\n\r\n.a dot\r\n..two\r\n")
    assert [each.subject for each in await services.delivery.messages()] == ["Grüße", "Grüße"]


async def test_smtplib_with_international_addresses(smtp: Listener, services: Services) -> None:
    def send() -> None:
        with smtplib.SMTP(*smtp.address, timeout=10) as client:
            client.send_message(mail(), "грета@пример.example", ["用户@例子.example"])

    await asyncio.to_thread(send)
    [envelope] = await services.delivery.envelopes()
    assert (envelope.sender, envelope.recipients) == ("грета@пример.example", ("用户@例子.example",))


async def test_smtplib_says_what_was_refused(smtp: Listener) -> None:
    def send() -> None:
        with smtplib.SMTP(*smtp.address, timeout=10) as client:
            client.sendmail("a@example.net", ["nobody@example.com"], b"x")

    with pytest.raises(smtplib.SMTPRecipientsRefused):
        await asyncio.to_thread(send)


async def test_aiosmtplib(smtp: Listener, stored: Stored) -> None:
    host, port = smtp.address
    errors, reply = await aiosmtplib.send(mail(), hostname=host, port=port, timeout=10)
    assert (errors, reply) == ({}, "2.0.0 Message stored")
    assert len(await stored("user@example.com")) == 1


async def test_many_aiosmtplib_clients_at_once(smtp: Listener, stored: Stored) -> None:
    host, port = smtp.address
    await asyncio.gather(*(aiosmtplib.send(mail(f"{n}\n"), hostname=host, port=port, timeout=30) for n in range(50)))
    assert len(await stored("user@example.com")) == 50


async def test_curl(smtp: Listener, stored: Stored, tmp_path: Path) -> None:
    if not shutil.which("curl"):
        (pytest.fail if os.environ.get("CI") else pytest.skip)("curl is not installed")
    file = tmp_path / "mail.eml"
    file.write_bytes(b"Subject: from curl\r\n\r\n.a dot\r\n")
    url = f"smtp://{smtp.host}:{smtp.port}/client.example"
    options = ["--mail-from", "a@example.net", "--mail-rcpt", "user@example.com", "--upload-file", str(file)]
    done = await asyncio.to_thread(subprocess.run, ["curl", "-sS", "-m", "10", url, *options], check=False)
    assert done.returncode == 0
    assert await stored("user@example.com") == [file.read_bytes()]
