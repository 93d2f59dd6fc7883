"""Every method of ``ControlClient`` and ``AsyncControlClient`` against a server, each way."""

from __future__ import annotations

import contextlib
import inspect
import pickle
import signal
import socket
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from dirty_equals import IsDatetime

import sirrchat_testkit
from sirrchat_testkit import (
    ApiError,
    AsyncControlClient,
    Conflict,
    ControlClient,
    Forbidden,
    InvalidValue,
    MailNotReceived,
    MailServer,
    NotFound,
    NotSettled,
    ServerError,
    Unreachable,
)
from sirrchat_testkit.client import errors
from sirrchat_testkit.client.messages import ReceivedMessages
from sirrchat_testkit.schemas.control_events import MessageReceived
from tests.support import connect, send

if TYPE_CHECKING:
    from pathlib import Path

    from tests.client.conftest import Fixed, Way
    from tests.support import StartServe

Scenario = Callable[[AsyncControlClient, MailServer], Awaitable[None]]

SCENARIOS: dict[str, Scenario] = {}


def of(method: str) -> Callable[[Scenario], Scenario]:
    """Add a scenario for a method, such as ``messages.get``."""

    def add(scenario: Scenario) -> Scenario:
        SCENARIOS[method] = scenario
        return scenario

    return add


@of("messages.wait")
async def waits_for_a_message(client: AsyncControlClient, server: MailServer) -> None:
    inbox = server.make_inbox(address="ann@example.com")
    asked = await client.clock.now()
    inbox.deliver(sender="shop@shop.example", subject="Your code", text="Your code is 482913.")
    found = await client.messages.wait(to=inbox, sender="*@shop.example", subject="Your code", since=asked)
    assert (found.code, found.sender, found.recipient) == ("482913", "shop@shop.example", "ann@example.com")
    inbox.deliver(subject="Later")
    assert (await client.messages.wait(to="ANN@example.com")).subject == "Later"
    assert (await client.messages.wait(q="code -is:read", text="482913", timeout=0)).id == found.id
    with pytest.raises(MailNotReceived, match=r"^subject: wanted 'Welcome', was 'Your code'\. Waited 0\.05 s"):
        await client.messages.wait(to=inbox, subject="Welcome", timeout=0.05)


@of("messages.wait_many")
async def waits_for_messages(client: AsyncControlClient, server: MailServer) -> None:
    inbox = server.make_inbox()
    for subject in ("one", "two", "three"):
        inbox.deliver(subject=subject)
    assert [each.subject for each in await client.messages.wait_many(2, to=inbox)] == ["two", "three"]
    with pytest.raises(MailNotReceived, match=r"^3 of 4 messages arrived"):
        await client.messages.wait_many(4, to=inbox, timeout=0)


@of("messages.search")
async def searches(client: AsyncControlClient, server: MailServer) -> None:
    inbox = server.make_inbox()
    for number in range(130):
        inbox.deliver(subject=str(number))
    server.make_inbox().deliver(subject="other")
    found = [each.subject async for each in client.messages.search(to=inbox)]
    assert found == [str(number) for number in reversed(range(130))]
    assert [each.subject async for each in client.messages.search(q="subject:other")] == ["other"]
    assert len([each async for each in client.messages.search()]) == 131
    with pytest.raises(InvalidValue, match="did you mean from:shop"):
        [each async for each in client.messages.search(q="form:shop")]


@of("messages.get")
async def gets_a_message(client: AsyncControlClient, server: MailServer) -> None:
    made = server.make_inbox().deliver(
        subject="Hello", text="It works.", headers={"X-Tag": "news"}, attachments=[("a.txt", b"abc")]
    )
    message = await client.messages.get(made.id)
    assert (message.subject, message.text.strip(), message.seen, message.size) == (
        "Hello",
        "It works.",
        False,
        made.size,
    )
    assert dict(message.headers)["X-Tag"] == "news"
    assert [(each.number, each.name, each.size) for each in message.attachments] == [(0, "a.txt", 3)]
    with pytest.raises(NotFound):
        await client.messages.get("x")


