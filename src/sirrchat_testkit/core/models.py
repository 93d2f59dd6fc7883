"""The records: frozen facts about who exists and what was delivered.

Rules of this module:

1. A record is data. It decides nothing, asks nobody, and is replaced, never changed; but for its ``seq``, which the
   store that it is put into notes in it.
2. Every value is JSON or becomes JSON without loss (tuples become lists), so each store can keep each record.
3. Times are integers: milliseconds since the epoch, on the kit's clock.
4. ``seq`` is the position in the record's table: it rises and is never reused. 0 means "not stored yet".
   A message's ``seq`` is its uid.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, Self

INBOX = "INBOX"
SENT = "Sent"
FOLDERS = (INBOX, SENT, "Drafts", "Trash", "Junk", "Archive")

SEEN = "\\Seen"
"""The flag of a message that somebody has read (RFC 9051 section 2.3.2)."""

DELIVERY_STATUSES = ("pending", "delivered", "failed", "cancelled")

Doc = dict[str, Any]
"""A record as a store keeps it: JSON values only, fields at their default left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What every record has in common: an ``id`` (a UUID) and a place in its table."""

    kind: ClassVar[str]
    _defaults: ClassVar[Mapping[str, Any]]
    _tuples: ClassVar[tuple[str, ...]]

    seq: int = 0
    id: str

    def note_seq(self, seq: int) -> None:
        """Note the place that a store has given to the record; for stores alone."""
        object.__setattr__(self, "seq", seq)

    def to_doc(self) -> Doc:
        """Return the record as JSON values, without ``seq`` and without what equals its default."""
        doc: Doc = {}
        for name, default in self._defaults.items():
            value = getattr(self, name)
            if value != default:
                doc[name] = list(value) if type(value) is tuple else value
        return doc

    @classmethod
    def from_doc(cls, seq: int, doc: Mapping[str, Any]) -> Self:
        """Return the record that ``to_doc`` made ``doc`` from, at position ``seq``."""
        values = dict(doc)
        for name in cls._tuples:
            if name in values:
                values[name] = tuple(values[name])
        return cls(seq=seq, **values)


def _seal(cls: type[Record]) -> None:
    """Note each field's default, so that documents stay small."""
    known = [each for each in fields(cls) if each.name != "seq"]
    cls._defaults = {each.name: _default(each) for each in known}
    cls._tuples = tuple(each.name for each in known if str(each.type).startswith("tuple"))


def _default(each: Any) -> Any:
    if each.default is not MISSING:
        return each.default
    return each.default_factory() if each.default_factory is not MISSING else MISSING


@dataclass(frozen=True, slots=True, kw_only=True)
class Account(Record):
    """Who owns things: a permanent address, a password, a quota in bytes, keys.

    ``domain`` is that of ``email`` in the form that is compared; ``password`` is a hash, empty where none opens it.
    """

    kind: ClassVar[str] = "accounts"

    email: str
    created_at: int
    quota: int
    domain: str = ""
    password: str = ""
    blockchain_address: str | None = None
    hidden: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey(Record):
    """A key's SHA-256, never the key itself. ``role`` is ``admin`` or ``user``."""

    kind: ClassVar[str] = "keys"

    account: str
    role: str
    key_hash: str
    created_at: int
    secret_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Domain(Record):
    """A domain that is served here; ``name`` is in lower case, IDNA names in Unicode as given."""

    kind: ClassVar[str] = "domains"

    name: str
    created_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Address(Record):
    """What can receive mail: an account's permanent address, or a disposable one.

    ``text`` is the address as it was made, ``key`` the form that is compared; ``expires_at`` is 0 for never.
    """

    kind: ClassVar[str] = "addresses"

    account: str
    text: str
    key: str
    domain: str
    created_at: int
    expires_at: int = 0
    disposable: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Envelope(Record):
    """What one SMTP transaction said, beside its bytes.

    ``recipients`` are all accepted ones in order, ``refused`` maps each refused one to the reply it was given;
    ``parameters`` maps an address (the sender under ``""``) to its ESMTP parameters as sent.
    ``login`` and ``tls`` are empty where there was none; ``peer`` is ``host:port``.
    """

    kind: ClassVar[str] = "envelopes"

    sender: str
    recipients: tuple[str, ...]
    received_at: int = 0
    blob: str = ""
    size: int = 0
    refused: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, list[str]] = field(default_factory=dict)
    login: str = ""
    tls: str = ""
    ehlo: str = ""
    peer: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Message(Record):
    r"""One stored copy for one recipient; ``blob`` names the raw bytes, which are kept once for all copies.

    ``account`` and ``address`` are empty for mail that left: its recipient is at no served domain.
    ``sender``, ``to`` and ``subject`` are read from the header, ``mail_from`` is the envelope's.
    ``seen`` says whether ``flags`` has ``\Seen``, so that what has not can be counted by index.
    """

    kind: ClassVar[str] = "messages"

    account: str
    address: str
    recipient: str
    recipient_key: str
    envelope: str
    blob: str
    size: int
    received_at: int
    mail_from: str = ""
    sender: str = ""
    to: tuple[str, ...] = ()
    subject: str = ""
    message_id: str = ""
    folder: str = INBOX
    flags: tuple[str, ...] = ()
    seen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally(Record):
    """Counters that deletion must not lower: of one account, or of the whole server (``account`` is empty).

    ``today`` counts what was received and sent on ``day``, a number of days since the epoch in UTC.
    """

    kind: ClassVar[str] = "tallies"

    account: str
    received: int = 0
    sent: int = 0
    rejected: int = 0
    last_received_at: int = 0
    day: int = 0
    today: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhook(Record):
    """Where an account wants to be told of mail.

    ``dialect`` says in which API it was made, ``sirrchat`` or ``tempmail``, and so what is sent. One that is for
    ``everyone`` was made with an admin key: it hears of every account's mail. ``handed_over`` is the ``seq`` of the
    last message that deliveries were made for: after a restart the next one is where to go on.
    """

    kind: ClassVar[str] = "webhooks"

    account: str
    url: str
    events: tuple[str, ...]
    created_at: int
    enabled: bool = True
    secret: str = ""
    everyone: bool = False
    dialect: str = "sirrchat"
    handed_over: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery(Record):
    """One event on its way to one webhook: every attempt sends the same ``request_body``.

    ``status`` is one of ``DELIVERY_STATUSES``; ``message`` is a message's id. Each of ``attempts`` has ``at`` (when it
    began), ``http_status`` (None without an answer), ``error`` (None where there was none) and ``duration_ms``.
    ``due_at`` is when the next attempt is due, 0 for at once or never; ``tries`` counts the attempts since the delivery
    was made or asked for again.
    """

    kind: ClassVar[str] = "deliveries"

    account: str
    webhook: str
    event: str
    message: str
    created_at: int
    request_body: str
    status: str = "pending"
    attempts: tuple[Mapping[str, Any], ...] = ()
    due_at: int = 0
    tries: int = 0


RECORDS: tuple[type[Record], ...] = (Account, ApiKey, Domain, Address, Envelope, Message, Tally, Webhook, Delivery)
for _each in RECORDS:
    _seal(_each)
