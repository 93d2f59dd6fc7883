"""What a test holds to plan faults: one view of the registry for SMTP, one for the sender of webhooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import timedelta
from typing import Any, ClassVar, Generic, Literal, TypedDict, Unpack, get_args

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
    """The conditions that are known at MAIL."""

    peer: Text
    ehlo: Text
    login: Text
    tls: Text
    mail_from: Text


class RcptFaultConditions(MailFaultConditions, total=False):
    """The conditions that are known at RCPT."""

    recipient: Text


class RejectFaultConditions(RcptFaultConditions, total=False):
    """The conditions of ``reject``, whose ``text`` is that of the reply."""

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
    """The conditions of a fault of SMTP."""

    text: Text


class WebhookFaultConditions(TypedDict, total=False):
    """The conditions of a fault of the webhook sender."""

    event: Text
    attempt: Number
    url: Text
    subject: Text
    sender: Text
    recipient: Text
    text: Text
    json: Callable[[Any], object] | Any


class _PlannedFaults(Hints, Generic[C, D]):
    """The planned faults of one protocol, and how to plan more."""

    _protocol: ClassVar[FaultProtocol[Any, Any]]

    def __init__(self, thread: LoopThread, registry: FaultRegistry) -> None:
        self._thread = thread
        self._registry = registry

    def clear(self, *faults: Fault) -> None:
        """Remove ``faults``, or all of them. It does not matter any more whether they struck."""
        self._do(lambda: self._registry.cancel(*(faults or self._registry.all(self._protocol))))

    @property
    def planned(self) -> list[Fault]:
        """The planned faults in order. ``fired`` is how often each has struck."""
        return list(self._registry.all(self._protocol))

    def _plan(
        self,
        stages: tuple[str, ...],
        action: FaultAction[C, D],
        times: int | None,
        conditions: Mapping[str, Any],
    ) -> Fault:
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
    """Makes the server misbehave until the test is over.

    ``stage`` is one of ``connect, ehlo, auth, mail, rcpt, data, end`` (``end`` is the final dot). ``times`` is how
    often the fault strikes, None for any number. Conditions select the sessions: ``peer, ehlo, login, tls, mail_from,
    recipient`` as far as the stage knows them, and at ``end`` also ``subject, sender, to, cc, header, text, html,
    size, has_attachment, filename``. Faults planned one after another are a sequence: the first that matches and is
    not used up strikes. One that never strikes fails the test.
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
        """Reply with ``code`` (400 to 599) instead of carrying the command out; 421 also ends the connection.

        Args:
            stage: Where.
            code: The reply's code.
            text: The reply's text. If it does not begin with an enhanced status code, one that suits is put before it.
            times: How often.
            match: For whom.

        Raises:
            ValueError: The stage does not know a condition yet, or the code is not that of a refusal.
            TypeError: A condition is unknown; the text names the nearest.
        """
        where = SMTP.stage(stage)
        decision = SmtpDecision(refusal=refusal(where, code, text))
        return self._plan((where,), Always(decision, f"reject {code}"), times, match)

    def delay(
        self,
        seconds: float,
        *,
        stage: FaultStage = "end",
        times: int | None = None,
        **match: Unpack[FaultConditions],
    ) -> Fault:
        """Wait ``seconds`` of real time before the command is carried out; other clients are served meanwhile."""
        action = Always(SmtpDecision(delay=_seconds("seconds", seconds)), f"delay of {seconds:g} s")
        return self._plan((SMTP.stage(stage),), action, times, match)

    def trickle(
        self,
        seconds: float = 0.01,
        *,
        stage: FaultStage = "end",
        times: int | None = None,
        **match: Unpack[FaultConditions],
    ) -> Fault:
        """Send the reply byte by byte, with ``seconds`` of real time between them."""
        action = Always(SmtpDecision(pause=_seconds("seconds", seconds)), "slow reply")
        return self._plan((SMTP.stage(stage),), action, times, match)

    def drop(
        self,
        *,
        stage: FaultStage | None = None,
        when: DropWhen = "before",
        after_bytes: int | None = None,
        times: int | None = None,
        **match: Unpack[FaultConditions],
    ) -> Fault:
        """End the connection.

        Args:
            stage: Where; the default is ``end``.
            when: ``before`` the command is carried out, ``after`` its reply, or ``instead`` of the reply: at the end of
                data the message is stored then and its sender does not know, so a retry makes a duplicate.
            after_bytes: Instead of ``when``: break off in the middle of the message, at stage ``data``, after this
                many bytes of it, 1 or more. They are counted as they are sent: after the 354, with the dots that were
                added and the final one's line; or in chunks of BDAT, all together. A shorter message passes, and the
                fault has not struck.
            times: How often.
            match: For whom.

        Raises:
            ValueError: ``when`` or ``after_bytes`` has no such value, or they do not go together with the rest.
        """
        if when not in _WHEN:
            raise ValueError(f"when takes {' or '.join(map(repr, _WHEN))}, not {when!r}")
        if after_bytes is None:
            action = Always(SmtpDecision(drop=when), f"drop {when}")
            return self._plan((SMTP.stage(stage or "end"),), action, times, match)
        _whole("after_bytes", after_bytes, 1)
        if SMTP.stage(stage or "data") != "data" or when != "before":
            raise ValueError("after_bytes is in the middle of the message: it takes stage='data' and no 'when'")
        action = Always(SmtpDecision(cut=after_bytes), f"drop after {counted(after_bytes, 'byte')}")
        return self._plan(("data",), action, times, match)

    def lose(self, *, times: int | None = None, **match: Unpack[FaultConditions]) -> Fault:
        """Reply 250 and store nothing; with a ``recipient`` and no condition on the message, lose only its copy."""
        known_at_rcpt = "recipient" in match and SMTP.stages["rcpt"].conditions.issuperset(match)
        action = Always(SmtpDecision(lose=True), "lose")
        return self._plan(("rcpt" if known_at_rcpt else "end",), action, times, match)

    def greylist(
        self, wait: timedelta | float = 300, *, times: int | None = None, **match: Unpack[RcptFaultConditions]
    ) -> Fault:
        """Refuse each pair of sender and recipient with 451 4.7.1 until ``wait`` after its first try.

        Args:
            wait: A timedelta or seconds, on the kit's clock: ``mailserver.clock.advance`` makes it pass.
            times: How many refusals there are at most.
            match: For whom.
        """
        seconds = wait.total_seconds() if isinstance(wait, timedelta) else wait
        return self._plan(("rcpt",), Greylist(round(_seconds("wait", seconds) * 1000)), times, match)

    def throttle(
        self,
        per_minute: int,
        *,
        code: Literal[421, 450, 451, 452] = 450,
        times: int | None = None,
        **match: Unpack[MailFaultConditions],
    ) -> Fault:
        """Let ``per_minute`` messages begin in a minute of the kit's clock, and refuse more with ``code``."""
        if code not in {421, 450, 451, 452}:
            raise ValueError(f"code takes 421, 450, 451 or 452, not {code!r}")
        return self._plan(("mail",), Throttle(_whole("per_minute", per_minute, 0), code), times, match)

    def limit_size(
        self,
        bytes: int,  # noqa: A002 - the unit, as a user writes it
        *,
        times: int | None = None,
        **match: Unpack[FaultConditions],
    ) -> Fault:
        """Refuse with 552 a message that is declared by SIZE, or turns out, to be bigger than ``bytes``."""
        stages = ("mail", "end") if SMTP.stages["mail"].conditions.issuperset(match) else ("end",)
        return self._plan(stages, LimitSize(_whole("bytes", bytes, 0)), times, match)


