"""Values as failure texts show them: short, on one line, cut around what matters."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

WIDTH: Final = 80
"""Characters of a text that a failure shows."""

_PATTERN = re.compile(r"[\\^$*+|\[(]")


def counted(number: int, what: str) -> str:
    """Return so many of ``what`` in words: ``1 call``, ``2 calls``."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def named(wanted: Any) -> str:
    """Return what is wanted in words: a text or a pattern as written, a function by its name, a lambda by its line."""
    if isinstance(wanted, re.Pattern):
        return f"/{wanted.pattern}/" if isinstance(wanted.pattern, str) else repr(wanted)
    name = getattr(wanted, "__qualname__", "")
    if not callable(wanted) or isinstance(wanted, type) or not name:
        return repr(wanted)
    if "<lambda>" in name:
        code = wanted.__code__
        return f"what a lambda accepts ({code.co_filename.rpartition('/')[2]}:{code.co_firstlineno})"
    return f"what {name}() accepts"


def function_name(function: Any) -> str:
    """Return how to call a function of the user's in a text: ``accepts()``, or a lambda by its file and line."""
    name = getattr(function, "__qualname__", "") or repr(function)
    if "<lambda>" in name:
        code = function.__code__
        return f"the lambda at {code.co_filename.rpartition('/')[2]}:{code.co_firstlineno}"
    return f"{name}()"


def expired(address: str, at: int, now: int) -> str:
    """Return that ``address`` expired at the time ``at``; both times in milliseconds, on the kit's clock."""
    return f"{address} expired at {_time(at)} (the clock says {_time(now)})"


def _time(milliseconds: int) -> str:
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def pattern_meant(wanted: str, values: Iterable[Any]) -> str:
    """Return the pattern that finds one of ``values`` and that ``wanted`` was perhaps meant as, or an empty text."""
    for value in values:
        if isinstance(value, str) and wanted and (wanted in value or _PATTERN.search(wanted)):
            for pattern in (wanted, wanted.replace("*", ".*"), re.escape(wanted)):
                with contextlib.suppress(re.error, Warning):
                    if re.search(pattern, value):
                        return pattern
    return ""


def excerpt(value: Any, wanted: Any = None, width: int = WIDTH) -> str:
    """Return ``value`` as ``repr``; of a long text the part where the wanted one ceases to agree with it."""
    if not isinstance(value, str):
        return repr(value)
    if len(value) <= width:
        return repr(value)
    start = max(0, min(_agreed(value, wanted) - width // 2, len(value) - width)) if isinstance(wanted, str) else 0
    before = "..." if start else ""
    after = "..." if start + width < len(value) else ""
    return repr(f"{before}{value[start : start + width]}{after}")


def _agreed(value: str, wanted: str) -> int:
    """Return where in ``value`` the longest beginning of ``wanted`` that occurs there ends; 0 where it is too short."""
    low, high = 0, len(wanted)
    while low < high:  # whatever occurs, its beginnings occur as well
        middle = (low + high + 1) // 2
        if wanted[:middle] in value:
            low = middle
        else:
            high = middle - 1
    return value.find(wanted[:low]) + low if low > 2 else 0  # noqa: PLR2004 - two characters agree by chance
