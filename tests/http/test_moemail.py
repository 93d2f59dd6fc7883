"""The client ``moemail`` from PyPI, which others wrote for a service with the API of disposable addresses."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import anyio
import pytest
from moemail import AsyncMoeMail, AuthenticationError, MoeMail, NotFoundError

from sirrchat_testkit import MailServer
from tests.support import send


def test_an_address_is_made_waited_on_and_deleted(mailserver: MailServer) -> None:
    with ThreadPoolExecutor() as pool, MoeMail(mailserver.api_url, mailserver.api_key) as client:
        assert client.get_config().email_domains == list(mailserver.settings.domains)
        made = client.generate_email("ann", 86_400_000)
        waiting = pool.submit(client.wait_for_message, made.id, timeout=60, interval=0.01)
        number = 0
        while not waiting.done():  # what is there when its wait begins does not count as new
            send(mailserver, made.email, subject=f"Mail {number}")
            number += 1
        message = waiting.result()
        assert message.subject is not None
        assert message.subject.startswith("Mail ")
        assert message.id in [each.id for each in client.get_messages(made.id)]
        client.delete_email(made.id)
        with pytest.raises(NotFoundError):
            client.get_messages(made.id)


def test_asynchronously(mailserver: MailServer) -> None:
    async def run() -> None:
        async with AsyncMoeMail(mailserver.api_url, mailserver.api_key, domain="example.com") as client:
            made = await client.generate_email("bob")
            assert made.email == "bob@example.com"
            send(mailserver, made.email, subject="Hello")
            assert [each.subject for each in await client.get_messages(made.id)] == ["Hello"]

    anyio.run(run)


def test_a_wrong_key(mailserver: MailServer) -> None:
    with MoeMail(mailserver.api_url, "wrong") as client, pytest.raises(AuthenticationError):
        client.get_emails()
