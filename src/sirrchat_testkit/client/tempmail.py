"""``TempMailClient`` and ``AsyncTempMailClient``: the disposable-address API, below ``/api``."""

from __future__ import annotations

from datetime import timedelta

from sirrchat_testkit.client.calls import Call, CursorPages, Pages, member, milliseconds, one, path
from sirrchat_testkit.client.driver import Api, AsyncDriver, SyncDriver
from sirrchat_testkit.client.errors import flat_reason
from sirrchat_testkit.client.resources import C_co, Resource, call, listing
from sirrchat_testkit.schemas import tempmail as schemas
from sirrchat_testkit.schemas.tempmail import Config, DetailedMessage, Email, Generated, ListedMessage, Webhook

__tracebackhide__ = True


class EmailDomains(Resource[C_co]):
    """The domains at which addresses can be made, as ``client.domains``."""

    @call
    def list(self) -> Call[list[str]]:
        """Return the names of the served domains.

        Raises:
            ApiError: The request failed.

        Example:
            made = client.emails.generate("ann", client.domains.list()[0])
        """
        return Call("GET", "/email/domains", lambda content: one(schemas.Domains)(content).domains)


class Emails(Resource[C_co]):
    """The disposable addresses of the key's account, as ``client.emails``."""

    @call
    def generate(self, name: str, domain: str, *, expires_in: timedelta | None = timedelta(hours=1)) -> Call[Generated]:
        """Make a disposable address, and return its ``id`` and ``email``.

        Args:
            name: The part before the ``@``: 1 to 64 letters, digits and ``. _ + -``.
            domain: A served domain.
            expires_in: An hour, a day or three days, on the server's clock; None for an address that never expires.

        Raises:
            InvalidValue: The name, the domain or the duration is invalid.
            Conflict: The address exists already.
            TypeError: ``expires_in`` is not a ``timedelta``.
            ApiError: The request failed. ``status`` is 403 if the account has too many addresses.

        Example:
            made = client.emails.generate("ann", "example.com", expires_in=timedelta(days=1))
            assert made.email == "ann@example.com"
        """
        lifetime = 0 if expires_in is None else milliseconds("expires_in", expires_in)
        body = {"name": name, "expiryTime": lifetime, "domain": domain}
        return Call("POST", "/emails/generate", one(Generated), body)

    @listing
    def list(self) -> Pages[Email]:
        """Return an iterator over the addresses that have not expired, newest first.

        Raises:
            ApiError: The request failed; raised by the iterator.

        Example:
            for each in client.emails.list():
                client.emails.delete(each.id)
        """
        return CursorPages("/emails", Email, ("emails", "nextCursor"))

    @call
    def delete(self, email: str) -> Call[None]:
        """Delete an address and its messages.

        Args:
            email: The id of the address.

        Raises:
            NotFound: No address of the account has this id, or it has expired.
            ApiError: The request failed.
        """
        return Call("DELETE", path("/emails/{email}", email=email), _done)


class EmailMessages(Resource[C_co]):
    """The messages of disposable addresses, as ``client.messages``."""

    @listing
    def list(self, email: str) -> Pages[ListedMessage]:
        """Return an iterator over the messages of an address, newest first.

        Args:
            email: The id of the address.

        Raises:
            NotFound: No address of the account has this id, or it has expired; raised by the iterator.
            ApiError: The request failed; raised by the iterator.

        Example:
            subjects = [message.subject for message in client.messages.list(made.id)]
        """
        return CursorPages(path("/emails/{email}", email=email), ListedMessage, ("messages", "nextCursor"))

    @call
    def get(self, email: str, message: str) -> Call[DetailedMessage]:
        """Return a message with the names of its attachments.

        Args:
            email: The id of the address.
            message: The id of the message.

        Raises:
            NotFound: There is no such address or message.
            ApiError: The request failed.
        """
        return Call("GET", _message(email, message), member("message", DetailedMessage))

    @call
    def delete(self, email: str, message: str) -> Call[None]:
        """Delete a message.

        Args:
            email: The id of the address.
            message: The id of the message.

        Raises:
            NotFound: There is no such address or message.
            ApiError: The request failed.
        """
        return Call("DELETE", _message(email, message), _done)


