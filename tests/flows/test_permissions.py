"""Mail, keys and hashes are for their owner alone: folders have mode 0700, files 0600, whatever the umask is."""

import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from sirrchat_testkit import MailServer
from sirrchat_testkit.cli import main
from tests.support import StartServe, environment


@pytest.fixture(autouse=True)
def _permissive() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> set[tuple[bool, str]]:
    return {(path.is_dir(), oct(stat.S_IMODE(path.stat().st_mode))) for path in [folder, *folder.rglob("*")]}


def test_a_data_folder_and_a_dump_are_private(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with MailServer(data=folder) as server:
        server.make_inbox().deliver(subject="Hello")
        assert modes(folder) == {(True, "0o700"), (False, "0o600")}
    assert (folder / "mail.json").exists()
    assert modes(folder) == {(True, "0o700"), (False, "0o600")}
    assert main(["dump", str(folder), "--to", str(tmp_path / "dump")]) == 0
    assert modes(tmp_path / "dump") == {(True, "0o700"), (False, "0o600")}


def test_what_a_repair_saves_is_private(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with MailServer(data=folder) as server:
        server.make_inbox().deliver(subject="Hello")
    snapshot = folder / "mail.json"
    snapshot.write_bytes(snapshot.read_bytes().replace(b"Hello", b'He"lo'))
    assert main(["repair", str(folder)]) == 0
    assert len([*folder.glob("*damaged*")]) == 1
    assert modes(folder) == {(True, "0o700"), (False, "0o600")}


def test_the_ready_file_is_private(serve: StartServe, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    serve("--ready-file", str(ready))
    assert stat.S_IMODE(ready.stat().st_mode) == 0o600


def test_certificate_files_of_dead_processes_are_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
import os
from sirrchat_testkit import MailServer
server = MailServer(starttls=True).start()
print(server.tls.ca_file, flush=True)
os._exit(0)
"""
    variables = environment(TMPDIR=str(tmp_path), PYTHONWARNINGS="ignore")
    left = Path(subprocess.check_output([sys.executable, "-c", code], env=variables, text=True).strip())
    assert left.exists()
    foreign = tmp_path / "sirrchat-testkit-notes-x.pem"
    foreign.touch()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with MailServer(starttls=True) as server, MailServer(starttls=True) as other:
        mine, its = Path(server.tls.ca_file), Path(other.tls.ca_file)
        assert f"-{os.getpid()}-" in mine.name
        assert (left.exists(), mine.exists(), its.exists(), foreign.exists()) == (False, True, True, True)
