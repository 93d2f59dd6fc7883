"""Repair: opens a folder again whose journal is damaged, at the price of what follows the damage.

Commits build on each other, so nothing behind the first wrong byte is applied; it is saved beside, never deleted.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sirrchat_testkit.store import lines
from sirrchat_testkit.store.folder import Folder
from sirrchat_testkit.store.snapshot import load

SUFFIX = ".damaged"


@dataclass(frozen=True, slots=True)
class Repair:
    """What a repair found and did. Without damage ``journal`` is None and nothing was touched.

    ``kept`` commits of the ``journal`` are before its first wrong byte, at ``byte``; ``saved`` are the files that hold
    what came from there on, ``lost`` how many right commits are among it.
    """

    journal: Path | None = None
    byte: int = 0
    kept: int = 0
    lost: int = 0
    saved: tuple[Path, ...] = ()


def repair(folder: Path) -> Repair:
    """Keep what is before the first damage in the journals of ``folder``, and save the rest aside.

    Raises:
        StoreLocked: A store has the folder open.
        StoreDamaged: It is the snapshot that cannot be read; there is nothing to go back to but a copy of it.
    """
    held = Folder(Path(folder))
    try:
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
    finally:
        held.close()


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
