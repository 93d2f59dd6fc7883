"""A connection, from its greeting to its end: the only subclass of aiosmtpd's ``SMTP``.

1. ``dialogue`` parses and answers; this module handles sockets, waiting, time limits and TLS.
2. Commands run in the step in which their bytes arrived, one after the other (``eager``). Replies are written when the
   received bytes are used up or a command has to wait, so a pipelined group is answered in one packet (RFC 2920).
3. ``Connections`` holds the open connections of a listener, because ``Server.wait_closed`` cannot end them.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from collections.abc import Coroutine, Iterator
from typing import Any, Generic, TypeVar, cast

from aiosmtpd.smtp import SMTP

from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.smtp import replies
from sirrchat_testkit.smtp.dialogue import MANY, Conversation
from sirrchat_testkit.smtp.eager import EagerRunner, Suspended
from sirrchat_testkit.smtp.replies import Answer, Next, Reply
from sirrchat_testkit.smtp.writer import ReplyWriter

_READ_SIZE = 262_144  # bytes of one read, as in asyncio
_HIGH_WATER = 65_536  # bytes of unparsed commands above which reading is paused
_CYCLIC = ("_client_connected_cb", "_handler_coroutine", "_own_task", "_writer")  # attributes that refer back
_TICK = 0.01  # seconds after which the time limits are checked again at the earliest


class Protocol(SMTP, asyncio.BufferedProtocol):
    """One connection.

    Methods of aiosmtpd that are overridden or added, and why:

    - ``__init__`` searches its methods with ``dir`` for every connection; here that is done once for each listener.
    - ``data_received`` and ``_handle_client`` await one line at a time; here all received bytes are parsed at once.
    - ``get_buffer`` and ``buffer_updated`` are added: without them the loop allocates 256 KiB for each read, which the
      C library returns to the kernel and faults in again.
    - ``push`` drains after each reply; here replies are collected.
    - ``_reset_timeout`` and ``_timeout_cb`` start a timer for each command; here one timer checks when bytes were last
      received.
    - ``connection_made`` leaves the greeting to a task; here it is written at once.
    - ``connection_lost`` and ``eof_received`` cancel the command in progress; a delivery that has begun is finished.

    Its ``smtp_`` and ``auth_`` methods are not used: ``commands.COMMANDS`` answers instead, with enhanced status codes,
    RFC 6531 and the domain's decisions. Both tables of aiosmtpd are empty, so no client reaches a method by its name.
    """

    def __init__(
        self,
        services: Services,
        connections: Connections[Protocol],
        template: dict[str, Any],
        context: ssl.SSLContext | None = None,
        *,
        tls: bool = False,
    ) -> None:
        vars(self).update(template)
        self._buffer: memoryview
        loop = self.loop
        reader = asyncio.StreamReader(loop=loop)  # unused, but aiosmtpd needs one
        asyncio.StreamReaderProtocol.__init__(self, reader, self._cb_client_connected, loop)
        self._services = services
        self._context = context
        self._begins_with_tls = tls
        self._connections = connections
        self._replies = ReplyWriter(loop)
        self._runner = EagerRunner(loop, self._replies.flush)
        self._eof_received = False
        self._released = False

    @classmethod
    def template(cls, hostname: str, loop: asyncio.AbstractEventLoop) -> dict[str, Any]:
        """Return the attributes with which every connection of a listener begins, made by aiosmtpd."""
        made = SMTP(None, hostname=hostname, enable_SMTPUTF8=True, loop=loop)
        return {**vars(made), "_smtp_methods": {}, "_auth_methods": {}, "_buffer": memoryview(bytearray(_READ_SIZE))}

    # Called by the transport.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the client, or send 421 if the listener is stopping."""
        super().connection_made(transport)
        self._socket = self._replies.transport = cast("asyncio.Transport", transport)
        self._own_task = cast("asyncio.Task[None]", self._handler_coroutine)
        self._conversation = Conversation(self._services, self.hostname, self._replies)
        self._began_at = self._conversation.received_at
        self._connections.add(self)
        if self._connections.stopping:
            self._close_with(replies.STOPPING)
        else:
            self._start(replies.BEGIN_TLS if self._begins_with_tls else self._conversation.session.greet())

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - it is always the whole buffer
        """Return the buffer to read into. All connections of the listener share it: it is consumed in the same step."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Process the ``nbytes`` that were read into the buffer."""
        try:
            data = self._buffer[:nbytes].tobytes()
        except MemoryError:
            self._conversation.free_memory()
            data = self._buffer[:nbytes].tobytes()
        self.data_received(data)

    def data_received(self, data: bytes) -> None:
        """Process ``data``, unless an earlier command has to wait."""
        conversation = self._conversation
        conversation.receive(data, self.loop.time())
        if self._runner.waiting:
            if conversation.pending > _HIGH_WATER:
                self._socket.pause_reading()
            return
        answer = conversation.next_answer() if self._connections.stopping else conversation.answer(self._run)
        if answer is not None:
            self._start(answer)
        self._replies.flush()

    def eof_received(self) -> bool:
        """Close the connection as soon as the command in progress is answered."""
        self._eof_received = True
        self._replies.note_hang_up()
        return self._runner.waiting and not self._conversation.session.record.tls  # TLS has no half-closed connections

    def connection_lost(self, error: Exception | None) -> None:
        """Release the connection as soon as the command in progress has ended."""
        if isinstance(error, ssl.SSLError):  # under TLS 1.3 the client rejects a certificate after the handshake
            self._conversation.tls_failed(error)
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self.transport = self._replies.transport = None
        self._conversation.connection_lost()
        self._replies.note_hang_up()
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
        if not (self._runner.waiting or self._released):  # after a failed handshake, this is called twice
            task = self._own_task
            self._release()
            task.cancel()

    # Called by the listener.

    def close_if_idle(self) -> None:
        """Close the connection with 421, or at the end of its transaction if one is in progress."""
        if self._conversation.session.transaction is None and not self._runner.waiting:
            self._close_with(replies.STOPPING)

    def abort(self) -> str:
        """Abort the connection; return a description of the activity in progress, empty if there is none."""
        activity = self._conversation.session.record.activity
        self._socket.abort()
        if self._runner.waiting:
            self._own_task.cancel()
        return f"{activity.what} from {activity.where}" if activity else ""

    @property
    def work(self) -> object | None:
        """The transaction, command or login in progress; None if the connection is idle."""
        return self._conversation.session.transaction or self._runner.deferred or self._conversation.login_attempt

    @property
    def login(self) -> str:
        """The login of the client; empty if there is none."""
        return self._conversation.session.record.login

    def break_off(self, reply: Reply) -> None:
        """Send ``reply``, unless another reply or a handshake is in progress; close at once and cancel the command."""
        if not self._replies.partial and self._socket.get_protocol() is self:  # asyncio's own during a handshake
            self._announce(reply)
        self._close(abort=True)
        if self._runner.waiting:
            self._own_task.cancel()

    def close_in_child(self) -> None:
        """Close the socket that a forked child has inherited, without the loop: its epoll is the parent's too."""
        cast("Any", self._socket.get_extra_info("socket"))._sock.close()  # noqa: SLF001 - the wrapper cannot close

    # Called by aiosmtpd.

    async def push(self, status: str | bytes) -> None:
        """Write a line of reply at once."""
        self._replies.replies.append((status.encode("ascii") if isinstance(status, str) else status) + b"\r\n")
        self._replies.flush()

    def _reset_timeout(self, duration: float | None = None) -> None:
        if self._timeout_handle is None:
            settings = self._services.settings.value
            first = min(settings.idle_timeout, settings.session_timeout or settings.idle_timeout)
            self._timeout_handle = self.loop.call_later(duration or first, self._timeout_cb)

    def _timeout_cb(self) -> None:
        now, settings = self.loop.time(), self._services.settings.value
        waiting = self._runner.waiting  # then the client waits for the server
        idle_left = settings.idle_timeout - (0 if waiting else now - self._conversation.received_at)
        left = settings.session_timeout - (now - self._began_at) if settings.session_timeout else idle_left
        if idle_left > 0 and (left > 0 or waiting):
            self._timeout_handle = self.loop.call_later(max(min(idle_left, left), _TICK), self._timeout_cb)
        else:
            self._close_with(replies.SESSION_OVER if idle_left > 0 else replies.TIMED_OUT)

    async def _handle_client(self) -> None:
        """Run all commands that have to wait, until the connection ends."""
        try:
            while not self._conversation.over:
                await self._runner.run_deferred()
                if self._eof_received:
                    self._socket.close()
                elif not self._conversation.over:
                    self._socket.resume_reading()
        finally:
            if self.transport is None:
                self._release()

    # Answering.

    def _run(self, answer: Coroutine[Any, Any, Reply]) -> Reply | None:
        """Return the reply of ``answer``; if it has to wait, return None and run it in the connection's task."""
        try:
            reply = self._runner.start(answer, self._own_task)
        except Exception as error:  # noqa: BLE001 - it is reported to the owner of the server
            return self._conversation.failed(error)
        if isinstance(reply, Suspended):
            self._runner.defer(self._converse(reply))
            return None
        return reply

    def _start(self, answer: Answer) -> None:
        """Run ``_converse``; if it has to wait, the rest runs in the connection's task."""
        rest = self._runner.start(self._converse(answer), self._own_task)
        if isinstance(rest, Suspended):
            self._runner.defer(rest)
        self._replies.flush()

    async def _converse(self, answer: Answer | Suspended[Reply] | None) -> None:
        """Send ``answer``, and answer everything that has been received completely.

        An answer that has begun is finished even if the client has gone in the meantime.
        """
        conversation = self._conversation
        while answer is not None:
            try:
                reply = answer if isinstance(answer, Reply) else await answer
            except Exception as error:  # noqa: BLE001 - it is reported to the owner of the server
                reply = conversation.failed(error)
            self._reply(reply)
            if reply.next is Next.TLS:
                await self._start_tls()
                if reply is replies.BEGIN_TLS and not conversation.over:
                    answer = conversation.session.greet()
                    continue
            elif reply.next:
                if not conversation.expect(reply.next):
                    self._close(abort=reply.next is Next.ABORT)
            elif self._connections.stopping and conversation.session.transaction is None:
                self._close_with(replies.STOPPING)
            elif len(self._replies.replies) >= MANY:
                await self._drain()
            answer = conversation.next_answer()

    async def _start_tls(self) -> None:
        """Start TLS. Commands that were sent together with STARTTLS are discarded (RFC 3207 section 4.2)."""
        self._replies.flush()
        assert self._context is not None
        self._conversation.discard_input()  # now: the handshake's last bytes may bring a command
        made = None
        try:
            made = await self.loop.start_tls(self._socket, self, self._context, server_side=True)
        except (OSError, asyncio.IncompleteReadError) as error:
            self._conversation.tls_failed(error)
        finally:  # also when the handshake is cancelled
            if made is None or self._conversation.over:
                self._socket.abort()
                if self.transport is not None:
                    self.connection_lost(None)  # asyncio does not call it
        if made is None or self._conversation.over:
            return
        self._socket = self.transport = self._replies.transport = made
        cast("Any", self._writer)._transport = made  # noqa: SLF001 - as aiosmtpd does
        self._conversation.tls_started(self._replies.tls, self.loop.time())

    async def _drain(self) -> None:
        """Write the replies, and wait if the client does not read them."""
        self._replies.flush()
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()
        self._conversation.received_at = self.loop.time()

    def _reply(self, reply: Reply) -> None:
        if self._runner.waiting and reply.code:
            self._conversation.received_at = self.loop.time()  # the idle time of the client begins now
        self._conversation.add_reply(reply)

    def _announce(self, reply: Reply) -> None:
        """Send a reply that does not answer a command; the transcript shows the current time for it."""
        self._conversation.received_at = self.loop.time()
        self._reply(reply)

    def _close_with(self, reply: Reply) -> None:
        """Send ``reply`` and close the connection."""
        self._announce(reply)
        self._close()

    def _close(self, *, abort: bool = False) -> None:
        """Write the replies and close the connection. Commands that were received are not executed."""
        self._conversation.finish()
        self._replies.hung_up = True
        self._replies.flush()
        close = self._socket.abort if abort else self._socket.close
        close()

    def _release(self) -> None:
        """Forget the connection, and break its reference cycles, so that it is freed at once."""
        self._released = True
        vars(self).update(dict.fromkeys(_CYCLIC))
        self._conversation.session.close()
        self._connections.discard(self)


C = TypeVar("C")


class Connections(Generic[C]):
    """The open connections of a listener.

    Attributes:
        stopping: Whether the listener is stopping, so that no transaction may begin.
    """

    def __init__(self) -> None:
        self.stopping = False
        self._open: set[C] = set()
        self._empty: asyncio.Future[None] | None = None

    def __iter__(self) -> Iterator[C]:
        return iter(tuple(self._open))

    def __len__(self) -> int:
        return len(self._open)

    def add(self, connection: C) -> None:
        """Add a new connection."""
        self._open.add(connection)

    def discard(self, connection: C) -> None:
        """Remove a connection that is closed."""
        self._open.discard(connection)
        if not self._open and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    async def wait_empty(self, seconds: float) -> bool:
        """Wait at most ``seconds`` until every connection is closed; return whether all are."""
        if self._open:
            self._empty = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._empty], timeout=seconds)
        return not self._open
