"""``ingest``: mailboxes of other programs."""

from __future__ import annotations

import json
import mailbox
import os
import pty
import subprocess
from email.message import EmailMessage
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sirrchat_testkit import Inbox, MailServer
from tests.cli.conftest import COMMAND, variables
from tests.support import environment

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

FROM = b"From shop@shop.example Sat Jan 31 12:00:00 2026"


def mail(subject: str, to: str = "", **fields: str) -> EmailMessage:
    message = EmailMessage()
    message["Subject"], message["From"] = subject, "shop@shop.example"
    if to:
        message["To"] = to
    for name, value in fields.items():
        message[name.replace("_", "-")] = value
    message.set_content("From the shop.\n\nFrom here on, 12:30 is noon\n")
    return message


@pytest.mark.parametrize("kind", [mailbox.mbox, mailbox.Maildir, mailbox.MMDF])
def test_a_mailbox_that_python_has_written(
    kind: type[mailbox.mbox | mailbox.Maildir | mailbox.MMDF], inbox: Inbox, cli: Cli, tmp_path: Path
) -> None:
    box = kind(str(tmp_path / "box"))
    for number in range(3):
        box.add(mail(f"nr {number}", f"Ann <{inbox}>"))
    box.close()
    done = cli("ingest", str(tmp_path / "box"))
    if kind is mailbox.MMDF:
        assert (done.status, done.line.partition(":")[0]) == (2, f"{tmp_path / 'box'} is not a mailbox")
        return
    assert done == (0, "3 messages stored\n", "", done.raw)
    messages = inbox.receive_all(3)
    assert sorted(each.subject for each in messages) == ["nr 0", "nr 1", "nr 2"]
    for each in messages:
        assert each.text == "From the shop.\n\nFrom here on, 12:30 is noon\n"
        assert each.mail_from == "shop@shop.example"
        assert each.raw.count(b"\n") == each.raw.count(b"\r\n")


@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_an_mbox_is_split_at_its_separators_alone(end: bytes, inbox: Inbox, cli: Cli, tmp_path: Path) -> None:
    lines = [
        FROM, b"Subject: one", b"", b"no empty line before", FROM,
        b"", b"From now on", b">From quoted", b">>From twice", b"", FROM, b"Subject: two", b"", b"\xff\x00", b"", b"",
        FROM, b"Subject: three", b"", b"no end",
    ]  # fmt: skip
    (tmp_path / "box").write_bytes(end.join(lines))
    assert cli("ingest", str(tmp_path / "box"), "--to", inbox.address).status == 0
    one, two, three = inbox.receive_all(3)
    assert one.raw == b"\r\n".join([*lines[1:7], b"From quoted", b">From twice", b""])
    assert two.raw == b"Subject: two\r\n\r\n\xff\x00\r\n\r\n"
    assert three.raw == b"Subject: three\r\n\r\nno end"


def test_files_and_folders_of_eml_are_stored_in_order(inbox: Inbox, cli: Cli, tmp_path: Path) -> None:
    for name in ("2.eml", "1.eml", "sub/3.eml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(mail(name).as_bytes())
    (tmp_path / "index.json").write_text("{}")
    assert json.loads(cli("ingest", str(tmp_path), "--to", inbox.address, "--json").out) == {"stored": 3, "refused": 0}
    assert cli("ingest", str(tmp_path / "1.eml"), "--to", inbox.address).out == "1 message stored\n"
    assert [each.subject for each in inbox.receive_all(4)] == ["1.eml", "2.eml", "sub/3.eml", "1.eml"]


def test_what_dump_has_written_is_stored_again(inbox: Inbox, cli: Cli, tmp_path: Path) -> None:
    with MailServer(data=tmp_path / "data") as server:
        server.make_inbox(address=inbox.address).deliver(subject="old", text="x")
    cli("dump", str(tmp_path / "data"))
    assert cli("ingest", str(tmp_path / "data-dump")).out == "1 message stored\n"
    assert inbox.receive().subject == "old"


@pytest.mark.parametrize("name", ["Delivered-To", "X-Original-To", "Envelope-To"])
def test_the_recipient_that_a_server_noted_comes_before_to_and_cc(
    name: str, mailserver: MailServer, inbox: Inbox, cli: Cli, tmp_path: Path
) -> None:
    fields = {name: inbox.address, "Cc": "other@example.com", "Return-Path": "<bounce@shop.example>"}
    (tmp_path / "x.eml").write_bytes(mail("x", "list@example.com", **fields).as_bytes())
    assert cli("ingest", str(tmp_path / "x.eml")).status == 0
    assert inbox.receive().mail_from == "bounce@shop.example"
    assert mailserver.refusals == []


def test_a_message_for_a_thousand_recipients(mailserver: MailServer, cli: Cli, tmp_path: Path) -> None:
    to = ",\r\n ".join(f"recipient-number-{number}@shop.example.net" for number in range(999))
    (tmp_path / "many.eml").write_bytes(f"From: a@b.example\r\nTo: {to}\r\n\r\nHello\r\n".encode())
    assert cli("ingest", str(tmp_path / "many.eml")).out == "1 message stored\n"
    assert len(mailserver.messages) == len(mailserver.messages[0].envelope.recipients) == 999


def test_what_is_refused_is_reported_and_the_others_are_stored(inbox: Inbox, cli: Cli, tmp_path: Path) -> None:
    box = tmp_path / "box"
    parts = [mail("one", inbox), mail("two", "nobody@example.com"), mail("three"), "no header\n", mail("five", inbox)]
    box.write_bytes(b"\n\n".join(FROM + b"\n" + (str(each).encode()) for each in parts))
    done = cli("ingest", str(box))
    assert (done.status, done.out) == (2, "2 messages stored, 3 refused\n")
    remedy = "make it with POST /testkit/v1/addresses or the command address create"
    assert done.err.splitlines() == [
        f"sirrchat-testkit: message 2 of {box}: nobody@example.com does not exist here; {remedy}",
        f"sirrchat-testkit: message 3 of {box}: it has no recipient in its header; give one with --to",
        f"sirrchat-testkit: message 4 of {box}: it does not begin with a header field",
    ]
    assert [each.subject for each in inbox.receive_all(2)] == ["one", "five"]


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("nowhere", "cannot read {}: No such file or directory"),
        ("empty", "{} is not a mailbox: it has no .eml files, and it is not a Maildir"),
        ("binary", '{} is not a mailbox: it begins neither with "From " (mbox) nor with a header (.eml)'),
    ],
)
def test_what_is_no_mailbox_is_one_line(name: str, text: str, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "binary").write_bytes(b"\x7fELF\x00\x01")
    done = cli("ingest", str(tmp_path / name))
    assert (done.status, done.out, done.line) == (2, "", text.format(tmp_path / name))


