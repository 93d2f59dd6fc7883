"""The errors of the package, as one tree. A table in each adapter maps each class to an HTTP status or an SMTP reply.

::

    TestkitError                  code
    ├── InvalidValue              invalid_request     a value is not valid: .field, .value
    ├── NotFound                  not_found           it does not exist, or belongs to another account
    ├── Conflict                  conflict            the name is taken, or the state forbids it: .field, .value
    │   └── SharedServerError     shared_server       it would affect others who use the server
    ├── Forbidden                 forbidden           the API key has too few rights
    ├── Unauthorized              unauthorized        the API key or the login is missing or wrong
    ├── LimitReached              limit_reached       the account already has max_addresses active addresses
    ├── RateLimited               rate_limited        too many requests within one hour: .resets_at
    ├── TimedOut                  timeout             the awaited mail did not arrive in time: .near_misses
    ├── TooBusy                   too_busy            too many passwords are being hashed; try again
    ├── Refused                   refused             mail is refused; the text is the reason
    │   ├── NoSuchAddress         no_such_address     unknown at a served domain, expired or deleted
    │   ├── ForeignDomain         foreign_domain      outgoing mail is not kept
    │   ├── OverQuota             over_quota          it would exceed the account's quota
    │   ├── TooManyRecipients     too_many_recipients the message already has max_recipients recipients
    │   ├── Simulated             simulated           the recipient is a simulator
    │   └── FaultRefused          fault               a planned fault refuses it
    └── StoreError                store_error
        ├── StoreFull             store_full          the disk is full; reading works
        ├── StoreBusy             store_busy          no file descriptor or memory left; try again
        ├── StoreBroken           store_broken        the disk failed; read-only until restart
        ├── StoreLocked           store_locked        the data folder is already open
        └── StoreDamaged          store_damaged       a file cannot be read: .file, .byte

``MailNotReceived`` and ``NotSettled`` are failures of a test instead: an ``AssertionError``.

``code`` does not change between versions; texts may. No class knows HTTP statuses or SMTP codes.
"""

from __future__ import annotations

from typing import Any, Self


class LateMailWarning(UserWarning):
    """Mail arrived after its test had ended, and was refused; the text names the test, the recipient and the sender."""

    __module__ = "sirrchat_testkit"


class MailNotReceived(AssertionError):
    """The expected mail did not arrive in time; the error lists other messages and the conditions they missed."""

    __module__ = "sirrchat_testkit"


class NotSettled(AssertionError):
    """The server was still busy when the time was up, so more may arrive; the error names what is in progress."""

    __module__ = "sirrchat_testkit"


class TestkitError(Exception):
    """Base class of the package's errors.

    Attributes:
        code: A stable name of the error, such as ``not_found``; it does not change between versions.
    """

    __module__ = "sirrchat_testkit"

    __test__ = False
    code: str = "error"


class InvalidValue(TestkitError, ValueError):
    """An argument, or a field of a request, has an invalid value.

    Attributes:
        field: The name of the field; None if no single field is wrong.
        value: The value; None if it is secret, or if ``field`` is None.
    """

    __module__ = "sirrchat_testkit"

    code = "invalid_request"

    def __init__(self, text: str, *, field: str | None = None, value: Any = None) -> None:
        super().__init__(text)
        self.field = field
        self.value = value


class NotFound(TestkitError, LookupError):
    """A record does not exist, was deleted, has expired, or belongs to another account."""

    __module__ = "sirrchat_testkit"

    code = "not_found"


class Conflict(TestkitError):
    """A name or an address is taken, or the change is not possible now, such as deleting a domain that has addresses.

    Attributes:
        field: The name of the field whose value is taken; None if no field is wrong.
        value: The value of that field; None if no field is wrong.
    """

    __module__ = "sirrchat_testkit"

    code = "conflict"

    def __init__(self, text: str, *, field: str | None = None, value: Any = None) -> None:
        super().__init__(text)
        self.field = field
        self.value = value


