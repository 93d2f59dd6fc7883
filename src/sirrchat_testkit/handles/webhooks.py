"""A test's side of the sender: webhooks that it makes, and what became of the deliveries."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, ClassVar, TypeVar

from sirrchat_testkit.domain.events import DeliveryAttempted
from sirrchat_testkit.domain.models import ApiKey, Delivery, Webhook
from sirrchat_testkit.domain.services import Backend
from sirrchat_testkit.domain.webhooks import EVENTS, PUSH, WebhookEvent
from sirrchat_testkit.errors import InvalidValue
from sirrchat_testkit.formatting import counted
from sirrchat_testkit.handles.feed import Steps, pull_records, run
from sirrchat_testkit.records import record
from sirrchat_testkit.signing import key_of
from sirrchat_testkit.suggestions import Hints
from sirrchat_testkit.threads import LoopThread

__tracebackhide__ = True

T = TypeVar("T")

_URL = re.compile(r"https?://[^/\s]+", re.IGNORECASE)


@record
class WebhookAttempt:
    """One call of a delivery; ``at`` is the kit's time, ``duration`` seconds of real time.

    ``status`` is None without an answer, ``error`` None where there was none, ``reason`` says it in words. ``request``
    and ``response`` are the heads as text, empty where the event log holds them no more.
    """

    at: datetime
    status: int | None
    error: str | None
    duration: float
    reason: str = ""
    request: str = ""
    response: str = ""


class WebhookDelivery(Hints):
    """One event on its way to one webhook, as it was when it was asked for."""

    _guesses: ClassVar[Mapping[str, str]] = {
        "state": "status",
        "payload": "json",
        "tries": "attempts",
        "retry": "redeliver",
    }

    url: str
    attempts: list[WebhookAttempt]

    def __init__(self, control: WebhookControl, record: Delivery, url: str, attempts: Sequence[WebhookAttempt]) -> None:
        self._control = control
        self._record = record
        self.url = url
        self.attempts = list(attempts)

    @property
    def id(self) -> str:
        """The ``webhook-id`` of every call."""
        return self._record.id

    @property
    def event(self) -> str:
        """What it tells of."""
        return self._record.event

    @property
    def status(self) -> str:
        """``pending``, ``delivered``, ``failed`` or ``cancelled``."""
        return self._record.status

    @property
    def body(self) -> bytes:
        """What every call sends."""
        return self._record.request_body.encode()

    @property
    def json(self) -> Any:
        """The body as JSON."""
        return json.loads(self._record.request_body)

    @property
    def due_at(self) -> datetime | None:
        """When the next attempt is due, on the kit's clock; None for at once or never."""
        return _moment(self._record.due_at) if self._record.due_at and self.status == "pending" else None

    def redeliver(self) -> None:
        """Attempt it again: the same id, the same body. Raises ``Conflict`` where the webhook is disabled."""
        self._control.redeliver(self._record)

    def __repr__(self) -> str:
        return f"<WebhookDelivery {self.event} to {self.url} {self.status}, {counted(len(self.attempts), 'attempt')}>"


class WebhookHandle(Hints):
    """A webhook that a test made."""

    _guesses: ClassVar[Mapping[str, str]] = {"remove": "delete", "stop": "disable", "calls": "deliveries"}

    def __init__(self, control: WebhookControl, record: Webhook) -> None:
        self._control = control
        self._record = record

    @property
    def id(self) -> str:
        """Its id, the same as over the REST API."""
        return self._record.id

    @property
    def url(self) -> str:
        """Where calls go."""
        return self._record.url

    @property
    def events(self) -> tuple[str, ...]:
        """What it is told of."""
        return self._record.events

    @property
    def secret(self) -> str:
        """What calls are signed with; empty where they are not."""
        return self._record.secret

    @property
    def deliveries(self) -> list[WebhookDelivery]:
        """What was sent there, or is to be, oldest first."""
        return self._control.deliveries(self.id)

    def update(
        self,
        *,
        url: str | None = None,
        events: Sequence[WebhookEvent] | None = None,
        secret: str | None = None,
        enabled: bool | None = None,
    ) -> None:
        """Change what is given."""
        changes = {"url": url, "events": events, "secret": secret, "enabled": enabled}
        given = {name: each for name, each in changes.items() if each is not None}
        self._record = self._control.update(self._record, **given)

    def disable(self) -> None:
        """Tell it nothing more; what is pending is cancelled."""
        self.update(enabled=False)

    def enable(self) -> None:
        """Tell it of mail that comes from now on."""
        self.update(enabled=True)

    def delete(self) -> None:
        """Delete it; what is pending is cancelled."""
        self._control.delete(self._record)

    def __repr__(self) -> str:
        return f"<WebhookHandle {', '.join(self.events)} to {self.url}>"


