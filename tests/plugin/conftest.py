"""A project of its own for pytest inside pytest, with a module ``mail`` that sends."""

import pytest

SEND = """
import smtplib

def send(server, recipient, subject="Hello"):
    with smtplib.SMTP(server.smtp_host, server.smtp_port) as smtp:
        mail = f"From: shop@shop.example\\r\\nSubject: {subject}\\r\\n\\r\\nHi."
        smtp.sendmail("shop@shop.example", [str(recipient)], mail)
"""


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    for name in ("PYTEST_XDIST_WORKER", "PYTEST_ADDOPTS"):
        monkeypatch.delenv(name, raising=False)
    pytester.makepyfile(mail=SEND)
    pytester.syspathinsert()
    return pytester
