"""The event stream: complete, in order, resumable, and harmless to others if it is not read."""

from __future__ import annotations

import json
import smtplib
import socket
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

import httpx
import pytest

from sirrchat_testkit import MailServer
from sirrchat_testkit.control import events as module
from sirrchat_testkit.domain import events as domain
from sirrchat_testkit.domain.events import Event
from sirrchat_testkit.domain.models import Message
from sirrchat_testkit.handles.published import PUBLISHED
from sirrchat_testkit.schemas.control import EventName
from sirrchat_testkit.schemas.control_events import KINDS
from tests.control.conftest import Control
from tests.support import until

if TYPE_CHECKING:
    from pathlib import Path


class Read(NamedTuple):
    """An event as a client reads it."""

    name: str
    id: int
    data: Any


@contextmanager
def stream(control: Control, **query: Any) -> Iterator[Iterator[Read]]:
    """Open a stream, and return its events."""
    headers = {"Last-Event-ID": str(query.pop("last"))} if "last" in query else {}
    with control.http.stream("GET", "/events", params=query or None, headers=headers) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["Content-Type"] == "text/event-stream"
        lines = response.iter_lines()
        assert next(lines) == ": events"
        yield parsed(lines)


def parsed(lines: Iterator[str]) -> Iterator[Read]:
    fields: dict[str, str] = {}
    for line in lines:
        if line and not line.startswith(":"):
            name, _, value = line.partition(": ")
            fields[name] = value
        elif "data" in fields:
            yield Read(fields["event"], int(fields["id"]), json.loads(fields["data"]))
            fields = {}


def take(events: Iterator[Read], number: int) -> list[Read]:
    return [next(events) for _ in range(number)]


def test_everything_that_happens_is_told_in_order(server: MailServer, control: Control) -> None:
    with stream(control) as events:
        with smtplib.SMTP("127.0.0.1", server.smtp_port) as client:
            client.sendmail("a@b.example", ["ann@example.com", "no@example.com"], b"Subject: Hello\r\n\r\nhi\r\n")
        told = take(events, 4)
        assert [each.name for each in told] == [
            "session.opened",
            "recipient.refused",
            "message.received",
            "session.closed",
        ]
        refused, received = told[1].data, told[2].data
        assert (refused["recipient"], refused["code"]) == ("no@example.com", "no_such_address")
        assert (received["recipient"], received["subject"]) == ("ann@example.com", "Hello")
        [message] = server.inbox_for("ann@example.com").messages
        assert received["message"] == message.id
        server.clock.freeze(at=datetime(2030, 1, 1, tzinfo=UTC))
        control("PATCH", f"/messages/{message.id}", body={"seen": True})
        control("DELETE", f"/messages/{message.id}", status=204)
        moved, changed, removed = take(events, 3)
        assert moved.data["now"] == "2030-01-01T00:00:00.000Z"
        assert moved.data["frozen"] is True
        assert changed.data["messages"] == [{"message": message.id, "seen": True}]
        assert removed.data["messages"] == [message.id]
        ids = [each.id for each in (*told, moved, changed, removed)]
        assert ids == [each.data["id"] for each in (*told, moved, changed, removed)]
        assert ids == sorted(ids)


def test_it_resumes_without_a_gap(server: MailServer, control: Control) -> None:
    inbox = server.inbox_for("ann@example.com")
    with stream(control) as events:
        inbox.deliver(subject="0", text="x")
        [first] = take(events, 1)
    for number in range(1, 300):
        inbox.deliver(subject=f"{number}", text="x")
    for query in ({"after": first.id}, {"last": first.id}, {"last": first.id, "after": 0}):
        with stream(control, **query) as events:
            inbox.deliver(subject="and later", text="x")
            told = take(events, 300)
            assert [each.data["subject"] for each in told[:299]] == [str(number) for number in range(1, 300)]
            assert told[299].data["subject"] == "and later"
            inbox.messages[-1].id  # noqa: B018 - it can be read


def test_it_begins_with_the_id_after_which_it_goes_on(server: MailServer, control: Control) -> None:
    """A client whose connection breaks before the first event can resume, too."""
    for query in ({}, {"after": 0}):
        server.inbox_for("ann@example.com").deliver(subject="known", text="x")
        last = server._now.services.events.last
        with control.http.stream("GET", "/events", params=query) as response:
            lines = response.iter_lines()
            assert [next(lines) for _ in range(3)] == [": events", f"id: {query.get('after', last)}", ""]


