"""A message in all its views, its body and files, and what can be done with it.

1. Contents are read in a thread. A message that is opened becomes read.
2. A view is a URL of its own; so are the body, each file and the raw message.
3. Files are downloaded, never shown, so that no file can act as a page of this server.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

from aiohttp import web

from sirrchat_testkit.domain.events import DeliveryAttempted
from sirrchat_testkit.domain.models import ApiKey, Delivery, Message, Webhook
from sirrchat_testkit.errors import InvalidValue, NotFound
from sirrchat_testkit.formatting import counted
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.handles.message import ReceivedMessage, finish_loading
from sirrchat_testkit.handles.viewing import stem
from sirrchat_testkit.http.pages import HEADERS, PREFIX, lead
from sirrchat_testkit.http.style import saved_as
from sirrchat_testkit.mail.mime import Attachment
from sirrchat_testkit.schemas.webhook_events import FAILED, PENDING
from sirrchat_testkit.web.body import body, listed
from sirrchat_testkit.web.inbox import InboxPages
from sirrchat_testkit.web.layout import Layout
from sirrchat_testkit.web.mailbox import filter_of, message_of
from sirrchat_testkit.web.render import page, read_number
from sirrchat_testkit.web.rows import candidates_of, summary

VIEWS: Final[Mapping[str, str]] = {
    "html": "HTML",
    "text": "Text",
    "headers": "Headers",
    "source": "Source",
    "attachments": "Attachments",
    "links": "Links and codes",
    "envelope": "Envelope",
    "smtp": "SMTP",
    "webhooks": "Webhooks",
}
"""The views of a message, with their names."""

WIDTHS: Final = {"phone": "Phone", "tablet": "Tablet", "": "Full"}
SCHEMES: Final = {"": "Light", "dark": "Dark", "inverted": "Inverted"}

_SOURCE: Final = 262_144
"""Bytes of the source that are shown."""

_TEXT: Final = 524_288
"""Characters of the text that are shown."""


class Tab(NamedTuple):
    """A view in the bar of views; ``alarm`` says what is wrong in it, or is empty."""

    id: str
    name: str
    number: int = 0
    alarm: str = ""


class Attempt(NamedTuple):
    """An attempt of a webhook delivery; ``request`` and ``response`` are empty if they are no longer known."""

    number: int
    at: int
    status: int | None
    error: str
    duration: int
    request: str
    response: str


class Call(NamedTuple):
    """A webhook delivery that reports the message."""

    delivery: Delivery
    url: str
    attempts: Sequence[Attempt]


class MessagePages:
    """The views of a message."""

    def __init__(self, control: ServerControl, layout: Layout, inbox: InboxPages) -> None:
        self._control = control
        self._services = control.services
        self._layout = layout
        self._inbox = inbox

    async def show(self, request: web.Request, visitor: ApiKey, message: str, view: str = "") -> web.Response:
        """Show a view of a message: the HTML, or the text if there is none, unless another is named."""
        if view and view not in VIEWS:
            raise NotFound(f"there is no view {view!r} of a message")
        record = await self._services.folders.see(await message_of(self._control, visitor, message))
        opened = self._control.received(record)
        await finish_loading(opened)
        calls = await self._calls(record, visitor)
        beside = await self._inbox.beside(request, visitor)
        query = request.query
        choice = {
            "width": query.get("width", "") if query.get("width") in WIDTHS else "",
            "scheme": query.get("scheme", "") if query.get("scheme") in SCHEMES else "",
            "images": "1" if query.get("images") == "1" else "",
        }
        data = await asyncio.to_thread(_contents, opened, view, choice)
        data |= {"calls": calls, "choice": choice, "widths": WIDTHS, "schemes": SCHEMES, "record": record}
        data["tabs"] = _tabs(opened, data, calls)
        data["shown_url"] = lambda path="", **more: beside["shown"].link(
            f"{PREFIX}/mail/{record.id}{path}", before=beside["before"], **more
        )
        return await self._layout.page("message", request, visitor, at="mail", opened=record.id, **beside, **data)

    async def show_body(self, request: web.Request, visitor: ApiKey, message: str) -> web.Response:
        """Return the HTML of a message for its frame."""
        opened = await self._loaded(visitor, message)
        scheme = request.query.get("scheme", "")
        images = request.query.get("images") == "1"
        made = await asyncio.to_thread(
            lambda: body(opened.html, (*opened.inline, *opened.attachments), scheme=scheme, images=images)
        )
        return page(made.page, policy=made.policy)

    async def download(self, _request: web.Request, visitor: ApiKey, message: str) -> web.Response:
        """Return the raw message as a file."""
        opened = await self._loaded(visitor, message)
        return file(opened.raw, f"{stem(opened)}.eml", "message/rfc822")

    async def download_file(self, _request: web.Request, visitor: ApiKey, message: str, number: str) -> web.Response:
        """Return an attached or inline file."""
        opened = await self._loaded(visitor, message)
        files = await asyncio.to_thread(lambda: (*opened.attachments, *opened.inline))
        index = read_number(number)
        if index is None or index >= len(files):
            raise NotFound(f"the message has no file {number}")
        chosen = files[index]
        return file(chosen.content, chosen.name or "attachment", "application/octet-stream")

    async def redeliver(self, request: web.Request, visitor: ApiKey, message: str) -> web.StreamResponse:
        """Attempt a webhook delivery again and show the deliveries."""
        record = await message_of(self._control, visitor, message)
        wanted = str((await request.post()).get("delivery", ""))
        delivery = await self._services.store.get(Delivery, id=wanted)
        if delivery is None or delivery.message != record.id or not _may_see(delivery, visitor):
            raise NotFound("there is no such delivery of this message")
        webhook = await self._services.store.get(Webhook, id=delivery.webhook)
        if webhook is None:
            raise InvalidValue("the webhook was deleted")
        await self._services.webhooks.redeliver(webhook, delivery.id)
        path = f"{PREFIX}/mail/{record.id}/webhooks"
        return lead(filter_of(request, visitor).link(path))

    async def _loaded(self, visitor: ApiKey, message: str) -> ReceivedMessage:
        opened = self._control.received(await message_of(self._control, visitor, message))
        await finish_loading(opened)
        return opened

    async def _calls(self, record: Message, visitor: ApiKey) -> list[Call]:
        """Return the webhook deliveries that report ``record``, the latest first."""
        store = self._services.store
        deliveries = await store.find(Delivery, {"message": record.id}, newest=True)
        if not deliveries:
            return []
        attempted = {
            (each.delivery, each.number): each
            for each in self._services.events.held()
            if isinstance(each, DeliveryAttempted)
        }
        made = []
        for each in deliveries:
            if _may_see(each, visitor):
                webhook = await store.get(Webhook, id=each.webhook)
                made.append(Call(each, webhook.url if webhook else "", _attempts(each, attempted)))
        return made


def _may_see(delivery: Delivery, visitor: ApiKey) -> bool:
    return visitor.role == "admin" or delivery.account == visitor.account


def _attempts(delivery: Delivery, attempted: Mapping[tuple[str, int], DeliveryAttempted]) -> list[Attempt]:
    made = []
    for number, each in enumerate(delivery.attempts, 1):
        event = attempted.get((delivery.id, number))
        error = (event.reason if event else "") or each["error"] or ""
        request, response = (event.request, event.response) if event else ("", "")
        made.append(Attempt(number, each["at"], each["http_status"], error, each["duration_ms"], request, response))
    return made[::-1]


def _contents(message: ReceivedMessage, view: str, choice: Mapping[str, str]) -> dict[str, Any]:
    """Return what the page shows of a message's contents. Runs in a thread."""
    view = view or ("html" if message.html else "text")
    codes, links = candidates_of(message)
    found = summary(message, codes, links)
    data: dict[str, Any] = {"message": message, "view": view, "found": found, "codes": codes, "links": links}
    data["as_test"] = _as_test(message, data["found"])
    more = _MORE.get(view)
    return data if more is None else data | more(message, choice)


