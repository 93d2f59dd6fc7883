"""Faults of SMTP: the stages of a session, the conditions known at each, and the actions.

1. What is known at one stage is known at all later ones. No recipient is known at MAIL, and no subject before ``end``.
2. The message is parsed at most once, and only if a condition needs it.
3. Delays are real time, because the client waits for them. Greylisting and rates use the server's clock.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from operator import attrgetter
from types import MappingProxyType
from typing import ClassVar, Final, Literal, NamedTuple, TypeAlias, get_args

from sirrchat_testkit.comparing import LIKE
from sirrchat_testkit.domain.events import FaultFired
from sirrchat_testkit.faults.engine import Decision, FaultAction, FaultProtocol, Stage
from sirrchat_testkit.formatting import counted
from sirrchat_testkit.mail import mime
from sirrchat_testkit.matching import MAIL, Condition, Match
from sirrchat_testkit.threads import LARGE

__tracebackhide__ = True

FaultStage: TypeAlias = Literal["connect", "ehlo", "auth", "mail", "rcpt", "data", "end"]
"""The stages at which an SMTP fault can fire, in the order of a session. ``end`` is the end of the message."""

DropWhen: TypeAlias = Literal["before", "instead", "after"]
"""When ``drop`` closes the connection: before the command is executed, instead of its reply, or after its reply."""

MINUTE: Final = 60_000
"""One minute in milliseconds."""

_BY_CODE: Final = {
    421: "4.3.2", 430: "4.7.0", 432: "4.7.12", 450: "4.2.0", 451: "4.3.0", 452: "4.3.1", 454: "4.7.0", 455: "4.5.4",
    500: "5.5.2", 501: "5.5.4", 502: "5.5.1", 503: "5.5.1", 504: "5.5.4", 521: "5.3.2", 523: "5.3.4", 530: "5.7.0",
    534: "5.7.9", 535: "5.7.8", 538: "5.7.11", 550: "5.7.1", 551: "5.1.6", 552: "5.3.4", 553: "5.1.3", 554: "5.7.1",
    555: "5.5.4", 556: "5.1.10",
}  # fmt: skip
_BY_STAGE: Final = {
    ("rcpt", 450): "4.2.1", ("rcpt", 451): "4.7.1", ("rcpt", 452): "4.2.2", ("rcpt", 550): "5.1.1",
    ("rcpt", 552): "5.2.2", ("mail", 550): "5.7.1", ("mail", 553): "5.1.7", ("auth", 454): "4.7.0",
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class SmtpContext:
    """An SMTP session at one of its stages. Attributes that are not known yet are empty.

    Attributes:
        stage: The name of the stage.
        peer: The client's ``host:port``.
        ehlo: The name given in EHLO or HELO.
        login: The login of the client.
        tls: The version and cipher of TLS.
        mail_from: The sender given in MAIL.
        recipients: The recipient given in RCPT; at later stages, all accepted recipients.
        size: The size of the message in bytes; at MAIL, the declared one.
        raw: The message.
    """

    stage: str
    peer: str
    ehlo: str = ""
    login: str = ""
    tls: str = ""
    mail_from: str = ""
    recipients: tuple[str, ...] = ()
    size: int = 0
    raw: bytes = b""

    @property
    def large(self) -> bool:
        """Whether the message is large, so that conditions on it run in a thread."""
        return len(self.raw) >= LARGE

    @cached_property
    def header(self) -> mime.HeaderFields:
        """The header fields that the server reads from every message."""
        return mime.read_header(self.raw)

    @cached_property
    def parsed(self) -> mime.Parsed:
        """The parsed message."""
        return mime.parse(self.raw)

    @property
    def headers(self) -> mime.Headers:
        """All header fields."""
        return self.parsed.headers

    def fired(self, at: int, fault: int, text: str) -> FaultFired:
        """Return the event of a fault that fired here."""
        return FaultFired(
            at=at,
            fault=fault,
            stage=self.stage,
            text=text,
            peer=self.peer,
            sender=self.mail_from,
            recipients=self.recipients,
        )


_SESSION = {name: Condition(attrgetter(name), LIKE) for name in ("peer", "ehlo", "login", "tls", "mail_from")}
_HEADER = {"subject": "header.subject", "sender": "header.sender", "to": "header.to"}
_PARSED = ("cc", "text", "html")
_MESSAGE = ("size", "subject", "sender", "to", "cc", "header", "text", "html", "has_attachment", "filename")


def _of_message(name: str) -> Condition:
    """Return the condition ``name`` on a message, adapted to a context."""
    known = MAIL[name]
    if name in _HEADER:
        return Condition(attrgetter(_HEADER[name]), known.rule, many=known.many)
    if name in _PARSED:
        return Condition(attrgetter(f"parsed.{name}"), known.rule, many=known.many)
    if known.keyed or name == "size":
        return known
    return Condition(lambda context: known.read(context.parsed), known.rule, many=known.many)


class SmtpMatch(Match):
    """Conditions on a session: ``peer``, ``ehlo``, ``login``, ``tls``, ``mail_from``, ``recipient``.

    At the end of data there are also the conditions on its message. If there are several recipients, one that
    matches ``recipient`` is enough.
    """

    table: ClassVar[Mapping[str, Condition]] = MappingProxyType(
        _SESSION
        | {"recipient": Condition(attrgetter("recipients"), LIKE, many=True)}
        | {name: _of_message(name) for name in _MESSAGE}
    )

    __slots__ = ()


class FaultReply(NamedTuple):
    """The reply of a fault: code, enhanced status code (RFC 3463), and text."""

    code: int
    status: str
    text: str


@dataclass(frozen=True, slots=True, eq=False)
class SmtpDecision(Decision):
    """What to do at one stage of a session.

    Attributes:
        refusal: The reply to send instead of executing the command; None to execute it.
        delay: Seconds of real time to wait before executing the command.
        pause: Seconds of real time between the bytes of the reply.
        drop: When to close the connection; None to keep it open.
        lose: Whether to reply with success and store nothing.
        cut: Bytes of the message after which to abort the connection; 0 for never. Such a decision is deferred.
    """

    refusal: FaultReply | None = None
    delay: float = 0.0
    pause: float = 0.0
    drop: DropWhen | None = None
    lose: bool = False
    cut: int = 0

    @property
    def final(self) -> bool:
        """Whether there is more than a delay or a slow reply."""
        return bool(self.refusal or self.drop or self.lose or self.cut)

    @property
    def deferred(self) -> bool:
        """Whether it takes effect in the middle of a message."""
        return bool(self.cut)

    def combine(self, later: SmtpDecision) -> SmtpDecision | None:
        """Return both decisions in one, or None if both delay the command or both slow down the reply."""
        if (self.delay and later.delay) or (self.pause and later.pause):
            return None
        return replace(later, delay=self.delay or later.delay, pause=self.pause or later.pause)


class LimitSize(FaultAction[SmtpContext, SmtpDecision]):
    """Refuses a message whose declared or actual size exceeds ``limit`` bytes."""

    __slots__ = ("limit",)

    def __init__(self, limit: int) -> None:
        self.limit = limit

    def decide(self, context: SmtpContext, now: int) -> SmtpDecision | None:  # noqa: ARG002 - it does not depend on the time
        """Refuse with 552 if the message is too big (RFC 1870 section 6.1)."""
        if context.size <= self.limit:
            return None
        return SmtpDecision(
            refusal=FaultReply(552, "5.3.4", f"The message is bigger than {counted(self.limit, 'byte')}")
        )

    def __str__(self) -> str:
        return f"size limit of {counted(self.limit, 'byte')}"


class Greylist(FaultAction[SmtpContext, SmtpDecision]):
    """Refuses each pair of sender and recipient until ``milliseconds`` after its first attempt (RFC 6647)."""

    __slots__ = ("_first", "milliseconds")

    def __init__(self, milliseconds: int) -> None:
        self.milliseconds = milliseconds
        self._first: dict[tuple[str, str], int] = {}

    def decide(self, context: SmtpContext, now: int) -> SmtpDecision | None:
        """Refuse with 451 4.7.1 unless the pair has waited long enough."""
        pair = (context.mail_from.lower(), context.recipients[-1].lower())
        first = self._first.get(pair)
        left = self.milliseconds if first is None else first + self.milliseconds - now
        if first is not None and left <= 0:
            return None
        self._first.setdefault(pair, now)
        return SmtpDecision(refusal=FaultReply(451, "4.7.1", f"Greylisted; try again in {_seconds(left)}"))

    def wait(self, now: int) -> int:
        """Return the longest time that a pair still has to wait."""
        return max((first + self.milliseconds - now for first in self._first.values()), default=0)

    def snapshot(self) -> dict[tuple[str, str], int]:
        """Return the time of the first attempt of each pair."""
        return dict(self._first)

    def restore(self, state: dict[tuple[str, str], int]) -> None:
        """Forget the attempts since ``state``."""
        self._first = dict(state)

    def __str__(self) -> str:
        return f"greylisting for {self.milliseconds / 1000:g} s"


class Throttle(FaultAction[SmtpContext, SmtpDecision]):
    """Accepts ``messages`` per minute of the server's clock, and refuses more."""

    __slots__ = ("_accepted", "code", "messages")

    def __init__(self, messages: int, code: int) -> None:
        self.messages = messages
        self.code = code
        self._accepted: deque[int] = deque()

    def decide(self, context: SmtpContext, now: int) -> SmtpDecision | None:  # noqa: ARG002 - it only counts
        """Refuse if that many messages were accepted in the last minute."""
        while self._accepted and not now - MINUTE < self._accepted[0] <= now:
            self._accepted.popleft()
        if len(self._accepted) >= self.messages:
            when = f"in {_seconds(self.wait(now))}" if self._accepted else "later"
            text = f"More than {counted(self.messages, 'message')} a minute; try again {when}"
            return SmtpDecision(refusal=FaultReply(self.code, "4.7.0", text))
        self._accepted.append(now)
        return None

    def wait(self, now: int) -> int:
        """Return the time until the next message is accepted."""
        full = 0 < self.messages <= len(self._accepted)
        return self._accepted[0] + MINUTE - now if full else 0

    def snapshot(self) -> tuple[int, ...]:
        """Return the times of the accepted messages."""
        return tuple(self._accepted)

    def restore(self, state: tuple[int, ...]) -> None:
        """Forget the messages accepted since ``state``."""
        self._accepted = deque(state)

    def __str__(self) -> str:
        return f"throttling above {counted(self.messages, 'message')} a minute"


