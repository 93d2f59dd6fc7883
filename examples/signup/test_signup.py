"""The sign-up service's own tests: nothing but the kit's fixtures and Flask's test client."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask.testing import FlaskClient
from signup import create_app

from sirrchat_testkit import Inbox, MailServer, MakeInbox, MakeInboxes


@pytest.fixture
def shop(mailserver: MailServer) -> FlaskClient:
    return create_app(mailserver.env()).test_client()


def sign_up(shop: FlaskClient, email: str) -> int:
    return shop.post("/signup", data={"email": email, "name": "Ann"}).status_code


def test_the_link_in_the_mail_confirms_the_address(shop: FlaskClient, inbox: Inbox) -> None:
    assert sign_up(shop, inbox.address) == 202

    message = inbox.receive(subject="Welcome, Ann")

    assert message.sender == "no-reply@shop.example"
    assert message.to == (inbox.address,)
    answer = shop.get(message.link("Confirm").path)
    assert answer.json == {"email": inbox.address, "confirmed": True}


def test_the_code_in_the_mail_confirms_the_address(shop: FlaskClient, inbox: Inbox) -> None:
    sign_up(shop, inbox.address)

    code = inbox.receive().code()

    assert shop.post("/verify", data={"email": inbox.address, "code": code}).json == {
        "email": inbox.address,
        "confirmed": True,
    }


def test_everybody_gets_a_code_of_their_own(shop: FlaskClient, make_inboxes: MakeInboxes) -> None:
    inboxes = make_inboxes(3)
    for inbox in inboxes:
        sign_up(shop, inbox.address)

    codes = {inbox.receive().code() for inbox in inboxes}

    assert len(codes) == 3


def test_one_sign_up_sends_one_mail(shop: FlaskClient, inbox: Inbox) -> None:
    sign_up(shop, inbox.address)

    inbox.receive_all(1)


def test_a_wrong_address_is_the_user_s_to_mend(
    shop: FlaskClient, mailserver: MailServer, make_inbox: MakeInbox
) -> None:
    inbox = make_inbox(expires_in=timedelta(hours=1))
    mailserver.clock.advance(hours=2)

    assert sign_up(shop, inbox.address) == 422

    mailserver.assert_nothing()
