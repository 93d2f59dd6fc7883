"""The clients that people use, in plain text and under TLS, with a login; installed by ``.ci/run``.

A tool that is missing is a visible skip, and a failure where the environment says ``CI``. nodemailer is looked for in
the folder that ``TEST_NODE_FOLDER`` names.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import smtplib
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import EmailMessage
from email.policy import SMTP
from pathlib import Path

import pytest

from sirrchat_testkit import Inbox, MailServer, Settings
from tests.support import NODE_FOLDER, asend, missing

MODES = ("plain", "starttls", "tls")
SCRIPT = """
const [host, port, mode, user, pass, to] = process.argv.slice(2);
require("nodemailer").createTransport({
  host, port: Number(port), secure: mode === "tls", requireTLS: mode === "starttls", ignoreTLS: mode === "plain",
  auth: { user, pass },
}).sendMail({ from: "a@x.example", to, subject: "Hello", text: "It works.\\n.a dot\\n" })
  .then(() => process.exit(0), error => { console.error(error); process.exit(1); });
"""


@pytest.fixture(scope="module")
def running() -> Iterator[MailServer]:
    with MailServer(starttls=True, smtps_port=0, auth="required") as server:
        yield server


@dataclass
class Case:
    """One way to reach the server."""

    server: MailServer
    inbox: Inbox
    mode: str

    @property
    def port(self) -> int:
        return (self.server.smtps_port or 0) if self.mode == "tls" else self.server.smtp_port

    def check(self) -> None:
        """Look at what came."""
        message = self.inbox.receive(timeout=0)
        assert message.subject == "Hello"
        assert message.text.replace("\r", "").strip() == "It works.\n.a dot"
        assert message.envelope.login == self.server.smtp_username
        assert bool(message.envelope.tls) == (self.mode != "plain")


@pytest.fixture(params=MODES)
def case(request: pytest.FixtureRequest, running: MailServer) -> Iterator[Case]:
    with running.scope(request.node.nodeid):
        yield Case(running, running.make_inbox(), request.param)
        running.check()


def mail(to: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = "a@x.example", to, "Hello"
    message.set_content("It works.\n.a dot\n")
    return message


def run(*command: str, text: str = "", **environment: str) -> None:
    if shutil.which(command[0]) is None:
        missing(command[0])
    done = subprocess.run(
        command,
        input=text.encode(),
        capture_output=True,
        timeout=30,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, (done.stdout + done.stderr).decode("utf-8", "replace")


def test_smtplib(case: Case) -> None:
    context = case.server.tls.ssl_context()
    if case.mode == "tls":
        smtp: smtplib.SMTP = smtplib.SMTP_SSL("localhost", case.port, context=context, timeout=10)
    else:
        smtp = smtplib.SMTP("localhost", case.port, timeout=10)
    with smtp:
        if case.mode == "starttls":
            smtp.starttls(context=context)
        smtp.login(case.server.smtp_username, case.server.smtp_password)
        smtp.send_message(mail(case.inbox.address))
    case.check()


def test_aiosmtplib(case: Case) -> None:
    async def send() -> None:
        await asend(
            mail(case.inbox.address).as_bytes(policy=SMTP),
            "a@x.example",
            case.inbox.address,
            hostname="localhost",
            port=case.port,
            use_tls=case.mode == "tls",
            start_tls=case.mode == "starttls",
            tls_context=context if case.mode != "plain" else None,
            username=user,
            password=password,
            timeout=10,
        )

    context, user, password = case.server.tls.ssl_context(), case.server.smtp_username, case.server.smtp_password
    asyncio.run(send())
    case.check()


def test_curl(case: Case, tmp_path: Path) -> None:
    file = tmp_path / "mail.eml"
    file.write_bytes(mail(case.inbox.address).as_bytes())
    scheme = "smtps" if case.mode == "tls" else "smtp"
    run(
        *("curl", "-sS", "-m", "20", f"{scheme}://localhost:{case.port}/client.example", "--crlf"),
        *("--mail-from", "a@x.example", "--mail-rcpt", case.inbox.address, "--upload-file", str(file)),
        *("--user", f"{case.server.smtp_username}:{case.server.smtp_password}"),
        *(("--ssl-reqd",) if case.mode == "starttls" else ()),
        *("--cacert", case.server.tls.ca_file),
    )
    case.check()


@pytest.mark.parametrize("mechanism", ["PLAIN", "LOGIN"])
def test_swaks(case: Case, mechanism: str) -> None:
    if case.mode != "plain" and subprocess.run(["perl", "-MNet::SSLeay", "-e1"], check=False).returncode:
        missing("Net::SSLeay, which swaks needs for TLS,")
    encryption = {"plain": (), "starttls": ("--tls",), "tls": ("--tls-on-connect",)}[case.mode]
    run(
        *("swaks", "--server", "127.0.0.1", "--port", str(case.port), "--timeout", "20", *encryption),
        *("--from", "a@x.example", "--to", case.inbox.address, "--auth", mechanism),
        *("--auth-user", case.server.smtp_username, "--auth-password", case.server.smtp_password),
        *("--header", "Subject: Hello", "--body", "It works.\n.a dot"),
    )
    case.check()


def test_msmtp(case: Case) -> None:
    run(
        *("msmtp", "--host=localhost", f"--port={case.port}", "--auth=plain", f"--user={case.server.smtp_username}"),
        *("--passwordeval=printenv MSMTP_SECRET", "--from=a@x.example", "--timeout=20"),
        *(
            f"--tls={'off' if case.mode == 'plain' else 'on'}",
            f"--tls-starttls={'on' if case.mode == 'starttls' else 'off'}",
        ),
        *((f"--tls-trust-file={case.server.tls.ca_file}",) if case.mode != "plain" else ()),
        case.inbox.address,
        text=mail(case.inbox.address).as_string(),
        MSMTP_SECRET=case.server.smtp_password,
    )
    case.check()


def test_nodemailer(case: Case, tmp_path: Path) -> None:
    if not (Path(NODE_FOLDER) / "node_modules" / "nodemailer").is_dir():
        missing("nodemailer")
    script = tmp_path / "send.cjs"
    script.write_text(SCRIPT)
    run(
        *("node", str(script), "localhost", str(case.port), case.mode),
        *(case.server.smtp_username, case.server.smtp_password, case.inbox.address),
        NODE_PATH=str(Path(NODE_FOLDER) / "node_modules"),
        NODE_EXTRA_CA_CERTS=case.server.tls.ca_file,
    )
    case.check()


PRESET = """
const { SMTP_HOST: host, SMTP_PORT: port, SMTP_SECURE: secure, SMTP_USER: user, SMTP_PASS: pass, SMTP_URL: url } =
  process.env;
