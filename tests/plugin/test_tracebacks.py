"""A failing test shows its own lines and the error, and no frames of the package, by real pytest inside pytest."""

import re

import pytest

VERBS = """
import asyncio
import email.message
import smtplib
from datetime import timedelta

import pytest
from sirrchat_testkit import MailServer, Settings, verify_webhook

RECEIVED = "receive", "receive_all", "assert_nothing"


def test_receive(inbox):
    inbox.receive(timeout=0)

def test_receive_all(inbox):
    inbox.receive_all(2, timeout=0)

def test_too_many(inbox):
    inbox.deliver(subject="x")
    inbox.receive_all(0)

def test_nothing(inbox):
    inbox.deliver(subject="x")
    inbox.assert_nothing()

def test_areceive(inbox):
    asyncio.run(_areceive(inbox))

async def _areceive(inbox):
    await inbox.areceive(timeout=0)

def test_a_condition_that_raises(inbox):
    inbox.deliver(subject="x")
    inbox.receive(subject=lambda subject: 1 / 0)

def test_settle(mailserver, inbox):
    smtp = smtplib.SMTP(mailserver.smtp_host, mailserver.smtp_port)
    smtp.ehlo()
    smtp.mail("a@b.example")
    try:
        mailserver.settle()
    finally:
        smtp.close()

def test_link(inbox):
    inbox.deliver(subject="x").link()

def test_code(inbox):
    inbox.deliver(subject="x").code()

def test_attachment(inbox):
    inbox.deliver(subject="x").attachment()

def test_deleted_contents(inbox):
    inbox.deliver(subject="x")
    [message] = inbox.messages
    inbox.clear()
    message.text

def test_deliver(mailserver, make_inbox):
    inbox = make_inbox(expires_in=timedelta(hours=1))
    mailserver.clock.advance(hours=2)
    inbox.deliver(subject="x")

def test_deliver_nothing(inbox):
    inbox.deliver()

def test_unknown_condition(inbox):
    inbox.receive(subjekt="x")

def test_unnamed_condition(inbox):
    inbox.receive("x")

def test_misguessed_name(inbox):
    inbox.wait_for_message()

def test_len(mailserver):
    len(mailserver)

def test_deliver_field(inbox):
    inbox.deliver(subjct="x")

def test_env(mailserver):
    mailserver.env(X="{nonsense}")

def test_env_preset(mailserver):
    mailserver.env("nonsense")

def test_flask(mailserver_flask):
    mailserver_flask(None)

def test_make_inbox(make_inbox):
    make_inbox(domain="not.served")

def test_make_inboxes(make_inboxes):
    make_inboxes(0)

def test_inbox_for(mailserver):
    mailserver.inbox_for("nobody")

def test_add_account(mailserver):
    mailserver.add_account("nobody")

def test_add_domain(mailserver):
    mailserver.add_domain("no domain")

def test_add_webhook(mailserver):
    mailserver.add_webhook("ftp://x")

def test_configure(mailserver):
    mailserver.configure(nonsense=1)

def test_rate_limit(mailserver):
    mailserver.rate_limit(-1)

def test_tls(mailserver):
    mailserver.tls

def test_clock(mailserver):
    mailserver.clock.advance(-1)

def test_clock_unit(mailserver):
    mailserver.clock.advance(ours=1)

def test_fault_stage(mailserver):
    mailserver.faults.reject(stage="sometime")

def test_fault_condition(mailserver):
    mailserver.faults.reject(stage="mail", subject="x")

def test_fault_never_fired(mailserver):
    mailserver.faults.reject(stage="mail")
    mailserver.check()

def test_sink(webhook_sink):
    webhook_sink.receive(timeout=0)

def test_sink_plan(webhook_sink):
    webhook_sink.refuse(42)

def test_webhook_call(mailserver):
    mailserver.webhook_call("nonsense")

def test_validate(mailserver, inbox, webhook_sink):
    mailserver.add_webhook(webhook_sink.url)
    inbox.deliver(subject="x")
    webhook_sink.receive().validate({"required": ["nonsense"]})

def test_golden(mailserver, inbox, webhook_sink, tmp_path):
    mailserver.add_webhook(webhook_sink.url)
    inbox.deliver(subject="x")
    webhook_sink.receive().assert_golden(tmp_path / "none.json")

def test_verify():
    verify_webhook({}, b"", "secret")

def test_settings():
    Settings(nonsense=1)

def test_setting():
    MailServer(smtp_port="x")

def test_stopped():
    with MailServer() as server:
        inbox = server.make_inbox()
    inbox.receive()

def test_a_port_that_is_taken(mailserver):
    MailServer(smtp_port=mailserver.smtp_port).start()

def test_not_started():
    MailServer().make_inbox()
"""


