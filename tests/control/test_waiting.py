"""The long poll."""

from __future__ import annotations

import smtplib
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from sirrchat_testkit import MailServer
from tests.control.conftest import Control
from tests.support import send, until

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(70) as pool:
        yield pool


def waiting(server: MailServer, number: int = 1) -> None:
    """Wait until so many long polls sleep."""
    until(server._thread, lambda: len(server._control.feeds.all()) >= number)


def test_it_answers_at_once_with_what_is_there(server: MailServer, control: Control) -> None:
    inbox = server.inbox_for("ann@example.com")
    for subject in ("old", "new"):
        inbox.deliver(subject=subject, text="x")
    assert [each["subject"] for each in control("GET", "/wait", to="ann@example.com")["data"]] == ["new"]
    both = control("GET", "/wait", to="ann@example.com", count=2)["data"]
    assert [each["subject"] for each in both] == ["old", "new"]


@pytest.mark.parametrize("query", [{"to": "ann@example.com"}, {"to": "ann@*"}, {"q": "late"}, {"text": "x"}, {}])
def test_it_answers_on_arrival(
    server: MailServer, control: Control, background: ThreadPoolExecutor, query: dict[str, Any]
) -> None:
    waits = background.submit(control, "GET", "/wait", timeout=30, **query)
    waiting(server)
    sent = server.inbox_for("ann@example.com").deliver(subject="Late", text="x")
    assert [each["id"] for each in waits.result()["data"]] == [sent.id]


def test_it_waits_for_as_many_as_asked(server: MailServer, control: Control, background: ThreadPoolExecutor) -> None:
    inbox = server.inbox_for("ann@example.com")
    inbox.deliver(subject="first", text="x")
    waits = background.submit(control, "GET", "/wait", to="ann@example.com", count=3, timeout=30)
    waiting(server)
    inbox.deliver(subject="second", text="x")
    server.make_inbox(address="bob@example.com").deliver(subject="other", text="x")
    inbox.deliver(subject="third", text="x")
    assert [each["subject"] for each in waits.result()["data"]] == ["first", "second", "third"]


def test_a_deleted_message_no_longer_counts(
    server: MailServer, control: Control, background: ThreadPoolExecutor
) -> None:
    inbox = server.inbox_for("ann@example.com")
    inbox.deliver(subject="gone", text="x")
    waits = background.submit(control, "GET", "/wait", to="ann@example.com", count=2, timeout=30)
    waiting(server)
    inbox.clear()
    for subject in ("first", "second"):
        inbox.deliver(subject=subject, text="x")
    assert [each["subject"] for each in waits.result()["data"]] == ["first", "second"]


def test_nothing_is_taken(server: MailServer, control: Control) -> None:
    inbox = server.inbox_for("ann@example.com")
    inbox.deliver(subject="one", text="x")
    control("GET", "/wait", to="ann@example.com")
    assert inbox.receive(subject="one").text == "x\n"
    assert control("GET", "/wait", to="ann@example.com", timeout=0)["data"][0]["subject"] == "one"


def test_a_timeout_says_why_as_receive_does(server: MailServer, control: Control) -> None:
    server.inbox_for("ann@example.com").deliver(subject="Welcom", text="x")
    refusal = control.refusal("GET", "/wait", status=404, to="ann@example.com", subject="Welcome", timeout=0.05)
    assert refusal["code"] == "timeout"
    assert refusal["message"].startswith(
        "subject: wanted 'Welcome', was 'Welcom'. "
        "Waited 0.05 s for a message for ann@example.com with subject='Welcome'.\n"
    )
    [near] = refusal["details"]["near_misses"]
    assert near["misses"] == ["subject: wanted 'Welcome', was 'Welcom'"]
    assert near["recipient"] == "ann@example.com"


def test_a_timeout_names_the_refusal(server: MailServer, control: Control) -> None:
    refusal = control.refusal("GET", "/wait", status=404, to="an@example.com", q="code", timeout=0)
    assert refusal["message"].startswith("an@example.com does not exist here")
    assert "mailserver" not in refusal["message"]


