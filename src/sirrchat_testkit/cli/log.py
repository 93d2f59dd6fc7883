"""The log of ``serve``: a line on stderr for each message, refusal, login, webhook attempt and fault, and each warning.

1. A line is bounded, and control, bidirectional and zero-width characters are escaped: senders choose what is in it.
2. A thread of its own writes the lines of each batch of events at once, so mail does not wait for a terminal, and the
   end of the process not for long. Lines that cannot be written are dropped.
3. Nothing here uses ``sys.stderr``, whose lock a blocked thread would still hold when the interpreter exits.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any, Final, Literal, NamedTuple

from sirrchat_testkit.domain import events as domain
from sirrchat_testkit.domain.events import Event
from sirrchat_testkit.formatting import counted, in_line, iso_milliseconds, moment
from sirrchat_testkit.handles.diagnostics import attempted, fired
from sirrchat_testkit.handles.log_reader import Batch, Entry, LogReader
from sirrchat_testkit.handles.published import PUBLISHED
from sirrchat_testkit.sizes import rough_size

Format = Literal["text", "json"]

SHORT: Final = 80
"""Characters of a subject or an address that a line shows."""

LONG: Final = 300
"""Characters of any other text that a line shows."""

MOST: Final = 20
"""Elements of a list that a line of JSON shows."""

_NAMED: Final = 2  # recipients of a message that a line of text names
_WARNINGS: Final = 1000  # kept until they are written
_PATIENCE: Final = 1.0  # seconds for which the end of the process waits for the last lines

_GREEN, _RED, _YELLOW, _BLUE, _MAGENTA = "32", "31", "33", "34", "35"


class Line(NamedTuple):
    """A line of text: its first word, the color of that, and the rest."""

    word: str
    color: str
    text: str


class Warnings(logging.Handler):
    """Keeps warnings and errors of the package, such as those of the disk, until the log writes them.

    A record with a traceback is not kept: it has an event, ``Crashed``.
    """

    def __init__(self, wake: Callable[[], None]) -> None:
        super().__init__(logging.WARNING)
        self._wake = wake
        self._kept: deque[logging.LogRecord] = deque(maxlen=_WARNINGS)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep ``record``, and wake the log."""
        if not record.exc_info:
            self._kept.append(record)
            self._wake()

    def take(self) -> Iterator[logging.LogRecord]:
        """Yield the kept records, and remove them."""
        while self._kept:
            yield self._kept.popleft()


class Log:
    """Writes the log of a server until ``finish``.

    Args:
        reader: Reads the events of ``KINDS``.
        form: How lines are written.
        descriptor: The file descriptor to write to.
        encoding: The encoding of text.
        colors: Whether lines of text are colored.
    """

    def __init__(self, reader: LogReader, form: Format, descriptor: int, encoding: str, *, colors: bool) -> None:
        self._reader = reader
        self._form = form
        self._descriptor = descriptor
        self._encoding = encoding
        self._colors = colors
        self._received = self._refused = 0
        self._before = ""
        self._read = threading.Event()  # until the server stops
        self._over = threading.Event()
        self._warnings = Warnings(reader.wake)
        self._thread = threading.Thread(target=self._run, name="sirrchat-testkit log", daemon=True)

    def start(self) -> None:
        """Begin to write."""
        logging.getLogger("sirrchat_testkit").addHandler(self._warnings)
        self._thread.start()

    def stop(self) -> None:
        """Read what has happened so far. Call it before the server stops."""
        self._reader.stop()
        self._read.wait(_PATIENCE)

    def finish(self, before: str = "") -> None:
        """Write what happened while the server stopped, and ``before`` in front of a last line."""
        self._before = before
        self._over.set()
        self._thread.join(_PATIENCE)
        logging.getLogger("sirrchat_testkit").removeHandler(self._warnings)

    def _run(self) -> None:
        try:
            while (batch := self._reader.read()) is not None:
                self._write(self._shown(batch))
        finally:
            self._read.set()
        self._over.wait()
        self._write([*self._shown(self._reader.rest()), f"{self._before}{self._summary()}"])

    def _shown(self, batch: Batch) -> Iterator[str]:
        self._received += len({*map(_envelope, batch.entries)} - {""})
        self._refused += sum(type(each.event) is domain.RecipientRefused for each in batch.entries)
        if self._form == "json":
            yield from map(_json_warning, self._warnings.take())
            yield from json_lines(batch)
            return
        for record in self._warnings.take():
            yield _made(_milliseconds(record), _warning(record), colors=self._colors)
        yield from text_lines(batch, colors=self._colors)

    def _summary(self) -> str:
        if self._form == "json":
            now = iso_milliseconds(round(time.time() * 1000))
            return json.dumps({"at": now, "name": "stopped", "received": self._received, "refused": self._refused})
        received = counted(self._received, "message") if self._received else "no mail"
        refused = f", {counted(self._refused, 'recipient')} refused" if self._refused else ""
        return f"Stopped: {received} received{refused}."

    def _write(self, lines: Iterable[str]) -> None:
        left = memoryview("".join(f"{line}\n" for line in lines).encode(self._encoding, "backslashreplace"))
        with contextlib.suppress(OSError):  # the disk is full, or the reader has ended
            while left:
                left = left[os.write(self._descriptor, left) :]