const byName = { host, port, secure: secure === "true", auth: { user, pass } };
require("nodemailer").createTransport(process.argv[2] === "url" ? url : byName)
  .sendMail({ from: "a@x.example", to: process.argv[3], subject: "Hello", text: "x" })
  .then(() => process.exit(0), error => { console.error(error); process.exit(1); });
"""


@pytest.mark.parametrize("by", ["name", "url"])
@pytest.mark.parametrize("settings", [Settings(), Settings(starttls=True, tls_required=True), Settings(smtps_port=0)])
def test_nodemailer_by_the_preset_of_the_environment(by: str, settings: Settings, tmp_path: Path) -> None:
    if not (Path(NODE_FOLDER) / "node_modules" / "nodemailer").is_dir():
        missing("nodemailer")
    script = tmp_path / "send.cjs"
    script.write_text(PRESET)
    with MailServer(settings, auth="required") as server:
        inbox = server.make_inbox()
        modules = {"NODE_PATH": str(Path(NODE_FOLDER) / "node_modules")}
        run("node", str(script), by, inbox, **modules, **server.env("nodemailer"))
        assert bool(inbox.receive(timeout=0).envelope.tls) == settings.tls


def test_a_load_of_several_connections_at_once(running: MailServer) -> None:
    with running.scope("load"):
        inbox = running.make_inbox()
        context, user, password = running.tls.ssl_context(), running.smtp_username, running.smtp_password

        def send(number: int) -> None:
            with smtplib.SMTP("localhost", running.smtp_port, timeout=30) as smtp:
                if number % 2:
                    smtp.starttls(context=context)
                smtp.login(user, password)
                for _ in range(10):
                    smtp.send_message(mail(inbox.address))

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(send, range(16)))
        assert len(inbox.receive_all(160)) == 160
        running.check()
