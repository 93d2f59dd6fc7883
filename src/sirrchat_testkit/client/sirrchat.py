"""``Client`` and ``AsyncClient``: the SirrChat API, below ``/api/v1``."""

from __future__ import annotations

from sirrchat_testkit.client.administration import ApiKeys, Domains, Stats, Webhooks
from sirrchat_testkit.client.driver import Api, AsyncDriver, SyncDriver
from sirrchat_testkit.client.errors import nested_reason
from sirrchat_testkit.client.users import Messages, Quota, Users

SIRRCHAT = Api(
    path="/api/v1",
    key_header=("Authorization", "Bearer "),
    reason=nested_reason,
    resources={
        "users": Users,
        "quota": Quota,
        "messages": Messages,
        "stats": Stats,
        "domains": Domains,
        "webhooks": Webhooks,
        "api_keys": ApiKeys,
    },
)


class Client(SyncDriver):
    """A client of the SirrChat API, over HTTP. Several threads can use it.

    Close it, or use it as a context manager. Methods raise an ``ApiError`` if the server refuses a request or does not
    respond. Lists are iterators; they request a page when they need it.

    Args:
        api_key: An API key, such as ``mailserver.api_key``. Default: the environment variable
            ``SIRRCHAT_TESTKIT_API_KEY``.
        base_url: The URL of the server, such as ``mailserver.api_url``, with or without ``/api/v1``. Default: the
            environment variable ``SIRRCHAT_TESTKIT_URL``, else ``http://127.0.0.1:8080``.
        timeout: Seconds of real time to wait for a connection, and for each part of the answer.
        retries: How often a request is sent again: one that was answered with 429 and ``Retry-After``, or a GET whose
            connection failed. The pauses are at most ``timeout`` seconds in all.

    Raises:
        InvalidValue: The API key is missing, or ``base_url`` is not the URL of a server.

    Attributes:
        base_url: The URL in use, without a trailing slash.
        users: ``get``, ``list``, ``create``, ``batch``, ``update`` and ``delete`` users.
        quota: ``get`` and ``set`` the quota of a user.
        messages: ``list``, ``get``, ``raw`` and ``delete``: the messages of a user.
        stats: The statistics of the ``server`` and of a ``user``.
        domains: ``list``, ``create`` and ``delete`` domains.
        webhooks: ``list``, ``create``, ``get``, ``update``, ``delete``, ``deliveries`` and ``redeliver``.
        api_keys: ``create``, ``list`` and ``revoke`` API keys.

    Example:
        with Client(mailserver.api_key, mailserver.api_url) as client:
            for user in client.users.list():
                print(user.email)
    """

    _api = SIRRCHAT

    users: Users[Client]
    quota: Quota[Client]
    messages: Messages[Client]
    stats: Stats[Client]
    domains: Domains[Client]
    webhooks: Webhooks[Client]
    api_keys: ApiKeys[Client]


class AsyncClient(AsyncDriver):
    """``Client`` for asyncio and trio: the same methods, to be awaited. Lists are for ``async for``.

    Close it with ``aclose``, or use it as an asynchronous context manager. The arguments and attributes are those of
    ``Client``.

    Example:
        async with AsyncClient(mailserver.api_key, mailserver.api_url) as client:
            ann = await client.users.create("ann@example.com", "correct horse")
            async for message in client.messages.list(ann.id):
                print(message.subject)
    """

    _api = SIRRCHAT

    users: Users[AsyncClient]
    quota: Quota[AsyncClient]
    messages: Messages[AsyncClient]
    stats: Stats[AsyncClient]
    domains: Domains[AsyncClient]
    webhooks: Webhooks[AsyncClient]
    api_keys: ApiKeys[AsyncClient]
