"""The pictures of the documentation, taken of the pages as they are.

With ``TEST_PICTURES=1`` they are written into ``docs/images``. Otherwise the test takes the same pictures, and compares
their sizes with those of the documentation.
"""

from __future__ import annotations

import os
import struct
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from sirrchat_testkit import MailServer
from tests.support import connect

IMAGES = Path(__file__).parents[2] / "docs" / "images"
NOW = datetime(2030, 5, 14, 9, 3, tzinfo=UTC)

PAGE = """<style>body{{margin:0;font:16px/1.5 Georgia,serif;color:#2b2620}}.box{{max-width:520px;margin:0 auto;
padding:28px}}.code{{font:700 30px monospace;letter-spacing:6px}}.go{{background:#2d5a3d;color:#fff;padding:12px 20px;
text-decoration:none}}@media (prefers-color-scheme:dark){{body{{background:#17150f;color:#eee6d6}}}}</style>
<div class="box"><h1>{0}</h1><p>Type this code in the window that is still open:</p><p class="code">{1}</p>
<p><a class="go" href="https://riverbank.example/confirm?t=9Q">Confirm my address</a></p>
<img src="https://cdn.riverbank.example/shelf.png"><p><a href="https://riverbank.example/unsubscribe">Unsubscribe</a></p>
</div>"""

MAILS = [
    ("Ledger <no-reply@ledger.example>", "bob", "Your receipt for November", "View it: https://ledger.example/r/9", ""),
    ("Orchard <hi@orchard.example>", "marta", "Jonas invited you", "Accept: https://orchard.example/i/7Hq", ""),
    (
        "Riverbank Books <hello@riverbank.example>",
        "ann",
        "Set a new password",
        "https://riverbank.example/reset?t=1",
        "",
    ),
    ("Tür & Tor <post@tuer.example>", "anna.mueller", "Ihr Bestätigungscode", "Ihr Code lautet C7F-92K.", ""),
    ("Riverbank Books <hello@riverbank.example>", "ann", "Confirm your address, Ann", "Your code is 418203.", "418203"),
]


def fill(server: MailServer) -> None:
    """Fill ``server`` with what the pictures show."""
    server.clock.freeze(NOW)
    for name, left in (("bob", None), ("marta", 23), ("anna.mueller", 3), ("ann", 1)):
        expires = None if left is None else timedelta(hours=left)
        server.make_inbox(address=f"{name}@example.com", expires_in=expires)
    server.add_account("shop@example.com", "secret")
    for sender, to, subject, text, code in MAILS:
        mail = EmailMessage()
        mail["From"], mail["To"], mail["Subject"] = sender, f"{to}@example.com", subject
        mail.set_content(text)
        if code:
            mail.add_alternative(PAGE.format("Hello Ann, one more step", code), subtype="html")
            mail.add_attachment(b"%PDF-" * 2000, maintype="application", subtype="pdf", filename="terms.pdf")
        with connect(server) as smtp:
            smtp.login("shop@example.com", "secret")
            smtp.send_message(mail, to_addrs=[f"{to}@example.com", "audit@corp.example"] if code else None)
        server.clock.advance(seconds=47)
    with connect(server) as smtp:
        smtp.ehlo()
        smtp.mail("no-reply@orchard.example")
        smtp.rcpt("martha@example.com")
    server.settle()


def size(picture: bytes) -> tuple[int, int]:
    """Return width and height of a PNG."""
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


@pytest.mark.timeout(120)
def test_the_pictures_of_the_documentation(browser: Any) -> None:
    with MailServer() as server:
        fill(server)
        for name, path, width, height, scheme in (
            ("web-inbox", "", 1280, 760, "light"),
            ("web-inbox-phone", "", 390, 760, "dark"),
            ("web-activity", "/ui/activity", 1280, 620, "light"),
            ("web-faults", "/ui/faults", 1280, 760, "light"),
        ):
            context = browser.new_context(
                base_url=server.api_url, viewport={"width": width, "height": height}, color_scheme=scheme
            )
            page = context.new_page()
            page.goto(path or "/ui/mail")
            page.wait_for_selector("#live.good")
            if not path:
                page.locator(".row a.open", has_text="ann@").first.click()
                page.frame_locator("iframe").get_by_text("418203").wait_for()
            page.mouse.move(0, 0)
            picture = page.screenshot(animations="disabled")
            context.close()
            file = IMAGES / f"{name}.png"
            if os.environ.get("TEST_PICTURES"):
                file.parent.mkdir(exist_ok=True)
                file.write_bytes(picture)
            assert size(picture) == size(file.read_bytes())
