"""``ready``: scripts and containers wait with it until a server is there."""

from __future__ import annotations

import json
import socket
import subprocess
import threading

from sirrchat_testkit import MailServer
from tests.cli.conftest import COMMAND, run
from tests.support import environment


def test_a_running_server_is_ready_at_once_without_a_key(mailserver: MailServer) -> None:
    done = run("ready", "--url", f"{mailserver.api_url}/")
    assert done == (0, f"{mailserver.api_url} is ready\n", "", done.raw)
    told = run("ready", "--timeout", "0", "--json", SIRRCHAT_TESTKIT_URL=mailserver.api_url)
    assert json.loads(told.out) == {"ready": True, "url": mailserver.api_url}


def test_a_server_that_starts_later_is_waited_for() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        process = subprocess.Popen(
            [*COMMAND, "ready", "--url", f"http://127.0.0.1:{port}", "--timeout", "40"],
            stdout=subprocess.PIPE,
            env=environment(),
        )
        taken.accept()[0].close()  # it has begun to ask
    with MailServer(http_port=port):
        out, _ = process.communicate(timeout=50)
    assert (process.returncode, out) == (0, f"http://127.0.0.1:{port} is ready\n".encode())


def test_a_server_that_is_not_there_is_status_1_in_time() -> None:
    done = run("ready", "--url", "http://127.0.0.1:1", "--timeout", "200ms")
    assert (done.status, done.out) == (1, "")
    assert done.line == (
        "http://127.0.0.1:1 is not ready after 200ms: "
        "no answer from http://127.0.0.1:1: Connection refused; is --url right?"
    )


def test_a_server_that_does_not_answer_is_status_1_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        done = run("ready", "--url", f"http://127.0.0.1:{silent.getsockname()[1]}", "--timeout", "0.3")
    assert done.status == 1
    assert "no answer from" in done.line


def test_it_pauses_between_its_questions() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closing:
        asked = 0

        def close_all() -> None:
            nonlocal asked
            while asked >= 0:
                closing.accept()[0].close()
                asked += 1

        threading.Thread(target=close_all, daemon=True).start()
        assert run("ready", "--url", f"http://127.0.0.1:{closing.getsockname()[1]}", "--timeout", "1").status == 1
        assert 2 <= asked <= 9


def test_a_wrong_url_is_status_2_at_once() -> None:
    done = run("ready", "--url", "127.0.0.1:8080", "--timeout", "40")
    assert (done.status, done.line.partition(",")[0]) == (2, "the URL of a server begins with http:// or https://")
