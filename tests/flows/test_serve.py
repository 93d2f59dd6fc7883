"""``serve`` as a person and a pipeline use it: a real process, curl, signals."""

import errno
import json
import os
import re
import shutil
import signal
import smtplib
import socket
import ssl
import subprocess
import sys
from pathlib import Path

import pytest

from sirrchat_testkit import MailServer, __version__
from sirrchat_testkit.cli import COMMANDS, main
from sirrchat_testkit.cli.options import OPTIONS
from tests.support import ANY_PORT, SERVE, Serve, StartServe, connect, environment, send

NO_MAIL = "Stopped: no mail received.\n"
"""The last line of the log of a server that got no mail."""

NAMES = ", ".join(name for commands in COMMANDS.values() for name in commands)


def ask(served: Serve, *arguments: str) -> str:
    return curl("-H", f"X-API-Key: {served.api_key}", *arguments)


def curl(*arguments: str) -> str:
    if shutil.which("curl") is None and not os.environ.get("CI"):
        pytest.skip("curl is not installed")
    done = subprocess.run(["curl", "-sS", *arguments], capture_output=True, text=True, check=True, timeout=60)
    return done.stdout


def test_an_address_is_made_mailed_and_read_with_curl(serve: StartServe, tmp_path: Path) -> None:
    served = serve()
    api, body = served.facts["api_url"], {"name": "ann", "expiryTime": 3_600_000, "domain": "example.com"}
    made = json.loads(ask(served, "-X", "POST", f"{api}/api/emails/generate", "-d", json.dumps(body)))
    assert made["email"] == "ann@example.com"
    mail = tmp_path / "mail.eml"
    mail.write_bytes(b"Subject: Hello\r\n\r\nIt works.\r\n")
    smtp = f"smtp://{served.facts['smtp_host']}:{served.facts['smtp_port']}"
    curl(smtp, "--mail-from", "you@example.org", "--mail-rcpt", "ann@example.com", "-T", str(mail))
    [message] = json.loads(ask(served, f"{api}/api/emails/{made['id']}"))["messages"]
    assert (message["subject"], message["content"]) == ("Hello", "It works.\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_with_status_0(serve: StartServe, number: int) -> None:
    served = serve()
    with socket.create_connection((served.facts["smtp_host"], served.facts["smtp_port"])) as idle:
        assert idle.recv(10)
        assert served.end(number) == (0, NO_MAIL)


def test_two_signals_at_once_end_it_as_one_does(serve: StartServe) -> None:
    for _ in range(5):
        served = serve()
        served.process.send_signal(signal.SIGINT)
        assert served.end(signal.SIGTERM) == (0, NO_MAIL)


def test_what_cannot_be_done_at_the_start_is_one_line(tmp_path: Path) -> None:
    for arguments in (["--ready-file", str(tmp_path / "no" / "ready")], ["--starttls", "--tls-cert", "nowhere.pem"]):
        done = subprocess.run(
            [*SERVE, *ANY_PORT, *arguments], capture_output=True, text=True, timeout=60, env=environment(), check=False
        )
        assert done.returncode in {1, 2}
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith("sirrchat-testkit: ")


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "nothing"])
@pytest.mark.parametrize("flag", ["--ready-file", "--tls-cert"])
def test_only_regular_files_are_read_and_replaced(tmp_path: Path, flag: str, kind: str) -> None:
    path = tmp_path / "named"
    if kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path.symlink_to("/dev/null")
    elif kind == "folder":
        path.mkdir()
    given = "" if kind == "nothing" and flag == "--ready-file" else str(path)
    done = subprocess.run(
        [*SERVE, *ANY_PORT, "--starttls", flag, given],
        capture_output=True,
        text=True,
        timeout=60,
        env=environment(),
        check=False,
    )
    why = "No such file or directory" if kind == "nothing" and given else "it is not a regular file"
    verb = "write" if flag == "--ready-file" else "read"
    assert (done.returncode, done.stderr) == (1, f"sirrchat-testkit: cannot {verb} {given or '.'}: {why}\n")
    assert [*tmp_path.iterdir()] == ([] if kind == "nothing" else [path])
    assert not path.is_file()


