"""What a failed wait or assertion says. The text alone must tell why.

1. First what was wanted, of whom, for how long; then what came instead, nearest first, with what each one missed.
2. Then whatever explains an absence: mail for others, mail that was refused and with which words, that nobody
   connected, what the server was busy with, what failed in it.
3. Nothing is said that does not help: an empty chapter is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from sirrchat_testkit.core import addressing
from sirrchat_testkit.core.events import FaultFired, LoginRefused
from sirrchat_testkit.core.matching import Match, explain, summary
from sirrchat_testkit.core.sessions import Session
from sirrchat_testkit.signals import runs_asyncio
from sirrchat_testkit.testing.desk import Refusal, Situation
from sirrchat_testkit.testing.message import ReceivedMessage

SHOWN = 5


class MailNotReceived(AssertionError):
    """A wait ended without the mail it was for."""


class UnexpectedMail(AssertionError):
    """Mail arrived that should not have."""


class NotSettled(AssertionError):
    """The server was still busy, so nothing can be said about what will not arrive."""


class FaultNeverFired(AssertionError):
    """A fault was planned and never struck, so the test did not test what it says."""


class FailedWait(Protocol):
    """What a wait has seen when its time is up."""

    recipient: str | None
    match: Match
    seconds: float
    wanted: int
    found: list[ReceivedMessage]
    missed: list[ReceivedMessage]
    taken: list[ReceivedMessage]
    blocked: bool


def not_received(situation: Situation, wait: FailedWait) -> MailNotReceived:
    """Return why what was waited for is not there."""
    if wait.wanted == 1:
        count = "No message"
    else:
        count = f"Only {len(wait.found)} of {wait.wanted} messages" if wait.found else f"None of {wait.wanted} messages"
    taken = [each for each in wait.taken if wait.match.accepts(each)]
    chapters = [
        f"{count} for {wait.recipient or 'anybody'} {_that(wait.match)}came within {_seconds(wait.seconds)}.",
        _listed("These came:", wait.found),
        _near("This came, and is not what was waited for:", wait.match, wait.missed),
        _listed("This matches, and was taken by an earlier receive():", taken),
        *_why(situation, wait.recipient, wait.match),
        _block(wait.seconds) if wait.blocked else "",
    ]
    return MailNotReceived(_text(chapters))


def too_many(recipient: str | None, match: Match, *, wanted: int, found: Sequence[ReceivedMessage]) -> MailNotReceived:
    """Return the failure of a wait that found more than it asked for."""
    first = f"{len(found)} messages for {recipient or 'anybody'} {_that(match)}came, {wanted} were wanted:"
    return MailNotReceived(_text([_listed(first, found, len(found))]))


def unexpected(
    recipient: str | None, match: Match, arrived: ReceivedMessage, *, within: float, after: float
) -> UnexpectedMail:
    """Return the failure of an ``assert_nothing``."""
    for_whom = f"for {recipient}" if recipient else "for anybody"
    window = f" within {_seconds(within)}" if within else ""
    when = f" after {after:.2f} s" if within else ""
    that = f" that matches {match}" if match.conditions else ""
    return UnexpectedMail(f"Expected nothing {for_whom}{that}{window}, but this arrived{when}: {summary(arrived)}")


def not_settled(busy: Sequence[Session], seconds: float) -> NotSettled:
    """Return the failure to settle: what was still under way, and with whom."""
    return NotSettled(_text([f"The server was still busy after {_seconds(seconds)}:", _indented(map(_busy, busy))]))


def never_fired(faults: Sequence[object]) -> FaultNeverFired:
    """Return the failure of a test whose faults did not strike."""
    what = "This fault was planned and never struck:" if len(faults) == 1 else "These faults never struck:"
    return FaultNeverFired(_text([what, _indented(map(str, faults))]))


def overview(situation: Situation) -> str:
    """Return what happened since the scope began: what a failed test's report shows."""
    return _text(
        [
            _listed("Messages:", situation.messages, 20) or "No mail was received.",
            _refused(situation.refusals),
            _logins(situation.logins),
            _faults(situation),
            _sessions(situation),
            _crashed(situation),
        ]
    )


def _why(situation: Situation, recipient: str | None, match: Match) -> list[str]:
    mine = recipient and addressing.key(recipient)
    elsewhere = [each for each in situation.messages if mine and addressing.key(each.recipient) != mine]
    return [
        _near("Mail for others:", match, elsewhere),
        _refused(situation.refusals),
        _logins(situation.logins),
        _faults(situation),
        _sessions(situation),
        _crashed(situation),
    ]


def _that(match: Match) -> str:
    return f"with {match} " if match.conditions else ""


def _near(title: str, match: Match, messages: Sequence[ReceivedMessage]) -> str:
    return f"{title}\n{_indented(explain(match, messages, SHOWN).splitlines())}" if messages else ""


def _listed(title: str, messages: Sequence[ReceivedMessage], most: int = SHOWN) -> str:
    if not messages:
        return ""
    more = [f"and {len(messages) - most} more"] if len(messages) > most else []
    return f"{title}\n{_indented([*map(summary, messages[:most]), *more])}"


def _refused(refusals: Sequence[Refusal]) -> str:
    if not refusals:
        return ""
    return f"Refused:\n{_indented(_refusal(each) for each in refusals[-SHOWN:])}"


def _refusal(refusal: Refusal) -> str:
    nearest = f"; the nearest address is {refusal.nearest}" if refusal.nearest else ""
    scope = f"; it belonged to {refusal.scope}, which is over" if refusal.scope else ""
    return f"{refusal.recipient} from {refusal.sender or '<>'}: {refusal.reason}{scope or nearest}"


def _faults(situation: Situation) -> str:
    chapters = []
    if situation.faults:
        chapters.append(f"Planned faults:\n{_indented(situation.faults[-SHOWN:])}")
    if situation.struck:
        chapters.append(f"Faults that struck:\n{_indented(map(_strike, situation.struck[-SHOWN:]))}")
    return "\n".join(chapters)


def _logins(logins: Sequence[LoginRefused]) -> str:
    return f"Logins:\n{_indented(map(_login, logins[-SHOWN:]))}" if logins else ""


def _login(event: LoginRefused) -> str:
    code = "" if event.reason.startswith("refused") else "refused 535: "
    return f"AUTH {event.mechanism} as {event.login!r} {code}{event.reason}"


def _strike(event: FaultFired) -> str:
    whom = ", ".join(event.recipients) or event.sender or event.peer
    return f"{event.text} at {event.stage.upper()}: {whom}"


def _sessions(situation: Situation) -> str:
    if not situation.connections:
        return f"Nobody connected to {situation.address}: is the application set to send its mail there?"
    busy = [each for each in situation.sessions if each.doing]
    return f"Under way:\n{_indented(map(_busy, busy))}" if busy else ""


def _busy(session: Session) -> str:
    return f"{session.peer}: {session.doing}"


def _crashed(situation: Situation) -> str:
    if not situation.crashes:
        return ""
    lines = (f"{each.where}: {type(each.error).__name__}: {each.error}" for each in situation.crashes[-SHOWN:])
    return f"Failed in the server:\n{_indented(lines)}"


def _block(seconds: float) -> str:
    if not runs_asyncio():
        return ""
    return (
        f"This thread runs an event loop, which receive() blocked for {_seconds(seconds)}; "
        'if the application runs on it, use "await inbox.areceive(...)".'
    )


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f} s"


def _indented(lines: Iterable[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)


def _text(chapters: Iterable[str]) -> str:
    return "\n".join(chapter for chapter in chapters if chapter)
