"""The page of planned faults and of the clock.

1. A fault is planned as by the control API (``control.faults``): the same verbs, conditions and refusals.
2. On a server that others use too (the setting ``shared``), what would affect them is refused with the remedy.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from aiohttp import web

from sirrchat_testkit.control.faults import FaultViews
from sirrchat_testkit.control.state import keep_apart
from sirrchat_testkit.domain import events
from sirrchat_testkit.domain.models import ApiKey, Delivery, Webhook
from sirrchat_testkit.durations import read_duration
from sirrchat_testkit.errors import InvalidValue, NotFound, TestkitError
from sirrchat_testkit.formatting import in_utc, milliseconds
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.http.pages import PREFIX, lead
from sirrchat_testkit.http.style import checked, status_of
from sirrchat_testkit.schemas import control as schemas
from sirrchat_testkit.schemas.webhook_events import PENDING
from sirrchat_testkit.web.layout import Layout, LivePart

_FOREVER: Final = 2**53
_DUE: Final = 6
"""What is due next, at most."""


class Effect(NamedTuple):
    """What a fault can do, in the form.

    Attributes:
        protocol: Whose fault it is.
        verb: The verb of the handle.
        label: What it does.
        parameters: The parameter of the verb for each field of the form.
    """

    protocol: str
    verb: str
    label: str
    parameters: Mapping[str, str]

    @property
    def id(self) -> str:
        """The value in the form."""
        return f"{self.protocol}.{self.verb}"

    @property
    def fields(self) -> str:
        """The names of the fields that it takes; the style hides the others."""
        conditions = (field for field, names in _CONDITIONS.items() if self.protocol in names)
        stage = ("stage",) if self.protocol in STAGES else ()
        return " ".join((*self.parameters, *stage, *conditions))


EFFECTS: Final = (
    Effect("smtp", "reject", "reject with a reply", {"code": "code", "text": "text"}),
    Effect("smtp", "delay", "delay the reply", {"seconds": "seconds"}),
    Effect("smtp", "drop", "close the connection", {}),
    Effect("smtp", "greylist", "greylist", {"seconds": "wait"}),
    Effect("smtp", "lose", "accept, and lose the message", {}),
    Effect("smtp", "limit_size", "limit the size", {"bytes": "bytes"}),
    Effect("smtp", "throttle", "limit messages per minute", {"per_minute": "per_minute", "code": "code"}),
    Effect("smtp", "trickle", "send the reply slowly", {"seconds": "seconds"}),
    Effect("webhook", "delay", "delay the call", {"seconds": "seconds"}),
    Effect("webhook", "duplicate", "call twice", {}),
    Effect("webhook", "reorder", "call in another order", {}),
    Effect("webhook", "corrupt_signature", "sign wrongly", {}),
    Effect("webhook", "stale_timestamp", "sign with an old time", {}),
    Effect("webhook", "malformed_json", "send malformed JSON", {}),
    Effect("webhook", "wrong_content_type", "send a wrong content type", {}),
    Effect("webhook", "huge_body", "send a huge body", {}),
    Effect("rest", "refuse", "answer with an error", {"code": "status", "text": "text"}),
    Effect("rest", "delay", "delay the answer", {"seconds": "seconds"}),
    Effect("rest", "drop", "close the connection", {}),
    Effect("rest", "malformed_json", "answer with malformed JSON", {}),
    Effect("rest", "wrong_content_type", "answer with a wrong content type", {}),
)
STAGES: Final = {
    "smtp": ("connect", "ehlo", "auth", "mail", "rcpt", "data", "end"),
    "rest": ("request", "response"),
}
_CONDITIONS: Final = {
    "recipient": {"smtp": "recipient", "webhook": "recipient"},
    "sender": {"smtp": "mail_from", "webhook": "sender"},
    "place": {"webhook": "url", "rest": "path"},
}
"""The condition of each protocol for each field of the form."""


class FaultPages:
    """The views of faults and the clock."""

    def __init__(self, control: ServerControl, layout: Layout) -> None:
        self._services = control.services
        self._layout = layout
        self._faults = FaultViews(control)
        self.live = LivePart(
            (events.FaultFired, events.ClockMoved, events.DeliveryAttempted, events.DeliveryRequested), self._parts
        )

    async def show(self, request: web.Request, visitor: ApiKey) -> web.Response:
        """Show what is planned, and what is due next."""
        return await self._show(request, visitor, {})

    async def plan(self, request: web.Request, visitor: ApiKey) -> web.StreamResponse:
        """Plan the fault of the form; with a wrong field, show the form again."""
        fields = {name: str(value).strip() for name, value in (await request.post()).items()}
        try:
            self._faults.plan(checked(schemas.NewFault, _wanted(fields)))
        except TestkitError as error:
            return await self._show(request, visitor, fields, str(error), status_of(error))
        return lead(f"{PREFIX}/faults")

    async def remove(self, request: web.Request, _visitor: ApiKey) -> web.StreamResponse:
        """Remove a fault, or all."""
        wanted = str((await request.post()).get("fault", ""))
        registry = self._services.faults
        if wanted == "all":
            keep_apart(self._services.settings.value, "removing all faults", "remove yours one by one")
            registry.cancel(*registry.all())
        else:
            found = [each for each in registry.all() if str(each.number) == wanted]
            if not found:
                raise NotFound("there is no such fault")
            registry.cancel(*found)
        return lead(f"{PREFIX}/faults")

    async def move_clock(self, request: web.Request, _visitor: ApiKey) -> web.StreamResponse:
        """Freeze, advance, move or resume the clock."""
        keep_apart(self._services.settings.value, "moving the clock")
        form, clock = await request.post(), self._services.clock
        action, value = str(form.get("action", "")), str(form.get("value", "")).strip()
        if action == "freeze":
            clock.freeze()
        elif action == "resume":
            clock.resume()
        elif action == "advance":
            move = checked(schemas.ClockMove, {"action": action, "seconds": _duration(value)})
            await clock.advance(round((move.seconds or 0) * 1000))
        elif action == "move_to":
            await clock.move_to(_moment(value))
        else:
            raise InvalidValue("action must be freeze, resume, advance or move_to")
        return lead(f"{PREFIX}/faults")

    async def _show(
        self, request: web.Request, visitor: ApiKey, fields: Mapping[str, str], problem: str = "", status: int = 200
    ) -> web.Response:
        data: dict[str, Any] = {
            "effects": EFFECTS,
            "stages": STAGES,
            "fields": {"effect": "smtp.reject", "stage": "rcpt", **fields},
            "problem": problem,
            **await self._state(),
        }
        return await self._layout.page("faults", request, visitor, at="faults", status=status, **data)

    async def _parts(self, visitor: ApiKey) -> Mapping[str, str]:
        """Return what changes by itself on an open page."""
        state = await self._state()
        names = ("clock", "due", "planned")
        return {f"#{name}": self._layout.part(f"faults-{name}", visitor, **state) for name in names}

    async def _state(self) -> dict[str, Any]:
        return {
            "planned": self._services.faults.all(),
            "due": await self._due(),
            "shared": self._services.settings.value.shared,
        }

    async def _due(self) -> list[tuple[int, str]]:
        """Return what the clock will cause next: in how many milliseconds, and what."""
        services, now = self._services, self._services.clock.now()
        due = [
            (each.expires_at - now, f"{each.text} expires")
            for each in await services.store.expired(_FOREVER, limit=4 * _DUE)
            if each.expires_at > now
        ]
        for each in await services.store.find(Delivery, {"status": PENDING}, limit=4 * _DUE):
            webhook = await services.store.get(Webhook, id=each.webhook)
            if each.due_at > now and webhook is not None:
                due.append((each.due_at - now, f"{each.event} to {webhook.url}, try {len(each.attempts) + 1}"))
        return sorted(due)[:_DUE]


def _wanted(fields: Mapping[str, str]) -> dict[str, Any]:
    """Return the body of the control API for a form, without the fields that the effect does not take.

    Raises ``InvalidValue``.
    """
    chosen = next((each for each in EFFECTS if each.id == fields.get("effect")), None)
    if chosen is None:
        raise InvalidValue("choose what the fault does")
    effect: dict[str, Any] = {"name": chosen.verb}
    for field, name in chosen.parameters.items():
        if value := fields.get(field, ""):
            effect[name] = value if field == "text" else _number(field, value)
    match = {
        names[chosen.protocol]: fields[field]
        for field, names in _CONDITIONS.items()
        if chosen.protocol in names and fields.get(field)
    }
    body: dict[str, Any] = {"protocol": chosen.protocol, "effect": effect, "match": match}
    if fields.get("stage") in STAGES.get(chosen.protocol, ()):
        body["stage"] = fields["stage"]
    if fields.get("times"):
        body["times"] = _number("times", fields["times"])
    return body


def _number(field: str, text: str) -> float | int:
    if field == "seconds":
        return _duration(text)
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(_FOREVER))):
        raise InvalidValue(f"{field} must be a whole number, not {text!r}")
    return int(text)


def _duration(text: str) -> float:
    try:
        return read_duration(text)
    except ValueError as error:
        raise InvalidValue(f"{text!r} is not a duration such as 90s, 5m or 1h30m") from error


def _moment(text: str) -> int:
    try:
        return milliseconds(in_utc(text))
    except ValueError:
        raise InvalidValue(f"{text!r} is not a time such as 2030-01-31T12:00") from None
