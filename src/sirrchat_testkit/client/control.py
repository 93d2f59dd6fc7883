"""``ControlClient`` and ``AsyncControlClient``: the control API, below ``/testkit/v1``."""

from __future__ import annotations

from collections.abc import Sequence

from sirrchat_testkit.client.calls import Call, CursorPages, Pages, many, nothing, one, seconds
from sirrchat_testkit.client.driver import Api, AsyncDriver, SyncDriver
from sirrchat_testkit.client.errors import nested_reason
from sirrchat_testkit.client.events import EventSource
from sirrchat_testkit.client.messages import DATA, ReceivedMessages
from sirrchat_testkit.client.resources import call, listing, streaming
from sirrchat_testkit.client.state import Accounts, Addresses, ServerClock, ServerFaults, ServerSettings
from sirrchat_testkit.errors import NotSettled
from sirrchat_testkit.schemas.control import Crash, Delivery, Envelope, Refusal, Server, Session, Settled
from sirrchat_testkit.schemas.control_changes import Changes

__tracebackhide__ = True

CONTROL = Api(
    path="/testkit/v1",
    key_header=("Authorization", "Bearer "),
    reason=nested_reason,
    resources={
        "messages": ReceivedMessages,
        "accounts": Accounts,
        "addresses": Addresses,
        "clock": ServerClock,
        "settings": ServerSettings,
        "faults": ServerFaults,
    },
)


class _Routes:
    """The methods that both clients have themselves."""

    @streaming
    def events(self, *, after: int | None = None) -> EventSource:
        """Return the stream of all that happens in the server: an iterator that waits for the next event.

        Each event is a model that ``name`` and its class tell apart. If the connection breaks, the stream connects
        again and goes on after the last event, for up to ``timeout`` seconds of the client; with ``retries=0`` it does
        not. If events are missing nevertheless, because the server was restarted or no longer holds them, the next one
        is ``gap``. Unknown events of a newer server are left out.

        Use it in a ``with`` block, which connects at its beginning and closes the connection at its end.

        Args:
            after: The id of the last event that is known; 0 for all that the server holds. Default: only what happens
                after the stream has connected.

        Raises:
            InvalidValue: ``after`` is not the id of an event; raised by the block or the iterator, as the next one.
            ApiError: The request failed, or the connection broke and could not be opened again.

        Example:
            with client.events() as events:
                shop.register("ann@example.com")
                received = next(each for each in events if each.name == "message.received")
            assert client.messages.get(received.message).code
        """
        return EventSource(after)

    @call
    def server(self) -> Call[Server]:
        """Return the version of the server, and the ports and the certificate of SMTP.

        Raises:
            ApiError: The request failed.

        Example:
            smtplib.SMTP("127.0.0.1", client.server().smtp_port)
        """
        return Call("GET", "/server", one(Server))

    @call
    def changes(self, *, after: int | None = None, accounts: Sequence[str] = (), timeout: float = 0.0) -> Call[Changes]:
        """Return what happened after an event, with the records of messages; wait if nothing has happened.

        Ask again with ``after=changes.last`` until ``changes.complete``, and then to follow what happens next.

        Args:
            after: The id of the last event that is known; 0 for all that the server holds. Default: return no event,
                only the id of the last one.
            accounts: Return only what concerns the accounts with these ids, or no account. Default: everything.
            timeout: Seconds of real time to wait if nothing has happened, at most 600.

        Raises:
            InvalidValue: ``after`` or ``timeout`` is out of bounds.
            ApiError: The request failed.

        Example:
            known = client.changes().last
            shop.register("ann@example.com")
            [message] = client.changes(after=known, timeout=5).messages
        """
        query = {"after": after, "account": [*accounts], "timeout": timeout}
        return Call("GET", "/changes", one(Changes), query=query, wait=seconds("timeout", timeout))

    @call
    def sessions(self, *, after: int = 0, accounts: Sequence[str] = ()) -> Call[list[Session]]:
        """Return the SMTP connections that are open or were closed recently, oldest first, with their dialogues.

        Args:
            after: Return only connections with a higher ``number``.
            accounts: Return only connections that concern the accounts with these ids, or no account. Default: all.

        Raises:
            ApiError: The request failed.

        Example:
            print(client.sessions()[-1].transcript)
        """
        return Call("GET", "/sessions", many(Session), query={"after": after, "account": [*accounts]})

    @listing
    def envelopes(self) -> Pages[Envelope]:
        """Return an iterator over the SMTP envelopes of the stored messages, newest first.

        Raises:
            ApiError: The request failed; raised by the iterator.
        """
        return CursorPages("/envelopes", Envelope, DATA)

    @call
    def refusals(self, *, after: int = 0) -> Call[list[Refusal]]:
        """Return the recipients that were refused, oldest first, each with the nearest existing address.

        Args:
            after: Return only those after the event with this id.

        Raises:
            ApiError: The request failed.

        Example:
            assert [each.recipient for each in client.refusals()] == []
        """
        return Call("GET", "/refusals", many(Refusal), query={"after": after})

    @listing
    def deliveries(self, *, webhook: str | None = None, account: str | None = None) -> Pages[Delivery]:
        """Return an iterator over the webhook deliveries of both REST APIs, newest first, with all attempts.

        Args:
            webhook: Return only those to the webhook with this id.
            account: Return only those to webhooks of the account with this id.

        Raises:
            ApiError: The request failed; raised by the iterator.
        """
        return CursorPages("/deliveries", Delivery, DATA, webhook=webhook, account=account)

    @call
    def settle(self, *, timeout: float = 1.0, accounts: Sequence[str] = (), opened: int = 0) -> Call[None]:
        """Wait until no connection is in a transaction, and no webhook delivery in progress.

        Args:
            timeout: Seconds of real time to wait, at most 60.
            accounts: Wait only for what may concern the accounts with these ids. Default: for everything.
            opened: The ``number`` of a connection: those up to it do not count before they begin a transaction.

        Raises:
            NotSettled: The server was still busy; the error names what is in progress.
            InvalidValue: ``timeout`` is out of bounds.
            ApiError: The request failed.
        """

        def read(content: bytes) -> None:
            settled = one(Settled)(content)
            if not settled.settled:
                busy = "\n  ".join(f"{each.where}: {each.what}" for each in settled.busy)
                raise NotSettled(f"The server was still busy after {timeout:g} s: {busy}")

        query = {"timeout": timeout, "account": [*accounts], "opened": opened or None}
        return Call("GET", "/settle", read, query=query, wait=seconds("timeout", timeout))

    @call
    def crashes(self, *, after: int = 0) -> Call[list[Crash]]:
        """Return the unexpected errors of the server, oldest first. There should be none.

        Args:
            after: Return only those after the event with this id.

        Raises:
            ApiError: The request failed.
        """
        return Call("GET", "/crashes", many(Crash), query={"after": after})

    @call
    def reset(self, *, durable: bool = False) -> Call[None]:
        """Go back to the state right after the start: the configured domains and the admin key; the rest is deleted.

        Args:
            durable: Whether to reset a server with a data folder, too.

        Raises:
            Conflict: The server has a data folder and ``durable`` is not set, or a scope is open in it.
            SharedServerError: The setting ``shared`` is on.
            ApiError: The request failed.
        """
        return Call("POST", "/reset", nothing, query={"durable": "yes" if durable else None})


