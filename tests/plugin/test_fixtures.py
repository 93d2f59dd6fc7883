"""The plugin, run by real pytest inside pytest."""

import sys

import pytest


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly", *arguments)


def test_a_sync_test_receives(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from tests.support import send

        def test_it(mailserver, inbox):
            send(mailserver, inbox)
            assert inbox.receive().subject == "Hello"
        """
    )
    run(project).assert_outcomes(passed=1)


def test_pytest_asyncio_tests_receive(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import asyncio, pytest
        from tests.support import send

        @pytest.mark.asyncio
        @pytest.mark.parametrize("n", [1, 2])
        async def test_it(mailserver, inbox, n):
            waiting = asyncio.create_task(inbox.areceive())
            await asyncio.to_thread(send, mailserver, inbox)
            assert (await waiting).subject == "Hello"
        """
    )
    run(project, "-p", "asyncio").assert_outcomes(passed=2)


def test_anyio_tests_receive_on_asyncio_and_trio(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import anyio, pytest
        from tests.support import send

        pytestmark = pytest.mark.anyio

        async def test_it(mailserver, inbox):
            async with anyio.create_task_group() as group:
                group.start_soon(anyio.to_thread.run_sync, send, mailserver, inbox)
                assert (await inbox.areceive()).subject == "Hello"
            await inbox.aassert_nothing()
        """
    )
    run(project, "-p", "anyio").assert_outcomes(passed=2)


def test_the_client_of_a_test_has_the_admin_s_key_and_sends_each_request_once(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from datetime import UTC, datetime
        from sirrchat_testkit import RateLimited

        @pytest.mark.parametrize("n", [1, 2])
        def test_it(mail_client, mailserver, inbox, n):
            assert mail_client.users.create("ann@example.com", "pw").email == "ann@example.com"
            mailserver.clock.freeze()
            mailserver.clock.move_to(datetime(2030, 1, 1, 12, 59, 59, tzinfo=UTC))
            mailserver.rate_limit(requests=1)
            mail_client._sleep = lambda seconds: pytest.fail("it sleeps")
            assert mail_client.stats.server().users_total == 1
            with pytest.raises(RateLimited) as caught:
                mail_client.stats.server()
            assert caught.value.retry_after == 1

        @pytest.mark.asyncio
        async def test_in_a_task(mail_client):
            assert list(mail_client.users.list()) == []
        """
    )
    run(project, "-p", "asyncio").assert_outcomes(passed=3)


def test_a_test_leaves_nothing_and_wider_fixtures_keep_theirs(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from tests.support import send

        @pytest.fixture(scope="module")
        def news(mailserver_session):
            inbox = mailserver_session.make_inbox("news")
            inbox.deliver(subject="first")
            return inbox

        @pytest.mark.parametrize("n", [1, 2])
        def test_it(mailserver, news, inbox, n):
            assert [each.subject for each in mailserver.messages] == ["first"]
            send(mailserver, news, subject="second")
            send(mailserver, inbox)
            assert news.receive().subject == "first"
            assert len(mailserver.messages) == 3
        """
    )
    run(project).assert_outcomes(passed=2)


def test_a_wait_tells_of_mail_that_went_with_an_earlier_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from tests.support import send

        @pytest.fixture(scope="session")
        def news(mailserver_session):
            return mailserver_session.make_inbox("news")

        def test_early(mailserver, news):
            send(mailserver, news, subject="Welcome")

        def test_late(mailserver, news):
            news.receive(subject="Welcome", timeout=0)
        """
    )
    result = run(project)
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*Waited 0.0 s for a message for news-*@example.com with subject='Welcome'.",
            "E*Messages that arrived during an earlier test and were removed at its end (receive them in the fixture *",
            "E*'Welcome' from shop@shop.example to news-*@example.com, during *::test_early",
        ]
    )


