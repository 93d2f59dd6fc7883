"""A data folder: what was acknowledged survives kill -9, a restart, and a full disk is answered in words."""

import contextlib
import errno
import http.client
import itertools
import os
import resource
import shutil
import signal
import smtplib
import subprocess
import sys
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from sirrchat_testkit import MailServer
from sirrchat_testkit.errors import StoreLocked
from tests.support import ANY_PORT, SERVE, Serve, StartServe, call_api, connect, environment, generate

COMPACT = (
    "from sirrchat_testkit.storage import TinyStore, segments;"
    "TinyStore.__init__.__kwdefaults__['compact_at'] = 20_000; segments.SEGMENT = 15_000;"
    "from sirrchat_testkit.cli import main; raise SystemExit(main())"
)
COMPACTING = [sys.executable, "-c", COMPACT, "serve"]
BODY = "x" * 300
LIVES = [3, pytest.param(26, marks=[pytest.mark.slow, pytest.mark.timeout(1800)])]
"""Kills in each of four modes."""


@pytest.fixture
def start(serve: StartServe, tmp_path: Path) -> StartServe:
    """Start ``serve`` on the test's folder."""
    return partial(serve, "--password-cost", "4", "--data", str(tmp_path), "--api-key", "known")


def make(server: Serve, name: str) -> str:
    made = generate(server, name)
    assert made.status == 200, made
    return str(made.json["id"])


def subjects(server: Serve, email_id: str) -> Iterator[str]:
    cursor = ""
    while cursor is not None:
        page = call_api(server, "GET", f"/api/emails/{email_id}?cursor={cursor}")
        assert page.status == 200, page
        yield from (each["subject"] for each in page.json["messages"])
        cursor = page.json["nextCursor"]


def newest_can_be_read(server: Serve, email_id: str) -> None:
    """Check that the newest messages have their contents."""
    for each in call_api(server, "GET", f"/api/emails/{email_id}").json["messages"]:
        read = call_api(server, "GET", f"/api/emails/{email_id}/{each['id']}")
        assert BODY in read.json["message"]["content"], read


def compacts(folder: Path) -> bool:
    """Tell whether the folder has a new journal and not yet the snapshot that replaces the old one."""
    return len(list(folder.glob("journal-*"))) > 1


def delete_until_it_dies(server: Serve, email_id: str, deleted: set[str], maybe: set[str]) -> None:
    """Delete most of what comes, so that segments are compacted."""
    with contextlib.suppress(OSError, http.client.HTTPException):
        while True:
            page = call_api(server, "GET", f"/api/emails/{email_id}")
            for each in page.json["messages"][3:]:
                maybe.add(each["subject"])
                gone = call_api(server, "DELETE", f"/api/emails/{email_id}/{each['id']}")
                assert gone.status == 200, gone
                deleted.add(each["subject"])


def mail(subject: str) -> str:
    return f"From: a@shop.example\r\nSubject: {subject}\r\n\r\n{BODY}\r\n"


def send_until_it_dies(server: Serve, recipient: str, tag: str, acknowledged: list[str]) -> None:
    with contextlib.suppress(OSError, smtplib.SMTPException), connect(server) as smtp:
        for number in itertools.count():
            subject = f"{tag}-{number}"
            smtp.sendmail("a@shop.example", [recipient], mail(subject))
            acknowledged.append(subject)


def send_until_it_is_compacted(server: Serve, segment: Path) -> None:
    make(server, "last")
    with connect(server) as smtp:
        while segment.exists():
            smtp.sendmail("a@shop.example", ["last@example.com"], mail("last"))


def make_until_it_dies(server: Serve, tag: str, acknowledged: dict[str, str]) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        for number in itertools.count():
            name = f"{tag}-{number}"
            acknowledged[name] = make(server, name)


