"""Delivery: one copy for each recipient or none at all, and then the events."""

import asyncio
import hashlib
from dataclasses import fields, replace

import pytest

from sirrchat_testkit.domain.events import MessageReceived, RecipientRefused
from sirrchat_testkit.domain.models import Address, Envelope, Message
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.store import Patch
from sirrchat_testkit.errors import NoSuchAddress, NotFound, OverQuota
from sirrchat_testkit.storage import TinyStore
from tests.support import RAW, deliver

RECEIPT = ("received_at", "blob", "size")

pytestmark = pytest.mark.asyncio


async def address(services: Services, text: str = "box@example.com") -> Address:
    owner = await services.directory.find_address("ann@example.com")
    account = owner.account if owner else (await services.accounts.add("ann@example.com")).id
    return await services.directory.add_address(account, text)


async def stored(services: Services) -> tuple[int, int]:
    return await services.store.count(Message), await services.store.count(Envelope)


async def test_a_message_is_stored_once_for_each_recipient(services: Services) -> None:
    one, two = await address(services), await address(services, "two@example.com")
    messages = await deliver(services, "BOX@example.com", "two@example.com", "box@example.com")
    assert [each.address for each in messages] == [one.id, two.id]
    assert [each.recipient for each in messages] == ["box@example.com", "two@example.com"]
    assert await stored(services) == (2, 1)


async def test_the_header_is_read_and_the_bytes_are_unchanged(services: Services) -> None:
    await address(services)
    [message] = await deliver(services, "box@example.com")
    assert (message.subject, message.sender, message.to) == ("Hello", "shop@shop.example", ("ann@example.com",))
    assert (message.mail_from, message.size) == ("a@shop.example", len(RAW))
    assert message.blob == hashlib.sha256(RAW).hexdigest()
    assert await services.delivery.raw(message) == RAW


async def test_the_envelope_has_recipients_that_no_header_names(services: Services) -> None:
    await address(services)
    await address(services, "bcc@example.com")
    message, _ = await deliver(services, "box@example.com", "bcc@example.com")
    assert (await services.delivery.envelope(message)).recipients == ("box@example.com", "bcc@example.com")


async def test_one_unknown_recipient_prevents_the_whole_delivery(services: Services) -> None:
    await address(services)
    with pytest.raises(NoSuchAddress):
        await deliver(services, "box@example.com", "unknown@example.com")
    assert await stored(services) == (0, 0)


async def test_mail_beyond_a_quota_is_refused_for_all_recipients(services: Services) -> None:
    box = await address(services)
    await address(services, "two@example.com")
    account = await services.accounts.get(box.account)
    await services.store.commit([Patch(type(account), account.seq, quota=2 * len(RAW) - 1)])
    await deliver(services, "box@example.com")
    with pytest.raises(OverQuota, match=r"ann@example\.com"):
        await deliver(services, "two@example.com")
    assert (await services.store.usage(box.account)).size == len(RAW)


async def test_two_copies_count_twice_against_the_quota(services: Services) -> None:
    box = await address(services)
    await address(services, "two@example.com")
    account = await services.accounts.get(box.account)
    await services.store.commit([Patch(type(account), account.seq, quota=2 * len(RAW) - 1)])
    with pytest.raises(OverQuota):
        await deliver(services, "box@example.com", "two@example.com")
    assert await stored(services) == (0, 0)


async def test_foreign_mail_is_stored_without_an_account(services: Services) -> None:
    [message] = await deliver(services, "Ops@Corp.example")
    assert (message.account, message.address, message.recipient) == ("", "", "Ops@Corp.example")
    assert await services.delivery.messages("ops@corp.example") == [message]


async def test_each_copy_appends_an_event_after_the_commit(services: Services) -> None:
    await address(services)
    messages = await deliver(services, "box@example.com", "ops@corp.example")
    told = [event.message for event in services.events.after() if isinstance(event, MessageReceived)]
    assert told == messages
    assert await services.store.find(Message) == messages


async def test_a_stored_envelope_has_all_details_of_the_transaction(services: Services) -> None:
    said = Envelope(
        id="", sender="a@shop.example", recipients=("ops@corp.example",), refused={"x@example.com": "550 no"},
        parameters={"": ["BODY=8BITMIME"]}, login="ann@example.com", tls="TLSv1.3", ehlo="mx", peer="[::1]:2",
    )  # fmt: skip
    assert all(getattr(said, each.name) for each in fields(said) if each.name not in {"seq", *RECEIPT, "id"})
    [message] = await services.delivery.deliver(said, RAW)
    stored = await services.delivery.envelope(message)
    assert stored == replace(said, **{name: getattr(stored, name) for name in ("seq", "id", *RECEIPT)})
    assert all(getattr(stored, name) for name in RECEIPT)


