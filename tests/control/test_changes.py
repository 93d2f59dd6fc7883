"""What happened after an event: only what concerns chosen accounts, complete, and without polling."""

from __future__ import annotations

import smtplib
import threading
from typing import Any

import pytest

from sirrchat_testkit import MailServer
from sirrchat_testkit.control import changes as module
from sirrchat_testkit.domain import events as domain
from tests.control.conftest import Control
from tests.support import connect, send, until


class Owner:
    """An account, and its changes since the last time that they were read."""

    def __init__(self, control: Control) -> None:
        self.control = control
        made = control("POST", "/accounts", status=201, body={})
        self.id, self.email, self.password = made["id"], made["email"], made["password"]
        self.last = control("GET", "/changes")["last"]

    def changes(self, **query: Any) -> Any:
        """Return the answer of ``GET /changes`` for this account."""
        answer = self.control("GET", "/changes", after=self.last, account=self.id, **query)
        self.last = answer["last"]
        return answer

    def names(self) -> list[str]:
        """Return the names of the events since the last time."""
        return [each["name"] for each in self.changes()["events"]]


@pytest.fixture
def ann(control: Control) -> Owner:
    return Owner(control)


@pytest.fixture
def bob(control: Control) -> Owner:
    return Owner(control)


def test_mail_concerns_the_account_of_its_recipient(server: MailServer, ann: Owner, bob: Owner) -> None:
    send(server, ann.email)
    assert (ann.names(), bob.names()) == (["message.received"], [])


def test_mail_to_elsewhere_concerns_the_account_that_logged_in(server: MailServer, ann: Owner, bob: Owner) -> None:
    with connect(server) as smtp:
        smtp.login(ann.email, ann.password)
        smtp.sendmail("a@b.example", ["ops@corp.example"], "Subject: x\r\n\r\n")
    changes = ann.changes()
    assert [each["name"] for each in changes["events"]] == ["login.accepted", "message.received", "message.sent"]
    assert [each["folder"] for each in changes["messages"]] == ["INBOX", "Sent"]
    assert [each["login"] for each in changes["envelopes"]] == [ann.email]
    assert bob.names() == []


def test_a_refusal_concerns_the_login_or_else_everybody(server: MailServer, ann: Owner, bob: Owner) -> None:
    with connect(server) as smtp, pytest.raises(smtplib.SMTPRecipientsRefused):
        smtp.sendmail("a@b.example", ["no@example.com"], "x")
    assert (ann.names(), bob.names()) == (["recipient.refused"], ["recipient.refused"])
    with connect(server) as smtp:
        smtp.login(ann.email, ann.password)
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            smtp.sendmail("a@b.example", ["no@example.com"], "x")
    assert (ann.names(), bob.names()) == (["login.accepted", "recipient.refused"], [])


def test_deleting_and_marking_concern_the_owner(server: MailServer, control: Control, ann: Owner, bob: Owner) -> None:
    send(server, ann.email)
    [message] = ann.changes()["messages"]
    control("PATCH", f"/messages/{message['id']}", body={"seen": True})
    control("DELETE", f"/messages/{message['id']}", status=204)
    assert (ann.names(), bob.names()) == (["messages.changed", "messages.removed"], [])


def test_a_wrong_password_concerns_the_owner(server: MailServer, ann: Owner, bob: Owner) -> None:
    with connect(server) as smtp, pytest.raises(smtplib.SMTPAuthenticationError):
        smtp.login(ann.email, "wrong")
    assert {*ann.names()} == {"login.refused"}
    assert bob.names() == []


def test_a_fault_concerns_the_recipient(server: MailServer, ann: Owner, bob: Owner) -> None:
    fault = server.faults.reject(stage="rcpt", code=451, recipient=ann.email)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(server, ann.email)
    [fired, _] = ann.changes()["events"]
    assert (fired["name"], fired["fault"], fired["recipients"]) == ("fault.struck", fault.number, [ann.email])
    assert bob.names() == []


