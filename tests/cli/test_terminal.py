"""Commands in a terminal and in pipes: Ctrl-C, closed pipes, wrong servers, wrong keys, and no traceback anywhere."""

from __future__ import annotations

import os
import pty
import shlex
import signal
import socket
import subprocess

import pytest

from sirrchat_testkit import Inbox, MailServer
from sirrchat_testkit.cli import COMMANDS, main
from tests.cli.conftest import COMMAND, Cli, run, variables
from tests.support import environment, until

ASKING = [
    ["address", "create"],
    ["address", "list"],
    ["address", "delete", "ann@example.com"],
    ["wait", "--to", "ann@example.com", "--timeout", "0.1"],
    ["list"],
    ["search", "x"],
    ["read", "x"],
    ["delete", "x"],
    ["api-key", "list"],
]
"""Commands that need an API key."""


@pytest.mark.parametrize("arguments", ASKING, ids=" ".join)
def test_without_a_server_a_command_is_one_line_and_status_2(arguments: list[str]) -> None:
    done = run(*arguments, "--url", "http://127.0.0.1:1", "--api-key", "secret-key")
    assert (done.status, done.out) == (2, "")
    assert done.line == "no answer from http://127.0.0.1:1: Connection refused; is --url right?"


@pytest.mark.parametrize("arguments", ASKING, ids=" ".join)
def test_without_a_key_and_with_a_wrong_one_a_command_is_one_line_and_status_2(arguments: list[str], cli: Cli) -> None:
    done = cli(*arguments, SIRRCHAT_TESTKIT_API_KEY="")
    assert (done.status, done.out) == (2, "")
    assert done.line.startswith("an API key is missing: give --api-key or set SIRRCHAT_TESTKIT_API_KEY")
    done = cli(*arguments, SIRRCHAT_TESTKIT_API_KEY="secret-k\u00fcy")
    assert (done.status, done.out) == (2, "")
    assert done.line.endswith("; give the key that serve printed, or one made with api-key create")
    assert "secret" not in done.err


def test_the_key_of_a_user_is_refused_with_what_is_needed(mailserver: MailServer, cli: Cli) -> None:
    done = cli("list", "--api-key", mailserver.add_account().api_key)
    assert done.status == 2
    assert done.line.endswith("; give the key of an admin")


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("127.0.0.1:8080", "the URL of a server begins with http:// or https://"),
        ("ftp://127.0.0.1", "the URL of a server begins with http:// or https://"),
        ("http://[::1", "the URL of a server begins with http:// or https://"),
        ("http://127.0.0.1:99999", "the URL of a server begins with http:// or https://"),
        ("http://user:secret@127.0.0.1", "the URL of a server begins with http:// or https://"),
        ("http://127.0.0.1:1/\x1b[2J", "no answer from http://127.0.0.1:1/\\x1b[2J: "),
        ("http://no.such.host.invalid", "no answer from http://no.such.host.invalid: "),
        ("http://\u00fc\u00fc..example", ""),
        ("https://127.0.0.1:1", "no answer from https://127.0.0.1:1: Connection refused"),
    ],
)
def test_a_wrong_url_is_one_line(url: str, text: str) -> None:
    done = run("list", "--url", url, "--api-key", "x")
    assert done.status == 2
    assert done.line.startswith(text)
    assert "secret" not in done.line.replace(url, "")


def test_another_kind_of_server_is_one_line(mailserver: MailServer, cli: Cli) -> None:
    done = cli("list", "--url", f"http://{mailserver.smtp_host}:{mailserver.smtp_port}")
    assert done.line == f"http://{mailserver.smtp_host}:{mailserver.smtp_port} does not answer in HTTP; is --url right?"
    done = cli("list", "--url", f"{mailserver.api_url}/there")
    assert (done.status, done.line) == (2, "no such route: /there/testkit/v1/messages; is --url right?")
    with socket.create_server(("127.0.0.1", 0)) as other:
        process = subprocess.Popen(
            [*COMMAND, "list", "--url", f"http://127.0.0.1:{other.getsockname()[1]}", "--api-key", "x"],
            stderr=subprocess.PIPE,
            text=True,
            env=environment(),
        )
        connection, _ = other.accept()
        with connection:
            connection.recv(10_000)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n\r\n<hi>")
            _, errors = process.communicate(timeout=50)
    assert process.returncode == 2
    assert errors.endswith("did not answer in JSON; is --url right?\n")


@pytest.mark.parametrize("arguments", [[], ["--json"]])
def test_a_closed_pipe_ends_a_command_quietly(inbox: Inbox, mailserver: MailServer, arguments: list[str]) -> None:
    for number in range(120):
        inbox.deliver(subject=f"{number} {'x' * 500}", text="x" * 1000)
    command = shlex.join([*COMMAND, "list", "--limit", "0", *arguments])
    done = subprocess.run(
        ["bash", "-c", f"{command} | head -c 10 > /dev/null; echo ${{PIPESTATUS[0]}}"],
        capture_output=True,
        text=True,
        env=environment(**variables(mailserver)),
        check=False,
    )
    assert (done.stdout, done.stderr) == ("141\n", "")


