"""Findings of a scope: errors in the server, verbs that were never awaited, faults that never fired, and late mail.

1. Each error and each fault is reported once: by ``check``, or at the end of its scope.
2. A scope reports its own findings, not those of nested scopes. A fault may fire in a nested scope.
3. Late mail is mail for an address of a scope that has ended. It belongs to that scope, whichever is open when it
   arrives. All of it is counted, by scope, recipient and sender, until ``take_late``.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from typing import Final, NamedTuple, Protocol

from sirrchat_testkit.awaiting import Calls
from sirrchat_testkit.domain.events import Crashed, Event, EventLog, RecipientRefused
from sirrchat_testkit.handles import failures as report
from sirrchat_testkit.handles.service import raise_all

__tracebackhide__ = True

KEPT: Final = 1000
"""How many late messages are kept, the first ones, and how many different ones are counted."""

OTHERS: Final = "other senders"


class Late(NamedTuple):
    """The key by which late mail is counted; ``recipient`` was an address of the ended ``scope``."""

    scope: str
    recipient: str
    sender: str

    def __str__(self) -> str:
        mail = f"mail for {self.recipient} from {self.sender}"
        return f"{self.scope}: {mail} arrived after this test had ended and was refused"


class Planned(Protocol):
    """A planned fault; ``fired`` counts how often it has fired in the open scope."""

    fired: int


class _Scope:
    """The errors of one scope that are not reported yet, the last call before it, and faults that need no report."""

    def __init__(self, before: int = 0, faults: Iterable[Planned] = ()) -> None:
        self.crashes: deque[Crashed] = deque()
        self.before = before
        self.done: set[Planned] = set(faults)


class Findings:
    """Collects the findings of the open scope, and the late mail of all scopes.

    Args:
        events: The log of the server.
        planned: Returns all planned faults.
        calls: The calls of asynchronous verbs.
    """

    def __init__(self, events: EventLog, planned: Callable[[], Iterable[Planned]], calls: Calls) -> None:
        self.late: list[RecipientRefused] = []
        self._planned = planned
        self._calls = calls
        self._scope = _Scope()
        self._counts: dict[Late, int] = {}
        self._lock = threading.Lock()
        events.subscribe(_ignore, self._note)

    def begin(self) -> _Scope:
        """Begin a scope; return the outer one."""
        outer, self._scope = self._scope, _Scope(self._calls.last, self._planned())
        return outer

    def end(self, outer: _Scope) -> None:
        """End the scope, and drop its findings. Faults that fired in it also count as fired in ``outer``."""
        outer.done.update(fault for fault in self._planned() if fault.fired)
        self._calls.forget(self._scope.before)
        self._scope = outer

    def check(self) -> None:
        """Raise the errors of the scope that were not raised yet: one as itself, several as a group.

        Raises:
            NeverAwaited: There was no error, and an asynchronous verb was called in the scope without ``await``.
            FaultNeverFired: There was neither, and a fault that was planned in the scope never fired.
        """
        crashes, done = self._scope.crashes, self._scope.done
        unfired = [fault for fault in self._planned() if not fault.fired and fault not in done]
        done.update(unfired)  # also if an error is raised, which may be the reason
        raise_all("several things failed in the mail server", [crashes.popleft().error for _ in range(len(crashes))])
        self._calls.check(self._scope.before)
        if unfired:
            raise report.never_fired(unfired)

    def take_late(self) -> dict[Late, int]:
        """Return the counts of late mail since the last call."""
        with self._lock:
            counts, self._counts = self._counts, {}
        return counts

    def _note(self, event: Event) -> bool:
        """Keep ``event`` if it is a finding. Called in the server's thread, in the step in which it is appended."""
        if isinstance(event, Crashed):
            self._scope.crashes.append(event)
        elif isinstance(event, RecipientRefused) and event.scope:
            self._count(event)
        return False

    def _count(self, event: RecipientRefused) -> None:
        if len(self.late) < KEPT:
            self.late.append(event)
        late = Late(event.scope, event.recipient, event.sender or "<>")
        with self._lock:
            if late not in self._counts and len(self._counts) >= KEPT:
                late = late._replace(sender=OTHERS)  # the former addresses are bounded, the senders are not
            self._counts[late] = self._counts.get(late, 0) + 1


def _ignore(_number: int, _event: Event) -> None:
    """Do nothing: ``_note`` has seen the event."""
