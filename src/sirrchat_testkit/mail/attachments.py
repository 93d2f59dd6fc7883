"""Choose the attachment that a test means."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Final

from sirrchat_testkit.comparing import LIKE, holds
from sirrchat_testkit.formatting import counted, named
from sirrchat_testkit.mail.candidates import Candidate, only
from sirrchat_testkit.mail.mime import Attachment

__tracebackhide__ = True


def pick_attachment(
    attachments: Iterable[Attachment],
    name: Any = None,
    *,
    type: Any = None,  # noqa: A002 - the field's own word
    shown: Callable[[], str] = str,
) -> Attachment:
    """Return the only attachment with this file name and type.

    A string is compared ignoring case, with the wildcards ``*`` and ``?``. A pattern searches, a function is called.
    ``shown()`` is the text that a failure shows.

    Raises:
        NotExactlyOne: There is none, or there are several.
    """
    wanted = {"name": name, "type": type}
    asked = ", ".join(f"{field}={named(each)}" for field, each in wanted.items() if each is not None)
    judged = [_judged(each, wanted) for each in attachments]
    return only(judged, f"attachment({asked})", "attachments", _advice([each for each in judged if each.kept]), shown)


_ADVICE: Final = 'attachment("*.pdf"), attachment(type="image/*"), or inline=True for files that the HTML shows'


def _advice(kept: list[Candidate[Attachment]]) -> str:
    """Return a call that finds the first of several attachments."""
    names = [each.value.name for each in kept]
    types = [each.value.type for each in kept]
    if names and names[0] and names.count(names[0]) == 1:
        return f"attachment({names[0]!r})"
    return f"attachment(type={types[0]!r})" if types and types.count(types[0]) == 1 else _ADVICE


def _judged(one: Attachment, wanted: dict[str, Any]) -> Candidate[Attachment]:
    shown = f"{one.name!r} ({one.type}, {counted(one.size, 'byte')})"
    for field, each in wanted.items():
        if each is not None and not holds(each, getattr(one, field), LIKE):
            return Candidate(one, shown, False, f"its {field} does not match {named(each)}")
    return Candidate(one, shown, True, "it matches")
