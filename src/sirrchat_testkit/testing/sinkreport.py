"""What a failed wait for a webhook says: what came instead, what each call missed, and what the sender has tried."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

from sirrchat_testkit.core.callmatch import CallMatch
from sirrchat_testkit.core.wording import counted
from sirrchat_testkit.signals import runs_asyncio
from sirrchat_testkit.testing.webhookcall import WebhookCall

SHOWN = 5


class WebhookNotReceived(AssertionError):
    """A wait ended without the call it was for."""

    __module__ = "sirrchat_testkit"


class UnexpectedWebhook(AssertionError):
    """A call came that should not have."""

    __module__ = "sirrchat_testkit"


@dataclass(frozen=True, slots=True)
class Situation:
    """What a failure tells of a sink: its calls, which of them were taken, and what its host knows of deliveries."""

    url: str
    calls: Sequence[WebhookCall]
    taken: frozenset[int]
    deliveries: Sequence[str]


class FailedWait(Protocol):
    """What a wait has seen when its time is up."""

    match: CallMatch
    seconds: float
    wanted: int
    found: list[WebhookCall]
    blocked: bool


def not_received(situation: Situation, wait: FailedWait) -> WebhookNotReceived:
    """Return why the call that was waited for is not there."""
    found = {each.number for each in wait.found}
    count = "No call" if wait.wanted == 1 else f"Only {len(found)} of {wait.wanted} calls"
    others = [each for each in situation.calls if each.number not in found]
    fitting = [each for each in others if wait.match.accepts(each)]
    chapters = [
        f"{count} {_that(wait.match)}came to {situation.url} within {wait.seconds:.1f} s.",
        _listed("These came:", wait.found),
        _near(
            "This came, and is not what was waited for:", wait.match, [each for each in others if each not in fitting]
        ),
        _listed("These match, and were taken already:", [each for each in fitting if each.number in situation.taken]),
        _listed("These match, and were not answered 2xx:", [each for each in fitting if not each.accepted]),
        "\n".join(situation.deliveries),
        _block(wait.seconds) if wait.blocked else "",
    ]
    return WebhookNotReceived(_text(chapters))


def too_many(url: str, match: CallMatch, *, wanted: int, found: Sequence[WebhookCall]) -> UnexpectedWebhook:
    """Return the failure of a wait that found more than it asked for."""
    came = f"{counted(len(found), 'call')} {_that(match)}came to {url}"
    title = f"{came}, {wanted or 'none'} {'were' if wanted > 1 else 'was'} wanted. Too many:"
    more = found[wanted:]
    return UnexpectedWebhook(_listed(title, more, len(more)))


def unexpected(url: str, match: CallMatch, call: WebhookCall, *, within: float, after: float) -> UnexpectedWebhook:
    """Return the failure of an ``assert_nothing``."""
    window = f" within {within:.1f} s" if within else ""
    when = f" after {after:.2f} s" if within else ""
    that = f" that matches {match}" if match.conditions else ""
    return UnexpectedWebhook(f"Expected no call{that} to {url}{window}, but this came{when}: {call}")


def _that(match: CallMatch) -> str:
    return f"with {match} " if match.conditions else ""


def _near(title: str, match: CallMatch, calls: Sequence[WebhookCall]) -> str:
    lines: list[str] = []
    for call in sorted(calls, key=match.distance)[:SHOWN]:
        lines += [_shown(call), *(f"    {miss}" for miss in match.misses(call))]
    if len(calls) > SHOWN:
        lines.append(f"and {len(calls) - SHOWN} more")
    return f"{title}\n{_indented(lines)}" if lines else ""


def _listed(title: str, calls: Sequence[WebhookCall], most: int = SHOWN) -> str:
    more = [f"and {len(calls) - most} more"] if len(calls) > most else []
    return f"{title}\n{_indented([*map(_shown, calls[:most]), *more])}" if calls else ""


def _shown(call: WebhookCall) -> str:
    answer = f"answered {call.answered}" if call.answered is not None else "not answered"
    doubt = "" if call.verified or "webhook-signature" not in call.headers else f", not verified: {call.reason}"
    return f"{call}, {answer}{doubt}"


def _block(seconds: float) -> str:
    if not runs_asyncio():
        return ""
    return (
        f"This thread runs an event loop, which receive() blocked for {seconds:.1f} s; "
        'if the application runs on it, use "await sink.areceive(...)".'
    )


def _indented(lines: Iterable[str]) -> str:
    return "\n".join(f"  {line}" for line in lines)


def _text(chapters: Iterable[str]) -> str:
    return "\n".join(chapter for chapter in chapters if chapter)