@of("messages.raw")
async def gets_the_bytes_of_a_message(client: AsyncControlClient, server: MailServer) -> None:
    made = server.make_inbox().deliver(subject="Hello")
    assert await client.messages.raw(made.id) == made.raw


@of("messages.transcript")
async def gets_a_transcript(client: AsyncControlClient, server: MailServer) -> None:
    inbox = server.make_inbox()
    send(server, inbox)
    transcript = await client.messages.transcript(inbox.receive().id)
    assert transcript.lines[0].who == "S"
    assert "mail from:<shop@shop.example>" in transcript.text.lower()


@of("messages.envelope")
async def gets_an_envelope(client: AsyncControlClient, server: MailServer) -> None:
    inbox = server.make_inbox()
    send(server, inbox)
    envelope = await client.messages.envelope(inbox.receive().id)
    assert (envelope.sender, envelope.recipients, envelope.ehlo) == ("shop@shop.example", [inbox], "client.example")


@of("messages.attachment")
async def gets_a_file(client: AsyncControlClient, server: MailServer) -> None:
    made = server.make_inbox().deliver(subject="Files", attachments={"a.txt": "abc", "b.json": b"{}"})
    assert [await client.messages.attachment(made.id, number) for number in (0, 1)] == [b"abc", b"{}"]
    with pytest.raises(NotFound, match="no file 2"):
        await client.messages.attachment(made.id, 2)


@of("messages.mark")
async def marks_a_message(client: AsyncControlClient, server: MailServer) -> None:
    made = server.make_inbox().deliver(subject="Hello")
    assert (await client.messages.mark(made.id, seen=True)).seen
    assert not (await client.messages.mark(made.id, seen=False)).seen


@of("messages.delete")
async def deletes_a_message(client: AsyncControlClient, server: MailServer) -> None:
    inbox = server.make_inbox()
    for subject in ("one", "two"):
        inbox.deliver(subject=subject)
    await client.messages.delete(inbox.messages[0].id)
    assert [each.subject for each in inbox.messages] == ["two"]


@of("messages.delete_all")
async def deletes_messages(client: AsyncControlClient, server: MailServer) -> None:
    inbox, other = server.make_inbox(), server.make_inbox()
    made = [inbox.deliver(subject="one").id, inbox.deliver(subject="two").id]
    other.deliver(subject="other")
    assert set(await client.messages.delete_all(to=inbox)) == set(made)
    assert (len(inbox.messages), len(other.messages)) == (0, 1)
    with pytest.raises(InvalidValue, match="a condition is required"):
        await client.messages.delete_all()


@of("messages.deliver")
async def delivers_messages(client: AsyncControlClient, server: MailServer) -> None:
    ann, bob = server.make_inbox(address="ann@example.com"), server.make_inbox(address="bob@example.com")
    raw = b"Subject: Hello\r\n\r\nhi\r\n"
    [made] = await client.messages.deliver(raw, to=ann)
    assert (made.recipient, ann.receive().raw, ann.messages[0].mail_from) == (ann, raw, "sender@example.org")
    message = EmailMessage()
    message["From"], message["Subject"] = "Shop <shop@shop.example>", "Grüße"
    message.set_content("é")
    copies = await client.messages.deliver(message, to=[ann, bob])
    assert [each.recipient for each in copies] == [ann, bob]
    assert (bob.receive().subject, bob.messages[0].mail_from) == ("Grüße", "shop@shop.example")
    await client.messages.deliver(message, to=ann, sender="other@shop.example")
    assert ann.messages[-1].mail_from == "other@shop.example"
    with pytest.raises(InvalidValue, match=r"no@example\.com"):
        await client.messages.deliver(raw, to="no@example.com")
    with pytest.raises(ServerError) as caught:
        await client.messages.deliver(raw, to=server.add_account("eve@example.com", quota=1).inbox)
    assert caught.value.status == 507