def _warning(record: logging.LogRecord) -> Line:
    is_error = record.levelno >= logging.ERROR
    word, color = ("error", _RED) if is_error else ("warning", _YELLOW)
    return Line(word, color, _cut(record.getMessage(), LONG))


def _json_warning(record: logging.LogRecord) -> str:
    at = iso_milliseconds(_milliseconds(record))
    return json.dumps(_bounded({"at": at, "name": _warning(record).word, "text": record.getMessage()}))


def _milliseconds(record: logging.LogRecord) -> int:
    return int(record.created * 1000)


def json_lines(batch: Batch) -> Iterator[str]:
    """Return an object for each event, with the fields that it has in the event stream."""
    if batch.lost:
        yield json.dumps({"name": "gap", "lost": batch.lost})
    for number, event, refusal, ending in batch.entries:
        name, fields = PUBLISHED[type(event)]
        more = {"reason": refusal.reason, "nearest": refusal.nearest} if refusal else {}
        shown = {"at": iso_milliseconds(event.at), "name": name, "id": number, **fields(event), **more}
        yield json.dumps(_bounded(shown | ({"reason": ending} if ending else {})))


def text_lines(batch: Batch, *, colors: bool) -> Iterator[str]:
    """Return the lines for people. The copies of a message for several recipients share one."""
    if batch.lost:
        yield f"{counted(batch.lost, 'event')} before this could not be logged in time"
    for envelope, group in groupby(batch.entries, _envelope):
        if envelope:
            copies: list[Any] = [each.event for each in group]
            yield _made(copies[0].at, _message(copies), colors=colors)
        else:
            for each in group:
                yield _made(each.event.at, _LINES[type(each.event)](each), colors=colors)


