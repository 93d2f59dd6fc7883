"""What a test makes in the server: inboxes, accounts, domains."""

from __future__ import annotations

from datetime import timedelta

from sirrchat_testkit.handles.account import MailAccount
from sirrchat_testkit.handles.inbox import Inbox
from sirrchat_testkit.server.running import Running

__tracebackhide__ = True


class Making(Running):
    """Makes who receives mail."""

    def open_inbox(
        self, name: str | None = None, domain: str | None = None, expires_in: timedelta | None = None
    ) -> Inbox:
        """Make a new address and return its inbox.

        Args:
            name: A hint: ``user`` gives ``user-3f9ax2@example.com``. Default: a person's name.
            domain: One of the served domains. Default: the first.
            expires_in: How long it lives, on the kit's clock. Default: for ever.

        Raises:
            InvalidValue: ``domain`` is not served.
            ValueError: ``expires_in`` is no time to come.
        """
        _check_texts(name=name, domain=domain)
        if isinstance(expires_in, timedelta) and expires_in <= timedelta():
            raise ValueError(f"expires_in takes a time above 0, not {expires_in!r}")
        address = self._desk.new_address(name, domain, expires_in)
        return Inbox(self._desk, address.text, address)

    def inbox_for(self, address: str) -> Inbox:
        """Return the inbox of ``address``: made if its domain is served, else what was sent there from here."""
        _check_texts(address=address)
        return Inbox(self._desk, address, self._desk.address_for(address))

    def add_account(
        self, address: str | None = None, password: str | None = None, quota: int | None = None
    ) -> MailAccount:
        """Make a user of the SirrChat API; what is left out is made up.

        Args:
            address: The permanent address, at one of the served domains.
            password: What opens it.
            quota: Bytes it may store. Default: 5 GiB, as over the API.

        Raises:
            InvalidValue: ``address`` is no mailbox, its domain is not served, or ``quota`` is out of bounds.
            Conflict: Somebody has the address.
        """
        _check_texts(address=address, password=password)
        made = self._desk.new_account(address, password, quota)
        account = made.account
        inbox = Inbox(self._desk, account.email, made.address)
        return MailAccount(
            address=account.email,
            id=account.id,
            password=made.password,
            api_key=made.key,
            quota=account.quota,
            inbox=inbox,
        )

    def add_domain(self, name: str) -> None:
        """Serve ``name`` from now on. Raises ``InvalidValue`` or ``Conflict``."""
        self._thread.call(self._now.backend.domains.add(name))


def _check_texts(**given: object) -> None:
    for name, value in given.items():
        if value is not None and not isinstance(value, str):
            raise TypeError(f"{name} takes a text, not {value!r}")
