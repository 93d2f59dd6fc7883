"""Right uses of the clients of both APIs: every type checker accepts each line."""

# pyright: strict

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from datetime import datetime, timedelta
from typing import Any, assert_type

from sirrchat_testkit import (
    ApiError,
    AsyncClient,
    AsyncTempMailClient,
    Client,
    MailServer,
    NotFound,
    RateLimited,
    TempMailClient,
    Unreachable,
)
from sirrchat_testkit.client import errors
from sirrchat_testkit.client.users import Users
from sirrchat_testkit.schemas import tempmail
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
