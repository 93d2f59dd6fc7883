"""``wait``, ``list``, ``search``, ``read`` and ``delete``."""

from __future__ import annotations

import json
import subprocess

import pytest

from sirrchat_testkit import Inbox, MailServer
from tests.cli.conftest import COMMAND, Cli, variables
from tests.support import environment, send, until

SIGN_UP = {
    "subject": "Confirm",
    "sender": "Shop <shop@shop.example>",
    "text": "Your code is 482913.\nhttps://shop.example/confirm?token=x1",
}


def test_wait_prints_a_message_that_is_there(inbox: Inbox, cli: Cli) -> None:
    message = inbox.deliver(**SIGN_UP)  # type: ignore[arg-type]
    done = cli("wait", "--to", inbox.address.upper(), "--from", "shop@*", "--subject", "Confirm", "--text", "code")
    assert (done.status, done.err) == (0, "")
    assert done.out == (
        f"Id: {message.id}\n"
        f"Received: {message.received_at:%Y-%m-%dT%H:%M:%S}.{message.received_at.microsecond // 1000:03}Z\n"
        f"Recipient: {inbox.address}\n"
        "From: shop@shop.example\n"
        f"To: {inbox.address}\n"
        "Subject: Confirm\n"
        "Code: 482913\n"
        "Link: https://shop.example/confirm?token=x1\n"
        "\n"
        "Your code is 482913.\n"
        "https://shop.example/confirm?token=x1\n"
    )


def test_wait_wakes_when_the_message_arrives(mailserver: MailServer, inbox: Inbox) -> None:
    process = subprocess.Popen(
        [*COMMAND, "wait", "--to", inbox.address, "--timeout", "40", "--json"],
        stdout=subprocess.PIPE,
        text=True,
        env=environment(**variables(mailserver)),
    )
    until(mailserver._thread, lambda: len(mailserver._control.feeds.all()) >= 1)
    send(mailserver, inbox, subject="Late", text="Your code is 482913.")
    out, _ = process.communicate(timeout=50)
    message = json.loads(out)
    assert process.returncode == 0
    assert {"id", "from", "to", "subject", "text", "html", "links", "codes", "received_at"} < message.keys()
    assert (message["subject"], message["code"]) == ("Late", "482913")


def test_nothing_in_time_is_status_1_with_the_reason(inbox: Inbox, cli: Cli) -> None:
    inbox.deliver(subject="Welcome Ann")
    done = cli("wait", "--to", inbox.address, "--subject", "Welcome, Ann", "--timeout", "0.1", "--json")
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("sirrchat-testkit: subject: wanted 'Welcome, Ann', was 'Welcome Ann'. Waited 0.1 s")


@pytest.mark.parametrize(
    ("timeout", "text"),
    [
        ("x", "--timeout must be a duration such as 500ms, 10s or 1h30m, not 'x'"),
        ("11m", "--timeout must be at most 10m"),
    ],
)
def test_a_wrong_timeout_is_one_line(timeout: str, text: str, cli: Cli) -> None:
    done = cli("wait", "--to", "ann@example.com", "--timeout", timeout)
    assert (done.status, done.line) == (2, text)


def test_the_reason_names_routes_and_commands_not_python(cli: Cli) -> None:
    done = cli("wait", "--to", "never-made@example.org", "--timeout", "0")
    assert done.status == 1
    first, second = done.err.splitlines()
    remedy = "make it with POST /testkit/v1/addresses or the command address create"
    assert f"never-made@example.org does not exist here; {remedy}. Waited" in first
    assert second.endswith("is the application configured to send its mail there?")
    assert "mailserver" not in done.err


def test_a_list_has_a_line_for_each_message_with_the_newest_first(
    mailserver: MailServer, inbox: Inbox, cli: Cli
) -> None:
    first = inbox.deliver(subject="One", sender="a@shop.example")
    send(mailserver, "ops@corp.com", subject="Two")
    lines = [line.split("  ") for line in cli("list").out.splitlines()]
    assert [line[2:] for line in lines] == [
        ["shop@shop.example", "ops@corp.com", "Two"],
        ["a@shop.example", inbox.address, "One"],
    ]
    assert lines[1][:2] == [first.id, f"{first.received_at:%Y-%m-%dT%H:%M:%SZ}"]
    assert [each["subject"] for each in json.loads(cli("list", "--from", "A@*", "--json").out)] == ["One"]
    assert cli("list", "--to", "nobody@example.com") == (0, "", "", b"")
    assert cli("list", "--to", "nobody@example.com", "--json").out == "[]\n"


