"""Mail leaves in another process: a real worker, which takes the mail server from its environment."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sirrchat_testkit import Inbox, MailServer


@pytest.fixture(scope="session")
def tasks(mailserver_session: MailServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The module of the tasks, with a worker that runs until the end of the session."""
    folder = tmp_path_factory.mktemp("broker")
    environment = {**os.environ, **mailserver_session.env(), "BROKER_FOLDER": str(folder)}
    command = [sys.executable, "-m", "celery", "-A", "news_tasks", "worker", "--pool", "solo", "--loglevel", "warning"]
    worker = subprocess.Popen(command, env=environment, cwd=Path(__file__).parent)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BROKER_FOLDER", str(folder))
        import news_tasks
    yield news_tasks
    worker.terminate()
    worker.wait(30)


@pytest.mark.mailserver(timeout=60)  # the worker takes some seconds to start
def test_the_worker_sends_the_mail(tasks: Any, inbox: Inbox) -> None:
    tasks.send_news.delay(inbox, "June news")

    assert inbox.receive().subject == "June news"


@pytest.mark.mailserver(timeout=60)
def test_the_worker_tries_again_if_the_server_refuses_for_now(tasks: Any, mailserver: MailServer, inbox: Inbox) -> None:
    mailserver.faults.reject(stage="rcpt", code=451, times=2)

    tasks.send_news.delay(inbox, "June news")

    inbox.receive(subject="June news")
    inbox.assert_nothing(within=0.5)  # a queue is not visible to the mail server, so it watches for a while
