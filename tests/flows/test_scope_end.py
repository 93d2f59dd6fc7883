"""When a scope ends: what began in it is broken off, idle connections stay, and the next scope notices nothing."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import smtplib
import socket
import ssl
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any, Literal, Self

import httpx
import pytest

from sirrchat_testkit import FaultStage, Inbox, MailServer, WebhookSink
from sirrchat_testkit.domain import sessions
from sirrchat_testkit.http import listener as rest_listener
from tests.support import until

ABORTED = b"421 4.3.2 Closing connection: the test scope has ended\r\n"
GONE = b"421 4.7.0 Closing connection: the account of this login no longer exists\r\n"
RAW = b"Subject: late\r\n\r\nx\r\n"
LONG = 60.0


class Client:
    """A client that sends raw bytes; the greeting is read unless ``greeted`` is False."""

    def __init__(self, server: MailServer, *, greeted: bool = True) -> None:
        self.socket = socket.create_connection((server.smtp_host, server.smtp_port), timeout=30)
        self.server = server
        self.file = self.socket.makefile("rb")
        if greeted:
            self.read(1)

    def __call__(self, *commands: str) -> str:
        """Send each command and wait for its reply; return the last reply's code."""
        code = ""
        for command in commands:
            self.send(command.encode() + b"\r\n")
            code = self.read(1)
        return code

    def read(self, replies: int) -> str:
        code = ""
        for _ in range(replies):
            line = self.file.readline()
            while line[3:4] == b"-":
                line = self.file.readline()
            code = line[:3].decode()
        return code

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def rest(self) -> bytes:
        """Return everything until the connection ends."""
        with contextlib.suppress(ConnectionResetError):
            return self.file.read()
        return b"reset"

    def send_mail(self, recipient: object, *, hello: bool = False) -> str:
        if hello:
            self("EHLO me")
        self("MAIL FROM:<a@shop.example>", f"RCPT TO:<{recipient}>", "DATA")
        self.send(RAW + b".\r\n")
        return self.read(1)


@pytest.fixture
def dial() -> Iterator[Callable[..., Client]]:
    clients: list[Client] = []

    def connect(server: MailServer, **options: bool) -> Client:
        clients.append(Client(server, **options))
        return clients[-1]

    yield connect
    for each in clients:
        each.file.close()
        each.socket.close()


Dial = Callable[..., Client]


@pytest.fixture
def inbox(server: MailServer) -> Inbox:
    """An inbox that outlives the scopes of its test: mail for it would be stored."""
    return server.make_inbox()


def noticed(server: MailServer) -> list[object]:
    """Return what the next scope would see of an earlier one, or wait for."""
    with server.scope("next"):
        return [*server._thread.call(server._control.settled(0)), *server.messages]


def after_mail(client: Client, inbox: Inbox) -> None:
    client("EHLO me", "MAIL FROM:<a@shop.example>")


def after_rcpt(client: Client, inbox: Inbox) -> None:
    client("EHLO me", "MAIL FROM:<a@shop.example>", f"RCPT TO:<{inbox}>")


def after_data(client: Client, inbox: Inbox) -> None:
    after_rcpt(client, inbox)
    client("DATA")


def amid_data(client: Client, inbox: Inbox) -> None:
    after_data(client, inbox)
    [session] = client.server._now.services.sessions
    [connection] = client.server._now.smtp._connections  # type: ignore[attr-defined]
    client.send(RAW)
    until(client.server._thread, lambda: connection._conversation.pending)
    assert session.busy


def between_chunks(client: Client, inbox: Inbox) -> None:
    after_rcpt(client, inbox)
    client.send(b"BDAT %d\r\n%s" % (len(RAW), RAW))
    client.read(1)


def amid_a_chunk(client: Client, inbox: Inbox) -> None:
    after_rcpt(client, inbox)
    client.send(b"BDAT 1000 LAST\r\n" + RAW)


def amid_a_login(client: Client, inbox: Inbox) -> None:
    client("EHLO me", "AUTH LOGIN")


@pytest.mark.parametrize(
    "go", [after_mail, after_rcpt, after_data, amid_data, between_chunks, amid_a_chunk, amid_a_login]
)
def test_what_is_under_way_is_broken_off(
    server: MailServer, inbox: Inbox, dial: Dial, go: Callable[[Client, Inbox], None]
) -> None:
    with server.scope("early"):
        client = dial(server)
        go(client, inbox)
    assert not noticed(server)
    assert client.rest() == ABORTED
    assert server.messages == []


