"""Every method of ``TempMailClient`` and ``AsyncTempMailClient`` against a server, each way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import TYPE_CHECKING

import pytest

from sirrchat_testkit import AsyncTempMailClient, Conflict, InvalidValue, MailServer, NotFound, TempMailClient

if TYPE_CHECKING:
    from tests.client.conftest import Way

Scenario = Callable[[AsyncTempMailClient, MailServer], Awaitable[None]]

SCENARIOS: dict[str, Scenario] = {}


def of(method: str) -> Callable[[Scenario], Scenario]:
    """Add a scenario for a method, such as ``emails.generate``."""

    def add(scenario: Scenario) -> Scenario:
        SCENARIOS[method] = scenario
        return scenario

    return add


@of("domains.list")
async def lists_domains(client: AsyncTempMailClient, server: MailServer) -> None:
    assert await client.domains.list() == ["example.com", "example.org", "example.net"]


@of("emails.generate")
async def makes_an_address(client: AsyncTempMailClient, server: MailServer) -> None:
    made = await client.emails.generate("ann", "example.com")
    assert made.email == "ann@example.com"
    await client.emails.generate("bob", "example.com", expires_in=timedelta(days=3))
    await client.emails.generate("eve", "example.com", expires_in=None)
    lifetimes = {each.address: each.expires_at - each.created_at async for each in client.emails.list()}
    assert lifetimes["ann@example.com"] == timedelta(hours=1)
    assert lifetimes["bob@example.com"] == timedelta(days=3)
    assert lifetimes["eve@example.com"] > timedelta(days=365 * 1000)
    with pytest.raises(Conflict, match="already exists"):
        await client.emails.generate("ann", "example.com")
    with pytest.raises(InvalidValue):
        await client.emails.generate("zoe", "example.com", expires_in=timedelta(hours=2))


@of("emails.list")
async def lists_addresses(client: AsyncTempMailClient, server: MailServer) -> None:
    made = [(await client.emails.generate(f"n{number}", "example.com")).id for number in range(45)]
    assert [each.id async for each in client.emails.list()] == made[::-1]


@of("emails.delete")
async def deletes_an_address(client: AsyncTempMailClient, server: MailServer) -> None:
    for number in range(25):
        await client.emails.generate(f"n{number}", "example.com")
    async for each in client.emails.list():
        await client.emails.delete(each.id)
    assert [each async for each in client.emails.list()] == []


@of("messages.list")
async def lists_messages(client: AsyncTempMailClient, server: MailServer) -> None:
    made = await client.emails.generate("ann", "example.com")
    inbox = server.inbox_for(made.email)
    for number in range(45):
        inbox.deliver(subject=str(number), text="Hi.")
    found = [each async for each in client.messages.list(made.id)]
    assert [each.subject for each in found] == [str(number) for number in reversed(range(45))]
    assert (found[0].to_address, found[0].content.strip(), found[0].html) == ("ann@example.com", "Hi.", "")
    await client.emails.delete(made.id)
    with pytest.raises(NotFound):
        [each async for each in client.messages.list(made.id)]


@of("messages.get")
async def gets_a_message(client: AsyncTempMailClient, server: MailServer) -> None:
    made = await client.emails.generate("ann", "example.com")
    sent = server.inbox_for(made.email).deliver(subject="Hello", attachments=[("a.txt", b"abc")])
    message = await client.messages.get(made.id, sent.id)
    assert (message.subject, message.received_at) == ("Hello", round(sent.received_at.timestamp() * 1000))
    assert [(each.name, each.size) for each in message.attachments] == [("a.txt", 3)]


@of("messages.delete")
async def deletes_a_message(client: AsyncTempMailClient, server: MailServer) -> None:
    made = await client.emails.generate("ann", "example.com")
    sent = server.inbox_for(made.email).deliver(subject="Hello")
    await client.messages.delete(made.id, sent.id)
    with pytest.raises(NotFound):
        await client.messages.get(made.id, sent.id)


@of("webhook.get")
async def gets_the_webhook(client: AsyncTempMailClient, server: MailServer) -> None:
    found = await client.webhook.get()
    assert (found.url, found.enabled) == ("", False)


@of("webhook.set")
async def sets_the_webhook(client: AsyncTempMailClient, server: MailServer) -> None:
    sink = server.make_webhook_sink()
    await client.webhook.set(sink.url)
    assert (await client.webhook.get()).enabled
    made = await client.emails.generate("ann", "example.com")
    server.inbox_for(made.email).deliver(subject="Hello")
    assert sink.receive(event="new_message").subject == "Hello"
    sink.stop()
    await client.webhook.set("", enabled=False)
    assert (await client.webhook.get()).url == ""
    with pytest.raises(InvalidValue):
        await client.webhook.set("ftp://shop.example/")


@of("config.get")
async def gets_the_configuration(client: AsyncTempMailClient, server: MailServer) -> None:
    found = await client.config.get()
    assert (found.email_domains, found.default_role) == ("example.com,example.org,example.net", "user")


@pytest.mark.parametrize("method", SCENARIOS)
def test_a_method_works_each_way(method: str, way: Way, mailserver: MailServer) -> None:
    async def scenario(client: AsyncTempMailClient) -> None:
        await SCENARIOS[method](client, mailserver)

    way.run(AsyncTempMailClient, scenario, mailserver.api_key, mailserver.api_url)


def test_an_account_s_key_sees_the_addresses_of_the_account(mailserver: MailServer) -> None:
    ann = mailserver.add_account("ann@example.com")
    with TempMailClient(ann.api_key, f"{mailserver.api_url}/api") as client:
        made = client.emails.generate("letters", "example.com")
        assert [each.user_id for each in client.emails.list()] == [ann.id]
    with TempMailClient(mailserver.api_key, mailserver.api_url) as client, pytest.raises(NotFound):
        client.emails.delete(made.id)