def test_remedies_name_routes_since_clients_are_written_in_any_language(server: MailServer, control: Control) -> None:
    server.faults.greylist(timedelta(minutes=5), recipient="ann@example.com")
    for recipient in ("ann@example.com", "nobody@example.org"):
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(server, recipient)
    text = control.refusal("GET", "/wait", status=404, to="ann@example.com", timeout=0)["message"]
    assert "a retry is accepted in 5 min on the server's clock, which POST /testkit/v1/clock moves" in text
    accept = "To accept mail for nobody@example.org: POST /testkit/v1/addresses, or the command address create"
    assert accept in text.splitlines()
    assert "mailserver" not in text


@pytest.fixture
def earlier(server: MailServer) -> None:
    """Mail, a refused recipient and a connection without mail, one second before bob@example.com was made."""
    server.inbox_for("ann@example.com").deliver(subject="Earlier")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(server, "nobody@example.org")
    with smtplib.SMTP(server.smtp_host, server.smtp_port) as smtp:
        smtp.docmd("NOOP")
    until(server._thread, lambda: not len(server._control.services.sessions))
    server.clock.advance(seconds=1)
    server.make_inbox(address="bob@example.com")


@pytest.mark.usefixtures("earlier")
def test_a_timeout_leaves_out_what_happened_before_the_address_was_made(server: MailServer, control: Control) -> None:
    refusal = control.refusal("GET", "/wait", status=404, to="bob@example.com", timeout=0)
    assert refusal["message"] == "No message arrived. Waited 0.0 s for a message for bob@example.com."

    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(server, "bobby@example.com")
    text = control.refusal("GET", "/wait", status=404, to="bob@example.com", timeout=0)["message"]
    assert text.startswith("Refused: bobby@example.com does not exist here")
    assert "nobody@example.org" not in text


@pytest.mark.usefixtures("earlier")
def test_a_timeout_leaves_nothing_out_if_the_clock_was_set_back(server: MailServer, control: Control) -> None:
    server.clock.move_to(server.clock.now() - timedelta(hours=1))
    text = control.refusal("GET", "/wait", status=404, to="bob@example.com", timeout=0)["message"]
    assert text.startswith("Refused: nobody@example.org does not exist here")
    assert "  'Earlier' from " in text


def test_a_failure_that_reads_contents_does_not_stop_the_server(server: MailServer, control: Control) -> None:
    server.inbox_for("ann@example.com").deliver(subject="x", text="hello")
    refusal = control.refusal("GET", "/wait", status=404, to="bob@example.com", text="code", timeout=0)
    assert "text: wanted containing 'code', was 'hello" in refusal["message"]


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"timeout": "-1"}, "timeout"),
        ({"timeout": "601"}, "timeout"),
        ({"count": "0"}, "count"),
        ({"count": "x"}, "count"),
    ],
)
def test_wrong_parameters(control: Control, query: dict[str, str], field: str) -> None:
    assert control.refusal("GET", "/wait", status=400, **query)["details"]["field"] == field


def test_many_wait_for_their_own(server: MailServer, background: ThreadPoolExecutor) -> None:
    inboxes = [server.make_inbox() for _ in range(60)]
    clients = [Control(server) for _ in inboxes]
    waits = [
        background.submit(client, "GET", "/wait", to=inbox.address, timeout=30)
        for client, inbox in zip(clients, inboxes, strict=True)
    ]
    waiting(server, 60)
    for number, inbox in enumerate(inboxes):
        inbox.deliver(subject=f"{number}", text="x")
    assert [each.result()["data"][0]["subject"] for each in waits] == [str(number) for number in range(60)]
    for client in clients:
        client.http.close()


def test_a_client_that_leaves_costs_nothing_more(server: MailServer, control: Control) -> None:
    with pytest.raises(httpx.ReadTimeout):
        control.http.get("/wait", params={"timeout": 60}, timeout=0.2)
    until(server._thread, lambda: not server._control.feeds.all())


def test_the_server_stops_at_once_although_clients_wait(background: ThreadPoolExecutor) -> None:
    with MailServer() as server:
        control = Control(server)
        waits = background.submit(control.http.get, "/wait", params={"timeout": 60})
        waiting(server)
    assert waits.result().status_code == 503
    control.http.close()


def test_the_end_of_a_scope_ends_its_waits(server: MailServer, background: ThreadPoolExecutor) -> None:
    control = Control(server)
    with server.scope():
        waits = background.submit(control.http.get, "/wait", params={"timeout": 60})
        waiting(server)
    error = waits.exception()  # its connection is closed, perhaps after the answer
    assert isinstance(error, httpx.TransportError) if error else waits.result().status_code == 503
    control.http.close()
