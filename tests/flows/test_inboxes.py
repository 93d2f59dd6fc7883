"""Making an inbox, and looking for one."""

import smtplib
from datetime import timedelta

import pytest

from sirrchat_testkit import Conflict, InvalidValue, MailNotReceived, MailServer
from tests.support import send


def test_a_prefix_begins_the_local_part(mailserver: MailServer) -> None:
    one, two = mailserver.make_inbox("user"), mailserver.make_inbox(prefix="user", domain="example.org")
    assert one.address.startswith("user-")
    assert one.address.endswith("@example.com")
    assert two.address.startswith("user-")
    assert two.address.endswith("@example.org")


def test_an_exact_address_is_made_once(mailserver: MailServer) -> None:
    made = mailserver.make_inbox(address="Ann@example.com", expires_in=timedelta(hours=1))
    assert made.address == "Ann@example.com"
    assert made.expires_at is not None
    send(mailserver, "ann@example.com", subject="Hello")
    assert made.receive().subject == "Hello"
    assert mailserver.inbox_for("ann@example.com").id == made.id
    with pytest.raises(Conflict, match=r"ann@example\.com already exists; get its inbox with mailserver\.inbox_for"):
        mailserver.make_inbox(address="ann@example.com")


def test_what_an_exact_address_may_be(mailserver: MailServer) -> None:
    with pytest.raises(ValueError, match="it cannot be given with prefix or domain"):
        mailserver.make_inbox("ann", address="ann@example.com")
    with pytest.raises(InvalidValue, match=r"corp\.com is not a served domain .*; add it with mailserver\.add_domain"):
        mailserver.make_inbox(address="ops@corp.com")
    with pytest.raises(InvalidValue, match=r"address must be an e-mail address such as 'ann@example\.com', not 'ann'"):
        mailserver.make_inbox(address="ann")


def test_looking_for_an_inbox_makes_no_address(mailserver: MailServer) -> None:
    inbox = mailserver.inbox_for("ann@example.com")
    assert inbox.id == ""
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(mailserver, "ann@example.com")
    with pytest.raises(MailNotReceived, match=r"^Refused: ann@example\.com does not exist here; make it with"):
        inbox.receive(timeout=0)
