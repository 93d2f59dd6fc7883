"""What a failed test's report says of the mail server, by real pytest inside pytest."""

import re

import pytest


def failed(project: pytest.Pytester) -> tuple[list[str], list[str]]:
    """Run the one test, which fails; return the lines of the failure and those of the report on the server."""
    result = project.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly")
    result.assert_outcomes(failed=1)
    [title] = [number for number, line in enumerate(result.outlines) if re.fullmatch("-+ Mail server -+", line)]
    [end] = [number for number, line in enumerate(result.outlines) if "short test summary" in line]
    assert re.fullmatch("<MailServer smtp=.* http=.*> seed='sirrchat_testkit'", result.outlines[title + 1])
    return result.outlines[:title], result.outlines[title + 2 : end]


def test_what_the_failure_tells_is_not_told_again(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import smtplib

        def test_it(mailserver, inbox):
            with smtplib.SMTP(mailserver.smtp_host, mailserver.smtp_port) as smtp:
                smtp.ehlo()
                smtp.mail("shop@shop.example")
                assert smtp.rcpt("nobody@example.com")[0] == 550
            inbox.deliver(subject="Goodbye", sender="shop@shop.example")
            inbox.receive(subject="Hello", timeout=0)
        """
    )
    failure, report = failed(project)
    assert sum("nobody@example.com does not exist here" in line for line in failure) == 1
    assert sum("'Goodbye' from shop@shop.example to" in line for line in failure) == 1
    assert report == []


def test_what_the_failure_does_not_tell_is_told_once(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import smtplib

        def test_it(mailserver, inbox):
            with smtplib.SMTP(mailserver.smtp_host, mailserver.smtp_port) as smtp:
                smtp.ehlo()
                smtp.mail("shop@shop.example")
                for name in ["nobody"] * 6 + ["somebody"]:
                    assert smtp.rcpt(f"{name}@example.com")[0] == 550
            for _ in range(3):
                inbox.deliver(subject="Goodbye", sender="shop@shop.example")
            raise AssertionError("see below")
        """
    )
    _, report = failed(project)
    assert [line.removesuffix(" (6 times)") for line in report if "does not exist" in line] == [
        "  nobody@example.com from shop@shop.example: nobody@example.com does not exist here",
        "  somebody@example.com from shop@shop.example: somebody@example.com does not exist here",
    ]
    assert [line.endswith("(6 times)") for line in report if "does not exist" in line] == [True, False]
    [message] = [line for line in report if "Goodbye" in line]
    assert re.fullmatch(r"  'Goodbye' from shop@shop.example to .*@example.com \(3 times\)", message)


def test_webhook_attempts_of_the_test_are_listed(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.fixture
        def earlier(mailserver_session):
            with mailserver_session.scope(), mailserver_session.make_webhook_sink() as sink:
                mailserver_session.add_webhook(sink.url)
                mailserver_session.make_inbox().deliver(subject="Earlier")
                sink.receive()

        def test_it(earlier, mailserver, inbox, webhook_sink):
            mailserver.add_webhook(webhook_sink.url)
            webhook_sink.refuse(503)
            webhook_sink.drop()
            mailserver.clock.freeze()
            inbox.deliver(subject="Hello")
            mailserver.settle()
            mailserver.clock.advance(minutes=1)
            assert not webhook_sink.receive()
        """
    )
    _, report = failed(project)
    attempts = report[report.index("Webhook attempts:") + 1 : -1]
    assert re.fullmatch(r"The server's clock is stopped at .* UTC, 0:0\d:\d\d ahead of real time\.", report[-1])
    expected = [
        r"attempt 1: answered 503 after \d+ ms; now pending",
        r"attempt 2: \w+: .+ after \d+ ms; now pending",
        r"attempt 3: answered 200 after \d+ ms; now delivered",
    ]
    for line, told in zip(attempts, expected, strict=True):
        assert re.fullmatch(r"  http://127\.0\.0\.1:\d+/: email\.received, " + told, line)


def test_webhook_attempts_that_the_failure_lists_are_not_listed_again(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        def test_it(mailserver, inbox, webhook_sink):
            mailserver.clock.freeze()
            mailserver.add_webhook(webhook_sink.url)
            webhook_sink.refuse(503)
            inbox.deliver(subject="Hello")
            mailserver.settle()
            webhook_sink.receive(timeout=0)
        """
    )
    failure, report = failed(project)
    assert sum("attempt 1: answered 503" in line for line in failure) == 1
    assert "Webhook attempts:" not in report


def test_calls_without_await_are_in_the_report(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        def test_it(inbox):
            inbox.deliver(subject="Hello")
            assert inbox.areceive().subject == "Hello"
        """
    )
    _, report = failed(project)
    assert report[-2:] == [
        "Not awaited:",
        "  Inbox.areceive() at test_calls_without_await_are_in_the_report.py:3",
    ]


def test_a_client_that_leaves_after_ehlo_may_need_starttls(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import contextlib, smtplib

        def test_it(mailserver, inbox):
            with contextlib.suppress(smtplib.SMTPException):
                with smtplib.SMTP(mailserver.smtp_host, mailserver.smtp_port) as smtp:
                    smtp.starttls()
            inbox.receive(timeout=0)
        """
    )
    failure, _ = failed(project)
    [line] = [line for line in failure if line.startswith("E  ") and "MailNotReceived" in line]
    assert "; does the client need STARTTLS? Settings(starttls=True) offers it. Waited" in line


def test_a_client_that_is_cut_off_after_ehlo_may_have_been_stopped(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import smtplib

        def test_it(mailserver, inbox):
            smtp = smtplib.SMTP(mailserver.smtp_host, mailserver.smtp_port)
            smtp.ehlo()
            smtp.close()
            inbox.receive(timeout=1)
        """
    )
    failure, _ = failed(project)
    [line] = [line for line in failure if line.startswith("E  ") and "MailNotReceived" in line]
    assert "; was the client stopped, or does it need STARTTLS? Settings(starttls=True) offers it. Waited" in line


def test_the_report_tells_how_connections_ended_that_brought_no_mail(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import smtplib

        def test_it(mailserver, inbox):
            mailserver.configure(auth="required")
            with smtplib.SMTP(mailserver.smtp_host, mailserver.smtp_port) as smtp:
                smtp.ehlo()
                smtp.docmd("MAIL FROM:<shop@shop.example>")
            mailserver.settle()
            raise AssertionError("see below")
        """
    )
    _, report = failed(project)
    title, line = report[1:3]
    assert title == "Connections that delivered no mail:"
    assert re.fullmatch(
        r"  127.0.0.1:\d+ was refused at C: MAIL FROM:<shop@shop.example>  S: 530 5.7.0 Authentication required", line
    )
