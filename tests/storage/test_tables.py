"""LiveTable beside TinyDB's own table: the same answers, but for what is named here.

Differences, each tested below: no query cache; ids never used twice, not even after ``truncate`` or ``drop_tables``;
what is no JSON is refused; an updater that raises changes nothing; documents that leave are deep copies; results found
by an index come by rising id.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tinydb import Query, TinyDB, where
from tinydb.operations import add, decrement, delete, increment, subtract
from tinydb.operations import set as set_to
from tinydb.storages import MemoryStorage
from tinydb.table import Document, Table

from sirrchat_testkit.domain.models import Account
from sirrchat_testkit.domain.store import Patch, Put
from sirrchat_testkit.storage.index import Equal, Index, IndexSet, Ordered, Total
from sirrchat_testkit.storage.journal import JournalStorage
from sirrchat_testkit.storage.store import TinyStore
from sirrchat_testkit.storage.tables import LiveStorage, LiveTable


class LiveDB(TinyDB):
    table_class: type[Table] = LiveTable


def indexes() -> list[Index]:
    return [Equal("char"), Equal("int"), Equal("char", "int"), Ordered("int"), Total("char", "int")]


@pytest.fixture(params=["memory", "journal"])
def db(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[TinyDB]:
    """A database of three documents."""
    made = LiveDB(storage=LiveStorage) if request.param == "memory" else LiveDB(tmp_path, storage=JournalStorage)
    made.table("_default", indexes=indexes())
    made.insert_multiple({"int": 1, "char": char} for char in "abc")
    yield made
    made.close()


def ids(documents: list[Document]) -> list[int]:
    return [each.doc_id for each in documents]


# --- the same as TinyDB's ---


def test_insert_gives_rising_ids(db: TinyDB) -> None:
    assert db.insert({"char": "d"}) == 4
    assert db.insert_multiple([{"char": "e"}, {"char": "f"}]) == [5, 6]
    assert len(db) == 6


def test_insert_takes_any_mapping(db: TinyDB) -> None:
    class Custom(dict[str, Any]):
        pass

    assert db.get(doc_id=db.insert(Custom(char="d"))) == {"char": "d"}


@pytest.mark.parametrize("bad", [[], {"a"}, "text", 3])
def test_insert_of_what_is_no_mapping(db: TinyDB, bad: Any) -> None:
    with pytest.raises(ValueError, match="not a Mapping"):
        db.insert(bad)
    with pytest.raises(ValueError, match="not a Mapping"):
        db.insert_multiple([{"char": "d"}, bad])
    assert len(db) == 3


def test_insert_of_a_document_sets_its_id(db: TinyDB) -> None:
    assert db.insert(Document({"char": "x"}, doc_id=12)) == 12
    assert db.insert({"char": "y"}) == 13
    assert db.insert_multiple([Document({"char": "z"}, doc_id=7), {"char": "w"}]) == [7, 14]
    assert ids(db.table("_default").walk()) == [1, 2, 3, 7, 12, 13, 14]  # type: ignore[attr-defined]  # a LiveTable


def test_insert_of_an_id_there_is(db: TinyDB) -> None:
    with pytest.raises(ValueError, match="ID 2 already exists"):
        db.insert(Document({"char": "x"}, doc_id=2))
    with pytest.raises(ValueError, match="ID 3 already exists"):
        db.insert_multiple([Document({"char": "x"}, doc_id=9), Document({"char": "x"}, doc_id=3)])
    assert len(db) == 3


def test_remove(db: TinyDB) -> None:
    assert db.remove(where("char") == "b") == [2]
    assert db.remove(where("int") == 1) == [1, 3]
    assert db.remove(where("int") == 1) == []
    assert len(db) == 0


def test_remove_by_ids_passes_over_what_is_not_there(db: TinyDB) -> None:
    assert db.remove(doc_ids=[1, 9, 3]) == [1, 3]
    assert ids(db.all()) == [2]
    with pytest.raises(RuntimeError, match="truncate"):
        db.remove()


def test_update(db: TinyDB) -> None:
    assert db.update({"int": 2}) == [1, 2, 3]
    assert db.update({"int": 3}, where("char") == "a") == [1]
    assert db.update({"int": 4}, doc_ids=[2, 9]) == [2]
    assert [each["int"] for each in db] == [3, 4, 2]


@pytest.mark.parametrize(
    ("operation", "result"),
    [
        (delete("int"), {"char": "a"}),
        (add("int", 5), {"char": "a", "int": 6}),
        (subtract("int", 5), {"char": "a", "int": -4}),
        (set_to("char", "x"), {"char": "x", "int": 1}),
        (increment("int"), {"char": "a", "int": 2}),
        (decrement("int"), {"char": "a", "int": 0}),
    ],
)
def test_operations(db: TinyDB, operation: Callable[[Any], None], result: dict[str, Any]) -> None:
    db.update(operation, where("char") == "a")
    assert db.get(doc_id=1) == result
    check_indexes(db.table("_default"))


def test_update_multiple(db: TinyDB) -> None:
    updates = [({"int": 2}, where("char") == "a"), (delete("int"), where("char") == "b")]
    assert db.update_multiple(updates) == [1, 2]
    assert [each.get("int") for each in db] == [2, None, 1]


def test_upsert(db: TinyDB) -> None:
    assert db.upsert({"int": 5}, where("char") == "a") == [1]
    assert db.upsert({"int": 9, "char": "x"}, where("char") == "x") == [4]
    assert db.upsert(Document({"int": 6}, doc_id=2)) == [2]
    assert db.upsert(Document({"int": 7}, doc_id=20)) == [20]
    with pytest.raises(ValueError, match="doc_id"):
        db.upsert({"int": 1})


def test_search_get_contains_count(db: TinyDB) -> None:
    assert ids(db.search(where("int") == 1)) == [1, 2, 3]
    assert ids(db.search(where("char").one_of(["a", "c"]))) == [1, 3]
    found = db.get(where("char") == "b")
    assert found == {"int": 1, "char": "b"}
    assert isinstance(found, Document)
    assert found.doc_id == 2
    assert db.get(where("char") == "x") is None
    assert db.get(doc_id=9) is None
    assert ids(db.get(doc_ids=[3, 1, 9])) == [1, 3]
    assert db.contains(where("char") == "a")
    assert not db.contains(where("char") == "x")
    assert db.contains(doc_id=1)
    assert db.count(where("int") == 1) == 3
    for call in (db.get, db.contains):
        with pytest.raises(RuntimeError, match="pass either"):
            call()


def test_tables(db: TinyDB) -> None:
    db.table("one").insert({"a": 1})
    db.table("empty", persist_empty=True)
    db.table("nothing")
    assert db.tables() == {"_default", "one", "empty"}
    db.drop_table("one")
    assert db.tables() == {"_default", "empty"}
    assert len(db.table("one")) == 0
    kept = db.table("_default")
    db.drop_tables()
    assert db.tables() == set()
    assert len(kept) == 0
    assert kept.search(where("char") == "a") == []


def test_a_query_that_looks_for_what_is_not_there(db: TinyDB) -> None:
    assert db.search(where("nothing") == 1) == []
    assert db.search(where("char").deeper == 1) == []
    assert db.search(Query().noop())[0].doc_id == 1


# --- different from TinyDB's ---


def test_ids_are_never_used_twice(db: TinyDB) -> None:
    db.truncate()
    assert db.insert({}) == 4
    db.drop_tables()
    assert db.insert({}) == 5
    db.remove(doc_ids=[5])
    assert db.insert({}) == 6


def test_there_is_no_query_cache(db: TinyDB) -> None:
    db.search(where("int") == 1)
    assert len(db._query_cache) == 0


@pytest.mark.parametrize(
    "bad", [{"a": b"x"}, {"a": (1,)}, {"a": datetime.now(UTC)}, {"a": {1: 2}}, {1: 2}, {"a": [{3}]}]
)
def test_what_is_no_json_is_refused(db: TinyDB, bad: dict[Any, Any]) -> None:
    with pytest.raises(TypeError, match=r"^(a|document)"):
        db.insert(bad)
    with pytest.raises(TypeError, match=r"^(a|document)"):
        db.update(bad, doc_ids=[1])
    assert db.get(doc_id=1) == {"int": 1, "char": "a"}
    assert len(db) == 3


def test_an_updater_that_raises_changes_nothing(db: TinyDB) -> None:
    def raises_at_the_last(document: Any) -> None:
        document["int"] = 99
        if document["char"] == "c":
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        db.update(raises_at_the_last)
    assert [each["int"] for each in db] == [1, 1, 1]


def test_nothing_leaves_but_copies(db: TinyDB) -> None:
    given_list = ["x"]
    db.insert({"char": "d", "list": given_list})
    given_list.append("y")
    for found in (db.get(doc_id=4), db.search(where("char") == "d")[0], db.all()[3], db.get(doc_ids=[4])[0]):
        assert found["list"] == ["x"]
        found["list"].append("z")
    assert db.get(doc_id=4) == {"char": "d", "list": ["x"]}


def test_update_sees_one_and_true_as_different(db: TinyDB) -> None:
    db.update({"int": True}, doc_ids=[1])
    found: Any = db.get(doc_id=1)
    assert found["int"] is True


def test_a_stock_table_on_the_same_storage(db: TinyDB) -> None:
    stock = Table(db.storage, "_default")
    stock.update({"char": "z"}, doc_ids=[2])
    stock.insert({"char": "y", "int": 5})
    assert ids(db.search(where("char") == "z")) == [2]
    assert ids(db.search(where("char") == "y")) == [4]
    check_indexes(db.table("_default"))


def test_a_journal_holds_what_the_table_did(tmp_path: Path) -> None:
    with LiveDB(tmp_path, storage=JournalStorage) as db:
        db.insert_multiple({"n": number} for number in range(5))
        db.update({"n": 9}, doc_ids=[2])
        db.remove(where("n") == 3)
        before = db.all()
        assert len((tmp_path / "journal-00000001.log").read_bytes().splitlines()) == 3
    with LiveDB(tmp_path, storage=JournalStorage) as db:
        assert db.all() == before
        assert db.insert({}) == 6


# --- walk ---


def walk(db: TinyDB, *args: Any, **kwargs: Any) -> list[int]:
    table = db.table("_default")
    assert isinstance(table, LiveTable)
    return ids(table.walk(*args, **kwargs))


def test_walk_pages(db: TinyDB) -> None:
    db.insert_multiple({"int": 2, "char": "a"} for _ in range(4))
    assert walk(db) == [1, 2, 3, 4, 5, 6, 7]
    assert walk(db, newest=True, limit=2) == [7, 6]
    assert walk(db, where("char") == "a", newest=True, before=6, limit=2) == [5, 4]
    assert walk(db, where("char") == "a", after=1, limit=2) == [4, 5]
    assert walk(db, (where("char") == "a") & (where("int") == 2), offset=1) == [5, 6, 7]
    assert walk(db, where("int") > 1, offset=1, limit=1) == [5]
    assert walk(db, where("char") == "nobody") == []


# --- the planner ---


def test_the_shape_that_the_planner_reads_of_a_query() -> None:
    one, other = where("a") == 1, where("b") == "x"
    assert one._hash == ("==", ("a",), 1)
    assert (one & other)._hash == ("and", frozenset([one._hash, other._hash]))
    assert (where("a")["b"] == 1)._hash == ("==", ("a", "b"), 1)
    assert (where("a").map(str) == "1")._hash is None
    assert (one | other)._hash[0] == "or"
    assert (~one)._hash[0] == "not"


class Counted:
    """A query that counts how often it is asked."""

    def __init__(self, query: Any) -> None:
        self.asked = 0
        self._query = query
        self._hash = query._hash

    def __hash__(self) -> int:
        return hash(self._hash)

    def __call__(self, value: Any) -> bool:
        self.asked += 1
        return bool(self._query(value))


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        (where("char") == "a", 1),
        ((where("char") == "a") & (where("int") == 1), 1),
        ((where("int") == 1) & where("char").exists(), 50),
        ((where("int") == 1) & (where("int") == 2), 50),
        ((where("char") == "a") & (where("int") == 2), 0),
        (where("char") == "nobody", 0),
        (where("other") == 1, 100),
        ((where("char") == "a") | (where("char") == "b"), 100),
        (~(where("char") == "a"), 100),
        (where("char") == ["a"], 100),
    ],
)
def test_only_candidates_are_asked(query: Any, asked: int) -> None:
    table = LiveTable(LiveStorage(), "t", indexes=indexes())
    table.insert_multiple({"char": chr(97 + number), "int": 1 + number % 2} for number in range(100))
    counted = Counted(query)
    found = table.search(counted)
    assert counted.asked == asked
    stock = Table(MemoryStorage(), "t")  # type: ignore[no-untyped-call]
    stock.insert_multiple(dict(each) for each in table)
    assert found == stock.search(query)


# --- the same answers as TinyDB's, whatever is asked ---

FIELDS = ("a", "b", "c")
VALUES: list[Any] = [0, 1, True, 1.0, -1, None, "", "x", "y", [], ["x"], ["x", "x"], {"x": 1}]
values = st.sampled_from(VALUES)
documents = st.dictionaries(st.sampled_from(FIELDS), values, max_size=3)


def leaves() -> st.SearchStrategy[Any]:
    fields = st.sampled_from(FIELDS)
    return st.one_of(
        st.builds(lambda field, value: where(field) == value, fields, values),
        st.builds(lambda field, value: where(field) != value, fields, values),
        st.builds(lambda field: where(field).exists(), fields),
        st.builds(lambda field, some: where(field).one_of(some), fields, st.lists(values, max_size=2)),
        st.builds(lambda field, some: where(field).any(some), fields, st.lists(values, max_size=2)),
        st.builds(lambda field: where(field).test(bool), fields),
        st.builds(lambda field, value: where(field)["x"] == value, fields, values),
        st.builds(lambda field: where(field).map(repr) == "1", fields),
    )


queries = st.recursive(
    leaves(),
    lambda inner: st.one_of(
        st.builds(lambda one, other: one & other, inner, inner),
        st.builds(lambda one, other: one | other, inner, inner),
        st.builds(lambda one: ~one, inner),
    ),
    max_leaves=4,
)
some_ids = st.lists(st.integers(1, 12), max_size=4, unique=True)  # TinyDB itself fails to remove one twice
steps = st.one_of(
    st.tuples(st.just("insert"), documents),
    st.tuples(st.just("insert_multiple"), st.lists(documents, max_size=4)),
    st.tuples(st.just("update"), documents, queries),
    st.tuples(st.just("update"), documents, st.none(), some_ids),
    st.tuples(st.just("update"), documents),
    st.tuples(st.just("upsert"), documents, queries),
    st.tuples(st.just("remove"), queries),
    st.tuples(st.just("remove"), st.none(), some_ids),
    st.tuples(st.just("search"), queries),
    st.tuples(st.just("get"), queries),
    st.tuples(st.just("count"), queries),
    st.tuples(st.just("contains"), queries),
    st.tuples(st.just("get"), st.none(), st.none(), some_ids),
)


def plainly(result: Any) -> Any:
    if isinstance(result, list):
        return [plainly(each) for each in result]
    return (result.doc_id, repr(dict(result))) if isinstance(result, Document) else result


@settings(max_examples=300, deadline=None)
@given(st.lists(steps, max_size=25))
def test_same_answers_as_the_stock_table(history: list[tuple[Any, ...]]) -> None:
    live = LiveTable(
        LiveStorage(), "t", indexes=[Equal("a"), Equal("b"), Equal("a", "b"), Ordered("c"), Total("a", "b")]
    )
    stock = Table(MemoryStorage(), "t", cache_size=0)  # type: ignore[no-untyped-call]
    for name, *args in history:
        assert plainly(getattr(live, name)(*args)) == plainly(getattr(stock, name)(*args)), name
        assert plainly(live.all()) == plainly(stock.all())
        check_indexes(live)
    live.truncate()
    check_indexes(live)


def check_indexes(table: Table) -> None:
    """Compare the indexes, changed step by step, with ones made at once."""
    assert isinstance(table, LiveTable)
    kept = table.indexes
    fresh = IndexSet([type(each)(*each.fields) for each in kept._all])
    fresh.rebuild(table.docs)
    assert kept.ids == fresh.ids
    for one, other in zip(kept._all, fresh._all, strict=True):
        for slot in ("_buckets", "_pairs", "_totals", "everything"):
            assert getattr(one, slot, None) == getattr(other, slot, None), one


@pytest.mark.parametrize(
    "gone",
    [[1], [2, 4000], [1, 2, 3, 4], [9, 11, 14, 4999], [*range(1, 5000, 7)], [1, 2500, 5000], [*range(1, 5001)]],
    ids=["one", "two", "adjacent", "sparse", "dense", "ends", "all"],
)
def test_documents_removed_together_leave_every_index(gone: list[int]) -> None:
    table = LiveTable(LiveStorage(), "t", indexes=[Equal("a"), Equal("b"), Equal("a", "b"), Ordered("c")])
    for number in range(5000):
        table.insert({"a": number % 2, "b": number, "c": 9 - number % 10})
    table.live.commit({"t": dict.fromkeys(reversed(gone))})
    check_indexes(table)
    assert len(table) == 5000 - len(gone)


def test_repr_names_the_storage() -> None:
    text = repr(LiveTable(LiveStorage(), "t"))
    assert text.startswith("<LiveTable name='t', total=0, storage=<sirrchat_testkit.storage.tables.LiveStorage object")


@pytest.mark.asyncio
async def test_a_table_that_is_indexed_anew_leaves_no_reader_with_what_was() -> None:
    store = TinyStore()
    await store.commit([Put(Account(id="1", email="a@b.c", created_at=0, quota=1))])
    assert (await store.get(Account, id="1")).quota == 1  # type: ignore[union-attr]
    LiveTable(store._storage, Account.kind, indexes=[Equal("id")])
    await store.commit([Patch(Account, 1, quota=2)])
    assert (await store.get(Account, seq=1)).quota == 2  # type: ignore[union-attr]
    await store.close()