@of("accounts.create")
async def makes_an_account(client: AsyncControlClient, server: MailServer) -> None:
    made = await client.accounts.create()
    with connect(server) as smtp:
        smtp.login(made.email, made.password)
    named = await client.accounts.create("eve@example.com", password="pw", quota=1000)
    assert (named.email, named.password, named.quota) == ("eve@example.com", "pw", 1000)
    with pytest.raises(Conflict):
        await client.accounts.create("eve@example.com")


@of("accounts.delete")
async def deletes_an_account(client: AsyncControlClient, server: MailServer) -> None:
    made = await client.accounts.create()
    await client.accounts.delete(made.id)
    with pytest.raises(NotFound):
        await client.accounts.delete(made.id)


@of("addresses.create")
async def makes_an_address(client: AsyncControlClient, server: MailServer) -> None:
    account = await client.accounts.create()
    made = await client.addresses.create(
        "eve", domain="example.org", expires_in=timedelta(minutes=1), account=account.id
    )
    assert (made.email, made.account) == ("eve@example.org", account.id)
    assert made.expires_at == made.created_at + timedelta(minutes=1)
    assert (await client.addresses.create()).expires_at is None
    with pytest.raises(Conflict):
        await client.addresses.create("eve", domain="example.org")


NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)


@of("clock.now")
async def reads_the_clock(client: AsyncControlClient, server: MailServer) -> None:
    server.clock.freeze(at=NOON)
    assert await client.clock.now() == NOON
    assert (await client.clock.now()).tzinfo is not None


@of("clock.freeze")
async def stops_the_clock(client: AsyncControlClient, server: MailServer) -> None:
    frozen = await client.clock.freeze()
    assert (frozen.frozen, frozen.now) == (True, server.clock.now())
    local = NOON.astimezone().replace(tzinfo=None)
    assert (await client.clock.freeze(at=local)).now == NOON == server.clock.now()


@of("clock.resume")
async def starts_the_clock(client: AsyncControlClient, server: MailServer) -> None:
    server.clock.freeze(at=NOON)
    clock = await client.clock.resume()
    assert not clock.frozen
    assert clock.now == IsDatetime(approx=NOON, delta=5)


@of("clock.advance")
async def advances_the_clock(client: AsyncControlClient, server: MailServer) -> None:
    server.clock.freeze(at=NOON)
    clock = await client.clock.advance(timedelta(hours=1), minutes=1, milliseconds=500)
    assert clock.now == NOON + timedelta(hours=1, minutes=1, milliseconds=500) == server.clock.now()
    with pytest.raises(ValueError, match="advance moves forward"):
        await client.clock.advance(hours=-1)
    with pytest.raises(TypeError, match="must be in units such as seconds=3600"):
        await client.clock.advance(fortnights=1)  # type: ignore[call-arg]


@of("clock.move_to")
async def sets_the_clock(client: AsyncControlClient, server: MailServer) -> None:
    server.clock.freeze()
    assert (await client.clock.move_to(NOON)).now == NOON == server.clock.now()


@of("settings.get")
async def reads_the_settings(client: AsyncControlClient, server: MailServer) -> None:
    found = await client.settings.get()
    assert (found["max_recipients"], found["domains"]) == (server.settings.max_recipients, [*server.settings.domains])
    assert found["start_at"] is None
    assert "api_key" not in found


@of("settings.update")
async def changes_settings(client: AsyncControlClient, server: MailServer) -> None:
    changed = await client.settings.update(max_recipients=3, hide_extensions=["PIPELINING"])
    assert (changed["max_recipients"], server.settings.max_recipients) == (3, 3)
    assert server.settings.hide_extensions == ("PIPELINING",)
    with pytest.raises(InvalidValue, match="did you mean 'max_recipients'"):
        await client.settings.update(max_recipient=3)  # type: ignore[call-arg]


