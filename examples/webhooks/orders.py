"""A shop's inbox: an aiohttp application that opens a ticket for each mail it is told of by webhook.

Webhooks are delivered at least once, and in no certain order. So the handler

1. believes nothing that is not signed with the shared secret,
2. does its work once for each ``webhook-id``, however often the call comes,
3. sorts by the moment that the body names, never by the moment of arrival.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field

from aiohttp import web

from sirrchat_testkit import WebhookNotVerified, verify_webhook

SECRET = web.AppKey("SECRET", str)


@dataclass(frozen=True)
class Ticket:
    """A customer's question."""

    at: str
    customer: str
    subject: str


@dataclass
class Desk:
    """The open tickets, by the id of the call that opened them."""

    _opened: dict[str, Ticket] = field(default_factory=dict)

    def open(self, call_id: str, ticket: Ticket) -> bool:
        """Open ``ticket`` unless this call has opened one already; return whether it did."""
        return self._opened.setdefault(call_id, ticket) is ticket

    @property
    def tickets(self) -> list[Ticket]:
        """The tickets, oldest mail first."""
        return sorted(self._opened.values(), key=lambda ticket: ticket.at)


DESK = web.AppKey("DESK", Desk)


async def told(request: web.Request) -> web.Response:
    """Take a call: 401 where it is not signed, 400 where it says nothing, else 200, also for the second time."""
    body = await request.read()
    try:
        call_id = verify_webhook(request.headers, body, request.app[SECRET])
    except WebhookNotVerified as error:
        return web.json_response({"error": str(error)}, status=401)
    try:
        said = json.loads(body)
        ticket = Ticket(said["timestamp"], said["data"]["from"], said["data"]["subject"])
    except (ValueError, KeyError, TypeError):
        return web.json_response({"error": "no email.received"}, status=400)
    return web.json_response({"received": True, "new": request.app[DESK].open(call_id, ticket)})


def create_app(secret: str) -> web.Application:
    """Return the application."""
    app = web.Application(client_max_size=1_048_576)
    app[SECRET] = secret
    app[DESK] = Desk()
    app.router.add_post("/mail", told)
    return app
