"""What is stored, for whom, and what is replied."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from sirrchat_testkit.domain.events import Crashed, RecipientRefused
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.errors import NoSuchAddress, OverQuota, StoreBroken, StoreFull
from tests.support import auntil

if TYPE_CHECKING:
    from tests.smtp.conftest import Dial, Dialogue

pytestmark = pytest.mark.asyncio

Stored = Callable[..., Awaitable[list[bytes]]]
USER, SECOND = "user@example.com", "second@example.com"
RAW = b"Subject: hello\r\n\r\nbody\r\n"


async def test_a_message_is_stored_with_its_envelope(talk: Dialogue, services: Services) -> None:
    assert await talk.send(RAW) == "250 2.0.0 Message stored"
    [message] = await services.delivery.messages(USER)
    envelope = await services.delivery.envelope(message)
    assert await services.delivery.raw(message) == RAW
    assert message.subject == "hello"
    assert (envelope.sender, envelope.recipients, envelope.ehlo) == ("sender@example.net", (USER,), "client.example")
    assert re.fullmatch(r"127\.0\.0\.1:\d+", envelope.peer)
    assert envelope.size == len(RAW)


async def test_several_messages_in_one_session(talk: Dialogue, stored: Stored) -> None:
    for number in range(3):
        await talk.send(b"%d\r\n" % number)
    assert await stored() == [b"0\r\n", b"1\r\n", b"2\r\n"]


async def test_each_recipient_gets_one_copy_of_one_message(talk: Dialogue, services: Services) -> None:
    await talk.send(RAW, USER, SECOND, USER.upper(), "ops@corp.example")
    assert [each.recipient for each in await services.delivery.messages()] == [USER, SECOND, "ops@corp.example"]
    [envelope] = await services.delivery.envelopes()
    assert envelope.recipients == (USER, SECOND, USER.upper(), "ops@corp.example")


async def test_blind_recipients_are_in_the_envelope_alone(talk: Dialogue, services: Services) -> None:
    await talk.send(b"To: user@example.com\r\n\r\nno word of the other\r\n", USER, SECOND)
    [copy] = await services.delivery.messages(SECOND)
    assert SECOND in (await services.delivery.envelope(copy)).recipients
    assert SECOND.encode() not in await services.delivery.raw(copy)


async def test_a_refused_recipient_is_kept_with_its_reply(
    talk: Dialogue, services: Services, refusals: Callable[[], list[RecipientRefused]]
) -> None:
    await talk.send(RAW, USER, "nobody@example.com")
    [envelope] = await services.delivery.envelopes()
    assert envelope.recipients == (USER,)
    assert envelope.refused == {"nobody@example.com": "550 5.1.1 nobody@example.com does not exist here"}
    assert [(each.recipient, each.sender) for each in refusals()] == [("nobody@example.com", "sender@example.net")]


async def test_parameters_are_kept_as_sent(talk: Dialogue, services: Services) -> None:
    await talk("EHLO x", "MAIL FROM:<a@example.net> size=20 BODY=8BITMIME AUTH=<>")
    await talk(f"RCPT TO:<{USER}>", f"RCPT TO:<{SECOND}>", "DATA", b"text\r\n.\r\n")
    [envelope] = await services.delivery.envelopes()
    assert envelope.parameters == {"": ["size=20", "BODY=8BITMIME", "AUTH=<>"]}


async def test_nothing_of_one_transaction_is_left_in_the_next(talk: Dialogue, services: Services) -> None:
    await talk("EHLO x", "MAIL FROM:<a@example.net> BODY=8BITMIME", "RCPT TO:<nobody@example.com>", "RSET")
    await talk.send(RAW)
    [envelope] = await services.delivery.envelopes()
    assert (envelope.refused, envelope.parameters) == ({}, {})


async def test_a_sender_without_a_domain_is_kept_as_it_comes(talk: Dialogue, services: Services) -> None:
    await talk.to_data(sender="root")
    assert (await talk(RAW + b".\r\n")).startswith("250 2.0.0")
    [envelope] = await services.delivery.envelopes()
    assert envelope.sender == "root"


async def test_the_null_sender_is_taken(talk: Dialogue, services: Services) -> None:
    await talk("EHLO x", "MAIL FROM:<>", f"RCPT TO:<{USER}>", "DATA", RAW + b".\r\n")
    assert [each.sender for each in await services.delivery.envelopes()] == [""]


async def test_addresses_and_content_may_be_utf8(talk: Dialogue, services: Services, stored: Stored) -> None:
    raw = "Subject: Grüße\r\n\r\nпривет\r\n".encode()
    await talk("EHLO x", "MAIL FROM:<грета@пример.example> SMTPUTF8", "RCPT TO:<用户@例子.example>", "DATA")
    assert (await talk(raw + b".\r\n")).startswith("250")
    assert await stored("用户@例子.example") == [raw]
    [envelope] = await services.delivery.envelopes()
    assert envelope.sender == "грета@пример.example"


async def test_an_unknown_utf8_recipient_is_refused_in_ascii(talk: Dialogue) -> None:
    await talk("EHLO x", "MAIL FROM:<a@example.net> SMTPUTF8")
    assert (await talk("RCPT TO:<ü@example.com>")) == r"550 5.1.1 \xfc@example.com does not exist here"


@pytest.mark.parametrize(
    "raw",
    [b"", b"\r\n", b"\x00\xff\x80\r\n", b".\r\n", b"..\r\n.\r\n...\r\n", b"x" * 5000 + b"\r\n", b"a\rb\nc\r\n"],
    ids=repr,
)
async def test_every_byte_is_kept(talk: Dialogue, stored: Stored, raw: bytes) -> None:
    assert (await talk.send(raw)).startswith("250")
    assert await stored() == [raw]


async def test_a_big_message_arrives_whole(talk: Dialogue, stored: Stored) -> None:
    raw = b"".join(b".%07d line of a message\r\n" % number for number in range(200_000))
    assert (await talk.send(raw)).startswith("250")
    assert await stored() == [raw]


async def test_a_message_that_is_too_big_is_read_to_its_end_and_not_stored(
    talk: Dialogue, services: Services, stored: Stored
) -> None:
    services.settings.value = replace(services.settings.value, max_message_size=1000)
    assert await talk.send(b"x" * 100_000 + b"\r\n") == "552 5.3.4 Message size exceeds the limit"
    assert await stored() == []
    assert (await talk.send(b"x" * 998 + b"\r\n")).startswith("250")


async def test_a_lost_connection_stores_nothing(
    talk: Dialogue, services: Services, stored: Stored, crashes: Callable[[], list[Crashed]]
) -> None:
    await talk.to_data()
    talk.write(RAW + b"\r\n.")
    await talk.close()
    await auntil(lambda: not len(services.sessions))
    assert await stored() == []
    assert not crashes()


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (OverQuota("the mailbox is full"), "552 5.2.2 the mailbox is full"),
        (NoSuchAddress("gone"), "550 5.1.1 gone"),
        (StoreFull("no room"), "452 4.3.1 Insufficient system storage"),
        (StoreBroken("no disk"), "452 4.3.0 The store is read-only, because a write failed"),
    ],
    ids=lambda value: type(value).__name__,
)
async def test_what_the_domain_raises_at_the_end_is_the_reply(
    monkeypatch: pytest.MonkeyPatch,
    talk: Dialogue,
    stored: Stored,
    refusals: Callable[[], list[RecipientRefused]],
    crashes: Callable[[], list[Crashed]],
    error: Exception,
    reply: str,
) -> None:
    async def deliver(*_: Any) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr("sirrchat_testkit.domain.delivery.MailDelivery.deliver", deliver)
        assert await talk.send(RAW, USER, SECOND) == reply
    assert await stored() == []
    assert [each.recipient for each in refusals()] == ([USER, SECOND] if reply[0] == "5" else [])
    assert not crashes()
    assert (await talk.send(RAW)).startswith("250")


async def test_all_recipients_or_none(
    monkeypatch: pytest.MonkeyPatch, talk: Dialogue, services: Services, stored: Stored
) -> None:
    await talk.to_data("ops@corp.example", USER)
    await services.accounts.update((await services.accounts.of(USER)).id, quota=5)
    assert (await talk(RAW + b".\r\n")).startswith("552 5.2.2")
    assert await stored() == []


@pytest.mark.parametrize(("method", "verb"), [("deliver", "end of data"), ("admit", "RCPT")])
async def test_an_error_in_the_server_is_a_451_and_reported_to_the_owner(
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    talk: Dialogue,
    crashes: Callable[[], list[Crashed]],
    method: str,
    verb: str,
) -> None:
    error = ZeroDivisionError("a bug")

    async def fail(*_: Any) -> None:
        raise error

    await talk("EHLO x", "MAIL FROM:<a@example.net>")
    if method == "deliver":
        await talk(f"RCPT TO:<{USER}>", "DATA")
    monkeypatch.setattr(f"sirrchat_testkit.domain.delivery.MailDelivery.{method}", fail)
    said = await talk(b"text\r\n.\r\n" if method == "deliver" else "RCPT TO:<nobody@example.com>")
    assert said.startswith("451 4.3.0")
    [crash] = crashes()
    assert crash.error is error
    assert crash.where.startswith(f"SMTP {verb} from 127.0.0.1:")
    assert (await talk("NOOP")).startswith("250")
    assert capfd.readouterr() == ("", "")


async def test_a_session_is_busy_from_mail_to_the_last_reply(talk: Dialogue, services: Services) -> None:
    def doing() -> list[str]:
        return [str(each) for each in services.sessions.busy()]

    await talk("EHLO x", "MAIL FROM:<a@example.net>")
    [words] = doing()
    assert re.fullmatch(r"127\.0\.0\.1:\d+: MAIL FROM:<a@example.net>", words)
    await talk(f"RCPT TO:<{USER}>", "DATA")
    assert doing() == [words]
    await talk(b"text\r\n.\r\n")
    assert doing() == []
    await talk("MAIL FROM:<>")
    assert len(doing()) == 1
    await talk("RSET")
    assert doing() == []
    await talk("MAIL FROM:<>", "QUIT")
    assert doing() == []


async def test_two_connections_do_not_mix(dial: Dial, stored: Stored) -> None:
    one, two = await dial(), await dial()
    await one.to_data(USER)
    await two.to_data(SECOND)
    one.write(b"for one\r\n")
    two.write(b"for two\r\n")
    assert (await one(b".\r\n")).startswith("250")
    assert (await two(b".\r\n")).startswith("250")
    assert await stored(USER) == [b"for one\r\n"]
    assert await stored(SECOND) == [b"for two\r\n"]


@pytest.mark.parametrize("step", ["admit", "deliver"])
async def test_an_error_of_the_store_is_logged_and_not_shown_to_the_client(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, talk: Dialogue, step: str
) -> None:
    async def fail(*_: Any) -> None:
        raise StoreFull("no space left to write /srv/mail/x.eml: [Errno 27]")

    await talk("EHLO client.example", "MAIL FROM:<a@example.net>")
    if step == "deliver":
        await talk(f"RCPT TO:<{USER}>", "DATA")
    monkeypatch.setattr(f"sirrchat_testkit.domain.delivery.MailDelivery.{step}", fail)
    said = await talk(RAW + b"\r\n.\r\n" if step == "deliver" else b"RCPT TO:<nobody@example.com>\r\n")
    assert said == "452 4.3.1 Insufficient system storage"
    [record] = [each for each in caplog.records if each.name == "sirrchat_testkit.smtp"]
    assert "StoreFull: no space left to write /srv/mail/x.eml" in record.getMessage()
