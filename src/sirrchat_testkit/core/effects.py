"""What a fault does, decided without sockets: each effect looks at a moment and says what the adapter is to do.

1. A ``Ruling`` is data; whoever carries it out knows the protocol, and no effect does.
2. Delays are real time, since they are felt by the client; greylisting and rates count on the kit's clock.
3. What an effect remembers is a plain value that ``remember`` takes and ``recall`` puts back: so a scope can end.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Literal, Protocol

from sirrchat_testkit.core.moments import Moment
from sirrchat_testkit.core.wording import counted

MINUTE: Final = 60_000
_STATUS = re.compile(r"([245]\.\d{1,3}\.\d{1,3})(?: |$)")
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


@dataclass(frozen=True, slots=True)
class Refusal:
    """The reply that is given instead of the command's own: code, enhanced status code (RFC 3463), text."""

    code: int
    status: str
    text: str


Drop = Literal["before", "instead", "after"]


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is to be done at one moment.

    Attributes:
        refusal: The reply, in place of carrying the command out; None to carry it out.
        delay: Seconds of real time before that.
        pause: Seconds between the octets of the reply.
        drop: ``before`` ends the connection in place of the command, ``instead`` in place of its reply, ``after``
            behind its reply.
        lose: Say yes and store nothing.
        cut: Octets of the message behind which the connection is broken off; 0 for none.
        strike: With ``cut``, to be called when so many octets have come: counts the fault, or is False if it may
            strike no more.
    """

    refusal: Refusal | None = None
    delay: float = 0.0
    pause: float = 0.0
    drop: Drop | None = None
    lose: bool = False
    cut: int = 0
    strike: Callable[[], bool] | None = None


class Effect(Protocol):
    """What a fault does."""

    def rule(self, moment: Moment, now: int) -> Ruling | None:
        """Return what to do at ``moment``, None to let it pass; ``now`` is the kit's time in milliseconds."""

    def remember(self) -> Any:
        """Return what it remembers."""

    def recall(self, memory: Any) -> None:
        """Go back to what ``remember`` returned."""


class _Forgetful:
    """An effect that remembers nothing."""

    def remember(self) -> None:
        return None

    def recall(self, memory: None) -> None:
        pass


@dataclass(slots=True)
class Always(_Forgetful):
    """Rules the same at every moment; ``words`` say what."""

    ruling: Ruling
    words: str

    def rule(self, moment: Moment, now: int) -> Ruling | None:  # noqa: ARG002 - always
        """Return the ruling."""
        return self.ruling

    def __str__(self) -> str:
        return self.words


@dataclass(slots=True)
class LimitSize(_Forgetful):
    """Refuses what is declared, or is, bigger than ``octets``."""

    octets: int

    def rule(self, moment: Moment, now: int) -> Ruling | None:  # noqa: ARG002 - the time does not matter
        """Refuse with 552 (RFC 1870 section 6.1)."""
        if moment.size <= self.octets:
            return None
        return Ruling(Refusal(552, "5.3.4", f"The message is bigger than {counted(self.octets, 'octet')}"))

    def __str__(self) -> str:
        return f"size limit of {counted(self.octets, 'octet')}"


@dataclass(slots=True)
class Greylist:
    """Refuses each pair of sender and recipient until ``milliseconds`` after its first try (RFC 6647)."""

    milliseconds: int
    _first: dict[tuple[str, str], int] = field(default_factory=dict)

    def rule(self, moment: Moment, now: int) -> Ruling | None:
        """Refuse with 451 4.7.1, unless the pair has waited."""
        pair = (moment.mail_from.lower(), moment.recipients[-1].lower())
        first = self._first.get(pair)
        left = self.milliseconds if first is None else first + self.milliseconds - now
        if first is not None and left <= 0:
            return None
        self._first.setdefault(pair, now)
        return Ruling(Refusal(451, "4.7.1", f"Greylisted; try again in {-(-left // 1000)} seconds"))

    def remember(self) -> dict[tuple[str, str], int]:
        """Return when each pair was first seen."""
        return dict(self._first)

    def recall(self, memory: dict[tuple[str, str], int]) -> None:
        """Forget what came since."""
        self._first = dict(memory)

    def __str__(self) -> str:
        return f"greylisting for {self.milliseconds / 1000:g} s"


@dataclass(slots=True)
class Throttle:
    """Lets ``messages`` pass in any minute of the kit's clock, and refuses what comes above."""

    messages: int
    code: int
    _passed: deque[int] = field(default_factory=deque)

    def rule(self, moment: Moment, now: int) -> Ruling | None:  # noqa: ARG002 - only how many matters
        """Refuse with the code, 421 (which ends the session) or 450, if so many came in the last minute."""
        while self._passed and not now - MINUTE < self._passed[0] <= now:
            self._passed.popleft()
        if len(self._passed) >= self.messages:
            text = f"More than {counted(self.messages, 'message')} a minute; try again later"
            return Ruling(Refusal(self.code, "4.7.0", text))
        self._passed.append(now)
        return None

    def remember(self) -> tuple[int, ...]:
        """Return when messages passed."""
        return tuple(self._passed)

    def recall(self, memory: tuple[int, ...]) -> None:
        """Forget what passed since."""
        self._passed = deque(memory)

    def __str__(self) -> str:
        return f"throttling above {counted(self.messages, 'message')} a minute"


def refusal(stage: str, code: int, text: str = "") -> Refusal:
    """Return the refusal ``code`` with an enhanced code that suits it, unless ``text`` begins with one.

    Raises:
        ValueError: ``code`` is none of 400 to 599.
    """
    if type(code) is not int or not 400 <= code <= 599:  # noqa: PLR2004 - RFC 5321 section 4.2.1
        raise ValueError(f"code takes a number from 400 to 599, not {code!r}")
    own = _STATUS.match(text)
    if own:
        return Refusal(code, own[1], text[own.end() :] or "Refused by a fault")
    status = _BY_STAGE.get((stage, code)) or _BY_CODE.get(code) or f"{code // 100}.0.0"
    return Refusal(code, status, text or "Refused by a fault")
