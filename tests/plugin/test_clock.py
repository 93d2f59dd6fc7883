"""The clock of the fixtures' server, by real pytest inside pytest."""

import pytest


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly", *arguments)


def test_the_clock_follows_freezegun_and_time_machine(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\nmailserver_clock = follow")
    project.makepyfile(
        """
        from datetime import UTC, datetime, timedelta
        import freezegun, time_machine

        NOON = datetime(2030, 1, 31, 12, tzinfo=UTC)

        def test_freezegun(mailserver, make_inbox):
            with freezegun.freeze_time(NOON) as frozen:
                assert mailserver.clock.now() == NOON
                inbox = make_inbox(expires_in=timedelta(hours=1))
                frozen.tick(timedelta(minutes=1))
                assert inbox.deliver(subject="x").received_at == NOON + timedelta(minutes=1)

        def test_time_machine(mailserver):
            with time_machine.travel(NOON, tick=False):
                assert mailserver.clock.now() == NOON
                mailserver.clock.advance(hours=1)
                assert mailserver.clock.now() == NOON + timedelta(hours=1)

        def test_without(mailserver):
            assert mailserver.clock.now() < NOON
        """
    )
    run(project).assert_outcomes(passed=3)


def test_a_clock_that_follows_has_no_start_of_its_own(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\nmailserver_clock = follow")
    project.makeconftest(
        """
        from datetime import datetime
        import pytest
        from sirrchat_testkit import Settings

        @pytest.fixture(scope="session")
        def mailserver_settings():
            return Settings(start_at=datetime(2030, 1, 31))
        """
    )
    project.makepyfile("def test_it(inbox): pass")
    result = run(project)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["the ini setting mailserver_clock = follow and the setting start_at exclude each*"])


def test_another_clock_ends_the_run_at_its_start(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\nmailserver_clock = frozen")
    project.makepyfile("def test_it(inbox): pass")
    result = run(project)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*the ini setting mailserver_clock must be follow, not 'frozen'"])
