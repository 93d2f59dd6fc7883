"""Django in pytest inside pytest: the fixture ``mailserver_django``, with the real framework and pytest-django."""

import pytest

from tests.plugin.django_project import MAILERS, OLD, SETTINGS, URLS

django = pytest.importorskip("django")
pytest.importorskip("pytest_django")

HAS_MAILERS = django.VERSION >= (6, 1)
STORED = "MAILERS" if HAS_MAILERS else "EMAIL_HOST"


def run(project: pytest.Pytester, *arguments: str, mailers: bool = HAS_MAILERS) -> pytest.RunResult:
    """Run the tests of ``project`` with pytest-django, warnings being errors."""
    module = SETTINGS + (MAILERS if mailers else OLD)
    project.makepyfile(shop_settings=module, urls=URLS)
    allowed = ("-W", "ignore:The EMAIL_") if HAS_MAILERS and not mailers else ()
    return project.runpytest_subprocess(
        *("-p", "no:cacheprovider", "-p", "pytest_django.plugin", "--ds", "shop_settings", "-W", "error"),
        *allowed,
        *arguments,
    )


@pytest.mark.parametrize("mailers", [False, *[True] * HAS_MAILERS])
def test_django_sends_its_mail_to_the_server(project: pytest.Pytester, *, mailers: bool) -> None:
    project.makepyfile(
        """
        import threading, urllib.request
        from django.core import mail
        from django.core.mail import EmailMessage, send_mail
        from django.test import Client

        def test_directly(mailserver_django, inbox):
            assert send_mail("Welcome", "Hello", None, [inbox]) == 1
            message = inbox.receive(timeout=0, subject="Welcome")
            assert message.sender == "shop@shop.example"
            assert message.envelope.login == mailserver_django.smtp_username
            assert mail.outbox == []

        def test_through_the_test_client(mailserver_django, client, inbox):
            client.get("/sign-up/", {"email": inbox})
            inbox.receive(timeout=0)

        def test_through_a_live_server(mailserver_django, live_server, inbox):
            urllib.request.urlopen(f"{live_server.url}/sign-up/?email={inbox}").close()
            inbox.receive(timeout=0)

        def test_the_fixture_is_the_server(mailserver_django, mailserver):
            assert mailserver_django is mailserver
        """
    )
    run(project, mailers=mailers).assert_outcomes(passed=4)


@pytest.mark.skipif(not HAS_MAILERS, reason="MAILERS is new in Django 6.1")
def test_every_mailer_sends_to_the_server(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from django.conf import settings
        from django.core.mail import EmailMessage, mailers

        def test_it(mailserver_django, inbox):
            assert [*settings.MAILERS] == ["default", "news"]
            EmailMessage("June", "News", "a@shop.example", [inbox]).send(using="news")
            inbox.receive(subject="June", timeout=0)
        """
    )
    run(project).assert_outcomes(passed=1)


def test_the_settings_are_those_of_the_test_environment_again(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from django.conf import settings as current
        from django.core import mail
        from django.core.mail import send_mail
        from django.test import override_settings

        def send(inbox):
            send_mail("Welcome", "Hello", None, [inbox])

        def test_undone_before_the_fixture_settings(settings, mailserver_django, inbox):
            settings.DEFAULT_FROM_EMAIL = "other@shop.example"
            send(inbox)
            assert inbox.receive(timeout=0).sender == "other@shop.example"

        def test_undone_after_the_fixture_settings(mailserver_django, settings, inbox):
            settings.DEFAULT_FROM_EMAIL = "other@shop.example"
            send(inbox)
            assert inbox.receive(timeout=0).sender == "other@shop.example"

        @override_settings(DEFAULT_FROM_EMAIL="other@shop.example")
        def test_within_override_settings(mailserver_django, inbox):
            send(inbox)
            assert inbox.receive(timeout=0).sender == "other@shop.example"

        @pytest.mark.parametrize("n", [1, 2])
        def test_in_memory_again(inbox, n):
            send(inbox)
            assert [each.to for each in mail.outbox] == [[inbox]]
            assert inbox.messages == []
            names = {"MAILERS"} if hasattr(current, "MAILERS") else {"EMAIL_PORT", "EMAIL_SSL_KEYFILE"}
            stored = current._wrapped.__dict__
            assert "mail.shop.example" in str(stored) or current.MAILERS["default"] == {
                "BACKEND": "django.core.mail.backends.locmem.EmailBackend"
            }
        """
    )
    run(project, "-p", "no:randomly").assert_outcomes(passed=5)


