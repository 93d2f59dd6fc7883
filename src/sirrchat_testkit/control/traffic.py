"""The control API: what clients did, and what became of it: connections, envelopes, refusals and webhook deliveries."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from aiohttp import web

from sirrchat_testkit.control.changes import concern_of
from sirrchat_testkit.control.shown import envelope_json, later_events
from sirrchat_testkit.control.state import AFTER
from sirrchat_testkit.domain.deletion import textless
from sirrchat_testkit.domain.events import DeliveryAttempted, RecipientRefused
from sirrchat_testkit.domain.models import Delivery, Envelope, Webhook
from sirrchat_testkit.formatting import iso_milliseconds
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.handles.feed import run
from sirrchat_testkit.http.pagination import FETCHED, cursor_position, split_page
from sirrchat_testkit.http.parameters import Number, Parameter
from sirrchat_testkit.http.style import answer, answer_large
from sirrchat_testkit.schemas.webhook_events import PENDING

OPENED_AFTER = Number("after", "Only connections with a higher number.", 0, least=0)
WEBHOOK = Parameter("webhook", "Only deliveries to the webhook with this id.")


class TrafficViews:
    """The routes of connections, envelopes, refusals and deliveries."""

    def __init__(self, control: ServerControl) -> None:
        self._control = control
        self._services = control.services

    async def list_sessions(self, request: web.Request) -> web.Response:
        """Return the SMTP connections that are open or were closed recently, oldest first, with their dialogues."""
        concern = concern_of(self._control, request)
        known = self._services.sessions.known(max(OPENED_AFTER.read(request), self._control.start.connections))
        shown: list[dict[str, Any]] = [
            {
                "number": each.number,
                "peer": each.peer,
                "ehlo": each.ehlo,
                "login": each.login,
                "tls": each.tls,
                "sender": each.sender,
                "recipients": each.recipients,
                "busy": each.busy,
                "delivered": each.delivered,
                "closed": each.closed,
                "transcript": str(each.transcript),
            }
            for each in known
            if await concern.includes_session(each)
        ]
        return await answer_large({"data": shown}, sum(len(each["transcript"]) for each in shown))

    async def list_envelopes(self, request: web.Request) -> web.Response:
        """Return the SMTP envelopes of the stored messages, newest first."""
        store, before = self._services.store, cursor_position(request)
        page, cursor = split_page(await store.find(Envelope, before=before, newest=True, limit=FETCHED))
        return answer({"data": [*map(envelope_json, page)], "next_cursor": cursor})

    async def list_refusals(self, request: web.Request) -> web.Response:
        """Return the recipients that were refused, oldest first, each with the nearest existing address."""
        after = max(AFTER.read(request), self._control.start.event)
        found = [*later_events(self._services.events, after, RecipientRefused)]
        events = [event for _, event in found]
        thread = self._control.thread
        refusals = await asyncio.to_thread(run, thread, lambda _: self._control.diagnostics.refusals(events))
        shown = [
            {
                "id": number,
                "at": iso_milliseconds(event.at),
                "recipient": each.recipient,
                "sender": each.sender,
                "code": each.code,
                "reason": each.reason,
                "scope": each.scope,
                "nearest": each.nearest,
            }
            for (number, event), each in zip(found, refusals, strict=True)
        ]
        return answer({"data": shown})

    async def list_all_deliveries(self, request: web.Request) -> web.Response:
        """Return the webhook deliveries of both APIs, newest first, with every attempt."""
        store, webhook = self._services.store, WEBHOOK.read(request)
        accounts = concern_of(self._control, request).accounts
        where = {} if webhook is None else {"webhook": webhook}
        found = await store.find(
            Delivery,
            where,
            (lambda each: each.account in accounts) if accounts else None,
            before=cursor_position(request),
            newest=True,
            limit=FETCHED,
        )
        page, cursor = split_page(found)
        deleted = await self._services.deletion.in_progress()
        attempted = {
            (each.delivery, each.number): each
            for each in self._services.events.held()
            if isinstance(each, DeliveryAttempted)
        }
        shown = []
        for each in page:
            if each.account not in deleted:
                to = await store.get(Webhook, id=each.webhook)
                current = replace(each, **textless(each)) if each.webhook in deleted else each
                shown.append(_delivery_json(current, to.url if to else "", attempted))
        size = sum(len(each["body"] or "") for each in shown)
        return await answer_large({"data": shown, "next_cursor": cursor}, size)


def _delivery_json(
    delivery: Delivery, url: str, attempted: Mapping[tuple[str, int], DeliveryAttempted]
) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "webhook": delivery.webhook,
        "url": url,
        "event": delivery.event,
        "message": delivery.message,
        "status": delivery.status,
        "body": delivery.request_body,
        "due_at": iso_milliseconds(delivery.due_at) if delivery.due_at and delivery.status == PENDING else None,
        "attempts": [
            _attempt_json(each, attempted.get((delivery.id, number)))
            for number, each in enumerate(delivery.attempts, 1)
        ],
    }


def _attempt_json(attempt: Mapping[str, Any], event: DeliveryAttempted | None) -> dict[str, Any]:
    return {
        "at": iso_milliseconds(attempt["at"]),
        "status": attempt["http_status"],
        "error": attempt["error"],
        "reason": event.reason if event else "",
        "duration": attempt["duration_ms"] / 1000,
        "request": event.request if event else "",
        "response": event.response if event else "",
    }
