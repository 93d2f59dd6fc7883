"""``send``: texts, files and samples."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sirrchat_testkit import Inbox, MailServer
from sirrchat_testkit.mail.samples import KINDS, LANGUAGES, sample

if TYPE_CHECKING:
    from tests.cli.conftest import Cli


def test_a_text_is_sent(inbox: Inbox, cli: Cli) -> None:
    done = cli(
        "send", "--to", inbox.address, "--text", "Gr\u00fc\u00dfe", "--subject", "\u00c4h", "--from", "ann@shop.example"
    )
    assert done == (0, f"sent to {inbox.address}\n", "", done.raw)
    message = inbox.receive()
    assert (message.subject, message.text, message.sender) == ("\u00c4h", "Gr\u00fc\u00dfe\n", "ann@shop.example")
    assert message.mail_from == "ann@shop.example"
    assert message.problems == ()


def test_a_file_is_sent_as_it_is_with_crlf(inbox: Inbox, cli: Cli, tmp_path: Path) -> None:
    raw = b"Subject: x\nX: \xff\n\n.\n..\n\xfe"
    (tmp_path / "mail.eml").write_bytes(raw)
    assert cli("send", "--to", inbox.address, "--file", str(tmp_path / "mail.eml")).status == 0
    assert cli("send", "--to", inbox.address, "--file", "-", stdin=raw).status == 0
    first, second = inbox.receive_all(2)
    assert first.raw.rstrip(b"\r\n") == second.raw.rstrip(b"\r\n") == raw.replace(b"\n", b"\r\n")


def test_a_sample_is_sent_from_its_sender(inbox: Inbox, cli: Cli) -> None:
    sent = json.loads(cli("send", "--to", inbox.address, "--sample", "sign-up", "--language", "de", "--json").out)
    assert sent == {"from": "no-reply@shop.example", "to": [inbox.address], "refused": {}}
    message = inbox.receive()
    assert message.mail_from == message.sender == "no-reply@shop.example"
    assert "Best\u00e4tigungscode" in message.text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_sample_in_every_language_is_read_as_its_kind(language: str, inbox: Inbox) -> None:
    for kind in KINDS:
        fields = sample(kind, language)
        inbox.deliver(**fields)
        message = inbox.receive(subject=fields["subject"])
        assert message.html
        assert message.problems == ()
        if kind == "sign-up":
            assert len(message.code()) == 6
            assert message.link().path.startswith("/confirm?token=")
            assert message.link().text
        else:
            assert message.codes == ()
        assert bool(message.unsubscribe) == (kind == "newsletter")


def test_a_refused_recipient_is_told_with_the_reply_and_the_others_get_it(inbox: Inbox, cli: Cli) -> None:
    done = cli("send", "--to", "nobody@example.com", "--to", inbox.address, "--text", "x")
    assert (done.status, done.out) == (2, f"sent to {inbox.address}\n")
    assert done.line.startswith("nobody@example.com was refused: 550 5.1.1 ")
    told = json.loads(cli("send", "--to", "nobody@example.com", "--text", "x", "--json").out)
    assert told["to"] == []
    assert told["refused"]["nobody@example.com"].startswith("550 5.1.1 ")
    assert len(inbox.receive_all(1)) == 1


def test_a_refused_message_is_told_with_the_reply(mailserver: MailServer, inbox: Inbox, cli: Cli) -> None:
    mailserver.faults.reject(stage="data", code=554, text="5.7.1 No thanks")
    done = cli("send", "--to", inbox.address, "--text", "x")
    at = f"{mailserver.smtp_host}:{mailserver.smtp_port}"
    assert (done.status, done.line) == (2, f"{at} refused it: 554 5.7.1 No thanks")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--text", "x", "--smtp-port", "x"], "--smtp-port must be a port, from 1 to 65535, not 'x'"),
        (["--text", "x", "--file", "x"], "--file: not allowed with argument --text"),
        ([], "one of the arguments --text --file --sample is required"),
        (["--file", "/nowhere.eml"], "cannot read /nowhere.eml: No such file or directory"),
        (["--sample", "signup"], "there is no sample signup; did you mean sign-up?"),
        (["--sample", "sign-up", "--language", "xx"], f"there is no language xx; there are {', '.join(LANGUAGES)}"),
        (["--txt", "x"], "there is no flag --txt; did you mean --text?"),
    ],
)
def test_what_cannot_be_sent_is_one_line(arguments: list[str], text: str, cli: Cli) -> None:
    done = cli("send", "--to", "ann@example.com", *arguments)
    assert (done.status, done.line) == (2, text)


def test_a_server_that_is_not_there_is_one_line(cli: Cli) -> None:
    done = cli("send", "--to", "ann@example.com", "--text", "x", "--smtp-port", "1")
    assert done.status == 2
    assert done.line.startswith("no SMTP server at 127.0.0.1:1: Connection refused; --smtp-host and --smtp-port, or ")


def test_a_wrong_variable_is_named(cli: Cli) -> None:
    done = cli("send", "--to", "ann@example.com", "--text", "x", SIRRCHAT_TESTKIT_SMTP_PORT="0")
    assert done.line == "SIRRCHAT_TESTKIT_SMTP_PORT must be a port, from 1 to 65535, not '0'"
