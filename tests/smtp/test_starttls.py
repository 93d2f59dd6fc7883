"""What STARTTLS makes the server forget (RFC 3207 section 4.2)."""

from __future__ import annotations

import smtplib

from sirrchat_testkit import MailServer


def test_a_login_before_tls_does_not_count_under_it() -> None:
    with MailServer(starttls=True) as server:
        server.configure(auth="required")
        server.add_account("bob@example.com", "bob")
        server.add_account("eve@example.com", "eve")
        inbox = server.make_inbox()
        with smtplib.SMTP(server.smtp_host, server.smtp_port, timeout=10) as smtp:
            smtp.login("bob@example.com", "bob")
            smtp.starttls(context=server.tls.ssl_context())
            smtp.ehlo()
            assert smtp.mail("a@x.example")[0] == 530
            smtp.login("eve@example.com", "eve")
            smtp.sendmail("a@x.example", [inbox.address], b"Subject: hello\r\n\r\nbody\r\n")
        assert inbox.receive(timeout=0).envelope.login == "eve@example.com"
