"""What failures say of queues, by real pytest inside pytest."""

import pytest


def test_tasks_that_celery_hands_to_a_worker_are_the_finding(project: pytest.Pytester) -> None:
    pytest.importorskip("celery")
    project.makepyfile(
        """
        import os, smtplib
        import pytest
        from celery import Celery

        app = Celery("shop", broker="memory://")

        @app.task
        def send(host, port, to):
            with smtplib.SMTP(host, port) as smtp:
                smtp.sendmail("shop@shop.example", [to], "Subject: Hello\\r\\n\\r\\nHello\\r\\n")

        @pytest.mark.parametrize("eager", [False, True])
        def test_it(mailserver, inbox, eager):
            app.conf.task_always_eager = eager
            send.delay(mailserver.smtp_host, mailserver.smtp_port, inbox)
            inbox.receive(timeout=0)

        def test_a_task_that_runs_here_is_not_of_a_worker(inbox):
            inbox.receive(timeout=0)
        """
    )
    result = project.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly")
    result.assert_outcomes(passed=1, failed=2)
    finding = (
        "Celery hands tasks to a worker; start it with the variables of mailserver.env(), or set task_always_eager"
    )
    result.stdout.fnmatch_lines([f"E *MailNotReceived: No client connected to *: {finding}. Waited *"])
    assert result.stdout.str().count("E       sirrchat_testkit.MailNotReceived: No client connected to") == 2
    assert len([line for line in result.outlines if line.startswith("E ") and "Celery" in line]) == 1
