"""``MailServerTestCase``, run by unittest, by pytest, and by Django's ``manage.py test``."""

import re
import sys

import pytest


def run(project: pytest.Pytester, *arguments: str, count: int, lines: tuple[str, ...] = ()) -> str:
    """Run ``test_it.py`` by unittest; return its output, which has ``count`` tests and ends with ``lines``."""
    result = project.run(sys.executable, *arguments, "-m", "unittest", "test_it")
    text = result.stderr.str()
    assert f"Ran {count} test" in text, text
    result.stderr.fnmatch_lines([*lines])
    return text


def files_in(text: str, start: str, end: str) -> list[str]:
    """Return the names of the files in the traceback between ``start`` and ``end``."""
    return re.findall(r'File ".*/(\w+\.py)"', text.partition(start)[2].partition(end)[0])


def test_a_test_has_a_server_and_an_inbox_of_its_own(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import unittest
        from sirrchat_testkit import Inbox, MailServer, MailServerTestCase, Settings
        from tests.support import send

        class A(MailServerTestCase):
            def setUp(self):
                self.assertEqual(self.mailserver.messages, [])
                self.addCleanup(lambda: self.assertEqual(len(self.mailserver.messages), 1))

            def test_one(self):
                send(self.mailserver, self.inbox)
                self.assertEqual(self.inbox.receive(timeout=0).subject, "Hello")
                self.assertIs(self.inbox, self.inbox)
                A.first = self.mailserver

            def test_two(self):
                self.assertIs(self.mailserver, A.first)
                send(self.mailserver, self.mailserver.make_inbox())

        class B(MailServerTestCase):
            mailserver_settings = Settings(domains=["shop.example"])
            mailserver_timeout = 0.01

            def test_it(self):
                self.assertTrue(self.inbox.endswith("@shop.example"))
                self.assertIsNot(self.mailserver, A.first)
                with self.assertRaisesRegex(AssertionError, "Waited 0.01 s"):
                    self.inbox.receive()

        class C(MailServerTestCase, unittest.IsolatedAsyncioTestCase):
            async def test_it(self):
                self.inbox.deliver(subject="Hello")
                self.assertEqual((await self.inbox.areceive()).subject, "Hello")

        class D(MailServerTestCase):
            def setUp(self):
                self.skipTest("for now")

            def test_it(self):
                pass

        class E(unittest.TestCase):
            def test_outside_of_a_test(self):
                with self.assertRaisesRegex(RuntimeError, "mailserver exists while a test runs: use it from setUp"):
                    A("test_one").mailserver

            def test_the_server_cannot_be_stopped(self):
                with self.assertRaisesRegex(RuntimeError, "all tests with these settings use it"):
                    A.first.stop()

            def test_debug_runs_in_a_scope_too(self):
                B("test_it").debug()

            def test_an_instance_that_runs_again_has_another_inbox(self):
                case, result = F("test_it"), unittest.TestResult()
                case.run(result)
                case.run(result)
                self.assertEqual((result.errors, result.failures, result.testsRun), ([], [], 2))

        class F(MailServerTestCase):
            def test_it(self):
                self.assertTrue(self.inbox.id)
                self.inbox.deliver(subject="Hello")

        class G(MailServerTestCase):
            def test_a_skipped_test_is_not_checked(self):
                self.mailserver.faults.reject(stage="rcpt", code=451)
                self.skipTest("for now")

            @unittest.expectedFailure
            def test_a_test_that_failed_as_expected_gets_no_other_error(self):
                self.mailserver.faults.reject(stage="rcpt", code=451)
                self.fail("as expected")
        """
    )
    run(project, "-W", "error", count=12, lines=("OK (skipped=2, expected failures=1)",))


def test_what_the_fixtures_report_is_reported(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import smtplib
        from sirrchat_testkit import MailServerTestCase
        from tests.support import send

        class A(MailServerTestCase):
            def test_1_a_fault_that_never_fired(self):
                self.mailserver.faults.reject(stage="rcpt", code=451)

            def test_2_no_second_error_for_a_failed_test(self):
                self.mailserver.faults.reject(stage="rcpt", code=451)
                self.fail("on purpose")

            def test_3_an_error_in_the_server(self):
                self.mailserver._now.services.crashed("a test", KeyError("lost"))

            def test_4_a_failure_shows_what_arrived_instead(self):
                send(self.mailserver, self.inbox, subject="Something")
                try:
                    send(self.mailserver, "unknown@example.com")
                except smtplib.SMTPRecipientsRefused:
                    pass
                self.assertEqual(1, 2)

            def test_5_a_wait_shows_no_frames_of_the_package(self):
                self.inbox.receive(timeout=0)

        class B(MailServerTestCase):
            def setUp(self):
                send(self.mailserver, self.inbox, subject="In setup")
                raise ValueError("in setup")

            def test_it(self):
                pass

        class C(MailServerTestCase):
            def tearDown(self):
                send(self.mailserver, self.inbox, subject="In teardown")
                raise ValueError("in teardown")

            def test_it(self):
                with self.subTest("part"):
                    self.fail("part")
        """
    )
    text = run(
        project,
        count=7,
        lines=(
            "ERROR: test_3_*",
            "KeyError: 'lost'",
            "ValueError: in setup",
            "Mail server <MailServer smtp=127.0.0.1:* http=127.0.0.1:*> seed='*'",
            "  'In setup' from *",
            "FAIL: test_1_*",
            "*FaultNeverFired: 1 planned fault never fired: *",
            "FAIL: test_2_*",
            "AssertionError: on purpose",
            "Planned faults:",
            "FAIL: test_4_*",
            "AssertionError: 1 != 2",
            "Mail server <MailServer smtp=*",
            "Messages that the test did not receive:",
            "  'Something' from *",
            "Refused:",
            "  unknown@example.com from *",
            "FAIL: test_5_*",
            "*MailNotReceived: No client connected to *",
            "FAILED (failures=5, errors=3)",
        ),
    )
    assert files_in(text, "FAIL: test_1_", "FaultNeverFired") == []
    assert files_in(text, "FAIL: test_5_", "MailNotReceived") == ["test_it.py"]
    assert text.count("Mail server <MailServer") == text.count("======\n") - 1  # once in a test that fails twice
    assert "in teardown" in text
    assert "AssertionError: part\nMail server <MailServer" in text


