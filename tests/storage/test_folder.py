"""The folder while it is in use: its lock, and what happens when it is moved, replaced, removed or only read."""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sirrchat_testkit.domain.models import Message
from sirrchat_testkit.domain.store import Put
from sirrchat_testkit.errors import StoreBroken, StoreDamaged, StoreError, StoreLocked
from sirrchat_testkit.storage import TinyStore
from sirrchat_testkit.storage.archive import Archive
from sirrchat_testkit.storage.folder import Folder

Make = Callable[..., Any]
FOLDERS = Path(__file__).with_name("folders")

OPEN = """
import sys
from pathlib import Path
from sirrchat_testkit.errors import StoreError
from sirrchat_testkit.storage import TinyStore
try:
    TinyStore(Path(sys.argv[1]))
except StoreError as error:
    print(type(error).__name__, error)
else:
    print("opened")
"""


def open_elsewhere(folder: Path) -> str:
    done = subprocess.run([sys.executable, "-c", OPEN, str(folder)], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_without_its_lock_file_a_folder_is_still_locked(tmp_path: Path) -> None:
    storage = TinyStore(tmp_path)._storage
    (tmp_path / "lock").unlink()
    assert open_elsewhere(tmp_path) == f"StoreLocked the data folder {tmp_path} is in use by another process"
    storage.close()
    assert open_elsewhere(tmp_path) == "opened"


def test_a_former_release_that_has_the_folder_open_is_respected(tmp_path: Path) -> None:
    code = (
        "import fcntl, sys; f = open(sys.argv[1], 'w'); fcntl.lockf(f, fcntl.LOCK_EX);"
        "print(flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "lock")], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as former:
        assert former.stdout is not None
        former.stdout.readline()
        for open_it in (TinyStore, Archive):
            with pytest.raises(StoreLocked, match="in use by another process"):
                open_it(tmp_path)
        former.communicate(b"")


def test_a_file_system_without_locks_of_folders_has_the_lock_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unsupported(*_: Any) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    storage = TinyStore(tmp_path)._storage
    assert "in use by another process" in open_elsewhere(tmp_path)
    storage.close()


def renamed(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))


def replaced(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    shutil.copytree(folder.with_name("elsewhere"), folder)


def removed(folder: Path) -> None:
    shutil.rmtree(folder)


def its_parent_renamed(folder: Path) -> None:
    folder.parent.rename(folder.parent.with_name("other-parent"))


@pytest.mark.parametrize("fsync", [False, True], ids=["journal", "fsync"])
@pytest.mark.parametrize("change", [renamed, replaced, removed, its_parent_renamed])
def test_a_folder_that_is_taken_away_acknowledges_nothing_more(
    tmp_path: Path, make: Make, change: Callable[[Path], None], *, fsync: bool
) -> None:
    folder = tmp_path / "parent" / "data"

    async def use() -> None:
        store = TinyStore(folder, fsync=fsync)
        await store.commit([Put(make(Message))])
        change(folder)
        for _ in range(2):
            with pytest.raises(StoreBroken, match=r"journal-00000001\.log was (deleted or moved|replaced) while"):
                await store.commit([Put(make(Message))])
        assert isinstance(store.write_error, StoreBroken)
        assert await store.count(Message) == 1
        await store.close()

    asyncio.run(use())
    if change is replaced:
        assert not (folder / "mail.json").exists()  # nothing was written to the folder that has its name now


def test_a_folder_that_is_named_by_a_relative_path_is_the_same_after_chdir(
    tmp_path: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def use() -> None:
        monkeypatch.chdir(tmp_path)
        store = TinyStore(Path("data"))
        monkeypatch.chdir("/")
        await store.commit([Put(make(Message, blob=await store.put_blob(b"raw")))])
        await store.close()

    asyncio.run(use())
    assert (tmp_path / "data" / "mail.json").exists()


def contents(folder: Path) -> dict[Path, tuple[bytes, int]]:
    return {each: (each.read_bytes(), each.stat().st_mtime_ns) for each in folder.rglob("*") if each.is_file()}


@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDERS.glob("*.json")))
def test_a_folder_that_cannot_be_written_can_be_read(tmp_path: Path, name: str) -> None:
    folder = shutil.copytree(FOLDERS / name, tmp_path / "data")
    for torn in folder.glob("journal-00000001.log"):
        torn.write_bytes(torn.read_bytes() + b"00000000 [[torn")
    before = contents(folder)
    writes = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
    real = os.open

    def read_only(path: Any, flags: int, *rest: Any, **named: Any) -> int:
        assert not flags & writes, path
        return real(path, flags, *rest, **named)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "open", read_only)
        with Archive(folder) as archive, Archive(folder) as other:
            messages = archive.records(Message)
            assert len(messages) == len(other.records(Message)) == 8
            assert all(archive.raw(each.blob).startswith((b"From", b"Message-ID", b"Subject")) for each in messages)
    assert contents(folder) == before


def test_a_folder_in_use_is_not_read_and_one_that_is_read_is_not_used(tmp_path: Path) -> None:
    storage = TinyStore(tmp_path)._storage
    with pytest.raises(StoreLocked):
        Archive(tmp_path)
    storage.close()
    with Archive(tmp_path):
        assert "StoreLocked" in open_elsewhere(tmp_path)


def test_a_folder_that_does_not_exist_is_not_made_to_be_read(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="cannot open the data folder"):
        Archive(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()


def test_the_first_free_name_has_no_number(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.free_name("a.damaged") == "a.damaged"
    for name in ("a.damaged", "a.damaged.1"):
        (tmp_path / name).touch()
    assert folder.free_name("a.damaged") == "a.damaged.2"
    folder.close()


@pytest.mark.parametrize("name", ["format.json", "lock", "mail.json", "mail.sums", "journal-*.log", "raw-*.seg"])
@pytest.mark.parametrize("kind", ["pipe", "device", "folder"])
def test_only_regular_files_are_opened(tmp_path: Path, name: str, kind: str) -> None:
    folder = shutil.copytree(FOLDERS / "version-2-stopped", tmp_path / "data")
    path = next(folder.glob(name), folder / name)
    path.unlink(missing_ok=True)
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/zero")
    else:
        path.mkdir()
    for opened in (TinyStore, Archive):
        with pytest.raises(StoreDamaged, match=f"{path} is not a regular file; restore it from a backup"):
            opened(folder)


def test_a_pipe_among_the_raw_messages_of_the_former_layout_is_left_alone(tmp_path: Path) -> None:
    folder = shutil.copytree(FOLDERS / "former-stopped", tmp_path / "data")
    pipe = next((folder / "raw").iterdir()) / f"{'0' * 64}.eml"
    os.mkfifo(pipe)

    async def open_and_close() -> None:
        await TinyStore(folder).close()

    asyncio.run(open_and_close())
    assert pipe.is_fifo()
