"""Faults, as a test plans them: what the server is to do wrong, at which stage, for whom, how many times."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any, Final, NoReturn, TypeVar

from sirrchat_testkit.core.effects import Always, Drop, Effect, Greylist, LimitSize, Ruling, Throttle, refusal
from sirrchat_testkit.core.faults import Fault
from sirrchat_testkit.core.faults import Faults as CoreFaults
from sirrchat_testkit.core.hints import misnamed
from sirrchat_testkit.core.moments import KNOWN, STAGES, FaultMatch
from sirrchat_testkit.core.wording import counted
from sirrchat_testkit.loopthread import LoopThread

T = TypeVar("T")

_ALSO: Final = {"helo": "ehlo", "login": "auth", "recipient": "rcpt", "sender": "mail", "eod": "end", "body": "end"}
_DROPS: Final = ("before", "instead", "after")


class Faults:
    """Makes the server misbehave, until the test is over.

    ``stage`` is one of ``connect, ehlo, auth, mail, rcpt, data, end`` (``end`` is the final dot), and ``times`` how
    often the fault strikes, None for any number. Conditions say for whom: ``peer, ehlo, login, tls, mail_from,
    recipient`` as far as the stage knows them, and at ``end`` also ``subject, sender, to, cc, header, text, html,
    size, has_attachment, filename``. Faults planned one after the other are a sequence: the first that matches and is
    not used up strikes. One that never strikes fails the test.
    """

    _guesses = {  # noqa: RUF012 - read by ``misnamed`` alone
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

    def __init__(self, thread: LoopThread, faults: CoreFaults) -> None:
        self._thread = thread
        self._faults = faults

    def reject(self, *, stage: str, code: int = 550, text: str = "", times: int | None = None, **match: Any) -> Fault:
        """Answer with ``code`` (400 to 599) in place of carrying the command out; 421 also ends the connection.

        Args:
            stage: Where.
            code: The reply's code.
            text: The reply's text; it may begin with an enhanced status code, else one that suits is put before it.
            times: How often.
            match: For whom.

        Raises:
            ValueError: The stage does not know what a condition asks for, or the code is no refusal.
            TypeError: A condition is unknown; the text names the nearest.
        """
        stage = _stage(stage)
        ruling = Ruling(refusal(stage, code, text))
        return self._plan((stage,), Always(ruling, f"reject {code}"), times, match)

    def delay(self, seconds: float, *, stage: str = "end", times: int | None = None, **match: Any) -> Fault:
        """Wait ``seconds`` of real time before the command is carried out; others are served meanwhile."""
        ruling = Ruling(delay=_positive("seconds", seconds))
        return self._plan((_stage(stage),), Always(ruling, f"delay of {seconds:g} s"), times, match)

    def trickle(self, seconds: float = 0.01, *, stage: str = "end", times: int | None = None, **match: Any) -> Fault:
        """Send the reply octet by octet, with ``seconds`` of real time between them."""
        ruling = Ruling(pause=_positive("seconds", seconds))
        return self._plan((_stage(stage),), Always(ruling, "slow reply"), times, match)

    def drop(
        self,
        *,
        stage: str | None = None,
        when: Drop = "before",
        after_octets: int | None = None,
        times: int | None = None,
        **match: Any,
    ) -> Fault:
        """End the connection.

        Args:
            stage: Where; ``end`` unless said otherwise.
            when: ``before`` the command is carried out, ``after`` its reply, or ``instead`` of the reply: at the end of
                data the message is stored then and its sender does not know, so a retry makes a duplicate.
            after_octets: In place of ``when``: break off in the middle of the message, at stage ``data``, when so many
                octets of it have come, 1 or more. They count as they are sent: behind the 354, with the dots that were
                added and the final one's line; or in chunks of BDAT, all together. A message that has fewer passes, and
                the fault has not struck.
            times: How often.
            match: For whom.

        Raises:
            ValueError: ``when`` or ``after_octets`` is none of these, or they do not go together with the rest.
        """
        if when not in _DROPS:
            raise ValueError(f"when takes {' or '.join(map(repr, _DROPS))}, not {when!r}")
        if after_octets is not None:
            return self._cut(_stage(stage or "data"), when, after_octets, times, match)
        return self._plan((_stage(stage or "end"),), Always(Ruling(drop=when), f"drop {when}"), times, match)

    def lose(self, *, times: int | None = None, **match: Any) -> Fault:
        """Say 250 and store nothing; with a ``recipient``, and nothing of the message, only that recipient's copy."""
        known_at_rcpt = "recipient" in match and KNOWN["rcpt"].issuperset(match)
        return self._plan(("rcpt" if known_at_rcpt else "end",), Always(Ruling(lose=True), "lose"), times, match)

    def greylist(self, wait: timedelta | float = 300, *, times: int | None = None, **match: Any) -> Fault:
        """Refuse each pair of sender and recipient with 451 4.7.1 until ``wait`` after its first try.

        Args:
            wait: A timedelta or seconds, on the kit's clock: ``mailserver.clock.advance`` lets it pass.
            times: How many refusals there are at most.
            match: For whom.
        """
        seconds = wait.total_seconds() if isinstance(wait, timedelta) else wait
        return self._plan(("rcpt",), Greylist(round(_positive("wait", seconds) * 1000)), times, match)

    def throttle(self, per_minute: int, *, code: int = 450, times: int | None = None, **match: Any) -> Fault:
        """Let ``per_minute`` messages begin in a minute of the kit's clock, and refuse more with 450, or 421."""
        if code not in {421, 450, 451, 452}:
            raise ValueError(f"code takes 421, 450, 451 or 452, not {code!r}")
        if type(per_minute) is not int or per_minute < 0:
            raise ValueError(f"per_minute takes a whole number, 0 or more, not {per_minute!r}")
        return self._plan(("mail",), Throttle(per_minute, code), times, match)

    def limit_size(self, octets: int, *, times: int | None = None, **match: Any) -> Fault:
        """Refuse with 552 what is declared by SIZE, or turns out, to be bigger than ``octets``."""
        if type(octets) is not int or octets < 0:
            raise ValueError(f"octets takes a whole number, 0 or more, not {octets!r}")
        stages = tuple(each for each in ("mail", "end") if KNOWN[each].issuperset(match) or each == "end")
        return self._plan(stages, LimitSize(octets), times, match)

    def clear(self, *faults: Fault) -> None:
        """Misbehave no more, or only not by ``faults``; whether these struck no longer matters."""
        self._do(lambda: self._faults.cancel(*(faults or self._faults.all())))

    @property
    def planned(self) -> list[Fault]:
        """The planned faults in order, each with ``fired``, the number of times it struck."""
        return list(self._faults.all())

    def _cut(self, stage: str, when: Drop, octets: int, times: int | None, match: dict[str, Any]) -> Fault:
        if type(octets) is not int or octets < 1:
            raise ValueError(f"after_octets takes a whole number, 1 or more, not {octets!r}")
        if stage != "data" or when != "before":
            raise ValueError("after_octets is in the middle of the message: it takes stage='data' and no 'when'")
        return self._plan((stage,), Always(Ruling(cut=octets), f"drop after {counted(octets, 'octet')}"), times, match)

    def _plan(self, stages: tuple[str, ...], effect: Effect, times: int | None, match: dict[str, Any]) -> Fault:
        fault = Fault(stages, FaultMatch(**match), effect, times)
        return self._do(lambda: self._faults.plan(fault))

    def _do(self, what: Callable[[], T]) -> T:
        async def work() -> T:
            return what()

        return self._thread.call(work())

    def __iter__(self) -> Iterator[Fault]:
        return iter(self.planned)

    def __len__(self) -> int:
        return len(self.planned)

    def __bool__(self) -> bool:
        return True

    def __repr__(self) -> str:
        return f"<Faults {'; '.join(f'{each}, {each.count()}' for each in self.planned) or 'none'}>"

    def __getattr__(self, name: str) -> NoReturn:
        raise misnamed(self, name, self._guesses)


def _stage(stage: str) -> str:
    word = str(stage).lower()
    word = _ALSO.get(word, word)
    if word not in STAGES:
        near = difflib.get_close_matches(word, STAGES, 1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"stage takes one of {', '.join(map(repr, STAGES))}, not {stage!r}{hint}")
    return word


def _positive(name: str, seconds: float) -> float:
    if type(seconds) not in {int, float} or seconds < 0:
        raise ValueError(f"{name} takes seconds, 0 or more, not {seconds!r}")
    return seconds
