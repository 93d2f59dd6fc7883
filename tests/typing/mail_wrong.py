"""Wrong uses of inboxes, messages and what is in them: every type checker refuses each line marked ``# error``."""

from __future__ import annotations

from sirrchat_testkit import (
    Inbox,
    Link,
    LinkPurpose,
    MailConditions,
    MailServer,
    MakeInbox,
    MakeInboxes,
    ReceivedMessage,
)


def waits(inbox: Inbox, mailserver: MailServer) -> None:
    inbox.wait_for_message()  # error
    inbox.recieve()  # error
    inbox.receive("Welcome")  # error
    inbox.receive(5)  # error
    inbox.receive(timout=5)  # error
    inbox.receive(timeout="5")  # error
    inbox.receive(only="yes")  # error
    inbox.receive(olny=True)  # error
    inbox.receive(subjekt="Welcome")  # error
    inbox.receive(body="x")  # error
    inbox.receive(from_="x")  # error
    inbox.receive(header="X-Tag: a")  # error
    inbox.receive(where="subject")  # error
    inbox.receive(where=lambda message: message.subjekt)  # error
    inbox.receive(event="email.received")  # error
    inbox.receive_all("3")  # error
    inbox.receive_all(3, 5)  # error
    inbox.receive_all(number=3)  # error
    inbox.receive_all(sendr="x")  # error
    inbox.assert_nothing(1)  # error
    inbox.assert_nothing(with_in=1)  # error
    inbox.assert_nothing(recipent="x")  # error
    inbox.receive().id.subject  # error
    mailserver.receive(recipent=inbox)  # error
    mailserver.assert_no_mail()  # error
    mailserver.receive_all(subject="x").text  # error


async def waits_in_a_task(inbox: Inbox) -> None:
    await inbox.areceive(subjekt="x")  # error
    await inbox.areceive_al()  # error
    await inbox.receive()  # error
    await inbox.aassert_nothing(timeout=1)  # error
    inbox.areceive().subject  # error


def passes_conditions_on(inbox: Inbox) -> None:
    conditions: MailConditions = {"subjekt": "x"}  # error
    inbox.receive(**conditions)


def uses_an_inbox(inbox: Inbox) -> None:
    inbox.email  # error
    inbox.expires  # error
    inbox.adress  # error
    inbox.key  # error
    inbox.expires_at.year  # error
    inbox.deliver("Subject: x")  # error
    inbox.deliver(body="x")  # error
    inbox.deliver(subject=3)  # error
    inbox.deliver(from_="x")  # error
    inbox.clear(3)  # error
    inbox.deliver(date="today")  # error
    inbox.deliver(attachments=[b"x"])  # error


def reads(message: ReceivedMessage) -> None:
    message.body  # error
    message.subjekt  # error
    message.from_  # error
    message.record  # error
    message.recipients  # error
    message.date.year  # error
    message.headers["X-Tag"].value  # error
    message.headers.getall("X-Tag")  # error
    message.envelope.recipient  # error
    message.envelope.helo  # error
    message.transcript.lines  # error
    message.raw.subject  # error
    message.as_mail()  # error
    message.select()  # error
    message.text = "x"  # error


def picks(message: ReceivedMessage) -> None:
    message.get_link()  # error
    message.link(href="x")  # error
    message.link(purpose="confirm")  # error
    message.sender.display_name  # error
    message.link("a", "b")  # error
    message.link().url  # error
    message.link().parameters  # error
    message.links[0].href  # error
    message.links[0].label  # error
    message.otp  # error
    message.code(pattern=6)  # error
    message.code(close_to="sign in")  # error
    message.code().value  # error
    message.attachment(filename="x")  # error
    message.attachment(inlined=True)  # error
    message.attachment().filename  # error
    message.attachment().data  # error
    message.attachments[0].mimetype  # error
    message.attachments.first  # error
    message.unsubscribe.oneclick  # error
    message.unsubscribe.post()  # error


def passes_a_purpose_on(message: ReceivedMessage) -> Link:
    purpose: LinkPurpose = "unsubcribe"  # error
    return message.link(purpose=purpose)


def test_takes_fixtures(make_inbox: MakeInbox, make_inboxes: MakeInboxes) -> None:
    make_inbox(name="ann")  # error
    make_inbox(expires_in=3600)  # error
    make_inbox("ann").adress  # error
    make_inboxes()  # error
    make_inboxes("3")  # error
    make_inboxes(3).address  # error