def _of_html(message: ReceivedMessage, choice: Mapping[str, str]) -> dict[str, Any]:
    files = (*message.inline, *message.attachments)
    made = body(message.html, files, images=bool(choice["images"]))
    return {"blocked": listed(made.blocked), "blocked_count": len(made.blocked), "is_cut": made.is_cut}


def _of_text(message: ReceivedMessage, _choice: Mapping[str, str]) -> dict[str, Any]:
    return {"text": message.text[:_TEXT], "is_cut": len(message.text) > _TEXT}


def _of_headers(message: ReceivedMessage, _choice: Mapping[str, str]) -> dict[str, Any]:
    headers = message.headers
    return {"headers": [(name, value) for name in headers for value in headers.get_all(name)]}


def _of_source(message: ReceivedMessage, _choice: Mapping[str, str]) -> dict[str, Any]:
    raw = message.raw
    text = raw[:_SOURCE].decode("utf-8", "backslashreplace").replace("\r\n", "\n")
    return {"source": text, "is_cut": len(raw) > _SOURCE}


def _of_attachments(message: ReceivedMessage, _choice: Mapping[str, str]) -> dict[str, Any]:
    files: list[tuple[int, Attachment, bool]] = [
        *((number, each, False) for number, each in enumerate(message.attachments)),
        *((number, each, True) for number, each in enumerate(message.inline, len(message.attachments))),
    ]
    return {"files": files}


