"""``Database`` reads as TinyDB does, over complete documents, in the caller's thread. Methods that write raise."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any, NoReturn, cast

import pytest
from tinydb import Query, TinyDB, where
from tinydb.queries import QueryLike
from tinydb.storages import MemoryStorage
from tinydb.table import Document, Table

from sirrchat_testkit import InvalidValue
from sirrchat_testkit.domain.models import RECORDS, Account, ApiKey, Delivery, Envelope, Message, Webhook
from sirrchat_testkit.domain.store import Change, Delete, Patch, Put
from sirrchat_testkit.records import Record
from sirrchat_testkit.storage import TinyStore, database
from sirrchat_testkit.storage.database import KINDS, Database
from sirrchat_testkit.storage.schema import SECRETS
from sirrchat_testkit.storage.tables import LiveTable
from sirrchat_testkit.threads import LoopThread

Make = Callable[..., Any]

READS = {"all", "contains", "count", "document_class", "document_id_class", "get", "name", "search", "storage"} | {
    "clear_cache",
    "default_query_cache_capacity",
    "query_cache_class",
}
DATABASE_READS = {"close", "default_storage_class", "default_table_name", "storage", "table", "table_class", "tables"}
WRITES: dict[str, tuple[Any, ...]] = {
    "insert": ({"subject": "new"},),
    "insert_multiple": ([{"subject": "new"}],),
    "remove": (where("size") == 1,),
    "truncate": (),
    "update": ({"subject": "new"},),
    "update_multiple": ([({"subject": "new"}, where("size") == 1)],),
    "upsert": ({"subject": "new"}, where("size") == 1),
}
DATABASE_WRITES: dict[str, tuple[Any, ...]] = {"drop_table": ("messages",), "drop_tables": ()}


class Running:
    """A store whose loop runs in a thread of its own, and its database."""

    def __init__(self, folder: Path | None) -> None:
        self.thread = LoopThread("store")
        self.thread.start()
        self.store = self.thread.call(self._open(folder))
        self.database = Database(self.thread, self.store)
        self.messages = self.database.table("messages")

    async def _open(self, folder: Path | None) -> TinyStore:
        return TinyStore(folder)

    def commit(self, *changes: Change) -> None:
        self.thread.call(self.store.commit(changes))

    def put(self, *records: Record) -> None:
        self.commit(*map(Put, records))

    def close(self) -> None:
        self.thread.call(self.store.close())
        self.thread.stop()


@pytest.fixture(params=["memory", "journal"])
def running(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Running]:
    made = Running(None if request.param == "memory" else tmp_path)
    yield made
    if made.thread.running:
        made.close()


@pytest.fixture
def handed_over(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many documents each call into the store's thread handed over."""
    counts: list[int] = []
    part = LiveTable.part

    def counted(table: LiveTable, *arguments: Any) -> list[Any]:
        found = part(table, *arguments)
        counts.append(len(found))
        return found

    monkeypatch.setattr(LiveTable, "part", counted)
    return counts


def ids(documents: list[Any]) -> list[int]:
    return [each.doc_id for each in documents]


def public(kind: type) -> set[str]:
    return {name for base in kind.__mro__[:-1] for name in vars(base) if not name.startswith("_")}


# --- documents ---


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.kind)
def test_a_document_has_every_field_but_secrets(running: Running, kind: type[Record]) -> None:
    required: dict[str, Any] = {
        each.name: "x" for each in fields(kind) if each.default is each.default_factory is MISSING
    }
    sequences = {name: ("x",) for name in kind._sequences if name in required}
    if kind is Message:
        required["address"] = ""  # without an address it has no UID
    running.put(kind(**required | sequences))
    [document] = running.database.table(kind.kind).all()
    assert document.keys() == {each.name for each in fields(kind)} - {"seq"} - SECRETS
    assert document.doc_id == 1
    for each in fields(kind):
        if each.name in document and each.name not in required:
            default = each.default if each.default_factory is MISSING else each.default_factory()
            assert document[each.name] == (list(default) if isinstance(default, tuple) else default)


