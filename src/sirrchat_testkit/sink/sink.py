"""``WebhookSink``: a receiver of webhooks on a port of its own, that records, verifies, and answers as told.

1. Everything that arrives is a call, whatever its method and path; ``receive`` gives those that were answered 2xx.
2. What was planned is used up by the calls in the order they come.
3. What the user's functions raise comes home by ``check``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, ClassVar, Never, Self

from sirrchat_testkit.formatting import counted
from sirrchat_testkit.handles.control import TIMEOUT
from sirrchat_testkit.handles.feed import arun, run
from sirrchat_testkit.handles.service import RUNNING, Service, raise_all
from sirrchat_testkit.handles.wait import Wait, count_of, reject_unnamed, seconds_of
from sirrchat_testkit.sink.answers import Plan, Plans
from sirrchat_testkit.sink.call import WebhookCall
from sirrchat_testkit.sink.host import Alone, Host
from sirrchat_testkit.sink.listener import SECRET, SinkListener
from sirrchat_testkit.sink.source import SinkSource
from sirrchat_testkit.suggestions import CollectionHints

if TYPE_CHECKING:
    from typing import Unpack

    from sirrchat_testkit.sink.call import CallConditions

__tracebackhide__ = True


class WebhookSink(Service, CollectionHints):
    """Receives webhooks: ``with WebhookSink() as sink:`` or ``async with``, or the fixture ``webhook_sink``.

    Args:
        secret: What calls are verified with. Default: one of its own, or a mail server's webhook that points here.
        timeout: Seconds of real time that ``receive`` waits unless told otherwise.
    """

    _items = "webhook_sink.calls"
    _guesses: ClassVar[Mapping[str, str]] = {
        "requests": "calls",
        "body": "receive().body",
        "wait_for_message": "receive",
        "wait": "receive",
        "wait_for": "receive",
        "wait_for_call": "receive",
        "wait_for_request": "receive",
        "drain": "receive_all",
        "first": "calls[0]",
        "last": "calls[-1]",
        "count": "len(sink.calls)",
        "messages": "calls",
        "received": "calls",
        "fail": "refuse",
        "respond": "answer",
        "reply": "answer",
        "slow": "delay",
        "close": "stop",
        "assert_no_calls": "assert_nothing",
    }

    def __init__(self, secret: str | None = None, *, timeout: float = TIMEOUT, _host: Host | None = None) -> None:
        self._host: Host = _host or Alone(timeout)  # a mail server passes its own thread
        self._plans = Plans()
        self._source = SinkSource(self._host)
        self._listener = SinkListener(self._source, self._plans, secret)

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
        raise_all("several answers failed", self._host.errors)

    @property
    def url(self) -> str:
        """Where it listens; empty until it was started."""
        return self._source.url

    @property
    def secret(self) -> str:
        """The secret that calls are verified with; until it is set, those of webhooks that point here count too."""
        return SECRET if self._listener.secret is None else self._listener.secret

    @secret.setter
    def secret(self, secret: str) -> None:
        self._listener.secret = secret

    @property
    def calls(self) -> list[WebhookCall]:
        """Every call, oldest first, whatever it was answered."""
        return list(self._source.calls)

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

    def answer(self, function: Callable[[WebhookCall], object], times: int | None = None) -> None:
        """Answer the next calls (all, unless ``times`` says otherwise) with what ``function(call)`` returns.

        That is a status, a body (a text, bytes, or what becomes JSON), ``(status, body)``, or None for 200. What it
        raises is answered with 500, and raised by ``check``.
        """
        if not callable(function):
            raise TypeError(f"answer takes a function of the call, not {function!r}")
        self._plans.add(Plan(times, answerer=function))

    def receive(self, *_unnamed: Never, timeout: float | None = None, **match: Unpack[CallConditions]) -> WebhookCall:
        """Return the first untaken call that was answered 2xx and matches, and take it; wait for one if need be.

        Args:
            timeout: Seconds of real time; 0 looks once. Default: 10.
            match: Conditions, all of which must hold: ``event``, ``subject``, ``sender``, ``recipient``, ``header``,
                ``json``, ``text``, ``attempt``, ``verified``, ``method``, ``path``, ``url``, ``where`` (see
                ``CallConditions``).

        Raises:
            WebhookNotReceived: The time is up. An ``AssertionError`` that says what arrived instead, and why.
            TypeError: A condition is unknown, or has no name; the text names the nearest.
            ValueError: ``timeout`` is negative.
        """
        reject_unnamed("receive", _unnamed, "event")
        return run(self._source.thread, self._wait(timeout, match).receive)

    async def areceive(
        self,
        *_unnamed: Never,
        timeout: float | None = None,  # noqa: ASYNC109 - the twin's own word
        **match: Unpack[CallConditions],
    ) -> WebhookCall:
        """Do what ``receive`` does without blocking the loop that this task runs on."""
        reject_unnamed("areceive", _unnamed, "event")
        return await arun(self._source.thread, self._wait(timeout, match).receive)

    def receive_all(
        self,
        count: int | None = None,
        *_unnamed: Never,
        timeout: float | None = None,
        **match: Unpack[CallConditions],
    ) -> list[WebhookCall]:
        """Return all untaken calls that match and take them: exactly ``count``, or without it what is there.

        With a count it waits for so many. Then the server settles, so that a call too many is noticed.

        Raises:
            WebhookNotReceived: Fewer arrived in time.
            UnexpectedWebhook: More arrived.
            NotSettled: The server is still busy, so more may arrive.
            ValueError: ``count`` is not a whole number, or ``timeout`` is negative.
        """
        reject_unnamed("receive_all", _unnamed, "event")
        wait, wanted = self._wait(timeout, match), count_of(count)
        return run(self._source.thread, lambda signal: wait.receive_all(signal, wanted))

    async def areceive_all(
        self,
        count: int | None = None,
        *_unnamed: Never,
        timeout: float | None = None,  # noqa: ASYNC109 - the twin's own word
        **match: Unpack[CallConditions],
    ) -> list[WebhookCall]:
        """Do what ``receive_all`` does without blocking the loop that this task runs on."""
        reject_unnamed("areceive_all", _unnamed, "event")
        wait, wanted = self._wait(timeout, match), count_of(count)
        return await arun(self._source.thread, lambda signal: wait.receive_all(signal, wanted))

    def assert_nothing(self, *_unnamed: Never, within: float | None = None, **match: Unpack[CallConditions]) -> None:
        """Assert that no untaken call that was answered 2xx matches, once nothing due remains to be sent.

        Args:
            within: Seconds of real time in which none may arrive either. Default: the server's, or 0.
            match: Conditions as for ``receive``.

        Raises:
            UnexpectedWebhook: There are such calls; all are listed.
            NotSettled: The server is still busy after a second; the text says with what.
        """
        reject_unnamed("assert_nothing", _unnamed, "event")
        run(self._source.thread, self._watch(within, match).nothing)

    async def aassert_nothing(
        self, *_unnamed: Never, within: float | None = None, **match: Unpack[CallConditions]
    ) -> None:
        """Do what ``assert_nothing`` does without blocking the loop that this task runs on."""
        reject_unnamed("aassert_nothing", _unnamed, "event")
        await arun(self._source.thread, self._watch(within, match).nothing)

    def _wait(self, timeout: float | None, match: CallConditions) -> Wait[WebhookCall]:
        source = self._source
        return Wait(source, source.match(match), seconds_of("timeout", timeout, source.timeout))

    def _watch(self, within: float | None, match: CallConditions) -> Wait[WebhookCall]:
        source = self._source
        return Wait(source, source.match(match), seconds_of("within", within, source.within))

    def _leave(self) -> None:
        self.check()

    def _abandon(self) -> None:
        self._listener.close_in_child()

    def __repr__(self) -> str:
        return f"<WebhookSink {self.url or 'stopped'}, {counted(len(self.calls), 'call')}>"
