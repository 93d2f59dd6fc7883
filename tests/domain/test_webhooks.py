"""Webhooks: whose they are, from where on they hear, what becomes of what is pending."""

from typing import Any

import pytest

from sirrchat_testkit.domain.models import ApiKey, Delivery, Envelope, Webhook
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.store import Put
from sirrchat_testkit.errors import Conflict, NotFound

pytestmark = pytest.mark.asyncio
URL = "https://hooks.example/in"


async def key(services: Services, name: str, role: str = "user") -> ApiKey:
    return (await services.keys.add(await services.accounts.add(f"{name}@example.com"), role)).record


async def add(services: Services, owner: ApiKey, **details: Any) -> Webhook:
    return await services.webhooks.add(owner, URL, ["email.received", "email.sent", "email.received"], **details)


async def delivery(services: Services, webhook: Webhook, name: str, **details: Any) -> Delivery:
    values: dict[str, Any] = {
        "account": webhook.account,
        "webhook": webhook.id,
        "event": "email.received",
        "message": "m",
    }
    made = Delivery(id=name, created_at=1, request_body="{}", **values, **details)
    await services.store.commit([Put(made)])
    found = await services.store.get(Delivery, id=name)
    assert found is not None
    return found


async def test_a_user_s_webhook_hears_of_its_own_an_admin_s_of_everyone(services: Services) -> None:
    ann, boss = await key(services, "ann"), await key(services, "boss", "admin")
    mine, all_of_it = await add(services, ann), await add(services, boss)
    assert (mine.everyone, all_of_it.everyone) == (False, True)
    assert mine.events == ("email.received", "email.sent")
    assert await services.webhooks.page(ann, 0, 9) == ([mine], 1)
    assert await services.webhooks.page(boss, 0, 9) == ([mine, all_of_it], 2)
    assert await services.webhooks.get(boss, mine.id) == mine


async def test_foreign_ones_and_those_for_everyone_look_absent_to_a_user(services: Services) -> None:
    ann, bob = await key(services, "ann"), await key(services, "bob")
    account = await services.accounts.get(ann.account)
    for_everyone = await add(services, (await services.keys.add(account, "admin")).record)
    for hidden in (for_everyone, await add(services, bob)):
        with pytest.raises(NotFound):
            await services.webhooks.get(ann, hidden.id)
    assert await services.webhooks.page(ann, 0, 9) == ([], 0)


async def test_the_other_api_s_webhook_is_one_and_not_listed(services: Services) -> None:
    ann = await key(services, "ann")
    assert await services.webhooks.push_of(ann.account) is None
    await services.webhooks.set_push(ann.account, URL, enabled=True)
    await services.webhooks.set_push(ann.account, URL + "2", enabled=False)
    push = await services.webhooks.push_of(ann.account)
    assert push is not None
    assert (push.url, push.enabled, push.events, push.dialect) == (URL + "2", False, ("new_message",), "tempmail")
    assert await services.webhooks.page(ann, 0, 9) == ([], 0)
    with pytest.raises(NotFound):
        await services.webhooks.get(ann, push.id)


async def test_what_came_before_it_was_made_or_enabled_is_not_handed_over(services: Services) -> None:
    ann = await key(services, "ann")

    async def receive() -> int:
        envelope = Envelope(id="", sender="", recipients=("ann@example.com",))
        return (await services.delivery.deliver(envelope, b"x"))[0].seq

    first = await receive()
    made = await add(services, ann)
    assert made.handed_over == first
    await receive()
    off = await services.webhooks.update(made, enabled=False)
    assert off.handed_over == first
    third = await receive()
    on = await services.webhooks.update(off, enabled=True)
    assert on.handed_over == third
    assert await services.webhooks.get(ann, made.id) == on


@pytest.mark.parametrize("how", ["disable", "delete"])
async def test_disabling_and_deleting_cancel_what_is_pending(services: Services, how: str) -> None:
    webhook = await add(services, await key(services, "ann"))
    await delivery(services, webhook, "waits", due_at=5)
    await delivery(services, webhook, "done", status="delivered")
    if how == "disable":
        await services.webhooks.update(webhook, enabled=False)
    else:
        await services.webhooks.delete(webhook)
    found = {each.id: (each.status, each.due_at) for each in await services.store.find(Delivery)}
    assert found == {"waits": ("cancelled", 0), "done": ("delivered", 0)}


async def test_redelivering_keeps_id_body_and_attempts(services: Services) -> None:
    services.clock.freeze(77)
    webhook = await add(services, await key(services, "ann"))
    attempt = {"at": 1, "http_status": 500, "error": None, "duration_ms": 3}
    failed = await delivery(services, webhook, "d", status="failed", attempts=(attempt,))
    again = await services.webhooks.redeliver(webhook, "d")
    assert (again.status, again.due_at, again.attempts, again.request_body) == ("pending", 77, (attempt,), "{}")
    assert await services.store.get(Delivery, id="d") == again
    assert again.seq == failed.seq


async def test_redelivering_needs_the_webhook_s_own_delivery_and_an_enabled_webhook(services: Services) -> None:
    ann = await key(services, "ann")
    one, two = await add(services, ann), await add(services, ann)
    await delivery(services, one, "d", status="failed")
    for name in ("d", "nothing"):
        with pytest.raises(NotFound):
            await services.webhooks.redeliver(two, name)
    off = await services.webhooks.update(one, enabled=False)
    with pytest.raises(Conflict):
        await services.webhooks.redeliver(off, "d")


async def test_deliveries_are_newest_first(services: Services) -> None:
    webhook = await add(services, await key(services, "ann"))
    made = [await delivery(services, webhook, str(number)) for number in range(3)]
    assert await services.webhooks.deliveries(webhook, 0, 2) == ([made[2], made[1]], 3)
    assert await services.webhooks.deliveries(webhook, 2, 2) == ([made[0]], 3)
