"""Choosing exactly one of several candidates, such as attachments; a failure lists them all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar

from sirrchat_testkit.comparing import LIKE, holds
from sirrchat_testkit.formatting import counted, named
from sirrchat_testkit.mail.mime import Attachment

__tracebackhide__ = True


def pick_attachment(attachments: Iterable[Attachment], name: Any = None, *, type: Any = None) -> Attachment:  # noqa: A002 - the field's own word
    """Return the one of ``attachments`` whose file name and type fit.

    A string is compared without case, ``*`` and ``?`` allowed; a pattern searches, a callable decides.

    Raises:
        NotExactlyOne: None fits, or several do.
    """
    wanted = {"name": name, "type": type}
    asked = ", ".join(f"{field}={named(each)}" for field, each in wanted.items() if each is not None)
    judged = (_judged(each, wanted) for each in attachments)
    return only(judged, f"attachment({asked})")


def _judged(one: Attachment, wanted: dict[str, Any]) -> Candidate[Attachment]:
    shown = f"{one.name!r} ({one.type}, {counted(one.size, 'byte')})"
    for field, each in wanted.items():
        if each is not None and not holds(each, getattr(one, field), LIKE):
            return Candidate(one, shown, False, f"its {field} does not fit {named(each)}")
    return Candidate(one, shown, True, "it fits")


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
