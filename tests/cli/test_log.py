"""The lines of the log of ``serve``: what each event becomes, and that no line does harm."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sirrchat_testkit import MailServer
from sirrchat_testkit.cli.log import KINDS, json_lines, text_lines
from sirrchat_testkit.domain import events as domain
from sirrchat_testkit.domain.events import Event
from sirrchat_testkit.domain.models import Message
from sirrchat_testkit.handles.diagnostics import Refusal
from sirrchat_testkit.handles.log_reader import Batch, Entry, LogReader
from tests.support import connect, send

MESSAGE = Message(
    id="m",
    account="a",
    address="d",
    recipient="ann@example.com",
    recipient_key="ann@example.com",
    envelope="e",
    blob="b",
    size=1234,
    received_at=0,
    mail_from="shop@shop.example",
    subject="Welcome",
)
ATTEMPT = domain.DeliveryAttempted(
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
)
REFUSED = domain.RecipientRefused(
    at=0, recipient="anne@example.com", sender="", code="no_such_address", reason="anne@example.com does not exist here"
)


def text(*entries: Entry | Event) -> list[str]:
    """Return the lines without their times."""
    made = [each if isinstance(each, Entry) else Entry(number, each) for number, each in enumerate(entries, 1)]
    return [line[10:] for line in text_lines(Batch(made), colors=False)]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (
            domain.MessageReceived(at=0, message=MESSAGE),
            'received  shop@shop.example -> ann@example.com  "Welcome"  1.2 kB, stored',
        ),
        (
            domain.MessageReceived(at=0, message=replace(MESSAGE, address="", mail_from="")),
            'received  <> -> ann@example.com  "Welcome"  1.2 kB, stored without an address',
        ),
        (REFUSED, "refused   <> -> anne@example.com  anne@example.com does not exist here"),
        (
            domain.LoginAccepted(at=0, mechanism="PLAIN", login="ann@example.com"),
            "login     ann@example.com  PLAIN, accepted",
        ),
        (
            domain.LoginRefused(at=0, mechanism="PLAIN", login="ann", reason="wrong password"),
            "login     ann  PLAIN, refused: wrong password",
        ),
        (
            domain.LoginRefused(at=0, mechanism="PLAIN", login="ann", reason="refused with 454 by a fault"),
            "login     ann  PLAIN, refused with 454 by a fault",
        ),
        (domain.TlsFailed(at=0, peer="127.0.0.1:5", alert="unknown ca"), "tls       127.0.0.1:5  unknown ca"),
        (
            domain.TlsFailed(at=0, peer="127.0.0.1:5", alert=""),
            "tls       127.0.0.1:5  the client closed the connection",
        ),
        (
            domain.FaultFired(at=0, stage="rcpt", text="reject 451", peer="127.0.0.1:5", recipients=("x@example.com",)),
            "fault     reject 451 at RCPT: x@example.com",
        ),
        (
            ATTEMPT,
            "webhook   http://127.0.0.1/: email.received, attempt 1: timeout: no answer after 1500 ms; now pending",
        ),
        (domain.ClockMoved(at=0, frozen=True), "clock     1970-01-01 00:00:00 UTC, stopped"),
        (
            domain.Crashed(at=0, where="a test", error=ValueError("on\npurpose")),
            r"error     a test: ValueError: on\npurpose",
        ),
    ],
    ids=lambda each: type(each).__name__,
)
def test_an_event_is_a_line(event: Event, line: str) -> None:
    assert text(event) == [line]


def test_the_nearest_address_of_a_refused_one_is_in_its_line() -> None:
    refusal = Refusal("anne@example.com", "", "no_such_address", REFUSED.reason, "", "ann@example.com")
    [line] = text(Entry(1, REFUSED, refusal))
    assert line.endswith("anne@example.com does not exist here; the nearest address is ann@example.com")
    [shown] = map(json.loads, json_lines(Batch([Entry(1, REFUSED, refusal)])))
    assert (shown["name"], shown["id"], shown["nearest"]) == ("recipient.refused", 1, "ann@example.com")


def test_the_copies_of_a_message_share_a_line() -> None:
    copies = [
        domain.MessageReceived(at=0, message=replace(MESSAGE, recipient=f"{name}@example.com", address=name))
        for name in ("", "b", "c", "d")
    ]
    other = domain.MessageReceived(at=0, message=replace(MESSAGE, envelope="f"))
    assert [line.partition('"')[0] for line in text(*copies, other, REFUSED, other)] == [
        "received  shop@shop.example -> @example.com, b@example.com and 2 more  ",
        "received  shop@shop.example -> ann@example.com  ",
        "refused   <> -> anne@example.com  anne@example.com does not exist here",
        "received  shop@shop.example -> ann@example.com  ",
    ]


def test_every_kind_has_a_line_in_both_forms() -> None:
    for kind in KINDS:
        event = next(each for each in SAMPLES if type(each) is kind)
        entry = Entry(7, event, ending="was refused at C: MAIL FROM:<a@b.c>  S: 530 5.7.0 Authentication required")
        [line] = text_lines(Batch([entry]), colors=True)
        assert line.startswith("\x1b[2m")
        [shown] = map(json.loads, json_lines(Batch([entry])))
        assert {"at", "name", "id"} <= shown.keys()


SAMPLES = [
    domain.MessageReceived(at=0, message=MESSAGE),
    REFUSED,
    domain.SessionClosed(at=0, number=1, peer="127.0.0.1:5"),
    domain.LoginAccepted(at=0, mechanism="PLAIN", login="ann"),
    domain.LoginRefused(at=0, mechanism="PLAIN", login="ann", reason="wrong password"),
    domain.TlsFailed(at=0, peer="127.0.0.1:5", alert=""),
    domain.FaultFired(at=0, stage="rcpt", text="451", peer="127.0.0.1:5", recipients=("x@example.com",) * 1000),
    ATTEMPT,
    domain.ClockMoved(at=0, frozen=False),
    domain.Crashed(at=0, where="a test", error=ValueError("on purpose")),
]

HOSTILE = st.text(st.characters(codec=None, categories=("L", "C", "Z", "P")), max_size=400)


@settings(deadline=None)  # a busy machine is slow
@given(HOSTILE, HOSTILE, HOSTILE)
def test_hostile_text_is_one_bounded_line_without_control_characters(one: str, two: str, three: str) -> None:
    events: list[Event] = [
        domain.MessageReceived(at=0, message=replace(MESSAGE, subject=one, mail_from=two, recipient=three)),
        domain.RecipientRefused(at=0, recipient=one, sender=two, code="x", reason=three),
        domain.LoginRefused(at=0, mechanism=one, login=two, reason=three),
        domain.FaultFired(at=0, stage="rcpt", text=one, peer="", sender=two, recipients=(three,) * 50),
        replace(ATTEMPT, url=one, reason=two),
        domain.Crashed(at=0, where=one, error=ValueError(two)),
    ]
    batch = Batch([Entry(1, each, ending=three) for each in [*events, SAMPLES[2]]])
    for line in text_lines(batch, colors=False):
        assert line.isprintable()
        assert len(line) < 700
    for line in json_lines(batch):
        assert line.isascii()
        assert line.isprintable()
        assert len(line) < 50_000


def test_long_texts_and_lists_are_cut_in_json() -> None:
    fault = domain.FaultFired(at=0, stage="rcpt", text="x" * 10_000, peer="", recipients=("x@example.com",) * 1000)
    [shown] = map(json.loads, json_lines(Batch([Entry(1, fault)])))
    assert (len(shown["effect"]), len(shown["recipients"])) == (300, 20)


@pytest.fixture
def server() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


@pytest.fixture
def reader(server: MailServer) -> LogReader:
    return LogReader(server._control, KINDS)


def read(reader: LogReader) -> list[Entry]:
    batch = reader.read()
    assert batch is not None
    assert batch.lost == 0
    return batch.entries


def test_a_reader_gets_everything_since_it_was_made_in_batches(server: MailServer, reader: LogReader) -> None:
    inbox = server.make_inbox()
    found: list[Entry] = []
    for number in range(3):
        send(server, inbox, subject=str(number))
        found += read(reader)
    assert [each.event.message.subject for each in found] == ["0", "1", "2"]  # type: ignore[attr-defined]


def test_events_that_are_not_shown_wake_nobody(server: MailServer, reader: LogReader) -> None:
    with connect(server) as smtp:
        smtp.noop()
    server.make_inbox().deliver(subject="x")
    assert [type(each.event) for each in read(reader)] == [domain.MessageReceived]


def test_a_connection_that_was_refused_without_an_event_of_its_own_is_reported(
    server: MailServer, reader: LogReader
) -> None:
    server.configure(auth="required")
    with connect(server) as smtp:
        smtp.ehlo()
        smtp.mail("ann@example.org")
    [entry] = read(reader)
    refused = "was refused at C: mail from:<ann@example.org>  S: 530 5.7.0 Authentication required"
    assert entry.ending.replace("FROM", "from") == refused  # as smtplib of Python 3.13 writes it


def test_a_connection_that_a_fault_refused_has_no_line_beside_that_of_the_fault(
    server: MailServer, reader: LogReader
) -> None:
    server.faults.reject(stage="mail", code=451)
    with connect(server) as smtp:
        smtp.ehlo()
        smtp.mail("ann@example.org")
    server.make_inbox().deliver(subject="x")
    found = read(reader)
    while not isinstance(found[-1].event, domain.MessageReceived):
        found += read(reader)
    assert [type(each.event) for each in found] == [domain.FaultFired, domain.MessageReceived]


def test_lost_events_are_counted(server: MailServer, reader: LogReader) -> None:
    log = server._control.services.events
    log._entries = deque(maxlen=2)
    inbox = server.make_inbox()
    for _ in range(5):
        inbox.deliver(subject="x")
    batch = reader.read()
    assert batch is not None
    assert (len(batch.entries), batch.lost) == (2, 3)
    assert next(text_lines(batch, colors=False)) == "3 events before this could not be logged in time"


def test_a_stopped_reader_returns_what_there_was(server: MailServer, reader: LogReader) -> None:
    server.make_inbox().deliver(subject="x")
    reader.stop()
    assert reader.read() is None
    assert [type(each.event) for each in reader.rest().entries] == [domain.MessageReceived]
