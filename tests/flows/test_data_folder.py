"""``dump`` and ``repair``, as somebody uses them whose server is down."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from sirrchat_testkit import MailServer
from sirrchat_testkit.cli import main
from sirrchat_testkit.storage.repair import Repair, RepairedSegment, RepairedSnapshot

COMMAND = [sys.executable, "-m", "sirrchat_testkit"]


def fill(folder: Path, count: int = 3) -> None:
    with MailServer(data=str(folder)) as server:
        inbox = server.make_inbox(address="box@example.com")
        for number in range(count):
            inbox.deliver(f"Subject: mail {number} \u2013 gr\u00fc\u00df\r\n\r\n{number}\r\n".encode())


def test_a_dump_has_every_message_and_an_index(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path / "data")
    assert main(["dump", str(tmp_path / "data")]) == 0
    target = tmp_path / "data-dump"
    assert capsys.readouterr().out == f"3 messages in {target}\n"
    index = json.loads((target / "index.json").read_text())
    assert [entry["subject"] for entry in index] == [f"mail {n} \u2013 gr\u00fc\u00df" for n in range(3)]
    assert [entry["recipient"] for entry in index] == ["box@example.com"] * 3
    for number, entry in enumerate(index):
        assert (target / entry["file"]).read_bytes().endswith(f"\r\n\r\n{number}\r\n".encode())


def test_a_dump_goes_where_it_is_told_and_overwrites_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(tmp_path / "data", 1)
    arguments = ["dump", str(tmp_path / "data"), "--to", str(tmp_path / "out")]
    assert main(arguments) == 0
    assert main(arguments) == 1
    assert "is not empty" in capsys.readouterr().err


def test_a_dump_says_whose_bytes_are_gone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    fill(tmp_path / "data", 2)
    segment = tmp_path / "data" / "raw-000001.seg"
    data = bytearray(segment.read_bytes())
    at = data.index(b"Subject: mail 0")
    data[at] ^= 1
    segment.write_bytes(data)
    assert main(["dump", str(tmp_path / "data")]) == 1
    told = capsys.readouterr().err
    assert f"message 1: {segment} is damaged at byte 0: a raw message does not match its checksum" in told
    assert "1 message without a file" in told
    index = json.loads((tmp_path / "data-dump" / "index.json").read_text())
    assert sum(entry["file"] is None for entry in index) == 1


@pytest.mark.parametrize("command", ["dump", "repair"])
def test_a_folder_in_use_or_missing_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], command: str
) -> None:
    assert main([command, str(tmp_path / "nowhere")]) == 1
    assert capsys.readouterr().err.endswith(f"there is no folder {tmp_path / 'nowhere'}\n")
    with MailServer(data=str(tmp_path / "data")):
        assert main([command, str(tmp_path / "data")]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_a_dump_shows_a_progress_bar_on_a_terminal(tmp_path: Path) -> None:
    fill(tmp_path / "data", 30)
    terminal, end = pty.openpty()
    done = subprocess.run(
        [*COMMAND, "dump", str(tmp_path / "data")],
        stdout=subprocess.PIPE,
        stderr=end,
        check=True,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(end)
    shown = os.read(terminal, 100_000).decode()
    os.close(terminal)
    assert shown.endswith(f"100% [{'#' * 30}] 30 messages\r\n")
    assert "30 messages in" in done.stdout.decode()


def test_a_damaged_journal_is_refused_by_name_and_repaired(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "data"
    code = (
        "import os; from sirrchat_testkit import MailServer;"
        f"server = MailServer(data={str(folder)!r}).start(); inbox = server.make_inbox(address='box@example.com');"
        "[inbox.deliver(subject=str(n)) for n in range(5)]; os._exit(0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    [journal] = [path for path in folder.glob("journal-*") if path.stat().st_size]
    data = bytearray(journal.read_bytes())
    at = data.index(b'"subject":"2"') if b'"subject":"2"' in data else data.index(b'"2"')
    data[at + 2] ^= 1
    journal.write_bytes(data)

    done = subprocess.run(
        [*COMMAND, "serve", "--smtp-port", "0", "--http-port", "0", "--data", str(folder)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 1
    assert journal.name in done.stderr
    assert "byte" in done.stderr
    assert "repair" in done.stderr

    assert main(["repair", str(folder)]) == 0
    said = capsys.readouterr().out
    assert f"{journal.name} is damaged at byte" in said
    assert "moved 3 raw messages without a record to orphaned" in said
    with MailServer(data=str(folder)) as server:
        assert [each.subject for each in server.inbox_for("box@example.com").messages] == ["0", "1"]
    assert list(folder.glob("journal-*.damaged"))
    assert len(list((folder / "orphaned").iterdir())) == 3
    assert main(["repair", str(folder)]) == 0
    assert "no damage found" in capsys.readouterr().out


def test_a_damaged_snapshot_is_repaired_and_the_rest_is_saved(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with MailServer(data=str(tmp_path)) as server:
        inbox = server.make_inbox(address="box@example.com")
        for number in range(3):
            inbox.deliver(subject=str(number))
    whole = (tmp_path / "mail.json").read_text()
    at = whole.index('"subject":"1"')
    (tmp_path / "mail.json").write_text(f"{whole[:at]}?{whole[at:]}")

    assert main(["dump", str(tmp_path), "--to", str(tmp_path / "out")]) == 1
    assert f"run: sirrchat-testkit repair {tmp_path}\n" in capsys.readouterr().err
    assert main(["repair", str(tmp_path)]) == 0
    said = capsys.readouterr().out
    assert f"mail.json is damaged at byte {whole.rindex(chr(10), 0, at) + 1}: " in said
    assert f"the file as it was is saved as {tmp_path / 'mail.json.damaged'}" in said
    assert "without a record" not in said  # its envelope still names what the lost message had
    with MailServer(data=str(tmp_path)) as server:
        assert [each.subject for each in server.inbox_for("box@example.com").messages] == ["0", "2"]


@pytest.mark.parametrize(
    ("count", "told"),
    [
        (
            1,
            [
                "a file that cannot be used is saved as format.json.damaged",
                "mail.json is damaged at byte 7: kept 1 record, lost 1 line",
                "the file as it was is saved as mail.json.damaged",
                "journal-1 is damaged at byte 9: kept 1 commit",
                "the rest, with 1 valid commit, is saved in journal-1.damaged",
                "raw-1 is damaged at byte 5: kept 1 raw message, lost 1",
                "the file as it was is saved as raw-1.damaged",
                "moved 1 raw message without a record to orphaned",
                "the content of 1 message is missing",
            ],
        ),
        (
            2,
            [
                "a file that cannot be used is saved as format.json.damaged",
                "mail.json is damaged at byte 7: kept 2 records, lost 2 lines",
                "the file as it was is saved as mail.json.damaged",
                "journal-1 is damaged at byte 9: kept 2 commits",
                "the rest, with 2 valid commits, is saved in journal-1.damaged",
                "raw-1 is damaged at byte 5: kept 2 raw messages, lost 2",
                "the file as it was is saved as raw-1.damaged",
                "moved 2 raw messages without a record to orphaned",
                "the content of 2 messages is missing",
            ],
        ),
    ],
)
def test_a_repair_says_of_one_that_it_is_one(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    count: int,
    told: list[str],
) -> None:
    done = Repair(
        journal=Path("journal-1"),
        byte=9,
        kept=count,
        lost=count,
        saved=(Path("journal-1.damaged"),),
        snapshot=RepairedSnapshot(7, count, count, Path("mail.json.damaged")),
        segments=(RepairedSegment(Path("raw-1"), 5, count, count, Path("raw-1.damaged")),),
        set_aside=(Path("format.json.damaged"),),
        orphans=count,
        missing=count,
    )
    monkeypatch.setattr("sirrchat_testkit.storage.repair.repair", lambda _: done)
    assert main(["repair", str(tmp_path)]) == 0
    assert capsys.readouterr().out.splitlines() == told