@pytest.mark.parametrize("stage", ["connect", "ehlo", "auth", "mail", "rcpt", "data", "end"])
def test_a_delayed_command_is_broken_off(server: MailServer, inbox: Inbox, dial: Dial, stage: FaultStage) -> None:
    login = base64.b64encode(b"\0nobody\0x").decode()
    script = ["EHLO me", f"AUTH PLAIN {login}", "MAIL FROM:<a@shop.example>", f"RCPT TO:<{inbox}>", "DATA"]
    before = ["connect", "ehlo", "auth", "mail", "rcpt", "data", "end"].index(stage)
    with server.scope("early"):
        fault = server.faults.delay(LONG, stage=stage)
        client = dial(server, greeted=stage != "connect")
        client(*script[: max(before - 1, 0)])
        client.send(RAW + b".\r\n" if stage == "end" else script[before - 1].encode() + b"\r\n")
        until(server._thread, lambda: fault.fired)
    assert not noticed(server)
    assert client.rest() == ABORTED
    assert server.messages == []


def test_what_was_sent_behind_a_delayed_command_is_dropped(server: MailServer, inbox: Inbox, dial: Dial) -> None:
    with server.scope("early"):
        fault = server.faults.delay(LONG, stage="end")
        client = dial(server)
        mail = f"MAIL FROM:<a@shop.example>\r\nRCPT TO:<{inbox}>\r\n".encode() + b"DATA\r\n" + RAW + b".\r\n"
        client.send(b"EHLO me\r\n" + mail + mail + b"QUIT\r\n")
        client.read(4)
        until(server._thread, lambda: fault.fired)
    assert not noticed(server)
    assert client.read(1) in {"354", "421"}
    client.rest()
    assert server.messages == []


def test_a_reply_that_trickles_is_cut(server: MailServer, inbox: Inbox, dial: Dial) -> None:
    """A second reply amid the first would be read as a part of it."""
    with server.scope("early"):
        server.faults.trickle(LONG, stage="rcpt")
        client = dial(server)
        client("EHLO me", "MAIL FROM:<a@shop.example>")
        client.send(f"RCPT TO:<{inbox}>\r\n".encode())
        assert client.file.read(1) == b"2"
    assert not noticed(server)
    assert client.rest() == b""


def test_a_handshake_is_broken_off(dial: Dial) -> None:
    with MailServer(starttls=True) as server:
        with server.scope("early"):
            client = dial(server)
            assert client("EHLO me", "STARTTLS") == "220"
        assert not noticed(server)
        assert client.rest() == b""
        until(server._thread, lambda: not server.stats.sessions_active)


def test_a_transaction_under_tls_is_broken_off() -> None:
    with MailServer(smtps_port=0) as server:
        context = server.tls.ssl_context()
        with server.scope("early"):
            smtp = smtplib.SMTP_SSL("localhost", server.smtps_port or 0, context=context, timeout=30)
            smtp.ehlo()
            smtp.mail("a@shop.example")
        assert not noticed(server)
        until(server._thread, lambda: not server.stats.sessions_active)  # the client need not answer the end of TLS
        with contextlib.suppress(ssl.SSLEOFError):
            assert smtp.getreply()[0] == 421
        smtp.close()


def test_an_idle_connection_stays_usable(server: MailServer, inbox: Inbox, dial: Dial) -> None:
    """An application's pool is made by the first test that sends, and serves all others."""
    with server.scope("first"):
        pooled = dial(server)
        pooled("EHLO me")
        assert pooled.send_mail(inbox) == "250"
    for name in ("second", "third"):
        with server.scope(name):
            server.settle()
            assert pooled.send_mail(inbox) == "250"
            assert len(server.receive_all(1)) == 1
    assert pooled("QUIT") == "221"


def test_a_connection_that_has_not_sent_anything_stays_and_is_not_waited_for(server: MailServer, dial: Dial) -> None:
    with server.scope("first"):
        client = dial(server)
    assert not noticed(server)
    assert client("EHLO me") == "250"


def test_a_new_connection_is_waited_for_in_its_own_scope(
    server: MailServer, dial: Dial, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sessions, "FRESH", LONG)
    with server.scope("first"):
        client = dial(server)
        [busy] = server._thread.call(server._control.settled(0))
        assert busy.what == "connected, and has not sent mail yet"
    assert not noticed(server)
    assert client("NOOP") == "250"


