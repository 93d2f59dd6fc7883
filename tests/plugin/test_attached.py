"""The options that run tests on a server that others use too: one elsewhere, or one for all workers."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sirrchat_testkit import MailServer
from tests.support import StartServe, environment

WORKERS = ("-p", "xdist", "-n", "2")

EXCHANGE = """
    import pytest
    from tests.support import send

    @pytest.mark.parametrize("n", range(6))
    def test_it(mailserver, inbox, n):
        send(mailserver, inbox, subject=str(n))
        assert inbox.receive().subject == str(n)
        assert len(mailserver.messages) == 1
        mailserver.assert_nothing()
    """


@pytest.fixture(scope="module")
def elsewhere() -> Iterator[MailServer]:
    with MailServer() as server:
        yield server


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly", *arguments)


def place(server: MailServer, key: str | None = None) -> tuple[str, ...]:
    return "--mailserver-url", server.api_url, "--mailserver-key", key or server.api_key


@pytest.mark.parametrize("workers", [(), WORKERS], ids=["alone", "workers"])
def test_tests_run_on_a_server_elsewhere(
    project: pytest.Pytester, elsewhere: MailServer, workers: tuple[str, ...]
) -> None:
    project.makepyfile(EXCHANGE)
    before = len(elsewhere.sessions)
    run(project, *workers, *place(elsewhere)).assert_outcomes(passed=6)
    assert len(elsewhere.sessions) - before == 6
    assert elsewhere.messages == []


def test_variables_and_ini_settings_name_the_server(
    project: pytest.Pytester, elsewhere: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.makepyfile(f"def test_it(mailserver): assert mailserver.smtp_port == {elsewhere.smtp_port}")
    monkeypatch.setenv("SIRRCHAT_TESTKIT_API_KEY", elsewhere.api_key)
    monkeypatch.setenv("SIRRCHAT_TESTKIT_URL", elsewhere.api_url)  # of clients and commands
    run(project).assert_outcomes(failed=1)
    monkeypatch.setenv("SIRRCHAT_TESTKIT_ATTACH", elsewhere.api_url)
    run(project).assert_outcomes(passed=1)
    monkeypatch.delenv("SIRRCHAT_TESTKIT_ATTACH")
    monkeypatch.delenv("SIRRCHAT_TESTKIT_API_KEY")
    project.makeini(f"[pytest]\nmailserver_url = {elsewhere.api_url}/\nmailserver_key = {elsewhere.api_key}\n")
    run(project).assert_outcomes(passed=1)


@pytest.mark.parametrize("workers", [(), WORKERS], ids=["alone", "workers"])
def test_a_server_that_does_not_answer_ends_the_run_with_one_line(
    project: pytest.Pytester, workers: tuple[str, ...]
) -> None:
    refuse(project, "no answer from http://127.0.0.1:1: *", *workers, "--mailserver-url", NOWHERE, *KEY)


def test_without_a_key_the_run_ends_with_one_line(project: pytest.Pytester) -> None:
    refuse(project, "*needs --mailserver-key, the API key of an admin*", "--mailserver-url", NOWHERE)


def test_something_that_is_no_url_ends_the_run_with_one_line(project: pytest.Pytester) -> None:
    refuse(project, "*begins with http:// or https://*", "--mailserver-url", "ftp://x", *KEY)


def test_a_wrong_key_ends_the_run_with_one_line(project: pytest.Pytester, elsewhere: MailServer) -> None:
    refuse(project, "*does not know the API key; serve prints its key", *place(elsewhere, "wrong"))


def test_the_key_of_a_user_ends_the_run_with_one_line(project: pytest.Pytester, elsewhere: MailServer) -> None:
    user = elsewhere.add_account().api_key
    refuse(project, "*the API key of a user does not suffice *", *place(elsewhere, user))


def test_a_server_that_is_killed_fails_the_other_tests_with_one_line_each(
    project: pytest.Pytester, serve: StartServe
) -> None:
    project.makepyfile(
        """
        import os, signal, threading
        from tests.support import send

        def test_before(mailserver, inbox):
            send(mailserver, inbox)
            assert inbox.receive()

        def test_killed(inbox, webhook_sink, make_webhook_sink):
            make_webhook_sink()
            kill = lambda: os.kill(int(os.environ["SERVER"]), signal.SIGKILL)
            threading.Timer(2, kill).start()  # by then it waits
            inbox.receive(timeout=60)

        def test_after(inbox):
            pass
        """
    )
    started = serve()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SERVER", str(started.process.pid))
        result = run(project, "--mailserver-url", started.api_url, "--mailserver-key", started.api_key)
    result.stdout.fnmatch_lines(["E*RuntimeError: the mail server stopped; the wait was for a message for *"])
    gone = f"Unreachable: no answer from {started.api_url}: Connection refused; is the server still running there?"
    assert result.outlines.count(gone) >= 2
    assert "Exception Group" not in str(result.stdout)
    assert "contextlib.py" not in str(result.stdout)


NOWHERE = "http://127.0.0.1:1"
KEY = ("--mailserver-key", "x")


def refuse(project: pytest.Pytester, words: str, *arguments: str) -> None:
    """Check that pytest ends before any test with one line that has ``words``."""
    project.makepyfile("def test_it(): assert False, 'it runs'")
    result = run(project, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: *{words}"])
    assert "Traceback" not in str(result.stderr)
    assert "it runs" not in str(result.stdout)


def test_test_cases_of_unittest_run_on_a_shared_server_with_the_same_settings(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from sirrchat_testkit import MailServerTestCase, Settings
        from tests.support import send

        def test_fixtures(mailserver, inbox):
            send(mailserver, inbox)
            inbox.receive()

        class TestStrict(MailServerTestCase):
            mailserver_settings = Settings(strict=["unread"])

            def test_it(self):
                send(self.mailserver, self.inbox, subject="Never read")

        class TestOther(MailServerTestCase):
            mailserver_settings = Settings(domains=["shop.example"])

            def test_it(self):
                pass
        """
    )
    result = run(project, "-p", "xdist", "-n", "1", "--mailserver-shared")
    result.assert_outcomes(passed=1, failed=1, errors=1)
    result.stdout.fnmatch_lines(
        [
            "the workers share one mail server, but mailserver_settings, of fixtures or test cases, differ; *",
            "StrictCheckFailed: 1 message was never received (unread): 'Never read' from *",
        ]
    )


