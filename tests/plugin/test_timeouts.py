"""How long waits take, as it is said by markers, the option, the environment and the ini file."""

import pytest


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly", *arguments)


TIMEOUTS = """
import pytest

def test_plain(mailserver):
    assert mailserver.timeout == {plain}

@pytest.mark.mailserver(timeout=4)
def test_marked(mailserver):
    assert mailserver.timeout == 4
"""


def test_the_timeout_comes_from_marker_option_environment_ini(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.makepyfile(TIMEOUTS.format(plain=10))
    run(project).assert_outcomes(passed=2)
    project.makeini("[pytest]\nmailserver_timeout = 1.5")
    project.makepyfile(TIMEOUTS.format(plain=1.5))
    run(project).assert_outcomes(passed=2)
    monkeypatch.setenv("SIRRCHAT_TESTKIT_TIMEOUT", "2")
    project.makepyfile(TIMEOUTS.format(plain=2))
    run(project).assert_outcomes(passed=2)
    project.makepyfile(TIMEOUTS.format(plain=3))
    run(project, "--mailserver-timeout=3000ms").assert_outcomes(passed=2)


WIDER = """
import pytest

@pytest.fixture(scope="session")
def everybody_s(mailserver_session):
    made_with = mailserver_session.timeout
    return mailserver_session.make_inbox(), made_with

@pytest.fixture
def own(mailserver_session):
    return mailserver_session.timeout

@pytest.mark.mailserver(timeout=4)
def test_marked(mailserver_session, everybody_s, own):
    assert (mailserver_session.timeout, everybody_s[1], own) == (4, 3, 4)

def test_plain(mailserver_session, everybody_s, own):
    assert (mailserver_session.timeout, everybody_s[1], own) == (3, 3, 3)

@pytest.mark.mailserver(timeout=0)
def test_a_wait(everybody_s):
    with pytest.raises(AssertionError, match="Waited 0.0 s"):
        everybody_s[0].receive()

@pytest.mark.mailserver(timeout=5)
class TestMarked:
    @pytest.fixture(scope="class")
    def of_class(self, mailserver_session):
        return mailserver_session.timeout

    def test_it(self, of_class, mailserver_session):
        assert (of_class, mailserver_session.timeout) == (5, 5)

    @pytest.mark.mailserver(timeout=6)
    def test_nearer(self, of_class, mailserver_session):
        assert (of_class, mailserver_session.timeout) == (5, 6)
"""


def test_a_timeout_counts_whichever_fixture_is_asked_for(project: pytest.Pytester) -> None:
    project.makepyfile(WIDER)
    run(project, "--mailserver-timeout=3").assert_outcomes(passed=5)


def test_a_server_that_is_over_is_not_told_how_long_to_wait(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from sirrchat_testkit import Settings

        @pytest.fixture(scope="session", params=["one.example", "two.example"])
        def mailserver_settings(request):
            return Settings(domains=[request.param])

        @pytest.fixture
        def nothing():
            pass

        def test_it(mailserver_session, nothing):
            assert mailserver_session.timeout == 10

        def test_neither(nothing):
            pass
        """
    )
    run(project).assert_outcomes(passed=3)


def test_a_wrong_timeout_is_a_usage_error(project: pytest.Pytester) -> None:
    project.makepyfile(TIMEOUTS.format(plain=10).replace("timeout=4", "seconds=4"))
    result = run(project)
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(
        ["*the marker must be mailserver(timeout=SECONDS, strict=CHECKS), not mailserver(seconds=4)*"]
    )


@pytest.mark.parametrize("given", ["60", "timeot=3", "timeout='3'", "", "timeout=None", "timeout=-1", "timeout=True"])
def test_a_wrong_marker_fails_its_own_test_and_no_other(project: pytest.Pytester, given: str) -> None:
    project.makepyfile(
        f"""
        import pytest

        def test_before(mailserver):
            pass

        @pytest.mark.mailserver({given})
        def test_wrong(inbox):
            pass

        def test_after(inbox):
            pass

        def test_last(mailserver):
            assert mailserver.timeout == 10
        """
    )
    result = run(project)
    result.assert_outcomes(passed=3, errors=1)
    result.stdout.fnmatch_lines(
        [f"*the marker must be mailserver(timeout=SECONDS, strict=CHECKS), not mailserver({given})*"]
    )


def test_the_ini_file_says_how_long_nothing_may_arrive(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\nmailserver_within = 0.05")
    project.makepyfile(
        """
        import time

        def test_it(mailserver, inbox):
            assert mailserver.within == 0.05
            began = time.monotonic()  # real time is the subject
            inbox.assert_nothing()
            assert time.monotonic() - began >= 0.05
        """
    )
    run(project).assert_outcomes(passed=1)


TIMEOUT = "SIRRCHAT_TESTKIT_TIMEOUT"
WRONG = ["soon", "-1", "nan"]


@pytest.mark.parametrize("given", [*WRONG, ""])
def test_a_wrong_option_ends_the_run_at_its_start(project: pytest.Pytester, given: str) -> None:
    refused(
        project, f"the option --mailserver-timeout must be a duration such as 500ms, 10s or 1m, not {given!r}", given
    )


@pytest.mark.parametrize("given", WRONG)
def test_a_wrong_variable_ends_the_run_at_its_start(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, given: str
) -> None:
    monkeypatch.setenv(TIMEOUT, given)
    refused(
        project,
        f"the environment variable {TIMEOUT} must be a duration such as 500ms, 10s or 1m, not {given!r}",
    )


@pytest.mark.parametrize("setting", ["mailserver_timeout", "mailserver_within"])
@pytest.mark.parametrize("given", WRONG)
def test_a_wrong_ini_setting_ends_the_run_at_its_start(project: pytest.Pytester, setting: str, given: str) -> None:
    project.makeini(f"[pytest]\n{setting} = {given}")
    refused(project, f"the ini setting {setting} must be a duration such as 500ms, 10s or 1m, not {given!r}", "3")


def refused(project: pytest.Pytester, error: str, option: str | None = None) -> None:
    project.makepyfile("def test_it(): pass")
    result = run(project, *([] if option is None else [f"--mailserver-timeout={option}"]))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.errlines == [f"ERROR: {error}", ""]
