"""Hints for a condition that a record misses, although the record has what was probably meant.

1. A hint is given for a wanted string or pattern, and for wanted JSON if the body of a webhook call is not JSON. It is
   the first of the following that applies.
2. An address is compared without its display name.
3. The value differs from the wanted string only in case, white space or Unicode normalization.
4. The string was meant as a pattern.
5. The other part of the message has it: the HTML instead of the plain text, or the reverse.
"""

from __future__ import annotations

import contextlib
import re
import unicodedata
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

from sirrchat_testkit.comparing import LIKE, Rule
from sirrchat_testkit.formatting import excerpt
from sirrchat_testkit.mail.address_headers import bare_addresses

__tracebackhide__ = True

_ADDRESSES: Final = {"sender", "to", "cc", "recipient", "mail_from"}
"""The conditions on addresses."""

_PARTS: Final = {"text": ("html", "HTML"), "html": ("text", "plain text")}
"""The parts of a message, each with the other one: its condition, and its name in words."""

_LARGE: Final = 1_048_576
"""Characters of HTML from which on it is not searched: reading it would take too long."""

_SPECIAL: Final = re.compile(r"[\\^$*+|\[(]")


def hint(name: str, wanted: Any, values: Sequence[Any], rule: Rule, record: Any) -> str:
    """Return a hint to follow an explanation, such as `` (only upper and lower case differ; ...)``, or "".

    Args:
        name: The condition.
        wanted: The wanted value.
        values: The values of ``record``, none of which is the wanted one.
        rule: How a string is compared.
        record: The record.
    """
    texts = [each for each in values if isinstance(each, str)]
    with contextlib.suppress(Exception):  # the explanation must be shown, whatever the record is
        found = next(_hints(name, wanted, texts, rule, record), "")
        return f" ({found})" if found else ""
    return ""


def _hints(name: str, wanted: Any, values: Sequence[str], rule: Rule, record: Any) -> Iterator[str]:
    if name == "json" and record.json is None and record.text.strip() != "null":
        yield f"the body is not JSON: {excerpt(record.text)}"
    if isinstance(wanted, re.Pattern):
        if isinstance(wanted.pattern, str) and any(
            re.search(wanted.pattern, each, wanted.flags | re.IGNORECASE) for each in values
        ):
            yield "only upper and lower case differ; re.IGNORECASE ignores case"
        return
    if not isinstance(wanted, str) or not wanted.strip():
        return
    if name in _ADDRESSES:
        yield from _display_name(name, wanted, values)
    for value in values:
        yield from _difference(wanted, value, rule)
    for value in values:
        if call := _pattern_meant(wanted, value):
            yield f"a string must {rule.must}; {call} searches"
    if name in _PARTS:
        yield from _other_part(name, wanted, record, is_absent=not any(values))


def _display_name(name: str, wanted: str, values: Sequence[str]) -> Iterator[str]:
    if "<" in wanted and (addresses := bare_addresses(wanted)):
        yield f"an address is compared without its display name: {name}={addresses[0]!r}"
    for value in values:
        shown = getattr(value, "name", "")
        if shown and LIKE.holds(wanted, shown):
            yield f"{shown!r} is the display name; {name} is compared with the address, {str(value)!r}"


def _difference(wanted: str, value: str, rule: Rule) -> Iterator[str]:
    """Yield how ``value`` differs, if that is hard to see, and the pattern that ignores it."""
    words = r"\s+".join(map(_escaped, wanted.split()))
    changes: tuple[tuple[str, Callable[[str], str], str], ...] = (
        ("only upper and lower case differ", str.casefold, f"; {_call(_escaped(wanted), re.IGNORECASE)} ignores case"),
        ("only white space differs", _blanks, f"; {_call(words)} ignores it"),
        ("only case and white space differ", _folded, f"; {_call(words, re.IGNORECASE)} ignores both"),
        ("only the Unicode normalization differs, such as 'é' in one or two characters", _composed, ""),
    )
    for text, change, remedy in changes:
        if rule.holds(change(wanted), change(value)):
            yield f"{text}{remedy}"


def _blanks(text: str) -> str:
    return " ".join(text.split())


def _folded(text: str) -> str:
    return _blanks(text).casefold()


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _pattern_meant(wanted: str, value: str) -> str:
    """Return the call that makes the pattern which was probably meant and matches ``value``, or ""."""
    if wanted.casefold() in value.casefold() or _SPECIAL.search(wanted):
        for flags in (0, re.IGNORECASE):
            for pattern in (wanted, wanted.replace("*", ".*"), re.escape(wanted)):
                with contextlib.suppress(re.error, Warning):
                    if re.search(pattern, value, flags):
                        return _call(pattern, flags)
    return ""


def _other_part(name: str, wanted: str, record: Any, *, is_absent: bool) -> Iterator[str]:
    other, words = _PARTS[name]
    absent = f"the message has no {_PARTS[other][1]}; " if is_absent else ""
    if wanted in getattr(record, other, ""):
        yield f"{absent}the {words} contains it: {other}={wanted!r}"
    source = getattr(record, "html", "")
    if source and len(source) < _LARGE:
        from sirrchat_testkit.mail.html import visible_text

        if _folded(wanted) in _folded(visible_text(source)):
            yield f"{absent}the HTML shows it, but with markup or entities in its source"


def _call(pattern: str, flags: int = 0) -> str:
    return f"re.compile({pattern!r}{', re.IGNORECASE' if flags else ''})"


def _escaped(text: str) -> str:
    return re.escape(text).replace("\\ ", " ")