def administer_until_it_dies(server: Serve, tag: str, acknowledged: list[str]) -> None:
    with contextlib.suppress(OSError, http.client.HTTPException):
        for number in range(10):
            user = {"email": f"{tag}-{number}@example.com", "password": "secret"}
            made = call_api(server, "POST", "/api/v1/users", user)
            assert made.status == 201, made
            acknowledged.append(f"/api/v1/users/{made.json['id']}")
            webhook = {"url": "http://127.0.0.1:9/", "events": ["email.sent"]}
            made = call_api(server, "POST", "/api/v1/webhooks", webhook)
            assert made.status == 201, made
            acknowledged.append(f"/api/v1/webhooks/{made.json['id']}")


@pytest.mark.timeout(300)
@pytest.mark.parametrize("lives", LIVES, ids=["few", "many"])
@pytest.mark.parametrize("compacting", [False, True], ids=["quiet", "compacting"])
@pytest.mark.parametrize("arguments", [(), ("--fsync",)], ids=["default", "fsync"])
def test_what_smtp_and_rest_acknowledged_survives_kills(
    start: StartServe, tmp_path: Path, arguments: tuple[str, ...], lives: int, *, compacting: bool
) -> None:
    sent: list[str] = []
    made: dict[str, str] = {}
    managed: list[str] = []
    deleted: set[str] = set()
    maybe: set[str] = set()
    interrupted = 0
    command = COMPACTING if compacting else SERVE
    server = start(*arguments, command=command)
    box = make(server, "box")
    for life in range(lives):
        work = [
            threading.Thread(target=send_until_it_dies, args=(server, "box@example.com", f"{life}-{n}", sent))
            for n in range(2)
        ]
        work.append(threading.Thread(target=make_until_it_dies, args=(server, f"a{life}", made)))
        work.append(threading.Thread(target=administer_until_it_dies, args=(server, f"u{life}", managed)))
        if compacting:
            work.append(threading.Thread(target=delete_until_it_dies, args=(server, box, deleted, maybe)))
        for each in work:
            each.start()
        enough = len(sent) + 40
        while len(sent) < enough:
            call_api(server, "GET", "/api/emails")
        while compacting and not compacts(tmp_path):
            call_api(server, "GET", "/api/email/domains")
        server.end(signal.SIGKILL)
        for each in work:
            each.join()
        interrupted += compacts(tmp_path)
        server = start(*arguments, command=command)
        found = list(subjects(server, box))
        assert set(sent) - maybe <= set(found)
        assert not deleted & set(found)
        assert len(found) == len(set(found))
        maybe.difference_update(found)
        newest_can_be_read(server, box)
    for name, address_id in made.items():
        answer = call_api(server, "GET", f"/api/emails/{address_id}")
        assert (answer.status, answer.json["messages"]) == (200, []), name
    for path in managed:
        assert call_api(server, "GET", path).status == 200, path
    assert interrupted >= lives // 2 if compacting else not interrupted
    if compacting:
        assert call_api(server, "DELETE", f"/api/emails/{box}").status == 200
        send_until_it_is_compacted(server, tmp_path / "raw-000001.seg")
    server.end()


def test_a_restart_brings_everything_back_and_reuses_no_uid(tmp_path: Path) -> None:
    with MailServer(data=str(tmp_path)) as server:
        inbox = server.make_inbox(address="box@example.com")
        key = inbox.api_key
        inbox.deliver(subject="first")
        inbox.deliver(subject="second")
        last = inbox.messages[-1]
        inbox.clear()
    with MailServer(data=str(tmp_path)) as server:
        inbox = server.inbox_for("box@example.com")
        assert inbox.messages == []
        inbox.deliver(subject="third")
        assert inbox.messages[0].uid > last.uid
        page = call_api(server, "GET", f"/api/emails/{inbox.id}", key=key)
        assert [each["subject"] for each in page.json["messages"]] == ["third"]


def test_a_restart_parses_no_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    raw = b"Subject: Hello\r\n" + b"X: y\r\n" * 2000 + b"Content-Type: text/html\r\n\r\n" + b"<p>" * 100_000
    with MailServer(data=tmp_path) as server:
        server.make_inbox(address="ann@example.com").deliver(raw)

    def fail(*_: object, **__: object) -> None:
        raise AssertionError("a message was parsed")

    with monkeypatch.context() as patch:
        for name in ("sirrchat_testkit.domain.delivery.read_header", "sirrchat_testkit.mail.mime.parse"):
            patch.setattr(name, fail)
        server = MailServer(data=tmp_path).start()
        try:
            [message] = server.messages
            assert message.subject == "Hello"
        finally:
            server.stop()
    with MailServer(data=tmp_path) as server:
        [message] = server.messages
        assert message.problems[0].startswith("the header is longer than 100 KiB or 500 fields")


