"""The journal's lines: ``crc [[table, {id: document or null}], ...]``, one for each commit.

A line counts only if its checksum is right, to the letter. What is wrong at the end of a journal is a torn tail, the
mark of a killed process; what is wrong with something right behind it is damage, and nobody may guess what it said.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from zlib import crc32

from sirrchat_testkit.records import Doc
from sirrchat_testkit.storage.live import Batch

_encode = json.JSONEncoder(separators=(",", ":")).encode
_START = re.compile(rb"[0-9a-f]{8} \[\[")
_CRC = 8
_CHUNK = 256


def encode(batch: Batch) -> bytes:
    """Return ``batch`` as a line. Lone surrogates survive, as escapes."""
    body = _encode([*batch.items()]).encode("ascii")
    return b"%08x %s\n" % (crc32(body), body)


def valid_lines(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Go through the lines up to the first wrong one, as the byte behind each and its body."""
    start = 0
    while body := _body(data, start):
        start += _CRC + 1 + len(body) + 1
        yield start, body


def valid_length(data: bytes) -> int:
    """Return how many bytes come before the first wrong line."""
    end = 0
    for end, _ in valid_lines(data):  # noqa: B007  # only the last one is of interest
        pass
    return end


def is_torn(data: bytes, start: int) -> bool:
    """Return whether nothing right begins anywhere behind ``start``, where a wrong line does."""
    return not any(_body(data, found.start()) for found in _START.finditer(data, start + 1))


def count_valid(data: bytes, start: int) -> int:
    """Return how many right lines begin anywhere from ``start`` on."""
    return sum(_body(data, found.start()) is not None for found in _START.finditer(data, start))


def decode(bodies: Iterator[bytes]) -> Iterator[list[tuple[str, dict[str, Doc | None]]]]:
    """Go through the commits that ``bodies`` say."""
    chunk: list[bytes] = []
    for body in bodies:
        chunk.append(body)
        if len(chunk) == _CHUNK:
            yield from _decode(chunk)
            chunk.clear()
    yield from _decode(chunk)


def _decode(chunk: list[bytes]) -> list[list[tuple[str, dict[str, Doc | None]]]]:
    # Within one call the parser makes each field's name once, which is worth a third of the memory.
    decoded: list[list[tuple[str, dict[str, Doc | None]]]] = json.loads(b"[%s]" % b",".join(chunk))
    return decoded


def _body(data: bytes, start: int) -> bytes | None:
    end = data.find(b"\n", start)
    body = data[start + _CRC + 1 : max(end, 0)]
    right = end > 0 and data[start : start + _CRC + 1] == b"%08x " % crc32(body)
    return body if right and body else None