def test_after_0_is_everything_that_is_held(server: MailServer, control: Control) -> None:
    server.inbox_for("ann@example.com").deliver(subject="early", text="x")
    with stream(control, after=0) as events:
        assert [each.data["subject"] for each in take(events, 1)] == ["early"]


def test_what_fell_out_of_the_log_is_a_gap(
    server: MailServer, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = server._now.services.events
    inbox = server.inbox_for("ann@example.com")
    monkeypatch.setattr(log, "_entries", type(log._entries)(maxlen=3))
    known = log.last
    for number in range(5):
        inbox.deliver(subject=f"{number}", text="x")
    with stream(control, after=known) as events:
        gap, *told = take(events, 4)
        assert (gap.name, gap.id, gap.data["oldest"]) == ("gap", log.last - 3, log.last - 2)
        assert [each.data["subject"] for each in told] == ["2", "3", "4"]


def test_an_event_from_before_a_restart_is_a_gap(tmp_path: Path) -> None:
    def last(server: MailServer) -> int:
        server.inbox_for("ann@example.com").deliver(subject="x", text="x")
        return server._now.services.events.last

    with MailServer(data=tmp_path) as first:
        first.make_inbox(address="ann@example.com")
        known = last(first)
    with MailServer(data=tmp_path) as second:
        assert last(second) > known
        control = Control(second)
        with control.http, stream(control, after=known) as events:
            gap, told = take(events, 2)
            assert (gap.name, told.name) == ("gap", "message.received")
            assert gap.data["oldest"] == told.id


@pytest.mark.parametrize("after", ["x", "-1", "1" * 30, "²"])
def test_a_wrong_position_is_refused(control: Control, after: str) -> None:
    assert control.refusal("GET", "/events", status=400, after=after)["details"]["field"] == "after"


def test_a_client_that_does_not_read_is_dropped_and_delays_nobody(
    server: MailServer, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log := server._now.services.events, "_entries", deque(log.held(), 200))
    inbox = server.inbox_for("ann@example.com")
    lazy = socket.create_connection(("127.0.0.1", int(server.api_url.rpartition(":")[2])))
    lazy.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    with lazy, stream(control) as events:
        head = f"GET /testkit/v1/events HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {server.api_key}\r\n\r\n"
        lazy.sendall(head.encode())
        assert lazy.recv(15) == b"HTTP/1.1 200 OK"
        sent = 0
        told: list[str] = []
        while "stream.dropped" not in told:
            for _ in range(50):
                inbox.deliver(subject="x" * 9000, text="x")
            sent += 50
            while told.count("message.received") < sent:
                told.append(next(events).name)
            assert sent < 4000, "it was never dropped"
    assert told.count("message.received") == sent


def test_a_stream_that_is_not_read_is_no_longer_written(
    server: MailServer, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: Counter[module.EventStream] = Counter()
    take_part = module.EventStream.take

    def note(self: module.EventStream) -> bytes:
        data = take_part(self)
        written[self] += data.count(b"message.received")
        return data

    monkeypatch.setattr(module.EventStream, "take", note)
    inbox = server.inbox_for("ann@example.com")
    lazy = socket.create_connection(("127.0.0.1", int(server.api_url.rpartition(":")[2])))
    with lazy, lazy.makefile("rb") as answer:
        lazy.sendall(
            f"GET /testkit/v1/events HTTP/1.1\r\nHost: localhost\r\nX-API-Key: {server.api_key}\r\n\r\n".encode()
        )
        lines = iter(answer.readline, b"")
        assert next(lines) == b"HTTP/1.1 200 OK\r\n"
        sent = 0
        with stream(control) as events:
            while len(written) < 2 or min(written.values()) > sent - 100:
                for _ in range(50):
                    inbox.deliver(subject="x" * 9000, text="x")
                sent += 50
                assert sent < 300, "it is written although it is not read"
                take(events, 50)
        told = 0
        while told < sent:
            told += next(lines).startswith(b"event: message.received")


def test_streams_end_with_the_server() -> None:
    with MailServer() as server:
        control = Control(server)
        with control.http.stream("GET", "/events") as response:
            lines = response.iter_lines()
            assert [next(lines) for _ in range(3)][0::2] == [": events", ""]
            until(server._thread, lambda: True)
            server.stop()
            assert [*lines] == []
    control.http.close()


def test_a_stream_that_was_closed_costs_nothing(server: MailServer, control: Control) -> None:
    log = server._now.services.events
    before = len(log._subscribers)
    with stream(control) as events:
        server.inbox_for("ann@example.com").deliver(subject="x", text="x")
        take(events, 1)
        assert len(log._subscribers) == before + 1
    server.inbox_for("ann@example.com").deliver(subject="x", text="x")
    until(server._thread, lambda: len(log._subscribers) == before)


def test_a_client_that_closes_its_stream_is_no_crash(
    server: MailServer, control: Control, monkeypatch: pytest.MonkeyPatch
) -> None:
    def leave(_: object, stream: module.Stream) -> bytes:
        assert stream.request.transport is not None
        stream.request.transport.abort()
        return b""

    monkeypatch.setattr(module.EventViews, "gap", leave)
    with pytest.raises(httpx.TransportError):
        control.http.get("/events")
    assert control("GET", "/crashes")["data"] == []


def test_every_kind_of_event_is_published_or_internal() -> None:
    internal = {domain.WebhookAdded, domain.DeliveryRequested}
    assert set(Event.__subclasses__()) == {*PUBLISHED, *internal}
    assert get_args(EventName) == module.NAMES == (*KINDS,)


MESSAGE = Message(
    id="m",
    account="a",
    address="d",
    recipient="ann@example.com",
    recipient_key="ann@example.com",
    envelope="e",
    blob="b",
    size=5,
    received_at=0,
)
SAMPLES = [
    domain.MessageReceived(at=0, message=MESSAGE),
    domain.MessageSent(at=0, message=MESSAGE),
    domain.MessagesChanged(at=0, messages=(MESSAGE,)),
    domain.MessagesRemoved(at=0, ids=("m",), recipients=frozenset()),
    domain.RecipientRefused(at=0, recipient="x@example.com", sender="", code="no_such_address", reason="unknown"),
    domain.LoginAccepted(at=0, mechanism="PLAIN", login="ann@example.com"),
    domain.LoginRefused(at=0, mechanism="PLAIN", login="ann", reason="wrong password"),
    domain.TlsFailed(at=0, peer="127.0.0.1:5", alert=""),
    domain.SessionOpened(at=0, number=1, peer="127.0.0.1:5"),
    domain.SessionClosed(at=0, number=1, peer="127.0.0.1:5"),
    domain.FaultFired(at=0, stage="rcpt", text="451", peer="127.0.0.1:5", recipients=("x@example.com",)),
    domain.DeliveryAttempted(
        at=0,
        delivery="d",
        webhook="w",
        url="http://127.0.0.1/",
        event="email.received",
        number=1,
        status=None,
        error="timeout",
        reason="no answer",
        duration_ms=1500,
        request="",
        response="",
        outcome="pending",
    ),
    domain.ClockMoved(at=0, frozen=True),
    domain.StreamDropped(at=0, peer="127.0.0.1:5"),
    domain.Crashed(at=0, where="a test", error=ValueError("on purpose")),
]


@pytest.mark.parametrize("event", SAMPLES, ids=lambda event: type(event).__name__)
def test_an_event_has_the_fields_of_its_model(event: Event) -> None:
    assert {type(each) for each in SAMPLES} == {*PUBLISHED}
    [read] = parsed(iter([*module.encoded(7, event).decode().split("\n"), ""]))
    kind = KINDS[read.name]
    model = kind.model_validate(read.data)
    assert (model.name, model.id) == (read.name, 7)
    assert {each.alias or name for name, each in kind.model_fields.items()} == {*read.data, "name"}


def test_a_user_key_opens_no_stream(server: MailServer) -> None:
    control = Control(server, server.add_account("bob@example.com").api_key)
    with control.http:
        assert control.refusal("GET", "/events", status=403)["code"] == "forbidden"


def test_a_stream_ends_with_its_scope(server: MailServer, control: Control) -> None:
    with server.scope("inner"):
        context = stream(control)
        events = context.__enter__()
    with pytest.raises((httpx.TransportError, StopIteration)):
        next(events)
