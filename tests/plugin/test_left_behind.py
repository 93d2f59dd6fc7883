"""What a failed test leaves: its report, saved files, JUnit XML, pytest-html and Allure, by real pytest inside pytest.

The texts are golden files in ``golden/``. Run with SIRRCHAT_TESTKIT_GOLDEN=write to write them.
"""

from __future__ import annotations

import html
import json
import os
import re
import xml.etree.ElementTree as ET
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

import pytest

from sirrchat_testkit.reports.artifacts import folder_name

GOLDEN = Path(__file__).parent / "golden"
WORKERS = ("-p", "xdist", "-n", "2")
MODES = pytest.mark.parametrize("workers", [(), WORKERS], ids=["plain", "two workers"])

SHOP = """
import smtplib
from email.message import EmailMessage
import pytest

def send(server, to, subject="Welcome", image=True):
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = subject, "no-reply@shop.example", str(to)
    mail["Message-ID"] = "<1@shop.example>"
    mail.set_content("Hello Ann,\\n\\nconfirm: https://shop.example/confirm?token=x1\\nYour code is 482913.\\nThe Shop")
    mail.add_alternative('<p>Hello Ann</p><img src="cid:logo"><img src="http://127.0.0.1:9/pixel.png">', subtype="html")
    if image:
        mail.get_payload()[1].add_related(b"GIF89a", "image", "gif", cid="<logo>")
    with smtplib.SMTP(server.smtp_host, server.smtp_port, "shop.example") as smtp:
        smtp.send_message(mail)
"""

BUSY = """
def test_sign_up(mailserver, inbox, webhook_sink):
    mailserver.clock.move_to(__import__("datetime").datetime(2030, 1, 31, 12, tzinfo=__import__("datetime").UTC))
    mailserver.clock.freeze()
    mailserver.add_webhook(webhook_sink.url)
    mailserver.faults.delay(0.01, stage="rcpt")
    webhook_sink.refuse(503)
    send(mailserver, inbox)
    send(mailserver, inbox, "Your order")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(mailserver, "nobody@example.com")
    with smtplib.SMTP(mailserver.smtp_host, mailserver.smtp_port) as smtp:
        smtp.ehlo("other.example")
        smtp.docmd("MAIL FROM:<>", "BODY=NONSENSE")
    inbox.receive(subject="Welcome")
    mailserver.settle()
    assert "signed up" == "not signed up"
"""

PHASES = """
@pytest.fixture
def shop(mailserver, inbox):
    send(mailserver, inbox, "In the setup")
    assert 0

@pytest.fixture
def closing_shop(mailserver, inbox):
    yield
    send(mailserver, inbox, "In the teardown")
    assert 0

@pytest.fixture
def closed_before(request):
    yield
    assert 0

def test_setup(shop):
    pass

def test_call(mailserver, inbox):
    send(mailserver, inbox, "In the call")
    assert 0

def test_teardown(closing_shop):
    pass

def test_teardown_of_an_earlier_fixture(closed_before, mailserver, inbox):
    send(mailserver, inbox, "Before the teardown")

def test_call_and_teardown(mailserver, inbox, closing_shop):
    send(mailserver, inbox, "In the call")
    assert 0

def test_passes(mailserver, inbox):
    send(mailserver, inbox, "Unseen")
"""


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly", *arguments)


def reports(result: pytest.RunResult) -> list[str]:
    """Return the sections about the mail server, in order."""
    return re.findall(
        r"^-+ Mail server -+\n(.*?)(?=^[-=_]{5})", result.stdout.str() + "\n=====", re.DOTALL | re.MULTILINE
    )


def plain(text: str) -> str:
    """Return ``text`` with everything replaced that differs between runs."""
    for pattern, shown in (
        (r"127\.0\.0\.1:\d+", "127.0.0.1:PORT"),
        (r"\b\d+ ms\b", "N ms"),
        (r"\d+ days?, \d+:\d\d:\d\d ahead", "N days ahead"),
        (
            r"^ *\d+\.\d{3} (?=[CS-]:)",
            "  TIME ",
        ),
        (r"\[\d+ bytes\]", "[N bytes]"),
        (r"\bmail from:", "mail FROM:"),  # smtplib of Python 3.13 writes them in lower case
        (r"\brcpt to:", "rcpt TO:"),
    ):
        text = re.sub(pattern, shown, text, flags=re.MULTILINE)
    return text


