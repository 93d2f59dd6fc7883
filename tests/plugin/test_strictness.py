"""What strict checks fail a test for, by real pytest inside pytest. The texts are golden files in ``golden/``."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
WORKERS = ("-p", "xdist", "-n", "2", "--dist", "loadfile")
MODES = pytest.mark.parametrize("workers", [(), WORKERS], ids=["plain", "two workers"])

HEAD = """
import smtplib
import pytest
from tests.support import send
"""

FINDINGS = """
def test_unread(mailserver, inbox):
    send(mailserver, inbox, subject="Read")
    send(mailserver, inbox, subject="June news")
    inbox.receive(subject="Read")

def test_several_unread(mailserver, make_inbox):
    for name in ("ann", "bob"):
        send(mailserver, make_inbox(address=f"{name}@example.com"))

def test_refused(mailserver, make_inbox):
    make_inbox(address="ann@example.com")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(mailserver, "anna@example.com")

def test_duplicate(mailserver, inbox):
    for text in ("Hi.", "Hi.", "Hello."):
        send(mailserver, inbox, text=text)
    inbox.receive_all(3)

def test_undelivered(mailserver, inbox, webhook_sink):
    mailserver.clock.freeze()
    mailserver.add_webhook(webhook_sink)
    webhook_sink.refuse(503)
    send(mailserver, inbox)
    inbox.receive()

def test_leaks(mailserver):
    connections.append(smtplib.SMTP(mailserver.smtp_host, mailserver.smtp_port))
    connections[-1].ehlo("shop.example")

connections = []
"""

NOTHING = """
from sirrchat_testkit import Client

def test_received_cleared_seen_delivered_by_the_test(mailserver, inbox, make_inbox):
    send(mailserver, inbox)
    inbox.receive()
    other = make_inbox()
    send(mailserver, other)
    other.clear()
    inbox.deliver(subject="x")
    inbox.deliver(subject="x")
    account = mailserver.add_account("ann@example.com")
    send(mailserver, account)
    import httpx
    url = f"{mailserver.api_url}/api/v1/users/{account.id}/messages"
    keys = {"Authorization": f"Bearer {account.api_key}"}
    [message] = httpx.get(url, headers=keys).json()["data"]
    httpx.get(f"{url}/{message['uid']}", headers=keys)

def test_refused_by_a_fault(mailserver, inbox):
    mailserver.faults.reject(stage="rcpt", code=451)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(mailserver, inbox)

def test_in_a_nested_scope_that_was_checked(mailserver, inbox):
    from sirrchat_testkit import StrictCheckFailed
    with pytest.raises(StrictCheckFailed, match="never received"), mailserver.scope():
        send(mailserver, inbox)
    with pytest.raises(StrictCheckFailed, match="was refused"), mailserver.scope():
        try:
            send(mailserver, "nobody@example.com")
        except smtplib.SMTPRecipientsRefused:
            pass

def test_other_texts_and_other_recipients(mailserver, make_inboxes):
    for each in make_inboxes(2):
        send(mailserver, each)
    send(mailserver, each, text="Another")
    mailserver.receive_all(3)

def test_a_delivered_webhook(mailserver, inbox, webhook_sink):
    mailserver.add_webhook(webhook_sink)
    send(mailserver, inbox)
    inbox.receive()

def test_a_closed_connection(mailserver):
    smtplib.SMTP(mailserver.smtp_host, mailserver.smtp_port).close()

def test_that_failed_already(mailserver, inbox):
    send(mailserver, inbox)
    pytest.fail("by itself")

def test_that_was_skipped(mailserver, inbox):
    send(mailserver, inbox)
    pytest.skip("by itself")
