"""Waiting for mail: what is found, what is taken, and what a failure says."""

import asyncio
import contextlib
import re
import smtplib
import threading
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any

import anyio
import httpx
import pytest
import trio
from dirty_equals import IsStr

from sirrchat_testkit import Inbox, MailNotReceived, MailServer, MakeInbox, NotSettled, ReceivedMessage, UnexpectedMail
from sirrchat_testkit.domain.deletion import SLICE
from sirrchat_testkit.domain.models import Message
from sirrchat_testkit.handles import wait as waits
from tests.support import call_api, connect, generate, send, until


async def asend(server: MailServer, recipient: object, subject: str = "Hello") -> None:
    await anyio.to_thread.run_sync(lambda: send(server, recipient, subject=subject))


def in_thread(work: Callable[[], object]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_mail_that_is_there_is_received_without_a_wait(mailserver: MailServer, inbox: Inbox) -> None:
    send(mailserver, inbox)
    assert inbox.receive(timeout=0).subject == "Hello"


def test_a_wait_wakes_on_arrival(mailserver: MailServer, inbox: Inbox) -> None:
    sender = in_thread(lambda: send(mailserver, inbox))
    assert inbox.receive(timeout=30).subject == "Hello"
    sender.join()


def test_the_oldest_match_is_taken_and_only_once(mailserver: MailServer, inbox: Inbox) -> None:
    for subject in ("one", "two", "one"):
        send(mailserver, inbox, subject=subject)
    first, second = inbox.receive(subject="one"), inbox.receive(subject="one")
    assert first.id != second.id
    assert inbox.receive().subject == "two"
    with pytest.raises(MailNotReceived):
        inbox.receive(timeout=0)
    assert len(inbox.messages) == 3


def test_two_inboxes_of_one_address_share_what_is_taken(mailserver: MailServer, inbox: Inbox) -> None:
    send(mailserver, inbox)
    mailserver.inbox_for(inbox.address.upper()).receive(timeout=0)
    with pytest.raises(MailNotReceived, match=r"An earlier receive\(\) took the message"):
        inbox.receive(timeout=0)


def test_a_code_is_read_from_the_subject_where_the_body_has_none(inbox: Inbox) -> None:
    message = inbox.deliver(subject="您的验证码是８２９１０４", text="See the subject.", html="<p>See the subject.</p>")
    assert message.code() == "829104"
    assert message.codes == ("829104",)
    assert message.code(r"\d{3}(\d{3})") == "104"


def test_of_two_waits_each_gets_a_message_of_its_own(mailserver: MailServer, inbox: Inbox) -> None:
    got: list[str] = []
    waits = [in_thread(lambda: got.append(inbox.receive(timeout=30).id)) for _ in range(2)]
    send(mailserver, inbox)
    send(mailserver, inbox)
    for wait in waits:
        wait.join()
    assert len(set(got)) == 2


def test_conditions_are_applied_in_the_waiting_thread(mailserver: MailServer, inbox: Inbox) -> None:
    waiting = threading.current_thread()
    send(mailserver, inbox)
    inbox.receive(subject=lambda _: threading.current_thread() is waiting)


def test_what_a_condition_raises_reaches_the_test(mailserver: MailServer, inbox: Inbox) -> None:
    send(mailserver, inbox)
    with pytest.raises(ZeroDivisionError):
        inbox.receive(subject=lambda _: 1 / 0)
    assert inbox.receive().subject == "Hello"


@pytest.mark.parametrize(
    "conditions",
    [
        {"subject": "Hello"},
        {"subject": re.compile("^Hel")},
        {"subject": IsStr(max_length=5)},
        {"sender": "*@SHOP.example"},
        {"text": "Hi"},
        {"mail_from": "shop@*", "has_attachment": False},
        {"header": {"subject": "Hello"}},
    ],
)
def test_conditions(mailserver: MailServer, inbox: Inbox, conditions: dict[str, Any]) -> None:
    send(mailserver, inbox)
    assert inbox.receive(timeout=0, **conditions).subject == "Hello"


def test_an_unknown_condition_is_named_with_the_nearest(inbox: Inbox) -> None:
    with pytest.raises(TypeError, match="did you mean 'subject'"):
        inbox.receive(subjekt="Hello")  # type: ignore[call-arg]


def test_the_server_receives_for_everybody_and_what_leaves(mailserver: MailServer, inbox: Inbox) -> None:
    send(mailserver, inbox, subject="in")
    send(mailserver, "ops@corp.example", subject="out")
    assert mailserver.receive(recipient="ops@corp.example").subject == "out"
    assert mailserver.receive().subject == "in"
    assert [each.subject for each in mailserver.inbox_for("OPS@corp.example").messages] == ["out"]


def test_all_are_received_when_their_number_is_right(mailserver: MailServer, inbox: Inbox) -> None:
    for number in range(3):
        send(mailserver, inbox, subject=str(number))
    assert [each.subject for each in inbox.receive_all(3)] == ["0", "1", "2"]
    assert inbox.receive_all() == []


def test_more_than_the_number_is_a_failure_too(mailserver: MailServer, inbox: Inbox) -> None:
    send(mailserver, inbox, subject="one")
    send(mailserver, inbox, subject="two")
    with pytest.raises(UnexpectedMail) as caught:
        inbox.receive_all(1)
    assert str(caught.value) == (
        f"2 messages arrived, expected 1 for {inbox}:\n"
        f"  'one' from shop@shop.example to {inbox}\n  'two' from shop@shop.example to {inbox}"
    )
    with pytest.raises(UnexpectedMail, match=f"1 message arrived, expected none for {inbox} with subject='one':"):
        inbox.receive_all(0, subject="one")
    assert len(inbox.receive_all(2)) == 2


@pytest.mark.parametrize("count", [-1, 1.5, "2", True])
def test_a_count_is_a_whole_number(inbox: Inbox, count: Any) -> None:
    with pytest.raises(ValueError, match=f"count must be a whole number of at least 0, not {count!r}"):
        inbox.receive_all(count)
    with pytest.raises(ValueError, match="count must be a whole number"):
        asyncio.run(inbox.areceive_all(count))


def test_a_failed_wait_says_what_came_and_what_each_missed(mailserver: MailServer, inbox: Inbox) -> None:
    send(mailserver, inbox, subject="Welcome, Ann!")
    with pytest.raises(MailNotReceived) as caught:
        inbox.receive(subject="Welcome", timeout=0)
    assert str(caught.value) == (
        "subject: wanted 'Welcome', was 'Welcome, Ann!'. "
        f"Waited 0.0 s for a message for {inbox} with subject='Welcome'.\n"
        "Other messages received:\n"
        f"  'Welcome, Ann!' from shop@shop.example to {inbox}\n"
        "      subject: wanted 'Welcome', was 'Welcome, Ann!' (a string must be equal; re.compile('Welcome') searches)"
    )


def test_a_failed_wait_says_that_nobody_connected(mailserver: MailServer, inbox: Inbox) -> None:
    with pytest.raises(MailNotReceived) as caught:
        inbox.receive(timeout=0)
    none = (
        f"No client connected to 127.0.0.1:{mailserver.smtp_port}: is the application configured to send its mail "
        "there? mailserver.env() returns the settings."
    )
    assert str(caught.value) == f"{none} Waited 0.0 s for a message for {inbox}."

    with pytest.raises(MailNotReceived) as caught:
        inbox.receive_all(2, timeout=0)
    assert str(caught.value) == f"None of 2 messages arrived. Waited 0.0 s for 2 messages for {inbox}.\n{none}"


def test_a_failed_wait_shows_mail_for_others_and_refusals(mailserver: MailServer, make_inbox: MakeInbox) -> None:
    inbox, other = make_inbox("ann"), make_inbox("bob")
    send(mailserver, other, subject="For Bob")
    misspelt = inbox.address.replace("ann", "anne")
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(mailserver, misspelt)
    with pytest.raises(MailNotReceived) as caught:
        inbox.receive(timeout=0)
    text = str(caught.value)
    assert f"'For Bob' from shop@shop.example to {other}" in text
    assert f"{misspelt} from shop@shop.example: {misspelt} does not exist here; the nearest address is {inbox}" in text


def test_a_failed_wait_is_an_assertion(inbox: Inbox) -> None:
    with pytest.raises(AssertionError):
        inbox.receive(timeout=0)


@pytest.mark.parametrize("run", [asyncio.run, trio.run])
def test_a_wait_that_blocked_a_loop_says_so(inbox: Inbox, run: Callable[[object], object]) -> None:
    async def main() -> None:
        inbox.receive(timeout=0)

    with pytest.raises(MailNotReceived, match=r"await inbox\.areceive"):
        run(main() if run is asyncio.run else main)


def test_a_loop_without_a_task_is_not_asked_to_await(inbox: Inbox) -> None:
    """The synchronous API of Playwright runs a loop in the thread of the test, which cannot await."""
    loop = asyncio.new_event_loop()
    failures: list[str] = []

    def receive() -> None:
        with pytest.raises(MailNotReceived) as caught:
            inbox.receive(timeout=0)
        failures.append(str(caught.value))

    loop.call_soon(receive)
    loop.call_soon(loop.stop)
    with contextlib.closing(loop):
        loop.run_forever()
    [failure] = failures
    assert "event loop" not in failure


def test_a_transaction_under_way_is_named(
    mailserver: MailServer, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert waits.CALM == 1
    monkeypatch.setattr(waits, "CALM", 0.0)
    with connect(mailserver) as smtp:
        smtp.ehlo()
        smtp.mail("slow@shop.example")
        with pytest.raises(MailNotReceived, match=r"In progress:\n.*slow@shop\.example"):
            inbox.receive(timeout=0)
        with pytest.raises(NotSettled, match=r"^The server was still busy after 0\.0 s: .*slow@shop\.example"):
            inbox.assert_nothing()


def test_nothing_is_asserted_without_a_wait(mailserver: MailServer, inbox: Inbox) -> None:
    inbox.assert_nothing()
    send(mailserver, inbox, subject="June news")
    inbox.assert_nothing(subject="May news")
    with pytest.raises(UnexpectedMail) as caught:
        inbox.assert_nothing()
    assert str(caught.value) == (
        f"1 message arrived, expected none for {inbox}: 'June news' from shop@shop.example to {inbox}"
    )


def test_taken_mail_is_not_unexpected(mailserver: MailServer, inbox: Inbox) -> None:
    send(mailserver, inbox)
    inbox.receive()
    inbox.assert_nothing()


def test_a_watch_fails_at_once_on_arrival(mailserver: MailServer, inbox: Inbox) -> None:
    def send_during_the_watch() -> None:
        until(mailserver._thread, mailserver._control.feeds.all)
        send(mailserver, inbox, subject="June news")

    sender = in_thread(send_during_the_watch)
    with pytest.raises(
        UnexpectedMail, match=r"^1 message arrived after \d+\.\d\d s, expected none .* within 50\.0 s: 'June news'"
    ):
        inbox.assert_nothing(within=50)
    sender.join()


def test_an_assertion_waits_for_the_transaction_under_way(mailserver: MailServer, inbox: Inbox) -> None:
    smtp = connect(mailserver)
    smtp.ehlo()
    smtp.mail("shop@shop.example")

    def finish() -> None:
        smtp.rcpt(inbox.address)
        smtp.data(b"Subject: late\r\n\r\n")
        smtp.quit()

    finisher = in_thread(finish)
    with pytest.raises(UnexpectedMail, match="late"):
        inbox.assert_nothing()
    finisher.join()


def test_a_pooled_connection_does_not_hold_up_an_assertion(mailserver: MailServer, inbox: Inbox) -> None:
    with connect(mailserver) as smtp:
        smtp.sendmail("a@shop.example", [inbox.address], "Subject: one\r\n\r\n")
        inbox.receive()
        inbox.assert_nothing()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_the_twins_do_the_same(mailserver: MailServer, make_inbox: MakeInbox, backend: str) -> None:
    async def main() -> None:
        inbox = make_inbox()
        await inbox.aassert_nothing()
        async with anyio.create_task_group() as group:
            group.start_soon(asend, mailserver, inbox, "one")
            assert (await inbox.areceive(subject="one", timeout=30)).subject == "one"
        await asend(mailserver, inbox, "two")
        assert [each.subject for each in await inbox.areceive_all(1)] == ["two"]
        with pytest.raises(MailNotReceived):
            await inbox.areceive(timeout=0)
        await asend(mailserver, inbox, "three")
        with pytest.raises(UnexpectedMail):
            await inbox.aassert_nothing()
        await mailserver.asettle()

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_cancelled_wait_takes_nothing(mailserver: MailServer, make_inbox: MakeInbox, backend: str) -> None:
    async def main() -> None:
        inbox = make_inbox()
        async with anyio.create_task_group() as group:
            group.start_soon(inbox.areceive)
            while not mailserver._control.feeds.all():
                await anyio.lowlevel.checkpoint()
            group.cancel_scope.cancel()
        await asend(mailserver, inbox)
        assert (await inbox.areceive(timeout=0)).subject == "Hello"

    anyio.run(main, backend=backend)


def test_a_wait_ends_when_the_server_stops() -> None:
    server = MailServer().start()
    inbox = server.make_inbox()
    errors: list[Exception] = []

    def wait() -> None:
        try:
            inbox.receive(timeout=60)
        except RuntimeError as error:
            errors.append(error)

    waiter = in_thread(wait)
    until(server._thread, server._control.feeds.all)
    server.stop()
    waiter.join(30)
    assert not waiter.is_alive()
    assert "the mail server stopped; the wait was for" in str(errors[0])


def test_a_message_outlives_its_deletion(mailserver: MailServer, inbox: Inbox) -> None:
    send(mailserver, inbox)
    message = inbox.receive()
    assert [each.id for each in inbox.clear()] == [message.id]
    assert inbox.messages == []
    assert message.text == "Hi.\n"


def test_mail_is_delivered_without_smtp(inbox: Inbox) -> None:
    inbox.deliver(subject="Fields", text="Hi.", html="<b>Hi</b>")
    inbox.deliver(b"Subject: Raw\r\n\r\nx")
    message = EmailMessage()
    message["From"], message["Subject"] = "Ann <ann@shop.example>", "Object"
    inbox.deliver(message)
    assert [each.subject for each in inbox.receive_all(3)] == ["Fields", "Raw", "Object"]
    assert [each.mail_from for each in inbox.messages] == [
        "sender@example.org",
        "sender@example.org",
        "ann@shop.example",
    ]
    with pytest.raises(TypeError, match="deliver needs"):
        inbox.deliver()


def test_an_expired_inbox_says_when_and_takes_no_mail(mailserver: MailServer, make_inbox: MakeInbox) -> None:
    from datetime import timedelta

    mailserver.clock.freeze()
    inbox = make_inbox(expires_in=timedelta(hours=1))
    assert inbox.expires_at == mailserver.clock.now() + timedelta(hours=1)
    send(mailserver, inbox)
    mailserver.clock.advance(hours=1)
    with pytest.raises(smtplib.SMTPRecipientsRefused):
        send(mailserver, inbox)


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("wait_for_message", "receive"),
        ("wait_for_code", "receive().code()"),
        ("wait_for_link", "receive().link()"),
        ("drain", "receive_all"),
        ("first", "messages[0]"),
        ("last", "messages[-1]"),
        ("urls", "receive().links"),
        ("body", "receive().text"),
        ("outbox", "messages"),
        ("email", "address"),
        ("recieve", "receive"),
    ],
)
def test_a_misguessed_name_of_an_inbox(inbox: Inbox, name: str, meant: str) -> None:
    with pytest.raises(AttributeError, match=re.escape(f"did you mean {meant!r}?")):
        getattr(inbox, name)