def test_addresses_are_a_person_s_reproducible_and_of_safe_characters(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import re
        from pathlib import Path

        def test_it(inbox, make_inbox, make_inboxes):
            addresses = [each.address for each in (inbox, make_inbox(), make_inbox("User Name"), *make_inboxes(5))]
            assert len(set(addresses)) == 8
            for each in addresses:
                assert re.fullmatch(r"[a-z0-9-]{1,64}@example[.]com", each)
            assert re.fullmatch(r"[a-z]+-[a-z]+-[a-z2-7]{6}@.*", addresses[0])
            assert addresses[2].startswith("user-name-")
            Path("made").write_text(str(addresses))
        """
    )

    def made(*arguments: str) -> str:
        run(project, *arguments).assert_outcomes(passed=1)
        return (project.path / "made").read_text("utf-8")

    first = made()
    assert made() == first
    assert made("--mailserver-seed", "another") != first


def test_two_workers_have_servers_and_addresses_of_their_own(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from tests.support import send

        @pytest.mark.parametrize("n", range(8))
        def test_it(mailserver, inbox, n):
            send(mailserver, inbox, subject=str(n))
            assert inbox.receive().subject == str(n)
            assert len(mailserver.messages) == 1
        """
    )
    run(project, "-p", "xdist", "-n", "2").assert_outcomes(passed=8)


def test_a_test_s_addresses_are_the_same_in_a_worker_and_a_worker_s_are_its_own(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import os, pathlib, pytest

        def note(name, inbox):
            worker = os.environ.get("PYTEST_XDIST_WORKER", "alone")
            pathlib.Path(f"{worker}-{name}.made").write_text(inbox.address)

        @pytest.fixture(scope="session", autouse=True)
        def everybody_s(mailserver_session):
            note("session", mailserver_session.make_inbox())

        @pytest.mark.parametrize("n", range(6))
        def test_it(inbox, n):
            note(n, inbox)
        """
    )
    run(project).assert_outcomes(passed=6)
    run(project, "-p", "xdist", "-n", "2").assert_outcomes(passed=6)
    made = {path.stem: path.read_text() for path in project.path.glob("*.made")}
    for name, address in made.items():
        worker, _, what = name.partition("-")
        if what == "session":
            assert list(made.values()).count(address) == 1
        else:
            assert address == made[f"alone-{what}"], worker
    assert len(made) == 7 + 6 + 2


def test_settings_that_are_none_are_refused_by_name(project: pytest.Pytester) -> None:
    project.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def mailserver_settings():
            return {"starttls": True}
        """
    )
    project.makepyfile("def test_it(inbox): pass")
    run(project).stdout.fnmatch_lines(
        ["*the fixture mailserver_settings returns a Settings(...), not {'starttls': True}"]
    )


def test_settings_are_overridden_by_a_fixture(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from sirrchat_testkit import Settings

        @pytest.fixture(scope="session")
        def mailserver_settings():
            return Settings(domains=["shop.example"])

        def test_it(inbox):
            assert inbox.address.endswith("@shop.example")
        """
    )
    run(project).assert_outcomes(passed=1)


def test_a_user_s_own_inbox_wins(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest

        @pytest.fixture
        def inbox():
            return "mine"

        def test_it(inbox, make_inbox):
            assert inbox == "mine"
            assert make_inbox().messages == []
        """
    )
    run(project).assert_outcomes(passed=1)


def test_a_failed_wait_points_at_the_test_s_line_and_reports_the_server(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from tests.support import send

        def test_it(mailserver, inbox):
            send(mailserver, inbox, subject="Goodbye")
            inbox.receive(subject="Hello", timeout=0)
        """
    )
    result = run(project)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            '>*inbox.receive(subject="Hello", timeout=0)',
            "E*MailNotReceived: subject: wanted 'Hello', was 'Goodbye'. Waited 0.0 s for a message for *@example.com *",
            "E*'Goodbye' from shop@shop.example to *",
            "E*subject: wanted 'Hello', was 'Goodbye'",
            "*Mail server*",
            "*seed='sirrchat_testkit'",
        ]
    )
    assert "control.py" not in result.stdout.str()


def test_what_fails_in_the_server_fails_the_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        def test_it(mailserver):
            mailserver._now.services.crashed("a request", ZeroDivisionError("a bug in the kit"))

        def test_next(mailserver):
            pass
        """
    )
    result = run(project)
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(["E*ZeroDivisionError: a bug in the kit"])


