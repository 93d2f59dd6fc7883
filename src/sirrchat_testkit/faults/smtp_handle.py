"""The handle that plans faults of SMTP."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar, Literal, TypedDict, Unpack

from sirrchat_testkit.comparing import Number, Text
from sirrchat_testkit.faults.engine import Always, Fault
from sirrchat_testkit.faults.handle import PlannedFaults, seconds_of, whole_number
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
from sirrchat_testkit.formatting import counted

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


class Faults(PlannedFaults[SmtpContext, SmtpDecision]):
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
    _owners = ("recipient", "login")
    _guesses: ClassVar[Mapping[str, str]] = {
        "fail": "reject",
        "refuse": "reject",
        "error": "reject",
        "bounce": "reject",
        "reject_recipients": "reject(stage='rcpt')",
        "refuse_connections": "drop(stage='connect')",
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
        action = Always(SmtpDecision(delay=seconds_of("seconds", seconds)), f"delay of {seconds:g} s")
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
        action = Always(SmtpDecision(pause=seconds_of("seconds", seconds)), "slow reply")
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
        whole_number("after_bytes", after_bytes, 1)
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
        return self._plan(self.greylist, ("rcpt",), Greylist(round(seconds_of("wait", seconds) * 1000)), times, match)

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
        return self._plan(
            self.throttle, ("mail",), Throttle(whole_number("per_minute", per_minute, 0), code), times, match
        )

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
        return self._plan(self.limit_size, stages, LimitSize(whole_number("bytes", bytes, 0)), times, match)


_WHEN: Mapping[DropWhen, str] = {
    "before": "before the command",
    "instead": "instead of the reply",
    "after": "after the reply",
}
