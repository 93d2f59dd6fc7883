"""A ``Call`` describes one exchange and reads its answer; ``Pages`` does so for a list of several pages. No I/O.

A list stays complete while it changes: each record that was there from the first request to the last is returned once,
also if the caller deletes those that it has seen. Records that are added meanwhile may or may not be in the list.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, Final, Generic, NamedTuple, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ValidationError, create_model
from pydantic_core import from_json

from sirrchat_testkit.errors import InvalidValue
from sirrchat_testkit.schemas.fields import reason_of

__tracebackhide__ = True

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

JSON: Final = "application/json"
RAW: Final = "message/rfc822"
STREAM: Final = "text/event-stream"


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """One exchange.

    Attributes:
        method: The HTTP method.
        path: The path below that of the API, with its ids encoded: see ``path``.
        read: Converts the body of a successful answer. Raises ``ValueError`` if it is not one of this API.
        body: The JSON object to send; fields that are None are left out. Or the bytes of a message.
        query: The query parameters; those that are None are left out, and a list repeats its name.
        accept: The media type of the answer.
        wait: Seconds that the server may wait before it answers.
        patient: Whether there is more time to connect again, because the caller waits anyway.
    """

    method: str
    path: str
    read: Callable[[bytes], T]
    body: Mapping[str, Any] | bytes | None = None
    query: Mapping[str, Any] = field(default_factory=dict)
    accept: str = JSON
    wait: float = 0.0
    patient: bool = False


def path(template: str, **ids: object) -> str:
    """Return ``template`` with the encoded ``ids``. Raises ``InvalidValue`` for something that is not an id."""
    for name, value in ids.items():
        if not isinstance(value, str | int) or value in {"", ".", ".."}:
            raise InvalidValue(f"{name} must be an id, not {value!r}", field=name, value=value)
    return template.format_map({name: quote(str(value), safe="") for name, value in ids.items()})


def milliseconds(name: str, value: timedelta) -> int:
    """Return the duration ``value`` of the argument ``name`` in milliseconds. Raises ``TypeError``."""
    if not isinstance(value, timedelta):
        raise TypeError(f"{name} must be a timedelta such as timedelta(hours=1), not {value!r}")
    return round(value / timedelta(milliseconds=1))


def seconds(name: str, value: float) -> float:
    """Return the number ``value`` of the argument ``name``. Raises ``TypeError``."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name} must be a number of seconds, not {value!r}")
    return value


def moment(name: str, time: datetime) -> str:
    """Return the ``time`` of the argument ``name`` in ISO 8601; without an offset it is local. Raises ``TypeError``."""
    if not isinstance(time, datetime):
        raise TypeError(f"{name} must be a datetime such as datetime(2030, 1, 31, 12, 0), not {time!r}")
    return (time if time.tzinfo else time.astimezone()).isoformat()


def one(model: type[M]) -> Callable[[bytes], M]:
    """Return the reader of a body that is a ``model``."""
    return lambda content: read_model(model, from_json(content))


def member(name: str, model: type[M]) -> Callable[[bytes], M]:
    """Return the reader of a body whose field ``name`` is a ``model``."""

    def read(content: bytes) -> M:
        answer = from_json(content)
        return read_model(model, answer.get(name) if isinstance(answer, dict) else None)

    return read


def many(model: type[M]) -> Callable[[bytes], list[M]]:
    """Return the reader of a body whose field ``data`` is a list of ``model``."""
    return lambda content: _records(model, from_json(content), "data")


def nothing(content: bytes) -> None:
    """Read an answer without a result: no body, or any JSON."""
    if content:
        from_json(content)


