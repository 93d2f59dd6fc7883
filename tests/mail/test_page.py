"""A message as one HTML page."""

from __future__ import annotations

import pytest

from sirrchat_testkit.mail.mime import Attachment
from sirrchat_testkit.mail.page import POLICY, page

LOGO = Attachment("logo.png", "image/png", b"PNG", "logo@shop.example")
SRC = "data:image/png;base64,UE5H"


@pytest.mark.parametrize(
    ("html", "expected"),
    [
        ('<img src="cid:logo@shop.example">', f'<img src="{SRC}">'),
        ("<img src='cid:logo%40shop.example'>", f"<img src='{SRC}'>"),
        ('<td background="CID:logo@shop.example">', f'<td background="{SRC}">'),
        ('<p style="background: url(cid:logo@shop.example)">', f'<p style="background: url({SRC})">'),
        ('<img src="cid:other@shop.example">', '<img src="cid:other@shop.example">'),
        ('<img src="http://shop.example/logo.png">', '<img src="http://shop.example/logo.png">'),
    ],
)
def test_images_of_the_message_are_in_the_page(html: str, expected: str) -> None:
    assert page("", html, [LOGO]).endswith(expected)


def test_a_type_that_is_none_cannot_end_the_attribute() -> None:
    wrong = Attachment("x", 'image/png" onerror="', b"PNG", "logo")
    assert '"data:application/octet-stream;base64,UE5H"' in page("", '<img src="cid:logo">', [wrong])


def test_the_policy_comes_before_everything_but_the_document_type() -> None:
    shown = page("", "<!DOCTYPE html>\n<html lang=de><head><title>Hi</title></head><body>x", [])
    assert shown.startswith("<!DOCTYPE html><meta charset")
    assert shown.index(POLICY) < shown.index("<html lang=de>")
    assert page("", "<p>Hi", []).startswith("<meta charset")


def test_a_page_does_not_lead_elsewhere_by_itself() -> None:
    shown = page("", '<meta content="0; url=http://shop.example/" http-equiv="Refresh">', [])
    assert 'http-equiv="x-Refresh"' in shown


def test_plain_text_is_escaped_and_its_addresses_are_links() -> None:
    shown = page("1 < 2 & <b>\nSee https://shop.example/?a=1&b=2.", "", [], "A <title>")
    assert "<title>A &lt;title&gt;</title>" in shown
    assert "1 &lt; 2 &amp; &lt;b&gt;\n" in shown
    assert '<a href="https://shop.example/?a=1&amp;b=2">https://shop.example/?a=1&amp;b=2</a>.' in shown
