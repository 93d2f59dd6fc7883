"""A test cannot disturb the next one, and late mail is reported with the test that caused it: pytest inside pytest."""

from __future__ import annotations

from fnmatch import fnmatch

import pytest

AS_ERROR = ("-W", "error::sirrchat_testkit.LateMailWarning")
WORKERS = ("-p", "xdist", "-n", "2", "--dist", "loadfile")
MODES = pytest.mark.parametrize("workers", [(), WORKERS], ids=["plain", "two workers"])


ELSEWHERE = """
    def test_elsewhere(inbox):
        pass
"""


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly", *arguments)


@MODES
def test_the_next_test_notices_nothing(project: pytest.Pytester, workers: tuple[str, ...]) -> None:
    project.makepyfile(
        test_elsewhere=ELSEWHERE,
        test_leaks="""
        import smtplib, threading
        from tests.support import send, until

        leaked = []

        def open_transaction(server, inbox):
            leaked.append(smtplib.SMTP(server.smtp_host, server.smtp_port))
            leaked[-1].ehlo()
            leaked[-1].mail("a@b.example")
            leaked[-1].rcpt(inbox.address)

        def test_that_crashes_amid_a_transaction(mailserver, inbox):
            open_transaction(mailserver, inbox)
            raise RuntimeError("the application crashed")

        def test_after_the_crash(mailserver, inbox):
            inbox.assert_nothing()
            send(mailserver, inbox)
            assert len(inbox.receive_all(1)) == 1

        def test_with_a_thread_that_outlives_it(mailserver, inbox):
            def deliver():
                try:
                    send(mailserver, inbox)
                except smtplib.SMTPServerDisconnected:
                    pass
                except smtplib.SMTPResponseException as error:
                    assert error.smtp_code == 421

            fault = mailserver.faults.delay(60, stage="end")
            leaked.append(threading.Thread(target=deliver))
            leaked[-1].start()
            until(mailserver._thread, lambda: fault.fired)

        def test_after_the_thread(mailserver, inbox):
            inbox.assert_nothing()
            mailserver.assert_nothing()
            leaked[-1].join(timeout=30)
            assert not leaked[-1].is_alive()
            mailserver.settle()
            assert mailserver.messages == mailserver.refusals == []
        """,
    )
    result = run(project, *workers, *AS_ERROR)
    result.assert_outcomes(passed=4, failed=1)
    result.stdout.fnmatch_lines(["*RuntimeError: the application crashed*"])


