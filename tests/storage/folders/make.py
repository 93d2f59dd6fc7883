"""Make a data folder that every later release has to open: ``python make.py FOLDER stopped|killed``.

The release that is installed writes ``FOLDER``, and ``FOLDER.json`` with what ``contents`` finds in it.
"""

from __future__ import annotations

import json
import os
import smtplib
import sys
from hashlib import sha256
from pathlib import Path
from typing import Any

from sirrchat_testkit import MailServer


def contents(server: MailServer) -> dict[str, Any]:
    """Return what a later release must find."""
    return {
        "messages": [
            [each.uid, each.recipient, each.subject, sha256(each.raw).hexdigest()] for each in server.messages
        ],
        "domains": sorted(document["name"] for document in server.database.table("domains")),
        "accounts": sorted(document["email"] for document in server.database.table("accounts")),
        "webhooks": [document["url"] for document in server.database.table("webhooks")],
    }


def fill(server: MailServer) -> None:
    """Store something of everything, and delete some of it."""
    server.add_domain("other.example")
    server.add_account("bob@example.com", password="secret")
    ann = server.make_inbox(address="ann@example.com")
    gone = server.make_inbox(address="gone@example.com")
    for number in range(4):
        ann.deliver(subject=f"mail {number} \u2013 gr\u00fc\u00dfe \u2603", text=f"text {number}")
    gone.deliver(subject="deleted")
    gone.clear()
    with smtplib.SMTP(server.smtp_host, server.smtp_port) as smtp:
        smtp.login("bob@example.com", "secret")
        recipients = ["ann@example.com", "bob@example.com", "ops@corp.example"]
        smtp.sendmail("bob@example.com", recipients, b"From: bob@example.com\r\nSubject: to three\r\n\r\nhello\r\n")
    server.add_webhook("http://127.0.0.1:9/hook").disable()


def main() -> None:
    folder, end = Path(sys.argv[1]), sys.argv[2]
    server = MailServer(data=folder, password_cost=4).start()
    fill(server)
    found = contents(server)
    folder.with_name(f"{folder.name}.json").write_text(json.dumps(found, indent=1, ensure_ascii=True) + "\n")
    if end == "killed":
        os._exit(0)
    server.stop()


if __name__ == "__main__":
    main()
