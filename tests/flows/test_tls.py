"""TLS: STARTTLS, TLS from the first octet, required TLS; with certificates that clients can trust."""

from __future__ import annotations

import re
import smtplib
import socket
import ssl
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from sirrchat_testkit import Inbox, MailNotReceived, MailServer
from sirrchat_testkit.domain.events import TlsFailed
from tests.support import asend, connect, until


@pytest.fixture
def server(running: MailServer) -> Iterator[MailServer]:
    with running.scope("test"):
        yield running
        running.check()


MAIL = b"Subject: hello\r\n\r\nbody\r\n"


def test_there_is_no_tls_unless_it_is_asked_for(mailserver: MailServer) -> None:
    with connect(mailserver) as smtp:
        smtp.ehlo()
        assert not smtp.has_extn("starttls")
        assert smtp.docmd("STARTTLS")[0] == 502
    assert mailserver.smtps_port is None
    assert "SMTP_CA_FILE" not in mailserver.env()
    with pytest.raises(RuntimeError, match="set starttls=True"):
        _ = mailserver.tls


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_smtplib_upgrades_and_sends(server: MailServer, name: str) -> None:
    inbox = server.make_inbox()
    with smtplib.SMTP(name, server.smtp_port, timeout=10) as smtp:
        assert smtp.starttls(context=server.tls.ssl_context())[0] == 220
        smtp.ehlo()
        assert not smtp.has_extn("starttls")
        smtp.login(server.smtp_username, server.smtp_password)
        smtp.sendmail("a@x.example", [inbox.address], MAIL)
    envelope = inbox.receive(timeout=0).envelope
    assert envelope.tls.startswith("TLSv1.")
    assert " " in envelope.tls


def wrapped(server: MailServer, name: str) -> ssl.SSLSocket:
    """Return a connection to ``smtps_port`` for which the certificate has to name ``name``."""
    client = socket.create_connection((server.smtp_host, server.smtps_port or 0), timeout=10)
    try:
        return server.tls.ssl_context().wrap_socket(client, server_hostname=name)
    except ssl.SSLError:
        client.close()
        raise


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1", "::1"])
def test_the_certificate_names_this_machine_wherever_the_server_listens(server: MailServer, name: str) -> None:
    with wrapped(server, name) as client:
        assert client.recv(1000).startswith(b"220 ")


@pytest.mark.parametrize("name", ["mail.example", "127.0.0.2", "::2"])
def test_the_certificate_names_nobody_else(server: MailServer, name: str) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        wrapped(server, name)


@pytest.fixture(scope="module")
def on_ipv6() -> Iterator[MailServer]:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    with MailServer(host="::1", starttls=True, smtps_port=0) as server:
        yield server


@pytest.mark.parametrize("way", ["STARTTLS", "TLS from the first octet"])
def test_smtplib_sends_over_ipv6(on_ipv6: MailServer, way: str) -> None:
    assert on_ipv6.smtps_port
    context = on_ipv6.tls.ssl_context()
    with on_ipv6.scope(way):
        inbox = on_ipv6.make_inbox()
        if way == "STARTTLS":
            smtp = smtplib.SMTP("::1", on_ipv6.smtp_port, timeout=10)
            smtp.starttls(context=context)
        else:
            smtp = smtplib.SMTP_SSL("::1", on_ipv6.smtps_port, timeout=10, context=context)
        with smtp:
            smtp.sendmail("a@x.example", [inbox.address], MAIL)
        assert inbox.receive(timeout=0).envelope.tls
        on_ipv6.check()


def test_smtplib_sends_over_tls_from_the_first_octet(server: MailServer) -> None:
    inbox = server.make_inbox()
    context = ssl.create_default_context(cafile=server.env()["SMTP_CA_FILE"])
    assert server.smtps_port
    with smtplib.SMTP_SSL("localhost", server.smtps_port, timeout=10, context=context) as smtp:
        smtp.sendmail("a@x.example", [inbox.address], MAIL * 10_000)
        assert smtp.docmd("STARTTLS")[0] == 503
    message = inbox.receive(timeout=0)
    assert message.size == len(MAIL) * 10_000
    assert message.envelope.tls