def test_unittest_test_cases_use_it_and_the_database_is_reused(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from django.contrib.auth.models import User
        from django.test import LiveServerTestCase, TestCase, TransactionTestCase
        from django.core.mail import send_mail

        class Cases:
            @pytest.fixture(autouse=True)
            def connected(self, mailserver_django, inbox):
                self.inbox = inbox

            def test_it(self):
                user = User.objects.create_user("ann", self.inbox)
                user.email_user("Welcome", "Hello")
                self.inbox.receive(timeout=0)

        class TestA(Cases, TestCase): pass
        class TestB(Cases, TransactionTestCase): pass
        class TestC(Cases, LiveServerTestCase): pass

        @pytest.mark.django_db
        def test_with_the_database(mailserver_django, inbox):
            User.objects.create_user("bob", inbox).email_user("Welcome", "Hello")
            inbox.receive(timeout=0)
        """
    )
    for _ in range(2):
        run(project, "--reuse-db").assert_outcomes(passed=4)


def test_django_trusts_the_certificate_of_the_server(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import os
        import pytest
        from django.core.mail import send_mail
        from sirrchat_testkit import MailServer, Settings, connect_django

        BEFORE = os.environ.get("SSL_CERT_FILE")

        @pytest.fixture(scope="session")
        def mailserver_settings():
            return Settings(starttls=True, tls_required=True, auth="required", advertise="shop.docker.internal")

        def test_starttls(mailserver_django, inbox):
            send_mail("Welcome", "Hello", None, [inbox])
            assert inbox.receive(timeout=0).envelope.tls

        def test_the_environment_is_restored():
            assert os.environ.get("SSL_CERT_FILE") == BEFORE

        def test_tls_on_a_port_of_its_own():
            with MailServer(smtps_port=0) as server, connect_django(server):
                inbox = server.make_inbox()
                send_mail("Welcome", "Hello", None, [inbox])
                assert inbox.receive(timeout=0).envelope.tls

        def test_no_login_where_none_is_offered():
            with MailServer(hide_extensions=["AUTH"]) as server, connect_django(server):
                inbox = server.make_inbox()
                send_mail("Welcome", "Hello", None, [inbox])
                assert inbox.receive(timeout=0).envelope.login == ""
        """
    )
    run(project).assert_outcomes(passed=4)