def _made(at: int, line: Line, *, colors: bool) -> str:
    when = _time_of_day(at // 1000)
    if colors:
        return f"\x1b[2m{when}\x1b[0m  \x1b[{line.color}m{line.word:8}\x1b[0m  {line.text}"
    return f"{when}  {line.word:8}  {line.text}"


@lru_cache(maxsize=64)
def _time_of_day(seconds: int) -> str:
    return time.strftime("%H:%M:%S", time.localtime(seconds))


def _envelope(entry: Entry) -> str:
    """Return the envelope of a message; empty for any other event."""
    event = entry.event
    return event.message.envelope if isinstance(event, domain.MessageReceived) else ""


def _message(copies: Sequence[Any]) -> Line:
    message = copies[0].message
    way = _way(message.mail_from, [each.message.recipient for each in copies])
    is_stored = message.address or any(each.message.address for each in copies)
    outcome = "stored" if is_stored else "stored without an address"
    return Line("received", _GREEN, f'{way}  "{_cut(message.subject)}"  {rough_size(message.size)}, {outcome}')


def _refusal(entry: Entry) -> Line:
    event: Any = entry.event
    refusal = entry.refusal
    reason = _cut(refusal.reason if refusal else event.reason, LONG)
    nearest = f"; the nearest address is {_cut(refusal.nearest)}" if refusal and refusal.nearest else ""
    return Line("refused", _YELLOW, f"{_way(event.sender, [event.recipient])}  {reason}{nearest}")


def _login(entry: Entry) -> Line:
    event: Any = entry.event
    reason = getattr(event, "reason", "accepted")
    outcome = reason if reason == "accepted" or reason.startswith("refused") else f"refused: {reason}"
    color = _GREEN if outcome == "accepted" else _YELLOW
    return Line("login", color, f"{_cut(event.login)}  {_cut(event.mechanism)}, {_cut(outcome, LONG)}")


def _attempt(entry: Entry) -> Line:
    event: Any = entry.event
    color = {"delivered": _BLUE, "pending": _YELLOW}.get(event.outcome, _RED)
    return Line("webhook", color, _cut(attempted(event), LONG))


def _tls(entry: Entry) -> Line:
    event: Any = entry.event
    return Line("tls", _YELLOW, f"{event.peer}  {_cut(event.alert) or 'the client closed the connection'}")


def _clock(entry: Entry) -> Line:
    event: Any = entry.event
    return Line("clock", _BLUE, f"{moment(event.at)}{', stopped' if event.frozen else ''}")


def _crash(entry: Entry) -> Line:
    event: Any = entry.event
    return Line("error", _RED, _cut(f"{event.where}: {type(event.error).__name__}: {event.error}", LONG))


def _connection(entry: Entry) -> Line:
    event: Any = entry.event
    return Line("refused", _YELLOW, f"connection from {event.peer} {_cut(entry.ending, LONG)}")


def _fault(entry: Entry) -> Line:
    event: Any = entry.event
    return Line("fault", _MAGENTA, _cut(fired(event), LONG))


_LINES: Final[Mapping[type[Event], Callable[[Entry], Line]]] = {
    domain.RecipientRefused: _refusal,
    domain.SessionClosed: _connection,
    domain.LoginAccepted: _login,
    domain.LoginRefused: _login,
    domain.TlsFailed: _tls,
    domain.FaultFired: _fault,
    domain.DeliveryAttempted: _attempt,
    domain.ClockMoved: _clock,
    domain.Crashed: _crash,
}
"""How each event is shown, except messages."""

KINDS: Final[tuple[type[Event], ...]] = (domain.MessageReceived, *_LINES)
"""The events that the log shows."""


def _way(sender: str, recipients: Sequence[str]) -> str:
    if len(recipients) == 1:
        return f"{_cut(sender) or '<>'} -> {_cut(recipients[0])}"
    named = ", ".join(map(_cut, recipients[:_NAMED]))
    more = f" and {len(recipients) - _NAMED} more" if len(recipients) > _NAMED else ""
    return f"{_cut(sender) or '<>'} -> {named}{more}"


def _cut(text: str, most: int = SHORT) -> str:
    """Return ``text`` on one line, at most ``most`` characters of it, with what terminals obey escaped."""
    if len(text) <= most and text.isprintable():
        return text
    shown = in_line(text if len(text) <= most else f"{text[: most - 3]}...")
    return shown if len(shown) <= most else f"{shown[: most - 3]}..."


def _bounded(value: Any) -> Any:
    """Return ``value`` with long texts and lists cut."""
    if isinstance(value, str):
        return value if len(value) <= LONG else f"{value[: LONG - 3]}..."
    if isinstance(value, dict):
        return {name: _bounded(each) for name, each in value.items()}
    return [*map(_bounded, value[:MOST])] if isinstance(value, list | tuple) else value
