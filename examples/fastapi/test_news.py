"""The newsletter, called in the loop of the test (pytest-asyncio), and as a running server (trio)."""

from __future__ import annotations

import socket
import threading
from collections.abc import AsyncIterator, Iterator

import httpx
import pytest
import pytest_asyncio
import uvicorn
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


@pytest.fixture
def running(mailserver: MailServer) -> Iterator[str]:
    """The URL of the application, which runs in a thread with a loop of its own."""
    server = uvicorn.Server(uvicorn.Config(create_app(mailserver.env()), log_level="warning"))
    listening = socket.create_server(("127.0.0.1", 0))  # clients can connect from now on
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    yield "http://{}:{}".format(*listening.getsockname())
    server.should_exit = True
    thread.join()


@pytest.mark.anyio
@pytest.mark.parametrize("anyio_backend", ["trio"])
async def test_a_test_may_run_on_trio(running: str, inbox: Inbox) -> None:
    async with httpx.AsyncClient(base_url=running, trust_env=False) as news:
        await news.post("/subscriptions", json={"email": inbox})

        message = await inbox.areceive(subject="Please confirm")

        assert (await news.post(message.link("confirm").path)).status_code == 200
