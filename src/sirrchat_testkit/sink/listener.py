"""The port of a sink. Every request is a call: it is recorded, verified and answered as planned.

1. A call is recorded with its answer before its sender gets the answer. Waits see it when the answer is written and, in
   a mail server's thread, its sender has recorded the result.
2. The user's functions run in a worker thread. Their errors go to the host.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
from datetime import UTC, datetime

from aiohttp import web

from sirrchat_testkit.handles.feed import End, Feed
from sirrchat_testkit.net import bind
from sirrchat_testkit.signing import ID, PREFIX
from sirrchat_testkit.sink.answers import Answer, Plan, Plans, answer_of
from sirrchat_testkit.sink.call import CallHeaders, WebhookCall, verification
from sirrchat_testkit.sink.source import SinkSource

SECRET = PREFIX + "c2lycmNoYXQtdGVzdGtpdC1zaW5r"
"""The secret that calls are verified with until the test sets one; those of the host's webhooks are valid too."""

LOG = logging.getLogger("sirrchat_testkit.sink")
LOG.addHandler(logging.NullHandler())

MAX_BODY = 67_108_864
"""Bytes of the largest body."""


class SinkListener:
    """Listens on a free port of the loopback interface, on the loop of its host."""

    def __init__(self, source: SinkSource, plans: Plans, secret: str | None) -> None:
        self.secret = secret
        self._source = source
        self._host = source.host
        self._plans = plans
        self._runner: web.AppRunner | None = None
        self._socket: socket.socket | None = None

    @property
    def listening(self) -> bool:
        """Whether it is open."""
        return self._runner is not None

    async def open(self) -> None:
        """Start listening, and set the URL of the source."""
        self._socket = await bind("webhooks", "127.0.0.1", 0)
        app = web.Application(client_max_size=MAX_BODY)
        app.router.add_route("*", "/{path:.*}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, logger=LOG, handle_signals=False, handler_cancellation=True)
        await self._runner.setup()
        await web.SockSite(self._runner, self._socket).start()
        self._host.opened(self)
        host, port = self._socket.getsockname()[:2]
        self._source.url = f"http://{host}:{port}/"

    async def close(self, reason: End = End.STOPPED) -> None:
        """Stop listening, and end every wait for ``reason``."""
        self._source.end_waits(reason)
        self._host.closed(self)
        runner, self._runner = self._runner, None
        if runner is not None:
            runner._shutdown_timeout = 0.05  # noqa: SLF001 - calls without an answer are cut off
            await runner.cleanup()

    def waits(self) -> list[Feed[WebhookCall]]:
        """Return the open waits."""
        return self._source.feeds.all()

    def close_in_child(self) -> None:
        """Close the inherited socket without the parent's loop. Call it in a forked child only."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                os.close(self._socket.fileno())

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
        call.answered = answer.status
        try:
            await response.prepare(request)
            await response.write_eof()
        except ConnectionError:  # its sender hung up first
            call.answered = None
            return response
        await asyncio.shield(self._show(call))  # this handler is cancelled if the sender closes the connection first
        return response

    async def _show(self, call: WebhookCall) -> None:
        await self._host.finished(call.id)
        self._source.show(call)

    async def _record(self, request: web.Request) -> WebhookCall:
        try:
            body = await request.read()
        except web.RequestPayloadError:
            text = "the body does not match its Content-Length, Transfer-Encoding or Content-Encoding"
            raise web.HTTPBadRequest(text=text) from None
        headers = CallHeaders(list(request.headers.items()))
        call = WebhookCall(
            method=request.method,
            path=request.path_qs,
            url=f"{request.scheme}://{request.host}{request.path_qs}",  # as sent: a host may be none that exists
            headers=headers,
            body=body,
            received_at=datetime.fromtimestamp(self._host.now(), UTC),
            attempt=self._source.count_attempt(headers.get(ID, "")),
        )
        self._source.calls.append(call)
        secret = self.secret
        secrets = [*await self._host.secrets(self._source.url), SECRET] if secret is None else [secret]
        call.verified, call.reason = verification(headers, body, secrets)
        return call

    async def _answer(self, plan: Plan, call: WebhookCall) -> Answer:
        if plan.answerer is None:
            return Answer(plan.status) if plan.status == 200 else Answer(plan.status, b"")  # noqa: PLR2004 - HTTP's own
        try:
            value = await asyncio.get_running_loop().run_in_executor(None, plan.answerer, call)
            return answer_of(value)
        except Exception as error:  # noqa: BLE001 - it is raised in the test
            self._host.crashed(error)
            return Answer(500, b"")