class WebhookFaults(_PlannedFaults[CallContext, CallDecision]):
    """Makes the sender of webhooks misbehave until the test is over.

    ``times`` is how often, None for any number. Conditions select the calls: ``event``, ``subject``, ``sender``,
    ``recipient``, ``url``, ``attempt``, ``json``, ``text``. A fault that never strikes fails the test.
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
        """Send a call twice: the same id, the same body, one after the other."""
        return self._plan(("send",), Always(CallDecision(duplicate=True), "duplicate"), times, match)

    def reorder(self, *, times: int | None = 1, **match: Unpack[WebhookFaultConditions]) -> Fault:
        """Hold a delivery back until the next one to the same webhook was sent."""
        return self._plan(("queue",), Always(CallDecision(hold=True), "reorder"), times, match)

    def delay(self, seconds: float, *, times: int | None = 1, **match: Unpack[WebhookFaultConditions]) -> Fault:
        """Make the first attempt ``seconds`` later, on the kit's clock."""
        action = Always(CallDecision(delay=_seconds("seconds", seconds, zero=False)), f"delay of {seconds:g} s")
        return self._plan(("queue",), action, times, match)

    def corrupt_signature(self, *, times: int | None = 1, **match: Unpack[WebhookFaultConditions]) -> Fault:
        """Sign with a wrong secret."""
        return self._tamper("signature", "corrupt signature", times, match)

    def stale_timestamp(self, *, times: int | None = 1, **match: Unpack[WebhookFaultConditions]) -> Fault:
        """Send a timestamp that is an hour old, signed properly, as in a replay."""
        return self._tamper("timestamp", "stale timestamp", times, match)

    def malformed_json(self, *, times: int | None = 1, **match: Unpack[WebhookFaultConditions]) -> Fault:
        """Send a body without its last byte, signed properly."""
        return self._tamper("json", "malformed JSON", times, match)

    def wrong_content_type(self, *, times: int | None = 1, **match: Unpack[WebhookFaultConditions]) -> Fault:
        """Send the body as ``text/plain``."""
        return self._tamper("content_type", "wrong content type", times, match)

    def huge_body(self, *, times: int | None = 1, **match: Unpack[WebhookFaultConditions]) -> Fault:
        """Send ten mebibytes: the same JSON followed by blanks, signed properly."""
        return self._tamper("huge", "huge body", times, match)

    def _tamper(self, what: Tampering, text: str, times: int | None, conditions: Mapping[str, Any]) -> Fault:
        return self._plan(("send",), Always(CallDecision(tampering=what), text), times, conditions)


_WHEN = get_args(DropWhen)


def _seconds(name: str, seconds: float, *, zero: bool = True) -> float:
    if type(seconds) not in {int, float} or not (seconds > 0 or (zero and seconds == 0)):
        raise ValueError(f"{name} takes seconds, {'0 or more' if zero else 'more than 0'}, not {seconds!r}")
    return seconds


def _whole(name: str, number: int, least: int) -> int:
    if type(number) is not int or number < least:
        raise ValueError(f"{name} takes a whole number, {least} or more, not {number!r}")
    return number
