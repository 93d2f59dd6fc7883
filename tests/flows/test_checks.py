"""What a scope raises when it ends, and what leaving a server raises."""

from __future__ import annotations

import pytest

from sirrchat_testkit import FaultNeverFired, MailServer
from sirrchat_testkit.awaiting import Calls
from sirrchat_testkit.domain.events import EventLog, RecipientRefused
from sirrchat_testkit.handles.findings import KEPT, Findings
from tests.support import connect


def crash(server: MailServer) -> None:
    server._now.services.crashed("a request", ZeroDivisionError("a bug"))


def test_an_error_in_the_server_is_raised_at_the_end_of_its_scope(server: MailServer) -> None:
    with pytest.raises(ZeroDivisionError, match="a bug"), server.scope("inner"):
        crash(server)
    with server.scope("next"):
        pass
    server.check()


def test_a_fault_that_never_fired_is_raised_at_the_end_of_its_scope(server: MailServer) -> None:
    with pytest.raises(FaultNeverFired, match="reject 550 at MAIL"), server.scope("inner"):
        server.faults.reject(stage="mail")
    with pytest.raises(FaultNeverFired, match="duplicate"), server.scope("inner"):
        server.webhook_faults.duplicate()
    server.check()


def test_a_block_that_raises_gets_no_further_errors(server: MailServer) -> None:
    def fail() -> None:
        with server.scope("inner"):
            server.faults.reject(stage="mail")
            crash(server)
            raise KeyError("its own")

    with pytest.raises(KeyError, match="its own") as caught:
        fail()
    assert caught.value.__context__ is None
    server.check()


def test_what_was_raised_once_is_not_raised_again(server: MailServer) -> None:
    with server.scope("inner"):
        crash(server)
        server.faults.reject(stage="mail")
        with pytest.raises(ZeroDivisionError):
            server.check()
    with server.scope("inner"):
        server.faults.reject(stage="mail")
        with pytest.raises(FaultNeverFired):
            server.check()


def test_an_unchecked_scope_raises_nothing_there_or_around_it(server: MailServer) -> None:
    with server.scope("inner", check=False):
        crash(server)
    server.check()


def test_a_fault_planned_around_a_scope_may_fire_in_it(server: MailServer) -> None:
    with server.scope("outer"):
        server.faults.reject(stage="mail", code=451)
        with server.scope("inner"), connect(server) as smtp:
            smtp.ehlo()
            assert smtp.mail("a@shop.example")[0] == 451


def test_a_scope_does_not_report_faults_planned_around_it(server: MailServer) -> None:
    with server.scope("outer", check=False):
        server.faults.reject(stage="mail")
        with server.scope("inner"):
            server.check()
        with pytest.raises(FaultNeverFired):
            server.check()


def test_an_error_before_an_inner_scope_stays_with_the_outer_one(server: MailServer) -> None:
    outer = server.scope("outer")
    outer.__enter__()
    crash(server)
    with server.scope("inner"):
        pass
    with pytest.raises(ZeroDivisionError, match="a bug"):
        outer.__exit__(None, None, None)


def test_leaving_the_server_checks() -> None:
    with pytest.raises(FaultNeverFired), MailServer() as server:
        server.faults.reject(stage="mail")
    with pytest.raises(ZeroDivisionError), MailServer() as server:
        crash(server)


def test_leaving_the_server_by_an_error_adds_none() -> None:
    def fail() -> None:
        with MailServer() as server:
            server.faults.reject(stage="mail")
            raise KeyError("its own")

    with pytest.raises(KeyError, match="its own") as caught:
        fail()
    assert caught.value.__context__ is None


@pytest.mark.asyncio
async def test_leaving_the_server_checks_in_an_async_test() -> None:
    with pytest.raises(FaultNeverFired):
        async with MailServer() as server:
            server.faults.reject(stage="mail")


def late(number: int, sender: str = "") -> RecipientRefused:
    return RecipientRefused(at=0, recipient=f"r{number}@example.com", sender=sender, code="", reason="", scope="early")


def test_late_mail_is_bounded_and_all_of_it_is_counted() -> None:
    log = EventLog(lambda _: None)
    findings = Findings(log, tuple, Calls())
    for number in range(KEPT + 10):
        log.append(late(number % 2))
    assert [len(findings.late), findings.late[0].recipient] == [KEPT, "r0@example.com"]
    assert findings.take_late() == {("early", f"r{number}@example.com", "<>"): (KEPT + 10) // 2 for number in (0, 1)}
    assert findings.take_late() == {}
    for number in range(KEPT + 10):
        log.append(late(0, f"{number}@shop.example"))
    counts = findings.take_late()
    assert [len(counts), sum(counts.values())] == [KEPT + 1, KEPT + 10]
    assert counts["early", "r0@example.com", "other senders"] == 10  # type: ignore[index]
