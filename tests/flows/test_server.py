"""The server object: lifetime, several side by side, forks, errors that come home."""

import asyncio
import gc
import os
import re
import smtplib
import socket
import sys
import threading
import warnings
from datetime import timedelta
from pathlib import Path

import anyio
import pytest

from sirrchat_testkit import Conflict, MailServer, NotSettled
from sirrchat_testkit.domain.events import MessageReceived
from sirrchat_testkit.handles import wait as waits
from tests.support import call_api, connect, send


def test_what_smtp_takes_the_api_and_the_inbox_show(mailserver: MailServer) -> None:
    inbox = mailserver.make_inbox()
    send(mailserver, inbox.address)
    page = call_api(mailserver, "GET", f"/api/emails/{inbox.id}", key=inbox.api_key)
    assert [each["subject"] for each in page.json["messages"]] == ["Hello"]
    assert inbox.receive(timeout=0).text == "Hi.\n"


def test_mail_sent_before_an_assertion_needs_no_wait(mailserver: MailServer) -> None:
    inbox = mailserver.make_inbox()
    assert inbox.messages == []
    send(mailserver, inbox.address)
    assert [each.subject for each in inbox.messages] == ["Hello"]


def test_two_servers_run_side_by_side() -> None:
    with MailServer() as one, MailServer() as other:
        assert one.smtp_port != other.smtp_port
        inbox = one.make_inbox()
        send(one, inbox.address)
        assert len(one.messages) == 1
        assert other.messages == []
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(other, inbox.address)


def test_a_reset_goes_back_to_the_start(tmp_path: Path) -> None:
    with MailServer(data=tmp_path / "mail") as server:
        started = server.clock.now()
        inbox = server.make_inbox(address="ann@example.com")
        server.add_account("bob@example.com", "secret")
        server.add_domain("shop.test")
        server.faults.reject(stage="rcpt")
        server.configure(max_recipients=3)
        server.clock.advance(days=1)
        inbox.deliver(subject="Hello")

        with pytest.raises(Conflict, match="durable=True"):
            server.reset()
        assert len(server.messages) == 1
        server.reset(durable=True)

        assert server.messages == []
        assert server.settings.max_recipients == 1000
        assert server.clock.now() - started < timedelta(hours=1)
        assert not server.faults.planned
        with pytest.raises(smtplib.SMTPRecipientsRefused, match="550"):
            send(server, inbox.address)
        assert server.make_inbox(address="ann@example.com").messages == []


def test_a_reset_in_a_scope_is_refused() -> None:
    with MailServer() as server, server.scope():
        inbox = server.make_inbox()
        inbox.deliver(subject="Hello")
        with pytest.raises(Conflict, match="end the scope instead"):
            server.reset()
        assert len(inbox.messages) == 1


def test_a_stopped_server_lets_go_of_its_ports_and_says_so() -> None:
    with MailServer() as server:
        port = server.smtp_port
    with pytest.raises(OSError, match="refused"):
        socket.create_connection(("127.0.0.1", port))
    with pytest.raises(RuntimeError, match="is not running"):
        _ = server.smtp_port
    server.stop()


def test_a_server_can_be_started_again() -> None:
    server = MailServer()
    for _ in range(2):
        with server:
            send(server, server.make_inbox().address)
            assert len(server.messages) == 1


def test_a_taken_port_raises_where_start_was_called_and_leaves_nothing_behind() -> None:
    with MailServer() as server:
        before = threading.active_count()
        second = MailServer(http_port=int(server.api_url.rpartition(":")[2]))
        with pytest.raises(OSError, match="in use"):
            second.start()
        assert threading.active_count() == before
    with second:
        pass


def test_a_second_start_raises() -> None:
    with MailServer() as server, pytest.raises(RuntimeError, match="is already running"):
        server.start()


def test_a_transaction_under_way_is_finished_before_the_stop() -> None:
    server = MailServer().start()
    inbox = server.make_inbox()
    smtp = connect(server)
    smtp.ehlo()
    smtp.mail("a@shop.example")
    smtp.rcpt(inbox.address)
    code, _ = smtp.docmd("DATA")
    assert code == 354
    stopper = threading.Thread(target=server.stop)
    stopper.start()
    smtp.send(b"Subject: last\r\n\r\n.\r\n")
    assert smtp.getreply()[0] == 250
    smtp.close()
    stopper.join(30)
    assert not stopper.is_alive()


def test_an_idle_connection_does_not_hold_up_the_stop() -> None:
    server = MailServer().start()
    with socket.create_connection((server.smtp_host, server.smtp_port)) as idle:
        assert idle.recv(100).startswith(b"220")
        server.stop()


def test_an_unclosed_server_warns() -> None:
    servers = [MailServer().start()]
    thread, running = servers[0]._thread, servers[0]._now
    with pytest.warns(ResourceWarning, match="unclosed <MailServer smtp="):
        servers.clear()
    thread.call(running.close())
    thread.stop()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_it_runs_in_an_async_with(backend: str) -> None:
    async def main() -> None:
        async with MailServer() as server:
            inbox = server.make_inbox()
            await anyio.to_thread.run_sync(send, server, inbox.address)
            assert (await inbox.areceive()).subject == "Hello"

    anyio.run(main, backend=backend)


