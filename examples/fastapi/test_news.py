"""The newsletter, called in the loop of the test (pytest-asyncio), and by FastAPI's test client."""

from collections.abc import AsyncIterator

import httpx
import pytest
import pytest_asyncio
from fastapi.testclient import TestClient
from news_api import create_app

from sirrchat_testkit import Inbox, MailServer, MakeInbox


@pytest_asyncio.fixture
async def news(mailserver: MailServer) -> AsyncIterator[httpx.AsyncClient]:
    """A client of the application, which runs in the loop of the test."""
    transport = httpx.ASGITransport(create_app(mailserver.env()))
    async with httpx.AsyncClient(transport=transport, base_url="http://news.example") as client:
        yield client


@pytest.mark.asyncio
async def test_a_subscriber_gets_the_news(news: httpx.AsyncClient, inbox: Inbox) -> None:
    await news.post("/subscriptions", json={"email": inbox})
    message = await inbox.areceive(subject="Please confirm")

    confirmed = await news.post(message.link("confirm").path)
    await news.post("/issues")

    assert confirmed.json() == {"email": inbox}
    await inbox.areceive(subject="June news")


@pytest.mark.asyncio
async def test_only_subscribers_get_the_news(news: httpx.AsyncClient, inbox: Inbox, make_inbox: MakeInbox) -> None:
    await news.post("/subscriptions", json={"email": inbox})
    await news.post((await inbox.areceive()).link("confirm").path)
    unconfirmed = make_inbox()
    await news.post("/subscriptions", json={"email": unconfirmed})
    await unconfirmed.areceive(subject="Please confirm")

    await news.post("/issues")

    await inbox.areceive(subject="June news")
    await unconfirmed.aassert_nothing()


def test_the_link_confirms_the_address(mailserver: MailServer, inbox: Inbox) -> None:
    client = TestClient(create_app(mailserver.env()))
    client.post("/subscriptions", json={"email": inbox})

    message = inbox.receive(subject="Please confirm")

    assert client.post(message.link("confirm").path).json() == {"email": inbox}
