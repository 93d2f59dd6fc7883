"""Records: dataclasses that are stored as documents in tables.

A document has only JSON values, and tuples for lists: the garbage collector does not visit a dictionary of scalars and
of tuples of scalars, and a store has hundreds of thousands. Fields at their default are left out to keep it small.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

C = TypeVar("C")

Doc = dict[str, Any]
"""A record as it is stored: JSON values, with tuples for lists, without fields at their default."""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def record(cls: type[C]) -> type[C]:
    """Make ``cls`` a dataclass with keyword-only fields, which type checkers treat as frozen.

    It is not frozen at run time: several records are made for each message, and ``frozen=True`` would take three times
    as long. ``__eq__``, ``__hash__`` and ``__repr__`` are shared by all classes, since compiling them for each would
    double the time of its import.
    """
    made = dataclass(slots=True, kw_only=True, eq=False, repr=False)(cls)
    for name, method in _METHODS.items():
        if name not in vars(cls):
            setattr(made, name, method)
    return made


def _values(value: Any) -> tuple[Any, ...]:
    return tuple([getattr(value, each.name) for each in fields(value)])


def _equals(self: Any, other: object) -> Any:
    return _values(self) == _values(other) if type(other) is type(self) else NotImplemented


def _hash(self: Any) -> int:
    return hash(_values(self))


def _show(self: Any) -> str:
    shown = ", ".join(f"{each.name}={getattr(self, each.name)!r}" for each in fields(self) if each.repr)
    return f"{type(self).__qualname__}({shown})"


_METHODS = {"__eq__": _equals, "__hash__": _hash, "__repr__": _show}


@record
class Record:
    """The base of all records, with an ``id`` (a UUID) and ``seq``, the position in its table."""

    kind: ClassVar[str]
    _defaults: ClassVar[Mapping[str, Any]]
    _sequences: ClassVar[tuple[str, ...]]

    seq: int = 0
    id: str

    def to_doc(self) -> Doc:
        """Return the record as a document, without ``seq`` and fields at their default."""
        kind = type(self)
        kind.to_doc = _writer(kind)  # type: ignore[assignment, method-assign]  # compiled for each kind when its first record is stored
        return kind.to_doc(self)

    @classmethod
    def from_doc(cls, seq: int, doc: Mapping[str, Any]) -> Self:
        """Return the record of the document ``doc``, at position ``seq``."""
        values = dict(doc)
        for name in cls._sequences:
            if name in values:
                values[name] = tuple(values[name])
        return cls(seq=seq, **values)


def register_record(cls: type[Record]) -> None:
    """Register a record class: note the default of each field, for ``to_doc`` and the indexes."""
    cls._defaults = {each.name: _default(each) for each in fields(cls) if each.name != "seq"}
    cls._sequences = tuple(each.name for each in fields(cls) if str(each.type).startswith("tuple"))


def _writer(cls: type[Record]) -> Callable[[Record], Doc]:
    """Return a function that makes the document of a record of ``cls``.

    It is compiled, as dataclasses compile their methods, because it is called for each message and each envelope. A
    loop over the fields takes three times as long.
    """
    read = {name: f"tuple(record.{name})" if name in cls._sequences else f"record.{name}" for name in cls._defaults}
    always = [name for name, usual in cls._defaults.items() if usual is MISSING]
    lines = ["def write(record):", f"    doc = {{{', '.join(f'{name!r}: {read[name]}' for name in always)}}}"]
    for name, usual in cls._defaults.items():
        if usual is not MISSING:
            differs = f"record.{name}" if usual is not None and not usual else f"record.{name} != usual[{name!r}]"
            lines.append(f"    if {differs}: doc[{name!r}] = {read[name]}")
    found: dict[str, Any] = {"usual": cls._defaults}
    exec("\n".join([*lines, "    return doc"]), found)  # noqa: S102 - the code has only names of fields
    write: Callable[[Record], Doc] = found["write"]
    return write


def _default(each: Any) -> Any:
    if each.default is not MISSING:
        return each.default
    return each.default_factory() if each.default_factory is not MISSING else MISSING