def test_a_document_has_the_values_of_its_record(running: Running, make: Make) -> None:
    running.put(make(Envelope, refused={"b@x.example": "550 no"}, parameters={"": ["SIZE=3"]}, received_at=7))
    [document] = running.database.table("envelopes")
    assert document["recipients"] == ["ada@example.com"]
    assert document["refused"] == {"b@x.example": "550 no"}
    assert document["parameters"] == {"": ["SIZE=3"]}
    assert (document["received_at"], document["login"]) == (7, "")


def test_a_value_at_its_default_is_found(running: Running, make: Make) -> None:
    running.put(make(Message), make(Message, folder="Sent", flags=("\\Seen",), seen=True))
    assert ids(running.messages.search(where("folder") == "INBOX")) == [1]
    assert ids(running.messages.search(where("seen") == False)) == [1]  # noqa: E712
    assert ids(running.messages.search(where("flags") == [])) == [1]
    assert ids(running.messages.search(where("flags").any(["\\Seen"]))) == [2]
    assert ids(running.messages.search((where("address") == "adr") & (where("folder") == "INBOX"))) == [1]


def test_changing_a_result_changes_nothing(running: Running, make: Make) -> None:
    attempt = {"at": 1, "http_status": None, "error": "refused", "duration_ms": 3}
    required: Any = {
        "account": "a",
        "webhook": "w",
        "event": "e",
        "message": "m",
        "created_at": 1,
        "request_body": "{}",
    }
    running.put(Delivery(id="d", attempts=(attempt,), **required), make(Message, to=("a@x.example",)))
    running.put(make(Envelope, parameters={"": ["SIZE=3"]}), make(Message))
    before = running.database.storage.read()
    for name in KINDS:
        for document in running.database.table(name):
            for value in document.values():
                if isinstance(value, list | dict):
                    value.clear()
            document.clear()
    for document in running.database.table("deliveries"):
        document["attempts"][0]["at"] = 9
    for document in running.database.table("envelopes"):
        document["parameters"][""].append("BODY=8BITMIME")
    assert running.database.storage.read() == before


def test_secrets_are_in_no_document(running: Running, make: Make) -> None:
    running.put(
        make(Account, password="SECRET-1"),
        ApiKey(id="k", account="a", role="user", key_hash="SECRET-2", secret_hash="SECRET-3", created_at=1),
        Webhook(id="w", account="a", url="http://x", events=("email.sent",), created_at=1, secret="SECRET-4"),
    )
    assert "SECRET" not in repr(running.database.storage.read())
    assert running.database.table("keys").search(where("key_hash") == "SECRET-2") == []
    assert running.database.table("accounts").count(where("password").exists()) == 0
    assert ids(running.database.table("keys").search(where("account") == "a")) == [1]


# --- reads ---


QUERIES: list[Any] = [
    where("subject") == "Welcome",
    where("subject").search("el"),
    where("subject").matches("wel", flags=re.IGNORECASE),
    where("subject").test(lambda subject: len(subject) > 5),
    where("address") == "b",
    (where("address") == "b") & (where("size") > 2),
    (where("address") == "b") | (where("size") == 1),
    ~(where("address") == "b"),
    (where("account") == "acc") & (where("seen") == False),  # noqa: E712
    where("to").any(["a@x.example"]),
    where("to") == ["a@x.example"],
    where("nothing") == 1,
    where("nothing").exists(),
    Query().fragment({"subject": "Welcome", "folder": "INBOX"}),
    Query().noop(),
    lambda document: document["size"] % 2 == 0,
]


