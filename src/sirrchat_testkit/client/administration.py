"""The other resources of the SirrChat API: domains, statistics, webhooks and API keys."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Literal

from sirrchat_testkit.client.calls import Call, NumberedPages, Pages, milliseconds, nothing, one, path
from sirrchat_testkit.client.resources import C_co, Resource, call, listing
from sirrchat_testkit.schemas.sirrchat import (
    ApiKey,
    Delivery,
    Domain,
    NewlyMadeApiKey,
    ServerStats,
    UserStats,
    Webhook,
)
from sirrchat_testkit.schemas.webhook_events import SirrchatEvent

__tracebackhide__ = True


class Domains(Resource[C_co]):
    """The served domains, as ``client.domains``. All methods need an admin key."""

    @listing
    def list(self) -> Pages[Domain]:
        """Return an iterator over the domains, oldest first.

        Raises:
            ApiError: The request failed; raised by the iterator.
        """
        return NumberedPages("/domains", Domain)

    @call
    def create(self, name: str) -> Call[Domain]:
        """Add a domain, and return it.

        Args:
            name: A host name, such as ``shop.example``.

        Raises:
            InvalidValue: ``name`` is not a host name.
            Conflict: The domain exists already.
            ApiError: The request failed.

        Example:
            domain = client.domains.create("shop.example")
            client.users.create(f"ann@{domain.name}", "correct horse")
        """
        return Call("POST", "/domains", one(Domain), {"name": name})

    @call
    def delete(self, domain: str) -> Call[None]:
        """Delete a domain without users and addresses.

        Args:
            domain: The id of the domain, not its name.

        Raises:
            NotFound: No domain has this id.
            Conflict: The domain has users or addresses.
            ApiError: The request failed.
        """
        return Call("DELETE", path("/domains/{domain}", domain=domain), nothing)


class Stats(Resource[C_co]):
    """Statistics, as ``client.stats``."""

    @call
    def server(self) -> Call[ServerStats]:
        """Return the counters of the server. Needs an admin key.

        Raises:
            ApiError: The request failed.

        Example:
            assert client.stats.server().smtp.rejected == 0
        """
        return Call("GET", "/stats", one(ServerStats))

    @call
    def user(self, user: str) -> Call[UserStats]:
        """Return the counters of a user.

        Args:
            user: The user's id.

        Raises:
            NotFound: No user has this id.
            ApiError: The request failed. ``status`` is 403 if a user's key asks for another user.

        Example:
            assert client.stats.user(ann.id).messages_unseen == 1
        """
        return Call("GET", path("/users/{user}/stats", user=user), one(UserStats))


class Webhooks(Resource[C_co]):
    """The webhooks of the key's account, as ``client.webhooks``; with an admin key those of all accounts."""

    @listing
    def list(self) -> Pages[Webhook]:
        """Return an iterator over the webhooks, oldest first.

        Raises:
            ApiError: The request failed; raised by the iterator.
        """
        return NumberedPages("/webhooks", Webhook)

    @call
    def create(self, url: str, events: Iterable[SirrchatEvent], *, secret: str | None = None) -> Call[Webhook]:
        """Make a webhook, and return it. With an admin key it is called for the mail of all users.

        Args:
            url: The ``http`` or ``https`` URL to call.
            events: ``email.received``, ``email.sent``, or both.
            secret: The secret that signs the calls: base64 after ``whsec_``, or any text. Default: unsigned calls.

        Raises:
            InvalidValue: A field is invalid; the error names it in ``field``.
            ApiError: The request failed.

        Example:
            webhook = client.webhooks.create(webhook_sink.url, ["email.received"], secret="s3cret")
        """
        return Call("POST", "/webhooks", one(Webhook), {"url": url, "events": [*events], "secret": secret})

    @call
    def get(self, webhook: str) -> Call[Webhook]:
        """Return a webhook by id.

        Args:
            webhook: The id of the webhook.

        Raises:
            NotFound: No webhook of the account has this id.
            ApiError: The request failed.
        """
        return Call("GET", path("/webhooks/{webhook}", webhook=webhook), one(Webhook))

    @call
    def update(
        self,
        webhook: str,
        *,
        url: str | None = None,
        events: Iterable[SirrchatEvent] | None = None,
        secret: str | None = None,
        enabled: bool | None = None,
    ) -> Call[Webhook]:
        """Change the given fields of a webhook, and return it. None leaves a field as it is.

        Args:
            webhook: The id of the webhook.
            url: The new URL; pending deliveries go there too.
            events: The new events.
            secret: The new secret; empty for unsigned calls.
            enabled: False disables the webhook and cancels its pending deliveries.

        Raises:
            NotFound: No webhook of the account has this id.
            InvalidValue: A field is invalid; the error names it in ``field``.
            ApiError: The request failed.

        Example:
            client.webhooks.update(webhook.id, enabled=False)
        """
        body = {
            "url": url,
            "events": None if events is None else [*events],
            "secret": secret,
            "enabled": enabled,
        }
        return Call("PUT", path("/webhooks/{webhook}", webhook=webhook), one(Webhook), body)

    @call
    def delete(self, webhook: str) -> Call[None]:
        """Delete a webhook; its pending deliveries are cancelled.

        Args:
            webhook: The id of the webhook.

        Raises:
            NotFound: No webhook of the account has this id.
            ApiError: The request failed.
        """
        return Call("DELETE", path("/webhooks/{webhook}", webhook=webhook), nothing)

    @listing
    def deliveries(self, webhook: str) -> Pages[Delivery]:
        """Return an iterator over the deliveries of a webhook, newest first, with all attempts.

        Args:
            webhook: The id of the webhook.

        Raises:
            NotFound: No webhook of the account has this id; raised by the iterator.
            ApiError: The request failed; raised by the iterator.

        Example:
            failed = [each for each in client.webhooks.deliveries(webhook.id) if each.status == "failed"]
        """
        return NumberedPages(path("/webhooks/{webhook}/deliveries", webhook=webhook), Delivery)

    @call
    def redeliver(self, webhook: str, delivery: str) -> Call[Delivery]:
        """Attempt a delivery again, with the same id and body, and return it.

        Args:
            webhook: The id of the webhook.
            delivery: The id of the delivery.

        Raises:
            NotFound: There is no such webhook or delivery.
            Conflict: The webhook is disabled, or the message was deleted, and with it the body.
            ApiError: The request failed.
        """
        ids = {"webhook": webhook, "delivery": delivery}
        return Call("POST", path("/webhooks/{webhook}/deliveries/{delivery}/redeliver", **ids), one(Delivery))


