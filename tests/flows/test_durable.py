"""A data folder: what was acknowledged survives kill -9, a restart, and a full disk is answered in words."""

import contextlib
import errno
import http.client
import itertools
import json
import os
import resource
import shutil
import signal
import smtplib
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sirrchat_testkit import MailServer
from sirrchat_testkit.core.errors import StoreLocked

COMPACTING = (
    "from sirrchat_testkit.store import TinyStore; TinyStore.__init__.__kwdefaults__['compact_at'] = 20_000;"
    "from sirrchat_testkit.cli import main; raise SystemExit(main())"
)
COMMAND = [sys.executable, "-m", "sirrchat_testkit", "serve", "--smtp-port", "0", "--http-port", "0"]
BODY = "x" * 300
LIVES = 13
"""Kills in each of four modes."""


RUNNING: list[subprocess.Popen[str]] = []


@pytest.fixture(autouse=True)
def nothing_left_running() -> Iterator[None]:
    yield
    while RUNNING:
        process = RUNNING.pop()
        process.kill()
        process.communicate()


class Serve:
    """``serve --data`` in a process of its own."""

    def __init__(
        self,
        folder: Path,
        *arguments: str,
        preexec_fn: Callable[[], None] | None = None,
        compacting: bool = False,
    ) -> None:
        command = [sys.executable, "-c", COMPACTING, *COMMAND[3:]] if compacting else COMMAND
        self.process = subprocess.Popen(
            [*command, "--json", "--password-cost", "4", "--data", str(folder), "--api-key", "known", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            preexec_fn=preexec_fn,  # noqa: PLW1509 - it only sets a limit
        )
        RUNNING.append(self.process)
        assert self.process.stdout is not None
        self.facts: dict[str, Any] = json.loads(self.process.stdout.readline())

    def request(self, method: str, path: str, body: object = None) -> Any:
        connection = http.client.HTTPConnection(self.facts["api_url"].removeprefix("http://"), timeout=30)
        with contextlib.closing(connection):
            headers = {"X-API-Key": "known", "Authorization": "Bearer known"}
            connection.request(method, path, json.dumps(body) if body else None, headers)
            answer = connection.getresponse()
            return answer.status, json.loads(answer.read())

    def make(self, name: str) -> str:
        status, made = self.request(
            "POST", "/api/emails/generate", {"name": name, "expiryTime": 0, "domain": "example.com"}
        )
        assert status == 200, made
        return str(made["id"])

    def smtp(self) -> smtplib.SMTP:
        return smtplib.SMTP(self.facts["smtp_host"], self.facts["smtp_port"], timeout=30)

    def subjects(self, email_id: str) -> Iterator[str]:
        cursor = ""
        while cursor is not None:
            status, page = self.request("GET", f"/api/emails/{email_id}?cursor={cursor}")
            assert status == 200, page
            yield from (each["subject"] for each in page["messages"])
            cursor = page["nextCursor"]

    def kill(self, number: int = signal.SIGKILL) -> None:
        self.process.send_signal(number)
        self.process.communicate(timeout=60)


def compacts(folder: Path) -> bool:
    """Tell whether the folder has a new journal and not yet the snapshot that replaces the old one."""
    return len(list(folder.glob("journal-*"))) > 1


def mail(subject: str) -> str:
    return f"From: a@shop.example\r\nSubject: {subject}\r\n\r\n{BODY}\r\n"


def send_until_it_dies(server: Serve, recipient: str, tag: str, acknowledged: list[str]) -> None:
    with contextlib.suppress(OSError, smtplib.SMTPException), server.smtp() as smtp:
        for number in itertools.count():
            subject = f"{tag}-{number}"
            smtp.sendmail("a@shop.example", [recipient], mail(subject))
            acknowledged.append(subject)


def make_until_it_dies(server: Serve, tag: str, acknowledged: dict[str, str]) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        for number in itertools.count():
            name = f"{tag}-{number}"
            acknowledged[name] = server.make(name)


def administer_until_it_dies(server: Serve, tag: str, acknowledged: list[str]) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        for number in range(10):
            user = {"email": f"{tag}-{number}@example.com", "password": "secret"}
            status, made = server.request("POST", "/api/v1/users", user)
            assert status == 201, made
            acknowledged.append(f"/api/v1/users/{made['id']}")
            webhook = {"url": "http://127.0.0.1:9/", "events": ["email.sent"]}
            status, made = server.request("POST", "/api/v1/webhooks", webhook)
            assert status == 201, made
            acknowledged.append(f"/api/v1/webhooks/{made['id']}")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("compacting", [False, True], ids=["quiet", "compacting"])
@pytest.mark.parametrize("arguments", [(), ("--fsync",)], ids=["default", "fsync"])
def test_what_smtp_and_rest_acknowledged_survives_kills(
    tmp_path: Path, arguments: tuple[str, ...], *, compacting: bool
) -> None:
    sent: list[str] = []
    made: dict[str, str] = {}
    managed: list[str] = []
    interrupted = 0
    server = Serve(tmp_path, *arguments, compacting=compacting)
    box = server.make("box")
    for life in range(LIVES):
        work = [
            threading.Thread(target=send_until_it_dies, args=(server, "box@example.com", f"{life}-{n}", sent))
            for n in range(2)
        ]
        work.append(threading.Thread(target=make_until_it_dies, args=(server, f"a{life}", made)))
        work.append(threading.Thread(target=administer_until_it_dies, args=(server, f"u{life}", managed)))
        for each in work:
            each.start()
        enough = len(sent) + 40
        while len(sent) < enough:
            server.request("GET", "/api/emails")
        while compacting and not compacts(tmp_path):
            server.request("GET", "/api/email/domains")
        server.kill()
        for each in work:
            each.join()
        interrupted += compacts(tmp_path)
        server = Serve(tmp_path, *arguments, compacting=compacting)
        found = list(server.subjects(box))
        assert set(sent) <= set(found)
        assert len(found) == len(set(found))
    for name, address_id in made.items():
        status, answer = server.request("GET", f"/api/emails/{address_id}")
        assert (status, answer["messages"]) == (200, []), name
    for path in managed:
        assert server.request("GET", path)[0] == 200, path
    assert interrupted >= LIVES // 2 if compacting else not interrupted
    server.kill(signal.SIGTERM)


def test_a_restart_brings_everything_back_and_reuses_no_uid(tmp_path: Path) -> None:
    with MailServer(data=str(tmp_path)) as server:
        inbox = server.inbox_for("box@example.com")
        key = inbox.api_key
        inbox.deliver(subject="first")
        inbox.deliver(subject="second")
        last = inbox.messages[-1].record
        inbox.clear()
    with MailServer(data=str(tmp_path)) as server:
        inbox = server.inbox_for("box@example.com")
        assert inbox.messages == []
        inbox.deliver(subject="third")
        assert inbox.messages[0].record.seq > last.seq
        request = http.client.HTTPConnection(server.api_url.removeprefix("http://"))
        request.request("GET", f"/api/emails/{inbox.id}", headers={"X-API-Key": key})
        assert [each["subject"] for each in json.loads(request.getresponse().read())["messages"]] == ["third"]
        request.close()


def test_keys_lie_in_the_folder_only_as_hashes(tmp_path: Path) -> None:
    with MailServer(data=str(tmp_path), api_key="mk_live_the_admins") as server:
        keys = [server.api_key, server.open_inbox().api_key]
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert written
    for key in keys:
        assert key.encode() not in written


def test_ids_in_a_folder_do_not_follow_from_the_seed(tmp_path: Path) -> None:
    ids = []
    for folder in ("one", "two"):
        with MailServer(data=str(tmp_path / folder)) as server:
            ids.append(server.inbox_for("box@example.com").id)
    assert ids[0] != ids[1]


def test_a_scope_on_a_folder_keeps_what_it_held(tmp_path: Path) -> None:
    with MailServer(data=str(tmp_path)) as server:
        inbox = server.inbox_for("box@example.com")
        inbox.deliver(subject="kept")
        with server.scope("test"):
            inbox.clear()
            server.open_inbox().deliver(subject="gone")
        assert [each.subject for each in server.messages] == ["kept"]
    with MailServer(data=str(tmp_path)) as server:
        assert [each.subject for each in server.messages] == ["kept"]
        assert b"Subject: kept" in server.messages[0].raw


def test_a_second_process_is_told_who_has_the_folder(tmp_path: Path) -> None:
    with MailServer(data=str(tmp_path)):
        with pytest.raises(StoreLocked, match=str(tmp_path)):
            MailServer(data=str(tmp_path)).start()
        done = subprocess.run(
            [*COMMAND, "--data", str(tmp_path)],
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert str(tmp_path) in done.stderr


def test_a_killed_owner_s_folder_is_free_although_its_forked_child_lives(tmp_path: Path) -> None:
    code = (
        "import os, sys, time; from sirrchat_testkit import MailServer;"
        f"server = MailServer(data={str(tmp_path)!r}).start();"
        "pid = os.fork();"
        "pid or sys.stdin.read();"
        "print(pid, flush=True); sys.stdin.read()"
    )
    owner = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert owner.stdout is not None
    owner.stdout.readline()
    owner.kill()
    owner.wait()
    with MailServer(data=str(tmp_path)) as server:
        server.open_inbox()
    owner.communicate()


def test_a_folder_that_was_deleted_takes_nothing_more(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with MailServer(data=str(folder)) as server:
        inbox = server.inbox_for("box@example.com")
        shutil.rmtree(folder)
        with (
            smtplib.SMTP(server.smtp_host, server.smtp_port) as smtp,
            pytest.raises(smtplib.SMTPResponseException) as caught,
        ):
            smtp.sendmail("a@shop.example", [inbox.address], mail("lost"))
        assert caught.value.smtp_code in {451, 452}


def test_a_full_disk_is_452_and_507_and_reads_go_on(tmp_path: Path) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    server = Serve(tmp_path, preexec_fn=limit)
    box = server.make("box")
    taken = 0
    with server.smtp() as smtp:
        refusal = None
        while refusal is None:
            try:
                smtp.sendmail("a@shop.example", ["box@example.com"], mail(str(taken)))
                taken += 1
            except smtplib.SMTPDataError as error:
                refusal = error
    assert str(refusal).startswith("(452, b'4.3.1 ")
    status, answer, number = 200, {}, 0
    while status == 200:
        number += 1
        name = f"{'b' * 50}{number}"
        status, answer = server.request(
            "POST", "/api/emails/generate", {"name": name, "expiryTime": 0, "domain": "example.com"}
        )
    assert (status, list(answer)) == (507, ["error"])
    assert sorted(map(int, server.subjects(box))) == list(range(taken))
    server.kill(signal.SIGTERM)
    server = Serve(tmp_path)
    assert sorted(map(int, server.subjects(box))) == list(range(taken))
    with server.smtp() as smtp:
        smtp.sendmail("a@shop.example", ["box@example.com"], mail("again"))
    server.kill(signal.SIGTERM)


def test_after_a_failed_fsync_nothing_is_taken_until_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    def send(server: MailServer) -> tuple[int, bytes]:
        with smtplib.SMTP(server.smtp_host, server.smtp_port) as smtp:
            smtp.ehlo()
            smtp.mail("a@shop.example")
            code, text = smtp.rcpt("box@example.com")
            return smtp.data(mail("sent")) if code == 250 else (code, text)

    with MailServer(data=str(tmp_path), fsync=True) as server:
        inbox = server.inbox_for("box@example.com")
        assert send(server)[0] == 250
        with monkeypatch.context() as patched:
            for name in ("fsync", "fdatasync"):
                patched.setattr(os, name, fail)
            assert send(server)[0] == 452
        assert send(server)[0] == 452
        assert [each.subject for each in inbox.messages] == ["sent"]
    with MailServer(data=str(tmp_path), fsync=True) as server:
        assert [each.subject for each in server.messages] == ["sent"]
        assert send(server)[0] == 250