@pytest.mark.parametrize("cond", QUERIES, ids=range(len(QUERIES)))
@pytest.mark.parametrize("size", [2, 1000])
def test_a_query_finds_what_tinydb_finds_in_the_same_documents(
    running: Running, make: Make, monkeypatch: pytest.MonkeyPatch, size: int, cond: QueryLike
) -> None:
    monkeypatch.setattr(database, "SLICE", size)
    for number, subject in enumerate(["Welcome", "Hello", "welcome", "Reset", "Welcome"]):
        to = ("a@x.example",) if number % 2 else ()
        running.put(make(Message, subject=subject, size=number, address="ab"[number % 2], seen=number == 3, to=to))
    running.commit(Delete(Message, 2))
    plain = TinyDB(storage=MemoryStorage)
    plain.storage.write(running.database.storage.read() or {})
    expected = plain.table("messages")
    assert running.messages.search(cond) == expected.search(cond)
    assert ids(running.messages.search(cond)) == ids(expected.search(cond))
    assert running.messages.get(cond) == expected.get(cond)
    assert running.messages.contains(cond) == expected.contains(cond)
    assert running.messages.count(cond) == expected.count(cond)
    assert running.messages.all() == list(running.messages) == expected.all()
    assert len(running.messages) == len(expected) == 4