class ControlClient(SyncDriver, _Routes):
    """A client of the control API, for tests that run in another process than the server. Several threads can use it.

    Close it, or use it as a context manager. The arguments are those of ``Client``. The key must be that of an admin,
    and ``base_url`` may end with ``/testkit/v1``.

    Attributes:
        base_url: The URL in use, without a trailing slash.
        messages: ``wait``, ``wait_many``, ``search``, ``get``, ``raw``, ``transcript``, ``envelope``, ``attachment``,
            ``mark``, ``delete``, ``delete_all`` and ``deliver``.
        accounts: ``create`` and ``delete`` accounts.
        addresses: ``create`` addresses.
        clock: ``now``, ``freeze``, ``resume``, ``advance`` and ``move_to``.
        settings: ``get`` and ``update`` settings.
        faults: ``list``, ``plan``, ``remove`` and ``clear`` faults.

    Example:
        with ControlClient(key, "http://127.0.0.1:8080") as client:
            address = client.addresses.create().email
            shop.register(address)
            shop.confirm(client.messages.wait(to=address).code)
    """

    _api = CONTROL

    messages: ReceivedMessages[ControlClient]
    accounts: Accounts[ControlClient]
    addresses: Addresses[ControlClient]
    clock: ServerClock[ControlClient]
    settings: ServerSettings[ControlClient]
    faults: ServerFaults[ControlClient]


class AsyncControlClient(AsyncDriver, _Routes):
    """``ControlClient`` for asyncio and trio: the same methods, to be awaited. Lists and events are for ``async for``.

    Close it with ``aclose``, or use it as an asynchronous context manager. The arguments and attributes are those of
    ``ControlClient``.

    Example:
        async with AsyncControlClient(key, "http://127.0.0.1:8080") as client:
            message = await client.messages.wait(to="ann@example.com")
            async for event in client.events(after=0):
                print(event.name)
    """

    _api = CONTROL

    messages: ReceivedMessages[AsyncControlClient]
    accounts: Accounts[AsyncControlClient]
    addresses: Addresses[AsyncControlClient]
    clock: ServerClock[AsyncControlClient]
    settings: ServerSettings[AsyncControlClient]
    faults: ServerFaults[AsyncControlClient]