def test_mail_that_django_kept_in_memory_is_the_finding(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from django.core.mail import EmailMessage, send_mail

        def test_for_the_inbox(inbox):
            send_mail("Welcome", "Hello", None, [f"Ann <{inbox}>"])
            EmailMessage("Invoice", "x", to=["other@example.com"], bcc=[inbox.upper()]).send()
            inbox.receive(timeout=0, subject="Welcome")

        def test_for_others(inbox):
            send_mail("Welcome", "Hello", None, ["other@example.com"])
            inbox.receive(timeout=0)

        def test_for_any(mailserver):
            send_mail("Welcome", "Hello", None, ["other@example.com"])
            mailserver.receive(timeout=0)

        def test_not_where_mail_arrived(inbox):
            send_mail("Welcome", "Hello", None, [inbox])
            inbox.deliver(subject="Hello")
            inbox.receive(timeout=0, subject="Welcome")

        def test_not_where_it_went_to_the_server(mailserver_django, inbox, make_inbox):
            send_mail("Welcome", "Hello", None, [make_inbox()])
            inbox.receive(timeout=0)
        """
    )
    result = run(project, "-p", "no:randomly")
    result.assert_outcomes(failed=5)
    remedy = (
        "django.core.mail.outbox: Django's test environment keeps mail in memory; use the fixture mailserver_django."
    )
    result.stdout.fnmatch_lines(
        [
            f"E *2 messages for *@example.com are in {remedy} Waited 0.0 s for a message for *",
            "E *Mail that the application did not send:",
            "E *  'Welcome' to *@example.com",
            "E *  'Invoice' to other@example.com, *@EXAMPLE.COM",
            "E *No client connected to 127.0.0.1:*[0-9].",
            f"E *1 message is in {remedy} Waited 0.0 s for a message for *@example.com.",
            f"E *1 message is in {remedy} Waited 0.0 s for a message for any recipient.",
            "E *subject: wanted 'Welcome', was 'Hello'.*",
            "E *No message arrived, but 1 did for *",
        ],
        consecutive=False,
    )


SETTLED = """
        import pytest
        from django.conf import settings
        from django.test import override_settings

        SMTP = "django.core.mail.backends.smtp.EmailBackend"

        def mail_settings(backend, host, port):
            if hasattr(settings, "MAILERS"):
                return {"MAILERS": {"default": {"BACKEND": backend, "OPTIONS": {"host": host, "port": port}}}}
            return {"EMAIL_BACKEND": backend, "EMAIL_HOST": host, "EMAIL_PORT": port}
"""


@pytest.mark.parametrize("mailers", [False, *[True] * HAS_MAILERS])
def test_the_mail_settings_of_django_explain_that_no_client_connected(
    project: pytest.Pytester, *, mailers: bool
) -> None:
    project.makepyfile(
        SETTLED
        + """
        def test_1_in_memory(inbox):
            inbox.receive(timeout=0)

        def test_2_elsewhere(inbox):
            with override_settings(**mail_settings(SMTP, "mail.shop.example", 2525)):
                inbox.receive(timeout=0)

        def test_3_not_by_smtp(inbox):
            with override_settings(**mail_settings("shop.mail.Backend", "", 0)):
                inbox.receive(timeout=0)

        def test_4_here(mailserver_django, inbox):
            inbox.receive(timeout=0)

        def test_5_here_by_another_name(mailserver, inbox):
            with override_settings(**mail_settings(SMTP, "localhost", mailserver.smtp_port)):
                inbox.receive(timeout=0)

        def test_6_here_but_no_such_address(mailserver, mailserver_django):
            mailserver.inbox_for("support@example.com").receive(timeout=0)

        def test_7_mail_for_the_server(mailserver):
            mailserver.receive(timeout=0)

        def test_8_several(mailserver_django, inbox):
            inbox.receive_all(2, timeout=0)
        """
    )
    result = run(project, "-p", "no:randomly", mailers=mailers)
    result.assert_outcomes(failed=8)
    backend, place = ("MAILERS['default']['BACKEND']", "MAILERS['default']")
    if not mailers:
        backend, place = "EMAIL_BACKEND", "EMAIL_HOST, EMAIL_PORT"
    none = "E *No client connected to 127.0.0.1:*[0-9]: Django"
    fixture = "use the fixture mailserver_django. Waited *"
    kept = f"{none} has sent nothing: django.core.mail.outbox, where its test environment keeps mail, is empty"
    lines = [
        f"{kept}; {fixture}",
        f"{none} sends its mail to mail.shop.example:2525 ({place}); {fixture}",
        f"{none}'s {backend} is 'shop.mail.Backend', not '*.smtp.EmailBackend'; {fixture}",
        f"{none} is configured to send its mail there, but has sent none. Waited *",
        f"{none} is configured to send its mail there, but has sent none. Waited *",
        "E *support@example.com does not exist here; make it with *",
        f"{none} is configured to send its mail there, but has sent none.",
        f"{kept}; {fixture}",
        "E *None of 2 messages arrived. Waited *",
        f"{none} is configured to send its mail there, but has sent none.",
    ]
    result.stdout.fnmatch_lines([line.replace("['", "[[]'").replace("']", "'[]]") for line in lines])


def test_functions_that_wait_for_a_commit_are_the_finding(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import django.test, functools, pytest
        from django.core.mail import send_mail
        from django.db import transaction
        from sirrchat_testkit import MailServerTestCase

        def sign_up(inbox):
            transaction.on_commit(functools.partial(send_mail, "Welcome", "Hello", None, [inbox]))

        @pytest.mark.django_db
        def test_1_waits(mailserver_django, inbox):
            sign_up(inbox)
            inbox.receive(timeout=0)

        @pytest.mark.django_db
        def test_2_run(mailserver_django, inbox, django_capture_on_commit_callbacks):
            with django_capture_on_commit_callbacks(execute=True):
                sign_up(inbox)
            inbox.receive(timeout=0)

        class Test3(MailServerTestCase, django.test.TestCase):
            mailserver_timeout = 0

            def test_it(self):
                sign_up(self.inbox)
                self.inbox.receive()
        """
    )
    result = run(project, "-p", "no:randomly")
    result.assert_outcomes(passed=1, failed=2)
    begin = "E *, but has sent none; 1 function given to transaction.on_commit() runs only"
    result.stdout.fnmatch_lines_random(
        [
            f"{begin} with django_capture_on_commit_callbacks(execute=True) or django_db(transaction=True). Waited *",
            f"{begin} with self.captureOnCommitCallbacks(execute=True) or in a TransactionTestCase. Waited *",
        ]
    )