@of("faults.list")
async def lists_faults(client: AsyncControlClient, server: MailServer) -> None:
    server.faults.lose(times=2)
    server.rest_faults.refuse(status=503)
    first, second = await client.faults.list()
    assert (first.protocol, first.effect, first.times, first.fired) == ("smtp", "lose", 2, 0)
    assert (second.protocol, second.text) == ("rest", str(server.rest_faults.planned[0]))
    await client.faults.clear()


@of("faults.plan")
async def plans_a_fault(client: AsyncControlClient, server: MailServer) -> None:
    inbox = server.make_inbox()
    made = await client.faults.plan("reject", stage="rcpt", code=451, times=1, match={"recipient": inbox})
    assert (made.id, made.text) == (server.faults.planned[0].number, str(server.faults.planned[0]))
    with connect(server) as smtp:
        smtp.ehlo()
        smtp.mail("a@b.example")
        assert [smtp.rcpt(inbox)[0] for _ in range(2)] == [451, 250]
    assert (await client.faults.plan("malformed_json", protocol="webhook")).protocol == "webhook"
    with pytest.raises(InvalidValue, match="did you mean 'code'"):
        await client.faults.plan("reject", stage="rcpt", cod=451)
    await client.faults.clear()


@of("faults.remove")
async def removes_a_fault(client: AsyncControlClient, server: MailServer) -> None:
    made = await client.faults.plan("lose")
    await client.faults.remove(made.id)
    assert not server.faults.planned
    with pytest.raises(NotFound):
        await client.faults.remove(made.id)


@of("faults.clear")
async def removes_all_faults(client: AsyncControlClient, server: MailServer) -> None:
    server.faults.lose()
    server.webhook_faults.huge_body()
    await client.faults.clear()
    assert await client.faults.list() == []


@of("events")
async def reads_events(client: AsyncControlClient, server: MailServer) -> None:
    inbox = server.make_inbox()
    inbox.deliver(subject="earlier")
    async with client.events() as events:
        made = inbox.deliver("From: shop@shop.example\r\nSubject: Line\u2028end\r\n\r\n".encode())
        event = await anext(events)
        assert isinstance(event, MessageReceived)
        assert (event.name, event.message, event.subject) == ("message.received", made.id, "Line\u2028end")
        assert (event.sender, event.recipient, event.at) == ("shop@shop.example", inbox, made.received_at)
        server.clock.freeze(at=NOON)
        moved = await anext(events)
        assert moved.name == "clock.moved"
        assert moved.now == NOON
    with pytest.raises(StopAsyncIteration):
        await anext(events)
    async with client.events(after=event.id) as events:
        assert await anext(events) == moved


@of("server")
async def describes_the_server(client: AsyncControlClient, server: MailServer) -> None:
    described = await client.server()
    assert (described.smtp_port, described.smtps_port, described.certificate) == (server.smtp_port, None, None)
    assert described.version == sirrchat_testkit.__version__


@of("changes")
async def follows_an_account(client: AsyncControlClient, server: MailServer) -> None:
    ann, bob = [await client.accounts.create() for _ in range(2)]
    known = await client.changes()
    assert (known.events, known.messages, known.complete, known.gap) == ([], [], True, False)
    for account in (bob, ann):
        send(server, account.email, subject=account.email)
    changes = await client.changes(after=known.last, accounts=[ann.id], timeout=5)
    assert [each.name for each in changes.events] == ["message.received"]
    [message], [envelope] = changes.messages, changes.envelopes
    assert (message.subject, message.account, message.envelope) == (ann.email, ann.id, envelope.id)
    assert (envelope.recipients, envelope.ehlo) == ([ann.email], "client.example")
    later = await client.changes(after=changes.last, accounts=[ann.id], timeout=0.01)
    assert (later.events, later.complete) == ([], True)


