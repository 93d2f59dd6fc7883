"""Failure texts of waits and assertions, the same for mail and for webhook calls.

1. The first line begins with the finding, because test runners show only that in their summary: the condition that the
   nearest item missed, the refusal, or another explanation. The awaited item follows.
2. Then come sections: the items that arrived, the nearest ones with the conditions that each missed, and other
   explanations.
3. A section without lines is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

from sirrchat_testkit.domain.sessions import Activity
from sirrchat_testkit.errors import NotSettled
from sirrchat_testkit.formatting import counted, printable
from sirrchat_testkit.matching import Match, nearest
from sirrchat_testkit.threads import in_task

__tracebackhide__ = True

T = TypeVar("T")
I_contra = TypeVar("I_contra", contravariant=True)

SHOWN: Final = 5
"""Lines of a section by default."""

_SHORT: Final = 0.1  # seconds that one decimal does not show

COMPARED: Final = 200
"""The number of latest items among which the nearest to the conditions are searched."""


class FaultNeverFired(AssertionError):
    """A planned fault never fired, so the test did not test what it claims to; the error names the fault."""

    __module__ = "sirrchat_testkit"


@dataclass(frozen=True, slots=True)
class Section:
    """A title and entries of one or more lines. Equal ones are shown once, with their number; the latest ``most``."""

    title: str
    lines: Sequence[str] = ()
    most: int = SHOWN

    def is_within(self, text: str) -> bool:
        """Return whether ``text`` contains every line, or the title if there are no lines."""
        return all(line in text for line in self.lines or [self.title])

    def __str__(self) -> str:
        lines = [_times(line, count) for line, count in Counter(self.lines).items()]
        earlier = len(lines) - self.most
        cut = [f"{earlier} more before"] if earlier > 0 else []
        return _section(self.title, [*cut, *lines[-self.most :]])


class Kind(Generic[I_contra]):
    """The words that differ between failures of mail and of webhook calls.

    Attributes:
        noun: An item: ``message``.
        place: Where items arrive: ``for ann@example.com``.
        stopped: A sentence: the source has stopped.
        rejected: Why waits skip some items: ``not answered with 2xx``.
        twin: How to wait without blocking an event loop.
        not_received: The error of a wait that timed out.
        unexpected: The error for items that should not have arrived.
    """

    noun: str
    place: str
    stopped: str
    rejected: str = ""
    twin: str
    not_received: type[AssertionError]
    unexpected: type[AssertionError]

    def line(self, item: I_contra) -> str:
        """Return ``item`` in one line."""
        raise NotImplementedError

    def is_rejected(self, item: I_contra) -> bool:  # noqa: ARG002 - a message never is
        """Return whether waits skip ``item``."""
        return False


class Evidence(NamedTuple, Generic[T]):
    """What a source knows about a failed wait.

    Attributes:
        recent: Its latest items, oldest first.
        cause: Why the item cannot have arrived; always used as the finding. Empty if unknown, like the next two.
        hint: The finding if no item is close to a match.
        otherwise: The finding if there is no other one.
        sections: Further sections.
        missing: Whose items are missing, if several were awaited; to follow their number.
    """

    recent: Sequence[T]
    cause: str = ""
    hint: str = ""
    otherwise: str = ""
    sections: Sequence[Section] = ()
    missing: str = ""


class FailedWait(Protocol[T]):
    """The part of a wait that its failure shows."""

    @property
    def kind(self) -> Kind[T]:
        """The words for its items."""

    match: Match
    seconds: float
    wanted: int
    blocked: bool
    found: list[T]

    def key(self, item: T) -> Hashable:
        """Return what identifies ``item``."""

    def is_taken(self, item: T) -> bool:
        """Return whether a wait has taken ``item``."""


def not_received(wait: FailedWait[T], evidence: Evidence[T]) -> AssertionError:
    """Return the error of a ``receive`` or ``receive_all`` that timed out.

    The user's conditions run again for the few items that are shown, but not for items that the wait did not examine.
    """
    kind, match = wait.kind, wait.match
    found = {wait.key(each) for each in wait.found}
    others = [each for each in evidence.recent if wait.key(each) not in found]
    taken = [each for each in others if wait.is_taken(each)]
    rejected = [each for each in others if kind.is_rejected(each)]
    missed = [each for each in others if not wait.is_taken(each) and not kind.is_rejected(each)]
    near = nearest(match, missed, SHOWN)
    matching = [] if match.runs_code else [each for each in taken if match.matches(each)]
    earlier = [each for each in taken if each not in matching]

    finding = evidence.cause or (_first_miss(match, near[0]) if near else "")
    finding = finding or ("" if evidence.missing else evidence.hint)
    if not finding and matching:
        finding = f"An earlier receive() took the {kind.noun}"
    if wait.wanted > 1:
        number = f"{len(found) or 'None'} of {counted(wait.wanted, kind.noun)} arrived"
        finding = ". ".join(filter(None, ["; ".join(filter(None, [number, evidence.missing])), finding]))
    finding = finding or evidence.otherwise or _no_item(kind, taken, rejected)
    rejected_title = f"{kind.noun.capitalize()}s {kind.rejected}:"
    sections = [
        _section(f"Matching {kind.noun}s received:", _lines(kind, wait.found)),
        _section(f"Other {kind.noun}s received:", _misses(kind, match, near, len(missed))),
        _section(f"Matching {kind.noun}s that an earlier receive() took:", _latest(kind, matching)),
        _section(f"Other {kind.noun}s that an earlier receive() took:", _latest(kind, earlier)),
        _section(rejected_title, _misses(kind, match, nearest(match, rejected, SHOWN), len(rejected))),
        *map(str, evidence.sections),
        _blocked(kind, wait.seconds) if wait.blocked else "",
    ]
    end = "" if finding.endswith(("?", ".")) else "."
    return kind.not_received(printable(_text([f"{finding}{end} {_waited(wait)}.", *sections])))


def too_many(wait: FailedWait[T], wanted: int) -> AssertionError:
    """Return the error of a ``receive_all`` that found more than ``wanted`` items."""
    kind, found = wait.kind, wait.found
    title = f"{_arrived(kind, found)}, expected {wanted or 'none'} {kind.place}{_with(wait.match)}:"
    return kind.unexpected(printable(_section(title, [*map(kind.line, found)])))


def unexpected(wait: FailedWait[T], *, after: float | None = None) -> AssertionError:
    """Return the error of an ``assert_nothing``; items arrived ``after`` this many seconds, or earlier if None."""
    kind, found = wait.kind, wait.found
    window = f" within {_seconds(wait.seconds)}" if wait.seconds and after is not None else ""
    when = "" if after is None else f" after {after:.2f} s"
    title = f"{_arrived(kind, found)}{when}, expected none {kind.place}{_with(wait.match)}{window}:"
    if len(found) == 1:
        return kind.unexpected(printable(f"{title} {kind.line(found[0])}"))
    return kind.unexpected(printable(_section(title, [*map(kind.line, found)])))


def elsewhere(wait: FailedWait[T], finding: str) -> AssertionError:
    """Return the error of a wait for nothing, or for what there is, although a sender left its items elsewhere."""
    kind = wait.kind
    return kind.unexpected(printable(f"Nothing arrived {kind.place}{_with(wait.match)}, but {finding}"))


def not_settled(busy: Sequence[Activity], seconds: float) -> NotSettled:
    """Return the error of a source that did not settle in ``seconds`` and is still ``busy``."""
    first, *more = map(str, busy)
    return NotSettled(printable(_section(f"The server was still busy after {_seconds(seconds)}: {first}", more)))


def never_fired(faults: Sequence[object]) -> FaultNeverFired:
    """Return the error of a test whose planned ``faults`` never fired."""
    return FaultNeverFired(f"{counted(len(faults), 'planned fault')} never fired: {'; '.join(map(str, faults))}")


def join(sections: Iterable[Section], shown: str = "") -> str:
    """Return ``sections`` as a text, without those that the text ``shown`` already contains."""
    return _text(str(each) for each in sections if not each.is_within(shown))


def listed(title: str, lines: Iterable[str], most: int = SHOWN) -> list[Section]:
    """Return a section with the ``most`` latest of ``lines``, or an empty list if there are no lines."""
    lines = [*lines]
    return [Section(title, lines, most)] if lines else []


def near_misses(kind: Kind[T], match: Match, title: str, items: Sequence[T]) -> list[Section]:
    """Return a section with the ``items`` nearest to ``match`` and their misses, without running the user's code."""
    lines = _misses(kind, match, nearest(match, items, SHOWN), len(items), code=False)
    return [Section(title, lines, len(lines))] if lines else []


