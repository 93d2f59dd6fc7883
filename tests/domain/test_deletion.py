"""Each way to delete messages appends one event after its commit, and so does a changed flag."""

from collections.abc import Awaitable, Callable

import pytest

from sirrchat_testkit.domain.events import MessageReceived, MessagesChanged, MessagesRemoved
from sirrchat_testkit.domain.models import SEEN, Account, Address, Message
from sirrchat_testkit.domain.services import Backend
from tests.support import deliver

pytestmark = pytest.mark.asyncio


async def make(backend: Backend) -> tuple[Account, Address, list[Message]]:
    """Make an account with a disposable address, and three messages for that."""
    account = await backend.accounts.add("ann@example.com")
    address = await backend.directory.add_address(account.id, "box@example.com", expires_in=1000)
    return account, address, [(await deliver(backend, "box@example.com"))[0] for _ in range(3)]


def removed(backend: Backend) -> list[MessagesRemoved]:
    return [each for each in backend.events.held() if isinstance(each, MessagesRemoved)]


async def delete_messages(backend: Backend, _: Account, __: Address, messages: list[Message]) -> None:
    await backend.postoffice.delete(messages)


async def delete_address(backend: Backend, _: Account, address: Address, __: list[Message]) -> None:
    await backend.postoffice.delete_address(address)


async def delete_account(backend: Backend, account: Account, _: Address, __: list[Message]) -> None:
    await backend.accounts.delete(account)


async def purge(backend: Backend, _: Account, __: Address, ___: list[Message]) -> None:
    backend.clock.freeze()
    await backend.clock.advance(3_600_000)


@pytest.mark.parametrize("delete", [delete_messages, delete_address, delete_account, purge])
async def test_a_deletion_appends_one_event(
    backend: Backend, delete: Callable[[Backend, Account, Address, list[Message]], Awaitable[None]]
) -> None:
    backend.clock.freeze()
    account, address, messages = await make(backend)
    await delete(backend, account, address, messages)
    [event] = removed(backend)
    assert set(event.ids) == {each.id for each in messages}
    assert event.recipients == {"box@example.com"}
    assert await backend.postoffice.messages("box@example.com") == []


async def test_a_delivery_that_makes_room_appends_the_removal_after_the_arrival(backend: Backend) -> None:
    await backend.accounts.add("ann@example.com")
    [oldest] = await deliver(backend, "ann@example.com")
    backend.settings.value = backend.settings.value.replace(max_messages=1)
    await deliver(backend, "ann@example.com")
    [event] = removed(backend)
    assert event.ids == (oldest.id,)
    assert [type(each) for each in backend.events.held()][-2:] == [MessageReceived, MessagesRemoved]


async def test_deleting_no_message_appends_no_event(backend: Backend) -> None:
    account = await backend.accounts.add("ann@example.com")
    await backend.directory.add_address(account.id, "box@example.com")
    await backend.postoffice.delete([])
    await backend.accounts.delete(account)
    assert removed(backend) == []


async def test_reading_a_message_appends_a_change_of_flags(backend: Backend) -> None:
    await backend.accounts.add("ann@example.com")
    [message] = await deliver(backend, "ann@example.com")
    await backend.folders.see(message)
    await backend.folders.see(await backend.folders.message(await backend.accounts.of("ann@example.com"), message.seq))
    [event] = [each for each in backend.events.held() if isinstance(each, MessagesChanged)]
    assert [(each.id, each.flags, each.seen) for each in event.messages] == [(message.id, (SEEN,), True)]