def test_other_settings_than_those_of_the_server_are_named(project: pytest.Pytester, elsewhere: MailServer) -> None:
    project.makeconftest(
        """
        import pytest
        from sirrchat_testkit import Settings

        @pytest.fixture(scope="session")
        def mailserver_settings():
            return Settings(domains=["shop.example"], strict=["unread"], max_recipients=1000)
        """
    )
    project.makepyfile("def test_it(inbox): pass")
    result = run(project, *place(elsewhere))
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*has other settings than mailserver_settings: domains is ('example.com', *), not ('shop.example',)"]
    )


def test_a_failure_shows_the_report_and_the_seed(project: pytest.Pytester, elsewhere: MailServer) -> None:
    project.makepyfile(
        """
        from tests.support import send

        def test_it(mailserver, inbox):
            send(mailserver, inbox, subject="Welcome")
            print("address", inbox)
            inbox.receive(subject="Reset", timeout=0)
        """
    )
    result = run(project, *place(elsewhere), "--mailserver-seed", "abc")
    result.stdout.fnmatch_lines(
        [
            "E*MailNotReceived: subject: wanted 'Reset', was 'Welcome'. Waited 0.0 s for a message for *",
            "*- Mail server -*",
            "<MailServer smtp=* seed='abc'",
            "  'Welcome' from shop@shop.example to *",
        ]
    )
    again = run(project, *place(elsewhere), "--mailserver-seed", "abc")
    assert result.stdout.str().count("address ") == 1
    [first] = [line for line in result.outlines if line.startswith("address ")]
    assert first in again.outlines


def test_strictness_late_mail_and_unfired_faults_work_as_always(
    project: pytest.Pytester, elsewhere: MailServer
) -> None:
    project.makepyfile(
        """
        import pytest, smtplib
        from tests.support import send

        addresses = []

        def test_fault(mailserver, inbox):
            mailserver.faults.lose(recipient=inbox)

        @pytest.mark.mailserver(strict=["unread"])
        def test_unread(mailserver, inbox):
            addresses.append(str(inbox))
            send(mailserver, inbox)

        def test_late(mailserver):
            with pytest.raises(smtplib.SMTPRecipientsRefused):
                send(mailserver, addresses[0])
        """
    )
    result = run(project, *place(elsewhere))
    result.assert_outcomes(passed=1, failed=2, warnings=1)
    result.stdout.fnmatch_lines(
        [
            "*FaultNeverFired: 1 planned fault never fired: lose at RCPT for *",
            "*StrictCheckFailed: 1 message was never received (unread): 'Hello' *",
            "*LateMailWarning: *::test_unread: mail for * arrived after this test had ended and was refused",
        ]
    )


