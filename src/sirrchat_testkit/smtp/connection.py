"""The one subclass of aiosmtpd's ``SMTP``: a connection, from its greeting to its end.

1. ``dialogue`` holds the conversation; this module handles sockets, waiting, time limits and TLS.
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

from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.smtp import replies
from sirrchat_testkit.smtp.dialogue import MANY, Conversation
from sirrchat_testkit.smtp.eager import EagerRunner, Rest
from sirrchat_testkit.smtp.replies import Answer, Reply, Turn
from sirrchat_testkit.smtp.writer import ReplyWriter

_READ = 262_144  # octets of one read: what asyncio takes
_HIGH_WATER = 65_536  # octets of unread commands at which the client is held up
_TICK = 0.01  # seconds after which a time limit is looked at again at the earliest


class Protocol(SMTP, asyncio.BufferedProtocol):
    """One connection.

    What is overridden of aiosmtpd, and why:

    - ``__init__`` looks its methods up by ``dir`` for every connection; that is done once for each listener.
    - ``data_received`` and ``_handle_client`` await one line at a time; a whole chunk is worked off.
    - ``get_buffer`` and ``buffer_updated`` are added: without them the loop allocates 256 KiB for each read, which the
      C library gives back to the kernel and faults in again.
    - ``push`` drains after each reply; replies are gathered.
    - ``_reset_timeout`` and ``_timeout_cb`` make a timer for each command; one timer looks when the
      client was last heard.
    - ``connection_made`` leaves the greeting to a task; it is written at once.
    - ``connection_lost`` and ``eof_received`` cancel what is under way; a delivery that has begun is finished.

    Its ``smtp_`` and ``auth_`` methods are not looked up: ``commands.COMMANDS`` answers, with enhanced status codes,
    RFC 6531 and the domain's decisions. Both tables of aiosmtpd are empty, so no client reaches a method by its name.
    """

    def __init__(
        self,
        backend: Backend,
        connections: Connections[Protocol],
        template: dict[str, Any],
        identity: ssl.SSLContext | None = None,
        *,
        tls: bool = False,
    ) -> None:
        vars(self).update(template)
        self._buffer: memoryview
        loop = self.loop
        reader = asyncio.StreamReader(loop=loop)  # never fed: it takes its place in aiosmtpd
        asyncio.StreamReaderProtocol.__init__(self, reader, self._cb_client_connected, loop)
        self._backend = backend
        self._identity = identity
        self._begins_with_tls = tls
        self._connections = connections
        self._replies = ReplyWriter(loop)
        self._runner = EagerRunner(loop, self._replies.flush)
        self._heard_all = False

    @classmethod
    def template(cls, hostname: str, loop: asyncio.AbstractEventLoop) -> dict[str, Any]:
        """Return the attributes that every connection of a listener begins with, as aiosmtpd makes them."""
        made = SMTP(None, hostname=hostname, enable_SMTPUTF8=True, loop=loop)
        return {**vars(made), "_smtp_methods": {}, "_auth_methods": {}, "_buffer": memoryview(bytearray(_READ))}

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the client, or turn it away if the listener is stopping."""
        super().connection_made(transport)
        self._socket = self._replies.transport = cast("asyncio.Transport", transport)
        self._carrier = cast("asyncio.Task[None]", self._handler_coroutine)
        self._began_at = self.loop.time()
        self._conversation = Conversation(self._backend, self.hostname, self._replies, self._began_at)
        self._connections.add(self)
        if self._connections.stopping:
            self._dismiss(replies.STOPPING)
        else:
            self._begin(replies.BEGIN_TLS if self._begins_with_tls else self._conversation.mail.greet())

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - as much as there is
        """Return where to read to: the listener's connections share it, for it is used up in the same step."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Work off what was read."""
        self.data_received(bytes(self._buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Work off what arrived, unless something is under way that has to wait."""
        conversation = self._conversation
        conversation.hear(data, self.loop.time())
        if self._runner.waiting:
            if conversation.pending > _HIGH_WATER:
                self._socket.pause_reading()
            return
        answer = conversation.next() if self._connections.stopping else conversation.answer(self._run)
        if answer is not None:
            self._begin(answer)
        self._replies.flush()

    def eof_received(self) -> bool:
        """Let the connection be closed, as soon as what is under way has been answered."""
        self._heard_all = True
        self._replies.hang_up()
        return self._runner.waiting and not self._conversation.mail.session.tls  # TLS has no half-closed connections

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the connection, as soon as what is under way has ended."""
        if isinstance(error, ssl.SSLError):  # under TLS 1.3 the client rejects a certificate after the handshake
            self._conversation.tls_failed(error)
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self.transport = self._replies.transport = None
        self._conversation.over = True
        self._replies.hang_up()
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
        if not self._runner.waiting:
            self._forget()
            self._carrier.cancel()

    # What the listener calls.

    def wind_up(self) -> None:
        """Close the connection, unless a transaction is under way: its end closes it."""
        if self._conversation.mail.transaction is None and not self._runner.waiting:
            self._dismiss(replies.STOPPING)

    def abort(self) -> str:
        """Break the connection off; return what was under way, in words."""
        activity = self._conversation.mail.session.activity
        self._socket.abort()
        if self._runner.waiting:
            self._carrier.cancel()
        return f"{activity.what} from {activity.where}" if activity else ""

    @property
    def work(self) -> object | None:
        """The transaction, the waiting command or the login that is under way; None if the connection is idle."""
        return self._conversation.mail.transaction or self._runner.rest or self._conversation.login_attempt

    @property
    def login(self) -> str:
        """The login of the client; empty if there is none."""
        return self._conversation.mail.session.login

    def break_off(self, reply: Reply) -> None:
        """Send ``reply``, close at once, and cancel what waits. Amid another reply or a handshake, just close."""
        if not self._replies.partial and self._socket.get_protocol() is self:  # asyncio's own during a handshake
            self._say(reply)
        self._part(abruptly=True)
        if self._runner.waiting:
            self._carrier.cancel()

    def close_in_child(self) -> None:
        """Close the socket that a forked child has inherited, behind the loop's back: its epoll is the parent's too."""
        cast("Any", self._socket.get_extra_info("socket"))._sock.close()  # noqa: SLF001 - the wrapper cannot close

    # What aiosmtpd calls.

    async def push(self, status: str | bytes) -> None:
        """Write a line of reply at once."""
        self._replies.replies.append((status.encode("ascii") if isinstance(status, str) else status) + b"\r\n")
        self._replies.flush()

    def _reset_timeout(self, duration: float | None = None) -> None:
        if self._timeout_handle is None:
            settings = self._backend.settings.value
            first = min(settings.idle_timeout, settings.session_timeout or settings.idle_timeout)
            self._timeout_handle = self.loop.call_later(duration or first, self._timeout_cb)

    def _timeout_cb(self) -> None:
        now, settings = self.loop.time(), self._backend.settings.value
        waiting = self._runner.waiting  # then the client is not to blame
        quiet = settings.idle_timeout - (0 if waiting else now - self._conversation.heard_at)
        whole = settings.session_timeout - (now - self._began_at) if settings.session_timeout else quiet
        if quiet > 0 and (whole > 0 or waiting):
            self._timeout_handle = self.loop.call_later(max(min(quiet, whole), _TICK), self._timeout_cb)
        else:
            self._dismiss(replies.SESSION_OVER if quiet > 0 else replies.TIMED_OUT)

    async def _handle_client(self) -> None:
        """Carry on with whatever has to wait, as long as there is a connection."""
        try:
            while not self._conversation.over:
                await self._runner.carry_on()
                if self._heard_all:
                    self._socket.close()
                elif not self._conversation.over:
                    self._socket.resume_reading()
        finally:
            if self.transport is None:
                self._forget()

    # What goes on.

    def _run(self, answer: Coroutine[Any, Any, Reply]) -> Reply | None:
        """Return the reply that ``answer`` comes to, None where it has to wait: then it is under way."""
        try:
            reply = self._runner.begin(answer, self._carrier)
        except Exception as error:  # noqa: BLE001 - it is told to the owner of the server, as itself
            return self._conversation.crashed(error)
        if isinstance(reply, Rest):
            self._runner.leave(self._converse(reply))
            return None
        return reply

    def _begin(self, answer: Answer) -> None:
        """Give ``answer``, whatever comes after it."""
        rest = self._runner.begin(self._converse(answer), self._carrier)
        if isinstance(rest, Rest):
            self._runner.leave(rest)
        self._replies.flush()

    async def _converse(self, answer: Answer | Rest[Reply] | None) -> None:
        """Give ``answer``, and answer everything that has been received in full.

        What has begun is finished, although nobody may be there any more to hear of it.
        """
        conversation = self._conversation
        while answer is not None:
            try:
                reply = answer if isinstance(answer, Reply) else await answer
            except Exception as error:  # noqa: BLE001 - it is told to the owner of the server, as itself
                reply = conversation.crashed(error)
            self._say(reply)
            if reply.turn is Turn.TLS:
                await self._start_tls()
                if reply is replies.BEGIN_TLS and not conversation.over:
                    answer = conversation.mail.greet()
                    continue
            elif reply.turn:
                if not conversation.turn(reply.turn):
                    self._part(abruptly=reply.turn is Turn.BREAK)
            elif self._connections.stopping and conversation.mail.transaction is None:
                self._dismiss(replies.STOPPING)
            elif len(self._replies.replies) >= MANY:
                await self._relieve()
            answer = conversation.next()

    async def _start_tls(self) -> None:
        """Go on under TLS. What was sent along with STARTTLS is forgotten (RFC 3207 section 4.2)."""
        self._replies.flush()
        assert self._identity is not None
        self._conversation.forget()  # before: its first words may come along with the end of its handshake
        made = None
        try:
            made = await self.loop.start_tls(self._socket, self, self._identity, server_side=True)
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
        cast("Any", self._writer)._transport = made  # noqa: SLF001 - what aiosmtpd does
        self._conversation.secured(self._replies.tls, self.loop.time())

    async def _relieve(self) -> None:
        """Write the replies, and wait if the client does not read them."""
        self._replies.flush()
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()
        self._conversation.heard_at = self.loop.time()

    def _say(self, reply: Reply) -> None:
        if self._runner.waiting and reply.code:
            self._conversation.heard_at = self.loop.time()  # from now on it is the client that keeps us waiting
        self._conversation.say(reply)

    def _dismiss(self, reply: Reply) -> None:
        """Say ``reply`` and close."""
        self._say(reply)
        self._part()

    def _part(self, *, abruptly: bool = False) -> None:
        """Close the connection behind the replies; what else was received is not looked at."""
        self._conversation.end()
        self._replies.left = True
        self._replies.flush()
        close = self._socket.abort if abruptly else self._socket.close
        close()

    def _forget(self) -> None:
        self._conversation.mail.close()
        self._connections.discard(self)


C = TypeVar("C")


class Connections(Generic[C]):
    """A set that can be waited for to be empty; ``stopping`` says that no new transaction may begin."""

    def __init__(self) -> None:
        self.stopping = False
        self._live: set[C] = set()
        self._emptied: asyncio.Future[None] | None = None

    def __iter__(self) -> Iterator[C]:
        return iter(tuple(self._live))

    def __len__(self) -> int:
        return len(self._live)

    def add(self, connection: C) -> None:
        """Note a new connection."""
        self._live.add(connection)

    def discard(self, connection: C) -> None:
        """Note that a connection is gone."""
        self._live.discard(connection)
        if not self._live and self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    async def emptied(self, seconds: float) -> bool:
        """Wait at most ``seconds`` until every connection is gone; tell whether they are."""
        if self._live:
            self._emptied = asyncio.get_running_loop().create_future()
            await asyncio.wait([self._emptied], timeout=seconds)
        return not self._live
