"""Raw bytes made a message."""

from __future__ import annotations

from sirrchat_testkit.core.header import HeaderFields, Headers, read_header

__all__ = ["HeaderFields", "Headers", "read_header"]