def test_a_list_is_as_long_as_asked(inbox: Inbox, cli: Cli) -> None:
    for number in range(205):
        inbox.deliver(subject=f"nr {number}")
    assert cli("list").out.count("\n") == 20
    assert cli("list", "--limit", "101").out.count("\n") == 101
    everything = json.loads(cli("list", "--limit", "0", "--json").out)
    assert [each["subject"] for each in everything] == [f"nr {number}" for number in reversed(range(205))]


def test_a_search_finds_or_is_status_1(inbox: Inbox, cli: Cli) -> None:
    inbox.deliver(subject="Welcome", text="good morning")
    inbox.deliver(subject="Bye", text="good night")
    assert cli("search", "good -subject:bye").out.endswith("  Welcome\n")
    assert cli("search", "good", "subject:bye").out.endswith("  Bye\n")
    assert cli("search", "--", "-subject:bye").out.endswith("  Welcome\n")
    assert cli("search", "evening") == (1, "", "", b"")
    wrong = cli("search", "form:ann")
    assert (wrong.status, wrong.line.partition(";")[0]) == (2, "q has no field 'form'")


def test_a_message_is_read_with_its_files_and_stays_unread(inbox: Inbox, cli: Cli) -> None:
    message = inbox.deliver(subject="Bill", text="See below.", cc="bob@example.org", attachments={"bill.pdf": b"%PDF-"})
    done = cli("read", message.id)
    assert "\nCc: bob@example.org\n" in done.out
    assert "\nFiles: bill.pdf (5 bytes)\n" in done.out
    assert done.out.endswith("\n\nSee below.\n")
    shown = json.loads(cli("read", message.id, "--json").out)
    assert [each["name"] for each in shown["attachments"]] == ["bill.pdf"]
    assert shown["seen"] is False


def test_of_a_message_without_text_the_html_is_shown_as_text(inbox: Inbox, cli: Cli) -> None:
    message = inbox.deliver(subject="x", html="<p>Hello <b>Ann</b></p><script>x</script><p>Bye</p>")
    assert cli("read", message.id).out.endswith("\n\nHello Ann\nBye\n")


def test_what_a_terminal_would_obey_is_shown_as_an_escape(inbox: Inbox, cli: Cli) -> None:
    message = inbox.deliver(
        b"Subject: =?utf-8?q?=1B]0;owned=07_=E2=80=AEx=0D=0Afake:_line?=\r\nFrom: a@b.example\r\n\r\n"
        b"\x1b[2J\ttab\x9b31m\x00\r\n"
    )
    for command in (("read", message.id), ("list",), ("search", "tab"), ("wait", "--to", inbox.address)):
        shown = cli(*command).out
        assert not [each for each in shown if not each.isprintable() and each != "\n"], command
        assert "\\x1b]0;owned\\x07" in shown
        assert "\nfake:" not in shown
    assert "\\x1b[2J    tab" in cli("read", message.id).out
    shown = cli("read", message.id, "--json").out
    assert not [each for each in shown if not each.isprintable() and each != "\n"]


def test_the_bytes_of_a_message_are_exact(inbox: Inbox, cli: Cli) -> None:
    raw = b"Subject: x\r\nX: \xff\x1b\r\n\r\n\x00\x1b[2J\xfe\n.\r\nno end"
    message = inbox.deliver(raw)
    assert cli("read", message.id, "--raw").raw == message.raw == raw


def test_messages_are_deleted_by_ids_or_by_conditions(mailserver: MailServer, inbox: Inbox, cli: Cli) -> None:
    made = [inbox.deliver(subject=f"nr {number}") for number in range(6)]
    assert cli("delete", made[0].id, made[1].id) == (0, "2 messages deleted\n", "", b"2 messages deleted\n")
    assert json.loads(cli("delete", "--search", '"nr 2"', "--json").out) == {"deleted": [made[2].id]}
    assert cli("delete", "--to", inbox.address, "--subject", "nr 3").out == "1 message deleted\n"
    assert [each.subject for each in inbox.messages] == ["nr 4", "nr 5"]
    assert mailserver.deliveries == []


@pytest.mark.parametrize("arguments", [["delete"], ["delete", "x", "--to", "ann@example.com"]])
def test_a_deletion_needs_ids_or_conditions(arguments: list[str], cli: Cli) -> None:
    done = cli(*arguments)
    assert (done.status, done.line) == (2, "give either the ids of messages, or conditions such as --to")


@pytest.mark.parametrize("command", ["read", "delete"])
@pytest.mark.parametrize("name", ["nope", "../settings", "a/b?c#d", "\u00fc"])
def test_an_unknown_message_is_status_1(command: str, name: str, cli: Cli) -> None:
    done = cli(command, name)
    assert (done.status, done.line) == (1, "there is no message with this id; it may have been deleted")