class ApiKeys(Resource[C_co]):
    """The API keys of a server, as ``client.api_keys``. All methods need an admin key."""

    @call
    def create(
        self, user: str, role: Literal["admin", "user"] = "admin", *, expires_in: timedelta | None = None
    ) -> Call[NewlyMadeApiKey]:
        """Make an API key and return it, with ``key`` and ``secret``. They cannot be read again later.

        Args:
            user: The e-mail address or the id of the key's user.
            role: ``admin`` for every route, ``user`` for the user's own data.
            expires_in: How long the key is valid, on the server's clock. Default: until it is revoked.

        Raises:
            NotFound: There is no such user.
            InvalidValue: ``expires_in`` is not above 0.
            TypeError: ``expires_in`` is not a ``timedelta``.
            ApiError: The request failed.

        Example:
            key = client.api_keys.create("ann@example.com", role="user").key
            client_of_ann = Client(key, client.base_url)
        """
        lifetime = None if expires_in is None else milliseconds("expires_in", expires_in)
        body = {"user": user, "role": role, "expires_in_ms": lifetime}
        return Call("POST", "/api-keys", one(NewlyMadeApiKey), body)

    @listing
    def list(self) -> Pages[ApiKey]:
        """Return an iterator over the API keys, oldest first, without ``key`` and ``secret``.

        Raises:
            ApiError: The request failed; raised by the iterator.
        """
        return NumberedPages("/api-keys", ApiKey)

    @call
    def revoke(self, key: str) -> Call[None]:
        """Revoke an API key.

        Args:
            key: The id of the key, not the key itself.

        Raises:
            NotFound: No key has this id.
            ApiError: The request failed.
        """
        return Call("DELETE", path("/api-keys/{key}", key=key), nothing)
