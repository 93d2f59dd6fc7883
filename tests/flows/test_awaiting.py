"""Asynchronous verbs that are called without ``await``."""

from __future__ import annotations

import asyncio
import inspect
import warnings
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest

from sirrchat_testkit import FaultNeverFired, Inbox, MailServer, NeverAwaited, WebhookSink
from sirrchat_testkit.awaiting import Calls
from sirrchat_testkit.handles.clock import Clock
from sirrchat_testkit.handles.inbox import Receiver

VERBS: dict[str, Callable[[MailServer, WebhookSink], Coroutine[Any, Any, object]]] = {
    "Inbox.areceive": lambda server, _: server.make_inbox().areceive(),
    "Inbox.areceive_all": lambda server, _: server.make_inbox().areceive_all(2),
    "Inbox.aassert_nothing": lambda server, _: server.make_inbox().aassert_nothing(subject="x"),
    "MailServer.areceive": lambda server, _: server.areceive(),
    "MailServer.asettle": lambda server, _: server.asettle(),
    "WebhookSink.areceive": lambda _, sink: sink.areceive(),
    "WebhookSink.areceive_all": lambda _, sink: sink.areceive_all(),
    "WebhookSink.aassert_nothing": lambda _, sink: sink.aassert_nothing(),
    "Clock.aadvance": lambda server, _: server.clock.aadvance(seconds=1),
    "Clock.amove_to": lambda server, _: server.clock.amove_to(datetime.now(UTC)),
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_that_was_not_awaited_is_reported_with_its_line(
    mailserver: MailServer, webhook_sink: WebhookSink, verb: str
) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # Python's own is not needed
        VERBS[verb](mailserver, webhook_sink)  # type: ignore[unused-coroutine]
        where = rf"{verb}\(\) at test_awaiting.py:\d+"
        with pytest.raises(NeverAwaited, match=f"^{where} was called without await, so it did nothing$"):
            mailserver.check()
        mailserver.check()  # it is reported once


def test_every_asynchronous_verb_is_known() -> None:
    for kind in (Receiver, Inbox, MailServer, Clock, WebhookSink):
        for name, function in inspect.getmembers(kind, inspect.isfunction):
            assert not inspect.iscoroutinefunction(function) or name.startswith("_"), f"{name} is not @asynchronous"


def test_several_are_listed(mailserver: MailServer, inbox: Inbox) -> None:
    inbox.areceive()  # type: ignore[unused-coroutine]
    mailserver.clock.aadvance(seconds=1)  # type: ignore[unused-coroutine]
    with pytest.raises(NeverAwaited) as failure:
        mailserver.check()
    first, *lines = str(failure.value).splitlines()
    assert first == "2 verbs were called without await, so they did nothing:"
    assert [line.partition(" at ")[0] for line in lines] == ["  Inbox.areceive()", "  Clock.aadvance()"]


@pytest.mark.asyncio
async def test_what_began_was_closed_or_was_cancelled_is_not_reported(mailserver: MailServer, inbox: Inbox) -> None:
    waiting = asyncio.create_task(inbox.areceive())
    await asyncio.sleep(0)
    mailserver.check()
    inbox.deliver(subject="Hello")
    assert (await waiting).subject == "Hello"
    await asyncio.gather(inbox.aassert_nothing(), mailserver.asettle())
    inbox.areceive().close()
    asyncio.create_task(inbox.areceive()).cancel()
    await asyncio.sleep(0)
    mailserver.check()


def test_a_scope_reports_its_own(mailserver: MailServer) -> None:
    earlier = mailserver.asettle()
    with mailserver.scope():
        pass
    with pytest.raises(NeverAwaited), mailserver.scope():
        mailserver.asettle()  # type: ignore[unused-coroutine]
    asyncio.run(earlier)
    with pytest.warns(RuntimeWarning, match="never awaited"), mailserver.scope(check=False):
        mailserver.asettle()  # type: ignore[unused-coroutine]


def test_it_comes_before_a_fault_that_never_fired_which_it_may_explain() -> None:
    def forget(server: MailServer) -> None:
        server.faults.reject(stage="rcpt")
        server.asettle()  # type: ignore[unused-coroutine]

    with MailServer() as server:
        with pytest.raises(NeverAwaited), server.scope():
            forget(server)
        with pytest.raises(FaultNeverFired), server.scope():
            server.faults.reject(stage="rcpt")


def test_a_sink_of_its_own_reports_it() -> None:
    with pytest.raises(NeverAwaited, match=r"^WebhookSink\.areceive\(\) at"), WebhookSink() as sink:
        sink.areceive()  # type: ignore[unused-coroutine]


@pytest.mark.asyncio
async def test_finished_calls_are_not_kept() -> None:
    async def nothing() -> None:
        pass

    calls = Calls()
    left = nothing()
    calls.note(left, "left()")
    for _ in range(1000):
        finished = nothing()
        calls.note(finished, "nothing()")
        await finished
    assert len(calls._calls) < 100
    with pytest.raises(NeverAwaited, match=r"^left\(\) was called"):
        calls.check()
