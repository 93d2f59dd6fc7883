"""Choose exactly one of several candidates, such as attachments; a failure lists them all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final, Generic, NamedTuple, TypeVar

from sirrchat_testkit.comparing import LIKE, holds
from sirrchat_testkit.formatting import counted, named, printable
from sirrchat_testkit.mail.mime import Attachment

__tracebackhide__ = True


def pick_attachment(attachments: Iterable[Attachment], name: Any = None, *, type: Any = None) -> Attachment:  # noqa: A002 - the field's own word
    """Return the only attachment with this file name and type.

    A string is compared ignoring case, with the wildcards ``*`` and ``?``. A pattern searches, a function is called.

    Raises:
        NotExactlyOne: There is none, or there are several.
    """
    wanted = {"name": name, "type": type}
    asked = ", ".join(f"{field}={named(each)}" for field, each in wanted.items() if each is not None)
    judged = [_judged(each, wanted) for each in attachments]
    return only(judged, f"attachment({asked})", "attachments", _ADVICE)


_ADVICE: Final = 'attachment("*.pdf"), attachment(type="image/*"), or inline=True for files that the HTML shows'


def _judged(one: Attachment, wanted: dict[str, Any]) -> Candidate[Attachment]:
    shown = f"{one.name!r} ({one.type}, {counted(one.size, 'byte')})"
    for field, each in wanted.items():
        if each is not None and not holds(each, getattr(one, field), LIKE):
            return Candidate(one, shown, False, f"its {field} does not match {named(each)}")
    return Candidate(one, shown, True, "it matches")


T = TypeVar("T")

_LISTED: Final = 20
"""The maximum number of candidates in a failure; the kept ones come first."""


class NotExactlyOne(AssertionError, LookupError):
    """No candidate matched, or several did; the error lists each with the reason why it was kept or dropped."""

    __module__ = "sirrchat_testkit"


class Candidate(NamedTuple, Generic[T]):
    """A value that may be the requested one. A failure shows its text, and the reason why it was kept or dropped."""

    value: T
    shown: str
    kept: bool
    reason: str


def only(candidates: Iterable[Candidate[T]], wanted: str, kind: str, advice: str) -> T:
    """Return the value of the one candidate that was kept.

    Args:
        candidates: The candidates.
        wanted: The call as shown in the failure: ``link(text='Confirm')``.
        kind: What the candidates are, in the plural: ``links``.
        advice: How to make the call more specific.

    Raises:
        NotExactlyOne: None was kept, or several were.
    """
    known = sorted(candidates, key=lambda each: not each.kept)
    kept = [each for each in known if each.kept]
    if len(kept) == 1:
        return kept[0].value
    found = f"{len(kept)} candidates for {wanted}" if kept else f"Found no {wanted}"
    head = f"{found}, expected exactly one"
    raise NotExactlyOne(printable(_report(known, head, advice) if known else f"{head}; the message has no {kind}"))


def _report(candidates: Sequence[Candidate[T]], head: str, advice: str) -> str:
    lines = [f"  {'kept   ' if each.kept else 'dropped'} {each.shown}: {each.reason}" for each in candidates[:_LISTED]]
    if len(candidates) > _LISTED:
        lines.append(f"  and {len(candidates) - _LISTED} more")
    return "\n".join([f"{head}:", *lines, f"To ask more precisely: {advice}"])
