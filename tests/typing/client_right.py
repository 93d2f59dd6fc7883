"""Right uses of the clients of all APIs: every type checker accepts each line."""

# pyright: strict

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta
from email.message import EmailMessage
from typing import Any, assert_type

from sirrchat_testkit import (
    ApiError,
    AsyncClient,
    AsyncControlClient,
    AsyncTempMailClient,
    Client,
    ControlClient,
    Inbox,
    MailNotReceived,
    MailServer,
    NotFound,
    RateLimited,
    TempMailClient,
    Unreachable,
)
from sirrchat_testkit.client import errors
from sirrchat_testkit.client.events import AsyncEventStream, EventStream
from sirrchat_testkit.client.messages import Conditions
from sirrchat_testkit.client.users import Users
from sirrchat_testkit.schemas import control, tempmail
from sirrchat_testkit.schemas.control_events import Event, Gap, MessageReceived
from sirrchat_testkit.schemas.sirrchat import Delivery, ListedMessage, Message, QuotaUsage, ServerStats, User, Webhook


def asks(mailserver: MailServer) -> None:
    with Client(mailserver.api_key, mailserver.api_url, timeout=3, retries=0) as client:
        assert_type(client, Client)
        assert_type(client.users, Users[Client])
        assert_type(client.users.get("x"), User)
        assert_type(client.users.get(user="x").email, str)
        assert_type(client.users.list(domain="example.com"), Iterator[User])
        assert_type([each.quota for each in client.users.list()], list[int])
        assert_type(client.users.create("ann@example.com", "x", quota=5).created_at, datetime)
        assert_type(client.users.batch([{"email": "ann@example.com", "password": "x"}]).data[0].user, User | None)
        assert_type(client.users.update("x", password="y"), User)
        assert_type(client.quota.set("x", 5), QuotaUsage)
        assert_type(client.messages.list("x", mailbox="Sent"), Iterator[ListedMessage])
        assert_type(client.messages.get("x", 5), Message)
        assert_type(client.messages.raw("x", uid=5), bytes)
        assert_type(client.stats.server(), ServerStats)
        assert_type(client.webhooks.create("http://127.0.0.1/", ["email.sent"], secret="x"), Webhook)
        assert_type(next(client.webhooks.deliveries("x")), Delivery)
        client.users.delete("x")
        client.api_keys.revoke(client.api_keys.create("x", role="user", expires_in=timedelta(hours=1)).id)


async def asks_in_a_task(client: AsyncClient, other: AsyncTempMailClient) -> None:
    assert_type(client.users, Users[AsyncClient])
    assert_type(await client.users.get("x"), User)
    assert_type(client.users.list(), AsyncIterator[User])
    async for user in client.users.list(domain="example.com"):
        assert_type(user, User)
    await client.users.delete("x")
    task = asyncio.create_task(client.stats.server())
    assert_type((await task).smtp.sent, int)
    async with asyncio.TaskGroup() as group:
        config = group.create_task(other.config.get())
    assert_type(config.result(), tempmail.Config)
    async with AsyncClient() as another:
        assert_type(another, AsyncClient)
    await other.aclose()


def asks_the_other_api(client: TempMailClient) -> None:
    assert_type(client.domains.list(), list[str])
    made = client.emails.generate("ann", "example.com", expires_in=None)
    assert_type(made, tempmail.Generated)
    assert_type(client.emails.generate("ann", domain="example.com").id, str)
    assert_type(client.emails.list(), Iterator[tempmail.Email])
    assert_type(client.messages.list(made.id), Iterator[tempmail.ListedMessage])
    assert_type(client.messages.get(made.id, "x").attachments[0].size, int)
    client.webhook.set("http://127.0.0.1/", enabled=False)
    assert_type(client.webhook.get().enabled, bool)
    client.close()


def controls(client: ControlClient, inbox: Inbox) -> None:
    assert_type(client.messages.wait(to=inbox, since=client.clock.now(), timeout=5), control.FoundMessage)
    assert_type(client.messages.wait(subject="x").code, str | None)
    assert_type(client.messages.wait_many(2, q="is:unread"), list[control.FoundMessage])
    assert_type(client.messages.search(sender="*@shop.example"), Iterator[control.FoundMessage])
    assert_type(client.messages.get("x").headers, list[tuple[str, str]])
    assert_type(client.messages.attachment("x", 0), bytes)
    assert_type(client.messages.mark("x", seen=True), control.Message)
    assert_type(client.messages.delete_all(to=inbox), list[str])
    assert_type(client.messages.deliver(EmailMessage(), to=[inbox, "x"])[0].id, str)
    assert_type(client.addresses.create(expires_in=timedelta(hours=1)).expires_at, datetime | None)
    assert_type(client.accounts.create().api_key, str)
    assert_type(client.clock.advance(timedelta(hours=1), minutes=5).now, datetime)
    assert_type(client.settings.update(max_recipients=3, hide_extensions=["SIZE"])["max_recipients"], Any)
    assert_type(client.sessions(after=5), list[control.Session])
    assert_type(client.deliveries(webhook="x"), Iterator[control.Delivery])
    assert_type(client.faults.plan("reject", stage="rcpt", code=451, match={"recipient": inbox}).id, int)
    client.settle(timeout=5)
    client.reset(durable=True)
    conditions: Conditions = {"to": inbox}
    client.messages.wait(**conditions)


def reads_events(client: ControlClient) -> str:
    with client.events(after=0) as events:
        assert_type(events, EventStream)
        for event in events:
            assert_type(event, Event)
            if event.name == "message.received":
                assert_type(event, MessageReceived)
                return event.message
            if isinstance(event, Gap):
                assert_type(event.oldest, int)
    events.close()
    return ""


async def controls_in_a_task(client: AsyncControlClient) -> None:
    assert_type(await client.messages.wait(to="x"), control.FoundMessage)
    assert_type(client.messages.search(), AsyncIterator[control.FoundMessage])
    assert_type(await client.refusals(), list[control.Refusal])
    assert_type([each async for each in client.envelopes()], list[control.Envelope])
    await client.settle()
    async with client.events() as events:
        assert_type(events, AsyncEventStream)
        async for event in events:
            assert_type(event.id, int)
    await events.aclose()


def fails(client: ControlClient) -> Any:
    try:
        client.messages.wait(to="x")
    except errors.MailNotReceived as error:
        return error.near_misses[0]["misses"]
    except MailNotReceived as error:
        assert_type(error, MailNotReceived)
    return None


def passes_a_method_on(client: Client) -> Callable[[str], User]:
    return client.users.get


def catches(client: Client) -> Any:
    try:
        client.users.get("x")
    except errors.Conflict as error:
        return error.status, error.field
    except RateLimited as error:
        assert_type(error.resets_at, datetime | None)
        return error.retry_after
    except (NotFound, Unreachable) as error:
        return error.code
    except ApiError as error:
        assert_type(error.status, int)
        return error.details.get("field"), error.message
    return None


def test_takes_a_fixture(mail_client: Client) -> None:
    assert_type(mail_client.users.get("x"), User)
