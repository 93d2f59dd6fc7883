"""The other resources of the control API: accounts, addresses, the clock, the settings and faults."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

from sirrchat_testkit.client.calls import Call, many, milliseconds, moment, nothing, one, path
from sirrchat_testkit.client.resources import C_co, Resource, call
from sirrchat_testkit.durations import TimeUnits, span
from sirrchat_testkit.schemas.control import Clock, Fault, MadeAccount, MadeAddress, Settings

if TYPE_CHECKING:
    from typing import Unpack

    from sirrchat_testkit.settings import RuntimeChanges

__tracebackhide__ = True


class Accounts(Resource[C_co]):
    """The accounts of a server, as ``client.accounts``."""

    @call
    def create(
        self, email: str | None = None, *, password: str | None = None, quota: int | None = None
    ) -> Call[MadeAccount]:
        """Make an account, and return it with its password and an API key with the role ``user``.

        Args:
            email: The permanent address, at a served domain. Default: a generated one, and the account is in no list
                and no count of the server.
            password: The password. Default: a generated one.
            quota: The quota in bytes. Default: 5 GiB.

        Raises:
            InvalidValue: A field is invalid; the error names it in ``field``.
            Conflict: The address is taken.
            ApiError: The request failed.

        Example:
            account = client.accounts.create()
            smtp.login(account.email, account.password)
        """
        return Call("POST", "/accounts", one(MadeAccount), {"email": email, "password": password, "quota": quota})

    @call
    def delete(self, account: str) -> Call[None]:
        """Delete an account with its addresses, messages, API keys and webhooks.

        Args:
            account: The id of the account.

        Raises:
            NotFound: No account has this id.
            ApiError: The request failed.
        """
        return Call("DELETE", path("/accounts/{account}", account=account), nothing)


class Addresses(Resource[C_co]):
    """The disposable addresses of a server, as ``client.addresses``."""

    @call
    def create(
        self,
        name: str | None = None,
        *,
        domain: str | None = None,
        expires_in: timedelta | None = None,
        account: str | None = None,
    ) -> Call[MadeAddress]:
        """Make an address, and return it.

        Args:
            name: The part before the ``@``. Default: a generated one.
            domain: A served domain. Default: the first.
            expires_in: How long the address exists, on the server's clock. Default: it never expires.
            account: The id of its owner. Default: the account of the API key.

        Raises:
            InvalidValue: The name, the domain or the duration is invalid.
            Conflict: The address exists already.
            NotFound: No account has this id.
            TypeError: ``expires_in`` is not a ``timedelta``.
            ApiError: The request failed.

        Example:
            address = client.addresses.create(expires_in=timedelta(hours=1)).email
        """
        lifetime = None if expires_in is None else milliseconds("expires_in", expires_in)
        body = {"name": name, "domain": domain, "expires_in_ms": lifetime, "account": account}
        return Call("POST", "/addresses", one(MadeAddress), body)


class ServerClock(Resource[C_co]):
    """The clock of a server, as ``client.clock``: expiry, timestamps, retries and rate limits follow it.

    The methods that move it return it: ``now``, and whether it is ``frozen``.
    """

    @call
    def now(self) -> Call[datetime]:
        """Return the current time of the server, in UTC.

        Raises:
            ApiError: The request failed.
        """
        return Call("GET", "/clock", lambda content: one(Clock)(content).now)

    @call
    def freeze(self, at: datetime | None = None) -> Call[Clock]:
        """Stop the clock. ``advance`` still moves it.

        Args:
            at: The time at which it stands: aware, or local time. Default: the current time.

        Raises:
            TypeError: ``at`` is not a ``datetime``.
            SharedServerError: The setting ``shared`` is on, and this would affect others.
            ApiError: The request failed.
        """
        return _move("freeze", at=None if at is None else moment("at", at))

    @call
    def resume(self) -> Call[Clock]:
        """Start the clock again, from its current time.

        Raises:
            SharedServerError: The setting ``shared`` is on, and this would affect others.
            ApiError: The request failed.
        """
        return _move("resume")

    @call
    def advance(self, by: timedelta | None = None, **units: Unpack[TimeUnits]) -> Call[Clock]:
        """Move the clock forward; return when all work that became due, such as webhook retries, is done.

        Args:
            by: How far to advance.
            units: Units of ``timedelta``, such as ``hours=2``, added to ``by``.

        Raises:
            ValueError: The time is negative (use ``move_to`` to go back) or infinite.
            TypeError: A unit is unknown, or ``by`` is not a ``timedelta``.
            SharedServerError: The setting ``shared`` is on, and this would affect others.
            ApiError: The request failed.

        Example:
            address = client.addresses.create(expires_in=timedelta(hours=1))
            client.clock.advance(hours=2)
        """
        return _move("advance", seconds=span(by, units).total_seconds())

    @call
    def move_to(self, to: datetime) -> Call[Clock]:
        """Set the clock; return when all work that became due is done.

        Args:
            to: The time: aware, or local time.

        Raises:
            TypeError: ``to`` is not a ``datetime``.
            SharedServerError: The setting ``shared`` is on, and this would affect others.
            ApiError: The request failed.
        """
        return _move("move_to", at=moment("to", to))


def _move(action: str, **fields: Any) -> Call[Clock]:
    return Call("POST", "/clock", one(Clock), {"action": action, **fields})


class ServerSettings(Resource[C_co]):
    """The settings of a server, as ``client.settings``: a dictionary of them by name, without secrets."""

    @call
    def get(self) -> Call[dict[str, Any]]:
        """Return the settings in force.

        Raises:
            ApiError: The request failed.

        Example:
            domain = client.settings.get()["domains"][0]
        """
        return Call("GET", "/settings", _settings)

    @call
    def update(self, **changes: Unpack[RuntimeChanges]) -> Call[dict[str, Any]]:
        """Change settings that can change while the server runs, and return all.

        Args:
            changes: The settings, by name.

        Raises:
            InvalidValue: A value is not accepted, there is no such setting, or it can only be set at the start.
            SharedServerError: The setting ``shared`` is on, and this would affect others.
            ApiError: The request failed.

        Example:
            client.settings.update(max_recipients=3, hide_extensions=["PIPELINING"])
        """
        return Call("PATCH", "/settings", _settings, {**changes})


def _settings(content: bytes) -> dict[str, Any]:
    return one(Settings)(content).model_dump()


class ServerFaults(Resource[C_co]):
    """The planned faults of a server, as ``client.faults``: of SMTP, of the webhook sender and of the REST APIs."""

    @call
    def list(self) -> Call[list[Fault]]:
        """Return the planned faults, in the order in which they are tried; ``fired`` counts how often each has fired.

        Raises:
            ApiError: The request failed.
        """
        return Call("GET", "/faults", many(Fault))

    @call
    def plan(
        self,
        effect: str,
        /,
        *,
        protocol: Literal["smtp", "webhook", "rest"] = "smtp",
        stage: str | None = None,
        times: int | None = None,
        match: Mapping[str, Any] | None = None,
        **parameters: Any,
    ) -> Call[Fault]:
        """Plan a fault, which is tried after those planned before, and return it.

        Args:
            effect: A verb of ``mailserver.faults``, ``webhook_faults`` or ``rest_faults``, such as ``reject``.
            protocol: What the fault concerns: ``smtp``, ``webhook`` or ``rest``.
            stage: The stage of the verb, if it has one.
            times: How many times the fault fires. Default: that of the verb.
            match: The conditions of the verb, by name.
            parameters: The other parameters of the verb.

        Raises:
            InvalidValue: The effect, its parameters or a condition is invalid; the error suggests the nearest name.
            SharedServerError: The setting ``shared`` is on, and ``match`` does not name whom the fault is for.
            ApiError: The request failed.

        Example:
            client.faults.plan("reject", stage="rcpt", code=451, times=2, match={"recipient": "ann@example.com"})
        """
        body = {"protocol": protocol, "stage": stage, "times": times, "match": match}
        return Call("POST", "/faults", one(Fault), {**body, "effect": {**parameters, "name": effect}})

    @call
    def remove(self, fault: int) -> Call[None]:
        """Remove a fault. A test does not fail because a removed fault never fired.

        Args:
            fault: The id of the fault.

        Raises:
            NotFound: No fault has this id.
            ApiError: The request failed.
        """
        return Call("DELETE", path("/faults/{fault}", fault=fault), nothing)

    @call
    def clear(self) -> Call[None]:
        """Remove all faults.

        Raises:
            SharedServerError: The setting ``shared`` is on.
            ApiError: The request failed.
        """
        return Call("DELETE", "/faults", nothing)
