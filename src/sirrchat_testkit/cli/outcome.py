"""How a command ends: its status, and what it says of a failure."""

from __future__ import annotations

import sys


def fail(text: str, status: int = 1) -> int:
    """Say on stderr why a command did not succeed; return ``status``."""
    print(f"sirrchat-testkit: {text}", file=sys.stderr)
    return status
