"""Staging: from the domain's changes, which speak of records, to one batch of documents."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sirrchat_testkit.core.models import Doc, Record
from sirrchat_testkit.core.store import Change, Patch, Put
from sirrchat_testkit.store.live import Batch, LiveStorage
from sirrchat_testkit.store.values import SCALARS, plain_value


def stage(storage: LiveStorage, changes: Sequence[Change]) -> tuple[Batch, list[int]]:
    """Return what ``changes`` make of the stored documents, and the ``seq`` of each change. Nothing is changed yet.

    Raises:
        TypeError: A value is not JSON, or a patch names a field that its kind does not have.
    """
    batch: Batch = {}
    seqs: list[int] = []
    fresh: dict[str, int] = {}
    for change in changes:
        if isinstance(change, Put):
            name = change.record.kind
            seq = fresh.get(name) or storage.next_id(name)
            fresh[name] = seq + 1
            batch.setdefault(name, {})[seq] = _sealed(change.record.to_doc())
        else:
            name, seq = change.kind.kind, change.seq
            touched = batch.setdefault(name, {})
            old = touched[seq] if seq in touched else storage.tables[name].get(str(seq))
            if old is not None:
                touched[seq] = _patched(change, old) if isinstance(change, Patch) else None
        seqs.append(seq)
    return batch, seqs


def _sealed(doc: Doc) -> Doc:
    # The mapping is the caller's gift; only what is nested in it may be shared with a record.
    for field, value in doc.items():
        if type(value) not in SCALARS:
            doc[field] = plain_value(value, field)
    return doc


def _patched(change: Patch, old: Doc) -> Doc:
    new = dict(old)
    for field, value in change.fields.items():
        if value == _default(change.kind, field):
            new.pop(field, None)
        else:
            new[field] = plain_value(list(value) if type(value) is tuple else value, field)
    return new


def _default(kind: type[Record], field: str) -> Any:
    try:
        return kind._defaults[field]  # noqa: SLF001  # the other half of ``Record.to_doc``
    except KeyError:
        raise TypeError(f"{kind.__name__} has no field {field!r}") from None
