"""What every store promises, asked of every mode."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from enum import Enum
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest

from sirrchat_testkit.domain.models import Account, Address, ApiKey, Delivery, Domain, Envelope, Message, Tally, Webhook
from sirrchat_testkit.domain.store import Change, Delete, Patch, Put, Store, Update, Usage
from sirrchat_testkit.errors import NotFound, StoreError
from sirrchat_testkit.records import Doc
from sirrchat_testkit.storage import TinyStore
from sirrchat_testkit.storage import queries as reading

pytestmark = pytest.mark.asyncio
Make = Callable[..., Any]


async def put(store: Store, *records: Any) -> list[int]:
    return await store.commit([Put(record) for record in records])


async def test_is_a_store() -> None:
    store: Store = TinyStore()
    await store.close()


async def test_put_gives_rising_seqs_for_each_kind(store: Store, make: Make) -> None:
    assert await put(store, make(Message), make(Account), make(Message)) == [1, 1, 2]
    assert await put(store, make(Message)) == [3]


async def test_a_record_that_is_put_learns_its_seq(store: Store, make: Make) -> None:
    records = [make(Message), make(Message), make(Account)]
    seqs = await put(store, *records)
    assert [each.seq for each in records] == seqs == [1, 2, 1]


async def test_put_ignores_the_seq_of_the_record(store: Store, make: Make) -> None:
    assert await put(store, make(Message, seq=99)) == [1]


@pytest.mark.parametrize(
    "record",
    [
        Account(id="a", email="e", created_at=1, quota=2, password="p", blockchain_address="0x", hidden=True),
        ApiKey(id="k", account="a", role="user", key_hash="h", created_at=1, secret_hash="s"),
        Domain(id="d", name="bücher.example", created_at=1),
        Address(id="x", account="a", text="T", key="t", domain="d", created_at=1, expires_at=5, disposable=False),
        Envelope(id="e", sender="", recipients=(), refused={"a": "550"}, parameters={"": ["SIZE=3"]}, tls="TLSv1.3"),
        Message(
            id="m",
            account="a",
            address="x",
            recipient="r",
            recipient_key="k",
            envelope="e",
            blob="b",
            size=1,
            received_at=1,
            to=("a", "b"),
            subject="snow \u2603 lone \udce9 \ud83d",
            flags=("seen",),
            folder="Sent",
        ),
        Tally(id="t", account="", received=1 << 70),
        Webhook(
            id="w",
            account="a",
            url="u",
            events=("email.received", "email.sent"),
            created_at=1,
            enabled=False,
            everyone=True,
        ),
        Delivery(
            id="d",
            account="a",
            webhook="w",
            event="email.sent",
            message="m",
            created_at=1,
            request_body="{}",
            attempts=({"at": 1, "http_status": None, "error": "refused", "duration_ms": 5},),
        ),
    ],
    ids=lambda record: type(record).__name__,
)
async def test_a_record_comes_back_as_it_was(store: Store, record: Any) -> None:
    [seq] = await put(store, record)
    stored = replace(record, seq=seq)
    assert await store.get(type(record), id=record.id) == stored
    assert await store.get(type(record), seq=seq) == stored
    assert await store.find(type(record)) == [stored]


async def test_get_takes_the_oldest(store: Store, make: Make) -> None:
    await put(store, make(Message, id="old"), make(Message, id="new"))
    found = await store.get(Message, account="acc")
    assert found is not None
    assert found.id == "old"


async def test_get_finds_none(store: Store, make: Make) -> None:
    await put(store, make(Message))
    assert await store.get(Message, id="other") is None
    assert await store.get(Message, seq=2) is None
    assert await store.get(Message, seq=1, account="other") is None


async def test_where_tests_all_its_fields(store: Store, make: Make) -> None:
    await put(store, make(Message, account="a", address="1"), make(Message, account="b", address="1"))
    await put(store, make(Message, account="b", address="2"))
    where = {"account": "b", "address": "1"}
    assert [each.seq for each in await store.find(Message, where)] == [2]
    assert await store.count(Message, **where) == 1
    found = await store.get(Message, **where)
    assert found is not None
    assert found.seq == 2


async def test_fields_at_their_default_are_found(store: Store, make: Make) -> None:
    await put(store, make(Account), make(Account, listed=False), make(Account))
    assert [each.seq for each in await store.find(Account, {"listed": True})] == [1, 3]
    assert await store.count(Account, listed=False) == 1
    await put(store, make(Address), make(Address, disposable=False))
    assert await store.count(Address, account="acc", disposable=True) == 1
    await put(store, make(Message, folder="Sent"), make(Message))
    assert [each.seq for each in await store.find(Message, {"address": "adr", "folder": "INBOX"})] == [2]


@pytest.mark.parametrize("where", [{"subject": "x"}, {"folder": "INBOX"}, {"account": "a", "size": 1}, {"nonsense": 1}])
async def test_what_no_index_answers_is_refused(store: Store, where: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="messages has no index on"):
        await store.find(Message, where)


@pytest.mark.parametrize(
    ("page", "seqs"),
    [
        ({}, [1, 2, 3, 4, 5, 6]),
        ({"newest": True}, [6, 5, 4, 3, 2, 1]),
        ({"after": 4}, [5, 6]),
        ({"before": 3}, [1, 2]),
        ({"after": 1, "before": 5}, [2, 3, 4]),
        ({"after": 9}, []),
        ({"after": 5, "before": 2}, []),
        ({"offset": 4}, [5, 6]),
        ({"offset": 9}, []),
        ({"limit": 2}, [1, 2]),
        ({"limit": 0}, []),
        ({"offset": 1, "limit": 2}, [2, 3]),
        ({"newest": True, "offset": 1, "limit": 2}, [5, 4]),
        ({"newest": True, "offset": 9, "limit": 2}, []),
        ({"newest": True, "before": 5, "limit": 2}, [4, 3]),
        ({"newest": True, "after": 4, "limit": 9}, [6, 5]),
        ({"after": 2, "offset": 1, "limit": 2}, [4, 5]),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    ("where", "match"),
    [
        (None, None),
        ({"account": "acc"}, None),
        ({"account": "acc", "address": "adr"}, None),
        (None, lambda each: each.size == 10),
        ({"account": "acc"}, lambda each: each.size == 10),
    ],
    ids=["all", "bucket", "bucket-and-test", "match", "bucket-and-match"],
)
async def test_pages(store: Store, make: Make, where: Any, match: Any, page: dict[str, Any], seqs: list[int]) -> None:
    await put(store, *(make(Message) for _ in range(6)))
    found = await store.find(Message, where, match, **page)
    assert [each.seq for each in found] == seqs


async def test_offset_and_limit_count_matches_only(store: Store, make: Make) -> None:
    await put(store, *(make(Message, size=size % 2) for size in range(10)))
    found = await store.find(Message, None, lambda each: each.size == 1, offset=1, limit=2)
    assert [each.seq for each in found] == [4, 6]


async def test_match_sees_records(store: Store, make: Make) -> None:
    await put(store, make(Message, to=("a",)))
    assert await store.find(Message, None, lambda each: each.to == ("a",) and each.seq == 1)


async def test_patch_changes_the_named_fields(store: Store, make: Make) -> None:
    await put(store, make(Message, subject="s"))
    assert await store.commit([Patch(Message, 1, flags=("seen",), folder="Trash")]) == [1]
    changed = await store.get(Message, seq=1)
    assert changed is not None
    assert (changed.flags, changed.folder, changed.subject) == (("seen",), "Trash", "s")
    assert await store.count(Message, address="adr", folder="INBOX") == 0
    assert await store.count(Message, address="adr", folder="Trash") == 1


async def test_patch_back_to_the_default(store: Store, make: Make) -> None:
    [_] = await put(store, make(Message, folder="Sent", flags=("seen",)))
    await store.commit([Patch(Message, 1, folder="INBOX", flags=())])
    changed = await store.get(Message, address="adr", folder="INBOX")
    assert changed is not None
    assert changed.flags == ()


async def test_patch_moves_between_buckets_in_order(store: Store, make: Make) -> None:
    await put(store, *(make(Message, account="b") for _ in range(4)))
    await store.commit([Patch(Message, 3, account="a"), Patch(Message, 1, account="a"), Patch(Message, 3, account="b")])
    assert [each.seq for each in await store.find(Message, {"account": "b"})] == [2, 3, 4]
    assert [each.seq for each in await store.find(Message, {"account": "a"})] == [1]


async def test_patch_and_drop_of_one_that_is_gone_pass_over(store: Store, make: Make) -> None:
    await put(store, make(Message))
    changes: list[Change] = [Delete(Message, 1), Patch(Message, 1, size=3), Delete(Message, 1), Delete(Message, 7)]
    assert await store.commit(changes) == [1, 1, 1, 7]
    assert await store.count(Message) == 0


async def test_patch_of_a_field_there_is_not(store: Store, make: Make) -> None:
    await put(store, make(Message))
    with pytest.raises(TypeError, match="Message has no field 'colour'"):
        await store.commit([Patch(Message, 1, colour="red")])


async def test_several_changes_of_one_record_add_up(store: Store, make: Make) -> None:
    await put(store, make(Message))
    await store.commit([Patch(Message, 1, size=3), Patch(Message, 1, subject="s")])
    changed = await store.get(Message, seq=1)
    assert changed is not None
    assert (changed.size, changed.subject) == (3, "s")


async def test_seqs_are_not_reused(store: Store, make: Make) -> None:
    await put(store, make(Message), make(Message))
    await store.commit([Delete(Message, 2), Delete(Message, 1)])
    assert await put(store, make(Message)) == [3]


async def test_an_empty_commit_is_fine(store: Store) -> None:
    assert await store.commit([]) == []


class Colour(Enum):
    RED = "red"


@pytest.mark.parametrize(
    ("value", "path"),
    [
        (b"x", "subject"),
        (datetime(2026, 1, 1, tzinfo=UTC), "subject"),
        ({1, 2}, "subject"),
        (Colour.RED, "subject"),
        ({"a": [1, {"b": b"x"}]}, "subject.a\\[1\\].b"),
        ({"a": (1, 2)}, "subject.a"),
        ({"a": {3: 4}}, "subject.a: key 3 is a int"),
    ],
    ids=repr,
)
async def test_what_is_no_json_is_refused_with_its_path(store: Store, make: Make, value: Any, path: str) -> None:
    await put(store, make(Message))
    with pytest.raises(TypeError, match=f"^{path}"):
        await store.commit([Put(make(Account)), Put(make(Message, subject=value))])
    with pytest.raises(TypeError, match=f"^{path}"):
        await store.commit([Put(make(Account)), Patch(Message, 1, subject=value)])
    assert await store.count(Account) == 0
    assert await store.count(Message) == 1
    assert await put(store, make(Account), make(Message)) == [1, 2]


async def test_any_mapping_is_taken(store: Store, make: Make) -> None:
    await put(store, make(Envelope, refused=MappingProxyType({"a": "550"})))
    found = await store.get(Envelope, seq=1)
    assert found is not None
    assert found.refused == {"a": "550"}


async def test_what_goes_in_and_out_is_a_copy(store: Store, make: Make) -> None:
    parameters = {"a": ["X"]}
    await put(store, make(Envelope, parameters=parameters))
    parameters["a"].append("Y")
    for _ in range(2):
        [found] = await store.find(Envelope)
        assert found.parameters == {"a": ["X"]}
        found.parameters["a"].append("Z")
        same = await store.get(Envelope, seq=1)
        assert same is not None
        same.parameters["a"].append("Z")


async def test_expired_come_earliest_first(store: Store, make: Make) -> None:
    await put(store, *(make(Address, expires_at=at) for at in (30, 0, 10, 20, 10)))
    assert [each.seq for each in await store.expired(20)] == [3, 5, 4]
    assert [each.seq for each in await store.expired(20, limit=1)] == [3]
    assert await store.expired(9) == []
    await store.commit([Patch(Address, 3, expires_at=0), Delete(Address, 5)])
    assert [each.seq for each in await store.expired(99)] == [4, 1]


async def test_usage_follows_every_change(store: Store, make: Make) -> None:
    assert await store.usage("acc") == Usage(0, 0)
    await put(store, make(Message, size=3), make(Message, size=4), make(Message, size=5, account="b"))
    assert await store.usage("acc") == Usage(2, 7)
    await store.commit([Patch(Message, 1, size=10)])
    assert await store.usage("acc") == Usage(2, 14)
    await store.commit([Delete(Message, 1), Patch(Message, 2, account="b")])
    assert await store.usage("acc") == Usage(0, 0)
    assert await store.usage("b") == Usage(2, 9)
    await put(store, make(Message, size=1))
    assert isinstance(store, TinyStore)
    assert await store.usage() == Usage(3, 10)


async def test_keep_names_bytes_by_their_hash(store: Store, make: Make) -> None:
    raw = bytes(range(256))
    digest = await store.put_blob(raw)
    assert digest == sha256(raw).hexdigest()
    await put(store, make(Envelope, blob=digest))
    assert await store.raw(digest) == raw
    assert await store.put_blob(raw) == digest


@pytest.mark.parametrize("size", [0, 1, 3_000_000])
async def test_keep_of_any_size(store: Store, size: int) -> None:
    assert await store.raw(await store.put_blob(b"x" * size)) == b"x" * size


async def test_raw_that_is_gone(store: Store) -> None:
    with pytest.raises(NotFound, match="was deleted"):
        await store.raw("f" * 64)


async def test_bytes_go_with_the_last_record_that_names_them(store: Store, make: Make) -> None:
    digest = await store.put_blob(b"raw")
    await put(store, make(Envelope, blob=digest), make(Message, blob=digest), make(Message, blob=digest))
    store.release_blob(digest)
    await store.commit([Delete(Message, 1), Delete(Message, 2)])
    assert await store.raw(digest) == b"raw"
    await store.commit([Delete(Envelope, 1)])
    await settled(store)
    with pytest.raises(NotFound):
        await store.raw(digest)


async def test_bytes_that_move_to_another_record_stay(store: Store, make: Make) -> None:
    digest = await store.put_blob(b"raw")
    await put(store, make(Message, blob=digest))
    store.release_blob(digest)
    await store.commit([Delete(Message, 1), Put(make(Message, blob=digest))])
    await settled(store)
    assert await store.raw(digest) == b"raw"


async def test_bytes_stay_for_whoever_keeps_them(store: Store, make: Make) -> None:
    digest = await store.put_blob(b"raw")
    await put(store, make(Message, blob=digest))
    store.release_blob(digest)
    await store.put_blob(b"raw")
    await store.commit([Delete(Message, 1)])
    await settled(store)
    assert await store.raw(digest) == b"raw"
    await put(store, make(Message, blob=digest))
    store.release_blob(digest)
    assert await store.raw(digest) == b"raw"


async def test_bytes_that_nothing_came_of_go_at_their_release(store: Store) -> None:
    digest = await store.put_blob(b"lost")
    store.release_blob(digest)
    await settled(store)
    with pytest.raises(NotFound):
        await store.raw(digest)


async def test_one_release_does_not_take_the_bytes_of_another(store: Store, make: Make) -> None:
    digest = await store.put_blob(b"same")
    await store.put_blob(b"same")
    store.release_blob(digest)
    await settled(store)
    assert await store.raw(digest) == b"same"
    await put(store, make(Message, blob=digest))
    store.release_blob(digest)
    await settled(store)
    assert await store.raw(digest) == b"same"


async def settled(store: Store) -> None:
    """Let a durable store finish what it does behind a commit."""
    if isinstance(store, TinyStore):
        await store.flush()


async def test_many_deliver_at_once(store: Store, make: Make) -> None:
    async def deliver(number: int) -> int:
        digest = await store.put_blob(b"%d" % (number % 7))
        [_, seq] = await put(store, make(Envelope, blob=digest), make(Message, blob=digest))
        store.release_blob(digest)
        assert await store.raw(digest) == b"%d" % (number % 7)
        return seq

    seqs = await asyncio.gather(*(deliver(number) for number in range(50)))
    assert sorted(seqs) == list(range(1, 51))
    assert await store.count(Message) == 50


async def test_the_same_bytes_come_and_go_at_once(store: Store, make: Make) -> None:
    async def come_and_go(number: int) -> None:
        for _ in range(10):
            digest = await store.put_blob(b"same")
            [seq] = await put(store, make(Message, blob=digest))
            store.release_blob(digest)
            if number % 3 == 0:
                await settled(store)
            assert await store.raw(digest) == b"same"
            await store.commit([Delete(Message, seq)])
            if number % 3 == 1:
                await settled(store)

    await asyncio.gather(*map(come_and_go, range(12)))
    await settled(store)
    with pytest.raises(NotFound):
        await store.raw(sha256(b"same").hexdigest())


async def test_alter_changes_the_one_that_an_index_finds(store: Store, make: Make) -> None:
    await put(store, make(Account, email="a@x"), Tally(id="t", account="a"))
    seen: list[Any] = []

    def change(old: Doc) -> Doc:
        seen.append(old)
        return old | {"received": old.get("received", 0) + 2}

    assert await store.commit([Update(Tally, "account", "a", change), Update(Tally, "account", "a", change)]) == [1, 1]
    assert await store.commit([Update(Tally, "account", "b", change)]) == [0]
    assert seen == [{"id": "t", "account": "a"}, {"id": "t", "account": "a", "received": 2}]
    tally = await store.get(Tally, account="a")
    assert tally is not None
    assert tally.received == 4
    with pytest.raises(TypeError, match="received"):
        await store.commit([Update(Tally, "account", "a", lambda old: old | {"received": [{1, 2}]})])
    with pytest.raises(ValueError, match="tallies has no index on sent"):
        await store.commit([Update(Tally, "sent", 0, change)])


async def test_a_refused_commit_leaves_its_records_as_they_were(store: Store, make: Make) -> None:
    record = make(Account)
    with pytest.raises(TypeError):
        await store.commit([Put(record), Put(make(Message, subject={1}))])
    assert record.seq == 0


async def test_a_commit_that_changes_nothing(store: Store) -> None:
    assert await store.commit([Delete(Message, 5), Patch(Message, 6, size=1)]) == [5, 6]


async def test_a_closed_store_says_so() -> None:
    store = TinyStore()
    await store.close()
    await store.close()
    for call in (store.commit([]), store.put_blob(b""), store.get(Account, seq=1), store.find(Account)):
        with pytest.raises(StoreError, match="closed"):
            await call


async def test_sizes_are_those_of_each_account_in_order(store: Store, make: Make) -> None:
    await put(store, make(Message, account="a", size=3), make(Message, account="b", size=5))
    await put(store, make(Message, account="a", size=4))
    assert await store.sizes(["b", "nobody", "a", "b"]) == [5, 0, 7, 5]
    assert await store.sizes([]) == []


async def test_only_so_many_records_are_held(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "CACHED", 3)
    store = TinyStore()
    await put(store, *(make(Message) for _ in range(10)))
    assert len(await store.find(Message)) == 10
    assert len(store._readers[Message]._records) <= 3


async def test_the_garbage_collector_does_not_visit_stored_documents(make: Make, tmp_path: Path) -> None:
    for store in (TinyStore(), TinyStore(tmp_path / "data")):
        await put(store, make(Message, to=("a@b.example", "c@d.example")), make(Envelope, recipients=("a@b.example",)))
        await store.commit([Patch(Message, 1, flags=("\\Seen",))])
        assert_untracked(store)
        await store.close()
    store = TinyStore(tmp_path / "data")
    assert_untracked(store)
    [message] = await store.find(Message)
    assert (message.to, message.flags) == (("a@b.example", "c@d.example"), ("\\Seen",))
    assert store.table(Message).get(doc_id=1)["to"] == ["a@b.example", "c@d.example"]
    await store.close()


def assert_untracked(store: TinyStore) -> None:
    gc.collect()
    assert not any(map(gc.is_tracked, (store.table(Message).docs["1"], store.table(Envelope).docs["1"])))