def _misses(kind: Kind[T], match: Match, near: Sequence[T], count: int, *, code: bool = True) -> list[str]:
    lines: list[str] = []
    for each in near:
        lines += [kind.line(each), *(f"    {miss}" for miss in match.misses(each, code=code))]
    if count > len(near):
        least = "at least " if count >= COMPARED else ""
        lines.append(f"and {least}{count - len(near)} more")
    return lines


def _first_miss(match: Match, item: object) -> str:
    misses = match.misses(item, advise=False)
    return misses[0] if misses else "A match arrived after the wait had ended"


def _no_item(kind: Kind[T], taken: Sequence[T], rejected: Sequence[T]) -> str:
    if rejected:
        return f"{_arrived(kind, rejected)}, but {'was' if len(rejected) == 1 else 'were'} {kind.rejected}"
    return f"No {'further ' if taken else ''}{kind.noun} arrived"


def _lines(kind: Kind[T], items: Sequence[T]) -> list[str]:
    more = [f"and {len(items) - SHOWN} more"] if len(items) > SHOWN else []
    return [*map(kind.line, items[:SHOWN]), *more]


def _latest(kind: Kind[T], items: Sequence[T]) -> list[str]:
    earlier = [f"{len(items) - SHOWN} more before"] if len(items) > SHOWN else []
    return [*earlier, *map(kind.line, items[-SHOWN:])]


