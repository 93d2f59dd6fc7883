"""An inbox is its address, wherever an address is expected."""

from __future__ import annotations

import contextlib
import copy
import email.utils
import json
import pickle
import smtplib
import sqlite3
from email.message import EmailMessage

import aiosmtplib
import pytest

from sirrchat_testkit import Inbox, MailServer
from tests.support import connect

RAW = b"Subject: Hello\r\n\r\nHi.\r\n"


def test_smtplib_sends_to_an_inbox(mailserver: MailServer, inbox: Inbox) -> None:
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = inbox, inbox, "Hello"
    with connect(mailserver) as smtp:
        smtp.sendmail(inbox, [inbox], RAW)
        smtp.sendmail(inbox, inbox, RAW)
        smtp.send_message(message)
    found = inbox.receive_all(3)
    assert [each.envelope.sender for each in found] == [inbox] * 3
    assert found[2].to == (inbox.address,)
    assert found[2].sender == inbox


@pytest.mark.asyncio
async def test_aiosmtplib_sends_to_an_inbox(mailserver: MailServer, inbox: Inbox) -> None:
    await aiosmtplib.send(
        RAW, sender=inbox, recipients=[inbox], hostname=mailserver.smtp_host, port=mailserver.smtp_port
    )
    assert (await inbox.areceive()).envelope.recipients == (inbox,)


def test_an_inbox_is_text_of_json_forms_and_databases(inbox: Inbox) -> None:
    address = inbox.address
    assert type(address) is str
    assert json.loads(json.dumps({"email": inbox, inbox: [inbox]})) == {"email": address, address: [address]}
    assert f"{inbox}" == f"{inbox:s}" == str(inbox) == "%s" % inbox == address  # noqa: UP031 - it is tested too
    assert inbox == address
    assert {address: 1}[inbox] == 1
    assert address.upper() == inbox.upper()
    assert email.utils.parseaddr(inbox)[1] == address
    with contextlib.closing(sqlite3.connect(":memory:")) as database:
        assert database.execute("SELECT ?", (inbox,)).fetchone() == (address,)
    assert repr(inbox) == f"<Inbox {address}>"


def test_a_copy_of_an_inbox_is_its_address(inbox: Inbox) -> None:
    for made in (copy.copy(inbox), copy.deepcopy({"to": inbox})["to"], pickle.loads(pickle.dumps(inbox))):
        assert (type(made), made) == (str, inbox.address)


def test_inboxes_of_one_address_are_equal(mailserver: MailServer, inbox: Inbox) -> None:
    assert mailserver.inbox_for(inbox) == inbox
    assert mailserver.make_inbox() != inbox


def test_a_method_of_strings_is_not_suggested_for_a_misspelt_name(inbox: Inbox) -> None:
    with pytest.raises(AttributeError, match=r"'Inbox' has no attribute 'uppper'$"):
        inbox.uppper  # type: ignore[attr-defined]  # noqa: B018


def test_a_refused_inbox_is_named_by_smtplib(mailserver: MailServer, inbox: Inbox) -> None:
    mailserver.faults.reject(stage="rcpt", code=550)
    with connect(mailserver) as smtp, pytest.raises(smtplib.SMTPRecipientsRefused) as caught:
        smtp.sendmail("a@b.example", [inbox], RAW)
    assert inbox in caught.value.recipients
