"""Choose exactly one of several candidates, such as links; a failure lists them all, and shows the message."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final, Generic, NamedTuple, TypeVar

from sirrchat_testkit.comparing import fold
from sirrchat_testkit.formatting import printable

__tracebackhide__ = True

T = TypeVar("T")

_LISTED: Final = 20
"""The maximum number of candidates in a failure; the kept ones come first."""

_SHOWN_LINES: Final = 8
"""The maximum number of lines of the text in a failure."""

_SHOWN_TEXT: Final = 4096
"""Characters of the text from which they are taken."""

_WIDTH: Final = 100


class NotExactlyOne(AssertionError, LookupError):
    """No candidate matched, or several did; the error lists each with the reason why it was kept or dropped."""

    __module__ = "sirrchat_testkit"


class Candidate(NamedTuple, Generic[T]):
    """A value that may be the requested one. A failure shows its text, and the reason why it was kept or dropped."""

    value: T
    shown: str
    kept: bool
    reason: str


def only(
    candidates: Iterable[Candidate[T]],
    wanted: str,
    kind: str,
    advice: Callable[[], str],
    text: Callable[[], str] = str,
) -> T:
    """Return the value of the one candidate that was kept.

    Args:
        candidates: The candidates.
        wanted: The call as shown in the failure: ``link(text='Confirm')``.
        kind: What the candidates are, in the plural: ``links``.
        advice: Returns the last line, with a more specific call.
        text: Returns the text of the message, of which a failure shows the first lines.

    Raises:
        NotExactlyOne: None was kept, or several were.
    """
    known = sorted(candidates, key=lambda each: not each.kept)
    kept = [each for each in known if each.kept]
    if len(kept) == 1:
        return kept[0].value
    found = f"{len(kept)} candidates for {wanted}" if kept else f"Found no {wanted}"
    head = f"{found}, expected exactly one"
    head = f"{head}:" if known else f"{head}; the message has no {kind}"
    lines = [head, *_listed(known), *_first_lines(text()), advice()]
    raise NotExactlyOne(printable("\n".join(lines)))


def _listed(candidates: Sequence[Candidate[T]]) -> list[str]:
    lines = [f"  {'kept   ' if each.kept else 'dropped'} {each.shown}: {each.reason}" for each in candidates[:_LISTED]]
    if len(candidates) > _LISTED:
        lines.append(f"  and {len(candidates) - _LISTED} more")
    return lines


def _first_lines(text: str) -> list[str]:
    lines = [shown for line in text[:_SHOWN_TEXT].split("\n") if (shown := fold(line))]
    if not lines:
        return []
    more = len(lines) > _SHOWN_LINES or len(text) > _SHOWN_TEXT
    begun = [f"  | {line[:_WIDTH]}{'...' * (len(line) > _WIDTH)}" for line in lines[:_SHOWN_LINES]]
    return ["The text begins:" if more else "The text is:", *begun]