def test_one_line_of_json_tells_a_program_everything(serve: StartServe, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    served = serve("--ready-file", str(ready))
    assert served.facts.keys() == {"smtp_host", "smtp_port", "api_url", "api_key", "version"}
    assert served.facts["version"] == __version__
    assert served.facts["smtp_host"] == "127.0.0.1"
    assert served.facts["api_url"].startswith("http://127.0.0.1:")
    assert ready.read_text() == served.line
    assert list(tmp_path.iterdir()) == [ready]


def test_with_tls_a_program_and_a_person_are_told_where_and_whom_to_trust(serve: StartServe) -> None:
    served = serve("--starttls", "--smtps-port", "0")
    context = ssl.create_default_context(cafile=served.facts["smtp_ca_file"])
    with smtplib.SMTP_SSL("localhost", served.facts["smtps_port"], context=context) as smtp:
        assert smtp.noop()[0] == 250
    with connect(served) as smtp:
        assert smtp.starttls(context=context)[0] == 220
    process = subprocess.Popen([*SERVE, *ANY_PORT, "--starttls"], stdout=subprocess.PIPE, text=True, env=environment())
    assert process.stdout is not None
    assert [process.stdout.readline().split()[0] for _ in range(2)] == ["SMTP", "CA"]
    process.terminate()
    process.communicate()


def closed_pipe() -> int:
    """Return the end for writing of a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return writer


@pytest.mark.parametrize("arguments", [[], ["--json"]], ids=["for a person", "for a program"])
def test_it_serves_on_if_the_reader_of_its_output_has_gone(arguments: list[str], tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    output = closed_pipe()
    process = subprocess.Popen(
        [*SERVE, *ANY_PORT, *arguments, "--ready-file", str(ready)],
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
    )
    os.close(output)
    while not ready.exists():
        assert process.poll() is None
    facts = json.loads(ready.read_text())
    with smtplib.SMTP(facts["smtp_host"], facts["smtp_port"]) as smtp:
        assert smtp.noop()[0] == 250
    process.terminate()
    _, errors = process.communicate(timeout=60)
    assert (process.returncode, errors) == (0, NO_MAIL)


def test_an_output_that_cannot_be_written_is_one_clear_line() -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*SERVE, *ANY_PORT], stdout=full, stderr=subprocess.PIPE, text=True, env=environment(), check=False
        )
    assert (done.returncode, done.stderr) == (
        1,
        "sirrchat-testkit: cannot write to stdout: No space left on device\n",
    )


@pytest.mark.parametrize("flags", [[], ["--json"]])
def test_another_command_ends_as_by_sigpipe_if_the_reader_of_its_output_has_gone(
    mailserver: MailServer, flags: list[str]
) -> None:
    mailserver.add_account()  # with a key
    output = closed_pipe()
    done = subprocess.run(
        [*SERVE[:-1], "api-key", "list", "--url", mailserver.api_url, "--api-key", mailserver.api_key, *flags],
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        env=environment(),
        check=False,
    )
    os.close(output)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


def test_a_known_key_is_taken_and_another_is_not(serve: StartServe) -> None:
    served = serve("--api-key", "known")
    assert served.facts["api_key"] == "known"
    url = f"{served.facts['api_url']}/api/emails"
    assert json.loads(ask(served, url)) == {"emails": [], "nextCursor": None, "total": 0}
    assert curl("-o", os.devnull, "-w", "%{http_code}", "-H", "X-API-Key: other", url) == "401"


def test_two_starts_have_different_keys(serve: StartServe) -> None:
    assert serve().facts["api_key"] != serve().facts["api_key"]


def test_every_setting_has_a_flag_and_a_variable_and_the_flag_wins(serve: StartServe) -> None:
    assert {"--domain", "--unknown-recipients", "--max-addresses", "--host"} <= {each.flag for each in OPTIONS}
    served = serve(
        "--domain", "a.example", "--domain", "b.example",
        SIRRCHAT_TESTKIT_DOMAIN="c.example", SIRRCHAT_TESTKIT_UNKNOWN_RECIPIENTS="keep",
    )  # fmt: skip
    listed = json.loads(ask(served, f"{served.facts['api_url']}/api/email/domains"))
    assert listed == {"domains": ["a.example", "b.example"]}
    assert send(served, "nobody@a.example") == {}


def test_lists_are_comma_separated_in_the_environment(serve: StartServe) -> None:
    served = serve(SIRRCHAT_TESTKIT_DOMAIN="a.example, b.example")
    listed = json.loads(ask(served, f"{served.facts['api_url']}/api/email/domains"))
    assert listed == {"domains": ["a.example", "b.example"]}


@pytest.mark.parametrize("flag", ["--smtp-port", "--http-port"])
def test_a_taken_port_is_one_clear_line_and_status_1(flag: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [*SERVE, *ANY_PORT, flag, port], capture_output=True, text=True, timeout=60, env=environment(), check=False
        )
    assert (done.returncode, done.stdout) == (1, "")
    kind = "SMTP" if flag == "--smtp-port" else "HTTP"
    trouble = f"cannot listen for {kind} on 127.0.0.1:{port}: Address already in use"
    assert done.stderr == f"sirrchat-testkit: {trouble}; {flag} 0 picks a free one\n"


@pytest.mark.parametrize("folder", ["file", "file/below"])
def test_a_folder_that_cannot_be_used_is_one_clear_line(folder: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = subprocess.run(
        [*SERVE, *ANY_PORT, "--data", str(tmp_path / folder)],
        capture_output=True, text=True, timeout=60, env=environment(), check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        1,
        (
            f"sirrchat-testkit: cannot open the data folder {tmp_path / folder}: it is not a folder; "
            "choose another with --data, or leave it out to keep everything in memory\n"
        ),
    )


@pytest.mark.parametrize(
    ("host", "trouble"), [("192.0.2.1", "Cannot assign requested address"), ("a.invalid", "Name or service not known")]
)
def test_a_host_that_is_not_of_this_machine_is_one_clear_line(host: str, trouble: str) -> None:
    done = subprocess.run(
        [*SERVE, *ANY_PORT, "--host", host],
        capture_output=True, text=True, timeout=60, env=environment(), check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert re.fullmatch(
        rf"sirrchat-testkit: cannot listen for SMTP on {re.escape(host)}:0: ({trouble}|[^;\n]*name resolution); "
        r"--host is an address of this machine, such as 127\.0\.0\.1, or 0\.0\.0\.0 for all of them\n",
        done.stderr,
    )


def test_a_port_that_needs_rights_is_one_clear_line(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EACCES, "cannot listen for SMTP on 127.0.0.1:25: Permission denied")

    monkeypatch.setattr(MailServer, "start", refuse)
    monkeypatch.setattr(signal, "pthread_sigmask", lambda *_: None)
    assert main(["serve", "--smtp-port", "25"]) == 1
    assert capsys.readouterr().err == (
        "sirrchat-testkit: cannot listen for SMTP on 127.0.0.1:25: Permission denied; "
        "ports below 1024 need special rights: choose another with --smtp-port\n"
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["--smtp-port", "x"], "--smtp-port must be a whole number from 0 to 65535, not 'x'"),
        (["--http-port", "70000"], "--http-port must be a whole number from 0 to 65535, not '70000'"),
        (
            ["--domain", "a b"],
            "--domain must be a list of domain names such as 'example.com', at least one, not ['a b']",
        ),
        (["--foreign-recipients", "relay"], "--foreign-recipients must be 'keep' or 'reject', not 'relay'"),
        (["--tls-required"], "--tls-required needs TLS: set --starttls or --smtps-port too"),
        (["--tls-key", "key.pem"], "--tls-key is the private key of --tls-cert: set both"),
    ],
)
def test_a_wrong_setting_is_one_clear_line_and_status_2(arguments: list[str], text: str) -> None:
    done = subprocess.run(
        [*SERVE, *arguments], capture_output=True, text=True, timeout=60, env=environment(), check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"sirrchat-testkit: {text}\n")


def test_a_wrong_variable_is_told_by_its_name() -> None:
    done = subprocess.run(
        SERVE, capture_output=True, text=True, timeout=60, env=environment(SIRRCHAT_TESTKIT_HTTP_PORT="x"), check=False
    )
    assert (
        done.stderr == "sirrchat-testkit: SIRRCHAT_TESTKIT_HTTP_PORT must be a whole number from 0 to 65535, not 'x'\n"
    )


@pytest.mark.parametrize("flag", ["--tls-cert", "--tls-key"])
def test_a_file_that_is_not_there_is_named(flag: str, tmp_path: Path) -> None:
    (tmp_path / "there.pem").touch()
    files = {"--tls-cert": str(tmp_path / "there.pem"), "--tls-key": str(tmp_path / "there.pem"), flag: "nofile.pem"}
    done = subprocess.run(
        [*SERVE, *ANY_PORT, "--starttls", *(word for pair in files.items() for word in pair)],
        capture_output=True, text=True, timeout=60, env=environment(), check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        1,
        "sirrchat-testkit: cannot read nofile.pem: No such file or directory\n",
    )


def test_the_help_says_what_a_command_line_can_be_given() -> None:
    done = subprocess.run([*SERVE, "--help"], capture_output=True, text=True, timeout=60, env=environment(), check=True)
    assert "None" not in done.stdout
    said = " ".join(done.stdout.split())
    assert "such as ann@example.com=token" in said
    assert "Can be repeated. [default: none; SIRRCHAT_TESTKIT_OAUTH_TOKENS]" in said
    assert "--auth optional|required|tls" in said
    for group in dict.fromkeys(each.row.group for each in OPTIONS):
        assert f"\n{group}:\n" in done.stdout


def run(command: str) -> str:
    return subprocess.run(command, shell=True, capture_output=True, text=True, timeout=60, check=True).stdout


def told(*arguments: str) -> tuple[subprocess.Popen[str], list[str]]:
    """Return a ``serve`` of its own, and the lines that it greets a person with."""
    process = subprocess.Popen([*SERVE, *ANY_PORT, *arguments], stdout=subprocess.PIPE, text=True, env=environment())
    assert process.stdout is not None
    lines: list[str] = []
    while not lines or "Ctrl-C" not in lines[-1]:
        lines.append(process.stdout.readline())
        assert lines[-1]
    return process, lines


@pytest.mark.parametrize("arguments", [[], ["--starttls"], ["--smtps-port", "0"]])
def test_a_person_is_told_what_to_type_next(arguments: list[str]) -> None:
    process, lines = told(*arguments)
    commands = [line.strip() for line in lines if line.startswith("  ")]
    made, _, waited = [run(command) for command in commands[:3]]
    assert json.loads(made)["email"] == "ann@example.com"
    [message] = json.loads(waited)["data"]
    assert message["from"] == "you@example.org"
    assert message["to"] == ["ann@example.com"]
    assert message["text"] == "It works.\n"
    process.terminate()
    process.communicate()
    assert process.returncode == 0


@pytest.mark.parametrize(
    "arguments", [[], ["--auth", "required"], ["--auth", "tls", "--starttls"], ["--auth", "tls", "--smtps-port", "0"]]
)
def test_a_person_is_told_how_to_log_in(arguments: list[str]) -> None:
    process, lines = told(*arguments)
    assert any("accepted only after a login" in line for line in lines) == bool(arguments)
    assert any("you@example.org" in line for line in lines) != bool(arguments)
    make_address, *_, make_user, send = [line.strip() for line in lines if line.startswith("  ")]
    run(make_address)
    user = json.loads(run(make_user))["id"]
    run(send)
    url, key = make_user.split()[4].removesuffix("/users"), make_user.split("Bearer ")[1].split("'")[0]
    sent = json.loads(run(f"curl -s -H 'Authorization: Bearer {key}' '{url}/users/{user}/messages?mailbox=Sent'"))
    assert [each["subject"] for each in sent["data"]] == ["Hello"]
    process.terminate()
    process.communicate()


@pytest.mark.parametrize("arguments", [["--hide-extension", "AUTH"], ["--auth", "tls"]])
def test_where_nobody_can_log_in_nobody_is_told_how(arguments: list[str]) -> None:
    process, lines = told(*arguments)
    assert "--user" not in "".join(lines)
    process.terminate()
    process.communicate()


def facts(lines: list[str]) -> dict[str, str]:
    """Return what the first screen says, by the word that a line begins with."""
    found = (re.match(r"(\S+(?: \S+)?)  +(\S.*)", line) for line in lines)
    return {each[1]: each[2] for each in found if each}


SIGNS_IN = r"ui/sign-in/\w{32} \(signs in once; later, use the API key\)"


@pytest.mark.parametrize(
    ("arguments", "host", "web"),
    [
        (["--host", "localhost"], "127.0.0.1", ""),
        (["--host", "127.0.0.2"], "127.0.0.2", ""),
        (["--web-auth"], "127.0.0.1", SIGNS_IN),
        (["--host", "0.0.0.0"], "127.0.0.1", SIGNS_IN),
    ],
    ids=lambda each: " ".join(each) if isinstance(each, list) else "",
)
def test_a_person_is_told_where_the_web_inbox_is(arguments: list[str], host: str, web: str) -> None:
    process, lines = told(*arguments)
    found = facts(lines)
    assert re.fullmatch(rf"{host}:\d+, without TLS; logging in is optional", found["SMTP"])
    assert re.fullmatch(rf"http://{host}:\d+/{web}", found["Web inbox"])
    assert ("Elsewhere" in found) == ("0.0.0.0" in arguments)
    process.terminate()
    process.communicate()


def test_a_person_is_told_where_the_data_is(tmp_path: Path) -> None:
    process, lines = told("--data", str(tmp_path / "mail"))
    assert facts(lines)["Data folder"] == str(tmp_path / "mail")
    process.terminate()
    process.communicate()


def test_a_person_is_told_how_others_connect() -> None:
    process, lines = told("--host", "0.0.0.0", "--advertise", "mail.example", "--no-simulators", "--smtps-port", "0")
    found = facts(lines)
    assert re.fullmatch(r"mail\.example:\d+ and http://mail\.example:\d+", found["Elsewhere"])
    assert re.fullmatch(r"127\.0\.0\.1:\d+, with TLS from the start", found["SMTPS"])
    assert not {"Simulators", "Data folder"} & found.keys()
    process.terminate()
    process.communicate()


def test_a_command_that_was_told_fails_aloud() -> None:
    process, lines = told()
    commands = [line.strip() for line in lines if line.startswith("  ")]
    assert all("curl -sS " in command for command in commands)
    process.terminate()
    process.communicate()
    done = subprocess.run(commands[1], shell=True, capture_output=True, text=True, timeout=60, check=False)
    assert done.stderr.startswith("curl: (")


def test_an_unknown_flag_is_answered_with_the_command_s_own_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["serve", "--api-port", "1"])
    assert capsys.readouterr().err == (
        "sirrchat-testkit: there is no flag --api-port; see sirrchat-testkit serve --help\n"
    )


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["serve", "--smtp-prot", "1"], "there is no flag --smtp-prot; did you mean --smtp-port?"),
        (["serve", "--smtp-prot=1"], "there is no flag --smtp-prot; did you mean --smtp-port?"),
        (["serve", "--max-rec", "1"], "there is no flag --max-rec; see sirrchat-testkit serve --help"),
        (["serve", "now"], "there is no argument now; see sirrchat-testkit serve --help"),
        (["api-key", "creat"], "there is no command creat; did you mean create?"),
        (["mail"], f"there is no command mail; there are {NAMES}"),
        (["Mail"], f"there is no command Mail; there are {NAMES}"),
        (["api-key", "create"], "--user is missing; see sirrchat-testkit api-key create --help"),
        (["api-key"], "a command is missing; see sirrchat-testkit api-key --help"),
        ([], "a command is missing; see sirrchat-testkit --help"),
        (["api-key", "create", "--role", "root"], "there is no role root; there are admin, user"),
    ],
)
def test_a_wrong_command_line_is_one_line_with_the_nearest_name(
    arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(arguments)
    assert capsys.readouterr().err == f"sirrchat-testkit: {text}\n"


def test_an_unknown_variable_is_reported_with_the_nearest_name(serve: StartServe) -> None:
    served = serve(SIRRCHAT_TESTKIT_DOMIANS="a.example", SIRRCHAT_TESTKIT_SMTP_HOST="x", SIRRCHAT_TESTKIT_COLOUR="1")
    assert served.end()[1] == (
        "sirrchat-testkit: there is no variable SIRRCHAT_TESTKIT_COLOUR, so it is ignored; "
        "serve --help lists the variables\n"
        "sirrchat-testkit: there is no variable SIRRCHAT_TESTKIT_DOMIANS, so it is ignored; "
        "did you mean SIRRCHAT_TESTKIT_DOMAINS?\n"
        f"{NO_MAIL}"
    )


@pytest.mark.parametrize("name", ["SIRRCHAT_TESTKIT_DOMAIN", "SIRRCHAT_TESTKIT_DOMAINS"])
def test_the_variable_of_a_list_is_singular_or_plural(serve: StartServe, name: str) -> None:
    served = serve(**{name: "a.example,b.example"})
    listed = json.loads(ask(served, f"{served.facts['api_url']}/api/email/domains"))
    assert listed == {"domains": ["a.example", "b.example"]}


def test_the_singular_and_the_plural_variable_together_are_refused() -> None:
    both = environment(SIRRCHAT_TESTKIT_DOMAIN="a.example", SIRRCHAT_TESTKIT_DOMAINS="b.example")
    done = subprocess.run([*SERVE, *ANY_PORT], capture_output=True, text=True, timeout=60, env=both, check=False)
    assert (done.returncode, done.stderr) == (
        2,
        "sirrchat-testkit: SIRRCHAT_TESTKIT_DOMAINS and SIRRCHAT_TESTKIT_DOMAIN are both set: set only one of them\n",
    )


def test_help_loads_no_server() -> None:
    code = (
        "import sys; from sirrchat_testkit.cli import main\ntry: main(['serve', '--help'])\nexcept SystemExit: pass\n"
    )
    heavy = "print([each for each in ('aiohttp', 'pydantic', 'httpx', 'tinydb', 'asyncio') if each in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code + heavy], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_without_the_extra_tls_the_flags_of_a_certificate_are_named(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    monkeypatch.setattr(signal, "pthread_sigmask", lambda *_: None)
    assert main(["serve", *ANY_PORT, "--starttls"]) == 1
    assert capsys.readouterr().err.endswith("to have one made, or set --tls-cert and --tls-key\n")


def test_the_garbage_collector_skips_what_was_loaded_at_the_start(serve: StartServe) -> None:
    code = (
        "import atexit, gc, sys\n"
        "from sirrchat_testkit.cli import main\n"
        "atexit.register(lambda: print(gc.get_freeze_count(), file=sys.stderr))\n"
        "raise SystemExit(main())"
    )
    served = serve("--quiet", command=[sys.executable, "-c", code, "serve"])
    status, errors = served.end()
    assert (status, int(errors) > 1000) == (0, True)