@pytest.mark.asyncio
async def test_aiosmtplib_upgrades_by_itself(server: MailServer) -> None:
    inbox = server.make_inbox()
    options = {"hostname": "localhost", "port": server.smtp_port, "tls_context": server.tls.ssl_context()}
    await asend(MAIL, "a@x.example", inbox.address, **options)
    assert inbox.messages[0].envelope.tls


def test_a_client_that_does_not_trust_the_server_leaves_and_others_are_served(server: MailServer) -> None:
    with connect(server) as smtp, pytest.raises(ssl.SSLError):
        smtp.starttls(context=ssl.create_default_context())
    server.settle()
    with connect(server) as smtp:
        assert smtp.noop()[0] == 250


def test_what_is_no_tls_behind_starttls_ends_the_connection(server: MailServer) -> None:
    with socket.create_connection((server.smtp_host, server.smtp_port), timeout=10) as client:
        file = client.makefile("rb")
        file.readline()
        client.sendall(b"STARTTLS\r\n")
        assert file.readline().startswith(b"220 2.0.0")
        client.sendall(b"EHLO this.is.no.tls\r\n" * 10)
        file.read()
    server.settle()
    assert not list(server._now.services.sessions)


def test_commands_sent_along_with_starttls_are_not_answered(server: MailServer) -> None:
    with socket.create_connection((server.smtp_host, server.smtp_port), timeout=10) as client:
        assert client.recv(1000).startswith(b"220 ")
        client.sendall(b"EHLO x\r\nSTARTTLS\r\nMAIL FROM:<injected@x.example>\r\nNOOP\r\n")
        text = b""
        while b"220 2.0.0" not in text:
            text += client.recv(1000)
        with server.tls.ssl_context().wrap_socket(client, server_hostname="localhost") as safe:
            safe.sendall(b"MAIL FROM:<a@x.example>\r\n")
            assert safe.recv(1000).startswith(b"503 5.5.1 Send EHLO")
            safe.sendall(b"EHLO x\r\n")
            safe.recv(1000)
            safe.sendall(b"STARTTLS\r\n")
            assert safe.recv(1000).startswith(b"503 5.5.1 TLS already active")


def test_required_tls_refuses_mail_and_logins_before_it(server: MailServer) -> None:
    server.configure(tls_required=True)
    inbox = server.make_inbox()
    with connect(server) as smtp:
        smtp.ehlo()
        assert smtp.mail("a@x.example") == (530, b"5.7.0 Send STARTTLS first")
        assert smtp.docmd("AUTH PLAIN")[0] == 530
        assert smtp.noop()[0] == 250
        smtp.starttls(context=server.tls.ssl_context())
        smtp.sendmail("a@x.example", [inbox.address], MAIL)
    assert len(inbox.messages) == 1


def test_auth_only_under_tls(server: MailServer) -> None:
    server.configure(auth="tls")
    with connect(server) as smtp:
        smtp.ehlo()
        assert not smtp.has_extn("auth")
        assert smtp.docmd("AUTH PLAIN")[0] == 538
        assert smtp.mail("a@x.example")[0] == 250
        smtp.rset()
        smtp.starttls(context=server.tls.ssl_context())
        smtp.ehlo()
        assert smtp.mail("a@x.example")[0] == 530
        assert smtp.login(server.smtp_username, server.smtp_password)[0] == 235
        assert smtp.mail("a@x.example")[0] == 250


def test_required_tls_needs_tls(mailserver: MailServer) -> None:
    with pytest.raises(ValueError, match="tls_required needs TLS: set starttls or smtps_port too"):
        mailserver.configure(tls_required=True)


def test_the_file_of_the_authority_goes_with_the_server() -> None:
    with MailServer(starttls=True) as server:
        path = Path(server.tls.ca_file)
        assert path.read_text().startswith("-----BEGIN CERTIFICATE-----")
    assert not path.exists()


