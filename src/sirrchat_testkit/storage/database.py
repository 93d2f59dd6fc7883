"""``Database``: the records of a running server as a read-only TinyDB.

1. A read calls into the server's thread once for each slice of documents, found by index if the query allows it. The
   call returns the stored documents themselves: they are never changed in place.
2. The caller's thread copies and completes them and runs the query, which may be any code, on the copies.
3. A read of several slices is not one snapshot. A document that is deleted between two of them is absent.
4. Copies are complete: fields that the store leaves out have their defaults. Fields in ``SECRETS`` are removed.
5. Each method that writes raises ``TypeError``, as item assignment to a tuple does: it is a mistake in the test.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar, overload

from tinydb import TinyDB
from tinydb.queries import QueryLike
from tinydb.storages import Storage
from tinydb.table import Document, Table

from sirrchat_testkit.domain.models import RECORDS
from sirrchat_testkit.errors import InvalidValue
from sirrchat_testkit.records import Doc, Record
from sirrchat_testkit.storage.schema import SECRETS, nested, plain_field
from sirrchat_testkit.storage.store import TinyStore
from sirrchat_testkit.storage.tables import LiveTable, equalities
from sirrchat_testkit.threads import LoopThread

__tracebackhide__ = True

T = TypeVar("T")

SLICE: Final = 1000
"""Documents returned by one call into the server's thread, which holds the loop for about a millisecond."""

KINDS: Final = {kind.kind: kind for kind in RECORDS}


def _refuse_to_write(*_: Any, **__: Any) -> NoReturn:
    """Raise ``TypeError``: the database is read-only."""
    raise TypeError(
        "the database of a running server is read-only; change its records by the methods of MailServer and Inbox "
        "(make_inbox, add_account, deliver, clear), or over the REST API"
    )


class StoredDocument(Document):
    """A copy of one stored document: a dictionary of JSON values, with its number in the table as ``doc_id``."""

    doc_id: int

    if TYPE_CHECKING:  # TinyDB does not annotate what a document holds

        def __getitem__(self, field: str) -> Any: ...


class LiveReader(Storage):
    """Reads the tables of ``store`` on the loop of ``thread``, from other threads."""

    def __init__(self, thread: LoopThread, store: TinyStore) -> None:
        self.thread = thread
        self._store = store

    def call(self, kind: type[Record], function: Callable[..., T], *arguments: Any) -> T:
        """Call ``function`` with the table of ``kind`` and ``arguments`` on the server's loop; return its result.

        Raises:
            RuntimeError: The server has stopped, or the caller is on its thread or in a forked child.
        """
        return self.thread.call(self._call(kind, function, arguments))

    def read(self) -> dict[str, dict[str, Any]]:
        """Return a copy of all tables."""
        return {name: {str(each.doc_id): each for each in DatabaseTable(self, name)} for name in KINDS}

    write = _refuse_to_write

    async def _call(self, kind: type[Record], function: Callable[..., T], arguments: tuple[Any, ...]) -> T:
        if self._store.closed:  # the same MailServer was started again
            raise RuntimeError("this database is from before the server was stopped; use mailserver.database again")
        return function(self._store.table(kind), *arguments)