def test_a_pooled_connection_serves_all_tests(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import smtplib
        import pytest

        pool = []

        @pytest.mark.parametrize("n", range(3))
        def test_it(mailserver, inbox, n):
            if not pool:
                pool.append(smtplib.SMTP(mailserver.smtp_host, mailserver.smtp_port))
            pool[0].sendmail("a@b.example", [inbox.address], f"Subject: {n}\\r\\n\\r\\nx")
            assert [each.subject for each in inbox.receive_all(1)] == [str(n)]
        """
    )
    run(project).assert_outcomes(passed=3)


LATE = """
    import smtplib, socket
    import pytest
    from tests.support import send

    addresses, connections = [], []

    def send_late(server):
        with pytest.raises(smtplib.SMTPRecipientsRefused, match="550"):
            send(server, addresses[-1])
"""

DURING_ANOTHER = """
    def test_hasty(inbox):
        addresses.append(inbox.address)

    def test_innocent(mailserver):
        send_late(mailserver)
        send_late(mailserver)
"""

OUTSIDE_OF_SCOPES = """
    def test_forgetful(inbox):
        addresses.append(inbox.address)

    def test_without_mail(mailserver_session):
        send_late(mailserver_session)

    @pytest.fixture
    def straggler(mailserver_session):
        yield
        mail = f"EHLO me\\r\\nMAIL FROM:<shop@shop.example>\\r\\nRCPT TO:<{addresses[-1]}>\\r\\nQUIT\\r\\n"
        connections.append(socket.create_connection((mailserver_session.smtp_host, mailserver_session.smtp_port)))
        connections[-1].sendall(mail.encode())  # and the session ends before it is answered

    def test_last(straggler, inbox):
        addresses.append(inbox.address)
"""

CAME = "mail for *@example.com from shop@shop.example arrived after this test had ended and was refused"
LINES = [
    f"*test_a.py::test_hasty: {CAME} (2 times)",
    f"*test_b.py::test_forgetful: {CAME}",
    f"*test_b.py::test_last: {CAME}",
]


@MODES
def test_late_mail_is_a_warning_and_a_line_of_the_summary(project: pytest.Pytester, workers: tuple[str, ...]) -> None:
    project.makepyfile(test_a=LATE + DURING_ANOTHER, test_b=LATE + OUTSIDE_OF_SCOPES)
    result = run(project, *workers)
    result.assert_outcomes(passed=5, warnings=3)
    assert result.ret == 0
    text = result.stdout.str()
    warned, _, listed = text.partition("late mail")
    assert text.count("LateMailWarning: ") == 3
    for line in LINES:
        assert fnmatch(warned, f"*LateMailWarning: {line.removeprefix('*')}\n*")
        assert fnmatch(listed, f"*\n{line.removeprefix('*')}\n*")


@MODES
def test_late_mail_as_an_error_fails_the_run_and_names_the_culprit(
    project: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    project.makepyfile(test_a=LATE + DURING_ANOTHER, test_b=LATE + OUTSIDE_OF_SCOPES)
    result = run(project, *workers, *AS_ERROR)
    result.assert_outcomes(passed=5, errors=2)
    assert result.ret == 1
    for line in LINES:
        result.stdout.fnmatch_lines([f"*LateMailWarning: {line}"])


@MODES
def test_an_interrupted_run_reports_late_mail_too(project: pytest.Pytester, workers: tuple[str, ...]) -> None:
    """With ``-x`` the session's fixtures are torn down at its very end."""
    interrupted = OUTSIDE_OF_SCOPES.replace("mailserver_session)\n\n", "mailserver_session)\n        assert 0\n\n", 1)
    project.makepyfile(test_b=LATE + interrupted)
    result = run(project, "-x", *workers)
    result.assert_outcomes(passed=1, failed=1, warnings=1)
    result.stdout.fnmatch_lines(["*late mail*", LINES[1]])


@MODES
def test_all_late_mail_is_counted_and_names_the_scope_within_its_test(
    project: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    project.makepyfile(
        LATE
        + """
    def test_hasty(mailserver, inbox):
        addresses.append(inbox.address)
        with mailserver.scope():
            addresses.append(mailserver.make_inbox().address)
        with mailserver.scope("named"):
            addresses.append(mailserver.make_inbox().address)

    def test_innocent(mailserver):
        with smtplib.SMTP(mailserver.smtp_host, mailserver.smtp_port) as client:
            client.ehlo()
            client.mail("shop@shop.example")
            for number in range(1100):
                assert client.rcpt(addresses[0])[0] == 550
                if number % 90 == 89:
                    client.rset()
                    client.mail("shop@shop.example")

    def test_next(mailserver):
        send_late(mailserver)
        addresses.pop()
        send_late(mailserver)
    """
    )
    result = run(project, *workers)
    result.assert_outcomes(passed=3, warnings=2)
    _, _, listed = result.stdout.str().partition("late mail")
    test = "*.py::test_hasty"
    for line in (f"{test}: {CAME} (1100 times)", f"{test} > scope: {CAME}", f"{test} > named: {CAME}"):
        assert fnmatch(listed, f"*\n{line}\n*")


def test_what_fails_in_the_server_is_reported_once(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        def crash(server, text):
            server._now.services.crashed("a request", ZeroDivisionError(text))

        def test_error(mailserver):
            crash(mailserver, "in the test")

        def test_fault(mailserver):
            mailserver.faults.reject(stage="mail")

        def test_failed(mailserver):
            mailserver.faults.reject(stage="mail")
            crash(mailserver, "never raised")
            pytest.fail("by itself")

        def test_skipped(mailserver):
            mailserver.faults.reject(stage="mail")
            pytest.skip("by itself")

        @pytest.fixture
        def teardown(mailserver):
            yield
            crash(mailserver, "in a fixture")

        def test_torn_down(teardown):
            pass

        def test_between(mailserver_session):
            crash(mailserver_session, "in the session")
        """
    )
    result = run(project)
    result.assert_outcomes(passed=2, failed=3, skipped=1, errors=2)
    raised = [line.split(": ", 1)[1] for line in result.outlines if line.startswith("E ") and "ZeroDivision" in line]
    assert sorted(raised) == ["in a fixture", "in the session", "in the test"]
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_torn_down*", "E*ZeroDivisionError: in a fixture"])
    result.stdout.fnmatch_lines(["*ERROR at teardown of test_between*", "E*ZeroDivisionError: in the session"])


@MODES
def test_the_session_s_server_cannot_be_stopped(project: pytest.Pytester, workers: tuple[str, ...]) -> None:
    project.makepyfile(
        test_elsewhere=ELSEWHERE,
        test_stop="""
        import smtplib
        import pytest
        from sirrchat_testkit import MailServer
        from tests.support import send

        def test_stop(mailserver):
            mailserver.stop()

        def test_stop_and_start(mailserver):
            mailserver.stop()
            mailserver.start()

        def test_stop_what_the_session_has(mailserver_session):
            mailserver_session.stop()

        def test_after(mailserver, inbox):
            send(mailserver, inbox)
            inbox.receive()

        @pytest.mark.parametrize("plan", ["reject", "drop"])
        def test_down(mailserver, plan):
            how = {"code": 421} if plan == "reject" else {}
            getattr(mailserver.faults, plan)(stage="connect", **how)
            with pytest.raises((smtplib.SMTPConnectError, smtplib.SMTPServerDisconnected)):
                smtplib.SMTP(mailserver.smtp_host, mailserver.smtp_port)

        def test_one_s_own():
            server = MailServer().start()
            server.stop()
        """,
    )
    result = run(project, *workers)
    result.assert_outcomes(passed=5, failed=3)
    refused = "*RuntimeError: Cannot stop <MailServer smtp=*: all tests of this session use it. *faults.reject(*"
    result.stdout.fnmatch_lines([refused] * 3)


def test_a_report_that_cannot_be_made_does_not_end_the_run(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        def test_fails(mailserver, monkeypatch):
            monkeypatch.setattr(type(mailserver._control), "overview", lambda *_, **__: 1 / 0)
            pytest.fail("by itself")

        def test_after(inbox):
            inbox.assert_nothing()

        def test_that_breaks_the_server(mailserver):
            mailserver._thread.stop()
            pytest.fail("by itself")

        def test_after_that():
            pass
        """
    )
    result = run(project)
    result.assert_outcomes(passed=2, failed=2, errors=2)
    reasons = ["ZeroDivisionError: division by zero", "RuntimeError: the mail server 127.0.0.1:* is not running"]
    result.stdout.fnmatch_lines_random([f"No report: {each}" for each in reasons])
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
