"""Golden files: JSON that is compared whole, once what is volatile in it is made the same.

1. A UUID becomes ``<uuid 1>``, a moment ``<time 1>``: the same one the same number, so that equality is compared too.
2. What else varies is named by the caller, by field: ``recipient="<me>"`` wherever it lies.
3. A file is written only when the environment says so; a missing one fails and tells how.
"""

from __future__ import annotations

import difflib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

__tracebackhide__ = True

VARIABLE: Final = "SIRRCHAT_TESTKIT_GOLDEN"

_UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:?\d\d)")


class GoldenDiffers(AssertionError):
    """What is there is not what the golden file says."""

    __module__ = "sirrchat_testkit"


def normalised(value: Any, replaced: Mapping[str, str]) -> Any:
    """Return ``value`` (JSON) with what is volatile made the same, and the fields of ``replaced`` as they say."""
    seen: dict[tuple[str, str], str] = {}

    def number(kind: str) -> Any:
        def one(found: re.Match[str]) -> str:
            count = sum(1 for known, _ in seen if known == kind)
            return seen.setdefault((kind, found[0]), f"<{kind} {count + 1}>")

        return one

    def walk(part: Any) -> Any:
        if isinstance(part, dict):
            return {name: replaced[name] if name in replaced else walk(each) for name, each in part.items()}
        if isinstance(part, list):
            return [walk(each) for each in part]
        if isinstance(part, str):
            return _MOMENT.sub(number("time"), _UUID.sub(number("uuid"), part))
        return part

    return walk(value)


def compare(value: Any, path: Path) -> None:
    """Compare ``value`` with the file at ``path``, or write it. Raises ``GoldenDiffers``."""
    text = json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    if os.environ.get(VARIABLE) == "write":
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return
    if not path.exists():
        raise GoldenDiffers(f"there is no {path} yet; {VARIABLE}=write writes it:\n{text}")
    golden = json.dumps(json.loads(path.read_text("utf-8")), indent=2, ensure_ascii=False, sort_keys=True) + "\n"
    if golden != text:
        lines = difflib.unified_diff(golden.splitlines(), text.splitlines(), str(path), "received", lineterm="")
        raise GoldenDiffers("\n".join(lines) + f"\n{VARIABLE}=write takes what was received")