def test_a_transaction_that_began_before_the_scope_goes_on(server: MailServer, inbox: Inbox, dial: Dial) -> None:
    client = dial(server)
    after_rcpt(client, inbox)
    with server.scope("inner"):
        [busy] = server._thread.call(server._control.settled(0))
        assert busy.what == "MAIL FROM:<a@shop.example>"
    assert client("DATA") == "354"
    client.send(RAW + b".\r\n")
    assert client.read(1) == "250"


def test_a_transaction_that_began_in_a_scope_on_an_older_connection_is_broken_off(
    server: MailServer, inbox: Inbox, dial: Dial
) -> None:
    client = dial(server)
    client("EHLO me")
    with server.scope("inner"):
        client("MAIL FROM:<a@shop.example>", f"RCPT TO:<{inbox}>")
    assert client.rest() == ABORTED


def test_a_login_ends_with_its_account(server: MailServer, dial: Dial) -> None:
    kept = server.add_account()
    clients = []
    with server.scope("first"):
        for account in (kept, server.add_account()):
            clients.append(dial(server))
            proof = base64.b64encode(f"\0{account.address}\0{account.password}".encode()).decode()
            assert clients[-1]("EHLO me", f"AUTH PLAIN {proof}") == "235"
    assert clients[0]("NOOP") == "250"
    assert clients[1].rest() == GONE


def test_the_server_stops_at_once_after_a_command_was_broken_off(dial: Dial, caplog: pytest.LogCaptureFixture) -> None:
    with MailServer() as server:
        with server.scope("early"):
            fault = server.faults.delay(LONG, stage="ehlo")
            client = dial(server)
            client.send(b"EHLO me\r\n")
            until(server._thread, lambda: fault.fired)
        assert client.rest() == ABORTED
    assert not [each for each in caplog.records if each.name == "sirrchat_testkit.smtp"]  # a late stop is logged


def test_a_retry_is_never_made_after_its_scope(server: MailServer) -> None:
    with WebhookSink() as sink:
        sink.refuse(times=None)
        with server.scope("early"):
            server.clock.freeze()
            server.add_webhook(sink.url)
            server.make_inbox().deliver(subject="x")
            server.settle()
            assert len(sink.calls) == 1
        with server.scope("next"):
            server.clock.freeze()
            server.clock.advance(hours=1)
            server.settle()
        assert len(sink.calls) == 1


def test_a_move_of_the_clock_ends_with_its_scope(server: MailServer) -> None:
    """A thread advances the clock, and waits for a webhook that is never answered."""
    now = server.clock.now()
    with socket.create_server(("127.0.0.1", 0)) as silent, ThreadPoolExecutor() as pool:
        with server.scope("early"):
            server.clock.freeze(now)
            server.add_webhook(f"http://127.0.0.1:{silent.getsockname()[1]}/")
            server.make_inbox().deliver(subject="x")
            moved = pool.submit(server.clock.advance, hours=5)
            until(server._thread, lambda: server._now.services.clock._moves)
        with pytest.raises(RuntimeError, match="the test that moved it has ended"):
            moved.result()
    assert server.clock.now() - now < timedelta(hours=1)


class Caller:
    """A client of the REST API that sends raw bytes."""

    def __init__(self, server: MailServer) -> None:
        self.socket = socket.create_connection(
            (server.settings.host, int(server.api_url.rpartition(":")[2])), timeout=30
        )
        self.file = self.socket.makefile("rb")
        self.key = server.api_key

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        self.socket.close()

    def request(self, method: str, path: str, content: object = None) -> bytes:
        body = b"" if content is None else json.dumps(content).encode()
        head = f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {self.key}\r\n"
        head += f"X-API-Key: {self.key}\r\nContent-Length: {len(body)}\r\n"
        return head.encode() + b"Content-Type: application/json\r\n\r\n" + body

    def send(self, data: bytes) -> None:
        self.socket.sendall(data)

    def status(self) -> int:
        """Read one answer; return its status."""
        status = int(self.file.readline().split()[1])
        headers = [*iter(self.file.readline, b"\r\n")]
        [length] = [int(each.split(b":")[1]) for each in headers if each.lower().startswith(b"content-length:")]
        self.file.read(length)
        return status

    def rest(self) -> bytes:
        """Return everything until the connection ends."""
        with contextlib.suppress(ConnectionResetError):
            return self.file.read()
        return b""


def requests_of(server: MailServer) -> frozenset[object]:
    """Return what is in progress at the REST API, on the server's thread."""

    async def ask() -> frozenset[object]:
        return server._now.http.mark() - {None}  # type: ignore[attr-defined,no-any-return]

    return server._thread.call(ask())