@pytest.mark.parametrize("name", ["colour", "rate", "site"])
def test_no_unrelated_name_is_suggested(inbox: Inbox, name: str) -> None:
    with pytest.raises(AttributeError) as caught:
        getattr(inbox, name)
    assert str(caught.value) == f"'Inbox' has no attribute {name!r}"


@pytest.mark.parametrize(
    ("use", "meant"),
    [
        (len, "len(mailserver.messages)"),
        (list, "mailserver.messages, or mailserver.receive_all()"),
        (lambda mailserver: mailserver[0], "mailserver.messages[0]"),
        (lambda mailserver: "x" in mailserver, "mailserver.messages, or mailserver.receive_all()"),
    ],
)
def test_a_server_is_no_collection_and_names_its_own(
    mailserver: MailServer, use: Callable[[Any], Any], meant: str
) -> None:
    with pytest.raises(TypeError, match=re.escape(f"did you mean {meant}?")):
        use(mailserver)
    assert bool(mailserver)


@pytest.mark.parametrize(
    ("name", "meant"),
    [("body", "text"), ("atachments", "attachments"), ("otp", "code()"), ("details", "envelope")],
)
def test_a_misguessed_name_of_a_message(inbox: Inbox, name: str, meant: str) -> None:
    message = inbox.deliver(subject="x")
    with pytest.raises(AttributeError, match=re.escape(f"did you mean '{meant}'")):
        getattr(message, name)


