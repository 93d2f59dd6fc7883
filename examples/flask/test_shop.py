"""The sign-up through Flask's test client."""

from __future__ import annotations

import smtplib

import pytest
from flask import Flask

from sirrchat_testkit import Inbox, MailServer


def test_the_link_in_the_mail_confirms_the_address(shop: Flask, inbox: Inbox) -> None:
    client = shop.test_client()
    client.post("/sign-up", data={"email": inbox})

    message = inbox.receive(subject="Confirm your address")

    assert message.sender == "no-reply@shop.example"
    assert inbox in client.get(message.link("Confirm my address").path).text


def test_one_sign_up_sends_one_mail(shop: Flask, inbox: Inbox) -> None:
    shop.test_client().post("/sign-up", data={"email": inbox})

    inbox.receive_all(1)


def test_a_refusal_reaches_the_shop(shop: Flask, mailserver: MailServer, inbox: Inbox) -> None:
    mailserver.faults.reject(stage="rcpt", code=452)

    with pytest.raises(smtplib.SMTPRecipientsRefused):
        shop.test_client().post("/sign-up", data={"email": inbox})
