"""``--mailserver-keep-open`` and ``--pdb`` hold the run after a failed test, by real pytest in a pseudo-terminal."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator

import pytest

TEST = """
from sirrchat_testkit import MailServer, MailServerTestCase
from tests.support import send

def test_1_fails(mailserver, inbox):
    send(mailserver, inbox, subject="Welcome")
    assert "signed up" == "not signed up"

def test_2_is_isolated(mailserver):
    assert mailserver.messages == []
"""
PLAIN = ("-p", "no:cacheprovider", "-p", "no:randomly")
PROMPT = "Press Enter to continue, or Ctrl-C to end the run."
PATIENCE = 60


class Terminal:
    """A process of pytest in a pseudo-terminal; ``text`` is what it has written so far."""

    def __init__(self, project: pytest.Pytester, *arguments: str) -> None:
        plugins = [word for name in project.plugins for word in ("-p", str(name))]
        self._master, slave = pty.openpty()
        self.text = ""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pytest", *PLAIN, *plugins, *arguments],
            cwd=project.path,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            preexec_fn=_control,  # noqa: PLW1509 - it only prepares the terminal
            env={**os.environ, "NO_COLOR": "1"},
        )
        os.close(slave)

    def read_until(self, text: str) -> str:
        """Read until ``text`` appears; return what was read before it, without what an earlier call has returned."""
        end = time.monotonic() + PATIENCE
        while text not in self.text:
            ready, _, _ = select.select([self._master], [], [], max(0, end - time.monotonic()))
            assert ready, f"no {text!r} in {self.text}"
            try:
                self.text += os.read(self._master, 65536).decode("utf-8", "replace").replace("\r\n", "\n")
            except OSError:
                raise AssertionError(f"ended without {text!r}: {self.text}") from None
        begin, _, self.text = self.text.partition(text)
        return begin

    def write(self, text: str) -> None:
        os.write(self._master, text.encode())

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._master)


def _control() -> None:
    """Make standard input the controlling terminal, so that Ctrl-C is a signal."""
    os.close(os.open(os.ttyname(0), os.O_RDWR))
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # a shell may ignore it for background jobs


Start = Callable[..., Terminal]


@pytest.fixture
def start(project: pytest.Pytester, mode: str) -> Iterator[Start]:
    """Start pytest in a pseudo-terminal."""
    if mode == "shared":
        pytest.skip("a run with workers is not held")
    started: list[Terminal] = []

    def begin(*arguments: str) -> Terminal:
        started.append(Terminal(project, *arguments))
        return started[-1]

    yield begin
    for each in started:
        each.close()


def web_url(text: str) -> str:
    [url] = re.findall(r"^Web inbox: (http://\S+/)$", text, re.MULTILINE)
    return str(url)


def page(url: str) -> str:
    with urllib.request.urlopen(url, timeout=PATIENCE) as response:
        return str(response.read().decode())


def test_the_server_of_a_failed_test_runs_until_enter(project: pytest.Pytester, start: Start) -> None:
    project.makepyfile(test_it=TEST)
    terminal = start("--mailserver-keep-open")
    shown = terminal.read_until(PROMPT)
    assert "test_it.py::test_1_fails: call failed" in shown
    assert 'assert "signed up" == "not signed up"' in shown
    assert re.search(r"^-+ Mail server -+\n<MailServer .*\nMessages that .*\n  'Welcome' from ", shown, re.MULTILINE)
    assert "Welcome" in page(web_url(shown))
    terminal.write("\n")
    end = terminal.read_until(" in ")
    assert end.endswith("1 failed, 1 passed")
    assert terminal.process.wait(PATIENCE) == pytest.ExitCode.TESTS_FAILED


def test_ctrl_c_ends_the_run(project: pytest.Pytester, start: Start) -> None:
    project.makepyfile(test_it=TEST)
    terminal = start("--mailserver-keep-open")
    terminal.read_until(PROMPT)
    terminal.write("\x03")
    assert "KeyboardInterrupt" in terminal.read_until(" in ")
    assert terminal.process.wait(PATIENCE) == pytest.ExitCode.INTERRUPTED


def test_the_key_is_shown_if_the_web_inbox_asks_for_it(project: pytest.Pytester, start: Start, mode: str) -> None:
    if mode != "own":
        pytest.skip("it needs a server of its own")
    project.makepyfile(test_it=TEST)
    project.makeconftest(
        """
        import pytest
        from sirrchat_testkit import Settings

        @pytest.fixture(scope="session")
        def mailserver_settings():
            return Settings(web_auth=True)
        """
    )
    terminal = start("--mailserver-keep-open")
    shown = terminal.read_until(PROMPT)
    [[url, link, key]] = re.findall(
        r"^Web inbox: (http://[^/]+)(/\S+) \(signs in once; later, use the API key (\S+)\)$", shown, re.MULTILINE
    )
    browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
    with browser.open(f"{url}{link}", timeout=PATIENCE) as response:
        assert "All mail" in response.read().decode()
    request = urllib.request.Request(f"{url}/api/v1/stats", headers={"Authorization": f"Bearer {key}"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as response:
        assert response.status == 200
    terminal.write("\x04")  # the end of input, as good as Enter
    terminal.read_until("1 failed, 1 passed")


def test_without_the_extra_web_it_is_named(project: pytest.Pytester, start: Start) -> None:
    project.makepyfile(test_it=TEST)
    project.makeconftest("import sys; sys.modules['nh3'] = None")
    terminal = start("--mailserver-keep-open")
    shown = terminal.read_until(PROMPT)
    [line] = [line for line in shown.splitlines() if line.startswith("REST API: ")]
    assert line.endswith('for the web inbox, install the extra web: pip install "sirrchat-testkit[web]"')
    terminal.write("\n")
    terminal.read_until("1 failed, 1 passed")


def test_every_failed_phase_and_subtest_that_has_a_server_is_held(project: pytest.Pytester, start: Start) -> None:
    project.makepyfile(
        test_it="""
        import pytest
        from sirrchat_testkit import MailServer, MailServerTestCase

        @pytest.fixture
        def shop(mailserver):
            assert 0, "in setup"

        def test_1_setup(shop):
            pass

        class Test2(MailServerTestCase):
            def test_it(self):
                self.fail("in a test case")

        @pytest.fixture
        def server_of_the_user():
            with MailServer() as server:
                yield server

        def test_3_other(server_of_the_user):
            server_of_the_user.make_inbox().deliver(subject="Welcome")
            assert 0, "with another server"

        @pytest.fixture
        def closing(mailserver):
            yield
            assert 0, "in teardown"

        def test_4_teardown_is_not_held(closing):
            pass

        def test_5_without_a_server_is_not_held():
            assert 0

        def test_6_passes(mailserver):
            pass
        """
    )
    terminal = start("--mailserver-keep-open")
    for name in ("in setup", "in a test case", "with another server"):
        assert name in terminal.read_until(PROMPT)
        terminal.write("\n")
    end = terminal.read_until("short test summary")
    assert PROMPT not in end


def test_the_debugger_is_told_where_the_web_inbox_is(project: pytest.Pytester, start: Start) -> None:
    project.makepyfile(test_it=TEST)
    terminal = start("--pdb")
    shown = terminal.read_until("(Pdb) ")
    assert "'Welcome' from shop@shop.example" in shown.partition(" PDB ")[0]
    assert PROMPT not in shown
    assert "Welcome" in page(web_url(shown))
    terminal.write("inbox.receive().subject\n")
    terminal.read_until("'Welcome'\n")
    terminal.write("c\n")
    terminal.read_until("1 failed, 1 passed")


def test_the_debugger_is_left_before_a_test_case_is_torn_down(project: pytest.Pytester, start: Start) -> None:
    project.makepyfile(
        test_it="""
        from sirrchat_testkit import MailServerTestCase

        class TestIt(MailServerTestCase):
            def tearDown(self):
                print(f"{len(self.mailserver.messages)} message in tearDown")

            def test_it(self):
                self.inbox.deliver(subject="Welcome")
                self.fail("on purpose")
        """
    )
    terminal = start("--pdb", "-s")
    assert "in tearDown" not in terminal.read_until("(Pdb) ")
    terminal.write("c\n")
    assert "1 message in tearDown" in terminal.read_until("1 failed in ")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((), "--mailserver-keep-open needs a terminal, where Enter continues the run"),
        (
            ("-p", "xdist", "-n", "2"),
            "--mailserver-keep-open needs a run without workers of pytest-xdist: add -n 0",
        ),
        (
            ("-p", "no:terminal"),
            "--mailserver-keep-open needs the output of pytest: leave out -p no:terminal",
        ),
    ],
    ids=["without a terminal", "with workers", "without output"],
)
def test_a_run_that_cannot_be_held_is_refused(
    project: pytest.Pytester, arguments: tuple[str, ...], reason: str, mode: str
) -> None:
    if mode == "shared" and "xdist" not in arguments:
        pytest.skip("this mode has workers")
    project.makepyfile(test_it=TEST)
    result = project.runpytest_subprocess(*PLAIN, *arguments, "--mailserver-keep-open")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert str(result.stderr).strip() == f"ERROR: {reason}"