def test_a_message_is_no_mapping_of_its_headers(inbox: Inbox) -> None:
    message = inbox.deliver(subject="x")
    with pytest.raises(TypeError, match=re.escape("did you mean message.headers['Subject']?")):
        message["Subject"]  # type: ignore[index]
    with pytest.raises(TypeError, match=r"'ReceivedMessage' has no items$"):
        list(message)  # type: ignore[call-overload]


def test_a_time_without_a_unit_is_refused_in_words(mailserver: MailServer, make_inbox: MakeInbox) -> None:
    with pytest.raises(TypeError, match=r"expires_in must be a timedelta such as timedelta\(hours=1\), not 3600"):
        make_inbox(expires_in=3600)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="the time to advance must be a timedelta, or units such as"):
        mailserver.clock.advance(3600)  # type: ignore[arg-type]


def test_draining_takes_every_message_once_in_order(inbox: Inbox) -> None:
    for number in range(300):
        inbox.deliver(subject=str(number))
    assert [inbox.receive(timeout=0).subject for _ in range(150)] == [str(number) for number in range(150)]
    assert inbox.receive(subject="299").subject == "299"
    assert [each.subject for each in inbox.receive_all()] == [str(number) for number in range(150, 299)]
    inbox.assert_nothing()


def test_a_message_that_a_condition_passed_over_is_received_later(inbox: Inbox) -> None:
    for subject in ("one", "two", "three"):
        inbox.deliver(subject=subject)
    assert inbox.receive(subject="three").subject == "three"
    assert inbox.receive(subject="one").subject == "one"
    assert inbox.receive().subject == "two"


