"""``WebhookSink``: a webhook receiver on a port of its own that records, verifies and answers calls.

1. Every request is a call, whatever its method and path. ``receive`` returns those that were answered with 2xx.
2. Calls use up the planned answers in the order in which they arrive.
3. Errors of the user's functions are raised by ``check``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Never, Self

from sirrchat_testkit.awaiting import Calls, asynchronous
from sirrchat_testkit.formatting import counted
from sirrchat_testkit.handles.control import TIMEOUT
from sirrchat_testkit.handles.feed import arun, run
from sirrchat_testkit.handles.service import RUNNING, Service
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
    """A webhook receiver on a free port of the loopback interface; it answers 200 unless an answer is planned.

    Use the fixture ``webhook_sink``, ``mailserver.make_webhook_sink()``, or ``with WebhookSink() as sink:`` (or
    ``async with``) without a mail server. A block that ends without an error calls ``check``.

    Example:
        def test_orders_are_reported(webhook_sink, shop):
            shop.configure(webhook_url=webhook_sink.url, webhook_secret=webhook_sink.secret)
            webhook_sink.refuse(503)
            shop.order("book")
            call = webhook_sink.receive(event="order.paid")
            assert call.verified and call.attempt == 2

    Args:
        secret: The secret that calls are verified with. Default: that of the sink or of any webhook that points here.
        timeout: Seconds of real time that ``receive`` waits by default.
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
        """Start listening on a free port of the loopback interface; return the sink. A second call does nothing."""
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
        """Stop listening, and end every wait. A second call does nothing."""
        if self._listener.listening and self._host.thread.running:
            self._host.thread.call(self._listener.close(), directly=True)  # also if a server elsewhere is gone
            self._host.stop()
            RUNNING.discard(self)

    def check(self) -> None:
        """Raise the error of a function given to ``answer``; several errors as a group. A mail server checks its sinks.

        Raises:
            NeverAwaited: There was no error, but an asynchronous verb was called without ``await``.
        """
        self._host.check()

    @property
    def url(self) -> str:
        """The URL to send webhooks to; empty before ``start``. Every path below it is received too."""
        return self._source.url

    @property
    def secret(self) -> str:
        """The secret that calls are verified with. Until it is set, those of webhooks pointing here are valid too."""
        return SECRET if self._listener.secret is None else self._listener.secret

    @secret.setter
    def secret(self, secret: str) -> None:
        self._listener.secret = secret

    @property
    def calls(self) -> list[WebhookCall]:
        """All calls, oldest first, whether taken or not, and whatever the answer was."""
        return list(self._source.calls)

    def refuse(self, status: int = 503, times: int | None = 1) -> None:
        """Answer the next calls with an error or a redirect.

        Args:
            status: The HTTP status, 300 to 599.
            times: How many calls; None for all.

        Raises:
            ValueError: ``status`` or ``times`` is out of range.
        """
        if type(status) is not int or not 300 <= status <= 599:  # noqa: PLR2004 - RFC 9110 section 15
            raise ValueError(f"status must be a whole number from 300 to 599, not {status!r}")
        self._plans.add(Plan(times, status=status))

    def delay(self, seconds: float, times: int | None = 1) -> None:
        """Delay the answers to the next calls; a delayed call is still answered as planned.

        Args:
            seconds: Seconds of real time, more than 0.
            times: How many calls; None for all.

        Raises:
            ValueError: ``seconds`` or ``times`` is out of range.
        """
        if seconds <= 0:
            raise ValueError(f"seconds must be a number above 0, not {seconds!r}")
        self._plans.add(Plan(times, seconds=seconds))

    def drop(self, times: int | None = 1) -> None:
        """Read the next calls, and close the connection without an answer.

        Args:
            times: How many calls; None for all.

        Raises:
            ValueError: ``times`` is out of range.
        """
        self._plans.add(Plan(times, drop=True))

    def answer(self, function: Callable[[WebhookCall], object], times: int | None = None) -> None:
        """Answer the next calls with the result of ``function(call)``.

        The result is a status, a body (a string, bytes, or a value to encode as JSON), a pair of both, or None for 200.
        The function runs in a worker thread. If it raises, the call is answered with 500, and ``check`` raises the
        error; for a sink of a mail server, the server's ``check`` does.

        Example:
            webhook_sink.answer(lambda call: 409 if call.attempt > 1 else {"id": 7})

        Args:
            function: A function of the ``WebhookCall``.
            times: How many calls; None for all.

        Raises:
            TypeError: ``function`` cannot be called.
            ValueError: ``times`` is out of range.
        """
        if not callable(function):
            raise TypeError(f"function must be a function of the call, not {function!r}")
        self._plans.add(Plan(times, answerer=function))

    def receive(self, *_unnamed: Never, timeout: float | None = None, **match: Unpack[CallConditions]) -> WebhookCall:
        """Return the first matching call that was answered with 2xx, and take it; wait for one if there is none yet.

        A taken call is not returned again. Calls are returned in the order in which they were answered.

        Args:
            timeout: Seconds of real time to wait; 0 checks once. Default: that of the mail server, or 10.
            match: Conditions that the call must meet: ``event``, ``subject``, ``sender``, ``recipient``, ``header``,
                ``json``, ``text``, ``attempt``, ``verified``, ``method``, ``path``, ``url``, ``where``.
                ``CallConditions`` describes them.

        Raises:
            WebhookNotReceived: No matching call arrived in time. An ``AssertionError`` that lists the calls that did
                arrive with the conditions they missed, and the deliveries.
            TypeError: A condition is unknown (the error suggests the nearest one), or is passed without a name.
            ValueError: ``timeout`` is negative.
            RuntimeError: The sink or the server stopped, or the scope ended in which the wait began.
        """
        reject_unnamed("receive", _unnamed, "event")
        return run(self._source.thread, self._wait(self.receive, timeout, match).receive)

    @asynchronous
    async def areceive(
        self,
        *_unnamed: Never,
        timeout: float | None = None,  # noqa: ASYNC109 - the twin's own word
        **match: Unpack[CallConditions],
    ) -> WebhookCall:
        """Do the same as ``receive`` without blocking the event loop (asyncio or trio)."""
        reject_unnamed("areceive", _unnamed, "event")
        return await arun(self._source.thread, self._wait(self.areceive, timeout, match).receive)

    def receive_all(
        self,
        count: int | None = None,
        *_unnamed: Never,
        timeout: float | None = None,
        **match: Unpack[CallConditions],
    ) -> list[WebhookCall]:
        """Return all matching calls that were answered with 2xx and not taken yet, and take them.

        With ``count`` it waits for that many. In both cases it then waits until the mail server has settled, so that
        extra calls are noticed.

        Args:
            count: How many calls to expect. Default: any number, including 0.
            timeout: Seconds of real time to wait for ``count`` calls. Default: as for ``receive``.
            match: Conditions as for ``receive``.

        Raises:
            WebhookNotReceived: Fewer than ``count`` arrived in time.
            UnexpectedWebhook: More than ``count`` arrived; no call is taken.
            NotSettled: The server is still busy after a second, so more may arrive.
            TypeError: As for ``receive``.
            ValueError: ``count`` is not a whole number, or ``timeout`` is negative.
        """
        reject_unnamed("receive_all", _unnamed, "event")
        wait, wanted = self._wait(self.receive_all, timeout, match), count_of(count)
        return run(self._source.thread, lambda signal: wait.receive_all(signal, wanted))

    @asynchronous
    async def areceive_all(
        self,
        count: int | None = None,
        *_unnamed: Never,
        timeout: float | None = None,  # noqa: ASYNC109 - the twin's own word
        **match: Unpack[CallConditions],
    ) -> list[WebhookCall]:
        """Do the same as ``receive_all`` without blocking the event loop (asyncio or trio)."""
        reject_unnamed("areceive_all", _unnamed, "event")
        wait, wanted = self._wait(self.areceive_all, timeout, match), count_of(count)
        return await arun(self._source.thread, lambda signal: wait.receive_all(signal, wanted))

    def assert_nothing(self, *_unnamed: Never, within: float | None = None, **match: Unpack[CallConditions]) -> None:
        """Assert that no matching call was answered with 2xx, except those that were taken.

        It first waits until the mail server has settled: no connection is in a transaction, no delivery is due.

        Args:
            within: Seconds of real time to watch after that; a match fails at once. Default: that of the server, or 0.
            match: Conditions as for ``receive``.

        Raises:
            UnexpectedWebhook: Matching calls arrived; an ``AssertionError`` that lists them.
            NotSettled: The server is still busy after a second; the error names what is in progress.
            TypeError: As for ``receive``.
            ValueError: ``within`` is negative.
        """
        reject_unnamed("assert_nothing", _unnamed, "event")
        run(self._source.thread, self._watch(self.assert_nothing, within, match).nothing)

    @asynchronous
    async def aassert_nothing(
        self, *_unnamed: Never, within: float | None = None, **match: Unpack[CallConditions]
    ) -> None:
        """Do the same as ``assert_nothing`` without blocking the event loop (asyncio or trio)."""
        reject_unnamed("aassert_nothing", _unnamed, "event")
        await arun(self._source.thread, self._watch(self.aassert_nothing, within, match).nothing)

    def _wait(self, verb: Callable[..., Any], timeout: float | None, match: CallConditions) -> Wait[WebhookCall]:
        source = self._source
        return Wait(source, source.match(verb, match), seconds_of("timeout", timeout, source.timeout))

    def _watch(self, verb: Callable[..., Any], within: float | None, match: CallConditions) -> Wait[WebhookCall]:
        source = self._source
        return Wait(source, source.match(verb, match), seconds_of("within", within, source.within))

    @property
    def _calls(self) -> Calls:
        return self._source.thread.calls

    def _leave(self) -> None:
        self.check()

    def _abandon(self) -> None:
        self._listener.close_in_child()

    def __repr__(self) -> str:
        return f"<WebhookSink {self.url or 'stopped'}, {counted(len(self.calls), 'call')}>"
