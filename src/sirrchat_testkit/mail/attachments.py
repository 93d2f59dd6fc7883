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
    return only(judged, f"attachment({asked})", "attachments", lambda: _advice(judged), shown)


_ADVICE: Final = 'attachment("*.pdf"), attachment(type="image/*"), or inline=True for files that the HTML shows'


def _advice(judged: list[Candidate[Attachment]]) -> str:
    """Return a call that finds the first of several attachments, or the first of all if none was kept."""
    files = [each.value for each in judged]
    first = next((each.value for each in judged if each.kept), files[0] if files else None)
    calls = [{"name": first.name}, {"type": first.type}] if first else []
    for call in calls:
        [[field, value]] = call.items()
        if value and [each for each in files if _judged(each, call).kept] == [first]:
            return f"To ask more precisely: attachment({'' if field == 'name' else 'type='}{value!r})"
    return f"To ask more precisely: {_ADVICE}"


def _judged(one: Attachment, wanted: dict[str, Any]) -> Candidate[Attachment]:
    shown = f"{one.name!r} ({one.type}, {counted(one.size, 'byte')})"
    for field, each in wanted.items():
        if each is not None and not holds(each, getattr(one, field), LIKE):
            return Candidate(one, shown, False, f"its {field} does not match {named(each)}")
    return Candidate(one, shown, True, "it matches")