def test_nothing_is_not_asserted_while_django_keeps_mail_in_memory(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from django.core.mail import send_mail

        @pytest.fixture
        def sent(inbox):
            send_mail("Welcome", "Hello", None, [inbox])

        def test_nothing(sent, inbox):
            inbox.assert_nothing()

        def test_nothing_at_all(sent, mailserver):
            mailserver.assert_nothing()

        def test_all(sent, inbox):
            assert inbox.receive_all() == []

        def test_none(sent, inbox):
            inbox.receive_all(0)

        def test_subject(sent, inbox):
            inbox.assert_nothing(subject="Welcome")

        def test_nothing_for_others(sent, make_inbox):
            make_inbox().assert_nothing()

        def test_no_other_subject(sent, inbox):
            inbox.assert_nothing(subject="Goodbye")

        def test_what_arrived(sent, inbox):
            inbox.deliver(subject="Hello")
            assert len(inbox.receive_all()) == 1
        """
    )
    result = run(project, "-p", "no:randomly")
    result.assert_outcomes(passed=3, failed=5)
    remedy = (
        "django.core.mail.outbox: Django's test environment keeps mail in memory; use the fixture mailserver_django"
    )
    result.stdout.fnmatch_lines(
        [
            f"E *UnexpectedMail: Nothing arrived for *@example.com, but 1 message for * is in {remedy}",
            f"E *UnexpectedMail: Nothing arrived for any recipient, but 1 message is in {remedy}",
        ]
    )


def test_the_report_names_mail_that_django_kept(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from django.core.mail import send_mail

        def test_it(mailserver, inbox):
            mailserver.faults.reject(stage="rcpt", code=550)
            assert send_mail("Welcome", "Hello", None, [inbox]) == 0
        """
    )
    result = run(project, "-p", "no:randomly")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["No mail was received.", "1 message is in django.core.mail.outbox: * use the fixture mailserver_django."]
    )