@pytest.mark.parametrize("stored", [0, 200])
def test_of_many_waits_on_many_threads_each_gets_a_message_of_its_own(inbox: Inbox, stored: int) -> None:
    for number in range(stored):
        inbox.deliver(subject=str(number))
    got: list[str] = []

    def drain() -> None:
        got.extend(inbox.receive(timeout=30).id for _ in range(50))

    waits = [in_thread(drain) for _ in range(4)]
    for number in range(stored, 200):
        inbox.deliver(subject=str(number))
    for wait in waits:
        wait.join()
    assert len(set(got)) == 200


@pytest.fixture
def begin_only(mailserver: MailServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the rest of a deletion undone after its first slice."""

    async def later() -> None:
        pass

    monkeypatch.setattr(mailserver._now.services.deletion, "resume", later)


@pytest.mark.usefixtures("begin_only")
def test_messages_of_a_deleted_account_are_in_no_list_although_they_are_still_stored(mailserver: MailServer) -> None:
    account = mailserver.add_account("ann@example.com")
    services = mailserver._now.services
    for number in range(2 * SLICE):
        send(mailserver, "ann@example.com", subject=str(number))
    inbox = mailserver.inbox_for("ann@example.com")
    assert len(inbox.messages) == 2 * SLICE
    assert call_api(mailserver, "DELETE", f"/api/v1/users/{account.id}").status == 204
    assert mailserver._thread.call(services.store.count(Message)) == SLICE
    assert mailserver.messages == inbox.messages == []
    inbox.assert_nothing(within=0)
    with pytest.raises(MailNotReceived):
        mailserver.receive(timeout=0)


@pytest.mark.usefixtures("begin_only")
def test_messages_of_a_deleted_address_are_in_no_list_although_they_are_still_stored(mailserver: MailServer) -> None:
    made = generate(mailserver, "box").json
    for number in range(2 * SLICE):
        send(mailserver, made["email"], subject=str(number))
    assert len(mailserver.messages) == 2 * SLICE
    assert call_api(mailserver, "DELETE", f"/api/emails/{made['id']}").status == 200
    assert mailserver._thread.call(mailserver._now.services.store.count(Message)) == SLICE
    again = generate(mailserver, "box").json
    assert mailserver.messages == mailserver.inbox_for("box@example.com").messages == []
    assert call_api(mailserver, "GET", f"/api/emails/{again['id']}").json["total"] == 0


@pytest.mark.usefixtures("begin_only")
def test_deliveries_of_a_deleted_webhook_have_no_text_at_once(mailserver: MailServer, inbox: Inbox) -> None:
    webhook = mailserver.add_webhook("http://127.0.0.1:1/hook")
    mailserver.webhook_faults.delay(3600, times=None)
    for number in range(SLICE + 1):
        inbox.deliver(subject=str(number))
    until(mailserver._thread, lambda: len(mailserver.deliveries) == SLICE + 1)
    webhook.delete()
    assert {each.status for each in mailserver.deliveries} == {"cancelled"}


@pytest.mark.parametrize("deleted", ["address", "message", "inbox"])
def test_a_message_that_is_deleted_during_a_wait_does_not_count(
    mailserver: MailServer, inbox: Inbox, deleted: str
) -> None:
    first = inbox.deliver(subject="deleted")
    got: list[str] = []
    wait = in_thread(lambda: got.extend(each.subject for each in mailserver.receive_all(2, timeout=30)))
    until(mailserver._thread, mailserver._control.feeds.all)
    if deleted == "inbox":
        inbox.clear()
    else:
        path = f"/api/emails/{inbox.id}" + (f"/{first.id}" if deleted == "message" else "")
        with httpx.Client(base_url=mailserver.api_url, headers={"X-API-Key": inbox.api_key}) as client:
            assert client.delete(path).is_success
    other = mailserver.make_inbox()
    other.deliver(subject="one")
    mailserver.settle()
    assert wait.is_alive()
    other.deliver(subject="two")
    wait.join()
    assert got == ["one", "two"]


def test_a_taken_message_outlives_its_address(mailserver: MailServer, inbox: Inbox) -> None:
    send(mailserver, inbox)
    message = inbox.receive()
    with httpx.Client(base_url=mailserver.api_url, headers={"X-API-Key": inbox.api_key}) as client:
        assert client.delete(f"/api/emails/{inbox.id}").is_success
    assert message.text == "Hi.\n"
    assert message.envelope.recipients == (inbox.address,)


def test_contents_that_were_deleted_before_they_were_read_are_reported_as_such(inbox: Inbox) -> None:
    inbox.deliver(subject="Hello")
    [message] = inbox.messages
    inbox.clear()
    with pytest.raises(LookupError, match=r"'Hello' from .* was deleted before its contents were read"):
        _ = message.text


def test_a_wait_of_an_ended_scope_ends_with_it() -> None:
    with MailServer() as server:
        errors: list[Exception] = []

        def wait() -> None:
            try:
                server.receive(timeout=60)
            except RuntimeError as error:
                errors.append(error)

        with server.scope("earlier"):
            waiter = in_thread(wait)
            until(server._thread, server._control.feeds.all)
        waiter.join(30)
        assert not waiter.is_alive()
        assert "the scope that this wait began in has ended" in str(errors[0])


def test_a_wait_on_another_address_is_not_woken(mailserver: MailServer, make_inbox: MakeInbox) -> None:
    waiting, other = make_inbox(), make_inbox()
    waiter = in_thread(lambda: waiting.receive(timeout=30))
    until(mailserver._thread, mailserver._control.feeds.all)
    pushed: list[object] = []
    [feed] = mailserver._control.feeds.all()
    push = feed.push
    feed.push = lambda item: (pushed.append(item), push(item))[1]  # type: ignore[method-assign, func-returns-value]
    other.deliver(subject="not for it")
    mailserver.settle()
    assert pushed == []
    waiting.deliver(subject="for it")
    waiter.join()
    assert len(pushed) == 1


def test_all_unexpected_messages_are_listed(inbox: Inbox) -> None:
    for number in range(30):
        inbox.deliver(subject=f"news {number}")
    with pytest.raises(UnexpectedMail) as caught:
        inbox.assert_nothing(subject=re.compile("news"))
    first, *rest = str(caught.value).splitlines()
    assert first == f"30 messages arrived, expected none for {inbox} with subject=/news/:"
    assert rest == [f"  'news {number}' from sender@example.org to {inbox}" for number in range(30)]


def test_a_message_is_found_by_a_function_of_the_whole_message(inbox: Inbox) -> None:
    inbox.deliver(subject="one", text="Your code is 483920.")
    inbox.deliver(subject="two", text="Your code is 123456.")
    assert inbox.receive(where=lambda message: message.code() == "123456").subject == "two"


def test_a_verb_on_a_stopped_server_names_it(mailserver: MailServer) -> None:
    with MailServer() as server:
        inbox = server.make_inbox()
        where = f"127.0.0.1:{server.smtp_port}"
    for verb in (
        server.receive,
        inbox.receive,
        inbox.receive_all,
        inbox.assert_nothing,
        inbox.clear,
        lambda: inbox.messages,
    ):
        with pytest.raises(RuntimeError, match=f"the mail server {where} is not running"):
            verb()


def test_the_default_of_within_counts(inbox: Inbox, mailserver: MailServer) -> None:
    def send_during_the_watch() -> None:
        until(mailserver._thread, mailserver._control.feeds.all)
        send(mailserver, inbox, subject="June news")

    mailserver.within = 30
    sender = in_thread(send_during_the_watch)
    with pytest.raises(UnexpectedMail, match=r"within 30\.0 s"):
        inbox.assert_nothing()
    sender.join()
    inbox.receive()
    inbox.assert_nothing(within=0)


def test_a_condition_runs_for_no_message_that_the_wait_did_not_examine(inbox: Inbox, make_inbox: MakeInbox) -> None:
    seen: list[str] = []

    def second_code(message: ReceivedMessage) -> bool:
        seen.append(message.subject)
        return bool(message.code() == "123456")

    inbox.deliver(subject="taken", text="Hello, no code here.")
    inbox.receive(subject="taken")
    make_inbox().deliver(subject="another's", text="Hello, no code here.")
    with pytest.raises(MailNotReceived) as caught:
        inbox.receive(where=second_code, timeout=0)
    assert seen == []
    text = str(caught.value)
    assert "Other messages that an earlier receive() took:\n  'taken' from " in text
    assert text.startswith("No further message arrived. Waited 0.0 s")


def test_a_condition_that_raises_in_a_report_is_shown_as_a_miss(inbox: Inbox) -> None:
    inbox.deliver(subject="one")
    calls: list[object] = []

    def once(subject: str) -> bool:
        calls.append(subject)
        if len(calls) > 1:
            raise ValueError("not twice")
        return False

    with pytest.raises(MailNotReceived, match=r"once\(\) raised ValueError\('not twice'\)"):
        inbox.receive(subject=once, timeout=0)


@pytest.mark.parametrize("verb", ["receive", "receive_all", "assert_nothing"])
def test_a_message_that_is_deleted_while_it_is_examined_is_no_candidate(inbox: Inbox, verb: str) -> None:
    for number in range(3):
        inbox.deliver(subject=str(number), text="Hello")

    def delete(text: str) -> bool:
        inbox.clear()
        return text == "never"

    if verb == "receive":
        with pytest.raises(MailNotReceived, match="were deleted"):
            inbox.receive(text=delete, timeout=0)
    elif verb == "receive_all":
        assert inbox.receive_all(text=delete) == []
    else:
        inbox.assert_nothing(text=delete)


def test_all_taken_messages_outlive_their_deletion(inbox: Inbox) -> None:
    for number in range(100):
        inbox.deliver(subject=str(number), text=f"text {number}")
    messages = inbox.receive_all(100)
    inbox.clear()
    assert [each.text.strip() for each in messages] == [f"text {number}" for number in range(100)]


def test_copies_in_sent_folders_are_no_received_mail(mailserver: MailServer, inbox: Inbox) -> None:
    with connect(mailserver) as smtp:
        smtp.login(mailserver.smtp_username, mailserver.smtp_password)
        for number in range(10):
            smtp.sendmail("a@b.example", [inbox.address], f"Subject: {number}\r\n\r\n")
    assert [each.subject for each in mailserver.messages] == [str(number) for number in range(10)]
    assert [mailserver.receive(timeout=0).subject for _ in range(10)] == [str(number) for number in range(10)]
    mailserver.assert_nothing()


def test_a_failed_wait_counts_what_was_deleted(inbox: Inbox) -> None:
    inbox.deliver(subject="Hello")
    inbox.clear()
    with pytest.raises(MailNotReceived) as caught:
        inbox.receive(timeout=0)
    assert str(caught.value) == (
        f"1 message arrived, and was deleted. Waited 0.0 s for a message for {inbox}.\n"
        f"Messages that arrived and were deleted:\n  'Hello' from sender@example.org to {inbox}"
    )


def test_a_failed_wait_names_a_fault_that_fired(mailserver: MailServer, inbox: Inbox) -> None:
    mailserver.faults.lose()
    send(mailserver, inbox)
    with pytest.raises(MailNotReceived, match=rf"^A planned fault fired: lose at END: {inbox}\. Waited"):
        inbox.receive(timeout=0)


def test_the_refusal_of_the_awaited_address_comes_first(mailserver: MailServer, make_inbox: MakeInbox) -> None:
    from datetime import timedelta

    inbox = make_inbox(expires_in=timedelta(hours=1))
    mailserver.clock.advance(minutes=90)
    for recipient in (inbox, *(f"no{number}@example.com" for number in range(6))):
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(mailserver, recipient)
    with pytest.raises(MailNotReceived, match=rf"^Refused: {inbox} expired at "):
        inbox.receive(timeout=0)


def test_an_older_connection_counts_as_one(mailserver: MailServer, inbox: Inbox) -> None:
    with connect(mailserver) as smtp:
        smtp.ehlo()
        with mailserver.scope("later"):
            smtp.docmd("RSET")
            with pytest.raises(MailNotReceived) as caught:
                inbox.receive(timeout=0)
    assert "No client connected" not in str(caught.value)


def test_late_mail_of_another_scope_is_none_of_this_one_s_refusals() -> None:
    with MailServer() as server:
        with server.scope("earlier"):
            late = server.make_inbox()
        inbox = server.make_inbox()
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(server, late)
        assert server.refusals == []
        with pytest.raises(MailNotReceived) as caught:
            inbox.receive(timeout=0)
    first, *rest = str(caught.value).splitlines()
    assert late.address not in first
    assert any("belonged to earlier, which has ended" in line for line in rest)
