"""Exactly one of several candidates, or a failure that shows them all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

__tracebackhide__ = True

T = TypeVar("T")

_LISTED: Final = 20
"""Candidates that a failure shows; the kept ones come first."""


class NotExactlyOne(AssertionError, LookupError):
    """None or several were found where a test needs one; the text says of each candidate why it was kept or dropped."""

    __module__ = "sirrchat_testkit"


class Candidate(NamedTuple, Generic[T]):
    """Something that may be what was asked for: how a failure shows it, whether it was kept, and why (not)."""

    value: T
    shown: str
    kept: bool
    reason: str


def only(candidates: Iterable[Candidate[T]], wanted: str) -> T:
    """Return the value of the one candidate that was kept.

    Raises:
        NotExactlyOne: None was kept, or several were; ``wanted`` says in words what was asked for.
    """
    known = sorted(candidates, key=lambda each: not each.kept)
    kept = [each for each in known if each.kept]
    if len(kept) == 1:
        return kept[0].value
    raise NotExactlyOne(_report(known, wanted, len(kept)))


def _report(candidates: Sequence[Candidate[T]], wanted: str, kept: int) -> str:
    found = f"{kept} candidates for {wanted}" if kept else f"Found no {wanted}"
    head = f"{found}, expected exactly one"
    if not candidates:
        return f"{head}; nothing in the message looks like one"
    lines = [f"  {'kept   ' if each.kept else 'dropped'} {each.shown}: {each.reason}" for each in candidates[:_LISTED]]
    if len(candidates) > _LISTED:
        lines.append(f"  and {len(candidates) - _LISTED} more")
    return "\n".join((f"{head}:", *lines))
