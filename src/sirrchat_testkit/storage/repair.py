"""Repair: opens a folder again that is damaged, at the price of what cannot be read.

1. Of the snapshot every whole document is kept. Of the journals what is before the first wrong byte: commits build on
   each other, so nothing behind it is applied.
2. What is not kept is saved beside, never deleted, and so are raw messages that nothing names any more.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path

from sirrchat_testkit.errors import StoreDamaged
from sirrchat_testkit.storage import journal_lines as lines
from sirrchat_testkit.storage.folder import Folder
from sirrchat_testkit.storage.recovery import recover
from sirrchat_testkit.storage.salvage import salvage
from sirrchat_testkit.storage.snapshot import Draft, load

SUFFIX = ".damaged"


@dataclass(frozen=True, slots=True)
class Mended:
    """What became of a damaged snapshot, whose first wrong line begins at ``byte``.

    ``kept`` documents are in the new one, ``lost`` lines were no whole document; ``saved`` is the damaged file.
    """

    byte: int
    kept: int
    lost: int
    saved: Path


@dataclass(frozen=True, slots=True)
class Repair:
    """What a repair found and did. Without damage ``journal`` and ``snapshot`` are None and nothing was touched.

    ``kept`` commits of the ``journal`` are before its first wrong byte, at ``byte``; ``saved`` are the files that hold
    what came from there on, ``lost`` how many right commits are among it. ``raws`` raw messages were set aside.
    """

    journal: Path | None = None
    byte: int = 0
    kept: int = 0
    lost: int = 0
    saved: tuple[Path, ...] = ()
    snapshot: Mended | None = None
    raws: int = 0


def repair(folder: Path) -> Repair:
    """Keep what can be read in ``folder``, and save the rest aside.

    Raises:
        StoreLocked: A store has the folder open.
        StoreDamaged: Nothing can be read of the snapshot; there is nothing to go back to but a copy of it.
    """
    held = Folder(Path(folder))
    try:
        mended = _mend_snapshot(held)
        done = replace(_cut_journals(held), snapshot=mended)
        if done.journal is None and mended is None:
            return done
        return replace(done, raws=_set_raws_aside(held))
    finally:
        held.close()


def _mend_snapshot(held: Folder) -> Mended | None:
    try:
        load(held.snapshot)
    except StoreDamaged:
        found = salvage(held.snapshot)
        if not found.kept:
            raise
        state = found.snapshot(min(held.generations(), default=1))
        aside = _free_name(held.snapshot)
        os.link(held.snapshot, aside)
        tables = {name: [docs] for name, docs in state.tables.items()}
        Draft(state.generation, tables, state.next_ids).save(held.snapshot)
        return Mended(found.byte, found.kept, found.lost, aside)
    return None


def _cut_journals(held: Folder) -> Repair:
    first = load(held.snapshot).generation
    journals = [held.journal(each) for each in held.generations() if each >= first]
    for place, path in enumerate(journals):
        if path != held.journal(first + place):
            return _save_aside(held.journal(first + place), 0, journals[place:])
        data = path.read_bytes()
        end = lines.valid_length(data)
        newest = place == len(journals) - 1
        if end < len(data) and not (newest and lines.is_torn(data, end)):
            return _save_aside(path, end, journals[place:])
    return Repair()


def _set_raws_aside(held: Folder) -> int:
    """Move the raw messages away that nothing names, which the next start would delete; return how many there were."""
    tables = recover(held).tables.values()
    named = {str(doc.get("blob")) for docs in tables for doc in docs.values()}
    moved = 0
    for path in held.raw.glob("??/*.eml"):
        if path.stem not in named:
            aside = held.raw.with_name(held.raw.name + SUFFIX)
            aside.mkdir(exist_ok=True)
            path.replace(aside / path.name)
            moved += 1
    return moved


def _save_aside(damaged: Path, byte: int, journals: list[Path]) -> Repair:
    saved: list[Path] = []
    kept = lost = 0
    for path in journals:
        data = path.read_bytes()
        start = byte if path == damaged else 0
        kept += sum(1 for _ in lines.valid_lines(data[:start]))
        lost += lines.count_valid(data, start)
        aside = _free_name(path)
        aside.write_bytes(data[start:])
        saved.append(aside)
        if start:
            with path.open("rb+") as file:
                file.truncate(start)
        else:
            path.unlink()
    return Repair(damaged, byte, kept, lost, tuple(saved))


def _free_name(path: Path) -> Path:
    number = 0
    while True:
        aside = path.with_name(path.name + SUFFIX + (f".{number}" if number else ""))
        if not aside.exists():
            return aside
        number += 1
