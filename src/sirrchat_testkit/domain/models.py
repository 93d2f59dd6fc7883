"""The records: accounts, addresses, messages and everything else that a store keeps.

Rules of this module:

1. A record is data without behavior. It is replaced, never changed, except on its way into a store: the store sets
   ``seq``, and delivery sets the receipt of an envelope.
2. Every value is JSON or becomes JSON without loss (tuples become lists), so every store can store every record.
3. Times are integers: milliseconds since the epoch on the server's clock, or 0 for "never".
4. ``seq`` is the position in the record's table. It rises and is not reused, except after a memory store has been
   rewound. 0 means "not stored yet". A message's ``seq`` is the UID that the SirrChat API shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field
from typing import Any, ClassVar

from sirrchat_testkit.records import Record, record, register_record
from sirrchat_testkit.schemas.webhook_events import PENDING, DeliveryStatus, WebhookEvent
from sirrchat_testkit.suggestions import Hints

INBOX = "INBOX"
SENT = "Sent"
FOLDERS = (INBOX, SENT, "Drafts", "Trash", "Junk", "Archive")

SEEN = "\\Seen"
"""The flag of a message that was read (RFC 9051 section 2.3.2)."""


@record
class Account(Record):
    """An owner of addresses, messages, API keys and webhooks, with a password and a quota in bytes.

    ``email`` is the permanent address, ``domain`` its domain in the form that is compared. ``password`` is a hash,
    empty if no password is accepted. Only the server's own admin account is ``hidden``: clients cannot see it. An
    account that is not ``listed`` appears in no list and no count.
    """

    kind: ClassVar[str] = "accounts"

    email: str
    created_at: int
    quota: int
    domain: str = ""
    password: str = ""
    blockchain_address: str | None = None
    hidden: bool = False
    listed: bool = True


@record
class PendingDeletion(Record):
    """A deletion in progress: of the messages and webhook deliveries whose ``field`` is ``id``.

    ``field`` is ``account``, ``address`` or ``webhook``; ``id`` is that of the deleted one. The deliveries of a webhook
    stay without their text: ``after`` is the ``seq`` of the last one that is done.
    """

    kind: ClassVar[str] = "deletions"

    field: str
    deleted_at: int
    after: int = 0


@record
class ApiKey(Record):
    """An API key, as its SHA-256. ``role`` is ``admin`` or ``user``; ``expires_at`` is 0 if it never expires."""

    kind: ClassVar[str] = "keys"

    account: str
    role: str
    key_hash: str
    created_at: int
    secret_hash: str = ""
    expires_at: int = 0


@record
class Domain(Record):
    """A served domain. ``name`` is in lower case, with international labels in their ASCII form (``xn--...``)."""

    kind: ClassVar[str] = "domains"

    name: str
    created_at: int


@record
class Address(Record):
    """An address that can receive mail: the permanent one of its account, or a disposable one.

    ``text`` is the address as it was made, ``key`` and ``domain`` are the forms that are compared. ``expires_at`` is 0
    if it never expires.
    """

    kind: ClassVar[str] = "addresses"

    account: str
    text: str
    key: str
    domain: str
    created_at: int
    expires_at: int = 0
    disposable: bool = True


@record
class Envelope(Hints, Record):
    """The SMTP envelope of a message.

    Example:
        assert message.envelope.tls and message.envelope.login == "app"
        assert message.envelope.recipients == (ann.address, bob.address)

    Attributes:
        sender: The sender (MAIL FROM); empty for ``<>``.
        recipients: The accepted recipients (RCPT TO), in order.
        received_at: When the message was received, in milliseconds since the epoch on the server's clock.
        blob: The name of the stored raw bytes, for internal use.
        size: The size of the message in bytes.
        refused: The refused recipients with the replies they got, such as ``550 5.1.1 ...``.
        parameters: The ESMTP parameters as sent, by recipient; those of the sender under ``""``.
        login: The user name of the login; empty without one.
        tls: The TLS version and cipher; empty without TLS.
        ehlo: The name that the client gave with EHLO or HELO.
        peer: The address of the client, as ``host:port``.
    """

    kind: ClassVar[str] = "envelopes"
    _guesses: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("mail_from", "mailfrom", "from_"), "sender"),
        **dict.fromkeys(("rcpt_to", "rcpt_tos", "rcpttos", "to"), "recipients"),
    }

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

    def note_receipt(self, id: str, at: int, blob: str, size: int) -> None:  # noqa: A002 - the field's name
        """Set the fields that receipt adds. Only delivery calls this, before the envelope is stored."""
        self.id, self.received_at, self.blob, self.size = id, at, blob, size  # type: ignore[misc]


@record
class Message(Record):
    r"""One stored copy for one recipient. ``blob`` names the raw bytes, which are stored once for all copies.

    ``account`` and ``address`` are empty if the recipient has no address on this server: its domain is not served, or
    the setting ``unknown_recipients`` is ``keep``. ``recipient_key`` is the recipient in the form that addresses are
    compared in; it is empty for the copy in a Sent folder. ``sender``, ``to``, ``subject`` and ``message_id`` come from
    the header, ``mail_from`` from the envelope. ``seen`` repeats the flag ``\Seen``, so that an index can count unread
    messages.
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
    uid: int = 0