def test_a_closed_pipe_ends_a_help_quietly() -> None:
    command = shlex.join([*COMMAND, "serve", "--help"])
    done = subprocess.run(
        ["bash", "-c", f"{command} | true; echo ${{PIPESTATUS[0]}}"], capture_output=True, text=True, check=False
    )
    assert done.stderr == ""
    assert done.stdout in {"141\n", "0\n"}  # the help may be written before the reader is gone


def test_a_full_disk_is_one_line(inbox: Inbox, mailserver: MailServer) -> None:
    inbox.deliver(subject="x")
    done = subprocess.run(
        ["sh", "-c", f"{shlex.join([*COMMAND, 'list'])} > /dev/full"],
        capture_output=True,
        text=True,
        env=environment(**variables(mailserver)),
        check=False,
    )
    assert (done.returncode, done.stderr) == (
        2, "sirrchat-testkit: cannot write to stdout: No space left on device\n"
    )  # fmt: skip


def test_ctrl_c_ends_a_wait_with_one_line_and_as_by_a_signal(mailserver: MailServer, inbox: Inbox) -> None:
    terminal, end = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, "wait", "--to", inbox.address, "--timeout", "40"],
        stdin=end,
        stdout=end,
        stderr=end,
        env=environment(**variables(mailserver)),
        start_new_session=True,
        preexec_fn=_take_terminal,  # noqa: PLW1509 - it only prepares the terminal
    )
    os.close(end)
    until(mailserver._thread, lambda: len(mailserver._control.feeds.all()) >= 1)
    os.write(terminal, b"\x03")
    process.wait(timeout=50)
    shown = os.read(terminal, 10_000).decode()
    os.close(terminal)
    assert process.returncode == -signal.SIGINT
    assert shown == "^C\r\nsirrchat-testkit: interrupted\r\n"


def _take_terminal() -> None:
    import fcntl
    import termios

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell may ignore it for background jobs


def test_the_bytes_of_a_message_are_escaped_on_a_terminal_alone(mailserver: MailServer, inbox: Inbox) -> None:
    message = inbox.deliver(b"Subject: x\r\n\r\n\x1b[2Jhi\xff\r\n")
    terminal, end = pty.openpty()
    done = subprocess.run(
        [*COMMAND, "read", message.id, "--raw"],
        stdout=end,
        stderr=subprocess.PIPE,
        env=environment(**variables(mailserver)),
        check=False,
    )
    os.close(end)
    shown = os.read(terminal, 10_000)
    os.close(terminal)
    assert (done.returncode, done.stderr) == (0, b"")
    assert b"\x1b" not in shown
    assert shown.startswith(b"Subject: x\r\n\r\n\\x1b[2Jhi\\xff\r\n")


def test_a_character_that_the_terminal_does_not_have_is_an_escape(inbox: Inbox, cli: Cli) -> None:
    inbox.deliver(subject="Gr\u00fc\u00dfe \u4f60")
    assert cli("list", PYTHONIOENCODING="ascii").out.endswith("  Gr\\xfc\\xdfe \\u4f60\n")


@pytest.mark.parametrize(
    "arguments",
    [
        ["list", "--to", "\udcff"],
        ["search", "\udcff"],
        ["read", "\udcff"],
        ["address", "create", "--name", "\udcff"],
        ["list", "--api-key", "\udcff"],
        ["list", "--url", "http://\udcff"],
        ["send", "--to", "\udcff@example.com", "--text", "x"],
        ["send", "--to", "ann@example.com", "--subject", "\udcff", "--text", "\udcff"],
        ["send", "--to", "ann@example.com", "--from", "a\nb", "--text", "x"],
        ["send", "--to", "ann@example.com", "--from", ".:", "--text", "x"],
        ["sendmail", "-f", "\udcff@b.example", "\udcff@example.com"],
        ["ingest", "/\udcff"],
        ["ingest", "a\nb.mbox"],
        ["serve", "--data", f"{__file__}/a\nb"],
        ["li\nst"],
        ["list", "--su\nbject"],
    ],
    ids=ascii,
)
def test_bytes_that_are_no_text_are_no_reason_for_a_traceback(arguments: list[str], cli: Cli) -> None:
    done = cli(*arguments, stdin=b"hi\n")
    assert "Traceback" not in done.err
    assert done.err.count("\n") <= 1


@pytest.mark.parametrize("name", [name for commands in COMMANDS.values() for name in commands])
def test_a_wrong_flag_is_one_line_with_the_nearest(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([name, "--hlep"])
    assert stopped.value.code == (64 if name == "sendmail" else 2)
    assert capsys.readouterr().err == "sirrchat-testkit: there is no flag --hlep; did you mean --help?\n"


def test_a_misspelt_flag_is_told_before_a_missing_one(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["wait", "--tto", "ann@example.com"])
    assert capsys.readouterr().err == "sirrchat-testkit: there is no flag --tto; did you mean --to?\n"