def test_no_frame_of_the_package_is_shown(project: pytest.Pytester) -> None:
    project.makepyfile(test_verbs=VERBS)
    result = project.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly")
    result.assert_outcomes(failed=VERBS.count("\ndef test_"))
    shown = {found[1] for line in result.outlines if (found := re.match(r"(\S+\.py):\d+: ", line))}
    assert {each for each in shown if "/asyncio/" not in each} == {"test_verbs.py"}  # the test's own asyncio.run()


def test_a_failure_without_a_traceback_stays_one(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        def test_it():
            pytest.fail("not this way", pytrace=False)
        """
    )
    result = project.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(failed=1)
    assert "hidden" not in result.stdout.str()


FINDINGS = """
import smtplib

import pytest
from tests.support import send

addresses = []

@pytest.fixture(scope="session", autouse=True)
def of_the_session(mailserver_session):
    mailserver_session.faults.reject(stage="rcpt", code=553)
    yield
    mailserver_session._now.services.crashed("a request", ZeroDivisionError("in the session"))

@pytest.fixture
def fault_in_a_fixture(mailserver):
    yield
    mailserver.faults.reject(stage="mail", code=552)

@pytest.fixture
def crash_in_a_fixture(mailserver):
    yield
    mailserver._now.services.crashed("a request", ZeroDivisionError("in a fixture"))

def test_fault(mailserver):
    mailserver.faults.reject(stage="mail", code=551)

def test_fixture_with_fault(fault_in_a_fixture):
    pass

def test_crash(mailserver):
    mailserver._now.services.crashed("a request", ZeroDivisionError("in the test"))

def test_fixture_with_crash(crash_in_a_fixture):
    pass

def test_hasty(inbox):
    addresses.append(inbox.address)

def test_late_mail(mailserver):
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(mailserver, addresses[-1])

@pytest.mark.mailserver(timout=3)
def test_marker(inbox):
    pass
"""


def test_findings_show_their_text_and_no_frame_of_the_plugin(project: pytest.Pytester) -> None:
    project.makepyfile(FINDINGS)
    result = run_with_warnings_as_errors(project)
    result.assert_outcomes(passed=4, failed=2, errors=5)
    no_frame_of_the_plugin(result, hidden=3)  # the errors of the server itself
    never = "FaultNeverFired: 1 planned fault never fired: reject"
    texts = [f"{never} 551 at MAIL", f"{never} 552 at MAIL"]
    texts += [f"E   ZeroDivisionError: in {where}" for where in ("the test", "a fixture", "the session")]
    texts += ["LateMailWarning: *::test_hasty: mail for *"]
    texts += ["the marker must be mailserver(timeout=SECONDS, strict=CHECKS), not mailserver(timout=3)"]
    result.stdout.fnmatch_lines_random(texts)


@pytest.mark.parametrize(
    ("settings", "error"),
    [
        ("{}", "the fixture mailserver_settings returns a Settings(...), not {}"),
        ("Settings(smtp_port=taken)", "E   OSError: * cannot listen for SMTP on 127.0.0.1:*"),
    ],
)
def test_a_server_that_does_not_start_shows_its_error_alone(
    project: pytest.Pytester, settings: str, error: str
) -> None:
    project.makepyfile(
        f"""
        import socket

        import pytest
        from sirrchat_testkit import Settings

        listener = socket.create_server(("127.0.0.1", 0))
        taken = listener.getsockname()[1]

        @pytest.fixture(scope="session")
        def mailserver_settings():
            yield {settings}
            listener.close()

        def test_it(inbox):
            pass
        """
    )
    result = run_with_warnings_as_errors(project)
    result.assert_outcomes(errors=1)
    no_frame_of_the_plugin(result, hidden=error.startswith("E "))
    result.stdout.fnmatch_lines([error])


def run_with_warnings_as_errors(project: pytest.Pytester) -> pytest.RunResult:
    error = "error::sirrchat_testkit.LateMailWarning"
    return project.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly", "-W", error)


def no_frame_of_the_plugin(result: pytest.RunResult, *, hidden: int) -> None:
    assert result.stdout.str().count("All traceback entries are hidden") == hidden
    assert not [line for line in result.outlines if line.startswith(">") or "pytest_plugin" in line]
    assert "During handling" not in result.stdout.str()