def compare(name: str, text: str) -> None:
    """Compare ``text`` with a golden file."""
    file = GOLDEN / name
    if os.environ.get("SIRRCHAT_TESTKIT_GOLDEN") == "write":
        file.parent.mkdir(exist_ok=True)
        file.write_text(plain(text), "utf-8")
    assert plain(text) == file.read_text("utf-8")


@MODES
def test_the_report_shows_mail_refusals_connections_faults_webhooks_and_the_clock(
    project: pytest.Pytester, workers: Sequence[str]
) -> None:
    project.makepyfile(test_shop=SHOP + BUSY)
    result = run(project, *workers)
    result.assert_outcomes(failed=1)
    [report] = reports(result)
    compare("report.txt", report)


@MODES
def test_each_phase_that_fails_has_a_report(project: pytest.Pytester, workers: Sequence[str]) -> None:
    project.makepyfile(test_shop=SHOP + PHASES)
    result = run(project, *workers)
    result.assert_outcomes(passed=3, failed=2, errors=4)
    found = sorted(sorted(re.findall(r"'(.*?)' from", report)) for report in reports(result))
    assert found == [
        ["Before the teardown"],
        ["In the call"],
        ["In the call"],
        ["In the call", "In the teardown"],
        ["In the setup"],
        ["In the teardown"],
    ]
    assert all("Hello Ann," in report for report in reports(result))


def test_a_wider_fixture_that_fails_has_a_report_of_its_own(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_shop=SHOP
        + """
@pytest.fixture(scope="session")
def shop(mailserver_session):
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(mailserver_session, "wider@example.com")
    send(mailserver_session, mailserver_session.make_inbox(), "In the setup")
    assert 0

def test_earlier(mailserver, inbox):
    send(mailserver, inbox, "Earlier")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(mailserver, "earlier@example.com")
    with smtplib.SMTP(mailserver.smtp_host, mailserver.smtp_port) as smtp:
        smtp.ehlo("earlier.example")

def test_it(shop, inbox):
    pass
"""
    )
    result = run(project)
    result.assert_outcomes(passed=1, errors=1)
    [report] = reports(result)
    assert "'In the setup' from no-reply@shop.example" in report
    assert "wider@example.com does not exist here" in report
    assert "arlier" not in report
    assert "Connections" not in report


