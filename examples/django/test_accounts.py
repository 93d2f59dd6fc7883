"""Sign-up, login and password reset of django-allauth, through Django's SMTP backend."""

from __future__ import annotations

import smtplib

import pytest
from django.test import Client

from sirrchat_testkit import Inbox, MailServer

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("mailserver_django")]

PASSWORD = "correct horse battery"


def sign_up(client: Client, email: str) -> None:
    response = client.post("/accounts/signup/", {"email": email, "password1": PASSWORD})
    assert response.headers["Location"] == "/accounts/confirm-email/"


def test_the_link_in_the_mail_confirms_the_address(client: Client, inbox: Inbox) -> None:
    sign_up(client, inbox)

    message = inbox.receive()
    client.post(message.link("confirm-email").path)

    assert message.sender == "no-reply@shop.example"
    client.post("/accounts/login/", {"login": inbox, "password": PASSWORD})
    assert client.get("/").text == f"Hello {inbox}"


def test_a_second_sign_up_tells_only_the_owner_of_the_address(client: Client, inbox: Inbox) -> None:
    sign_up(client, inbox)
    sign_up(client, inbox)

    first, second = inbox.receive_all(2)

    assert first.link("confirm-email")
    assert "already exists" in second.text


def test_the_code_in_the_mail_logs_in(client: Client, inbox: Inbox) -> None:
    sign_up(client, inbox)
    client.post(inbox.receive().link("confirm-email").path)
    client.post("/accounts/logout/")

    client.post("/accounts/login/code/", {"email": inbox})
    client.post("/accounts/login/code/confirm/", {"code": inbox.receive().code()})

    assert client.get("/").text == f"Hello {inbox}"


def test_a_reset_for_an_unknown_address_sends_no_link(client: Client, inbox: Inbox) -> None:
    client.post("/accounts/password/reset/", {"email": inbox})

    assert not any("/password/reset/key/" in link for link in inbox.receive().links)


def test_the_password_is_reset_by_the_link_in_the_mail(client: Client, inbox: Inbox) -> None:
    sign_up(client, inbox)
    client.post(inbox.receive().link("confirm-email").path)
    client.post("/accounts/logout/")
    client.post("/accounts/password/reset/", {"email": inbox})

    page = client.get(inbox.receive().link("reset").path, follow=True)
    client.post(page.redirect_chain[-1][0], {"password1": "new " + PASSWORD, "password2": "new " + PASSWORD})

    client.post("/accounts/login/", {"login": inbox, "password": "new " + PASSWORD})
    assert client.get("/").text == f"Hello {inbox}"


def test_a_sign_up_fails_while_the_mail_server_is_down(client: Client, mailserver: MailServer, inbox: Inbox) -> None:
    mailserver.faults.drop(stage="connect")

    with pytest.raises(smtplib.SMTPServerDisconnected):
        sign_up(client, inbox)
