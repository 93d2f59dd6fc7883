"""The control API: messages, one by one and by search, and the long poll."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from aiohttp import web

from sirrchat_testkit.control.shown import ShownMessages, envelope_json
from sirrchat_testkit.control.state import keep_apart
from sirrchat_testkit.control.waiting import Searches
from sirrchat_testkit.domain.models import Envelope, Message
from sirrchat_testkit.domain.search import Search
from sirrchat_testkit.domain.transcript import Transcript
from sirrchat_testkit.errors import InvalidValue, NoSuchAddress, NotFound
from sirrchat_testkit.formatting import excerpt
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.handles.message import ReceivedMessage, record_of
from sirrchat_testkit.handles.remedies import FOR_CLIENTS
from sirrchat_testkit.http.pagination import cursor_position, encode_cursor
from sirrchat_testkit.http.parameters import Number, Parameter, Seconds
from sirrchat_testkit.http.style import answer, answer_large, checked, read_bytes, read_object, saved_as
from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.mail.compose import SENDER
from sirrchat_testkit.schemas import control as schemas

RAW: Final = "message/rfc822"

Q = Parameter(
    "q",
    'Terms, all of which must be met: `to:`, `from:`, `subject:` and `text:` with a word or `"some words"`, '
    "`has:attachment`, `is:unread`, `before:` and `after:` with a date or a time, plain words; `-` means the opposite.",
)
CONDITIONS: Final = (
    Parameter("to", "The recipient of the envelope, ignoring case; `*` and `?` are wildcards."),
    Parameter("from", "The address of From, ignoring case; `*` and `?` are wildcards."),
    Parameter("subject", "The whole subject."),
    Parameter("text", "A part of the plain text."),
    Parameter("since", "The earliest time of receipt, such as `2025-01-15T10:30:00Z`."),
    Q,
)
LIMIT = Number("limit", "How many messages to return.", 20, least=1, most=100)
COUNT = Number("count", "How many messages to wait for.", 1, least=1, most=100)
TIMEOUT = Seconds("timeout", "Seconds of real time to wait.", 10.0, most=600.0)
RECIPIENTS = Parameter(
    "to", "The recipient; repeat it for several.", {"type": "array", "items": {"type": "string"}}, required=True
)
FROM = Parameter("from", f"The sender of the envelope; empty for the null sender. Default: `{SENDER}`.")


class MessageViews:
    """The routes of messages."""

    def __init__(self, control: ServerControl) -> None:
        self._control = control
        self._services = control.services
        self._searches = Searches(control)
        self._shown = ShownMessages()

    async def search_messages(self, request: web.Request) -> web.Response:
        """Return the messages that meet all conditions, newest first, outgoing mail included.

        One request searches a bounded number of messages, so that a page can be short or empty although the search goes
        on at ``next_cursor``.
        """
        found = await self._searches.find(_search(request), LIMIT.read(request), cursor_position(request))
        shown, size = await self._shown.of_all(found.messages)
        cursor = None if found.before is None else encode_cursor(found.before)
        return await answer_large({"data": shown, "next_cursor": cursor}, size)

    async def wait_for_messages(self, request: web.Request) -> web.Response:
        """Wait until messages meet all conditions, and return them. Messages that were received before count too.

        If they do not arrive in time, the answer is 404 with the code ``timeout``; its text says why, and ``details``
        has ``near_misses``.
        """
        search, count, seconds = _search(request), COUNT.read(request), TIMEOUT.read(request)
        found = await self._searches.wait(search, count, seconds)
        shown, size = await self._shown.of_all(found)
        return await answer_large({"data": shown}, size)

    async def inject_message(self, request: web.Request) -> web.Response:
        """Store a message without SMTP, as if a client had sent it."""
        envelope = _envelope(request.query.getall("to", []), FROM.read(request))
        raw = await read_bytes(request, self._services.settings.value.max_message_size)
        try:
            stored = await self._services.delivery.deliver(envelope, raw)
        except NoSuchAddress as refusal:
            raise InvalidValue(f"{refusal}; {FOR_CLIENTS.make('')}", field="to") from None
        shown, size = await self._shown.of_all([self._control.received(each) for each in stored])
        made = await answer_large({"data": shown}, size)
        made.set_status(201)
        return made

    async def inspect_message(self, request: web.Request) -> web.Response:
        """Return a whole message. It stays unread."""
        shown, size = await self._shown.of(await self._message(request))
        return await answer_large(shown, size)

    async def mark_message(self, request: web.Request) -> web.Response:
        """Mark a message as read or unread, and return it."""
        message = await self._message(request)
        body = checked(schemas.MessageChanges, await read_object(request))
        changed = await self._services.folders.see(record_of(message), seen=body.seen)
        shown, size = await self._shown.of(self._control.received(changed))
        return await answer_large(shown, size)

    async def remove_message(self, request: web.Request) -> web.Response:
        """Delete a message."""
        await self._services.delivery.delete([record_of(await self._message(request))])
        return web.Response(status=204)

    async def remove_messages(self, request: web.Request) -> web.Response:
        """Delete the messages that meet all conditions, at least one of which is required."""
        search = _search(request)
        if not search.conditions:
            raise InvalidValue("a condition is required, such as q=to:ann: this protects all other messages", field="q")
        if search.recipient is None:
            keep_apart(self._services.settings.value, "deleting the mail of all users", "name the recipient with to")
        deleted: list[str] = []
        before: int | None = None
        while True:
            found = await self._searches.find(search, _DELETED, before)
            await self._services.delivery.delete([record_of(each) for each in found.messages])
            deleted += [each.id for each in found.messages]
            if found.before is None:
                return answer({"deleted": deleted})
            before = found.before

    async def get_raw_message(self, request: web.Request) -> web.Response:
        """Return the bytes of a message as they were received."""
        raw = await self._services.delivery.raw(record_of(await self._message(request)))
        return web.Response(body=raw, headers={"Content-Type": RAW})

    async def get_transcript(self, request: web.Request) -> web.Response:
        """Return the SMTP dialogue that delivered a message, without credentials.

        It is empty for an old message, after a restart, and for a message that did not arrive by SMTP.
        """
        message = record_of(await self._message(request))
        kept = self._services.sessions.transcripts.get(message.envelope)
        transcript = kept.transcript() if kept is not None else Transcript()
        lines = [{"at": each.at, "who": each.who, "text": each.text} for each in transcript]
        return answer({"lines": lines, "text": str(transcript)})

    async def get_envelope(self, request: web.Request) -> web.Response:
        """Return the SMTP envelope of a message."""
        return answer(envelope_json(await self._services.delivery.envelope(record_of(await self._message(request)))))

    async def get_attachment(self, request: web.Request) -> web.Response:
        """Return the bytes of a file, by its ``number`` in the message."""
        message = await self._message(request)
        files = await asyncio.to_thread(lambda: (*message.attachments, *message.inline))
        number = request.match_info["number"]
        if not number.isdecimal() or not number.isascii() or len(number) > _DIGITS or int(number) >= len(files):
            has = f"its last file is {len(files) - 1}" if files else "it has no files"
            raise NotFound(f"the message has no file {number}; {has}")
        file = files[int(number)]
        headers = {"Content-Type": "application/octet-stream", "X-Content-Type-Options": "nosniff"}
        return web.Response(body=file.content, headers=headers | saved_as(file.name or "attachment"))

    async def _message(self, request: web.Request) -> ReceivedMessage:
        message = await self._services.store.get(Message, id=request.match_info["message"])
        if message is None or not {message.account, message.address}.isdisjoint(
            await self._services.deletion.in_progress()
        ):
            raise NotFound("there is no message with this id; it may have been deleted")
        return self._control.received(message)


_DIGITS: Final = 6
_DELETED: Final = 100
"""Messages that are deleted in one commit."""


def _envelope(recipients: Sequence[str], sender: str | None) -> Envelope:
    """Return an envelope with addresses that SMTP accepts. Raises ``InvalidValue``."""
    if not recipients:
        raise InvalidValue("to is required: name the recipient", field="to")
    for each in recipients:
        if flaw := addressing.flaw(each):
            raise InvalidValue(f"to must be an e-mail address, not {excerpt(each)}: {flaw}", field="to", value=each)
    if sender and not addressing.is_local_part(sender) and (flaw := addressing.flaw(sender)):
        text = f"from must be an e-mail address, or empty for the null sender, not {excerpt(sender)}: {flaw}"
        raise InvalidValue(text, field="from", value=sender)
    return Envelope(id="", sender=SENDER if sender is None else sender, recipients=tuple(recipients))


def _search(request: web.Request) -> Search:
    conditions = {each.name: each.read(request) for each in CONDITIONS}
    q = conditions.pop("q")
    return Search(q or "", **conditions)
