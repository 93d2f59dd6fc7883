"""The one subclass of aiosmtpd's ``SMTP``: how bytes become commands, and replies become bytes.

1. Nothing is parsed here (``reader``, ``address``), worded here (``replies``) or decided here (``handler``).
2. Commands run in the step in which their bytes arrived, one after the other (``steps``). Replies are written when the
   received bytes are used up or something has to wait, so a pipelined group is answered by one packet (RFC 2920).
3. Nothing a client sends may raise, hang or print. What fails in the server is answered 451 and told to its owner.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import re
import ssl
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import replace
from typing import Any, TypeAlias, cast

from aiosmtpd.smtp import SMTP

from sirrchat_testkit.core.backend import Backend
from sirrchat_testkit.core.transcript import LINE, LONGEST, shortened
from sirrchat_testkit.smtp import replies
from sirrchat_testkit.smtp.connections import Connections
from sirrchat_testkit.smtp.handler import COMMANDS, Handler
from sirrchat_testkit.smtp.misbehaviour import Upload
from sirrchat_testkit.smtp.reader import AUTH_LIMIT, Flaw, Reader
from sirrchat_testkit.smtp.redaction import HIDING, Redaction
from sirrchat_testkit.smtp.replies import Reply, Turn
from sirrchat_testkit.smtp.steps import Steps

Reading: TypeAlias = Callable[[], Reply | Awaitable[Reply] | None]

_READ = 262_144  # octets of one read: what asyncio takes
_HIGH_WATER = 65_536  # octets of unread commands at which the client is held up
_TICK = 0.01  # seconds after which a time limit is looked at again at the earliest
_MANY = 100  # replies that are written although more commands are waiting
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_UTF8 = frozenset({b"MAIL", b"RCPT", b"VRFY"})  # the commands with addresses (RFC 6531 section 3.7.1)
_BARE = frozenset({b"DATA", b"RSET", b"NOOP", b"QUIT"})  # shown as they are, if nothing follows
_PATHS = frozenset({b"MAIL", b"RCPT"})  # what follows them is shown, unless it is no path
_FLAWS = {
    Flaw.TOO_LONG: replies.LINE_TOO_LONG,
    Flaw.BARE_LINE_FEED: replies.BARE_LINE_FEED,
}


class Protocol(SMTP, asyncio.BufferedProtocol):
    """One connection.

    What is overridden of aiosmtpd, and why:

    - ``__init__`` looks its methods up by ``dir`` for every connection; that is done once for each listener.
    - ``data_received`` and ``_handle_client`` await one line at a time; a whole chunk is worked off.
    - ``get_buffer`` and ``buffer_updated`` are added: without them the loop allocates 256 KiB for each read, which the
      C library gives back to the kernel and faults in again.
    - ``push`` drains after each reply; replies are gathered.
    - ``_reset_timeout`` and ``_timeout_cb`` make a timer for each command; one timer looks when it was last reset.
    - ``connection_made`` leaves the greeting to a task; it is written at once.
    - ``connection_lost`` and ``eof_received`` cancel what is under way; a delivery that has begun is finished.

    Its ``smtp_`` and ``auth_`` methods are not looked up: ``handler.COMMANDS`` answers, with enhanced status codes,
    RFC 6531 and the domain's decisions. Both tables of aiosmtpd are empty, so no client reaches a method by its name.
    """

    def __init__(
        self,
        backend: Backend,
        connections: Connections[Protocol],
        template: dict[str, Any],
        identity: ssl.SSLContext | None = None,
    ) -> None:
        vars(self).update(template)
        self._buffer: memoryview
        loop = self.loop
        reader = asyncio.StreamReader(loop=loop)  # never fed: it takes its place in aiosmtpd
        asyncio.StreamReaderProtocol.__init__(self, reader, self._cb_client_connected, loop)
        self._backend = backend
        self._identity = identity
        self._connections = connections
        self._received = Reader()
        self._steps = Steps(loop, self._flush)
        self._replies: list[bytes] = []
        self._reading: Reading | None = None
        self._heard_all = False
        self._done = False
        self._verb = b"a connection"
        self._gone: asyncio.Future[None] | None = None
        self._keeps = False
        self._redaction = Redaction()

    @classmethod
    def template(cls, hostname: str, loop: asyncio.AbstractEventLoop) -> dict[str, Any]:
        """Return the attributes that every connection of a listener begins with, as aiosmtpd makes them."""
        made = SMTP(None, hostname=hostname, enable_SMTPUTF8=True, loop=loop)
        return {**vars(made), "_smtp_methods": {}, "_auth_methods": {}, "_buffer": memoryview(bytearray(_READ))}

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet the client, or turn it away if the listener is stopping."""
        super().connection_made(transport)
        self._socket = cast("asyncio.Transport", transport)
        self._carrier = cast("asyncio.Task[None]", self._handler_coroutine)
        self._mail = Handler(self._backend, self.hostname, _name(transport.get_extra_info("peername")), self)
        if transport.get_extra_info("ssl_object") is not None:
            self._mail.session.tls = _described(transport)
        self._talk = self._mail.session.talk
        self._began_at = self._heard_at
        self._connections.add(self)
        if self._connections.stopping:
            self._dismiss(replies.STOPPING)
        else:
            self._steps.run(self._converse(self._mail.greet()), self._carrier)

    def get_buffer(self, sizehint: int) -> memoryview:  # noqa: ARG002 - as much as there is
        """Return where to read to: the listener's connections share it, for it is used up in the same step."""
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Work off what was read."""
        self.data_received(bytes(self._buffer[:nbytes]))

    def data_received(self, data: bytes) -> None:
        """Work off what arrived, unless something is under way that has to wait."""
        self._reset_timeout()
        if len(self._talk.page) > LONGEST:
            self._talk.trim()
        self._received.feed(data)
        if not self._steps.waiting:
            answer = self._answer_at_once()
            if answer is None:
                self._flush()
            else:
                self._steps.run(self._converse(answer), self._carrier)
        elif self._received.pending > _HIGH_WATER:
            self._socket.pause_reading()

    def eof_received(self) -> bool:
        """Let the connection be closed, as soon as what is under way has been answered."""
        self._heard_all = True
        self._hang_up()
        return self._steps.waiting and not self._mail.session.tls  # TLS has no half-closed connections

    def connection_lost(self, error: Exception | None) -> None:
        """Forget the connection, as soon as what is under way has ended."""
        asyncio.StreamReaderProtocol.connection_lost(self, error)
        self.transport = None
        self._done = True
        self._hang_up()
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
        if not self._steps.waiting:
            self._forget()
            self._carrier.cancel()

    # What the listener calls.

    def wind_up(self) -> None:
        """Close the connection, unless a transaction is under way: its end closes it."""
        if self._mail.draft is None and not self._steps.waiting:
            self._dismiss(replies.STOPPING)

    def abort(self) -> str:
        """Break the connection off; return what was under way, in words."""
        doing = self._mail.session.doing
        self._socket.abort()
        if self._steps.waiting:
            self._carrier.cancel()
        return doing

    def close_in_child(self) -> None:
        """Close the socket that a forked child has inherited, behind the loop's back: its epoll is the parent's too."""
        cast("Any", self._socket.get_extra_info("socket"))._sock.close()  # noqa: SLF001 - the wrapper cannot close

    # What aiosmtpd calls.

    async def push(self, status: str | bytes) -> None:
        """Write a line of reply at once."""
        self._replies.append((status.encode("ascii") if isinstance(status, str) else status) + b"\r\n")
        self._flush()

    def _reset_timeout(self, duration: float | None = None) -> None:
        self._heard_at = self.loop.time()
        if self._timeout_handle is None:
            policy = self._backend.policy.value
            first = min(policy.idle_timeout, policy.session_timeout or policy.idle_timeout)
            self._timeout_handle = self.loop.call_later(duration or first, self._timeout_cb)

    def _timeout_cb(self) -> None:
        now, policy = self.loop.time(), self._backend.policy.value
        waiting = self._steps.waiting  # then the client is not to blame
        quiet = policy.idle_timeout - (0 if waiting else now - self._heard_at)
        whole = policy.session_timeout - (now - self._began_at) if policy.session_timeout else quiet
        if quiet > 0 and (whole > 0 or waiting):
            self._timeout_handle = self.loop.call_later(max(min(quiet, whole), _TICK), self._timeout_cb)
        else:
            self._dismiss(replies.SESSION_OVER if quiet > 0 else replies.TIMED_OUT)

    async def _handle_client(self) -> None:
        """Carry on with whatever has to wait, as long as there is a connection."""
        try:
            while not self._done:
                await self._steps.carry_on()
                if self._heard_all:
                    self._socket.close()
                elif not self._done:
                    self._socket.resume_reading()
        finally:
            if self.transport is None:
                self._forget()

    # The conversation.

    def _answer_at_once(self) -> Reply | Awaitable[Reply] | None:
        """Answer what needs no waiting; return the first answer that may, or after which something else comes."""
        while not self._done:
            try:
                answer = self._next()
            except Exception as error:  # noqa: BLE001 - it is told to the owner of the server, as itself
                answer = self._crashed(error)
            if not isinstance(answer, Reply) or self._connections.stopping or len(self._replies) > _MANY:
                return answer
            if answer.turn is Turn.DATA:
                self._expect_message()
            elif answer.turn is not None:
                return answer
            self._say(answer)
        return None

    async def _converse(self, answer: Reply | Awaitable[Reply] | None = None) -> None:
        """Give ``answer``, and answer everything that has been received in full."""
        while not self._done:
            try:
                if answer is None:
                    answer = self._next()
                if answer is None:
                    return
                reply = answer if isinstance(answer, Reply) else await answer
            except Exception as error:  # noqa: BLE001 - it is told to the owner of the server, as itself
                reply = self._crashed(error)
            answer = None
            self._say(reply)
            if reply.turn:
                await self._turn(reply.turn)
            elif self._connections.stopping and self._mail.draft is None:
                self._dismiss(replies.STOPPING)
            elif len(self._replies) > _MANY:
                await self._relieve()

    def _next(self) -> Reply | Awaitable[Reply] | None:
        """Return the answer to the next command or message, or None while it is unfinished."""
        if self._reading is not None:
            return self._reading()
        line = self._received.line()
        return line if line is None else self._obey(line)

    def _read_message(self) -> Reply | Awaitable[Reply] | None:
        message = self._received.message()
        if message is None:
            return None
        self._reading = None
        self._verb = b"end of data"
        if isinstance(message, Flaw):
            return self._mail.overflow()
        self._note((len(message),))
        return self._mail.deliver(message)

    def _read_chunk(self) -> Reply | Awaitable[Reply] | None:
        chunk = self._received.chunk()
        if chunk is None:
            return None
        self._reading = None
        self._note((self._mail.chunk[0],))
        return self._mail.take_chunk(chunk, kept=self._keeps)

    def _read_response(self) -> Reply | Awaitable[Reply] | None:
        line = self._received.line(AUTH_LIMIT)
        if line is None:
            return None
        self._reading = None
        self._note(self._redaction.response(line))
        return _FLAWS[line] if isinstance(line, Flaw) else self._mail.login.respond(line.decode("ascii", "replace"))

    def _read_watched(self, read: Reading, upload: Upload) -> Reply | Awaitable[Reply] | None:
        """Do as ``read``, unless so much has come that ``upload`` is broken off."""
        held = self._received.pending
        answer = read()
        left = self._received.pending
        if not upload.breaks(held - left, left if answer is None else 0):
            return answer
        if answer is None:
            self._note((left,))
        elif isinstance(answer, Coroutine):
            answer.close()
        return replies.BROKEN_OFF

    def _obey(self, line: bytes | Flaw) -> Reply | Awaitable[Reply]:
        """Return the answer to a command."""
        if isinstance(line, Flaw):
            self._note(b"(no command)")
            return _FLAWS[line]
        word, _, rest = line.partition(b" ")
        name = word.upper()
        command = COMMANDS.get(name)
        page = self._talk.page
        page.append(self._heard_at)
        harmless = rest[:1] not in HIDING if name in _PATHS else not rest and name in _BARE
        said = line if harmless else self._redaction.command(line, known=command is not None)
        page.append(said if len(said) <= LINE else shortened(said))
        if command is None:
            return replies.UNKNOWN if word.isalpha() else replies.BAD_SYNTAX
        try:
            argument = rest.decode("utf-8" if name in _UTF8 else "ascii").strip(" ")
        except UnicodeDecodeError:
            return replies.BAD_CHARACTERS
        if not argument.isprintable() and _CONTROL.search(argument):
            return replies.BAD_CHARACTERS
        self._verb = name
        if self._backend.policy.value.hide_extensions and self._hurries(name):
            return replies.ONE_AT_A_TIME
        return command(self._mail, argument)

    def _crashed(self, error: Exception) -> Reply:
        self._mail.crashed(self._verb.decode(), error)
        return replies.CRASHED

    def _expect_message(self) -> None:
        self._reading = self._read_message
        self._received.expect_message(self._mail.size_limit)

    def _expect_chunk(self) -> None:
        self._reading = self._read_chunk
        self._keeps = self._mail.keeps_chunk
        self._received.expect_chunk(self._mail.chunk[0], keep=self._keeps)

    def _watch(self) -> None:
        assert self._reading is not None
        assert self._mail.misbehaviour.upload is not None
        self._reading = functools.partial(self._read_watched, self._reading, self._mail.misbehaviour.upload)

    async def _turn(self, turn: Turn) -> None:
        """Go on as the last reply has it."""
        if turn is Turn.DATA:
            self._expect_message()
        elif turn is Turn.CHUNK:
            self._expect_chunk()
        elif turn is Turn.RESPONSE:
            self._reading = self._read_response
        elif turn is Turn.TLS:
            await self._start_tls()
        elif turn is Turn.WATCHED_DATA:
            self._expect_message()
            self._watch()
        elif turn is Turn.WATCHED_CHUNK:
            self._expect_chunk()
            self._watch()
        else:
            self._part(abruptly=turn is Turn.BREAK)

    async def _start_tls(self) -> None:
        """Go on under TLS. What was sent along with STARTTLS is forgotten (RFC 3207 section 4.2)."""
        self._flush()
        assert self._identity is not None
        self._received = Reader()  # before, since the client's first words may come along with the end of its handshake
        try:
            made = await self.loop.start_tls(self._socket, self, self._identity, server_side=True)
        except (OSError, asyncio.IncompleteReadError):  # no TLS, or none that both know
            made = None
        if made is None or self._done:
            self._say_nothing_more()
            return
        self._socket = self.transport = made
        cast("Any", self._writer)._transport = made  # noqa: SLF001 - what aiosmtpd does
        self._mail.secured(_described(made))
        self._talk.page.extend((self.loop.time(), f"under {self._mail.session.tls}"))

    def _say_nothing_more(self) -> None:
        """Drop a connection on which TLS could not begin; asyncio has not told us that it is gone."""
        self._socket.abort()
        if self.transport is not None:
            self.connection_lost(None)

    def _hurries(self, name: bytes) -> bool:
        """Tell whether other commands came along with this one, although PIPELINING is hidden."""
        return bool(self._received.pending) and name != b"BDAT" and "PIPELINING" not in self._mail.offer.names

    def _note(self, what: bytes | tuple[int]) -> None:
        self._talk.page.extend((self._heard_at, what))

    def _say(self, reply: Reply) -> None:
        if reply.code:
            hides = self._backend.policy.value.hide_extensions
            wire = reply.bare if hides and "ENHANCEDSTATUSCODES" in hides else reply.wire
            self._replies.append(wire)
            if self._steps.waiting:
                self._heard_at = self.loop.time()  # from now on it is the client that keeps us waiting
            page = self._talk.page
            page.append(self._heard_at)
            page.append(wire)

    def _flush(self) -> None:
        """Write the replies that have been gathered."""
        if self._replies:
            if self.transport is not None:
                self._socket.write(b"".join(self._replies))
            self._replies.clear()

    async def _relieve(self) -> None:
        """Write the replies, and wait if the client does not read them."""
        self._flush()
        with contextlib.suppress(ConnectionError):
            await self._writer.drain()

    async def linger(self, seconds: float) -> bool:
        """Wait, with everything written that was said; tell whether the client is still there."""
        if not self._heard_all and not self._done:
            self._gone = self.loop.create_future()
            await asyncio.wait([self._gone], timeout=seconds)
            self._gone = None
        return not self._heard_all and not self._done

    async def trickle(self, reply: Reply, seconds: float) -> Reply:
        """Write ``reply`` octet by octet; return what remains to be done about it."""
        for octet in reply.wire:
            self._replies.append(bytes([octet]))
            self._flush()
            if not await self.linger(seconds):
                return replies.HANG_UP
        return replace(replies.WRITTEN, turn=reply.turn)

    def _hang_up(self) -> None:
        if self._gone is not None and not self._gone.done():
            self._gone.set_result(None)

    def _dismiss(self, reply: Reply) -> None:
        """Say ``reply`` and close."""
        self._say(reply)
        self._flush()
        self._part()

    def _part(self, *, abruptly: bool = False) -> None:
        """Close the connection behind the replies; what else was received is not looked at."""
        self._done = True
        self._mail.leave()
        self._flush()
        if abruptly:
            self._socket.abort()
        else:
            self._socket.close()

    def _forget(self) -> None:
        self._mail.close()
        self._connections.discard(self)


def _described(transport: asyncio.BaseTransport) -> str:
    """Return version and cipher of the TLS that ``transport`` speaks."""
    spoken = transport.get_extra_info("ssl_object")
    return f"{spoken.version()} {spoken.cipher()[0]}"


def _name(peer: Any) -> str:
    """Return the other end's ``host:port``."""
    host, port = peer[:2] if peer else ("unknown", 0)
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