@record
class MailFolder(Record):
    """A folder of an address, made by the store with the first message that is put there.

    ``uidvalidity`` and ``uidnext`` are those of IMAP (RFC 3501 section 2.3.1.1): ``uidnext`` is the ``uid`` of the next
    message, and ``uidvalidity`` differs if the folder of this name is made again.
    """

    kind: ClassVar[str] = "folders"

    address: str
    name: str
    uidvalidity: int
    uidnext: int


@record
class Tally(Record):
    """The counters of one account, or of the whole server if ``account`` is empty; deletion does not lower them.

    ``today`` counts the copies received and messages sent on ``day``, in days since the epoch in UTC. In the server's
    record, ``newest`` is the ``seq`` of the newest message that is included.
    """

    kind: ClassVar[str] = "tallies"

    account: str
    received: int = 0
    sent: int = 0
    rejected: int = 0
    last_received_at: int = 0
    day: int = 0
    today: int = 0
    newest: int = 0


@record
class Webhook(Record):
    """A URL that is called for an account's mail.

    ``dialect`` is the API that it was made in, ``sirrchat`` or ``tempmail``, and decides what is sent. A webhook for
    ``everyone`` was made with an admin key and is called for the mail of every account. ``handed_over`` is the ``seq``
    of the last message that was checked for it; after a restart, deliveries are made for later messages.
    """

    kind: ClassVar[str] = "webhooks"

    account: str
    url: str
    events: tuple[WebhookEvent, ...]
    created_at: int
    enabled: bool = True
    secret: str = ""
    everyone: bool = False
    dialect: str = "sirrchat"
    handed_over: int = 0


@record
class Delivery(Record):
    """One event for one webhook: every attempt sends the same ``request_body``.

    ``request_body`` is None once its message, address, account or webhook was deleted; a pending delivery was then
    cancelled.
    ``message`` is the id of a message. Each of ``attempts`` has ``at`` (its start), ``http_status`` (None without a
    response), ``error`` (None if there was none) and ``duration_ms``. ``due_at`` is the time of the next attempt, or 0
    if it is due at once or there is none. ``tries`` counts the attempts since the delivery was made or was last
    requested again.
    """

    kind: ClassVar[str] = "deliveries"

    account: str
    webhook: str
    event: WebhookEvent
    message: str
    created_at: int
    request_body: str | None
    status: DeliveryStatus = PENDING
    attempts: tuple[Mapping[str, Any], ...] = ()
    due_at: int = 0
    tries: int = 0


RECORDS: tuple[type[Record], ...] = (
    Account,
    PendingDeletion,
    ApiKey,
    Domain,
    Address,
    Envelope,
    MailFolder,
    Message,
    Tally,
    Webhook,
    Delivery,
)
for _each in RECORDS:
    register_record(_each)