@of("sessions")
async def lists_sessions(client: AsyncControlClient, server: MailServer) -> None:
    inbox = server.make_inbox()
    for _ in range(2):
        send(server, inbox)
    first, second = [each for each in await client.sessions() if inbox in each.transcript]
    assert (first.ehlo, first.closed, first.sender) == ("client.example", True, None)
    assert await client.sessions(after=first.number) == [second]
    account = await client.accounts.create()
    assert await client.sessions(after=first.number, accounts=[account.id]) == []
    send(server, account.email)
    [mine] = await client.sessions(after=first.number, accounts=[account.id])
    assert (mine.recipients, mine.delivered) == ([account.email], True)


@of("envelopes")
async def lists_envelopes(client: AsyncControlClient, server: MailServer) -> None:
    inbox = server.make_inbox()
    for number in range(45):
        inbox.deliver(subject=str(number))
    assert [each.id async for each in client.envelopes()] == [each.id for each in reversed(server.envelopes)]


@of("refusals")
async def lists_refusals(client: AsyncControlClient, server: MailServer) -> None:
    before = server._now.services.events.last
    inbox = server.make_inbox(address="customer@example.com")
    send(server, inbox, "custmer@example.com")
    send(server, inbox, "nobody@example.com")
    first, second = await client.refusals(after=before)
    assert (first.recipient, first.nearest, first.code) == ("custmer@example.com", inbox, "no_such_address")
    assert await client.refusals(after=first.id) == [second]


@of("deliveries")
async def lists_deliveries(client: AsyncControlClient, server: MailServer) -> None:
    with server.make_webhook_sink() as sink:
        webhook = server.add_webhook(sink.url, events=["email.received"])
        server.add_webhook(sink.url, events=["email.received"])
        server.make_inbox().deliver(subject="Hello")
        sink.receive_all(2)
        await client.settle()
        found = [each async for each in client.deliveries(webhook=webhook.id)]
        assert [(each.status, each.url, each.attempts[0].status) for each in found] == [("delivered", sink.url, 200)]
        assert len([each async for each in client.deliveries()]) == 2


@of("settle")
async def settles(client: AsyncControlClient, server: MailServer) -> None:
    await client.settle(timeout=5)
    with connect(server) as smtp:
        smtp.ehlo()
        smtp.mail("a@b.example")
        with pytest.raises(NotSettled, match=r"still busy after 0\.05 s: 127\.0\.0\.1:\d+: MAIL FROM:<a@b\.example>$"):
            await client.settle(timeout=0.05)
        smtp.rcpt(server.make_inbox())
        mine = await client.accounts.create()
        await client.settle(timeout=0, accounts=[mine.id])
        smtp.rcpt(mine.email)
        with pytest.raises(NotSettled):
            await client.settle(timeout=0, accounts=[mine.id])


@of("crashes")
async def lists_crashes(client: AsyncControlClient, server: MailServer) -> None:
    before = server._now.services.events.last

    async def crash() -> None:
        server._now.services.crashed("the test", ValueError("on purpose"))

    server._thread.call(crash())
    [crashed] = await client.crashes(after=before)
    assert (crashed.where, crashed.error) == ("the test", "ValueError: on purpose")
    assert await client.crashes(after=crashed.id) == []
    with pytest.raises(ValueError, match="on purpose"):
        server.check()


@of("reset")
async def resets(client: AsyncControlClient, server: MailServer) -> None:
    server.make_inbox(address="ann@example.com").deliver(subject="Hello")
    with server.scope(), pytest.raises(Conflict, match="scope is open"):
        await client.reset()
    await client.reset()
    assert [each async for each in client.messages.search()] == []


@pytest.mark.parametrize("method", [each for each in SCENARIOS if each != "reset"])
def test_a_method_works_each_way(method: str, way: Way, mailserver: MailServer) -> None:
    async def scenario(client: AsyncControlClient) -> None:
        await SCENARIOS[method](client, mailserver)

    way.run(AsyncControlClient, scenario, mailserver.api_key, mailserver.api_url)