def test_mail_of_wider_fixtures_is_shown_for_the_test_in_which_it_came_or_was_received(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(
        test_shop=SHOP
        + """
@pytest.fixture(scope="session")
def news(mailserver_session):
    inbox = mailserver_session.make_inbox()
    send(mailserver_session, inbox, "In the session")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(mailserver_session, "session@example.com")
    return inbox

def test_1_it_came(news, mailserver):
    assert 0

def test_2_nothing_came(news, mailserver):
    assert 0

def test_3_outside_of_a_scope(news, mailserver_session):
    send(mailserver_session, news, "Outside of a scope")
    news.receive(subject="Outside of a scope")
    assert 0

def test_4_nothing_came_either(news, mailserver_session):
    assert 0

def test_5_it_is_received(news, mailserver):
    news.receive()
    assert 0

def test_6_nor_here(news, mailserver):
    assert 0
"""
    )
    result = run(project)
    result.assert_outcomes(failed=6)
    found = [re.findall(r"'(.*?)' from", report) for report in reports(result)]
    assert found == [["In the session"], [], ["Outside of a scope"], [], ["In the session"], []]
    assert [("session@example.com" in report) for report in reports(result)] == [False] * 6


def test_a_server_of_the_user_is_in_the_report(project: pytest.Pytester) -> None:
    project.makepyfile(
        test_shop=SHOP
        + """
from sirrchat_testkit import MailServer, WebhookSink

@pytest.fixture(scope="session")
def own():
    with MailServer() as server, WebhookSink():
        yield server

def test_of_a_fixture(own, mailserver, inbox):
    send(own, own.make_inbox(), "To the own server")
    send(mailserver, inbox, "To the server of the fixtures")
    assert 0

def test_in_which_nothing_came(own):
    assert 0

def test_of_a_block():
    with MailServer() as server:
        send(server, server.make_inbox(), "In the block")
        assert 0
"""
    )
    result = run(project, "--mailserver-artifacts", "left")
    result.assert_outcomes(failed=3)
    [report] = reports(result)
    assert re.findall(r"^<MailServer|'(.*?)' from", report, re.MULTILINE) == [
        "",
        "To the server of the fixtures",
        "",
        "To the own server",
    ]
    assert sorted(each.name for each in (project.path / "left").rglob("*.eml")) == [
        "01-to-the-server-of-the-fixtures.eml",
        "02-to-the-own-server.eml",
    ]
    result.stdout.fnmatch_lines(["E *Mail server <MailServer *", "E *Messages that *", "E *'In the block' from *"])


def test_a_failed_subtest_has_a_report_and_its_test_gets_no_further_error(project: pytest.Pytester) -> None:
    pytest.importorskip("_pytest.subtests")
    project.makepyfile(
        """
        def test_it(mailserver, inbox, subtests):
            mailserver.faults.reject(stage="rcpt", code=451)
            inbox.deliver(subject="Welcome")
            with subtests.test("first"):
                assert 0, "in the first"
            with subtests.test("second"):
                pass

        def test_without_a_failure(mailserver, subtests):
            mailserver.faults.reject(stage="rcpt", code=451)
            with subtests.test("first"):
                pass
        """
    )
    result = run(project)
    [first, last] = reports(result)
    assert "'Welcome' from" in first
    assert "Planned faults:" in last
    assert len(re.findall("^FaultNeverFired: ", result.stdout.str(), re.MULTILINE)) == 1
    result.stdout.fnmatch_lines(["*contains 1 failed subtest*"])


@MODES
def test_artifacts_are_saved_for_each_failed_test(project: pytest.Pytester, workers: Sequence[str]) -> None:
    project.makepyfile(test_shop=SHOP + BUSY, test_phases=SHOP + PHASES)
    result = run(project, "--mailserver-artifacts", "left", *workers)
    left = project.path / "left"
    assert sorted(each.name for each in left.iterdir()) == [
        "test_phases.py-test_call",
        "test_phases.py-test_call_and_teardown",
        "test_phases.py-test_setup",
        "test_phases.py-test_teardown",
        "test_phases.py-test_teardown_of_an_earlier_fixture",
        "test_shop.py-test_sign_up",
    ]
    own = left / "test_shop.py-test_sign_up"
    result.stdout.fnmatch_lines([f"Artifacts: {own}"])
    assert sorted(each.name for each in own.iterdir()) == [
        "01-welcome.eml",
        "01-welcome.html",
        "01-welcome.transcript.txt",
        "02-your-order.eml",
        "02-your-order.html",
        "02-your-order.transcript.txt",
        "connections.txt",
        "report.txt",
        "webhooks.json",
    ]
    assert b"Subject: Welcome\r\n" in (own / "01-welcome.eml").read_bytes()
    assert 'src="data:image/gif;base64,R0lGODlh"' in (own / "01-welcome.html").read_text("utf-8")
    compare("transcript.txt", (own / "01-welcome.transcript.txt").read_text("utf-8"))
    compare("connections.txt", (own / "connections.txt").read_text("utf-8"))
    report = (own / "report.txt").read_text("utf-8")
    assert report.startswith("test_shop.py::test_sign_up: call\n")
    failure, _, server = report.partition("\n\n<MailServer ")
    assert '    assert "signed up" == "not signed up"\nE ' in failure
    assert "'Welcome' from no-reply@shop.example" in server
    first, _ = json.loads((own / "webhooks.json").read_text("utf-8"))
    assert first["body"]["data"]["subject"] == "Welcome"
    assert [(each["status"], each["response"][0]) for each in first["attempts"]] == [
        (503, "HTTP/1.1 503 Service Unavailable")
    ]
    both = left / "test_phases.py-test_call_and_teardown"
    assert {"01-in-the-call.eml", "02-in-the-teardown.eml"} <= {each.name for each in both.iterdir()}
    report = (both / "report.txt").read_text("utf-8")
    assert re.findall(r"^test_phases\.py::test_call_and_teardown: (\w+)$", report, re.MULTILINE) == ["call", "teardown"]
    assert report.count("E       assert 0") == 2


@pytest.mark.parametrize(
    ("test", "folder"),
    [
        ("tests/test_shop.py::test_sign_up", "tests-test_shop.py-test_sign_up"),
        ("test_shop.py::TestShop::test_it[1-True]", "test_shop.py-TestShop-test_it[1-True]"),
        ("test_shop.py::test_größe", "test_shop.py-test_größe"),
        ("test_shop.py::test_日本", "test_shop.py-test_日本"),
        (r"test_shop.py::test_it[\xe9]", "test_shop.py-test_it[é]-?"),
        (r"test_shop.py::test_it[\u65e5\u672c-\U0001f642]", "test_shop.py-test_it[日本-]-?"),
        ("test_shop.py::test_it[a/b]", "test_shop.py-test_it[a-b]-?"),
        ("test_shop.py::test_it[a::b]", "test_shop.py-test_it[a-b]-?"),
        ("test_shop.py::test_it[a b]", "test_shop.py-test_it[a-b]-?"),
        ("test_shop.py::test_it[a-b]", "test_shop.py-test_it[a-b]"),
        ("web/shop/test_it.py::test_it", "web-shop-test_it.py-test_it"),
        ("web-shop/test_it.py::test_it", "web-shop-test_it.py-test_it-?"),
        ("test_shop.py::test_cafe\u0301", "test_shop.py-test_café-?"),
        ("test_shop.py::test_\udcff", "test_shop.py-test_-?"),
        (f"test_shop.py::test_it[{'x' * 200}]", f"test_shop.py-test_it[{'x' * 99}-?"),
        (f"test_shop.py::test_{'日' * 80}", f"test_shop.py-test_{'日' * 34}-?"),
    ],
)
def test_a_folder_has_the_name_of_its_test(test: str, folder: str) -> None:
    found = folder_name(test)
    assert re.sub(r"-[0-9a-f]{8}$", "-?", found) == folder
    assert len(found.encode()) < 150


def test_different_tests_have_different_folders(project: pytest.Pytester) -> None:
    values = ["a/b", "a-b", "a b", "a::b", "é", "e\u0301", "日" * 100, "日" * 101, "..", "🙂"]
    project.makepyfile(
        test_shop=SHOP
        + f"""
@pytest.mark.parametrize("value", {values!r})
def test_it(mailserver, inbox, value):
    send(mailserver, inbox, "Grüße 日本/..")
    assert 0
"""
    )
    for escaping in ("false", "true"):
        option = f"disable_test_id_escaping_and_forfeit_all_rights_to_community_support={escaping}"
        run(project, "--mailserver-artifacts", escaping, "-o", option).assert_outcomes(failed=len(values))
        folders = [*(project.path / escaping).iterdir()]
        assert len(folders) == len(values)
        assert all((each / "01-grüße-日本.eml").exists() for each in folders)


def test_a_new_run_replaces_the_files_of_a_test(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\nmailserver_artifacts = out/mail")
    project.makepyfile(
        test_shop=SHOP
        + """
import os

@pytest.mark.parametrize("subject", ["a/b", "a b", "x" * 200])
def test_it(mailserver, inbox, subject):
    send(mailserver, inbox, os.environ["SUBJECT"])
    assert 0
"""
    )
    for subject in ("First", "Second"):
        project._monkeypatch.setenv("SUBJECT", subject)
        run(project).assert_outcomes(failed=3)
    folders = [*(project.path / "out" / "mail").iterdir()]
    assert len(folders) == 3
    for each in folders:
        assert len(each.name) < 150
        assert {file.name for file in each.iterdir()} >= {"01-second.eml"}
        assert not {file.name for file in each.iterdir()} & {"01-first.eml"}


def test_a_folder_that_cannot_be_used_ends_the_run_or_is_reported(project: pytest.Pytester) -> None:
    project.makepyfile(test_shop=SHOP + "def test_it(mailserver, inbox):\n    assert 0\n")
    result = run(project, "--mailserver-artifacts", "test_shop.py")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*the folder for artifacts of the mail server must not be a file: */test_shop.py"])
    result = run(project, "--mailserver-artifacts", "/proc/nowhere")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["The artifacts could not be saved: *'/proc/nowhere'"])


@MODES
def test_junit_xml_has_the_report_as_system_out(project: pytest.Pytester, workers: Sequence[str]) -> None:
    project.makepyfile(test_shop=SHOP + PHASES)
    for logging in ("no", "all"):
        run(project, "--junitxml", "out.xml", "-o", f"junit_logging={logging}", *workers)
        cases = ET.parse(project.path / "out.xml").getroot().iter("testcase")
        outputs = {case.get("name"): [each.text or "" for each in case.iter("system-out")] for case in cases}
        found = {name: re.findall(r"'(.*?)' from", "".join(texts)) for name, texts in outputs.items()}
        assert found.pop("test_passes") == []
        assert set(found.pop("test_call_and_teardown")) <= {"In the call", "In the teardown"}
        assert found == {
            "test_setup": ["In the setup"],
            "test_call": ["In the call"],
            "test_teardown": ["In the teardown"],
            "test_teardown_of_an_earlier_fixture": ["Before the teardown"],
        }
        assert (logging == "all") == any("Captured Out" in text for text in outputs["test_call"])


@pytest.mark.reports
@pytest.mark.skipif(find_spec("pytest_html") is None, reason="needs pytest-html")
@MODES
def test_pytest_html_shows_each_message_in_a_sandboxed_frame(project: pytest.Pytester, workers: Sequence[str]) -> None:
    project.makepyfile(test_shop=SHOP + PHASES)
    run(project, "-p", "pytest_html.plugin", "-p", "pytest_metadata.plugin", "--html", "out.html", *workers)
    data = re.search(r'data-jsonblob="(.*?)"', (project.path / "out.html").read_text("utf-8"))
    assert data is not None
    tests = json.loads(html.unescape(data[1]))["tests"]
    frames = {
        name: [extra["content"] for each in results for extra in each["extras"]] for name, results in tests.items()
    }
    assert sorted(name.partition("::")[2] for name, shown in frames.items() if shown) == [
        "test_call",
        "test_call_and_teardown",
        "test_setup",
        "test_teardown",
        "test_teardown_of_an_earlier_fixture",
    ]
    [frame] = frames["test_shop.py::test_call"]
    assert '<iframe sandbox="" ' in frame
    assert "Content-Security-Policy" in frame
    assert "data:image/gif;base64,R0lGODlh" in frame


@pytest.mark.reports
@pytest.mark.skipif(find_spec("allure_pytest") is None, reason="needs allure-pytest")
@MODES
def test_allure_gets_the_raw_message_its_html_and_the_transcript(
    project: pytest.Pytester, workers: Sequence[str]
) -> None:
    project.makepyfile(test_shop=SHOP + PHASES)
    run(project, "-p", "allure_pytest.plugin", "--alluredir", "out", *workers)
    found = {}
    for file in (project.path / "out").glob("*-result.json"):
        result = json.loads(file.read_text("utf-8"))
        found[result["name"]] = [(each["name"], each["type"], each["source"]) for each in result.get("attachments", ())]
    kinds = ["message/rfc822", "text/html", "text/plain"]
    assert {name: [kind for _, kind, _ in files] for name, files in found.items()} == {
        "test_setup": kinds,
        "test_call": kinds,
        "test_teardown": kinds,
        "test_teardown_of_an_earlier_fixture": kinds,
        "test_call_and_teardown": kinds * 3,
        "test_passes": [],
    }
    name, _, source = found["test_call"][0]
    assert re.fullmatch(r"'In the call' from no-reply@shop.example to .*@example.com", name)
    assert source.endswith(".eml")
    assert b"Subject: In the call\r\n" in Path(project.path, "out", source).read_bytes()


def test_a_report_of_a_test_that_passed_is_prepared_only_if_its_teardown_may_fail(
    project: pytest.Pytester,
) -> None:
    project.makepyfile(
        """
        import os
        import pytest
        from sirrchat_testkit.handles.control import ServerControl

        prepared = []

        @pytest.fixture(autouse=True, scope="session")
        def record():
            original = ServerControl.final_overview

            async def final_overview(self, mark):
                prepared.append(os.environ["PYTEST_CURRENT_TEST"].partition("::")[2])
                return await original(self, mark)

            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(ServerControl, "final_overview", final_overview)
                yield
            assert prepared == [f"{name} (teardown)" for name in ("test_3_yields", "test_4_asks", "test_5_last")]

        @pytest.fixture
        def returns(inbox):
            return 1

        @pytest.fixture
        def yields():
            yield

        @pytest.fixture
        def asks(request):
            request.addfinalizer(lambda: None)

        @pytest.mark.parametrize("n", [1])
        def test_1_builtin(n, tmp_path, monkeypatch, inbox):
            pass

        def test_2_returns(returns, webhook_sink):
            pass

        def test_3_yields(inbox, yields):
            pass

        def test_4_asks(inbox, asks):
            pass

        def test_5_last(inbox):
            pass
        """
    )
    run(project).assert_outcomes(passed=5)


def test_reports_and_artifacts_load_nothing_before_a_test_fails(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import sys

        def test_it():
            ours = {name for name in sys.modules if name.startswith("sirrchat_testkit")}
            assert {name for name in ours if not name.startswith("sirrchat_testkit.pytest_plugin")} <= {
                "sirrchat_testkit", "sirrchat_testkit.reports", "sirrchat_testkit.reports.junit",
            }
        """
    )
    run(project, "--junitxml", "out.xml", "--mailserver-artifacts", "out").assert_outcomes(passed=1)
    assert not (project.path / "out").exists()
