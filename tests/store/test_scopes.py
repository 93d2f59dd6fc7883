"""Going back to a mark, in every mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sirrchat_testkit.core.errors import NotFound
from sirrchat_testkit.core.models import RECORDS, Account, Address, Envelope, Message
from sirrchat_testkit.core.store import Drop, Patch, Put, Store
from sirrchat_testkit.store import TinyStore

pytestmark = pytest.mark.asyncio
Make = Callable[..., Any]


async def everything(store: Store) -> dict[str, Any]:
    records: dict[str, Any] = {kind.kind: await store.find(kind) for kind in RECORDS}
    return records | {
        "usage": await store.usage("acc"),
        "expired": await store.expired(10**9),
        "inbox": await store.find(Message, {"address": "adr", "folder": "INBOX"}),
    }


async def test_rewind_undoes_new_changed_and_dropped(store: Store, make: Make) -> None:
    await store.commit([Put(make(Message, size=1)), Put(make(Message, size=2)), Put(make(Address, expires_at=5))])
    before = await everything(store)
    mark = store.mark()
    await store.commit([Put(make(Message, size=3)), Patch(Message, 1, size=9, folder="Sent"), Drop(Message, 2)])
    await store.commit([Patch(Message, 1, size=8), Patch(Address, 1, expires_at=0), Put(make(Account))])
    await store.commit([Drop(Message, 1), Drop(Account, 1)])
    await store.rewind(mark)
    assert await everything(store) == before


async def test_rewind_with_nothing_done(store: Store, make: Make) -> None:
    await store.commit([Put(make(Message))])
    mark = store.mark()
    await store.rewind(mark)
    assert await store.count(Message) == 1


async def test_a_mark_is_used_once(store: Store) -> None:
    mark = store.mark()
    await store.rewind(mark)
    with pytest.raises(ValueError, match="not open"):
        await store.rewind(mark)


async def test_marks_nest(store: Store, make: Make) -> None:
    outer = store.mark()
    await store.commit([Put(make(Message, id="outer"))])
    middle = await everything(store)
    for _ in range(3):
        inner = store.mark()
        await store.commit([Put(make(Message)), Patch(Message, 1, size=99)])
        await store.rewind(inner)
        assert await everything(store) == middle
    await store.commit([Patch(Message, 1, size=5)])
    await store.rewind(outer)
    assert await store.count(Message) == 0


async def test_the_outer_mark_closes_the_inner(store: Store, make: Make) -> None:
    outer = store.mark()
    await store.commit([Put(make(Message))])
    inner = store.mark()
    await store.commit([Put(make(Message))])
    await store.rewind(outer)
    assert await store.count(Message) == 0
    with pytest.raises(ValueError, match="not open"):
        await store.rewind(inner)


async def test_bytes_come_back_with_their_message(store: Store, make: Make) -> None:
    digest = await store.keep(b"raw")
    await store.commit([Put(make(Message, blob=digest))])
    mark = store.mark()
    await store.commit([Drop(Message, 1)])
    inner = store.mark()
    await store.rewind(inner)
    await settled(store)
    await store.rewind(mark)
    await settled(store)
    found = await store.get(Message, seq=1)
    assert found is not None
    assert await store.raw(found.blob) == b"raw"


async def test_bytes_made_in_a_scope_go_with_it(store: Store, make: Make) -> None:
    mark = store.mark()
    kept = await store.keep(b"kept")
    await store.commit([Put(make(Message, blob=kept)), Put(make(Envelope, blob=kept))])
    dropped = await store.keep(b"dropped")
    await store.commit([Put(make(Message, blob=dropped))])
    await store.commit([Drop(Message, 2)])
    await store.rewind(mark)
    await settled(store)
    for digest in (kept, dropped):
        with pytest.raises(NotFound):
            await store.raw(digest)


async def test_a_delivery_under_way_survives_the_end_of_a_scope(store: Store, make: Make) -> None:
    mark = store.mark()
    digest = await store.keep(b"late")
    await store.rewind(mark)
    await store.commit([Put(make(Message, blob=digest))])
    await settled(store)
    assert await store.raw(digest) == b"late"


async def test_memory_gives_the_same_seqs_after_a_rewind(make: Make) -> None:
    store = TinyStore()
    await store.commit([Put(make(Message))])
    for _ in range(2):
        mark = store.mark()
        assert await store.commit([Put(make(Message))]) == [2]
        await store.rewind(mark)


async def test_nothing_is_noted_without_a_mark(make: Make) -> None:
    store = TinyStore()
    await store.commit([Put(make(Message))])
    assert store._storage.undo == []
    mark = store.mark()
    await store.commit([Put(make(Message))])
    await store.rewind(mark)
    assert store._storage.undo == []


async def settled(store: Store) -> None:
    if isinstance(store, TinyStore):
        await store.flush()
