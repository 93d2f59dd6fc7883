"""A process without file descriptors: clients are told to come again, and the server goes on when they are back."""

import resource
import smtplib
import socket
import sys
import time
from pathlib import Path

import pytest

from tests.support import StartServe, call_api, connect

LIMIT = 60


def limit() -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (LIMIT, LIMIT))


def attempt(smtp: smtplib.SMTP, number: int) -> int:
    """Send a mail and return the code of the reply to it."""
    for command in ("MAIL FROM:<you@example.org>", "RCPT TO:<ops@corp.example>"):
        code, _ = smtp.docmd(command)
        if code != 250:
            smtp.rset()
            return code
    return smtp.data(f"Subject: {number}\r\n\r\nHello")[0]


def test_a_data_folder_survives_a_flood_of_silent_connections(serve: StartServe, tmp_path: Path) -> None:
    if sys.platform != "linux":
        pytest.skip("descriptors are counted as Linux does")
    served = serve("--data", str(tmp_path / "data"), "--max-sessions", "0", preexec_fn=limit)
    with connect(served) as smtp:
        smtp.ehlo()
        assert attempt(smtp, 0) == 250
        silent = [socket.create_connection((served.smtp_host, served.smtp_port)) for _ in range(LIMIT + 10)]
        begun = time.monotonic()
        while time.monotonic() < begun + 1.5:  # real time: the first mail is synced within a second
            assert attempt(smtp, 1) in {250, 451}
        for sock in silent:
            sock.close()
        smtp.sendmail("you@example.org", ["ops@corp.example"], "Subject: again\r\n\r\nHello")
    with connect(served) as smtp:
        smtp.sendmail("you@example.org", ["ops@corp.example"], "Subject: at last\r\n\r\nHello")
    assert call_api(served, "GET", "/readyz").status == 200


def test_by_default_connections_leave_descriptors_for_everything_else(serve: StartServe, tmp_path: Path) -> None:
    served = serve("--data", str(tmp_path / "data"), preexec_fn=limit)
    with connect(served) as smtp:
        smtp.ehlo()
        silent = [socket.create_connection((served.smtp_host, served.smtp_port)) for _ in range(LIMIT)]
        greetings = [sock.recv(3) for sock in silent]
        assert (greetings.count(b"220"), greetings.count(b"421")) == (LIMIT // 2 - 1, LIMIT - LIMIT // 2 + 1)
        assert attempt(smtp, 1) == 250
        assert call_api(served, "GET", "/api/emails").status == 200
    for sock in silent:
        sock.close()