@pytest.mark.parametrize("size", [1, 1000])
def test_get_by_ids(running: Running, make: Make, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    monkeypatch.setattr(database, "SLICE", size)
    running.put(*(make(Message, subject=str(number)) for number in range(1, 5)))
    found = running.messages.get(doc_id=3)
    assert found is not None
    assert (found.doc_id, found["subject"]) == (3, "3")
    assert isinstance(found, Document)
    assert running.messages.get(doc_id=9) is None
    assert ids(running.messages.get(doc_ids=[4, 9, 2, 4])) == [2, 4]
    assert running.messages.contains(doc_id=4)
    assert not running.messages.contains(doc_id=9)
    with pytest.raises(RuntimeError, match="cond or doc_id"):
        running.messages.get()  # type: ignore[call-overload]


def test_results_are_not_cached(running: Running, make: Make) -> None:
    cond = where("subject") == "Welcome"
    table = running.database.table("messages", cache_size=10)
    assert table.search(cond) == []
    running.put(make(Message, subject="Welcome"))
    assert ids(table.search(cond)) == [1]


def test_without_a_table_messages_are_read(running: Running, make: Make) -> None:
    running.put(make(Message, subject="Welcome"), make(Account))
    assert ids(running.database.search(where("subject") == "Welcome")) == [1]
    assert len(running.database) == len(list(running.database)) == 1
    assert running.database.tables() == {kind.kind for kind in RECORDS}


@pytest.mark.parametrize("name", ["message", "_default", ""])
def test_an_unknown_table_is_an_error_that_names_the_tables(running: Running, name: str) -> None:
    with pytest.raises(InvalidValue, match=r"the tables are accounts, .*messages"):
        running.database.table(name)


def test_an_equality_on_an_indexed_field_copies_only_what_it_finds(
    running: Running, make: Make, handed_over: list[int]
) -> None:
    running.put(*(make(Message, address=f"a{number % 10}") for number in range(100)))
    assert running.messages.count(where("address") == "a3") == 10
    assert running.messages.count((where("address") == "a3") & where("subject").search("x")) == 0
    assert running.messages.get(where("id") == "id-7") is not None
    assert handed_over == [10, 10, 1]
    assert running.messages.count(where("size") == 10) == 100
    assert handed_over[3:] == [100]


def test_slices_are_bounded(
    running: Running, make: Make, monkeypatch: pytest.MonkeyPatch, handed_over: list[int]
) -> None:
    monkeypatch.setattr(database, "SLICE", 3)
    running.put(*(make(Message) for _ in range(7)))
    assert ids(running.messages.all()) == [1, 2, 3, 4, 5, 6, 7]
    assert handed_over == [3, 3, 1]


def test_what_is_deleted_between_slices_is_absent(
    running: Running, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "SLICE", 2)
    running.put(*(make(Message, subject="old") for _ in range(6)))
    documents = iter(running.messages)
    next(documents)
    running.commit(Delete(Message, 1), Delete(Message, 2), Delete(Message, 3), Patch(Message, 4, subject="new"))
    running.put(make(Message, subject="new"))
    assert [(each.doc_id, each["subject"]) for each in documents] == [
        (2, "old"),  # of the slice that was copied before
        (4, "new"),
        (5, "old"),
        (6, "old"),
        (7, "new"),
    ]


# --- threads ---


def test_a_query_runs_in_the_thread_that_asks(running: Running, make: Make) -> None:
    running.put(make(Message, subject="a"))
    threads: set[int] = set()

    def seen(subject: Any) -> bool:
        threads.add(threading.get_ident())
        return bool(subject == "a")

    cond = where("subject").test(seen)
    assert running.messages.count(cond) == 1
    assert threads == {threading.get_ident()}
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(running.messages.contains, cond).result()
    assert len(threads) == 2


def test_a_query_may_change_the_document_that_it_is_given(running: Running, make: Make) -> None:
    running.put(make(Message, to=("a@x.example",)))

    def spoil(document: Any) -> bool:
        document["to"].append("b@x.example")
        return bool(document.pop("subject") == "")

    assert running.messages.search(cast("QueryLike", spoil))[0]["to"] == ["a@x.example", "b@x.example"]
    assert running.messages.count(where("to") == ["a@x.example"]) == 1


def test_an_error_of_a_query_is_raised_as_it_is(running: Running, make: Make) -> None:
    running.put(make(Message))

    def fail(_: Any) -> NoReturn:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        running.messages.search(where("subject").test(fail))
    assert len(running.messages) == 1


def test_threads_read_while_the_store_is_written(running: Running, make: Make) -> None:
    def read(_: int) -> set[bool]:
        return {each["address"] == "b" for _ in range(20) for each in running.messages.search(where("address") == "b")}

    with ThreadPoolExecutor(4) as pool:
        found = pool.map(read, range(4))
        for number in range(200):
            running.put(make(Message, address="ab"[number % 2]))
            if number % 3 == 0:
                running.commit(Delete(Message, number))
    assert set().union(*found) <= {True}


def test_the_thread_of_the_store_cannot_wait_for_itself(running: Running) -> None:
    async def read() -> int:
        return len(running.messages.all())

    with pytest.raises(RuntimeError, match="cannot wait for itself"):
        running.thread.call(read())


def test_a_database_of_a_closed_store_says_so(running: Running, make: Make) -> None:
    running.put(make(Message))
    held = iter(running.messages)
    running.thread.call(running.store.close())
    for read in (
        running.messages.all,
        lambda: len(running.database),
        lambda: next(held),
        running.database.storage.read,
    ):
        with pytest.raises(RuntimeError, match=r"before the server was stopped; use mailserver\.database again"):
            read()
    running.thread.stop()
    with pytest.raises(RuntimeError, match="store is not running"):
        running.messages.get(doc_id=1)
    assert repr(running.messages) == "<DatabaseTable 'messages' of store>"
    assert repr(running.database) == "<Database of store>"


# --- writes ---


def test_every_method_of_tinydb_is_known_here() -> None:
    assert public(Table) == READS | WRITES.keys()
    assert public(TinyDB) == DATABASE_READS | DATABASE_WRITES.keys()


@pytest.mark.parametrize(
    ("of", "method"),
    [*(("messages", name) for name in WRITES), *(("database", name) for name in [*WRITES, *DATABASE_WRITES])],
)
def test_a_method_that_writes_raises_and_changes_nothing(running: Running, make: Make, of: str, method: str) -> None:
    running.put(make(Message, size=1))
    before = running.database.storage.read()
    for arguments in ((WRITES | DATABASE_WRITES)[method], ()):  # without arguments it is the same error
        with pytest.raises(TypeError, match="is read-only; change its records by the methods of MailServer"):
            getattr(getattr(running, of), method)(*arguments)
    assert running.database.storage.read() == before


def test_what_tinydb_writes_by_is_closed_too(running: Running) -> None:
    with pytest.raises(TypeError, match="read-only"):
        running.database.storage.write({})
    with pytest.raises(TypeError, match="read-only"):
        running.messages._update_table(lambda table: table.clear())
    with pytest.raises(TypeError, match="read-only"):
        running.database.table("keys", persist_empty=True)


def test_closing_it_leaves_the_server_alone(running: Running, make: Make) -> None:
    with running.database as held:
        held.close()
    running.put(make(Message))
    assert len(running.messages) == 1
