"""Messages and envelopes as JSON.

1. Texts, links and codes of large messages are read in a thread. They are kept for the messages that were asked for
   last.
2. Copies of a message share their raw bytes, so contents are kept under the name of the bytes.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict
from typing import Any, Final, TypeVar

from sirrchat_testkit.domain.events import Event, EventLog
from sirrchat_testkit.domain.models import Envelope
from sirrchat_testkit.errors import NotFound
from sirrchat_testkit.formatting import iso_milliseconds
from sirrchat_testkit.handles.message import ReceivedMessage, finish_loading, record_of
from sirrchat_testkit.mail.candidates import NotExactlyOne
from sirrchat_testkit.mail.mime import Attachment
from sirrchat_testkit.threads import apply

E = TypeVar("E", bound=Event)

KEPT: Final = 4_194_304
"""Characters of contents that are kept at most."""


class ShownMessages:
    """Makes the JSON of messages, and keeps the contents that were used last."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, tuple[dict[str, Any], int]] = OrderedDict()
        self._size = 0

    async def of_all(self, messages: Sequence[ReceivedMessage]) -> tuple[list[dict[str, Any]], int]:
        """Return ``messages`` as ``FoundMessage``, without deleted ones, and about how many characters they have."""
        shown: list[dict[str, Any]] = []
        size = 0
        for message in messages:
            with suppress(NotFound):
                contents, length = await self._contents(message)
                shown.append(_head(message) | contents)
                size += length
        return shown, size

    async def of(self, message: ReceivedMessage) -> tuple[dict[str, Any], int]:
        """Return ``message`` as a ``Message``, and about how many characters it has. Raises ``NotFound``."""
        contents, size = await self._contents(message)
        await finish_loading(message)
        more = await apply(_more, message, message.size)
        return _head(message) | contents | more, size + 1000 * len(more["headers"])

    async def _contents(self, message: ReceivedMessage) -> tuple[dict[str, Any], int]:
        blob = record_of(message).blob
        if blob in self._kept:
            self._kept.move_to_end(blob)
            return self._kept[blob]
        await finish_loading(message)
        contents = await apply(_contents, message, message.size)
        size = len(contents["text"]) + len(contents["html"]) + 200 * len(contents["links"])
        if blob not in self._kept and size <= KEPT:
            self._kept[blob] = contents, size
            self._size += size
            while self._size > KEPT:
                self._size -= self._kept.popitem(last=False)[1][1]
        return contents, size


def later_events(log: EventLog, after: int, kind: type[E]) -> Iterator[tuple[int, E]]:
    """Return the events of ``kind`` after number ``after`` that ``log`` still holds, each with its number."""
    return ((number, event) for number, event in log.numbered(after) if isinstance(event, kind))


def envelope_json(envelope: Envelope) -> dict[str, Any]:
    """Return ``envelope`` as an ``Envelope``."""
    shown = asdict(envelope)
    del shown["seq"], shown["blob"]
    return shown | {"received_at": iso_milliseconds(envelope.received_at)}


def _head(message: ReceivedMessage) -> dict[str, Any]:
    record = record_of(message)
    return {
        "id": record.id,
        "from": record.sender,
        "to": record.to,
        "recipient": record.recipient,
        "subject": record.subject,
        "received_at": iso_milliseconds(record.received_at),
        "seen": record.seen,
    }


def _contents(message: ReceivedMessage) -> dict[str, Any]:
    codes, links = message.codes, message.links
    return {
        "text": message.text,
        "html": message.html,
        "link": _only(message.link) if links else None,
        "code": codes[0] if len(codes) == 1 else None,  # as code(), without the text of its failure
        "links": [{"url": str(each), "text": each.text, "purpose": each.purpose} for each in links],
        "codes": codes,
    }


def _only(pick: Callable[[], str]) -> str | None:
    try:
        return str(pick())
    except NotExactlyOne:
        return None


def _more(message: ReceivedMessage) -> dict[str, Any]:
    headers = message.headers
    date = message.date
    return {
        "uid": message.uid,
        "message_id": message.message_id,
        "mail_from": message.mail_from,
        "cc": message.cc,
        "reply_to": message.reply_to,
        "date": date.isoformat(timespec="seconds") if date else None,
        "size": message.size,
        "flags": message.flags,
        "headers": [(name, value) for name in headers for value in headers.get_all(name)],
        "attachments": [*map(_file, range(len(message.attachments)), message.attachments)],
        "inline": [_file(number, each) for number, each in enumerate(message.inline, len(message.attachments))],
        "unsubscribe": {"urls": message.unsubscribe, "one_click": message.unsubscribe.one_click},
        "problems": message.problems,
        "envelope": envelope_json(message.envelope),
    }


def _file(number: int, file: Attachment) -> dict[str, Any]:
    return {"number": number, "name": file.name, "type": file.type, "size": file.size, "cid": file.cid}