class SharedServerError(Conflict):
    """The change would affect others who use the same server, so it is not made; the text has the remedy."""

    __module__ = "sirrchat_testkit"

    code = "shared_server"

    @classmethod
    def refuse(cls, what: str, remedy: str = "start a server of your own for this") -> Self:
        """Return the error that refuses ``what``, the subject of its text, and names the remedy."""
        return cls(f"{what} would affect others who use this server; {remedy}")


class Forbidden(TestkitError):
    """The API key is valid but lacks the permission, such as a user's key for an admin's endpoint."""

    code = "forbidden"


class Unauthorized(TestkitError):
    """An API key is missing, wrong or revoked, or the credentials of a login are wrong."""

    code = "unauthorized"


class LimitReached(TestkitError):
    """An account already has ``max_addresses`` active disposable addresses, and requested another one over REST."""

    __module__ = "sirrchat_testkit"

    code = "limit_reached"


class RateLimited(TestkitError):
    """An API key or an IP address made more requests within one hour than ``rate_limit`` allows.

    Attributes:
        resets_at: When the limit resets, in milliseconds since the epoch on the server's clock.
    """

    code = "rate_limited"

    def __init__(self, text: str, *, resets_at: int) -> None:
        super().__init__(text)
        self.resets_at = resets_at


class TimedOut(TestkitError):
    """The message that a client of the control API waited for did not arrive. The text says why.

    Attributes:
        near_misses: The messages that came nearest, the nearest first, each with the conditions that it missed.
    """

    code = "timeout"

    def __init__(self, text: str, *, near_misses: list[dict[str, Any]]) -> None:
        super().__init__(text)
        self.near_misses = near_misses


class TooBusy(TestkitError):
    """So many passwords are being hashed that a login would wait for more than a second. Try again later."""

    code = "too_busy"


class Refused(TestkitError):
    """Mail was refused; the text is the reason. Raised as one of the subclasses."""

    __module__ = "sirrchat_testkit"

    code = "refused"


class NoSuchAddress(Refused):
    """The recipient's domain is served, but the address does not exist, has expired, or belonged to an ended scope."""

    __module__ = "sirrchat_testkit"

    code = "no_such_address"


class ForeignDomain(Refused):
    """The recipient's domain is not served, and the setting ``foreign_recipients`` is ``reject``."""

    __module__ = "sirrchat_testkit"

    code = "foreign_domain"


class OverQuota(Refused):
    """The message would exceed the quota of a recipient or of the sender."""

    __module__ = "sirrchat_testkit"

    code = "over_quota"


class TooManyRecipients(Refused):
    """A message already has ``max_recipients`` recipients. It is never raised; it gives the event log the reason."""

    code = "too_many_recipients"


class Simulated(Refused):
    """The recipient is a simulator, such as ``bounced@example.com``, which refuses mail on purpose."""

    code = "simulated"


class FaultRefused(Refused):
    """A planned fault refused the mail. It is never raised; it gives the event log the reason."""

    code = "fault"


class StoreError(TestkitError):
    """Records or messages cannot be stored or read."""

    __module__ = "sirrchat_testkit"

    code = "store_error"


class StoreFull(StoreError):
    """The disk is full. Nothing was stored; reading still works."""

    __module__ = "sirrchat_testkit"

    code = "store_full"


class StoreBusy(StoreError):
    """The process has no file descriptor or memory left for the disk. Retry later."""

    __module__ = "sirrchat_testkit"

    code = "store_busy"


class StoreBroken(StoreError):
    """The disk failed. Nothing can be stored until the server is restarted; reading still works."""

    __module__ = "sirrchat_testkit"

    code = "store_broken"


class StoreLocked(StoreError):
    """The data folder is already open, in another process or in this one."""

    __module__ = "sirrchat_testkit"

    code = "store_locked"


class StoreDamaged(StoreError):
    """A file in the data folder is damaged. ``sirrchat-testkit repair`` keeps the records that can be read.

    Attributes:
        file: Path of the file.
        byte: Offset of the first byte that cannot be read.
    """

    __module__ = "sirrchat_testkit"

    code = "store_damaged"

    def __init__(self, text: str, *, file: str, byte: int) -> None:
        super().__init__(text)
        self.file = file
        self.byte = byte
