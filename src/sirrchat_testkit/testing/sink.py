"""``WebhookSink``: a receiver of webhooks on a port of its own, that records, verifies, and answers as told.

1. Everything that arrives is a call, whatever its method and path; ``receive`` gives those that were answered 2xx.
2. A call is shown to waits once its answer is written and, in a mail server's thread, its sender has noted the answer.
3. The user's functions run beside the loop; what they raise comes home by ``check``.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import weakref
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, NoReturn, Self

import anyio.to_thread
from aiohttp import web

from sirrchat_testkit.core.callmatch import CallMatch
from sirrchat_testkit.core.errors import InvalidValue
from sirrchat_testkit.core.sessions import Session
from sirrchat_testkit.core.signing import ID, PREFIX, WebhookNotVerified, verify_webhook
from sirrchat_testkit.sockets import bind
from sirrchat_testkit.testing import report, sinkreport
from sirrchat_testkit.testing.desk import CALM, TIMEOUT
from sirrchat_testkit.testing.feed import End, Signal
from sirrchat_testkit.testing.hints import misnamed
from sirrchat_testkit.testing.sinkhost import Alone, Host
from sirrchat_testkit.testing.sinkplan import Answer, Answerer, Plan, Plans, answer_of
from sirrchat_testkit.testing.sinkwait import CallFeed, CallWait, CallWatch
from sirrchat_testkit.testing.webhookcall import CallHeaders, WebhookCall

MAX_BODY = 67_108_864
"""Bytes that a call may have."""

SECRET = PREFIX + "c2lycmNoYXQtdGVzdGtpdC1zaW5r"


class WebhookSink:
    """Receives webhooks: ``with WebhookSink() as sink:`` or ``async with``, or the fixture ``webhook_sink``.

    Args:
        secret: What calls are verified with, beside the secrets of a mail server's webhooks that point here.
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

    def __init__(self, secret: str = SECRET, *, timeout: float = TIMEOUT, host: Host | None = None) -> None:
        self.secret = secret
        self.timeout = timeout
        self.url = ""
        self._host: Host = host or Alone()
        self._plans = Plans()
        self._calls: list[WebhookCall] = []
        self._attempts: Counter[str] = Counter()
        self._taken: set[int] = set()
        self._feeds: list[CallFeed] = []
        self._runner: web.AppRunner | None = None
        self._socket: socket.socket | None = None

    def start(self) -> Self:
        """Listen on a free port of the loopback interface; return the sink. Twice does nothing."""
        if self._runner is not None:
            return self
        self._host.start()
        try:
            self._host.thread.call(self._open())
        except BaseException:
            self._host.stop()
            raise
        _SINKS.add(self)
        return self

    def stop(self) -> None:
        """Listen no more. Twice does nothing."""
        if self._runner is not None and self._host.thread.running:
            self._host.thread.call(self._close())
            self._host.stop()

    def check(self) -> None:
        """Raise what a function given to ``answer`` has raised: as itself, or several as a group."""
        errors = self._host.errors if isinstance(self._host, Alone) else []
        if len(errors) == 1:
            raise errors[0]
        if errors:
            raise BaseExceptionGroup("several answers failed", errors)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()
        if error is None:
            self.check()

    async def __aenter__(self) -> Self:
        return await anyio.to_thread.run_sync(self.start)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(self.stop)
        if error is None:
            self.check()

    @property
    def calls(self) -> list[WebhookCall]:
        """Every call, oldest first, whatever it was answered."""
        return list(self._calls)

    def refuse(self, status: int = 503, times: int | None = 1) -> None:
        """Answer the next calls with ``status``; ``times`` None: all."""
        if type(status) is not int or not 200 <= status <= 599:  # noqa: PLR2004 - RFC 9110 section 15
            raise ValueError(f"status takes a number from 200 to 599, not {status!r}")
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

    def receive(self, *, timeout: float | None = None, **match: Any) -> WebhookCall:
        """Return the oldest call not yet taken that was answered 2xx and matches, and take it; wait for it if need be.

        Args:
            timeout: Seconds of real time; 0 looks once. Default: 10.
            match: Conditions: ``event``, ``subject``, ``sender``, ``recipient``, ``header``, ``json``, ``text``,
                ``attempt``, ``verified``, ``method``, ``path``, ``url``.

        Raises:
            WebhookNotReceived: The time is up; an ``AssertionError`` that tells what came instead and why.
            TypeError: A condition is unknown; the text names the nearest.
        """
        __tracebackhide__ = True
        wait = self._wait(timeout, match)
        wait.run()
        return wait.found[0]

    async def areceive(self, *, timeout: float | None = None, **match: Any) -> WebhookCall:  # noqa: ASYNC109
        """Do as ``receive`` does without blocking the loop that this task runs on."""
        __tracebackhide__ = True
        wait = self._wait(timeout, match)
        await wait.arun()
        return wait.found[0]

    def receive_all(self, count: int | None = None, *, timeout: float | None = None, **match: Any) -> list[WebhookCall]:
        """Return all ``count`` calls that match, or without a count what is there when the server has settled.

        Raises:
            WebhookNotReceived: Fewer came in time, or more are there.
            NotSettled: The server is still busy, so more may come.
        """
        __tracebackhide__ = True
        if count:
            self._wait(timeout, match, count).run()
        _calm(self._host.settle())
        return self._take_all(count, CallMatch(**match))

    async def areceive_all(
        self,
        count: int | None = None,
        *,
        timeout: float | None = None,  # noqa: ASYNC109 - the twin's own word
        **match: Any,
    ) -> list[WebhookCall]:
        """Do as ``receive_all`` does without blocking the loop that this task runs on."""
        __tracebackhide__ = True
        if count:
            await self._wait(timeout, match, count).arun()
        _calm(await self._host.asettle())
        return self._take_all(count, CallMatch(**match))

    def assert_nothing(self, *, within: float = 0, **match: Any) -> None:
        """Assert that no call that was answered 2xx and matches is untaken, once nothing due is to be sent.

        Args:
            within: Seconds of real time in which none may come either.
            match: Conditions as for ``receive``.

        Raises:
            UnexpectedWebhook: There is such a call.
            NotSettled: The server is still busy after a second; the text says with what.
        """
        __tracebackhide__ = True
        watch = CallWatch(self, CallMatch(**match), within)
        _calm(self._host.settle())
        watch.run()

    async def aassert_nothing(self, *, within: float = 0, **match: Any) -> None:
        """Do as ``assert_nothing`` does without blocking the loop that this task runs on."""
        __tracebackhide__ = True
        watch = CallWatch(self, CallMatch(**match), within)
        _calm(await self._host.asettle())
        await watch.arun()

    @contextlib.contextmanager
    def feed(self, signal: Signal, seconds: float) -> Iterator[CallFeed]:
        """Open a feed that ends after ``seconds`` of real time: what a wait reads."""
        feed = CallFeed(signal)
        timer = self._host.thread.call(self._feed(feed, seconds))
        try:
            yield feed
        finally:
            with contextlib.suppress(RuntimeError):  # stopped meanwhile
                self._host.thread.call(self._unfeed(feed, timer))

    def take(self, calls: Sequence[WebhookCall]) -> bool:
        """Take all ``calls``, or none if an earlier wait has taken one of them."""
        return self._host.thread.call(self._take({each.number for each in calls}))

    def is_taken(self, call: WebhookCall) -> bool:
        """Return whether a wait has taken ``call``."""
        return call.number in self._taken

    def situation(self) -> sinkreport.Situation:
        """Return what a failure text tells."""
        deliveries = self._host.thread.call(self._host.attempts(self.url))
        if self._calls and isinstance(self._host, Alone):
            deliveries = []
        return sinkreport.Situation(self.url, self.calls, frozenset(self._taken), deliveries)

    def _wait(self, timeout: float | None, match: dict[str, Any], count: int | None = None) -> CallWait:
        seconds = self.timeout if timeout is None else timeout
        return CallWait(self, CallMatch(**match), seconds, count or 1, taking=count is None)

    def _take_all(self, count: int | None, match: CallMatch) -> list[WebhookCall]:
        __tracebackhide__ = True
        while True:
            found = [each for each in self.calls if each.accepted and not self.is_taken(each) and match.accepts(each)]
            if count is not None and len(found) > count:
                raise sinkreport.too_many(self.url, match, wanted=count, found=found)
            if self.take(found):
                return found

    async def _open(self) -> None:
        self._socket = await bind("webhooks", "127.0.0.1", 0)
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, handle_signals=False, handler_cancellation=True)
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()
        host, port = self._socket.getsockname()[:2]
        self.url = f"http://{host}:{port}/"

    async def _close(self) -> None:
        for feed in self._feeds:
            feed.put(End.STOPPED)
        runner, self._runner = self._runner, None
        if runner is not None:
            runner._shutdown_timeout = 0.05  # noqa: SLF001 - who still waits for an answer waits in vain
            await runner.cleanup()

    async def _feed(self, feed: CallFeed, seconds: float) -> asyncio.TimerHandle:
        self._feeds.append(feed)
        for call in self._calls:
            if call.accepted:
                feed.put(call)
        return asyncio.get_running_loop().call_later(max(seconds, 0), feed.put, End.TIME_UP)

    async def _unfeed(self, feed: CallFeed, timer: asyncio.TimerHandle) -> None:
        timer.cancel()
        self._feeds.remove(feed)

    async def _take(self, numbers: set[int]) -> bool:
        if self._taken & numbers:
            return False
        self._taken |= numbers
        return True

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        call = await self._record(request)
        plan, seconds = self._plans.next_answer(), self._plans.next_delay()
        if seconds:
            await asyncio.sleep(seconds)
        if plan.drop:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        answer = await self._answer(plan, call)
        response = web.Response(status=answer.status, body=answer.body, headers={"Content-Type": answer.kind})
        try:
            await response.prepare(request)
            await response.write_eof()
        except ConnectionError:  # its sender hung up first
            return response
        await self._host.landed(call.id)
        call.answered = answer.status
        if call.accepted:
            for feed in self._feeds:
                feed.put(call)
        return response

    async def _record(self, request: web.Request) -> WebhookCall:
        body = await request.read()
        headers = CallHeaders(list(request.headers.items()))
        name = headers.get(ID, "")
        if name:
            self._attempts[name] += 1
        call = WebhookCall(
            method=request.method,
            path=request.path_qs,
            url=str(request.url),
            headers=headers,
            body=body,
            received_at=datetime.fromtimestamp(self._host.now(), UTC),
            attempt=self._attempts[name] if name else 1,
            number=len(self._calls) + 1,
        )
        self._calls.append(call)
        call.verified, call.reason = await self._verify(call)
        return call

    async def _verify(self, call: WebhookCall) -> tuple[bool, str]:
        reason = ""
        for secret in dict.fromkeys([*await self._host.secrets(self.url), self.secret]):
            try:
                verify_webhook(call.headers, call.body, secret, now=self._host.now())
            except WebhookNotVerified as error:
                reason = reason or str(error)
            except InvalidValue as error:
                reason = reason or f"the sink's secret is malformed: {error}"
            else:
                return True, ""
        return False, reason

    async def _answer(self, plan: Plan, call: WebhookCall) -> Answer:
        if plan.answerer is None:
            return Answer(plan.status) if plan.status == 200 else Answer(plan.status, b"")  # noqa: PLR2004 - HTTP's own
        try:
            value = await asyncio.get_running_loop().run_in_executor(None, plan.answerer, call)
            return answer_of(value)
        except Exception as error:  # noqa: BLE001 - it is raised in the test
            self._host.crashed(error)
            return Answer(500, b"")

    def __getattr__(self, name: str) -> NoReturn:
        raise misnamed(self, name, self._guesses)

    def __repr__(self) -> str:
        return f"<WebhookSink {self.url or 'stopped'}, {len(self._calls)} calls>"


_SINKS: weakref.WeakSet[WebhookSink] = weakref.WeakSet()


def _calm(busy: Sequence[Session]) -> None:
    __tracebackhide__ = True
    if busy:
        raise report.not_settled(busy, CALM)


def _close_in_child() -> None:
    for sink in tuple(_SINKS):
        if sink._socket is not None:  # noqa: SLF001 - of this module
            with contextlib.suppress(OSError):
                os.close(sink._socket.fileno())  # noqa: SLF001 - the parent's loop must not hear of it


os.register_at_fork(after_in_child=_close_in_child)
