"""What a record is: a dataclass with a place in a table, which becomes a document and is made of one again.

A document has JSON values only, and leaves out what is at its default, so that it stays small.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, ClassVar, Self, TypeVar, dataclass_transform

C = TypeVar("C")

Doc = dict[str, Any]
"""A record as a store keeps it: JSON values only, fields at their default left out."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
def record(cls: type[C]) -> type[C]:
    """Make a record of ``cls``: a dataclass that is frozen to the type checker.

    At run time nothing watches it: some are made for each message, and ``frozen=True`` makes that three times as slow.
    """
    return dataclass(slots=True, kw_only=True, unsafe_hash=True)(cls)


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
        raise NotImplementedError  # compiled for each kind by ``seal``

    @classmethod
    def from_doc(cls, seq: int, doc: Mapping[str, Any]) -> Self:
        """Return the record that ``to_doc`` made ``doc`` from, at position ``seq``."""
        values = dict(doc)
        for name in cls._sequences:
            if name in values:
                values[name] = tuple(values[name])
        return cls(seq=seq, **values)


def seal(cls: type[Record]) -> None:
    """Note each field's default, so that documents stay small."""
    cls._defaults = {each.name: _default(each) for each in fields(cls) if each.name != "seq"}
    cls._sequences = tuple(each.name for each in fields(cls) if str(each.type).startswith("tuple"))
    cls.to_doc = _writer(cls)  # type: ignore[assignment, method-assign]


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
