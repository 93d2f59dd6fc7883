"""Going back to a mark, in every mode."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sirrchat_testkit.domain.models import RECORDS, Account, Address, Envelope, Message
from sirrchat_testkit.domain.store import Delete, Patch, Put, Store
from sirrchat_testkit.errors import NotFound
from sirrchat_testkit.storage import TinyStore

pytestmark = pytest.mark.asyncio
Make = Callable[..., Any]


async def everything(store: Store) -> dict[str, Any]:
    records: dict[str, Any] = {kind.kind: await store.find(kind) for kind in RECORDS}
    return records | {
        "folders": [replace(each, uidnext=0) for each in records["folders"]],  # a durable store does not go back
        "usage": await store.usage("acc"),
        "expired": await store.expired(10**9),
        "inbox": await store.find(Message, {"address": "adr", "folder": "INBOX"}),
    }


async def test_rewind_undoes_new_changed_and_dropped(store: Store, make: Make) -> None:
    await store.commit([Put(make(Message, size=1)), Put(make(Message, size=2)), Put(make(Address, expires_at=5))])
    before = await everything(store)
    mark = store.mark()
    await store.commit([Put(make(Message, size=3)), Patch(Message, 1, size=9, folder="Sent"), Delete(Message, 2)])
    await store.commit([Patch(Message, 1, size=8), Patch(Address, 1, expires_at=0), Put(make(Account))])
    await store.commit([Delete(Message, 1), Delete(Account, 1)])
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
    digest = await store.put_blob(b"raw")
    await store.commit([Put(make(Message, blob=digest))])
    store.release_blob(digest)
    mark = store.mark()
    await store.commit([Delete(Message, 1)])
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
    kept = await store.put_blob(b"kept")
    await store.commit([Put(make(Message, blob=kept)), Put(make(Envelope, blob=kept))])
    store.release_blob(kept)
    dropped = await store.put_blob(b"dropped")
    await store.commit([Put(make(Message, blob=dropped))])
    store.release_blob(dropped)
    await store.commit([Delete(Message, 2)])
    await store.rewind(mark)
    await settled(store)
    for digest in (kept, dropped):
        with pytest.raises(NotFound):
            await store.raw(digest)


async def test_bytes_of_a_message_deleted_in_a_scope_survive_a_release_of_the_same_bytes(
    store: Store, make: Make
) -> None:
    digest = await store.put_blob(b"raw")
    await store.commit([Put(make(Message, blob=digest))])
    store.release_blob(digest)
    mark = store.mark()
    await store.commit([Delete(Message, 1)])
    store.release_blob(await store.put_blob(b"raw"))  # delivered again, and refused
    await settled(store)
    await store.rewind(mark)
    await settled(store)
    assert await store.raw(digest) == b"raw"


async def test_a_delivery_under_way_survives_the_end_of_a_scope(store: Store, make: Make) -> None:
    mark = store.mark()
    digest = await store.put_blob(b"late")
    await store.rewind(mark)
    await store.commit([Put(make(Message, blob=digest))])
    store.release_blob(digest)
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


class Model:
    """A store as simple as it can be: what is stored, and a copy of it for each open mark."""

    def __init__(self) -> None:
        self.messages: dict[int, Message] = {}
        self.marks: list[tuple[int, dict[int, Message]]] = []

    def check(self, found: list[Message], inbox: list[Message], size: int) -> None:
        stored = [self.messages[seq] for seq in sorted(self.messages)]
        assert [replace(each, uid=0) for each in found] == stored
        assert [replace(each, uid=0) for each in inbox] == [each for each in stored if each.folder == "INBOX"]
        assert size == sum(each.size for each in stored)


async def random_step(store: Store, model: Model, make: Make, choose: random.Random) -> None:
    what = choose.choice(["put", "put", "patch", "drop", "many", "mark", "rewind"])
    seq = choose.choice([*model.messages, 99_999])
    if what == "put":
        message = make(Message, size=choose.randrange(5))
        [seq] = await store.commit([Put(message)])
        model.messages[seq] = replace(message, seq=seq, uid=0)
    elif what in {"patch", "many"}:
        fields: dict[str, Any] = {"size": choose.randrange(5), "folder": choose.choice(["INBOX", "Sent"])}
        drops = [Delete(Message, each) for each in list(model.messages)[:2]] if what == "many" else []
        await store.commit([Patch(Message, seq, **fields), *drops])
        if seq in model.messages:
            model.messages[seq] = replace(model.messages[seq], **fields)
        for drop in drops:
            del model.messages[drop.seq]
    elif what == "drop":
        await store.commit([Delete(Message, seq)])
        model.messages.pop(seq, None)
    elif what == "mark":
        model.marks.append((store.mark(), dict(model.messages)))
    elif model.marks:
        del model.marks[choose.randrange(len(model.marks)) + 1 :]
        mark, model.messages = model.marks.pop()
        await store.rewind(mark)


@pytest.mark.parametrize("seed", range(10))
async def test_any_history_with_marks(store: Store, make: Make, seed: int) -> None:
    model, choose = Model(), random.Random(seed)
    for _ in range(120):
        await random_step(store, model, make, choose)
        model.check(
            await store.find(Message),
            await store.find(Message, {"address": "adr", "folder": "INBOX"}),
            (await store.usage("acc")).size,
        )
