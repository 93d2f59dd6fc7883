"""Everything the domain refuses, as one tree; an adapter's table turns each class into its own status or reply.

::

    TestkitError                  code
    ├── InvalidValue              invalid_request     a field is wrong: .field, .value
    ├── NotFound                  not_found           also: expired, deleted, or somebody else's
    ├── Conflict                  conflict            the name is taken, or the state forbids it: .field, .value
    ├── Forbidden                 forbidden           the key may not do this
    ├── Unauthorized              unauthorized        the API key or the login is missing or wrong
    ├── LimitReached              limit_reached       the account has max_addresses active disposable addresses
    ├── RateLimited               rate_limited        too many requests within the hour: .resets_at
    ├── Refused                   refused             mail is refused; the text is the reason
    │   ├── NoSuchAddress         no_such_address     unknown at a served domain, expired or deleted
    │   ├── ForeignDomain         foreign_domain      outgoing mail is not kept
    │   ├── OverQuota             over_quota          it would exceed the account's quota
    │   └── FaultRefused          fault               a planned fault has it so
    └── StoreError                store_error
        ├── StoreFull             store_full          the disk is full; reading works
        ├── StoreBusy             store_busy          no file descriptor or memory left; try again
        ├── StoreBroken           store_broken        the disk failed; read-only until restart
        ├── StoreLocked           store_locked        the data folder is already open
        └── StoreDamaged          store_damaged       a file cannot be read: .file, .byte

``code`` is stable; texts are for people. No protocol numbers live here.
"""

from __future__ import annotations

from typing import Any


class LateMailWarning(UserWarning):
    """Mail arrived after its test had ended, and was refused. The text names the test, the recipient and the sender."""

    __module__ = "sirrchat_testkit"


class TestkitError(Exception):
    """Anything that the kit refuses."""

    __module__ = "sirrchat_testkit"

    __test__ = False
    code: str = "error"


class InvalidValue(TestkitError, ValueError):
    """A value is not what its field takes. ``value`` is None where showing it would give something away."""

    __module__ = "sirrchat_testkit"

    code = "invalid_request"

    def __init__(self, text: str, *, field: str | None = None, value: Any = None) -> None:
        super().__init__(text)
        self.field = field
        self.value = value


class NotFound(TestkitError, LookupError):
    """It does not exist, exists no longer, or belongs to somebody else: the three look the same."""

    __module__ = "sirrchat_testkit"

    code = "not_found"


class Conflict(TestkitError):
    """The name is taken, or what is there stands in the way; ``field`` is None where no field is at fault."""

    __module__ = "sirrchat_testkit"

    code = "conflict"

    def __init__(self, text: str, *, field: str | None = None, value: Any = None) -> None:
        super().__init__(text)
        self.field = field
        self.value = value


class Forbidden(TestkitError):
    """The key is right, but may not do this."""

    code = "forbidden"


class Unauthorized(TestkitError):
    """There is no key, or it is wrong or revoked."""

    code = "unauthorized"


class LimitReached(TestkitError):
    """The account has as many active addresses as ``max_addresses`` allows."""

    __module__ = "sirrchat_testkit"

    code = "limit_reached"


class RateLimited(TestkitError):
    """Too many requests came within the hour. ``resets_at``: when the next window opens, on the kit's clock (ms)."""

    code = "rate_limited"

    def __init__(self, text: str, *, resets_at: int) -> None:
        super().__init__(text)
        self.resets_at = resets_at


class Refused(TestkitError):
    """Mail is not taken; the text says why."""

    __module__ = "sirrchat_testkit"

    code = "refused"


class NoSuchAddress(Refused):
    """Nobody here has this address, or no longer."""

    __module__ = "sirrchat_testkit"

    code = "no_such_address"


class ForeignDomain(Refused):
    """The domain is not served here and ``foreign_recipients`` is ``reject``."""

    __module__ = "sirrchat_testkit"

    code = "foreign_domain"


class OverQuota(Refused):
    """The message would exceed the account's quota."""

    __module__ = "sirrchat_testkit"

    code = "over_quota"


class FaultRefused(Refused):
    """A planned fault refused it; the reply is the fault's."""

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
    """The process has no file descriptor or memory left for the disk. The same call succeeds when it has."""

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