def test_it_works_the_same_inside_a_running_loop() -> None:
    async def main() -> str:
        with MailServer() as server:
            inbox = server.make_inbox()
            send(server, inbox.address)
            return inbox.receive().subject

    assert asyncio.run(main()) == "Hello"


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_neither_accepts_nor_hangs() -> None:
    with MailServer() as server:
        host, port = server.smtp_host, server.smtp_port
        client = socket.create_connection((host, port))
        client.recv(100)
        told, tell = os.pipe()
        go_on, hold = os.pipe()
        child = os.fork()
        if child == 0:  # pragma: no cover - the child's side
            os.close(hold)
            try:
                server.make_inbox()
            except RuntimeError:
                os.write(tell, b"raised")
            os.read(go_on, 1)
            os._exit(0)
        assert os.read(told, 100) == b"raised"
        inbox = server.make_inbox()
        send(server, inbox.address)
        assert inbox.receive().subject == "Hello"
        server.stop()
        with pytest.raises(OSError, match="refused"):
            socket.create_connection((host, port))
        assert client.recv(100).startswith(b"421")
        assert client.recv(100) == b""
        client.close()
        os.close(hold)
        os.waitpid(child, 0)
        for each in (told, tell, go_on):
            os.close(each)


def test_a_failure_in_the_server_comes_home_as_itself(mailserver: MailServer) -> None:
    with MailServer() as server:
        services = server._now.services

        async def broken(*_args: object) -> None:
            raise ZeroDivisionError("a bug")

        object.__setattr__(services, "keys", type("Broken", (), {"find": broken, "authenticate": broken})())
        assert call_api(server, "GET", "/api/emails").status == 500
        with pytest.raises(ZeroDivisionError, match="a bug"):
            server.check()


def test_a_scope_puts_everything_back() -> None:
    with MailServer() as server:
        kept = server.make_inbox()
        send(server, kept.address)
        with server.scope("inner"):
            server.clock.freeze()
            server.configure(foreign_recipients="reject")
            gone = server.make_inbox()
            send(server, gone.address, kept.address)
            kept.receive_all(2)
        assert [each.subject for each in server.messages] == ["Hello"]
        assert kept.receive(timeout=0).subject == "Hello"
        send(server, "ops@corp.example")
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(server, gone.address)
        assert server.late_mail[-1].scope == "inner"
        assert server.refusals == []


def test_scopes_nest() -> None:
    with MailServer() as server, server.scope("outer"):
        outer = server.make_inbox()
        with server.scope("inner"):
            server.make_inbox()
            send(server, outer.address)
        assert outer.messages == []
        send(server, outer.address)
        assert len(outer.messages) == 1


def test_settle_names_what_is_still_under_way(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waits, "CALM", 0.0)
    with MailServer() as server, connect(server) as smtp:
        smtp.ehlo()
        smtp.mail("a@shop.example")
        with pytest.raises(NotSettled, match=r"MAIL FROM:<a@shop\.example>"):
            server.settle()


def test_the_250_is_in_the_socket_before_any_observer_wakes() -> None:
    with MailServer() as server:
        inbox = server.make_inbox()
        with socket.create_connection((server.smtp_host, server.smtp_port)) as client:
            client.recv(1000)
            answered: list[bytes] = []

            def look(_number: int, event: object) -> None:
                if isinstance(event, MessageReceived):
                    client.setblocking(False)
                    answered.append(client.recv(1000))

            server._now.services.events.subscribe(look)
            with client.makefile("rb", buffering=0):
                for line in (b"HELO me", b"MAIL FROM:<a@shop.example>", f"RCPT TO:<{inbox}>".encode(), b"DATA"):
                    client.sendall(line + b"\r\n")
                    client.recv(1000)
                client.sendall(b"Subject: x\r\n\r\nbody\r\n.\r\n")
                inbox.receive()
            server.settle()
            assert [each[:3] for each in answered] == [b"250"]


def test_env_points_an_application_here(mailserver: MailServer) -> None:
    assert mailserver.env()["SMTP_PORT"] == str(mailserver.smtp_port)
    assert mailserver.env(EMAIL_URL="smtp://{smtp_host}:{smtp_port}") == {"EMAIL_URL": mailserver.smtp_url}


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("port", "smtp_port"),
        ("host", "smtp_host"),
        ("hostname", "smtp_host"),
        ("address", "(smtp_host, smtp_port)"),
        ("smtp", "(smtp_host, smtp_port)"),
        ("url", "api_url"),
        ("username", "smtp_username"),
        ("password", "smtp_password"),
        ("token", "api_key"),
        ("ui", "web_url"),
        ("config", "configure()"),
        ("domain", "settings.domains"),
        ("create_inbox", "make_inbox"),
        ("mesages", "messages"),
    ],
)
def test_a_misguessed_name_is_answered_with_the_right_one(mailserver: MailServer, name: str, meant: str) -> None:
    with pytest.raises(AttributeError, match=re.escape(f"did you mean '{meant}'")):
        getattr(mailserver, name)


def test_importing_the_package_imports_nothing_heavy() -> None:
    import subprocess

    code = (
        "import sys, sirrchat_testkit, sirrchat_testkit.pytest_plugin;"
        "print(sorted({'aiohttp','aiosmtpd','pydantic','tinydb','httpx','faker','anyio','asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_starting_and_stopping_leaves_no_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with MailServer() as server:
            server.make_inbox()
        gc.collect()