"""


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly", *arguments)


def failures(result: pytest.RunResult) -> str:
    """Return the name and the text of each failure, with everything replaced that differs between runs."""
    text = result.stdout.str()
    found = re.findall(
        r"^_+ (?:ERROR at teardown of )?(\w+) _+\n(.*?)(?=^-+ |^_+ |^=+ )", text, re.DOTALL | re.MULTILINE
    )
    shown = "\n".join(f"== {name}\n{body.strip()}" for name, body in sorted(found))
    return re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", re.sub(r"^\[gw\d\].*\n", "", shown, flags=re.MULTILINE)) + "\n"


def compare(name: str, text: str) -> None:
    """Compare ``text`` with a golden file."""
    file = GOLDEN / name
    if os.environ.get("SIRRCHAT_TESTKIT_GOLDEN") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, "utf-8")
    assert text == file.read_text("utf-8")


@MODES
def test_each_check_names_what_it_found(project: pytest.Pytester, workers: Sequence[str]) -> None:
    project.makeini("[pytest]\nmailserver_strict = true, leaks")
    project.makepyfile(test_shop=HEAD + FINDINGS)
    result = run(project, *workers)
    result.assert_outcomes(failed=6)
    compare("strict.txt", failures(result))


def test_true_is_all_but_leaks_and_the_default_is_none(project: pytest.Pytester) -> None:
    project.makepyfile(test_shop=HEAD + FINDINGS)
    run(project).assert_outcomes(passed=6)
    result = run(project, "-o", "mailserver_strict=true")
    result.assert_outcomes(passed=1, failed=5)
    result = run(project, "-o", "mailserver_strict=\n  unread\n  leaks")
    result.assert_outcomes(passed=3, failed=3)


@MODES
def test_what_a_test_dealt_with_does_not_fail_it(project: pytest.Pytester, workers: Sequence[str]) -> None:
    project.makeini("[pytest]\nmailserver_strict = true, leaks")
    project.makepyfile(test_shop=HEAD + NOTHING)
    result = run(project, *workers)
    result.assert_outcomes(passed=6, failed=1, skipped=1)
    result.stdout.fnmatch_lines(["FAILED test_shop.py::test_that_failed_already - Failed: by itself"])


def test_the_marker_wins_over_the_ini_file_and_that_over_the_settings(project: pytest.Pytester) -> None:
    project.makeconftest(
        """
        import pytest
        from sirrchat_testkit import Settings

        @pytest.fixture(scope="session")
        def mailserver_settings():
            return Settings(strict=["unread"])
        """
    )
    project.makepyfile(
        test_shop=HEAD
        + """
def test_plain(mailserver, inbox):
    send(mailserver, inbox)

@pytest.mark.mailserver(strict=False)
def test_lenient(mailserver, inbox):
    send(mailserver, inbox)

@pytest.mark.mailserver(strict=["unread"], timeout=3)
class TestClass:
    def test_strict(self, mailserver, inbox):
        assert mailserver.timeout == 3
        send(mailserver, inbox)

    @pytest.mark.mailserver(timeout=2)
    def test_timeout(self, mailserver, inbox):
        assert mailserver.timeout == 2
        send(mailserver, inbox)

def test_by_hand(mailserver, inbox):
    mailserver.configure(strict=["duplicate"])
    send(mailserver, inbox)
"""
    )
    result = run(project)
    result.assert_outcomes(passed=2, failed=3)
    for name in ("test_plain", "test_strict", "test_timeout"):
        result.stdout.fnmatch_lines([f"FAILED *::{name} - *"])
    shown = result.stdout.str().partition("short test summary")[0]  # which has whole messages in CI
    assert shown.count("StrictCheckFailed: 1 message was never received (unread): 'Hello' from") == 3
    result = run(project, "-o", "mailserver_strict=refused")
    result.assert_outcomes(passed=3, failed=2)


@MODES
@pytest.mark.parametrize(("option", "failed"), [("unread", 1), ("duplicate,unread", 1), ("true", 2), ("false", 0)])
def test_the_option_wins_over_the_ini_file(
    project: pytest.Pytester, option: str, failed: int, workers: Sequence[str]
) -> None:
    project.makepyfile(
        test_shop=HEAD
        + """
def test_unread(mailserver, inbox):
    send(mailserver, inbox)