def test_it_waits_until_something_concerns_the_account(server: MailServer, ann: Owner, bob: Owner) -> None:
    answers: list[Any] = []
    waiting = threading.Thread(target=lambda: answers.append(ann.changes(timeout=30)))
    before = len(server._now.services.events._subscribers)
    waiting.start()
    until(server._thread, lambda: len(server._now.services.events._subscribers) > before)
    send(server, bob.email)
    send(server, ann.email)
    waiting.join(30)
    assert [each["recipient"] for each in answers[0]["messages"]] == [ann.email]


def test_a_wait_ends_with_the_server(ann: Owner, server: MailServer) -> None:
    answers: list[Any] = []

    def wait() -> None:
        query = {"after": ann.last, "account": ann.id, "timeout": 600}
        answers.append(ann.control.refusal("GET", "/changes", status=503, **query))

    waiting = threading.Thread(target=wait)
    before = len(server._now.services.events._subscribers)
    waiting.start()
    until(server._thread, lambda: len(server._now.services.events._subscribers) > before)
    server.stop()
    waiting.join(30)
    assert answers[0]["code"] == "service_unavailable"


def test_many_events_come_in_several_answers(
    server: MailServer, ann: Owner, bob: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MOST", 2)
    monkeypatch.setattr(module, "EXAMINED", 3)
    for number in range(5):
        send(server, bob.email)
        send(server, ann.email, subject=str(number))
    found: list[str] = []
    complete = False
    while not complete:
        answer = ann.changes()
        assert len(answer["messages"]) <= 2
        found += [each["subject"] for each in answer["messages"]]
        complete = answer["complete"]
    assert found == ["0", "1", "2", "3", "4"]


def test_after_a_gap_there_is_all_that_is_stored(
    server: MailServer, ann: Owner, bob: Owner, monkeypatch: pytest.MonkeyPatch
) -> None:
    send(server, ann.email, subject="kept")
    send(server, bob.email)
    log = server._now.services.events
    monkeypatch.setattr(log, "_entries", type(log._entries)(maxlen=2))
    assert isinstance(log.held(), tuple)
    for _ in range(3):
        log.append(domain.ClockMoved(at=0, frozen=False))
    changes = ann.changes()
    assert changes["gap"] is True
    assert [each["subject"] for each in changes["messages"]] == ["kept"]
    assert ann.changes()["gap"] is False


def test_without_accounts_it_is_about_everything(server: MailServer, control: Control, ann: Owner, bob: Owner) -> None:
    for owner in (ann, bob):
        send(server, owner.email)
    changes = control("GET", "/changes", after=ann.last)
    assert [each["recipient"] for each in changes["messages"]] == [ann.email, bob.email]
    assert changes["connections"] == 2


@pytest.mark.parametrize(("name", "value"), [("after", "-1"), ("after", "x"), ("timeout", "601")])
def test_wrong_values_are_refused(control: Control, name: str, value: str) -> None:
    assert control.refusal("GET", "/changes", status=400, **{name: value})["details"]["field"] == name


def test_the_barrier_of_an_account_ignores_others(server: MailServer, control: Control, ann: Owner, bob: Owner) -> None:
    def settled(owner: Owner) -> bool:
        return bool(control("GET", "/settle", timeout=0.05, account=owner.id)["settled"])

    with connect(server) as smtp:
        smtp.ehlo()
        smtp.mail("a@b.example")
        assert (settled(ann), settled(bob)) == (False, False)  # it may be for anybody
        smtp.rcpt(ann.email)
        assert (settled(ann), settled(bob)) == (False, True)
        smtp.rset()
        assert (settled(ann), settled(bob)) == (True, True)


def test_the_barrier_wakes_when_a_connection_turns_out_to_be_another_s(
    server: MailServer, control: Control, ann: Owner, bob: Owner
) -> None:
    with connect(server) as smtp:
        smtp.ehlo()
        smtp.mail("a@b.example")
        answers: list[Any] = []
        query = {"timeout": 60, "account": bob.id}
        waiting = threading.Thread(target=lambda: answers.append(control("GET", "/settle", **query)))
        waiting.start()
        until(server._thread, lambda: server._now.services.sessions._waiting)
        smtp.rcpt(ann.email)
        waiting.join(30)
    assert answers == [{"settled": True, "busy": []}]