class DatabaseTable(Table):
    """A table of a running server, for reading: ``search``, ``get``, ``contains``, ``count``, ``all``, ``len``.

    Documents are in order of ``doc_id``. Methods that write raise ``TypeError``.
    """

    document_class = StoredDocument

    def __init__(
        self,
        storage: LiveReader,
        name: str,
        cache_size: int = 0,
        persist_empty: bool = False,  # noqa: FBT001, FBT002  # TinyDB's signature
    ) -> None:
        super().__init__(storage, name, cache_size, persist_empty)
        self._reader = storage
        self._kind = KINDS[name]
        self._defaults = {name: _json(value) for name, value in self._kind._defaults.items()}  # noqa: SLF001
        self._nested = (*self._kind._sequences, *nested(self._kind))  # noqa: SLF001
        self._secret = tuple(SECRETS & self._defaults.keys())

    def search(self, cond: QueryLike) -> list[StoredDocument]:  # type: ignore[override]  # list is invariant
        """Return the documents that match ``cond``."""
        return list(self._matches(cond))

    @overload  # type: ignore[override]  # TinyDB's calls, in fewer overloads
    def get(self, cond: QueryLike, doc_id: None = None, doc_ids: None = None) -> StoredDocument | None: ...
    @overload
    def get(self, cond: QueryLike | None = None, *, doc_id: int) -> StoredDocument | None: ...
    @overload
    def get(self, cond: QueryLike | None = None, *, doc_ids: Sequence[int]) -> list[StoredDocument]: ...
    def get(
        self, cond: QueryLike | None = None, doc_id: int | None = None, doc_ids: Sequence[int] | None = None
    ) -> StoredDocument | list[StoredDocument] | None:
        """Return the first document that matches ``cond``, the document ``doc_id``, or the documents ``doc_ids``.

        None if there is no such document. Of ``doc_ids``, those that do not exist are left out.
        """
        if doc_id is not None:
            return next(self._numbered([doc_id]), None)
        if doc_ids is not None:
            return list(self._numbered(sorted(set(doc_ids))))
        if cond is not None:
            return next(self._matches(cond), None)
        raise RuntimeError("You have to pass either cond or doc_id or doc_ids")

    def count(self, cond: QueryLike) -> int:
        """Return how many documents match ``cond``."""
        return sum(1 for _ in self._matches(cond))

    def all(self) -> list[StoredDocument]:  # type: ignore[override]  # list is invariant
        """Return every document."""
        return list(self)

    def __len__(self) -> int:
        return self._reader.call(self._kind, len)

    def __iter__(self) -> Iterator[StoredDocument]:
        return self._candidates({})

    def __repr__(self) -> str:
        return f"<DatabaseTable {self.name!r} of {self._reader.thread.owner}>"

    insert = insert_multiple = update = update_multiple = upsert = remove = truncate = _refuse_to_write

    def _read_table(self) -> dict[str, Mapping[str, Any]]:
        return {str(each.doc_id): each for each in self}

    def _matches(self, cond: QueryLike) -> Iterator[StoredDocument]:
        return filter(cond, self._candidates(equalities(cond)))

    def _candidates(self, where: Mapping[str, Any]) -> Iterator[StoredDocument]:
        """Yield the documents that may equal ``where``: those found by an index, or all if there is none."""
        after = 0
        while True:
            part = self._reader.call(self._kind, LiveTable.part, where, after, SLICE)
            for seq, doc in part:
                yield self._shown(seq, doc)
            if len(part) < SLICE:
                return
            after = part[-1][0]

    def _numbered(self, ids: Sequence[int]) -> Iterator[StoredDocument]:
        for start in range(0, len(ids), SLICE):
            for seq, doc in self._reader.call(self._kind, LiveTable.stored, ids[start : start + SLICE]):
                yield self._shown(seq, doc)

    def _shown(self, seq: int, doc: Doc) -> StoredDocument:
        shown = StoredDocument(self._defaults, seq)
        shown.update(doc)
        for field in self._nested:
            shown[field] = plain_field(shown[field], field)
        for field in self._secret:
            del shown[field]
        return shown


def _json(default: Any) -> Any:
    """Return the default of a record's field as JSON; None for a field without one, which is never missing."""
    return None if default is MISSING else list(default) if type(default) is tuple else default


class Database(TinyDB):
    """The records of a running server as a ``TinyDB`` for reading; see ``docs/database.md`` for tables and fields.

    Methods without a table, such as ``search``, read the table ``messages``. Methods that write raise ``TypeError``.
    When the server has stopped, reading raises ``RuntimeError``. Queries run in the caller's thread.

    Example:
        from tinydb import where

        [message] = mailserver.database.table("messages").search(where("subject") == "Welcome")
    """

    __module__ = "sirrchat_testkit"

    table_class: type[Table] = DatabaseTable
    default_table_name = "messages"

    def __init__(self, thread: LoopThread, store: TinyStore) -> None:
        self._thread = thread
        super().__init__(thread, store, storage=LiveReader)

    def table(self, name: str, **kwargs: Any) -> DatabaseTable:
        """Return the table ``name``.

        Raises:
            InvalidValue: There is no such table.
        """
        if name not in KINDS:
            text = f"there is no table {name!r}; the tables are {', '.join(KINDS)}"
            raise InvalidValue(text, field="name", value=name)
        return super().table(name, **kwargs)  # type: ignore[return-value]  # made by ``table_class``

    def tables(self) -> set[str]:
        """Return the names of the tables."""
        return set(KINDS)

    drop_table = drop_tables = _refuse_to_write

    def __repr__(self) -> str:
        return f"<Database of {self._thread.owner}>"