@pytest.mark.parametrize("shared", [False, True], ids=["elsewhere", "shared"])
def test_the_clock_cannot_follow_the_time(project: pytest.Pytester, elsewhere: MailServer, *, shared: bool) -> None:
    project.makeini("[pytest]\nmailserver_clock = follow\n")
    project.makepyfile("def test_it(inbox): pass")
    result = run(project, *((*WORKERS, "--mailserver-shared") if shared else place(elsewhere)))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: the ini setting mailserver_clock would move the clock of a server that *"])


def test_workers_share_one_server_which_ends_with_them(project: pytest.Pytester) -> None:
    project.makeconftest(
        """
        import os, pytest
        from sirrchat_testkit import Settings

        @pytest.fixture(scope="session")
        def mailserver_settings():
            return Settings(domains=["shop.example"])

        @pytest.fixture(autouse=True)
        def note(mailserver, inbox):
            assert inbox.address.endswith("@shop.example")
            with open("ports", "a") as file:
                print(os.environ.get("PYTEST_XDIST_WORKER"), mailserver.smtp_port, file=file)
        """
    )
    project.makepyfile(EXCHANGE)
    run(project, *WORKERS, "--mailserver-shared").assert_outcomes(passed=6)
    noted = [line.split() for line in Path("ports").read_text("utf-8").splitlines()]
    assert len(noted) == 6
    assert {worker for worker, _ in noted} == {"gw0", "gw1"}
    [port] = {port for _, port in noted}
    assert not listens(int(port))


def test_without_workers_the_option_changes_nothing(project: pytest.Pytester) -> None:
    project.makepyfile("def test_it(mailserver): mailserver.clock.advance(hours=1)")
    run(project, "--mailserver-shared").assert_outcomes(passed=1)


def test_a_server_that_cannot_be_shared_says_so(project: pytest.Pytester) -> None:
    project.makeconftest(
        """
        import os, pytest
        from sirrchat_testkit import Settings

        @pytest.fixture(scope="session")
        def mailserver_settings():
            return Settings(oauth_tokens=lambda user, token: True)
        """
    )
    project.makepyfile("def test_it(mailserver): pass")
    result = run(project, *WORKERS, "--mailserver-shared")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*mailserver_settings cannot be sent to the process that starts the server *"])


def test_a_worker_that_crashes_leaves_the_server_to_the_others(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import os, pytest
        from tests.support import send

        @pytest.mark.parametrize("n", range(4))
        def test_it(mailserver, inbox, n):
            open("port", "w").write(str(mailserver.smtp_port))
            send(mailserver, inbox)
            if n == 0:
                os._exit(1)
            assert inbox.receive()
        """
    )
    result = run(project, *WORKERS, "--mailserver-shared")
    result.assert_outcomes(passed=3, failed=1)
    assert not listens(int(Path("port").read_text("utf-8")))


def test_a_killed_controller_takes_the_server_with_it(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        def test_it(mailserver, inbox):
            with open("ready", "w", buffering=1) as ready:
                print(mailserver.smtp_port, file=ready)
                inbox.receive(timeout=60)
        """
    )
    os.mkfifo("ready")
    command = [sys.executable, "-m", "pytest", "-p", "sirrchat_testkit", "-p", "no:cacheprovider"]
    controller = subprocess.Popen(
        [*command, "-p", "xdist", "-n", "1", "--mailserver-shared"],
        env=environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    with open("ready", encoding="utf-8") as ready:  # noqa: PTH123 - a pipe
        port = int(ready.readline())
        assert listens(port)
        controller.send_signal(signal.SIGKILL)
        controller.wait()
        assert ready.read() == ""  # the worker has ended, too
    assert not listens(port)


def listens(port: int) -> bool:
    with socket.socket() as sock:
        return sock.connect_ex(("127.0.0.1", port)) == 0
