"""Webhooks that a test makes, and their deliveries."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, ClassVar, TypeVar

from sirrchat_testkit.domain.deletion import textless
from sirrchat_testkit.domain.events import DeliveryAttempted
from sirrchat_testkit.domain.models import Delivery, Webhook
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.errors import InvalidValue, NotFound
from sirrchat_testkit.formatting import counted, utc
from sirrchat_testkit.handles.feed import Steps, pull_records, run
from sirrchat_testkit.records import record
from sirrchat_testkit.schemas.webhook_events import NEW_MESSAGE, PENDING, SIRRCHAT_EVENTS, WebhookEvent
from sirrchat_testkit.signing import key_of
from sirrchat_testkit.suggestions import Hints
from sirrchat_testkit.threads import LoopThread

__tracebackhide__ = True

T = TypeVar("T")

_URL = re.compile(r"https?://[^/\s]+", re.IGNORECASE)


@record
class WebhookAttempt:
    """One attempt of a webhook delivery: an HTTP request and its result.

    Attributes:
        at: When it began, on the server's clock, in UTC.
        status: The HTTP status; None if there was no response.
        error: The code of the error, such as ``timeout`` or ``connection_refused``; None if there was no error.
        duration: How long it took, in seconds of real time.
        reason: The error in words; empty if there was no error.
        request: The request line and the headers as text; empty if the event log no longer has them.
        response: The status line and the headers as text; empty if the event log no longer has them.
    """

    at: datetime
    status: int | None
    error: str | None
    duration: float
    reason: str = ""
    request: str = ""
    response: str = ""


class WebhookDelivery(Hints):
    """The delivery of one event to one webhook, as of when ``deliveries`` was read.

    Example:
        [delivery] = mailserver.deliveries
        assert [each.status for each in delivery.attempts] == [503, 200]
        assert delivery.status == "delivered"

    Attributes:
        url: The URL of the webhook; empty if the webhook was deleted.
        attempts: The attempts so far, oldest first.
    """

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
        """The header ``webhook-id`` of every attempt."""
        return self._record.id

    @property
    def event(self) -> str:
        """The event, such as ``email.received``."""
        return self._record.event

    @property
    def status(self) -> str:
        """The state: ``pending``, ``delivered``, ``failed`` or ``cancelled``."""
        return self._record.status

    @property
    def body(self) -> bytes:
        """The body of every attempt, in bytes. Raises ``NotFound`` if it was deleted with its message or webhook."""
        return self._text.encode()

    @property
    def json(self) -> Any:
        """The body as JSON. Raises ``NotFound`` as ``body`` does."""
        return json.loads(self._text)

    @property
    def due_at(self) -> datetime | None:
        """When the next attempt is due, on the server's clock, in UTC; None if it is due now, or there is none."""
        return utc(self._record.due_at) if self._record.due_at and self.status == PENDING else None

    def redeliver(self) -> None:
        """Attempt it again, with the same id and body.

        Raises:
            Conflict: The webhook is disabled, or the body was deleted with its message.
            InvalidValue: The webhook was deleted.
        """
        self._control.redeliver(self._record)

    @property
    def _text(self) -> str:
        if self._record.request_body is None:
            raise NotFound("the body of the delivery was deleted with its message or its webhook")
        return self._record.request_body

    def __repr__(self) -> str:
        return f"<WebhookDelivery {self.event} to {self.url} {self.status}, {counted(len(self.attempts), 'attempt')}>"


def reported_message(delivery: WebhookDelivery) -> str:
    """Return the id of the message that ``delivery`` reports."""
    return delivery._record.message  # noqa: SLF001 - its own module


class WebhookHandle(Hints):
    """A webhook that ``mailserver.add_webhook`` made.

    Example:
        webhook = mailserver.add_webhook(webhook_sink, ["email.received"], secret="s3cret")
        webhook.update(events=["email.received", "email.sent"])
        webhook.disable()
    """

    _guesses: ClassVar[Mapping[str, str]] = {"remove": "delete", "stop": "disable", "calls": "deliveries"}

    def __init__(self, control: WebhookControl, record: Webhook) -> None:
        self._control = control
        self._record = record

    @property
    def id(self) -> str:
        """The id of the webhook, the same as in the REST API."""
        return self._record.id

    @property
    def url(self) -> str:
        """The URL that is called."""
        return self._record.url

    @property
    def events(self) -> tuple[str, ...]:
        """The events that it reports."""
        return self._record.events

    @property
    def secret(self) -> str:
        """The secret that calls are signed with; empty if they are not signed."""
        return self._record.secret

    @property
    def deliveries(self) -> list[WebhookDelivery]:
        """The deliveries to this webhook, pending ones included, oldest first."""
        return self._control.deliveries(self.id)

    def update(
        self,
        *,
        url: str | None = None,
        events: Sequence[WebhookEvent] | None = None,
        secret: str | None = None,
        enabled: bool | None = None,
    ) -> None:
        """Change the given settings of the webhook, and keep the others.

        Args:
            url: The new URL.
            events: The new events.
            secret: The new secret; ``""`` stops signing.
            enabled: Whether it is called. Disabling it cancels pending deliveries.

        Raises:
            InvalidValue: The URL is not http or https, an event is unknown, or the secret is malformed.
        """
        changes = {"url": url, "events": events, "secret": secret, "enabled": enabled}
        given = {name: each for name, each in changes.items() if each is not None}
        self._record = self._control.update(self._record, **given)

    def disable(self) -> None:
        """Stop calling it, and cancel its pending deliveries."""
        self.update(enabled=False)

    def enable(self) -> None:
        """Call it again, for mail that arrives from now on."""
        self.update(enabled=True)

    def delete(self) -> None:
        """Delete it, and cancel its pending deliveries."""
        self._control.delete(self._record)

    def __repr__(self) -> str:
        return f"<WebhookHandle {', '.join(self.events)} to {self.url}>"


