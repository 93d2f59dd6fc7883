"""The handles that plan faults: ``Faults`` for SMTP, ``WebhookFaults`` for the webhook sender."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, ClassVar, Generic, Literal, TypedDict, Unpack

from sirrchat_testkit.comparing import Number, Text
from sirrchat_testkit.faults.engine import Always, C, D, Fault, FaultAction, FaultProtocol, FaultRegistry
from sirrchat_testkit.faults.smtp import (
    SMTP,
    DropWhen,
    FaultStage,
    Greylist,
    LimitSize,
    SmtpContext,
    SmtpDecision,
    Throttle,
    refusal,
)
from sirrchat_testkit.faults.webhook import WEBHOOK, CallContext, CallDecision, Tampering
from sirrchat_testkit.formatting import counted
from sirrchat_testkit.suggestions import Hints
from sirrchat_testkit.threads import LoopThread

__tracebackhide__ = True


class MailFaultConditions(TypedDict, total=False):
    """Conditions that are known at MAIL.

    A ``str`` must be equal, ignoring case; ``*`` and ``?`` are wildcards. Other values are compared as for
    ``MailConditions``.

    Attributes:
        peer: The client, as ``host:port``.
        ehlo: The name that the client gave with EHLO or HELO.
        login: The user name of the login; empty without one.
        tls: The TLS version and cipher; empty without TLS.
        mail_from: The sender of the envelope.
    """

    peer: Text
    ehlo: Text
    login: Text
    tls: Text
    mail_from: Text


class RcptFaultConditions(MailFaultConditions, total=False):
    """Conditions that are known at RCPT.

    Attributes:
        recipient: The recipient; at later stages, one of the recipients.
    """

    recipient: Text


class RejectFaultConditions(RcptFaultConditions, total=False):
    """Conditions of ``reject``, whose ``text`` is the text of the reply.

    Conditions on the message are known at stage ``end``. ``MailConditions`` describes how they are compared.

    Attributes:
        size: The size of the message in bytes.
        subject: The subject of the message.
        sender: The address of From.
        to: One of the addresses of To.
        cc: One of the addresses of Cc.
        header: Header fields by name.
        html: The HTML.
        has_attachment: Whether the message has an attachment.
        filename: The name of one of the attachments.
    """

    size: Number
    subject: Text
    sender: Text
    to: Text
    cc: Text
    header: Mapping[str, Any]
    html: Text
    has_attachment: bool | Any
    filename: Text


class FaultConditions(RejectFaultConditions, total=False):
    """Conditions of an SMTP fault. ``MailConditions`` describes how they are compared.

    Attributes:
        text: The plain text of the message.
    """

    text: Text


class WebhookFaultConditions(TypedDict, total=False):
    """Conditions of a fault of the webhook sender. ``CallConditions`` describes how they are compared.

    Attributes:
        event: The event, such as ``email.received``.
        attempt: The number of the attempt, from 1.
        url: The URL of the webhook.
        subject: The subject of the reported mail.
        sender: The sender of the reported mail.
        recipient: The recipient of the reported mail.
        text: The body as text.
        json: The body as JSON: an equal value, or a function that gets it.
    """

    event: Text
    attempt: Number
    url: Text
    subject: Text
    sender: Text
    recipient: Text
    text: Text
    json: Callable[[Any], object] | Any


class _PlannedFaults(Hints, Generic[C, D]):
    """The planned faults of one protocol."""

    _protocol: ClassVar[FaultProtocol[Any, Any]]

    def __init__(self, thread: LoopThread, registry: FaultRegistry) -> None:
        self._thread = thread
        self._registry = registry

    def clear(self, *faults: Fault) -> None:
        """Remove ``faults``, or all. A removed fault does not fail the test if it never fired."""
        self._do(lambda: self._registry.cancel(*(faults or self._registry.all(self._protocol))))

    @property
    def planned(self) -> list[Fault]:
        """The planned faults, in order; ``fired`` counts how often each has fired."""
        return list(self._registry.all(self._protocol))

    def _plan(
        self,
        verb: Callable[..., Fault],
        stages: tuple[str, ...],
        action: FaultAction[C, D],
        times: int | None,
        conditions: Mapping[str, Any],
    ) -> Fault:
        self._protocol.match.check(verb, conditions)
        fault = Fault(self._protocol, stages, action, conditions, times)
        self._do(lambda: self._registry.plan(fault))
        return fault

    def _do(self, what: Callable[[], object]) -> None:
        async def work() -> None:
            what()

        self._thread.call(work())

    def __iter__(self) -> Iterator[Fault]:
        return iter(self.planned)

    def __len__(self) -> int:
        return len(self.planned)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        planned = "; ".join(f"{each}, {each.count()}" for each in self.planned)
        return f"<{type(self).__name__} {planned or 'none'}>"


class Faults(_PlannedFaults[SmtpContext, SmtpDecision]):
    """SMTP faults, ``mailserver.faults``: planned misbehavior of the server, until the test or the scope ends.

    Every verb returns the planned ``Fault``. Its common arguments are:

    - ``stage``: ``connect``, ``ehlo``, ``auth``, ``mail``, ``rcpt``, ``data``, or ``end``, the end of the message.
    - ``times``: how many times the fault fires; the default, None, means every time.
    - conditions (see ``FaultConditions``): ``peer``, ``ehlo``, ``login``, ``tls``, ``mail_from``, ``recipient``, and at
      ``end`` also those on the message. A stage accepts the conditions that are known by then.

    Of several faults that match, the first that is not used up fires, so faults planned one after another form a
    sequence. A fault that never fires fails the test.

    Example:
        def test_the_shop_retries_when_greylisted(mailserver, inbox, shop):
            mailserver.faults.reject(stage="rcpt", code=451, times=2)
            shop.register(inbox.address)
            assert inbox.receive().subject == "Welcome"

    Raises:
        ValueError: A value is out of range, or a condition is not known at the stage yet.
        TypeError: A condition is unknown; the error suggests the nearest one.
    """

    _protocol = SMTP
    _guesses: ClassVar[Mapping[str, str]] = {
        "fail": "reject",
        "refuse": "reject",
        "error": "reject",
        "slow": "delay",
        "sleep": "delay",
        "timeout": "delay",
        "disconnect": "drop",
        "close": "drop",
        "blackhole": "lose",
        "discard": "lose",
        "rate_limit": "throttle",
        "max_size": "limit_size",
        "reset": "clear",
        "remove": "clear",
    }

    def reject(
        self,
        *,
        stage: FaultStage,
        code: int = 550,
        text: str = "",
        times: int | None = None,
        **match: Unpack[RejectFaultConditions],
    ) -> Fault:
        """Refuse a command: reply with ``code`` instead of executing it. 421 also closes the connection.

        Example:
            mailserver.faults.reject(stage="end", code=552, text="Too much news", subject="News")

        Args:
            stage: The stage.
            code: The code of the reply, 400 to 599.
            text: The text of the reply. An enhanced status code is added if it does not begin with one.
            times: How many times the fault fires; None for every time.
            match: Conditions.

        Raises:
            ValueError: A condition is not known at the stage yet, or ``code`` or ``times`` is out of range.
            TypeError: A condition is unknown; the error suggests the nearest one.
        """
        where = SMTP.stage(stage)
        decision = SmtpDecision(refusal=refusal(where, code, text))
        return self._plan(self.reject, (where,), Always(decision, f"reject {code}"), times, match)

    def delay(
        self,
        seconds: float,
        *,
        stage: FaultStage = "end",
        times: int | None = None,
        **match: Unpack[FaultConditions],
    ) -> Fault:
        """Wait before executing a command. Other clients are not delayed.

        Args:
            seconds: Seconds of real time, 0 or more.
            stage: The stage.
            times: How many times the fault fires; None for every time.
            match: Conditions.
        """
        action = Always(SmtpDecision(delay=_seconds("seconds", seconds)), f"delay of {seconds:g} s")
        return self._plan(self.delay, (SMTP.stage(stage),), action, times, match)

    def trickle(
        self,
        seconds: float = 0.01,
        *,
        stage: FaultStage = "end",
        times: int | None = None,
        **match: Unpack[FaultConditions],
    ) -> Fault:
        """Send the reply byte by byte.

        Args:
            seconds: Seconds of real time between two bytes, 0 or more.
            stage: The stage.
            times: How many times the fault fires; None for every time.
            match: Conditions.
        """
        action = Always(SmtpDecision(pause=_seconds("seconds", seconds)), "slow reply")
        return self._plan(self.trickle, (SMTP.stage(stage),), action, times, match)

    def drop(
        self,
        *,
        stage: FaultStage | None = None,
        when: DropWhen = "before",
        after_bytes: int | None = None,
        times: int | None = None,
        **match: Unpack[FaultConditions],
    ) -> Fault:
        """Close the connection.

        Example:
            mailserver.faults.drop(stage="end", when="instead")  # stored, but the client does not know
            mailserver.faults.drop(after_bytes=1000)

        Args:
            stage: The stage. Default: ``end``.
            when: ``before`` the command is executed, ``after`` its reply, or ``instead`` of the reply: at ``end`` the
                message has then been stored, so a client that retries sends a duplicate.
            after_bytes: Close the connection within the message instead, after this many bytes, 1 or more. They are
                counted as sent: after DATA with dot-stuffing and the final dot, after BDAT all chunks together. A
                shorter message is not affected.
            times: How many times the fault fires; None for every time.
            match: Conditions.

        Raises:
            ValueError: ``when`` or ``after_bytes`` is out of range, or ``after_bytes`` is combined with ``when`` or
                with another stage than ``data``.
        """
        if when not in _WHEN:
            raise ValueError(f"when must be {' or '.join(map(repr, _WHEN))}, not {when!r}")
        if after_bytes is None:
            action = Always(SmtpDecision(drop=when), f"drop {_WHEN[when]}")
            return self._plan(self.drop, (SMTP.stage(stage or "end"),), action, times, match)
        _whole("after_bytes", after_bytes, 1)
        if SMTP.stage(stage or "data") != "data" or when != "before":
            raise ValueError(
                "after_bytes closes the connection within the message: it needs stage='data', without when"
            )
        action = Always(SmtpDecision(cut=after_bytes), f"drop after {counted(after_bytes, 'byte')}")
        return self._plan(self.drop, ("data",), action, times, match)

    def lose(self, *, times: int | None = None, **match: Unpack[FaultConditions]) -> Fault:
        """Accept a message with 250 and do not store it.

        Args:
            times: How many times the fault fires; None for every time.
            match: Conditions. With ``recipient`` and no condition on the message, only that recipient's copy is lost.
        """
        known_at_rcpt = "recipient" in match and SMTP.stages["rcpt"].conditions.issuperset(match)
        action = Always(SmtpDecision(lose=True), "lose")
        return self._plan(self.lose, ("rcpt" if known_at_rcpt else "end",), action, times, match)

    def greylist(
        self, wait: timedelta | float = 300, *, times: int | None = None, **match: Unpack[RcptFaultConditions]
    ) -> Fault:
        """Refuse each pair of sender and recipient with 451 4.7.1 until ``wait`` after its first attempt.

        Args:
            wait: A ``timedelta``, or seconds, on the server's clock; ``mailserver.clock.advance(minutes=5)`` skips it.
            times: The maximum number of refusals; None for no limit.
            match: Conditions.
        """
        seconds = wait.total_seconds() if isinstance(wait, timedelta) else wait
        return self._plan(self.greylist, ("rcpt",), Greylist(round(_seconds("wait", seconds) * 1000)), times, match)

    def throttle(
        self,
        per_minute: int,
        *,
        code: Literal[421, 450, 451, 452] = 450,
        times: int | None = None,
        **match: Unpack[MailFaultConditions],
    ) -> Fault:
        """Refuse MAIL after ``per_minute`` messages within a minute of the server's clock.

        Args:
            per_minute: The number of messages accepted per minute, 0 or more.
            code: The code of the reply: 421, 450, 451 or 452.
            times: The maximum number of refusals; None for no limit.
            match: Conditions.
        """
        if code not in {421, 450, 451, 452}:
            raise ValueError(f"code must be 421, 450, 451 or 452, not {code!r}")
        return self._plan(self.throttle, ("mail",), Throttle(_whole("per_minute", per_minute, 0), code), times, match)

    def limit_size(
        self,
        bytes: int,  # noqa: A002 - the unit, as a user writes it
        *,
        times: int | None = None,
        **match: Unpack[FaultConditions],
    ) -> Fault:
        """Refuse messages above a size with 552: at MAIL if the client declares the size, otherwise at the end.

        Args:
            bytes: The largest size in bytes, 0 or more.
            times: The maximum number of refusals; None for no limit.
            match: Conditions.
        """
        stages = ("mail", "end") if SMTP.stages["mail"].conditions.issuperset(match) else ("end",)
        return self._plan(self.limit_size, stages, LimitSize(_whole("bytes", bytes, 0)), times, match)


class WebhookFaults(_PlannedFaults[CallContext, CallDecision]):
    """Webhook faults, ``mailserver.webhook_faults``: planned misbehavior of the webhook sender, until the scope ends.

    Every verb returns the planned ``Fault``. ``times`` is how often it fires: once by default, None for every time.
    Conditions select the calls: ``event``, ``subject``, ``sender``, ``recipient``, ``url``, ``attempt``, ``json``,
    ``text`` (see ``WebhookFaultConditions``). A fault that never fires fails the test.

    Example:
        mailserver.webhook_faults.duplicate(event="email.received")
        inbox.deliver(subject="Hello")
        first, second = webhook_sink.receive_all(2)
        assert first.id == second.id

    Raises:
        ValueError: A value is out of range.
        TypeError: A condition is unknown; the error suggests the nearest one.
    """

    _protocol = WEBHOOK
    _guesses: ClassVar[Mapping[str, str]] = {
        "twice": "duplicate",
        "out_of_order": "reorder",
        "slow": "delay",
        "bad_signature": "corrupt_signature",
        "invalid_json": "malformed_json",
        "old_timestamp": "stale_timestamp",
        "large_body": "huge_body",
        "reset": "clear",
        "remove": "clear",
    }

    def duplicate(self, *, times: int | None = 1, **match: Unpack[WebhookFaultConditions]) -> Fault:
        """Send a call twice, one after the other, with the same id and body."""
        return self._plan(self.duplicate, ("send",), Always(CallDecision(duplicate=True), "duplicate"), times, match)

    def reorder(self, *, times: int | None = 1, **match: Unpack[WebhookFaultConditions]) -> Fault:
        """Hold back a delivery until the next one to the same webhook has been sent."""
        return self._plan(self.reorder, ("queue",), Always(CallDecision(hold=True), "reorder"), times, match)

    def delay(self, seconds: float, *, times: int | None = 1, **match: Unpack[WebhookFaultConditions]) -> Fault:
        """Postpone the first attempt by ``seconds`` (more than 0) on the server's clock."""
        action = Always(CallDecision(delay=_seconds("seconds", seconds, zero=False)), f"delay of {seconds:g} s")
        return self._plan(self.delay, ("queue",), action, times, match)

    def corrupt_signature(self, *, times: int | None = 1, **match: Unpack[WebhookFaultConditions]) -> Fault:
        """Sign a call with a wrong secret."""
        return self._tamper(self.corrupt_signature, "signature", "corrupt signature", times, match)

    def stale_timestamp(self, *, times: int | None = 1, **match: Unpack[WebhookFaultConditions]) -> Fault:
        """Send a timestamp that is an hour old, with a valid signature, as in a replay attack."""
        return self._tamper(self.stale_timestamp, "timestamp", "stale timestamp", times, match)

    def malformed_json(self, *, times: int | None = 1, **match: Unpack[WebhookFaultConditions]) -> Fault:
        """Send a body without its last byte, with a valid signature."""
        return self._tamper(self.malformed_json, "json", "malformed JSON", times, match)

    def wrong_content_type(self, *, times: int | None = 1, **match: Unpack[WebhookFaultConditions]) -> Fault:
        """Send the body with the content type ``text/plain``."""
        return self._tamper(self.wrong_content_type, "content_type", "wrong content type", times, match)

    def huge_body(self, *, times: int | None = 1, **match: Unpack[WebhookFaultConditions]) -> Fault:
        """Send 10 MiB: the same JSON followed by spaces, with a valid signature."""
        return self._tamper(self.huge_body, "huge", "huge body", times, match)

    def _tamper(
        self,
        verb: Callable[..., Fault],
        what: Tampering,
        text: str,
        times: int | None,
        conditions: Mapping[str, Any],
    ) -> Fault:
        return self._plan(verb, ("send",), Always(CallDecision(tampering=what), text), times, conditions)


_WHEN: Mapping[DropWhen, str] = {
    "before": "before the command",
    "instead": "instead of the reply",
    "after": "after the reply",
}


def _seconds(name: str, seconds: float, *, zero: bool = True) -> float:
    if type(seconds) not in {int, float} or not (seconds > 0 or (zero and seconds == 0)):
        raise ValueError(
            f"{name} must be a number of seconds, {'0 or more' if zero else 'more than 0'}, not {seconds!r}"
        )
    return seconds


def _whole(name: str, number: int, least: int) -> int:
    if type(number) is not int or number < least:
        raise ValueError(f"{name} must be a whole number of at least {least}, not {number!r}")
    return number