def test_keys_lie_in_the_folder_only_as_hashes(tmp_path: Path) -> None:
    with MailServer(data=str(tmp_path), api_key="mk_live_the_admins") as server:
        keys = [server.api_key, server.make_inbox().api_key]
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert written
    for key in keys:
        assert key.encode() not in written


def test_ids_in_a_folder_do_not_follow_from_the_seed(tmp_path: Path) -> None:
    ids = []
    for folder in ("one", "two"):
        with MailServer(data=str(tmp_path / folder)) as server:
            ids.append(server.make_inbox(address="box@example.com").id)
    assert ids[0] != ids[1]


def test_a_scope_on_a_folder_keeps_what_it_held(tmp_path: Path) -> None:
    with MailServer(data=str(tmp_path)) as server:
        inbox = server.make_inbox(address="box@example.com")
        inbox.deliver(subject="kept")
        with server.scope("test"):
            inbox.clear()
            server.make_inbox().deliver(subject="gone")
        assert [each.subject for each in server.messages] == ["kept"]
    with MailServer(data=str(tmp_path)) as server:
        assert [each.subject for each in server.messages] == ["kept"]
        assert b"Subject: kept" in server.messages[0].raw


def test_a_second_process_is_told_who_has_the_folder(tmp_path: Path) -> None:
    with MailServer(data=str(tmp_path)):
        with pytest.raises(StoreLocked, match=str(tmp_path)):
            MailServer(data=str(tmp_path)).start()
        done = subprocess.run(
            [*SERVE, *ANY_PORT, "--data", str(tmp_path)],
            capture_output=True, text=True, timeout=60, check=False, env=environment(),
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
        server.make_inbox()
    owner.communicate()


def test_a_folder_that_was_deleted_takes_nothing_more(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    with MailServer(data=str(folder)) as server:
        inbox = server.make_inbox(address="box@example.com")
        shutil.rmtree(folder)
        with (
            connect(server) as smtp,
            pytest.raises(smtplib.SMTPResponseException) as caught,
        ):
            smtp.sendmail("a@shop.example", [inbox.address], mail("lost"))
        assert caught.value.smtp_code in {451, 452}


def test_a_full_disk_is_452_and_507_and_reads_go_on(start: StartServe) -> None:
    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    server = start(preexec_fn=limit)
    box = make(server, "box")
    taken = 0
    with connect(server) as smtp:
        refusal = None
        while refusal is None:
            try:
                smtp.sendmail("a@shop.example", ["box@example.com"], mail(str(taken)))
                taken += 1
            except smtplib.SMTPDataError as error:
                refusal = error
    assert str(refusal).startswith("(452, b'4.3.1 ")
    answer, number = generate(server, "b"), 0
    while answer.status == 200:
        number += 1
        answer = generate(server, f"{'b' * 50}{number}")
    assert (answer.status, list(answer.json)) == (507, ["error"])
    assert sorted(map(int, subjects(server, box))) == list(range(taken))
    server.end()
    server = start()
    assert sorted(map(int, subjects(server, box))) == list(range(taken))
    with connect(server) as smtp:
        smtp.sendmail("a@shop.example", ["box@example.com"], mail("again"))
    server.end()


def test_after_a_failed_fsync_nothing_is_taken_until_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_descriptor: int) -> None:
        raise OSError(errno.EIO, "input/output error")

    def send(server: MailServer) -> tuple[int, bytes]:
        with connect(server) as smtp:
            smtp.ehlo()
            smtp.mail("a@shop.example")
            code, text = smtp.rcpt("box@example.com")
            return smtp.data(mail("sent")) if code == 250 else (code, text)

    with MailServer(data=str(tmp_path), fsync=True) as server:
        inbox = server.make_inbox(address="box@example.com")
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
