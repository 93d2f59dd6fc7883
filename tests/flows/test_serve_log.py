"""The log of ``serve`` as a person and a pipeline see it: real processes, in pseudo-terminals and in pipes."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import smtplib
import subprocess
import termios
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.support import ANY_PORT, SERVE, Serve, StartServe, call_api, connect, environment, generate, send

TIME = re.compile(r"^\d\d:\d\d:\d\d  ")


def logged(served: Serve, word: str) -> str:
    """Return the next line of the log that begins with ``word``, without its time."""
    assert served.process.stderr is not None
    for line in served.process.stderr:
        if line[10:].startswith(word):
            assert TIME.match(line)
            return line[10:].rstrip("\n")
    raise AssertionError(f"the log has no line {word!r}")


def test_each_thing_that_happens_is_a_line(serve: StartServe) -> None:
    served = serve()
    generate(served, "ann")
    call_api(served, "POST", "/api/v1/users", {"email": "bob@example.com", "password": "secret"})
    send(served, "ann@example.com", "ops@corp.example", "more@corp.example", subject="Welcome")
    line = logged(served, "received")
    assert line.startswith('received  shop@shop.example -> ann@example.com, ops@corp.example and 1 more  "Welcome"  ')
    assert line.endswith(" B, stored")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(served, "anne@example.com")
    assert logged(served, "refused") == (
        "refused   shop@shop.example -> anne@example.com  anne@example.com does not exist here; "
        "the nearest address is ann@example.com"
    )
    with connect(served) as smtp:
        smtp.login("bob@example.com", "secret")
    assert logged(served, "login") == "login     bob@example.com  CRAM-MD5, accepted"
    fault = {"protocol": "smtp", "stage": "rcpt", "effect": {"name": "reject", "code": 451}, "times": 1}
    assert call_api(served, "POST", "/testkit/v1/faults", fault).status == 201
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(served, "ann@example.com")
    assert logged(served, "fault") == "fault     reject 451 at RCPT: ann@example.com"
    assert logged(served, "refused").endswith("ann@example.com  refused with 451 at RCPT by a fault")
    hook = {"url": "http://127.0.0.1:1/", "events": ["email.received"]}
    call_api(served, "POST", "/api/v1/webhooks", hook)
    send(served, "ann@example.com")
    assert logged(served, "webhook").startswith("webhook   http://127.0.0.1:1/: email.received, attempt 1: ")
    status, errors = served.end()
    assert (status, errors.splitlines()[-1]) == (0, "Stopped: 2 messages received, 2 recipients refused.")


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_disk_that_fails_is_an_error_that_names_the_file(serve: StartServe, tmp_path: Path, form: str) -> None:
    folder = tmp_path / "data"
    served = serve("--data", str(folder), "--log-format", form)
    generate(served, "ann")
    folder.rename(tmp_path / "moved")
    with pytest.raises(smtplib.SMTPDataError, match="read-only, because a write failed"):
        send(served, "ann@example.com")
    assert served.process.stderr is not None
    line = served.process.stderr.readline().rstrip("\n")
    if form == "text":
        assert TIME.match(line)
        text = line[10:].removeprefix("error     ")
    else:
        found = json.loads(line)
        assert found["name"] == "error"
        text = found["text"]
    assert re.fullmatch(rf"SMTP end of data from .*: StoreBroken: {folder}.* was deleted or moved while .*", text)
    (tmp_path / "moved").rename(folder)


def test_a_simulator_is_no_mistake_of_the_sender(serve: StartServe) -> None:
    served = serve()
    generate(served, "bounce")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(served, "bounced@example.com")
    assert logged(served, "refused").endswith("  refused with 550 at RCPT by the simulator bounced@")
    send(served, "slow-1ms@example.com")
    assert logged(served, "received").endswith(" B, stored without an address")


def test_a_hostile_subject_is_escaped_and_cut(serve: StartServe) -> None:
    served = serve()
    generate(served, "ann")
    subject = "\x1b]0;title\x07\x1b[31mred\r\x08" + "\u202e" + "long" * 1000
    send(served, "ann@example.com", raw=f"Subject: {subject}\r\n\r\nHi.\r\n".encode())
    line = logged(served, "received")
    assert line.startswith('received  shop@shop.example -> ann@example.com  "\\x1b]0;title\\x07\\x1b[31mred')
    assert line.isprintable()
    assert len(line) < 200


def test_json_has_an_object_for_each_event(serve: StartServe) -> None:
    served = serve("--log-format", "json")
    generate(served, "ann")
    send(served, "ann@example.com", subject="Grüße")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(served, "anne@example.com")
    status, errors = served.end()
    received, refused, stopped = map(json.loads, errors.splitlines())
    assert status == 0
    assert (received["name"], received["recipient"]) == ("message.received", "ann@example.com")
    assert (refused["name"], refused["nearest"]) == ("recipient.refused", "ann@example.com")
    assert (stopped["name"], stopped["received"], stopped["refused"]) == ("stopped", 1, 1)


def test_quiet_writes_nothing(serve: StartServe) -> None:
    served = serve("--quiet")
    generate(served, "ann")
    send(served, "ann@example.com")
    assert served.end() == (0, "")


def test_stdout_has_one_line_of_json_whatever_happens(serve: StartServe) -> None:
    served = serve()
    send(served, "ops@corp.example")
    served.process.terminate()
    output, errors = served.process.communicate(timeout=60)
    assert output == ""
    assert errors.endswith("Stopped: 1 message received.\n")


@pytest.fixture
def narrow() -> Iterator[tuple[int, int]]:
    """A pipe that holds a page, of which nobody reads; its two ends."""
    reader, writer = os.pipe()
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 4096)
    yield reader, writer
    os.close(reader)


def start(stderr: Any) -> tuple[subprocess.Popen[str], Any]:
    """Start ``serve`` with this stderr; return the process and its facts."""
    process = subprocess.Popen(
        [*SERVE, *ANY_PORT, "--json"], stdout=subprocess.PIPE, stderr=stderr, text=True, env=environment()
    )
    assert process.stdout is not None
    return process, json.loads(process.stdout.readline())


def flood(facts: Any, count: int) -> None:
    with smtplib.SMTP(facts["smtp_host"], facts["smtp_port"]) as smtp:
        for _ in range(count):
            smtp.sendmail("shop@shop.example", ["ops@corp.example"], "Subject: Hello\r\n\r\nHi.\r\n")


def test_a_log_that_nobody_reads_holds_up_neither_mail_nor_the_end(narrow: tuple[int, int]) -> None:
    process, facts = start(narrow[1])
    os.close(narrow[1])
    flood(facts, 200)  # more than the pipe holds
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_a_log_whose_reader_has_gone_ends_and_the_server_does_not() -> None:
    reader, writer = os.pipe()
    process, facts = start(writer)
    os.close(writer)
    os.close(reader)
    for _ in range(3):
        flood(facts, 1)
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_a_full_disk_is_no_reason_to_stop() -> None:
    with Path("/dev/full").open("w") as full:
        process, facts = start(full)
    flood(facts, 3)
    process.terminate()
    process.communicate(timeout=30)
    assert process.returncode == 0


def test_without_stderr_there_is_no_log(tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    os.mkfifo(ready)
    command = " ".join([*SERVE, *ANY_PORT, "--json"])
    process = subprocess.Popen(["sh", "-c", f"exec {command} 2>&- >{ready}"], env=environment())
    with ready.open() as output:
        facts = json.loads(output.readline())
        flood(facts, 3)
        process.terminate()
        assert process.wait(30) == 0
        assert output.read() == ""


class Terminal:
    """``serve`` in a terminal of its own, which a person types into."""

    def __init__(self, *arguments: str, **variables: str) -> None:
        self.screen, terminal = pty.openpty()
        self.process = subprocess.Popen(
            [*SERVE, *ANY_PORT, *arguments],
            stdin=terminal,
            stdout=terminal,
            stderr=terminal,
            env=environment(**({"TERM": "xterm"} | variables)),
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(terminal, termios.TIOCSCTTY, 0),  # noqa: PLW1509 - it only takes the terminal
        )
        os.close(terminal)
        self.text = ""

    def until(self, seen: Callable[[str], object]) -> str:
        """Read until ``seen`` accepts what the screen shows; return that."""
        while not seen(self.text):
            self.text += os.read(self.screen, 65_536).decode()
        return self.text

    def end(self, typed: bytes) -> tuple[int, str]:
        """Type, and return the exit status and what is shown after it."""
        shown = len(self.text)
        os.write(self.screen, typed)
        with contextlib.suppress(OSError):  # when the process has closed the terminal
            self.until(lambda _: False)
        os.close(self.screen)
        return self.process.wait(30), self.text[shown:]


def typed_into(terminal: Terminal) -> str:
    """Send a message to the server in the terminal; return the line that it logs."""
    text = terminal.until(lambda shown: "Press Ctrl-C" in shown)
    found = re.search(r"SMTP +(\S+):(\d+),", text)
    assert found
    flood({"smtp_host": found[1], "smtp_port": int(found[2])}, 1)
    return terminal.until(lambda shown: "stored without an address" in shown).splitlines()[-1]


def test_a_terminal_shows_colors_and_ctrl_c_ends_on_a_line_of_its_own() -> None:
    terminal = Terminal()
    assert re.match(
        r"\x1b\[2m\d\d:\d\d:\d\d\x1b\[0m  \x1b\[32mreceived\x1b\[0m  shop@shop\.example", typed_into(terminal)
    )
    terminal.until(lambda shown: shown.endswith("\n"))
    assert terminal.end(b"\x03") == (0, "^C\r\nStopped: 1 message received.\r\n")


@pytest.mark.parametrize("variables", [{"NO_COLOR": "1"}, {"TERM": "dumb"}], ids=["NO_COLOR", "TERM"])
def test_colors_can_be_switched_off(variables: dict[str, str]) -> None:
    terminal = Terminal(**variables)
    assert re.match(r"\d\d:\d\d:\d\d  received  shop@shop\.example -> ", typed_into(terminal))
    terminal.end(b"\x03")


def test_a_quiet_server_leaves_the_prompt_on_a_line_of_its_own_too() -> None:
    terminal = Terminal("--quiet")
    terminal.until(lambda shown: shown.endswith("Press Ctrl-C to stop.\r\n"))
    assert terminal.end(b"\x03") == (0, "^C\r\n")


def test_a_log_in_an_ascii_terminal_escapes_the_rest(serve: StartServe) -> None:
    served = serve(PYTHONIOENCODING="ascii")
    send(served, "ops@corp.example", raw="Subject: Grüße\r\n\r\nHi.\r\n".encode())
    assert '"Gr\\xfc\\xdfe"' in logged(served, "received")
    assert served.end(signal.SIGINT)[0] == 0


PAGE = Path(__file__).parents[2] / "docs" / "serve.md"
SESSION = re.compile(r"(?<=```console\n)\$ sirrchat-testkit serve\n.*?(?=```\n)", re.DOTALL)


def session() -> str:
    """Return what a terminal shows in which ``serve`` runs, with the usual ports and the same key and time always."""
    terminal = Terminal(NO_COLOR="1")
    screen = terminal.until(lambda shown: "Press Ctrl-C" in shown)
    smtp = re.findall(r"SMTP +(\S+):(\d+),", screen)[0]
    key = re.findall(r"API key +(\S+)", screen)[0]
    http = re.findall(r"REST API +http://[\d.]+:(\d+),", screen)[0]
    server = Facts(smtp[0], int(smtp[1]), f"http://127.0.0.1:{http}", key)
    generate(server, "ann")
    call_api(server, "POST", "/api/v1/users", {"email": "bob@example.com", "password": "secret"})

    def mail(recipient: str, login: str = "") -> None:
        with connect(server) as client, contextlib.suppress(smtplib.SMTPRecipientsRefused):
            if login:
                client.login(login, "secret", initial_response_ok=False)
            sender = login or "you@example.org"
            header = f"From: {sender}\r\nTo: {recipient}\r\nSubject: Hello\r\n"
            client.sendmail(sender, recipient, f"{header}\r\nIt works.\r\n")

    for number, (recipient, login) in enumerate(
        [
            ("ann@example.com", ""),
            ("anne@example.com", ""),
            ("ann@elsewhere.example", ""),
            ("full@example.com", ""),
            ("ooto@example.com", "bob@example.com"),
        ],
        1,
    ):
        mail(recipient, login)
        terminal.until(lambda shown, lines=number: len(re.findall("  (?:received|refused) ", shown)) >= lines)  # type: ignore[misc]
    terminal.until(lambda shown: '"Auto: Hello"' in shown and shown.endswith("\n"))
    terminal.end(b"\x03")
    text = terminal.text.replace("\r\n", "\n").replace(key, "mk_live_...")
    text = text.replace(f":{smtp[1]}", ":1025").replace(f":{http}", ":8080")
    return "$ sirrchat-testkit serve\n" + re.sub(r"^\d\d:\d\d:\d\d", "12:00:00", text, flags=re.MULTILINE)


class Facts(NamedTuple):
    """How to reach a server."""

    smtp_host: str
    smtp_port: int
    api_url: str
    api_key: str


def test_the_session_in_the_documentation_is_what_a_terminal_shows() -> None:
    """``SIRRCHAT_TESTKIT_GOLDEN=write`` writes the session into the page."""
    recorded = session()
    page = PAGE.read_text("utf-8")
    if os.environ.get("SIRRCHAT_TESTKIT_GOLDEN") == "write":
        PAGE.write_text(SESSION.sub(lambda _: recorded, page), "utf-8")
    else:
        assert SESSION.findall(page) == [recorded]