def read_model(model: type[M], data: Any) -> M:
    """Return ``data`` as a ``model``. Raises ``ValueError`` if it is something else.

    Fields that the server left out are missing in the object too, except the first one, which must be there.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        problems = error.errors(include_url=False)
    names = {each.alias or name: name for name, each in model.model_fields.items()}
    missing = frozenset(
        names[str(each["loc"][0])] for each in problems if each["type"] == "missing" and len(each["loc"]) == 1
    )
    if len(missing) < len(problems) or next(iter(model.model_fields)) in missing:
        first = problems[0]
        raise ValueError(f"{'.'.join(map(str, first['loc'])) or 'the body'} {reason_of(first)}")
    found = _without(model, missing).model_validate(data)
    return model.model_construct(**{name: getattr(found, name) for name in found.model_fields_set})


@lru_cache
def _without(model: type[M], missing: frozenset[str]) -> type[M]:
    optional: dict[str, Any] = dict.fromkeys(missing, (Any, None))
    return create_model(model.__name__, __base__=model, **optional)


class Pages(Generic[T]):
    """A list that is read page by page: send ``next`` and give its answer to ``take``, until ``next`` is None."""

    next: Call[Any] | None

    def take(self, page: Any) -> Sequence[T]:
        """Return the records of the page that answered ``next``, without those that were on an earlier page."""
        raise NotImplementedError


SIZE: Final = 100
"""Records on a page: the most that the SirrChat API allows."""


class _Page(NamedTuple):
    """A page of the SirrChat API. ``total`` is None, and ``limit`` the one requested, if the server sends neither."""

    records: list[Any]
    total: int | None
    limit: int


class NumberedPages(Pages[M]):
    """A list of the SirrChat API, by ``page``.

    If the total has decreased, records were deleted, and others may have moved to a page that was already read. So the
    list goes back to a page with a known record, or to the first.

    Args:
        path: The path of the list.
        model: The model of a record.
        key: The field that identifies a record.
        query: Other query parameters.
    """

    _first = 1

    def __init__(self, path: str, model: type[M], key: str = "id", **query: Any) -> None:
        self._path = path
        self._key = key
        self._query = query
        self._read = _page_of(model)
        self._seen: set[Any] = set()
        self._total = 0
        self._goes_back = False
        self._at = self._first
        self.next = self._call()

    def take(self, page: _Page) -> Sequence[M]:
        """Return the records of the page that answered ``next``, without those that were on an earlier page."""
        new = [each for each in page.records if getattr(each, self._key) not in self._seen]
        if page.total is not None:
            self._goes_back |= page.total < self._total
            self._total = page.total
        if self._goes_back and len(new) == len(page.records) and self._at > self._first:
            self._at = self._before()
            self.next = self._call()
            return []
        self._goes_back = False
        self._seen.update(getattr(each, self._key) for each in new)
        more = new if page.total is None else self._is_before_the_end(page, page.total)
        self._at = self._after(page)
        self.next = self._call() if more else None
        return new

    def _call(self) -> Call[_Page]:
        return Call("GET", self._path, self._read, query={**self._query, "limit": SIZE, **self._position()})

    def _position(self) -> dict[str, int]:
        return {"page": self._at}

    def _before(self) -> int:
        return self._at - 1

    def _after(self, _page: _Page) -> int:
        return self._at + 1

    def _is_before_the_end(self, page: _Page, total: int) -> bool:
        return self._at * page.limit < total


class OffsetPages(NumberedPages[M]):
    """A list of the SirrChat API, by ``offset``."""

    _first = 0

    def _position(self) -> dict[str, int]:
        return {"offset": self._at}

    def _before(self) -> int:
        return max(self._at - SIZE, 0)

    def _after(self, page: _Page) -> int:
        return self._at + len(page.records)

    def _is_before_the_end(self, page: _Page, total: int) -> bool:
        return bool(page.records) and self._after(page) < total


def _page_of(model: type[BaseModel]) -> Callable[[bytes], _Page]:
    def read(content: bytes) -> _Page:
        answer = from_json(content)
        meta = answer.get("meta") if isinstance(answer, dict) else None
        meta = meta if isinstance(meta, dict) else {}
        total, limit = meta.get("total"), meta.get("limit")
        records = _records(model, answer, "data")
        return _Page(records, total if isinstance(total, int) else None, limit if isinstance(limit, int) else SIZE)

    return read


class CursorPages(Pages[M]):
    """A list by ``cursor``: of the disposable-address API, or of the control API.

    Args:
        path: The path of the list.
        model: The model of a record.
        names: The fields of the answer that have the records and the next cursor.
        query: Other query parameters.
    """

    def __init__(self, path: str, model: type[M], names: tuple[str, str], **query: Any) -> None:
        def read(content: bytes) -> tuple[list[M], str | None]:
            answer = from_json(content)
            records = _records(model, answer, names[0])
            cursor = answer.get(names[1])
            return records, cursor if isinstance(cursor, str) else None

        self.next = self._first = Call("GET", path, read, query=query)

    def take(self, page: tuple[list[M], str | None]) -> Sequence[M]:
        """Return the records of the page that answered ``next``."""
        records, cursor = page
        query = {**self._first.query, "cursor": cursor}
        self.next = replace(self._first, query=query) if cursor else None
        return records


def _records(model: type[M], answer: Any, name: str) -> list[M]:
    records = answer.get(name) if isinstance(answer, dict) else None
    if not isinstance(records, list):
        raise ValueError(f"{name} must be an array")
    return [read_model(model, each) for each in records]