def test_a_certificate_of_ones_own(tmp_path: Path) -> None:
    issued = trustme.CA().issue_cert("127.0.0.1")
    issued.private_key_and_cert_chain_pem.write_to_path(str(tmp_path / "own.pem"))
    with MailServer(starttls=True, tls_cert=str(tmp_path / "own.pem")) as server, connect(server) as smtp:
        context = ssl.create_default_context(cadata=issued.cert_chain_pems[0].bytes().decode())
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        assert smtp.starttls(context=context)[0] == 220


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trustme", None)
    with pytest.raises(RuntimeError, match=r'pip install "sirrchat-testkit\[tls\]"'):
        MailServer(starttls=True).start()


def test_a_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    (tmp_path / "own.pem").write_text("hello")
    with pytest.raises(ValueError, match="tls_cert and tls_key must be the PEM files of a certificate"):
        MailServer(starttls=True, tls_cert=str(tmp_path / "own.pem")).start()


def test_faults_fire_under_tls_too(server: MailServer) -> None:
    server.faults.trickle(0.0001, stage="mail", tls="TLS*", times=1)
    server.faults.drop(stage="rcpt", when="after")
    with connect(server) as smtp:
        smtp.starttls(context=server.tls.ssl_context())
        smtp.ehlo()
        assert smtp.mail("a@x.example")[0] == 250
        assert smtp.rcpt("b@corp.example")[0] == 250
        with pytest.raises(smtplib.SMTPServerDisconnected):
            smtp.noop()


def distrust(server: MailServer, way: str) -> None:
    """Connect as a client that does not trust the server's certificate, and give up."""
    context = ssl.create_default_context()
    if way == "STARTTLS":
        with connect(server) as smtp, pytest.raises(ssl.SSLCertVerificationError):
            smtp.starttls(context=context)
    else:
        with pytest.raises(ssl.SSLCertVerificationError):
            smtplib.SMTP_SSL("localhost", server.smtps_port or 0, timeout=10, context=context)


def missed(server: MailServer, inbox: Inbox) -> str:
    """Return the failure of a wait for mail, once the server has noticed that TLS failed."""
    events, since = server._now.services.events, server._control.since
    until(server._thread, lambda: [each for each in events.after(since) if isinstance(each, TlsFailed)])
    with pytest.raises(MailNotReceived) as caught:
        inbox.receive(timeout=0)
    return str(caught.value)


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize("way", ["STARTTLS", "TLS from the first octet"])
def test_a_certificate_that_is_not_trusted_is_reported_with_the_alert_and_the_remedy(
    server: MailServer, way: str, version: ssl.TLSVersion, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = ssl.create_default_context

    def of_version() -> ssl.SSLContext:
        context = make()
        context.minimum_version = context.maximum_version = version
        return context

    monkeypatch.setattr(ssl, "create_default_context", of_version)
    inbox = server.make_inbox()
    distrust(server, way)
    first, *rest = missed(server, inbox).splitlines()
    remedy = "alert unknown ca: the client does not trust the certificate; have it trust mailserver.tls.ca_file"
    assert first.startswith("A TLS handshake failed with 127.0.0.1:")
    assert f"{remedy}. Waited 0.0 s for a message for {inbox}." in first
    title = rest.index("TLS handshakes that failed:")
    assert rest[title + 1].endswith(remedy)
    assert any("TLS failed: " in str(each.transcript) for each in server.sessions)


def test_a_client_that_does_not_speak_tls_is_reported(server: MailServer) -> None:
    inbox = server.make_inbox()
    with socket.create_connection((server.smtp_host, server.smtps_port or 0), timeout=10) as client:
        client.sendall(b"EHLO me\r\n")
        while client.recv(100):
            pass
    assert "the client does not speak TLS; this port begins with TLS" in missed(server, inbox)


def test_a_client_that_leaves_during_the_handshake_is_reported(server: MailServer) -> None:
    inbox = server.make_inbox()
    with connect(server) as smtp:
        smtp.ehlo()
        smtp.docmd("STARTTLS")
        smtp.close()
    assert re.search(r"TLS handshakes that failed:\n.*the client closed the connection", missed(server, inbox))