class WebhookControl:
    """Reads and changes the webhooks of a server, from any thread.

    Args:
        thread: The thread of the server.
        services: What the server consists of.
        key: Returns the key that webhooks of the SirrChat API are made with: that of an admin reports all mail.
        own_key: Returns the key of the scope's account.
    """

    def __init__(
        self, thread: LoopThread, services: Services, key: Callable[[], str], own_key: Callable[[], str]
    ) -> None:
        self._thread = thread
        self._services = services
        self._key = key
        self._own_key = own_key

    def add(self, url: str, events: Sequence[str] | None, secret: str | None) -> WebhookHandle:
        """Make a webhook for the mail of all accounts, or, for ``new_message``, for the addresses of this scope."""
        _check_url(url)
        names = _events(events)
        key_of(secret or "")
        if names == (NEW_MESSAGE,):
            if secret:
                raise InvalidValue("new_message calls are never signed: leave out the secret", field="secret")
            own_key = self._own_key()
            return WebhookHandle(self, self._thread.call(self._set_push(own_key, url)))
        return WebhookHandle(self, self._thread.call(self._add(self._key(), url, names, secret or "")))

    def deliveries(self, webhook: str | None = None) -> list[WebhookDelivery]:
        """Return the deliveries of ``webhook``, or all, oldest first."""
        return run(self._thread, lambda _: self.read(webhook))

    def update(self, webhook: Webhook, **changes: Any) -> Webhook:
        """Change a webhook."""
        if "url" in changes:
            _check_url(changes["url"])
        return self._thread.call(self._update(webhook, changes))

    def delete(self, webhook: Webhook) -> None:
        """Delete a webhook."""
        self._thread.call(self._services.webhooks.delete(webhook))

    def redeliver(self, delivery: Delivery) -> None:
        """Set a delivery pending again."""
        self._thread.call(self._redeliver(delivery))

    async def _add(self, key: str, url: str, events: tuple[WebhookEvent, ...], secret: str) -> Webhook:
        found = await self._services.keys.find(key)
        assert found is not None
        return await self._services.webhooks.add(found, url, events, secret)

    async def _set_push(self, own_key: str, url: str) -> Webhook:
        key = await self._services.keys.find(own_key)
        assert key is not None
        await self._services.webhooks.set_push(key.account, url, enabled=True)
        made = await self._services.webhooks.push_of(key.account)
        assert made is not None
        return made

    async def _update(self, webhook: Webhook, changes: dict[str, Any]) -> Webhook:
        current = await self._services.store.get(Webhook, id=webhook.id) or webhook
        return await self._services.webhooks.update(current, **changes)

    async def _redeliver(self, delivery: Delivery) -> None:
        webhook = await self._services.store.get(Webhook, id=delivery.webhook)
        if webhook is None:
            raise InvalidValue("the webhook was deleted")
        await self._services.webhooks.redeliver(webhook, delivery.id)

    def read(self, webhook: str | None = None) -> Steps[list[WebhookDelivery]]:
        """Return the deliveries of ``webhook``, or all, oldest first."""
        store, where = self._services.store, {} if webhook is None else {"webhook": webhook}
        heads = {
            (each.delivery, each.number): each
            for each in self._services.events.held()
            if isinstance(each, DeliveryAttempted)
        }
        webhooks = yield from pull_records(lambda after, limit: store.find(Webhook, after=after, limit=limit))
        urls = {each.id: each.url for each in webhooks}
        records = yield from pull_records(lambda after, limit: store.find(Delivery, where, after=after, limit=limit))
        deleted = yield self._services.deletion.in_progress()
        records = [
            replace(each, **textless(each)) if each.webhook in deleted else each
            for each in records
            if each.account not in deleted
        ]
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
        raise InvalidValue(f"url must be a URL such as http://127.0.0.1:8000/hook, not {url!r}", field="url", value=url)


def _events(events: Sequence[str] | None) -> tuple[WebhookEvent, ...]:
    events = SIRRCHAT_EVENTS if events is None else events
    names: tuple[Any, ...] = (events,) if isinstance(events, str) else tuple(events)
    if names != (NEW_MESSAGE,) and not (names and set(names) <= set(SIRRCHAT_EVENTS)):
        known = ", ".join(SIRRCHAT_EVENTS)
        raise InvalidValue(f"events must be any of {known}, or {NEW_MESSAGE} alone, not {events!r}", field="events")
    return names


def _attempt(entry: Any, event: DeliveryAttempted | None) -> WebhookAttempt:
    reason, request, response = (event.reason, event.request, event.response) if event else ("", "", "")
    moment, duration = utc(entry["at"]), entry["duration_ms"] / 1000
    return WebhookAttempt(
        at=moment,
        status=entry["http_status"],
        error=entry["error"],
        duration=duration,
        reason=reason,
        request=request,
        response=response,
    )