def _arrived(kind: Kind[T], found: Sequence[T]) -> str:
    return f"{counted(len(found), kind.noun)} arrived"


def _waited(wait: FailedWait[T]) -> str:
    kind = wait.kind
    what = f"{wait.wanted} {kind.noun}s" if wait.wanted > 1 else f"a {kind.noun}"
    return f"Waited {_seconds(wait.seconds)} for {what} {kind.place}{_with(wait.match)}"


def _with(match: Match) -> str:
    return f" with {match}" if match.conditions else ""


def _blocked(kind: Kind[T], seconds: float) -> str:
    if not in_task():
        return ""
    return (
        f"This thread runs an event loop, which receive() blocked for {_seconds(seconds)}; "
        f'if the application runs on it, use "{kind.twin}".'
    )


def _seconds(seconds: float) -> str:
    return f"{seconds:g} s" if 0 < seconds < _SHORT else f"{seconds:.1f} s"


def _times(entry: str, count: int) -> str:
    """Return ``entry``, one or more lines, with the number of times that it occurred in its first line."""
    line, *more = entry.split("\n")
    return "\n".join([f"{line} ({count} times)" if count > 1 else line, *more])


def _section(title: str, lines: Sequence[str]) -> str:
    if not lines:
        return title if not title.endswith(":") else ""
    return "\n".join([title, *(f"  {line}" for line in lines)])


def _text(sections: Iterable[str]) -> str:
    return "\n".join(section for section in sections if section)