ANN = {"email": "ann@example.com", "password": "passw0rd!x"}


@pytest.mark.parametrize("sent", [1, 30, -5])
@pytest.mark.parametrize("pooled", [False, True])
def test_a_request_that_is_not_complete_is_aborted(server: MailServer, sent: int, *, pooled: bool) -> None:
    with Caller(server) as pool, Caller(server) as new:
        pool.send(pool.request("GET", "/api/v1/users"))
        assert pool.status() == 200
        caller = pool if pooled else new
        with server.scope("early"):
            request = caller.request("POST", "/api/v1/users", ANN)
            caller.send(request[:sent])
            until(server._thread, lambda: requests_of(server))
        with server.scope("next"):
            with contextlib.suppress(OSError):
                caller.send(request[sent:])
            assert caller.rest() == b""
            assert server.stats.users_total == 0


def test_a_request_in_progress_does_not_write_into_the_next_scope(
    server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its work is done when the scope ends, and it would go on in the next step."""
    entered: list[asyncio.Future[None]] = []
    domains, scopes = server._now.services.domains, server._now.services.scopes

    async def wait_and_write() -> None:
        entered.append(asyncio.get_running_loop().create_future())
        await entered[-1]
        await domains.add("late.example")

    class Finishes:
        """Finishes the request's work just before the scope's parts end."""

        def mark(self) -> None:
            pass

        def end(self, mark: None) -> None:  # noqa: ARG002 - the part's own
            for each in entered:
                each.set_result(None)

        async def rewind(self, mark: None) -> None:
            pass

    monkeypatch.setattr(scopes, "_parts", [Finishes(), *scopes._parts])
    monkeypatch.setattr(domains, "all", wait_and_write)
    with Caller(server) as caller:
        with server.scope("early"):
            caller.send(caller.request("GET", "/api/email/domains"))
            until(server._thread, lambda: entered)
        assert caller.rest() == b""
        server.add_domain("late.example")


def test_a_request_that_began_before_the_scope_goes_on(server: MailServer) -> None:
    with Caller(server) as caller:
        request = caller.request("POST", "/api/v1/users", ANN)
        caller.send(request[:-5])
        until(server._thread, lambda: requests_of(server))
        with server.scope("inner"):
            pass
        caller.send(request[-5:])
        assert caller.status() == 201


def test_an_idle_connection_of_the_rest_api_stays_usable(server: MailServer) -> None:
    """Also after a body that arrived behind the refusal of its request."""
    with Caller(server) as caller:
        for name in ("first", "second", "third"):
            with server.scope(name):
                caller.send(caller.request("GET", "/api/v1/users"))
                assert caller.status() == 200
                unknown = caller.request("POST", "/nowhere", ANN)
                caller.send(unknown[:-5])
                assert caller.status() == 404
                caller.send(unknown[-5:])
                until(server._thread, lambda: not requests_of(server))


def test_a_connection_that_waits_for_the_api_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    release = threading.Event()
    load = rest_listener._load_api

    def held(*arguments: Any) -> Any:
        release.wait()
        return load(*arguments)

    monkeypatch.setattr(rest_listener, "_load_api", held)
    monkeypatch.delitem(sys.modules, "freezegun", raising=False)
    with MailServer() as server, contextlib.ExitStack() as callers:
        before = callers.enter_context(Caller(server))
        before.send(before.request("GET", "/api/v1/users"))
        until(server._thread, lambda: len(requests_of(server)) == 1)
        with server.scope("early"):
            early = callers.enter_context(Caller(server))
            early.send(early.request("POST", "/api/v1/users", ANN))
            until(server._thread, lambda: len(requests_of(server)) == 2)
        assert early.rest() == b""
        with server.scope("next"):
            late = callers.enter_context(Caller(server))
            release.set()
            late.send(late.request("GET", "/api/v1/users"))
            assert [late.status(), before.status()] == [200, 200]
            assert server.stats.users_total == 0


def test_late_mail_is_kept_with_the_scope_that_caused_it(server: MailServer, dial: Dial) -> None:
    with server.scope("early"):
        inbox = server.make_inbox()
    known = len(server.late_mail)
    client = dial(server)
    with server.scope("running"):
        assert client("EHLO me", "MAIL FROM:<a@shop.example>", f"RCPT TO:<{inbox}>") == "550"
        assert client("RCPT TO:<nobody@example.com>") == "550"
        client("RSET")
    [late] = server.late_mail[known:]
    assert (late.scope, late.recipient, late.sender) == ("around > early", str(inbox), "a@shop.example")


def test_an_address_that_a_later_scope_makes_belongs_to_it_even_when_it_has_expired(
    server: MailServer, dial: Dial
) -> None:
    with server.scope("early"):
        server.make_inbox(address="ann@example.com")
    known = len(server.late_mail)
    with server.scope("later"):
        server.make_inbox(address="ann@example.com", expires_in=timedelta(hours=1))
        server.clock.advance(hours=2)
        assert dial(server)("EHLO me", "MAIL FROM:<a@shop.example>", "RCPT TO:<ann@example.com>") == "550"
        assert [(each.recipient, each.scope) for each in server.refusals] == [("ann@example.com", "")]
    assert len(server.late_mail) == known


@pytest.mark.parametrize("unknown", ["reject", "keep"])
def test_late_mail_is_refused_whatever_became_of_the_address(dial: Dial, unknown: Literal["reject", "keep"]) -> None:
    """Kept, it would be a message of the next test."""
    with MailServer(unknown_recipients=unknown) as server:
        with server.scope("early"):
            server.add_domain("own.example")
            server.make_inbox(address="asked@example.com")
            server.make_inbox(address="asked@own.example")
            gone = server.make_inbox(expires_in=timedelta(hours=1))
            deleted = server.make_inbox()
            with Caller(server) as caller:
                caller.key = deleted.api_key
                caller.send(caller.request("DELETE", f"/api/emails/{deleted.id}"))
                assert caller.status() == 200
            server.clock.advance(hours=5)
        late = ["asked@example.com", "asked@own.example", str(gone), str(deleted)]
        with server.scope("next"):
            client = dial(server)
            client("EHLO me", "MAIL FROM:<a@shop.example>")
            assert [client(f"RCPT TO:<{each}>") for each in late] == ["550"] * 4
            assert client("RCPT TO:<else@own.example>") == "250"
        assert [(each.scope, each.recipient) for each in server.late_mail] == [("early", each) for each in late]
        with server.scope("again"):
            server.make_inbox(address="asked@example.com")
            server.inbox_for("asked@own.example")
            assert [dial(server).send_mail(each, hello=True) for each in late[:2]] == ["250", "250"]


def test_scopes_of_the_same_name_make_different_addresses(server: MailServer) -> None:
    """Or else late mail of a test's first run would be received in its second run."""
    made = []
    for _ in range(3):
        with server.scope("rerun"):
            made.append((str(server.make_inbox()), server.add_account().address, server.make_inbox().id))
            with server.scope():
                made.append((str(server.make_inbox()), server.add_account().address, server.make_inbox().id))
    assert len({text for each in made for text in each}) == 18


def test_a_login_that_began_before_the_scope_goes_on_after_it(server: MailServer, dial: Dial) -> None:
    account = server.add_account()
    client = dial(server)
    assert client("EHLO me", "AUTH LOGIN") == "334"
    with server.scope("inner"):
        assert client(base64.b64encode(account.address.encode()).decode()) == "334"
    assert client(base64.b64encode(account.password.encode()).decode()) == "235"


def test_a_sink_ends_with_its_scope_and_so_do_waits_on_sinks(server: MailServer) -> None:
    with server.make_webhook_sink() as wide, ThreadPoolExecutor() as pool:
        around = pool.submit(wide.receive)
        until(server._thread, lambda: len(wide._source.feeds.all()) == 1)
        with server.scope("early"):
            sink = server.make_webhook_sink()
            waits = [pool.submit(each.receive) for each in (sink, wide)]
            until(server._thread, lambda: len([*wide._source.feeds.all(), *sink._source.feeds.all()]) == 3)
        for each in waits:
            with pytest.raises(RuntimeError, match="the scope that this wait began in has ended"):
                each.result()
        with pytest.raises(httpx.ConnectError):
            httpx.post(sink.url).raise_for_status()
        sink.stop()
        assert httpx.post(wide.url).is_success
        assert around.result().method == "POST"


def test_a_wait_on_a_sink_ends_when_its_server_stops() -> None:
    with ThreadPoolExecutor() as pool:
        with MailServer() as server:
            sink = server.make_webhook_sink()
            waiting = pool.submit(sink.receive)
            until(server._thread, sink._source.feeds.all)
        with pytest.raises(RuntimeError, match="stopped"):
            waiting.result()
