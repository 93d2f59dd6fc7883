"""What a failed wait or assertion says. The text alone must tell why.

1. First what was wanted, of whom, for how long; then what came instead, nearest first, with what each one missed.
2. Then whatever explains an absence: mail for others, mail that was refused and with which words, that nobody
   connected, what the server was busy with, what failed in it.
3. Nothing is said that does not help: an empty chapter is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sirrchat_testkit.core import addressing
from sirrchat_testkit.core.events import Crashed, DeliveryAttempted, FaultFired, LoginRefused
from sirrchat_testkit.core.matching import Match, explain, summary
from sirrchat_testkit.core.sessions import Session
from sirrchat_testkit.core.wording import counted
from sirrchat_testkit.signals import runs_asyncio
from sirrchat_testkit.testing.ending import ending
from sirrchat_testkit.testing.message import ReceivedMessage
from sirrchat_testkit.testing.situation import Refusal, Situation

SHOWN = 5
_GONE = "This came earlier, and went with the test that ran then; receive it in the fixture that makes the address:"


class MailNotReceived(AssertionError):
    """A wait ended without the mail it was for."""

    __module__ = "sirrchat_testkit"


class UnexpectedMail(AssertionError):
    """Mail arrived that should not have."""

    __module__ = "sirrchat_testkit"


class NotSettled(AssertionError):
    """The server was still busy, so nothing can be said about what will not arrive."""

    __module__ = "sirrchat_testkit"


class FaultNeverFired(AssertionError):
    """A fault was planned and never struck, so the test did not test what it says."""

    __module__ = "sirrchat_testkit"


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
    gone = [str(each) for each in situation.gone if each.fits(wait.match)]
    chapters = [
        f"{count} for {wait.recipient or 'anybody'} {_that(wait.match)}came within {_seconds(wait.seconds)}.",
        _absence(situation, wait.recipient or ""),
        _listed("These came:", wait.found),
        _near("This came, and is not what was waited for:", wait.match, wait.missed),
        _listed("This matches, and was taken by an earlier receive():", taken),
        str(Chapter(_GONE, gone)) if gone else "",
        *_why(situation, wait.recipient, wait.match),
        _block(wait.seconds) if wait.blocked else "",
    ]
    return MailNotReceived(_text(chapters))


def too_many(recipient: str | None, match: Match, *, wanted: int, found: Sequence[ReceivedMessage]) -> UnexpectedMail:
    """Return the failure of a wait that found more than it asked for."""
    came = f"{counted(len(found), 'message')} for {recipient or 'anybody'} {_that(match)}came"
    title = f"{came}, {wanted or 'none'} {'were' if wanted > 1 else 'was'} wanted. Too many:"
    more = found[wanted:]
    return UnexpectedMail(_listed(title, more, len(more)))


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


@dataclass(frozen=True, slots=True)
class Chapter:
    """A title and the lines below it: equal ones are shown once, and of many the ``most`` latest."""

    title: str
    lines: Sequence[str] = ()
    most: int = SHOWN

    def is_told(self, text: str) -> bool:
        """Return whether ``text`` has every line, or the title where there are none."""
        return all(line in text for line in self.lines or [self.title])

    def __str__(self) -> str:
        lines = [f"{line} ({count} times)" if count > 1 else line for line, count in Counter(self.lines).items()]
        earlier = len(lines) - self.most
        cut = [f"{earlier} more before"] if earlier > 0 else []
        return "\n".join([self.title, *(f"  {line}" for line in [*cut, *lines[-self.most :]])])


def overview(situation: Situation, told: str = "") -> str:
    """Return what happened since the scope began, without the chapters that the text ``told`` has already."""
    chapters = [
        Chapter(
            "Messages:" if situation.messages else "No mail was received.", [*map(summary, situation.messages)], 20
        ),
        *_happened(situation),
    ]
    if situation.attempts:
        chapters.append(Chapter("Webhook attempts:", [*map(attempted, situation.attempts)], 20))
    return _text(str(each) for each in chapters if not each.is_told(told))


def attempted(event: DeliveryAttempted) -> str:
    """Return one call of a webhook and what came of it, in one line."""
    came = f"{event.error}: {event.reason}" if event.error else f"answered {event.status}"
    what = f"{event.event}, attempt {event.number}: {came} after {event.duration_ms} ms"
    return f"{event.url}: {what}; now {event.outcome}"


def _why(situation: Situation, recipient: str | None, match: Match) -> list[str]:
    mine = recipient and addressing.key(recipient)
    elsewhere = [each for each in situation.messages if mine and addressing.key(each.recipient) != mine]
    return [_near("Mail for others:", match, elsewhere), *map(str, _happened(situation))]


def _absence(situation: Situation, recipient: str) -> str:
    told = any(addressing.key(each.recipient) == addressing.key(recipient) for each in situation.refusals)
    return f"Mail for it is refused: {situation.absence}." if situation.absence and not told else ""


def _happened(situation: Situation) -> list[Chapter]:
    """Return what explains that mail is not there."""
    nobody = f"Nobody connected to {situation.address}: is the application set to send its mail there?"
    busy = [each for each in situation.sessions if each.doing]
    idle = [each for each in situation.fruitless if each not in busy]
    refused = {each.recipient for each in situation.refusals}
    ended = [(each.peer, ending(each, refused)) for each in idle]
    chapters = [
        Chapter("Refused:", [*map(_refusal, situation.refusals)]),
        Chapter("Logins:", [*map(_login, situation.logins)]),
        Chapter("Planned faults:", situation.faults),
        Chapter("Faults that struck:", [*map(_strike, situation.struck)]),
        Chapter("Connections that brought no mail:", [f"{peer} {how}" for peer, how in ended if how]),
        Chapter("Under way:", [*map(_under_way, busy)]),
        Chapter(nobody if not situation.connections and not situation.came else ""),
        Chapter("Failed in the server:", [*map(_crash, situation.crashes)]),
    ]
    return [each for each in chapters if each.lines or each.title == nobody]


def _that(match: Match) -> str:
    return f"with {match} " if match.conditions else ""


def _near(title: str, match: Match, messages: Sequence[ReceivedMessage]) -> str:
    return f"{title}\n{_indented(explain(match, messages, SHOWN).splitlines())}" if messages else ""


def _listed(title: str, messages: Sequence[ReceivedMessage], most: int = SHOWN) -> str:
    if not messages:
        return ""
    more = [f"and {len(messages) - most} more"] if len(messages) > most else []
    return f"{title}\n{_indented([*map(summary, messages[:most]), *more])}"


def _refusal(refusal: Refusal) -> str:
    nearest = f"; the nearest address is {refusal.nearest}" if refusal.nearest else ""
    scope = f"; it belonged to {refusal.scope}, which is over" if refusal.scope else ""
    return f"{refusal.recipient} from {refusal.sender or '<>'}: {refusal.reason}{scope or nearest}"


def _login(event: LoginRefused) -> str:
    code = "" if event.reason.startswith("refused") else "refused 535: "
    return f"AUTH {event.mechanism} as {event.login!r} {code}{event.reason}"


def _strike(event: FaultFired) -> str:
    whom = ", ".join(event.recipients) or event.sender or event.peer
    return f"{event.text} at {event.stage.upper()}: {whom}"


def _busy(session: Session) -> str:
    return f"{session.peer}: {session.doing}"


def _under_way(session: Session) -> str:
    return _busy(session) if session.fresh else f"{_busy(session)}; it {ending(session)}"


def _crash(event: Crashed) -> str:
    return f"{event.where}: {type(event.error).__name__}: {event.error}"


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