class EmailWebhook(Resource[C_co]):
    """The webhook that is called for each message to an address of the account, as ``client.webhook``."""

    @call
    def get(self) -> Call[Webhook]:
        """Return the webhook; its ``url`` is empty if none is set.

        Raises:
            ApiError: The request failed.
        """
        return Call("GET", "/webhook", one(Webhook))

    @call
    def set(self, url: str, *, enabled: bool = True) -> Call[None]:
        """Set the webhook.

        Args:
            url: The ``http`` or ``https`` URL to call; empty, with ``enabled=False``, to have no webhook.
            enabled: Whether it is called.

        Raises:
            InvalidValue: ``url`` is not an ``http`` or ``https`` URL.
            ApiError: The request failed.

        Example:
            client.webhook.set(webhook_sink.url)
        """
        return Call("POST", "/webhook", _done, {"url": url, "enabled": enabled})


class EmailConfig(Resource[C_co]):
    """The configuration of the server, as ``client.config``."""

    @call
    def get(self) -> Call[Config]:
        """Return the configuration: all of its values are strings.

        Raises:
            ApiError: The request failed.

        Example:
            assert client.config.get().email_domains.split(",") == client.domains.list()
        """
        return Call("GET", "/config", one(Config))


def _message(email: str, message: str) -> str:
    return path("/emails/{email}/{message}", email=email, message=message)


def _done(content: bytes) -> None:
    if not one(schemas.Done)(content).success:
        raise ValueError("success is false")


TEMPMAIL = Api(
    path="/api",
    key_header=("X-API-Key", ""),
    reason=flat_reason,
    resources={
        "domains": EmailDomains,
        "emails": Emails,
        "messages": EmailMessages,
        "webhook": EmailWebhook,
        "config": EmailConfig,
    },
)


class TempMailClient(SyncDriver):
    """A client of the disposable-address API, over HTTP. Several threads can use it.

    The arguments are those of ``Client``; ``base_url`` may end with ``/api``. The server sees only the addresses of the
    key's account, also with an admin key.

    Attributes:
        base_url: The URL in use, without a trailing slash.
        domains: ``list`` the domains.
        emails: ``generate``, ``list`` and ``delete`` addresses.
        messages: ``list``, ``get`` and ``delete`` the messages of an address.
        webhook: ``get`` and ``set`` the webhook.
        config: ``get`` the configuration.

    Example:
        with TempMailClient(mailserver.api_key, mailserver.api_url) as client:
            made = client.emails.generate("ann", "example.com")
            sign_up(made.email)
            [message] = client.messages.list(made.id)
    """

    _api = TEMPMAIL

    domains: EmailDomains[TempMailClient]
    emails: Emails[TempMailClient]
    messages: EmailMessages[TempMailClient]
    webhook: EmailWebhook[TempMailClient]
    config: EmailConfig[TempMailClient]


class AsyncTempMailClient(AsyncDriver):
    """``TempMailClient`` for asyncio and trio: the same methods, to be awaited. Lists are for ``async for``.

    Close it with ``aclose``, or use it as an asynchronous context manager. The arguments are those of ``Client``, the
    attributes those of ``TempMailClient``.

    Example:
        async with AsyncTempMailClient(mailserver.api_key, mailserver.api_url) as client:
            made = await client.emails.generate("ann", "example.com")
            messages = [each async for each in client.messages.list(made.id)]
    """

    _api = TEMPMAIL

    domains: EmailDomains[AsyncTempMailClient]
    emails: Emails[AsyncTempMailClient]
    messages: EmailMessages[AsyncTempMailClient]
    webhook: EmailWebhook[AsyncTempMailClient]
    config: EmailConfig[AsyncTempMailClient]