def test_late_mail_is_a_warning_that_names_its_test_also_for_the_last_one(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import atexit, smtplib, contextlib
        from sirrchat_testkit import MailServerTestCase
        from tests.support import send

        class A(MailServerTestCase):
            def test_1(self):
                A.server, A.address = self.mailserver, str(self.inbox)

            def test_2(self):
                with contextlib.suppress(smtplib.SMTPRecipientsRefused):
                    send(self.mailserver, A.address)
                A.address = str(self.inbox)

        def send_at_the_end():
            with contextlib.suppress(smtplib.SMTPRecipientsRefused):
                send(A.server, A.address)

        atexit.register(send_at_the_end)
        """
    )
    text = run(project, count=2)
    for number in (1, 2):
        assert f"LateMailWarning: test_it.A.test_{number}: mail for " in text
    failed = run(project, "-W", "error::sirrchat_testkit.LateMailWarning", count=2, lines=("FAILED (errors=1)",))
    assert "LateMailWarning: test_it.A.test_1: mail for " in failed


def test_the_default_timeout_is_that_of_the_environment(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.makepyfile(
        test_it="""
        from sirrchat_testkit import MailServerTestCase

        class A(MailServerTestCase):
            def test_it(self):
                self.inbox.receive()
        """
    )
    monkeypatch.setenv("SIRRCHAT_TESTKIT_TIMEOUT", "0.02")
    assert "Waited 0.02 s" in run(project, count=1)
    monkeypatch.setenv("SIRRCHAT_TESTKIT_TIMEOUT", "soon")
    assert "SIRRCHAT_TESTKIT_TIMEOUT must be a duration such as 500ms, 10s or 1m, not 'soon'" in run(project, count=1)


def run_pytest(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly", *arguments)


def test_in_pytest_it_has_the_report_files_and_options_of_the_fixtures(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import unittest
        import pytest
        from sirrchat_testkit import MailServerTestCase
        from tests.support import send

        class TestA(MailServerTestCase):
            def test_1_passes(self):
                self.inbox.deliver(subject="Hello")
                self.inbox.receive(timeout=0)

            def test_2_fails(self):
                send(self.mailserver, self.inbox, subject="Welcome")
                self.mailserver.faults.reject(stage="rcpt", code=451)
                self.inbox.receive(subject="Other", timeout=0)

            def test_3_never_fired(self):
                self.mailserver.faults.reject(stage="rcpt", code=451)

            def test_4_a_subtest_fails(self):
                self.mailserver.faults.reject(stage="rcpt", code=451)
                with self.subTest("part"):
                    self.fail("in part")

            @pytest.mark.mailserver(timeout=0.03)
            def test_5_waits(self):
                self.inbox.receive()

            def test_6_is_skipped(self):
                self.mailserver.faults.reject(stage="rcpt", code=451)
                self.skipTest("for now")

            @unittest.expectedFailure
            def test_7_fails_as_expected(self):
                self.mailserver.faults.reject(stage="rcpt", code=451)
                self.fail("as expected")

        class TestB(MailServerTestCase):
            mailserver_timeout = 0.04

            def setUp(self):
                send(self.mailserver, self.inbox, subject="In setUp")
                self.inbox.receive(subject="Other")

            def test_it(self):
                pass

        class TestC(MailServerTestCase):
            def test_it(self):
                self.inbox.receive()

        class TestD(MailServerTestCase, unittest.IsolatedAsyncioTestCase):
            async def test_it(self):
                self.inbox.deliver(subject="Hello")
                self.assertEqual((await self.inbox.areceive()).subject, "Hello")

        class TestE(MailServerTestCase):
            def tearDown(self):
                send(self.mailserver, self.inbox, subject="In tearDown")
                raise ValueError("in tearDown")

            def test_it(self):
                TestE.server = self.mailserver

        def test_the_fixtures_have_the_same_server(mailserver):
            assert mailserver is TestE.server
        """
    )
    result = run_pytest(project, "--mailserver-artifacts", "left", "--mailserver-timeout", "0.05", "-rA")
    result.assert_outcomes(passed=4, failed=7, skipped=1, xfailed=1)
    text = result.stdout.str()
    assert text.count("- Mail server -") == 7
    assert len(re.findall("^FaultNeverFired: ", text, re.MULTILINE)) == 1
    assert "Mail server <MailServer" not in text
    for line in (
        "Waited 0.03 s for",
        "Waited 0.04 s for",
        "Waited 0.05 s for",
        "'In setUp' from",
        "'In tearDown' from",
    ):
        assert line in text
    left = project.path / "left"
    assert sorted(each.name for each in left.iterdir()) == [
        "test_it.py-TestA-test_2_fails",
        "test_it.py-TestA-test_3_never_fired",
        "test_it.py-TestA-test_4_a_subtest_fails",
        "test_it.py-TestA-test_5_waits",
        "test_it.py-TestB-test_it",
        "test_it.py-TestC-test_it",
        "test_it.py-TestE-test_it",
    ]
    assert b"Subject: Welcome\r\n" in (left / "test_it.py-TestA-test_2_fails" / "01-welcome.eml").read_bytes()


