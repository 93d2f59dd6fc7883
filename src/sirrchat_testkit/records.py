"""What a record is: a dataclass with a place in a table, which becomes a document and is made of one again.

A document has JSON values only, and leaves out what is at its default, so that it stays small.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

C = TypeVar("C")

Doc = dict[str, Any]
"""A record as a store keeps it: JSON values only, fields at their default left out."""


@dataclass_transform(frozen_default=True, kw_only_default=True, field_specifiers=(field,))
def record(cls: type[C]) -> type[C]:
    """Make a value class of ``cls``: a dataclass with keyword arguments that is frozen to the type checker.

    At run time nothing enforces it: some are made for each message, and ``frozen=True`` makes that three times as slow.
    Comparing, hashing and showing are written once, below: compiling them for each class would double its import.
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
    """What every record has in common: an ``id`` (a UUID) and a place in its table."""

    kind: ClassVar[str]
    _defaults: ClassVar[Mapping[str, Any]]
    _sequences: ClassVar[tuple[str, ...]]

    seq: int = 0
    id: str

    def to_doc(self) -> Doc:
        """Return the record as JSON values, without ``seq`` and without what equals its default."""
        kind = type(self)
        kind.to_doc = _writer(kind)  # type: ignore[assignment, method-assign]  # compiled for each kind at its first record
        return kind.to_doc(self)

    @classmethod
    def from_doc(cls, seq: int, doc: Mapping[str, Any]) -> Self:
        """Return the record that ``to_doc`` made ``doc`` from, at position ``seq``."""
        values = dict(doc)
        for name in cls._sequences:
            if name in values:
                values[name] = tuple(values[name])
        return cls(seq=seq, **values)


def register_record(cls: type[Record]) -> None:
    """Note each field's default, so that documents stay small."""
    cls._defaults = {each.name: _default(each) for each in fields(cls) if each.name != "seq"}
    cls._sequences = tuple(each.name for each in fields(cls) if str(each.type).startswith("tuple"))


def _writer(cls: type[Record]) -> Callable[[Record], Doc]:
    """Return what makes a document of a record of ``cls``.

    It is compiled, as dataclasses compile their methods: a loop over the fields takes three times as long, which counts
    for a message and its envelope.
    """
    read = {name: f"list(record.{name})" if name in cls._sequences else f"record.{name}" for name in cls._defaults}
    always = [name for name, usual in cls._defaults.items() if usual is MISSING]
    lines = ["def write(record):", f"    doc = {{{', '.join(f'{name!r}: {read[name]}' for name in always)}}}"]
    for name, usual in cls._defaults.items():
        if usual is not MISSING:
            differs = f"record.{name}" if usual is not None and not usual else f"record.{name} != usual[{name!r}]"
            lines.append(f"    if {differs}: doc[{name!r}] = {read[name]}")
    found: dict[str, Any] = {"usual": cls._defaults}
    exec("\n".join([*lines, "    return doc"]), found)  # noqa: S102 - made of field names alone
    write: Callable[[Record], Doc] = found["write"]
    return write


def _default(each: Any) -> Any:
    if each.default is not MISSING:
        return each.default
    return each.default_factory() if each.default_factory is not MISSING else MISSING
