"""``sendmail``, as PHP, cron and mail programs call it."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sirrchat_testkit import FaultStage, Inbox, MailServer, MakeInbox
from tests.cli.conftest import COMMAND, variables
from tests.support import environment, missing

if TYPE_CHECKING:
    from tests.cli.conftest import Cli

HOST = os.uname().nodename


def test_recipients_are_read_from_the_message(mailserver: MailServer, inbox: Inbox, cli: Cli) -> None:
    bob, eve = (mailserver.make_inbox(name) for name in ("bob", "eve"))
    raw = f"To: Ann <{inbox}>\nCc: {bob}\nBcc: hidden@corp.com,\n {eve}\nSubject: x\n\none\n.\ntwo \u00e4\n".encode()
    assert cli("sendmail", "-t", "-i", stdin=raw) == (0, "", "", b"")
    for each in (inbox, bob, eve):
        message = each.receive()
        assert message.raw.endswith(b"Subject: x\r\n\r\none\r\n.\r\ntwo \xc3\xa4\r\n")
        assert b"Bcc" not in message.raw
        assert b"hidden" not in message.raw
        assert "BODY=8BITMIME" in message.envelope.parameters[""]
    assert mailserver.inbox_for("hidden@corp.com").receive().subject == "x"


def test_what_a_message_lacks_is_added_and_what_it_has_is_kept(inbox: Inbox, cli: Cli) -> None:
    cli("sendmail", "-F", "J\u00f6rg, Cron", "-f", "cron@host.example", inbox.address, stdin=b"Subject: x\n\nhi\n")
    message = inbox.receive()
    assert (message.sender.name, message.sender) == ("J\u00f6rg, Cron", "cron@host.example")
    assert message.mail_from == "cron@host.example"
    assert message.date is not None
    assert message.message_id
    whole = b"From: a@b.example\nDate: Sat, 31 Jan 2026 12:00:00 +0000\nMessage-ID: <1@b.example>\n\nhi\n"
    cli("sendmail", inbox.address, stdin=whole)
    assert inbox.receive(sender="a@b.example").raw == whole.replace(b"\n", b"\r\n")


@pytest.mark.parametrize(
    ("raw", "text"),
    [
        (b"just text\n\nmore\n", "just text\n\nmore\n"),
        (b"From root Sat Jan 31 12:00:00 2026\nSubject: x\n\nhi\n", "hi\n"),
        (b"Subject: x\nno field\n\nhi\n", "no field\n\nhi\n"),
        (b"Subject: x\r\n\r\nhi\r\n", "hi\n"),
        (b"Subject: x", ""),
        (b"\nhi\n", "hi\n"),
        (b"", ""),
    ],
)
def test_a_message_without_a_proper_header_is_sent_too(raw: bytes, text: str, inbox: Inbox, cli: Cli) -> None:
    assert cli("sendmail", inbox.address, stdin=raw).status == 0
    assert inbox.receive().text == text


@pytest.mark.parametrize(
    ("flags", "text"),
    [([], "one\n"), (["-i"], "one\n.\ntwo\n"), (["-oi"], "one\n.\ntwo\n"), (["-ti"], "one\n.\ntwo\n")],
)
def test_a_dot_ends_the_message_unless_told_otherwise(flags: list[str], text: str, inbox: Inbox, cli: Cli) -> None:
    cli("sendmail", *flags, inbox.address, stdin=b"Subject: x\n\none\n.\ntwo\n")
    assert inbox.receive().text == text


def test_flags_that_make_no_difference_are_ignored(inbox: Inbox, cli: Cli) -> None:
    flags = ["-bm", "-oem", "-odi", "-oi", "-em", "-B8BITMIME", "-N", "never", "-v", "-n", "-O", "Timeout=1", "-Am"]
    assert cli("sendmail", *flags, "--", inbox.address, stdin=b"hi\n") == (0, "", "", b"")
    assert inbox.receive().text == "hi\n"


def test_a_name_of_this_machine_gets_its_domain(mailserver: MailServer, cli: Cli) -> None:
    done = cli(
        "sendmail", "-FCronDaemon", "-i", "-B8BITMIME", "-oem", "root", stdin=b"Subject: Cron <root@x> ls\n\nhi\n"
    )
    assert (done.status, done.err) == (0, "")
    message = mailserver.inbox_for(f"root@{HOST}").receive()
    assert message.sender.name == "CronDaemon"
    assert message.sender.endswith(f"@{HOST}")


def test_addresses_in_unicode(mailserver: MailServer, cli: Cli) -> None:
    inbox = mailserver.make_inbox(address="\u00e4nn@example.com")
    assert cli("sendmail", "-F", "\u00c4nn", "-f", "b\u00f6b@b.example", inbox.address, stdin=b"hi\n").status == 0
    message = inbox.receive()
    assert (message.sender.name, message.sender, message.mail_from) == ("\u00c4nn", *["b\u00f6b@b.example"] * 2)


@pytest.mark.parametrize("field", ["(" * 100_000, ", ".join(["a@b.example"] * 1001)])
def test_a_field_of_too_many_addresses_is_one_line(field: str, cli: Cli) -> None:
    done = cli("sendmail", "-t", stdin=f"To: {field}\n\nHello\n".encode())
    assert (done.status, done.line) == (64, "To, Cc and Bcc have more than 1000 addresses, or are more than 50 fields")


def test_names_of_addresses_are_left_out(inbox: Inbox, cli: Cli) -> None:
    cli("sendmail", "-f", "Bob <bob@b.example>", f"Ann <{inbox}>", stdin=b"hi\n")
    assert inbox.receive().mail_from == "bob@b.example"


@pytest.mark.parametrize("sender", ["", "<>"])
def test_the_sender_can_be_empty(sender: str, inbox: Inbox, cli: Cli) -> None:
    assert cli("sendmail", "-f", sender, inbox.address, stdin=b"hi\n").status == 0
    message = inbox.receive()
    assert message.mail_from == ""
    assert message.sender.endswith(f"@{HOST}")


@pytest.mark.parametrize(
    ("arguments", "status", "text"),
    [
        ([], 64, "a recipient is missing: name one, or use -t for those in the message"),
        (["-z"], 64, "there is no flag -z; see sirrchat-testkit sendmail --help"),
        (["-bs"], 64, "there is no mode s; there are m"),
        (["-t", "--smtp-port", "x"], 64, "--smtp-port must be a port, from 1 to 65535, not 'x'"),
        (["-t"], 64, "a recipient is missing: To, Cc and Bcc have none"),
        (
            ["nobody@example.com"],
            67,
            "nobody@example.com was refused: 550 5.1.1 nobody@example.com does not exist here",
        ),
        (["a b@example.com"], 67, "a b@example.com was refused: "),
        (["ann@example.com", "--smtp-port", "1"], 75, "no SMTP server at 127.0.0.1:1: Connection refused; "),
    ],
)
def test_a_failure_is_one_line_and_a_status_of_sysexits(arguments: list[str], status: int, text: str, cli: Cli) -> None:
    done = cli("sendmail", *arguments, stdin=b"Subject: x\n\nhi\n")
    assert (done.status, done.out) == (status, "")
    assert done.line.startswith(text)


@pytest.mark.parametrize(
    ("stage", "code", "status"),
    [("rcpt", 450, 75), ("rcpt", 552, 69), ("mail", 550, 69), ("mail", 451, 75), ("data", 554, 69), ("data", 452, 75)],
)
def test_a_refusal_has_the_status_of_its_reply(
    stage: FaultStage, code: int, status: int, mailserver: MailServer, inbox: Inbox, cli: Cli
) -> None:
    mailserver.faults.reject(stage=stage, code=code)
    done = cli("sendmail", inbox.address, stdin=b"hi\n")
    assert done.status == status
    assert str(code) in done.line


def test_a_connection_that_is_closed_is_told(mailserver: MailServer, inbox: Inbox, cli: Cli) -> None:
    mailserver.faults.drop(stage="data")
    done = cli("sendmail", inbox.address, stdin=b"hi\n")
    assert (done.status, done.line) == (75, f"{mailserver.smtp_host}:{mailserver.smtp_port} closed the connection")


def test_recipients_stand_anywhere(make_inbox: MakeInbox, cli: Cli) -> None:
    ann, bob, eve = (make_inbox(name) for name in ("ann", "bob", "eve"))
    done = cli("sendmail", ann.address, "-f", "a@b.example", bob.address, "-i", "--", eve.address, stdin=b"hi\n")
    assert (done.status, done.err) == (0, "")
    for each in (ann, bob, eve):
        assert each.receive().mail_from == "a@b.example"


@pytest.mark.parametrize("arguments", [["ann@example.com"], [], ["-t"], ["--nonsense", "ann@example.com"]], ids=str)
def test_statuses_are_those_of_msmtp(arguments: list[str], cli: Cli) -> None:
    if shutil.which("msmtp") is None:
        missing("msmtp")
    command = ["msmtp", "--host=127.0.0.1", "--port=1", "--from=a@b.example", *arguments]
    theirs = subprocess.run(command, input=b"Subject: x\n\nhi\n", capture_output=True, check=False)
    assert cli("sendmail", "--smtp-port", "1", *arguments, stdin=b"Subject: x\n\nhi\n").status == theirs.returncode


def test_a_wrong_variable_is_a_wrong_configuration(cli: Cli) -> None:
    assert cli("sendmail", "ann@example.com", stdin=b"hi\n", SIRRCHAT_TESTKIT_SMTP_PORT="smtp").status == 78


def test_the_others_get_a_message_that_one_recipient_is_refused(inbox: Inbox, cli: Cli) -> None:
    assert cli("sendmail", "nobody@example.com", inbox.address, stdin=b"hi\n").status == 67
    assert inbox.receive().text == "hi\n"


def script(folder: Path) -> Path:
    """Return a program ``sendmail``, as the documentation shows it."""
    file = folder / "sendmail"
    file.write_text(f'#!/bin/sh\nexec {shlex.join(COMMAND)} sendmail "$@"\n')
    file.chmod(0o755)
    return file


@pytest.mark.skipif(shutil.which("php") is None and not os.environ.get("CI"), reason="php is not installed")
def test_php_s_mail(mailserver: MailServer, inbox: Inbox) -> None:
    code = f"""
        $headers = ["From" => "shop@php.example", "Bcc" => "b@corp.com"];
        $sent = mail("{inbox}", "Gr\u00fc\u00dfe", "eins\\n.\\nzwei", $headers, "-fbounce@php.example");
        $refused = mail("nobody@example.com", "x", "y");
        exit($sent && !$refused ? 0 : 1);
    """
    command = f"{shlex.join(COMMAND)} sendmail -t -i --smtp-port {mailserver.smtp_port}"
    done = subprocess.run(
        ["php", "-d", f"sendmail_path={command}", "-r", code], capture_output=True, env=environment(), check=False
    )
    assert done.returncode == 0, done
    message = inbox.receive()
    assert (message.subject, message.text) == ("Gr\u00fc\u00dfe", "eins\n.\nzwei\n")
    assert (message.sender, message.mail_from) == ("shop@php.example", "bounce@php.example")
    assert mailserver.inbox_for("b@corp.com").receive().subject == "Gr\u00fc\u00dfe"


def test_a_mail_program_that_calls_sendmail(mailserver: MailServer, inbox: Inbox, tmp_path: Path) -> None:
    if shutil.which("s-nail") is None:
        missing("s-nail")
    done = subprocess.run(
        ["s-nail", "-:/", "-S", "v15-compat", "-S", f"mta={script(tmp_path)}", "-s", "Hello", inbox.address],
        input=b"one\n",
        capture_output=True,
        env={**environment(**variables(mailserver)), "HOME": str(tmp_path)},
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    message = inbox.receive()
    assert (message.subject, message.text) == ("Hello", "one\n")
