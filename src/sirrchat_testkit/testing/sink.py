"""``WebhookSink``: a receiver of webhooks on a port of its own, that records, verifies, and answers as told.

1. Everything that arrives is a call, whatever its method and path; ``receive`` gives those that were answered 2xx.
2. What was planned is used up by the calls in the order they come.
3. What the user's functions raise comes home by ``check``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Never, NoReturn, Self

from sirrchat_testkit.core.callmatch import CallMatch
from sirrchat_testkit.core.hints import misnamed
from sirrchat_testkit.core.sessions import Session
from sirrchat_testkit.core.wording import counted
from sirrchat_testkit.testing import report, sinkreport
from sirrchat_testkit.testing.desk import CALM, TIMEOUT
from sirrchat_testkit.testing.service import RUNNING, Service, raise_all
from sirrchat_testkit.testing.sinkdesk import SinkDesk
from sirrchat_testkit.testing.sinkhost import Alone, Host
from sirrchat_testkit.testing.sinklistener import SECRET, SinkListener
from sirrchat_testkit.testing.sinkplan import Answerer, Plan, Plans
from sirrchat_testkit.testing.sinkwait import CallWait, CallWatch
from sirrchat_testkit.testing.wait import by_name, duration, number
from sirrchat_testkit.testing.webhookcall import WebhookCall


class WebhookSink(Service):
    """Receives webhooks: ``with WebhookSink() as sink:`` or ``async with``, or the fixture ``webhook_sink``.

    Args:
        secret: What calls are verified with. Default: one of its own, or a mail server's webhook that points here.
        timeout: Seconds of real time that ``receive`` waits unless told otherwise.
        host: Where it lives; by default in a thread of its own.
    """

    _guesses = {  # noqa: RUF012 - read by ``misnamed`` alone
        "requests": "calls",
        "wait": "receive",
        "wait_for": "receive",
        "fail": "refuse",
        "respond": "answer",
        "reply": "answer",
        "slow": "delay",
        "close": "stop",
        "assert_no_calls": "assert_nothing",
    }

    def __init__(self, secret: str | None = None, *, timeout: float = TIMEOUT, host: Host | None = None) -> None:
        self.timeout = timeout
        self._host: Host = host or Alone()
        self._plans = Plans()
        self._desk = SinkDesk(self._host)
        self._listener = SinkListener(self._desk, self._plans, secret)

    def start(self) -> Self:
        """Listen on a free port of the loopback interface; return the sink. Twice does nothing."""
        if self._listener.listening:
            return self
        self._host.start()
        try:
            self._host.thread.call(self._listener.open())
        except BaseException:
            self._host.stop()
            raise
        RUNNING.add(self)
        return self

    def stop(self) -> None:
        """Listen no more. Twice does nothing."""
        if self._listener.listening and self._host.thread.running:
            self._host.thread.call(self._listener.close())
            self._host.stop()
            RUNNING.discard(self)

    def check(self) -> None:
        """Raise what a function given to ``answer`` has raised: as itself, or several as a group."""
        __tracebackhide__ = True
        raise_all("several answers failed", self._host.errors)

    @property
    def url(self) -> str:
        """Where it listens; empty until it was started."""
        return self._desk.url

    @property
    def secret(self) -> str:
        """What calls are verified with; until it is set, the secrets of a mail server's webhooks here are right too."""
        return SECRET if self._listener.secret is None else self._listener.secret

    @secret.setter
    def secret(self, secret: str) -> None:
        self._listener.secret = secret

    @property
    def calls(self) -> list[WebhookCall]:
        """Every call, oldest first, whatever it was answered."""
        return list(self._desk.calls)

    def refuse(self, status: int = 503, times: int | None = 1) -> None:
        """Answer the next calls with ``status``; ``times`` None: all."""
        if type(status) is not int or not 300 <= status <= 599:  # noqa: PLR2004 - RFC 9110 section 15
            raise ValueError(f"status takes a number from 300 to 599, not {status!r}")
        self._plans.add(Plan(times, status=status))

    def delay(self, seconds: float, times: int | None = 1) -> None:
        """Let the next calls wait ``seconds`` of real time before they are answered."""
        if seconds <= 0:
            raise ValueError(f"seconds takes more than 0, not {seconds!r}")
        self._plans.add(Plan(times, seconds=seconds))

    def drop(self, times: int | None = 1) -> None:
        """Read the next calls, and close the connection without an answer."""
        self._plans.add(Plan(times, drop=True))

    def answer(self, function: Answerer, times: int | None = None) -> None:
        """Answer the next calls (all, unless ``times`` says otherwise) with what ``function(call)`` returns.

        That is a status, a body (a text, bytes, or what becomes JSON), ``(status, body)``, or None for 200. What it
        raises is answered with 500, and raised by ``check``.
        """
        if not callable(function):
            raise TypeError(f"answer takes a function of the call, not {function!r}")
        self._plans.add(Plan(times, answerer=function))

    def receive(self, *_unnamed: Never, timeout: float | None = None, **match: Any) -> WebhookCall:
        """Return the oldest call not yet taken that was answered 2xx and matches, and take it; wait for it if need be.

        Args:
            timeout: Seconds of real time; 0 looks once. Default: 10.
            match: Conditions: ``event``, ``subject``, ``sender``, ``recipient``, ``header``, ``json``, ``text``,
                ``attempt``, ``verified``, ``method``, ``path``, ``url``.

        Raises:
            WebhookNotReceived: The time is up; an ``AssertionError`` that tells what came instead and why.
            TypeError: A condition is unknown, or has no name; the text names the nearest.
            ValueError: ``timeout`` is negative.
        """
        __tracebackhide__ = True
        by_name("receive", _unnamed, "event")
        wait = self._wait(timeout, match)
        wait.run()
        return wait.found[0]

    async def areceive(self, *_unnamed: Never, timeout: float | None = None, **match: Any) -> WebhookCall:  # noqa: ASYNC109
        """Do as ``receive`` does without blocking the loop that this task runs on."""
        __tracebackhide__ = True
        by_name("areceive", _unnamed, "event")
        wait = self._wait(timeout, match)
        await wait.arun()
        return wait.found[0]

    def receive_all(
        self, count: int | None = None, *_unnamed: Never, timeout: float | None = None, **match: Any
    ) -> list[WebhookCall]:
        """Return all ``count`` calls that match, or without a count what is there when the server has settled.

        Raises:
            WebhookNotReceived: Fewer came in time.
            UnexpectedWebhook: More are there.
            NotSettled: The server is still busy, so more may come.
            ValueError: ``count`` is no whole number, or ``timeout`` is negative.
        """
        __tracebackhide__ = True
        by_name("receive_all", _unnamed, "event")
        if number("count", count):
            self._wait(timeout, match, count).run()
        _calm(self._host.settle())
        return self._take_all(count, CallMatch(**match))

    async def areceive_all(
        self,
        count: int | None = None,
        *_unnamed: Never,
        timeout: float | None = None,  # noqa: ASYNC109 - the twin's own word
        **match: Any,
    ) -> list[WebhookCall]:
        """Do as ``receive_all`` does without blocking the loop that this task runs on."""
        __tracebackhide__ = True
        by_name("areceive_all", _unnamed, "event")
        if number("count", count):
            await self._wait(timeout, match, count).arun()
        _calm(await self._host.asettle())
        return self._take_all(count, CallMatch(**match))

    def assert_nothing(self, *_unnamed: Never, within: float = 0, **match: Any) -> None:
        """Assert that no call that was answered 2xx and matches is untaken, once nothing due is to be sent.

        Args:
            within: Seconds of real time in which none may come either.
            match: Conditions as for ``receive``.

        Raises:
            UnexpectedWebhook: There is such a call.
            NotSettled: The server is still busy after a second; the text says with what.
        """
        __tracebackhide__ = True
        by_name("assert_nothing", _unnamed, "event")
        watch = CallWatch(self._desk, CallMatch(**match), duration("within", within))
        _calm(self._host.settle())
        watch.run()

    async def aassert_nothing(self, *_unnamed: Never, within: float = 0, **match: Any) -> None:
        """Do as ``assert_nothing`` does without blocking the loop that this task runs on."""
        __tracebackhide__ = True
        by_name("aassert_nothing", _unnamed, "event")
        watch = CallWatch(self._desk, CallMatch(**match), duration("within", within))
        _calm(await self._host.asettle())
        await watch.arun()

    def _wait(self, timeout: float | None, match: dict[str, Any], count: int | None = None) -> CallWait:
        seconds = duration("timeout", self.timeout if timeout is None else timeout)
        return CallWait(self._desk, CallMatch(**match), seconds, count or 1, taking=count is None)

    def _take_all(self, count: int | None, match: CallMatch) -> list[WebhookCall]:
        __tracebackhide__ = True
        while True:
            found = [each for each in self._desk.untaken() if match.accepts(each)]
            if count is not None and len(found) > count:
                raise sinkreport.too_many(self.url, match, wanted=count, found=found)
            if self._desk.take(found):
                return found

    def _leave(self) -> None:
        self.check()

    def _abandon(self) -> None:
        self._listener.close_in_child()

    def __getattr__(self, name: str) -> NoReturn:
        raise misnamed(self, name, self._guesses)

    def __repr__(self) -> str:
        return f"<WebhookSink {self.url or 'stopped'}, {counted(len(self.calls), 'call')}>"


def _calm(busy: Sequence[Session]) -> None:
    __tracebackhide__ = True
    if busy:
        raise report.not_settled(busy, CALM)
