"""Sub-addresses (RFC 5233): mail for ``user+tag@`` reaches ``user@``."""

from __future__ import annotations

import smtplib
from datetime import UTC, datetime, timedelta

import pytest

from sirrchat_testkit import Inbox, MailNotReceived, MailServer, MakeInbox
from tests.support import send


def tagged(address: str, tag: str = "+news") -> str:
    local, _, domain = address.partition("@")
    return f"{local}{tag}@{domain}"


def refused(server: MailServer, address: str) -> bool:
    try:
        send(server, address)
    except smtplib.SMTPRecipientsRefused:
        return True
    return False


@pytest.mark.parametrize("tag", ["+news", "+a+b", "+", "+NEWS"])
def test_mail_for_a_sub_address_reaches_the_inbox(mailserver: MailServer, inbox: Inbox, tag: str) -> None:
    send(mailserver, tagged(inbox, tag))
    message = inbox.receive(timeout=0)
    assert message.recipient == inbox
    assert message.envelope.recipients == (tagged(inbox, tag),)
    assert message.to == (tagged(inbox, tag),)


def test_an_address_of_its_own_is_not_a_sub_address(mailserver: MailServer, inbox: Inbox) -> None:
    own = mailserver.make_inbox(address=tagged(inbox))
    send(mailserver, own)
    own.receive(timeout=0)
    inbox.assert_nothing()


@pytest.mark.parametrize("minutes", [25, 40], ids=["before the purge", "after the purge"])
def test_an_expired_address_of_its_own_is_not_a_sub_address(mailserver: MailServer, inbox: Inbox, minutes: int) -> None:
    mailserver.clock.freeze(datetime(2100, 3, 1, 12, 30, tzinfo=UTC))
    mailserver.make_inbox(address=tagged(inbox), expires_in=timedelta(minutes=20))
    mailserver.clock.advance(minutes=minutes)
    assert refused(mailserver, tagged(inbox))


def test_a_sub_address_of_an_expired_address_is_refused(mailserver: MailServer, make_inbox: MakeInbox) -> None:
    inbox = make_inbox(expires_in=timedelta(hours=1))
    mailserver.clock.advance(minutes=61)
    assert refused(mailserver, tagged(inbox))


def test_a_permanent_address_has_sub_addresses_too(mailserver: MailServer) -> None:
    account = mailserver.add_account("ann@example.com")
    send(mailserver, "Ann+Shop@Example.COM")
    assert account.inbox.receive(timeout=0).envelope.recipients == ("Ann+Shop@Example.COM",)


@pytest.mark.parametrize("address", ["+news@example.com", "nobody+news@example.com", '"ann+x y"@example.com'])
def test_a_sub_address_of_nothing_is_refused(mailserver: MailServer, address: str) -> None:
    mailserver.make_inbox(address="ann@example.com")
    assert refused(mailserver, address)


def test_another_separator_or_none(mailserver: MailServer, inbox: Inbox) -> None:
    mailserver.configure(subaddressing="")
    assert refused(mailserver, tagged(inbox))
    mailserver.configure(subaddressing="=")
    assert refused(mailserver, tagged(inbox))
    send(mailserver, tagged(inbox, "=news"))
    inbox.receive(timeout=0)


def test_mail_for_a_sub_address_of_an_ended_scope_is_late() -> None:
    with MailServer() as server:
        with server.scope("early"):
            inbox = server.make_inbox()
        assert refused(server, tagged(inbox))
        assert [each.scope for each in server.late_mail] == ["early"]


def test_an_address_of_its_own_of_an_ended_scope_is_not_a_sub_address() -> None:
    with MailServer() as server:
        with server.scope("early"):
            server.make_inbox(address="ann+news@example.com")
        inbox = server.make_inbox(address="ann@example.com")
        assert refused(server, "ann+news@example.com")
        assert inbox.messages == []


def test_a_wait_for_a_sub_address_names_the_inbox_that_has_its_mail(mailserver: MailServer, inbox: Inbox) -> None:
    with pytest.raises(MailNotReceived) as caught:
        mailserver.inbox_for(tagged(inbox)).receive(timeout=0)
    assert str(caught.value).startswith(f"Mail for {tagged(inbox)} goes to {inbox}, of which it is a sub-address.")