def test_a_server_of_its_own_can_be_reset(way: Way) -> None:
    with MailServer() as server:

        async def scenario(client: AsyncControlClient) -> None:
            await SCENARIOS["reset"](client, server)

        way.run(AsyncControlClient, scenario, server.api_key, server.api_url)


def test_a_server_with_a_data_folder_is_reset_on_demand(way: Way, tmp_path: Path) -> None:
    async def scenario(client: AsyncControlClient) -> None:
        with pytest.raises(Conflict, match="durable=yes"):
            await client.reset()
        await client.reset(durable=True)

    with MailServer(data=tmp_path) as server:
        way.run(AsyncControlClient, scenario, server.api_key, server.api_url)


@pytest.mark.parametrize(
    ("kind", "name", "arguments"),
    [(ReceivedMessages, "wait", ()), (ReceivedMessages, "wait_many", (2,)), (ControlClient, "settle", ())],
)
def test_a_wait_may_take_longer_than_the_timeout_of_the_client(
    kind: Any, name: str, arguments: tuple[int, ...]
) -> None:
    call = inspect.unwrap(getattr(kind, name))(None, *arguments, timeout=5)
    with ControlClient("x", "http://127.0.0.1", timeout=3) as client:
        timeout = client._request(call)["timeout"]
    assert (timeout.read, timeout.connect) == (8, 3)


