"""The newsletter as a running server, called by a test on trio."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import httpx
import pytest
import uvicorn
from news_api import create_app

from sirrchat_testkit import Inbox, MailServer


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
