"""Every method of ``Client`` and ``AsyncClient`` against a server, each way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import timedelta
from email import message_from_bytes, policy
from typing import TYPE_CHECKING

import pytest
from dirty_equals import IsDatetime, IsUUID

from sirrchat_testkit import AsyncClient, Client, Conflict, MailServer, NotFound, Unauthorized

if TYPE_CHECKING:
    from tests.client.conftest import Way

Scenario = Callable[[AsyncClient, MailServer], Awaitable[None]]

SCENARIOS: dict[str, Scenario] = {}


def of(method: str) -> Callable[[Scenario], Scenario]:
    """Add a scenario for a method, such as ``users.get``."""

    def add(scenario: Scenario) -> Scenario:
        SCENARIOS[method] = scenario
        return scenario

    return add


@of("users.get")
async def gets_a_user(client: AsyncClient, server: MailServer) -> None:
    ann = server.add_account("ann@example.com", quota=1000)
    user = await client.users.get(ann.id)
    assert (user.id, user.email, user.quota, user.used) == (ann.id, "ann@example.com", 1000, 0)
    assert user.created_at == IsDatetime(approx=server.clock.now(), delta=2)


@of("users.list")
async def lists_users(client: AsyncClient, server: MailServer) -> None:
    wanted = [server.add_account(f"user{number}@example.org").id for number in range(120)]
    server.add_account("ann@example.com")
    assert [each.id async for each in client.users.list(domain="example.org")] == wanted
    assert len([each async for each in client.users.list()]) == 121


@of("users.create")
async def makes_a_user(client: AsyncClient, server: MailServer) -> None:
    ann = await client.users.create("ann@example.com", "pw", quota=0, blockchain_address="0x742d")
    assert ann.id == IsUUID
    assert (ann.email, ann.quota, ann.blockchain_address) == ("ann@example.com", 0, "0x742d")
    assert (await client.users.create("bob@example.com", "pw")).quota == 5_368_709_120
    with pytest.raises(Conflict):
        await client.users.create("ann@example.com", "pw")


@of("users.batch")
async def makes_users(client: AsyncClient, server: MailServer) -> None:
    made = await client.users.batch(
        [{"email": "ann@example.com", "password": "pw"}, {"email": "bob", "password": "pw", "quota": 5}]
    )
    assert (made.meta.created, made.meta.failed) == (1, 1)
    first, second = made.data
    assert first.user is not None
    assert second.error is not None
    assert (first.status, first.user.email) == (201, "ann@example.com")
    assert (second.status, second.error.details.field) == (400, "email")


@of("users.update")
async def changes_a_user(client: AsyncClient, server: MailServer) -> None:
    ann = server.add_account("ann@example.com", quota=1000)
    changed = await client.users.update(ann.id, blockchain_address="0x1", password="new")
    assert (changed.quota, changed.blockchain_address) == (1000, "0x1")
    assert (await client.users.update(ann.id, quota=5)).quota == 5


@of("users.delete")
async def deletes_a_user(client: AsyncClient, server: MailServer) -> None:
    ann = server.add_account("ann@example.com")
    await client.users.delete(ann.id)
    with pytest.raises(NotFound):
        await client.users.get(ann.id)


@of("quota.get")
async def gets_a_quota(client: AsyncClient, server: MailServer) -> None:
    ann = server.add_account("ann@example.com", quota=1000)
    ann.inbox.deliver(b"Subject: x\r\n\r\n" + 87 * b"y")
    usage = await client.quota.get(ann.id)
    assert (usage.quota, usage.used, usage.percentage, usage.files_count) == (1000, 101, 10.1, 1)


@of("quota.set")
async def sets_a_quota(client: AsyncClient, server: MailServer) -> None:
    ann = server.add_account("ann@example.com")
    assert (await client.quota.set(ann.id, 7)).quota == 7
    assert (await client.users.get(ann.id)).quota == 7


@of("messages.list")
async def lists_messages(client: AsyncClient, server: MailServer) -> None:
    ann = server.add_account("ann@example.com")
    for number in range(130):
        ann.inbox.deliver(subject=str(number), sender="shop@shop.example")
    found = [each async for each in client.messages.list(ann.id)]
    assert [each.subject for each in found] == [str(number) for number in reversed(range(130))]
    assert (found[0].sender, found[0].to, found[0].flags) == ("shop@shop.example", ["ann@example.com"], [])
    assert [each async for each in client.messages.list(ann.id, mailbox="Sent")] == []
    with pytest.raises(NotFound):
        [each async for each in client.messages.list(ann.id, mailbox="Other")]


@of("messages.get")
async def gets_a_message(client: AsyncClient, server: MailServer) -> None:
    ann = server.add_account("ann@example.com")
    ann.inbox.deliver(subject="Hello", text="It works.", attachments=[("a.txt", b"abc")])
    [listed] = [each async for each in client.messages.list(ann.id)]
    message = await client.messages.get(ann.id, listed.uid)
    assert (message.subject, message.text.strip(), message.flags) == ("Hello", "It works.", ["\\Seen"])
    assert message.headers["Subject"] == "Hello"
    assert [(each.name, each.size) for each in message.attachments] == [("a.txt", 3)]


@of("messages.raw")
async def gets_the_bytes_of_a_message(client: AsyncClient, server: MailServer) -> None:
    ann = server.add_account("ann@example.com")
    raw = ann.inbox.deliver(subject="Hello").raw
    [listed] = [each async for each in client.messages.list(ann.id)]
    assert await client.messages.raw(ann.id, listed.uid) == raw
    assert message_from_bytes(raw, policy=policy.default)["Subject"] == "Hello"
    with pytest.raises(NotFound, match="404 not_found"):
        await client.messages.raw(ann.id, 99)


@of("messages.delete")
async def deletes_a_message(client: AsyncClient, server: MailServer) -> None:
    ann = server.add_account("ann@example.com")
    for subject in ("one", "two"):
        ann.inbox.deliver(subject=subject)
    newest, _ = [each async for each in client.messages.list(ann.id)]
    await client.messages.delete(ann.id, newest.uid)
    assert [each.subject async for each in client.messages.list(ann.id)] == ["one"]


@of("stats.server")
async def counts_for_the_server(client: AsyncClient, server: MailServer) -> None:
    server.add_account("ann@example.com").inbox.deliver(subject="Hello")
    found = await client.stats.server()
    assert (found.users_total, found.smtp.received, found.smtp.rejected, found.imap.commands) == (1, 1, 0, 0)


@of("stats.user")
async def counts_for_a_user(client: AsyncClient, server: MailServer) -> None:
    ann = server.add_account("ann@example.com")
    assert (await client.stats.user(ann.id)).last_received_at is None
    ann.inbox.deliver(subject="Hello")
    found = await client.stats.user(ann.id)
    assert (found.messages_total, found.messages_unseen, found.received) == (1, 1, 1)


@of("domains.list")
async def lists_domains(client: AsyncClient, server: MailServer) -> None:
    server.add_account("ann@example.org")
    found = {each.name: each.users_count async for each in client.domains.list()}
    assert found == {"example.com": 0, "example.org": 1, "example.net": 0}


@of("domains.create")
async def adds_a_domain(client: AsyncClient, server: MailServer) -> None:
    made = await client.domains.create("shop.example")
    assert (made.name, made.users_count) == ("shop.example", 0)
    assert (await client.users.create("ann@shop.example", "pw")).email == "ann@shop.example"


@of("domains.delete")
async def deletes_a_domain(client: AsyncClient, server: MailServer) -> None:
    made = await client.domains.create("shop.example")
    await client.domains.delete(made.id)
    assert made.id not in [each.id async for each in client.domains.list()]


@of("webhooks.list")
async def lists_webhooks(client: AsyncClient, server: MailServer) -> None:
    made = [(await client.webhooks.create("http://127.0.0.1:1/", ["email.sent"])).id for _ in range(3)]
    assert [each.id async for each in client.webhooks.list()] == made


@of("webhooks.create")
async def makes_a_webhook(client: AsyncClient, server: MailServer) -> None:
    sink = server.make_webhook_sink()
    sink.secret = "s3cret"
    made = await client.webhooks.create(sink.url, ["email.received"], secret="s3cret")
    assert (made.url, made.events, made.enabled) == (sink.url, ["email.received"], True)
    server.make_inbox().deliver(subject="Hello")
    assert sink.receive(event="email.received").verified
    sink.stop()


@of("webhooks.get")
async def gets_a_webhook(client: AsyncClient, server: MailServer) -> None:
    made = await client.webhooks.create("http://127.0.0.1:1/", ["email.sent"])
    assert await client.webhooks.get(made.id) == made


@of("webhooks.update")
async def changes_a_webhook(client: AsyncClient, server: MailServer) -> None:
    made = await client.webhooks.create("http://127.0.0.1:1/", ["email.sent"], secret="x")
    changed = await client.webhooks.update(made.id, enabled=False)
    assert (changed.enabled, changed.url, changed.events) == (False, made.url, ["email.sent"])
    changed = await client.webhooks.update(
        made.id, url="http://127.0.0.1:2/", events=["email.received"], secret="", enabled=True
    )
    assert (changed.enabled, changed.url, changed.events) == (True, "http://127.0.0.1:2/", ["email.received"])


@of("webhooks.delete")
async def deletes_a_webhook(client: AsyncClient, server: MailServer) -> None:
    made = await client.webhooks.create("http://127.0.0.1:1/", ["email.sent"])
    await client.webhooks.delete(made.id)
    with pytest.raises(NotFound):
        await client.webhooks.get(made.id)


@of("webhooks.deliveries")
async def lists_deliveries(client: AsyncClient, server: MailServer) -> None:
    sink = server.make_webhook_sink()
    made = await client.webhooks.create(sink.url, ["email.received"])
    inbox = server.make_inbox()
    for number in range(3):
        inbox.deliver(subject=str(number))
    sink.receive_all(3)
    server.settle()
    found = [each async for each in client.webhooks.deliveries(made.id)]
    assert [f'"subject":"{number}"' in (each.request_body or "") for number, each in zip("210", found, strict=True)]
    assert [(each.status, each.attempts[0].http_status) for each in found] == 3 * [("delivered", 200)]
    sink.stop()


@of("webhooks.redeliver")
async def delivers_again(client: AsyncClient, server: MailServer) -> None:
    sink = server.make_webhook_sink()
    made = await client.webhooks.create(sink.url, ["email.received"])
    server.make_inbox().deliver(subject="Hello")
    first = sink.receive()
    server.settle()
    [delivery] = [each async for each in client.webhooks.deliveries(made.id)]
    assert (await client.webhooks.redeliver(made.id, delivery.id)).id == delivery.id
    assert sink.receive().id == first.id
    server.settle()
    sink.stop()


@of("api_keys.create")
async def makes_a_key(client: AsyncClient, server: MailServer) -> None:
    ann = server.add_account("ann@example.com")
    made = await client.api_keys.create("ann@example.com", "user", expires_in=timedelta(hours=1))
    assert (made.user, made.role, made.expires_at) == ("ann@example.com", "user", made.created_at + timedelta(hours=1))
    with Client(made.key, server.api_url) as of_ann:
        assert of_ann.users.get(ann.id).email == "ann@example.com"
    assert (await client.api_keys.create(ann.id)).role == "admin"


@of("api_keys.list")
async def lists_keys(client: AsyncClient, server: MailServer) -> None:
    server.add_account("ann@example.com")
    made = await client.api_keys.create("ann@example.com")
    found = {each.id: each for each in [each async for each in client.api_keys.list()]}
    assert (found[made.id].user, found[made.id].expires_at) == ("ann@example.com", None)
    assert made.key not in repr(found)


@of("api_keys.revoke")
async def revokes_a_key(client: AsyncClient, server: MailServer) -> None:
    server.add_account("ann@example.com")
    made = await client.api_keys.create("ann@example.com")
    await client.api_keys.revoke(made.id)
    with Client(made.key, server.api_url) as revoked, pytest.raises(Unauthorized):
        revoked.users.get("user123")


@pytest.mark.parametrize("method", SCENARIOS)
def test_a_method_works_each_way(method: str, way: Way, mailserver: MailServer) -> None:
    async def scenario(client: AsyncClient) -> None:
        await SCENARIOS[method](client, mailserver)

    way.run(AsyncClient, scenario, mailserver.api_key, mailserver.api_url)


def test_a_user_s_key_is_for_its_own_user(mailserver: MailServer) -> None:
    ann = mailserver.add_account("ann@example.com")
    with Client(ann.api_key, mailserver.api_url) as client:
        assert client.users.get(ann.id).email == "ann@example.com"
        assert list(client.webhooks.list()) == []