def test_a_wait_without_an_answer_says_how_long_it_was(way: Way) -> None:
    async def scenario(client: AsyncControlClient) -> None:
        for waits in (client.messages.wait, client.settle):
            with pytest.raises(Unreachable, match=r"^no answer from http://127\.0\.0\.1:\d+ within 0\.15 seconds$"):
                await waits(timeout=0.1)

    with socket.create_server(("127.0.0.1", 0)) as silent:
        way.run(AsyncControlClient, scenario, "x", f"http://127.0.0.1:{silent.getsockname()[1]}", timeout=0.05)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_answer_that_comes_byte_by_byte_takes_no_longer(backend: str) -> None:
    stopped = threading.Event()

    def answer(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            connection.sendall(b"HTTP/1.1 200 OK\r\nX-Header: ")
            for _ in range(1000):
                if stopped.wait(0.01):
                    break
                connection.send(b"x")

    async def scenario(url: str) -> None:
        async with AsyncControlClient("x", url, timeout=0.2, retries=0) as client:
            with pytest.raises(Unreachable, match=r"within 0\.2 seconds$"):
                await client.clock.now()

    with socket.create_server(("127.0.0.1", 0)) as slow:
        thread = threading.Thread(target=answer, args=(slow,))
        thread.start()
        try:
            anyio.run(scenario, f"http://127.0.0.1:{slow.getsockname()[1]}", backend=backend)
        finally:
            stopped.set()
            thread.join()


def test_what_did_not_arrive_is_an_error_of_a_test_and_of_the_client(way: Way, mailserver: MailServer) -> None:
    inbox = mailserver.make_inbox(address="ann@example.com")
    inbox.deliver(subject="Welcom", sender="shop@shop.example")

    async def scenario(client: AsyncControlClient) -> None:
        with pytest.raises(errors.MailNotReceived) as caught:
            await client.messages.wait(to=inbox, subject="Welcome", timeout=0)
        error = caught.value
        assert isinstance(error, AssertionError)
        assert isinstance(error, ApiError)
        assert (error.status, error.code) == (404, "timeout")
        assert str(error) == error.message
        assert str(error).split("\n")[1:] == [
            "Other messages received:",
            "  'Welcom' from shop@shop.example to ann@example.com",
            "      subject: wanted 'Welcome', was 'Welcom'",
        ]
        [near] = error.near_misses
        assert (near["id"], near["misses"]) == (inbox.messages[0].id, ["subject: wanted 'Welcome', was 'Welcom'"])
        again = pickle.loads(pickle.dumps(error))
        assert (str(again), again.near_misses) == (str(error), error.near_misses)

    way.run(AsyncControlClient, scenario, mailserver.api_key, mailserver.api_url)


@pytest.mark.parametrize(
    ("conditions", "text"),
    [
        ({"recipient": "x"}, "there is no condition 'recipient'; there are to, sender, subject, text, since, q"),
        ({"since": "2030-01-31"}, "since must be a datetime such as"),
        ({"timeout": timedelta(seconds=1)}, "timeout must be a number of seconds, not datetime.timedelta"),
        ({"timeout": "1"}, "timeout must be a number of seconds, not '1'"),
    ],
)
def test_a_wrong_condition_is_named(conditions: Any, text: str, way: Way, fixed: Fixed) -> None:
    async def scenario(client: AsyncControlClient) -> None:
        with pytest.raises(TypeError, match=text):
            await client.messages.wait(**conditions)

    way.run(AsyncControlClient, scenario, "x", fixed.url)
    assert fixed.requests == []


def test_a_user_s_key_is_refused(way: Way, mailserver: MailServer) -> None:
    async def scenario(client: AsyncControlClient) -> None:
        with pytest.raises(Forbidden, match="an admin's API key is required"):
            await client.clock.now()
        with pytest.raises(Forbidden):
            await anext(client.events())

    way.run(AsyncControlClient, scenario, mailserver.add_account().api_key, mailserver.api_url)


def test_waits_go_on_when_a_killed_server_starts_again(serve: StartServe, tmp_path: Path) -> None:
    """The connections of all waits break at once; each asks the new server, which has what the old one acknowledged."""
    started = ("--api-key", "mk_live_ThisIsTheKeyOfTheTests", "--data", str(tmp_path))
    first = serve(*started)
    begun, again = threading.Barrier(4), threading.Event()
    with ControlClient(first.api_key, first.api_url) as control:
        address = control.addresses.create().email

    def deliver(subject: str) -> None:
        with ControlClient(first.api_key, first.api_url) as control:
            control.messages.deliver(b"Subject: %s\r\n\r\nx" % subject.encode(), to=address)

    def wait() -> list[str]:
        with ControlClient(first.api_key, first.api_url) as client:
            client._sleep = lambda _: again.wait()
            client.clock.now()
            begun.wait()
            assert client.messages.wait(to=address, subject="after", timeout=60).subject == "after"
            return [each.subject for each in client.messages.search(to=address)]

    with ThreadPoolExecutor(3) as pool:
        waits = [pool.submit(wait) for _ in range(3)]
        begun.wait()
        deliver("before")
        first.end(signal.SIGKILL)
        serve(*started, "--http-port", first.api_url.rpartition(":")[2])
        again.set()
        deliver("after")
        assert [each.result() for each in waits] == [["after", "before"]] * 3


@pytest.mark.parametrize(
    ("error", "patient", "pauses"),
    [
        (httpx.ConnectError, True, [0.1, 0.4, 1, 1]),
        (httpx.ConnectError, False, [0.1, 0.4]),
        (httpx.ReadTimeout, True, []),
    ],
)
def test_a_wait_has_more_time_to_connect_to_a_server_that_has_answered(
    error: type[httpx.HTTPError], pauses: list[float], mailserver: MailServer, *, patient: bool
) -> None:
    def attempts(client: ControlClient) -> list[float]:
        found = []
        with contextlib.suppress(Unreachable):
            made = client._attempts(replace(wait_for_mail(None, timeout=5), patient=patient))
            while True:
                found.append(made.after_error(error("")))
        return found

    resource: Any = ReceivedMessages
    wait_for_mail = inspect.unwrap(resource.wait)
    with ControlClient(mailserver.api_key, mailserver.api_url, timeout=2.5) as client:
        assert attempts(client) == pauses[:2]
        client.clock.now()
        assert attempts(client) == pauses