def _seconds(milliseconds: int) -> str:
    return counted(-(-milliseconds // 1000), "second")


def refusal(stage: str, code: int, text: str = "") -> FaultReply:
    """Return the refusal ``code`` with the usual enhanced status code, unless ``text`` begins with one.

    Raises:
        ValueError: ``code`` is not from 400 to 599, or ``text`` is not a string.
    """
    if type(code) is not int or not 400 <= code <= 599:  # noqa: PLR2004 - RFC 5321 section 4.2.1
        raise ValueError(f"code must be a whole number from 400 to 599, not {code!r}")
    if not isinstance(text, str):
        raise ValueError(f"text must be a string, not {text!r}")
    own = re.match(r"([245]\.\d{1,3}\.\d{1,3})(?: |$)", text)
    if own:
        return FaultReply(code, own[1], text[own.end() :] or "Refused by a fault")
    status = _BY_STAGE.get((stage, code)) or _BY_CODE.get(code) or f"{code // 100}.0.0"
    return FaultReply(code, status, text or "Refused by a fault")


def _stages() -> dict[str, Stage]:
    connect = {"peer", "tls"}
    ehlo = connect | {"ehlo"}
    mail = ehlo | {"login", "mail_from"}
    rcpt = mail | {"recipient"}
    known = (connect, ehlo, ehlo | {"login"}, mail, rcpt, rcpt, SmtpMatch.table)
    names = get_args(FaultStage)
    return {name: Stage(name.upper(), frozenset(each)) for name, each in zip(names, known, strict=True)}


SMTP: Final[FaultProtocol[SmtpContext, SmtpDecision]] = FaultProtocol(
    "smtp",
    _stages(),
    SmtpMatch,
    SmtpDecision(),
    {
        "helo": "ehlo",
        "login": "auth",
        "recipient": "rcpt",
        "sender": "mail",
        "eod": "end",
        "body": "end",
        "dot": "end",
        "data_end": "end",
        "end_of_data": "end",
    },
)
"""The stages of an SMTP session, with the conditions known at each."""