def test_in_pytest_its_settings_are_those_of_the_class_and_of_the_options(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import pytest
        from sirrchat_testkit import MailServerTestCase, Settings
        from tests.support import send

        class TestStrictByTheOption(MailServerTestCase):
            mailserver_settings = Settings(domains=["shop.example"])

            def test_a_unread(self):
                assert self.inbox.endswith("@shop.example")
                send(self.mailserver, self.inbox, subject="Never read")
                TestStrictByTheOption.server = self.mailserver

            @pytest.mark.mailserver(strict=False)
            def test_b_by_the_marker(self):
                assert self.mailserver is TestStrictByTheOption.server
                send(self.mailserver, self.inbox)

        class TestOther(MailServerTestCase):
            def test_it(self):
                assert self.mailserver is not TestStrictByTheOption.server

        class TestWrong(MailServerTestCase):
            mailserver_settings = {"domains": ["shop.example"]}

            def test_it(self):
                pass
        """
    )
    result = run_pytest(project, "--mailserver-strict", "unread")
    result.assert_outcomes(passed=2, failed=1, errors=1)
    result.stdout.fnmatch_lines(["StrictCheckFailed: 1 message was never received (unread): 'Never read' from *"])
    result.stdout.fnmatch_lines(["TestWrong.mailserver_settings must be a Settings(...), not {'domains': *"])


def test_in_pytest_its_late_mail_is_reported_with_its_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        import contextlib, smtplib
        import pytest
        from sirrchat_testkit import MailServerTestCase
        from tests.support import send

        class TestA(MailServerTestCase):
            def test_1(self):
                TestA.address = str(self.inbox)

            def test_2(self):
                with contextlib.suppress(smtplib.SMTPRecipientsRefused):
                    send(self.mailserver, TestA.address)
        """
    )
    result = run_pytest(project)
    result.assert_outcomes(passed=2, warnings=1)
    result.stdout.fnmatch_lines(["test_it.py::TestA::test_1: mail for * arrived after this test had ended*"])


