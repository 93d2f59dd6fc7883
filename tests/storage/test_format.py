"""The version of a folder: old ones are converted, at whatever moment the process is killed; newer ones are refused."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sirrchat_testkit import MailServer
from sirrchat_testkit.domain.models import MailFolder, Message
from sirrchat_testkit.errors import StoreDamaged, StoreError
from sirrchat_testkit.storage import TinyStore, folder, snapshot
from sirrchat_testkit.storage import format as data_format
from sirrchat_testkit.storage.folder import Folder
from sirrchat_testkit.storage.segment_file import SegmentFile
from tests.storage.folders.make import contents

FOLDERS = Path(__file__).with_name("folders")
NAMES = sorted(path.stem for path in FOLDERS.glob("*.json"))
FORMER = [name for name in NAMES if name.startswith("former")]


def copied(name: str, to: Path) -> Path:
    return shutil.copytree(FOLDERS / name, to)


def found_in(path: Path) -> dict[str, Any]:
    with MailServer(data=path, password_cost=4) as server:
        return contents(server)


def expected(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((FOLDERS / f"{name}.json").read_text())
    return found


def test_there_are_folders_of_every_version() -> None:
    assert len(FORMER) == 2
    assert len(NAMES) == 2 * data_format.VERSION


@pytest.mark.parametrize("name", NAMES)
def test_every_release_opens_the_folders_of_all_before(name: str, tmp_path: Path) -> None:
    path = copied(name, tmp_path / "data")
    for _ in range(2):
        assert found_in(path) == expected(name)
    assert json.loads((path / "format.json").read_text()) == {"version": data_format.VERSION}
    assert not (path / "raw").exists()
    only_deleted_mail_is_orphaned(path)


def only_deleted_mail_is_orphaned(path: Path) -> None:
    """The former layout does not say whether a file without a record is deleted mail, so it is kept."""
    for each in path.glob("orphaned/*"):
        assert b"Subject: deleted" in each.read_bytes()


@pytest.mark.parametrize("name", FORMER)
def test_a_conversion_numbers_the_messages_of_each_folder(name: str, tmp_path: Path) -> None:
    async def numbers() -> tuple[list[Message], list[MailFolder]]:
        store = TinyStore(copied(name, tmp_path / "data"))
        found = await store.find(Message), await store.find(MailFolder)
        await store.close()
        return found

    messages, folders = asyncio.run(numbers())
    for each in folders:
        uids = [message.uid for message in messages if (message.address, message.folder) == (each.address, each.name)]
        assert uids == [*range(1, each.uidnext)]
    assert {message.address for message in messages if not message.uid} == {""}
    assert len({each.uidvalidity for each in folders}) == len(folders) == 3


STEPS: list[tuple[Any, str]] = [
    (Folder, "rename"),
    (Folder, "unlink"),
    (Folder, "sync"),
    (SegmentFile, "_add"),
    (SegmentFile, "sync"),
    (snapshot, "write_all"),
    (folder, "write_all"),
    (Path, "unlink"),
    (Path, "rmdir"),
]


def convert_and_die(path: Path, step: int) -> bool:
    """Convert ``path`` in a process that kills itself at a step; return whether it came to it."""
    child = os.fork()
    if child == 0:
        left = step

        def around(owner: Any, name: str) -> None:
            real = getattr(owner, name)

            def stepped(*args: Any, **kwargs: Any) -> Any:
                nonlocal left
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                done = real(*args, **kwargs)
                left -= 1
                if left == 0:
                    os.kill(os.getpid(), signal.SIGKILL)
                return done

            setattr(owner, name, stepped)

        for owner, name in STEPS:
            around(owner, name)
        opened = Folder(path)
        data_format.bring_up_to_date(opened)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0


def records_and_raws(path: Path) -> list[Any]:
    async def found() -> list[Any]:
        store = TinyStore(path)
        messages = await store.find(Message)
        raws = [await store.raw(each.blob) for each in messages]
        folders = await store.find(MailFolder)
        await store.close()
        return [messages, raws, folders]

    return asyncio.run(found())


@pytest.mark.parametrize(
    "stride", [13, pytest.param(1, marks=[pytest.mark.slow, pytest.mark.timeout(900)])], ids=["some", "all"]
)
@pytest.mark.parametrize("name", FORMER)
def test_a_conversion_that_is_killed_at_any_moment_is_continued(name: str, tmp_path: Path, stride: int) -> None:
    whole = records_and_raws(copied(name, tmp_path / "whole"))
    assert len(whole[0]) == 8
    step, died = 1, True
    while died:
        path = copied(name, tmp_path / str(step))
        died = convert_and_die(path, step)
        if died and step % 3 == 0:
            convert_and_die(path, step // 3)  # and again
        assert records_and_raws(path) == whole, step
        assert not (path / "raw").exists()
        only_deleted_mail_is_orphaned(path)
        shutil.rmtree(path)
        step += stride
    assert step > 60


def test_a_damaged_file_of_a_former_layout_is_set_aside(tmp_path: Path) -> None:
    path = copied("former-stopped", tmp_path / "data")
    victim = min(path.glob("raw/??/*.eml"))
    victim.write_bytes(b"damaged")
    (path / "raw" / "notes.txt").write_text("kept")
    found = records_and_raws_with_missing(path)
    assert [blob for blob, raw in found if raw is None] == [victim.stem] * len(
        [blob for blob, _ in found if blob == victim.stem]
    )
    assert (path / "orphaned" / f"{victim.stem}.damaged.eml").read_bytes() == b"damaged"
    assert [each.name for each in (path / "raw").iterdir()] == ["notes.txt"]


def records_and_raws_with_missing(path: Path) -> list[tuple[str, bytes | None]]:
    async def found() -> list[tuple[str, bytes | None]]:
        store = TinyStore(path)
        pairs: list[tuple[str, bytes | None]] = []
        for each in await store.find(Message):
            try:
                pairs.append((each.blob, await store.raw(each.blob)))
            except LookupError:
                pairs.append((each.blob, None))
        await store.close()
        return pairs

    return asyncio.run(found())


def refusal(path: Path, kind: type[StoreError] = StoreError) -> StoreError:
    before = {each: each.read_bytes() for each in path.iterdir() if each.is_file()}
    with pytest.raises(kind) as caught:
        TinyStore(path)
    assert {each: each.read_bytes() for each in path.iterdir() if each.is_file()} == before
    return caught.value


def test_a_newer_version_is_refused(tmp_path: Path) -> None:
    path = copied("version-2-stopped", tmp_path / "data")
    (path / "format.json").write_text('{"version": 3}\n')
    error = refusal(path)
    assert not isinstance(error, StoreDamaged)
    assert str(error) == (
        f"{path / 'format.json'}, byte 12: version 3 was written by a newer release; this one reads version 2"
    )


@pytest.mark.parametrize(
    ("text", "byte", "said"),
    [
        ('{"version": 2, "shards": 4}', 15, "this release does not know the field 'shards'"),
        ('{"version": "two"}', 0, "not the version of a data folder"),
        ('{"version": true}', 0, "not the version of a data folder"),
        ('{"version": 2', 13, "not the version of a data folder"),
        ("[]", 0, "not the version of a data folder"),
        ("", 0, "not the version of a data folder"),
    ],
)
def test_a_damaged_version_is_named(tmp_path: Path, text: str, byte: int, said: str) -> None:
    path = copied("version-2-stopped", tmp_path / "data")
    (path / "format.json").write_text(text)
    error = refusal(path, StoreDamaged)
    assert f"{path / 'format.json'}, byte {byte}: {said}" in str(error)
    assert isinstance(error, StoreDamaged)
    assert (error.file, error.byte) == (str(path / "format.json"), byte)


def with_sums(path: Path, change: Callable[[bytes], bytes]) -> None:
    """Change the snapshot as a release would that has other fields."""
    from sirrchat_testkit.storage.sums import Sums

    data = change((path / "mail.json").read_bytes())
    (path / "mail.json").write_bytes(data)
    sums = Sums()
    sums.add(data)
    (path / "mail.sums").write_bytes(b"".join(sums.encode()))


def test_an_unknown_field_of_the_snapshot_is_named(tmp_path: Path) -> None:
    path = copied("version-2-stopped", tmp_path / "data")
    with_sums(path, lambda data: data.replace(b'"domain":"example.com"', b'"domain":"example.com","colour":"red"', 1))
    data = (path / "mail.json").read_bytes()
    byte = data.rindex(b"\n", 0, data.index(b"colour")) + 1
    error = refusal(path, StoreDamaged)
    assert f"{path / 'mail.json'}, byte {byte}: the record 1 of accounts has a field that" in str(error)
    assert "'colour'" in str(error)


def test_an_unknown_field_of_a_journal_is_named(tmp_path: Path) -> None:
    from sirrchat_testkit.storage.journal_file import encode

    path = copied("version-2-stopped", tmp_path / "data")
    [journal] = path.glob("journal-*")
    first = encode({"domains": {9: {"id": "d", "name": "x.example", "created_at": 1}}})
    journal.write_bytes(first + encode({"domains": {10: {"id": "d", "name": "y.example", "created_at": 1, "zone": 1}}}))
    error = refusal(path, StoreDamaged)
    assert f"{journal}, byte {len(first)}: the record 10 of domains has a field that" in str(error)


@pytest.mark.parametrize("missing", ["mail.json", "mail.sums"])
def test_a_snapshot_without_its_checksums_is_refused_and_so_are_they_alone(tmp_path: Path, missing: str) -> None:
    path = copied("version-2-stopped", tmp_path / "data")
    (path / missing).unlink()
    assert f"{path / missing}, byte 0: the file is missing" in str(refusal(path, StoreDamaged))


def test_raw_messages_without_any_records_are_refused(tmp_path: Path) -> None:
    for name in ("version-2-stopped", "former-stopped"):
        path = copied(name, tmp_path / name)
        for each in [*path.glob("mail.*"), *path.glob("journal-*")]:
            each.unlink()
        assert "has raw messages, but neither mail.json nor a journal" in str(refusal(path, StoreDamaged))


def test_a_folder_without_its_version_is_read_again(tmp_path: Path) -> None:
    path = copied("version-2-killed", tmp_path / "data")
    (path / "format.json").unlink()
    assert found_in(path) == expected("version-2-killed")
