"""Recovery: from the files in a folder to what was committed last.

A torn tail of the newest journal is the mark of a killed process: it was never acknowledged, and is cut. Everything
else that is wrong stops the store from opening, since nobody may guess what the wrong bytes said.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sirrchat_testkit.errors import StoreDamaged
from sirrchat_testkit.records import Doc
from sirrchat_testkit.storage import journal_lines as lines
from sirrchat_testkit.storage.folder import Folder
from sirrchat_testkit.storage.snapshot import Snapshot, load

log = logging.getLogger(__name__)


def recover(folder: Folder) -> Snapshot:
    """Return everything that was committed; its generation is that of the journal to go on with.

    Raises:
        StoreDamaged: A file cannot be read; the error says which, and from which byte on.
    """
    state = load(folder.snapshot)
    generations = [each for each in folder.generations() if each >= state.generation]
    for expected, generation in enumerate(generations, state.generation):
        if generation != expected:
            missing = folder.journal(expected)
            raise StoreDamaged(f"{missing} is missing, but a later one is there", file=str(missing), byte=0)
        _replay(folder.journal(generation), state, newest=generation == generations[-1])
    _share_texts(state)
    # What a crash left half done is finished only now that everything could be read.
    folder.snapshot.with_suffix(".tmp").unlink(missing_ok=True)
    for old in folder.generations():
        if old < state.generation:
            folder.journal(old).unlink()
    state.generation = max(generations, default=state.generation)
    return state


def _replay(path: Path, state: Snapshot, *, newest: bool) -> None:
    data = path.read_bytes()
    end = lines.valid_length(data)
    if end < len(data):
        if not newest or not lines.is_torn(data, end):
            way_out = f"sirrchat-testkit repair {path.parent} keeps what is before it"
            text = f"{path} is damaged at byte {end}, and commits follow; {way_out}"
            raise StoreDamaged(text, file=str(path), byte=end)
        log.warning("%s ends in %d bytes of a commit that was never finished; they are cut", path, len(data) - end)
        with path.open("rb+") as file:
            file.truncate(end)
    for commit in lines.decode(body for _, body in lines.valid_lines(data[:end])):
        for name, changes in commit:
            _apply(state, name, changes)


def _apply(state: Snapshot, name: str, changes: dict[str, Doc | None]) -> None:
    docs = state.tables.setdefault(name, {})
    for key, doc in changes.items():
        if doc is None:
            docs.pop(key, None)
        else:
            docs[key] = doc
    state.next_ids[name] = max(state.next_ids.get(name, 1), max(map(int, changes)) + 1)


def _share_texts(state: Snapshot) -> None:
    # Parsed texts are all separate; an account's id is worth having once.
    known: dict[str, str] = {}
    for docs in state.tables.values():
        for doc in docs.values():
            for field, value in doc.items():
                if type(value) is str:
                    doc[field] = known.setdefault(value, value)


@contextmanager
def paused_collector() -> Iterator[None]:
    """Look for no garbage meanwhile: loading makes only what stays, and looking would more than double its time."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()