DJANGO_TESTS = """
    import os
    from django.contrib.auth.models import User
    from django.core import mail
    from django.core.mail import send_mail
    from django.test import SimpleTestCase, TestCase, LiveServerTestCase, override_settings
    from sirrchat_testkit import MailServerTestCase

    class A(MailServerTestCase, TestCase):
        def test_mail_goes_to_the_server(self):
            User.objects.create_user("ann", self.inbox).email_user("Welcome", "Hello")
            self.assertEqual(self.inbox.receive(timeout=0).subject, "Welcome")
            self.assertEqual(mail.outbox, [])

        @override_settings(DEFAULT_FROM_EMAIL="other@shop.example")
        def test_with_other_settings(self):
            send_mail("Welcome", "Hello", None, [self.inbox])
            self.assertEqual(self.inbox.receive(timeout=0).sender, "other@shop.example")

    class B(MailServerTestCase, LiveServerTestCase):
        def test_it(self):
            self.client.get("/sign-up/", {"email": self.inbox})
            self.inbox.receive(timeout=0)

    class C(SimpleTestCase):
        def test_in_memory_again(self):
            send_mail("Welcome", "Hello", None, ["ann@example.com"])
            self.assertEqual(len(mail.outbox), 1)
"""


@pytest.mark.parametrize("arguments", [(), ("--parallel", "2")], ids=str)
def test_the_test_runner_of_django_runs_it(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    django = pytest.importorskip("django")
    from tests.plugin import django_project

    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop_settings")
    new = django.VERSION >= (6, 1)
    settings = django_project.SETTINGS + (django_project.MAILERS if new else django_project.OLD)
    project.makepyfile(shop_settings=settings, urls=django_project.URLS, tests=DJANGO_TESTS)
    result = project.run(sys.executable, "-W", "error", "-m", "django", "test", "--noinput", *arguments)
    assert "Ran 4 tests" in result.stderr.str()
    assert "OK" in result.stderr.str()


def test_strict_checks_fail_a_test_that_passed(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_it="""
        from sirrchat_testkit import MailServerTestCase, Settings
        from tests.support import send

        class A(MailServerTestCase):
            mailserver_settings = Settings(strict=["unread"])

            def test_1_unread(self):
                send(self.mailserver, self.inbox, subject="Never read")

            def test_2_read(self):
                send(self.mailserver, self.inbox, subject="Read")
                self.inbox.receive(subject="Read")

            def test_3_unread_and_failed(self):
                send(self.mailserver, self.inbox)
                self.fail("on purpose")
        """
    )
    lines = ("FAIL: test_1_*", "*StrictCheckFailed: *", "*Never read*", "FAIL: test_3_*", "FAILED (failures=2)")
    text = run(project, count=3, lines=lines)
    assert text.count("StrictCheckFailed") == 1