def test_refused(mailserver, inbox):
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(mailserver, inbox.replace("@", "x@"))
"""
    )
    result = run(project, "-o", "mailserver_strict=refused", f"--mailserver-strict={option}", *workers)
    result.assert_outcomes(passed=2 - failed, failed=failed)


def test_mail_of_wider_fixtures_fails_no_test(project: pytest.Pytester) -> None:
    project.makeconftest(
        """
        import pytest
        from sirrchat_testkit import Settings
        from tests.support import send

        @pytest.fixture(scope="session")
        def mailserver_settings():
            return Settings(strict=True)

        @pytest.fixture(scope="session")
        def news(mailserver_session):
            inbox = mailserver_session.make_inbox("news")
            send(mailserver_session, inbox)
            return inbox
        """
    )
    project.makepyfile(
        """
        def test_one(mailserver, news):
            assert len(news.messages) == 1

        def test_two(mailserver, news):
            assert news.receive().subject == "Hello"
        """
    )
    run(project).assert_outcomes(passed=2)


@pytest.mark.parametrize("how", ["marker", "option", "ini", "settings"])
def test_a_wrong_check_is_named(project: pytest.Pytester, how: str) -> None:
    project.makeconftest(
        """
        import os, pytest
        from sirrchat_testkit import Settings

        @pytest.fixture(scope="session")
        def mailserver_settings():
            return Settings(**({"strict": ["unraed"]} if os.environ.get("HOW") == "settings" else {}))
        """
    )
    mark = '@pytest.mark.mailserver(strict=["unraed"])' if how == "marker" else ""
    project.makepyfile(f"import pytest\n{mark}\ndef test_it(inbox): pass")
    project._monkeypatch.setenv("HOW", how)
    arguments = {"ini": ["-o", "mailserver_strict=unraed"], "option": ["--mailserver-strict", "unraed,late"]}
    result = run(project, *arguments.get(how, []))
    text = "strict must be True, False, or a list of unread, refused, late, duplicate, undelivered, leaks, not"
    if how in arguments:
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        where, given = ("ini setting mailserver_strict", "unraed")
        if how == "option":
            where, given = ("option --mailserver-strict", "unraed,late")
        result.stderr.fnmatch_lines([f"ERROR: the {where}: {text} '{given}'; did you mean 'unread'[?]"])
    elif how == "marker":
        result.stdout.fnmatch_lines([f"the marker mailserver: {text} [[]'unraed'[]]; did you mean 'unread'[?]"])
        shown = result.stdout.str().partition("short test summary")[0]  # which has whole messages in CI
        assert shown.count("the marker mailserver:") == 1
        assert "another exception" not in shown
    else:
        result.stdout.fnmatch_lines([f"E*ValueError: {text} [[]'unraed'[]]; did you mean 'unread'[?]"])


LATE = (
    HEAD
    + """
addresses = []

def test_hasty(inbox):
    addresses.append(inbox.address)

def test_innocent(mailserver):
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(mailserver, addresses[0])
"""
)


@MODES
def test_late_mail_fails_the_run_and_names_the_test_that_caused_it(
    project: pytest.Pytester, workers: Sequence[str]
) -> None:
    project.makepyfile(test_shop=LATE)
    result = run(project, "-o", "mailserver_strict=late", *workers)
    result.assert_outcomes(passed=2, errors=1)
    compare("late.txt", failures(result))
    result.stdout.fnmatch_lines(
        ["*Mail server*", "Refused:", "*it belonged to test_shop.py::test_hasty, which has ended"]
    )
    result.stdout.fnmatch_lines(["*late mail*", "test_shop.py::test_hasty: mail for *"])


def test_late_mail_is_a_warning_unless_its_own_test_is_strict(project: pytest.Pytester) -> None:
    strict = '@pytest.mark.mailserver(strict=["late"])\n'
    project.makepyfile(test_shop=LATE.replace("def test_innocent", f"{strict}def test_innocent"))
    run(project).assert_outcomes(passed=2, warnings=1)
    project.makepyfile(test_shop=LATE.replace("def test_hasty", f"{strict}def test_hasty"))
    run(project).assert_outcomes(passed=2, errors=1)


def test_a_failed_test_gets_no_error_for_the_late_mail_of_another(project: pytest.Pytester) -> None:
    project.makepyfile(test_shop=LATE + "    pytest.fail('by itself')\n")
    for arguments in (["-o", "mailserver_strict=late"], ["-W", "error::sirrchat_testkit.LateMailWarning"]):
        result = run(project, *arguments)
        result.assert_outcomes(passed=1, failed=1)
        result.stdout.fnmatch_lines(["*late mail*", "test_shop.py::test_hasty: mail for *"])