def _of_envelope(message: ReceivedMessage, _choice: Mapping[str, str]) -> dict[str, Any]:
    named = {each.lower() for each in (*message.to, *message.cc)}
    return {"named": named}


_MORE: Final[Mapping[str, Callable[[ReceivedMessage, Mapping[str, str]], dict[str, Any]]]] = {
    "html": _of_html,
    "text": _of_text,
    "headers": _of_headers,
    "source": _of_source,
    "attachments": _of_attachments,
    "envelope": _of_envelope,
    "smtp": lambda message, _choice: {"transcript": message.transcript},
}
"""What a view needs in addition."""


def _tabs(message: ReceivedMessage, data: Mapping[str, Any], calls: Sequence[Call]) -> list[Tab]:
    """Return the views that the message has."""
    refused = len(message.envelope.refused)
    failing = sum(
        each.delivery.status == FAILED or (each.delivery.status == PENDING and bool(each.attempts)) for each in calls
    )
    counts = {
        "attachments": len(message.attachments) + len(message.inline),
        "links": len(data["links"]) + sum(each.kept for each in data["codes"]),
        "webhooks": len(calls),
    }
    alarms = {
        "envelope": f"{counted(refused, 'recipient')} refused" if refused else "",
        "webhooks": f"{failing} failing" if failing else "",
    }
    left_out = {
        "html": not message.html,
        "attachments": not counts["attachments"],
        "smtp": not message.transcript,
        "webhooks": not calls,
    }
    return [
        Tab(each, name, counts.get(each, 0), alarms.get(each, ""))
        for each, name in VIEWS.items()
        if not left_out.get(each) or each == data["view"]
    ]


def _as_test(message: ReceivedMessage, found: Any) -> str:
    """Return Python that waits for the message in a test."""
    lines = [f"message = inbox.receive(subject={message.subject!r})"]
    if found.code:
        lines.append(f"assert message.code() == {found.code!r}")
    if found.link:
        lines.append(
            f"client.get(message.link({found.label!r}).path)" if found.label else "client.get(message.link().path)"
        )
    return "\n".join(lines)


def attached(name: str) -> dict[str, str]:
    """Return the headers of a file that is saved as ``name``, and never shown."""
    return saved_as(name) | {"Content-Security-Policy": "sandbox; default-src 'none'"}


def file(content: bytes, name: str, media: str) -> web.Response:
    """Return ``content`` as a file that is saved as ``name``."""
    return web.Response(body=content, headers={**HEADERS, **attached(name), "Content-Type": media})
