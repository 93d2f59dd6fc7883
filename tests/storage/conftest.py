"""What the store's tests share: one store of each mode, and records that differ only where a test says so."""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from sirrchat_testkit.domain.models import Account, Address, Domain, Envelope, Message
from sirrchat_testkit.records import Record
from sirrchat_testkit.storage import TinyStore

_FIELDS: dict[type[Record], dict[str, Any]] = {
    Domain: {"name": "example.com", "created_at": 1},
    Account: {"email": "ada@example.com", "created_at": 1, "quota": 1000},
    Address: {"account": "acc", "text": "Ada@example.com", "key": "ada@example.com", "domain": "example.com"}
    | {"created_at": 1},
    Envelope: {"sender": "eve@example.org", "recipients": ("ada@example.com",), "blob": "0" * 64},
    Message: {"account": "acc", "address": "adr", "recipient": "Ada@example.com", "recipient_key": "ada@example.com"}
    | {"envelope": "env", "blob": "0" * 64, "size": 10, "received_at": 1},
}

Make = Callable[..., Any]


@pytest.fixture
def make() -> Make:
    """Make a record of a kind: ``make(Message, size=3)``; its id is new unless given."""
    ids = itertools.count(1)

    def build(kind: type[Record], **fields: Any) -> Record:
        return kind(**({"id": f"id-{next(ids)}"} | _FIELDS[kind] | fields))

    return build


@pytest_asyncio.fixture(params=["memory", "journal", "fsync"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[TinyStore]:
    """A store of each mode in turn."""
    made = TinyStore() if request.param == "memory" else TinyStore(tmp_path, fsync=request.param == "fsync")
    yield made
    await made.close()