def test_late_mail_is_refused_and_told_of_its_own_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import smtplib
        from tests.support import send
        addresses = []

        def test_early(inbox):
            addresses.append(inbox.address)

        def test_running(mailserver):
            try:
                send(mailserver, addresses[0])
            except smtplib.SMTPRecipientsRefused:
                return
            raise AssertionError("accepted")
        """
    )
    for arguments in ((), ("-p", "xdist", "-n", "1")):
        result = run(project, *arguments)
        result.assert_outcomes(passed=2)
        result.stdout.fnmatch_lines(
            ["*late mail*", "*::test_early: mail for *@example.com from shop@shop.example arrived after*"]
        )


def test_the_server_stays_unstarted_and_unimported_when_nobody_asks(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import sys

        def test_it():
            heavy = {"aiohttp", "aiosmtpd", "pydantic", "tinydb", "httpx", "selectolax", "email.policy"}
            ours = {name for name in sys.modules if name.startswith("sirrchat_testkit.")}
            assert not {name for name in ours if not name.startswith("sirrchat_testkit.pytest_plugin")}
            assert not heavy & set(sys.modules)
        """
    )
    run(project, "-p", "no:faker", "-p", "no:anyio", "-p", "no:hypothesispytest", "-p", "no:asyncio").assert_outcomes(
        passed=1
    )


def test_the_package_is_imported_without_rewritten_assertions(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        def test_it(mailserver, inbox):
            import sirrchat_testkit.server
            import test_the_package_is_imported_without_rewritten_assertions as mine

            rewriting = "_pytest.assertion.rewrite"
            assert type(sirrchat_testkit.server.__loader__).__module__ != rewriting
            assert type(mine.__loader__).__module__ == rewriting
        """
    )
    run(project).assert_outcomes(passed=1)


def test_the_plugin_is_found_by_its_entry_point() -> None:
    from importlib.metadata import entry_points

    [entry] = entry_points(group="pytest11", name="sirrchat_testkit")
    assert entry.load() is sys.modules["sirrchat_testkit.pytest_plugin"]


def test_a_forgotten_await_fails_the_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import anyio
        import pytest

        def test_1(inbox):
            inbox.areceive()

        @pytest.mark.asyncio
        async def test_2(inbox):
            inbox.deliver(subject="Hello")
            inbox.aassert_nothing()

        @pytest.mark.parametrize("anyio_backend", ["asyncio", "trio"])
        @pytest.mark.anyio
        async def test_3(mailserver, inbox):
            async with anyio.create_task_group() as group:
                group.start_soon(inbox.aassert_nothing)
            mailserver.clock.aadvance(hours=1)

        @pytest.mark.asyncio
        async def test_that_failed_already(inbox):
            assert inbox.areceive().subject == "Hello"
        """
    )
    result = project.runpytest_subprocess(
        *("-p", "no:cacheprovider", "-p", "no:randomly", "-p", "pytest_asyncio.plugin", "-p", "anyio.pytest_plugin"),
        *("-W", "ignore::RuntimeWarning"),
    )
    result.assert_outcomes(failed=5)
    file = "test_a_forgotten_await_fails_the_test.py"
    result.stdout.fnmatch_lines(
        [
            f"NeverAwaited: Inbox.areceive() at {file}:5 was called without await, so it did nothing",
            f"NeverAwaited: Inbox.aassert_nothing() at {file}:10 was called without await, so it did nothing",
            f"NeverAwaited: Clock.aadvance() at {file}:17 was called without await, so it did nothing",
            f"NeverAwaited: Clock.aadvance() at {file}:17 was called without await, so it did nothing",
            "E *AttributeError: 'coroutine' object has no attribute 'subject'",
        ]
    )
