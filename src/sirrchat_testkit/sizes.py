"""Sizes in bytes as people write them: ``25MB``, ``2GiB``.

1. ``kB``, ``MB``, ``GB`` and ``TB`` are powers of 1000, ``KiB``, ``MiB``, ``GiB`` and ``TiB`` powers of 1024, in any
   case. A single letter such as ``M`` is not a unit, because programs disagree about it. A number without a unit is in
   bytes.
2. A size is shown in the largest unit in which it is a whole number, so what is shown can be entered again.
"""

from __future__ import annotations

import re
from typing import Final

_BINARY: Final = {"TiB": 1 << 40, "GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10}
_DECIMAL: Final = {"TB": 10**12, "GB": 10**9, "MB": 10**6, "kB": 1000}
_STEP: Final = 1000
_UNITS: Final = {name.lower(): size for name, size in (_BINARY | _DECIMAL | {"B": 1, "": 1}).items()}
_SIZE: Final = re.compile(r"(\d+(?:\.\d+)?) ?([A-Za-z]*)", re.ASCII)


def read_size(text: str) -> int:
    """Return the bytes of a size such as ``25MB`` or ``2GiB``, or of a number of bytes.

    Raises:
        ValueError: ``text`` is not a size, or not a whole number of bytes.
    """
    found = _SIZE.fullmatch(text.strip())
    unit = _UNITS.get(found[2].lower()) if found else None
    if found is None or unit is None:
        raise ValueError(f"{text!r} is not a size such as 25MB or 2GiB")
    if found[1].isdecimal():
        return int(found[1]) * unit
    size = float(found[1]) * unit
    if not size.is_integer():
        raise ValueError(f"{text!r} is not a whole number of bytes")
    return int(size)


def show_size(size: int) -> str:
    """Return a size as people write it: ``25MB``, ``2GiB``; ``0`` without a unit."""
    if not size:
        return "0"
    shown = [f"{size // each}{unit}" for unit, each in (_BINARY | _DECIMAL | {"B": 1}).items() if size % each == 0]
    return min(shown, key=len)


def rough_size(size: int) -> str:
    """Return a size to read at a glance: ``812 B``, ``1.2 kB``, ``25.0 MB``."""
    if size < _STEP:
        return f"{size} B"
    shown = size / _STEP
    for unit in ("kB", "MB", "GB"):
        if shown < _STEP:
            return f"{shown:.1f} {unit}"
        shown /= _STEP
    return f"{shown:.1f} TB"