class WebhookControl:
    """Where handles ask about webhooks, whatever thread they run in."""

    def __init__(self, thread: LoopThread, backend: Backend, own_key: Callable[[], str]) -> None:
        self._thread = thread
        self._backend = backend
        self._own_key = own_key

    def add(self, url: str, events: Sequence[str] | None, secret: str | None) -> WebhookHandle:
        """Make a webhook for everybody's mail, or the push of the scope's own addresses."""
        _check_url(url)
        names = _events(events)
        key_of(secret or "")
        if names == (PUSH,):
            if secret:
                raise InvalidValue("calls of new_message are never signed: leave the secret out", field="secret")
            own_key = self._own_key()
            return WebhookHandle(self, self._thread.call(self._set_push(own_key, url)))
        return WebhookHandle(self, self._thread.call(self._add(url, names, secret or "")))

    def deliveries(self, webhook: str | None = None) -> list[WebhookDelivery]:
        """Return the deliveries of ``webhook``, or all, oldest first."""
        return run(self._thread, lambda _: self._deliveries(webhook))

    def update(self, webhook: Webhook, **changes: Any) -> Webhook:
        """Change a webhook."""
        if "url" in changes:
            _check_url(changes["url"])
        return self._thread.call(self._update(webhook, changes))

    def delete(self, webhook: Webhook) -> None:
        """Delete a webhook."""
        self._thread.call(self._backend.webhooks.delete(webhook))

    def redeliver(self, delivery: Delivery) -> None:
        """Set a delivery pending again."""
        self._thread.call(self._redeliver(delivery))

    async def _add(self, url: str, events: tuple[str, ...], secret: str) -> Webhook:
        admin = await self._backend.accounts.of(f"admin@{self._backend.settings.value.domains[0]}")
        key = ApiKey(id="", account=admin.id, role="admin", key_hash="", created_at=0)
        return await self._backend.webhooks.add(key, url, events, secret)

    async def _set_push(self, own_key: str, url: str) -> Webhook:
        key = await self._backend.keys.find(own_key)
        assert key is not None
        await self._backend.webhooks.set_push(key.account, url, enabled=True)
        made = await self._backend.webhooks.push_of(key.account)
        assert made is not None
        return made

    async def _update(self, webhook: Webhook, changes: dict[str, Any]) -> Webhook:
        current = await self._backend.store.get(Webhook, id=webhook.id) or webhook
        return await self._backend.webhooks.update(current, **changes)

    async def _redeliver(self, delivery: Delivery) -> None:
        webhook = await self._backend.store.get(Webhook, id=delivery.webhook)
        if webhook is None:
            raise InvalidValue("the webhook was deleted")
        await self._backend.webhooks.redeliver(webhook, delivery.id)

    def _deliveries(self, webhook: str | None) -> Steps[list[WebhookDelivery]]:
        store, where = self._backend.store, {} if webhook is None else {"webhook": webhook}
        heads = {
            (each.delivery, each.number): each
            for each in self._backend.events.held()
            if isinstance(each, DeliveryAttempted)
        }
        webhooks = yield from pull_records(lambda after, limit: store.find(Webhook, after=after, limit=limit))
        urls = {each.id: each.url for each in webhooks}
        records = yield from pull_records(lambda after, limit: store.find(Delivery, where, after=after, limit=limit))
        return [
            WebhookDelivery(
                self,
                record,
                urls.get(record.webhook, ""),
                [_attempt(each, heads.get((record.id, number))) for number, each in enumerate(record.attempts, 1)],
            )
            for record in records
        ]


def _check_url(url: object) -> None:
    if not isinstance(url, str) or not _URL.match(url):
        raise InvalidValue(f"url takes one such as http://127.0.0.1:8000/hook, not {url!r}", field="url", value=url)


def _events(events: Sequence[str] | None) -> tuple[str, ...]:
    names = EVENTS if events is None else (events,) if isinstance(events, str) else tuple(events)
    if names != (PUSH,) and not (names and set(names) <= set(EVENTS)):
        raise InvalidValue(f"events takes some of {', '.join(EVENTS)}, or {PUSH} alone, not {events!r}", field="events")
    return names


def _attempt(entry: Any, event: DeliveryAttempted | None) -> WebhookAttempt:
    reason, request, response = (event.reason, event.request, event.response) if event else ("", "", "")
    moment, duration = _moment(entry["at"]), entry["duration_ms"] / 1000
    return WebhookAttempt(
        at=moment,
        status=entry["http_status"],
        error=entry["error"],
        duration=duration,
        reason=reason,
        request=request,
        response=response,
    )


def _moment(at: int) -> datetime:
    return datetime.fromtimestamp(at / 1000, UTC)