@pytest.mark.parametrize("field", ["(" * 100_000, '"a"' * 100_000, "<" * 100_000])
def test_a_hostile_field_of_addresses_has_none(field: str, inbox: Inbox, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "x.eml").write_text(f"Subject: x\nTo: {field}\nCc: {field}\n\nHello\n")
    done = cli("ingest", str(tmp_path / "x.eml"))
    assert (done.status, done.err.count("\n")) == (2, 1)
    assert "it has no recipient in its header; give one with --to" in done.err
    assert cli("ingest", str(tmp_path / "x.eml"), "--to", inbox.address).status == 0
    assert inbox.receive().subject == "x"


def test_a_pipe_is_no_mailbox_and_is_left_out_of_a_folder(inbox: Inbox, cli: Cli, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.eml")
    (tmp_path / "folder.eml").mkdir()
    done = cli("ingest", str(tmp_path / "pipe.eml"))
    text = f"{tmp_path / 'pipe.eml'} is neither a file nor a folder; save what it has in a file first"
    assert (done.status, done.line) == (2, text)
    (tmp_path / "x.eml").write_bytes(mail("x", inbox).as_bytes())
    assert cli("ingest", str(tmp_path)).out == "1 message stored\n"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_file_that_may_not_be_read_is_one_line(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "secret.eml").touch(0o000)
    assert cli("ingest", str(tmp_path / "secret.eml")).line.endswith("secret.eml: Permission denied")


def test_an_empty_mbox_has_no_messages(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "box").touch()
    assert cli("ingest", str(tmp_path / "box")) == (0, "0 messages stored\n", "", b"0 messages stored\n")


def test_a_server_that_goes_away_ends_it_with_one_line(inbox: Inbox, cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "x.eml").write_bytes(mail("x", inbox).as_bytes())
    done = cli("ingest", str(tmp_path / "x.eml"), "--url", "http://127.0.0.1:1")
    assert (done.status, done.out) == (2, "")
    assert done.line.startswith("no answer from http://127.0.0.1:1: Connection refused")


def test_the_progress_is_shown_on_a_terminal(mailserver: MailServer, inbox: Inbox, tmp_path: Path) -> None:
    box = mailbox.mbox(str(tmp_path / "box"))
    for _ in range(40):
        box.add(mail("x", inbox))
    box.add(mail("x", "nobody@example.com"))
    box.close()
    terminal, end = pty.openpty()
    done = subprocess.run(
        [*COMMAND, "ingest", str(tmp_path / "box")],
        stdout=subprocess.PIPE,
        stderr=end,
        env=environment(**variables(mailserver)),
        check=False,
    )
    os.close(end)
    shown = os.read(terminal, 100_000).decode()
    os.close(terminal)
    assert done.stdout == b"40 messages stored, 1 refused\n"
    assert shown.endswith(f"100% [{'#' * 30}] 40 messages\r\n")
    assert "\r\x1b[Ksirrchat-testkit: message 41 of" in shown