async def test_counters_count_and_deletion_does_not_lower_them(services: Services) -> None:
    box = await address(services)
    messages = await deliver(services, "box@example.com", "ops@corp.example")
    await services.delivery.delete(messages)
    server, account = await services.counters.read(), await services.counters.read(box.account)
    assert (server.received, server.sent, account.received) == (1, 1, 1)


async def test_the_last_copy_is_deleted_with_envelope_and_bytes(services: Services) -> None:
    await address(services)
    await address(services, "two@example.com")
    first, second = await deliver(services, "box@example.com", "two@example.com")
    await services.delivery.delete([first])
    assert await services.delivery.raw(second) == RAW
    assert await stored(services) == (1, 1)
    await services.delivery.delete([second])
    assert await stored(services) == (0, 0)
    with pytest.raises(NotFound):
        await services.delivery.raw(second)


async def test_an_address_is_deleted_with_its_messages(services: Services) -> None:
    box = await address(services)
    await address(services, "two@example.com")
    await deliver(services, "box@example.com", "two@example.com")
    await services.delivery.delete_address(box)
    assert [each.recipient for each in await services.store.find(Message)] == ["two@example.com"]
    assert await services.directory.find_address("box@example.com") is None


async def test_a_page_is_newest_first_and_has_the_total(services: Services) -> None:
    services.clock.freeze(0)
    box = await address(services)
    made = [(await deliver(services, "box@example.com"))[0] for _ in range(5)]
    page = await services.delivery.page(box, before=None, limit=2)
    assert (page.messages, page.total) == ([made[4], made[3]], 5)
    assert (await services.delivery.page(box, before=made[3].seq, limit=2)).messages == [made[2], made[1]]


async def test_a_refusal_is_recorded_with_its_reason(services: Services) -> None:
    with pytest.raises(NoSuchAddress):
        await services.delivery.admit("unknown@example.com", "a@b.example")
    [event] = [event for event in services.events.after() if isinstance(event, RecipientRefused)]
    assert (event.recipient, event.sender, event.code) == ("unknown@example.com", "a@b.example", "no_such_address")
    assert event.reason == "unknown@example.com does not exist here"


async def test_a_message_is_found_only_by_its_own_address(services: Services) -> None:
    box, two = await address(services), await address(services, "two@example.com")
    [message] = await deliver(services, "box@example.com")
    assert await services.delivery.message(box, message.id) == message
    with pytest.raises(NotFound):
        await services.delivery.message(two, message.id)


async def test_a_scope_leaves_nothing_behind_and_keeps_earlier_messages(services: Services) -> None:
    await address(services)
    [before] = await deliver(services, "box@example.com")
    services.clock.freeze(5_000)
    scope = await services.scopes.open("a test")
    services.settings.value = services.settings.value.replace(max_addresses=7)
    await address(services, "late@example.com")
    await deliver(services, "late@example.com", "box@example.com")
    await services.delivery.delete([before])
    await services.clock.advance(1000)

    await services.scopes.close(scope)

    assert await services.store.find(Message) == [before]
    assert await services.delivery.raw(before) == RAW
    assert (services.clock.now(), services.settings.value.max_addresses) == (5_000, 0)
    assert await services.directory.find_address("late@example.com") is None


async def test_late_mail_is_recorded_for_its_own_scope(services: Services) -> None:
    scope = await services.scopes.open("tests/test_a.py::test_one")
    await address(services, "late@example.com")
    await services.scopes.close(scope)
    with pytest.raises(NoSuchAddress):
        await services.delivery.admit("Late@example.com", "a@b.example")
    [event] = [event for event in services.events.after() if isinstance(event, RecipientRefused)]
    assert event.scope == "tests/test_a.py::test_one"


async def test_a_scope_makes_ids_from_its_name_and_its_count(services: Services) -> None:
    async def ids_of(made: Services) -> list[str]:
        ids = []
        for _ in range(2):
            scope = await made.scopes.open("again")
            ids.append((await made.domains.add("own.example")).id)
            await made.scopes.close(scope)
        return ids

    store = TinyStore()
    other = Services.build(services.settings.value, store, asyncio.get_running_loop())
    await other.set_up()
    await address(other, "earlier@example.com")
    ids = await ids_of(services)
    assert ids == await ids_of(other)
    assert ids[0] != ids[1]
    await other.close()
    await store.close()


async def test_a_record_keeps_its_values_through_the_store(services: Services) -> None:
    await address(services)
    envelope = Envelope(
        id="",
        sender="a@b.example",
        recipients=("box@example.com",),
        refused={"x@example.com": "550 5.1.1 no"},
        parameters={"": ["SIZE=3"]},
        login="ann",
        tls="TLSv1.3",
        ehlo="client",
        peer="127.0.0.1:5",
    )
    [message] = await services.delivery.deliver(envelope, RAW)
    kept = await services.delivery.envelope(message)
    assert kept == replace(
        envelope, seq=kept.seq, id=kept.id, blob=kept.blob, size=len(RAW), received_at=kept.received_at
    )