@pytest.mark.parametrize("mailers", [False, *[True] * HAS_MAILERS])
def test_the_report_names_the_server_that_django_sends_to(project: pytest.Pytester, *, mailers: bool) -> None:
    backend = "django.core.mail.backends.smtp.EmailBackend"
    changes: dict[str, object]
    if mailers:
        options = {"host": "127.0.0.1", "port": 1}
        changes, named = {"MAILERS": {"default": {"BACKEND": backend, "OPTIONS": options}}}, "MAILERS['default']"
    else:
        changes, named = (
            {"EMAIL_BACKEND": backend, "EMAIL_HOST": "127.0.0.1", "EMAIL_PORT": 1},
            "EMAIL_HOST, EMAIL_PORT",
        )
    project.makepyfile(
        f"""
        import pytest
        from django.core.mail import send_mail

        @pytest.fixture
        def elsewhere(settings):
            for name, value in {changes!r}.items():
                setattr(settings, name, value)

        def test_1_elsewhere(mailserver, inbox, elsewhere):
            send_mail("Welcome", "Hello", None, [inbox])

        def test_2_after_the_scope(elsewhere, mailserver):
            request_failed = True

        @pytest.fixture
        def closing(mailserver):
            yield
            assert 0

        def test_3_teardown(elsewhere, closing):
            pass

        def test_4_here(mailserver_django):
            assert 0
        """
    )
    result = run(project, "-p", "no:randomly", mailers=mailers)
    result.assert_outcomes(passed=2, failed=2, errors=1)
    line = f"Django sends its mail to 127.0.0.1:1 ({named}); use the fixture mailserver_django."
    assert line in result.stdout.str()
    result.stdout.fnmatch_lines(["E *ConnectionRefusedError*", "No mail was received."])
    assert result.stdout.str().count(line) == 1


def test_the_report_does_not_repeat_that_django_kept_the_mail(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from django.core.mail import send_mail

        def test_it(inbox):
            send_mail("Welcome", "Hello", None, [inbox])
            inbox.receive(timeout=0)
        """
    )
    shown = run(project).stdout.str().partition("short test summary")[0]  # which has whole messages in CI
    assert shown.count("in django.core.mail.outbox:") == 1
    assert "locmem" not in shown


def test_the_remedy_is_that_of_a_test_case_or_of_a_server_by_hand(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from django.core.mail import send_mail
        from sirrchat_testkit import MailServer, MailServerTestCase

        class TestCase(MailServerTestCase):
            mailserver_timeout = 0

            def test_1(self):
                send_mail("Welcome", "Hello", None, [self.inbox])
                self.inbox.receive()

        def test_2_by_hand(mailserver):
            with MailServer() as server:
                inbox = server.make_inbox()
                send_mail("Welcome", "Hello", None, [inbox])
                inbox.receive(timeout=0)
        """
    )
    result = run(project, "-p", "no:randomly")
    result.assert_outcomes(failed=2)
    kept = "E *MailNotReceived: 1 message for * is in django.core.mail.outbox: * keeps mail in memory; "
    result.stdout.fnmatch_lines(
        [
            f"{kept}derive the test case from MailServerTestCase and django.test.TestCase, in this order. *",
            f'{kept}use "with connect_django(server):". *',
        ]
    )


def test_without_settings_the_error_says_what_to_set(project: pytest.Pytester) -> None:
    project.makepyfile("def test_it(mailserver_django): pass")
    result = project.runpytest_subprocess("-p", "no:cacheprovider")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["E *RuntimeError: Django's settings are not configured: set DJANGO_SETTINGS_MODULE, *"]
    )


def test_the_fixture_works_without_pytest_django(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "shop_settings")
    project.makepyfile(
        shop_settings=SETTINGS + (MAILERS if HAS_MAILERS else OLD),
        test_it="""
        from django.core.mail import send_mail

        def test_it(mailserver_django, inbox):
            send_mail("Welcome", "Hello", None, [inbox])
            inbox.receive(timeout=0)
        """,
    )
    project.syspathinsert()
    project.runpytest_subprocess("-p", "no:cacheprovider", "-W", "error").assert_outcomes(passed=1)
