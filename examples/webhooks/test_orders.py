"""The shop's handler is idempotent, orders by time and believes no forger: proven with the sender's faults."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from orders import DESK, Desk, create_app

from sirrchat_testkit import Inbox, MailServer

SECRET = "whsec_b3JkZXJzLWFuZC10aWNrZXRz"

pytestmark = pytest.mark.asyncio

Client = TestClient[web.Request, web.Application]


@pytest_asyncio.fixture
async def shop() -> AsyncIterator[Client]:
    """The application, running in the test's own loop."""
    async with TestClient(TestServer(create_app(SECRET))) as client:
        yield client


@pytest.fixture
def desk(shop: Client, mailserver: MailServer) -> Desk:
    """The application's tickets; the mail server tells it of mail, on a clock that stands still."""
    mailserver.clock.freeze()
    mailserver.add_webhook(str(shop.make_url("/mail")), ["email.received"], SECRET)
    assert shop.app is not None
    return shop.app[DESK]


async def test_a_mail_opens_a_ticket(mailserver: MailServer, inbox: Inbox, desk: Desk) -> None:
    inbox.deliver(subject="Where is my order?", sender="ann@example.org")
    await mailserver.asettle()
    [ticket] = desk.tickets
    assert (ticket.customer, ticket.subject) == ("ann@example.org", "Where is my order?")


async def test_a_call_that_comes_twice_opens_one_ticket(mailserver: MailServer, inbox: Inbox, desk: Desk) -> None:
    mailserver.webhook_faults.duplicate(times=3)
    for number in range(3):
        inbox.deliver(subject=f"question {number}")
    await mailserver.asettle()
    assert [len(each.attempts) for each in mailserver.deliveries] == [2, 2, 2]
    assert len(desk.tickets) == 3


async def test_calls_out_of_order_make_tickets_in_order(mailserver: MailServer, inbox: Inbox, desk: Desk) -> None:
    mailserver.webhook_faults.reorder(subject="first")
    for subject in ("first", "second", "third"):
        inbox.deliver(subject=subject)
        await mailserver.clock.aadvance(seconds=1)
    assert [each.subject for each in desk.tickets] == ["first", "second", "third"]


async def test_a_forged_call_is_refused_and_its_retry_taken(mailserver: MailServer, inbox: Inbox, desk: Desk) -> None:
    mailserver.webhook_faults.corrupt_signature()
    mailserver.webhook_faults.stale_timestamp()
    inbox.deliver(subject="x")
    await mailserver.clock.aadvance(seconds=31)
    [delivery] = mailserver.deliveries
    assert [each.status for each in delivery.attempts] == [401, 401, 200]
    assert len(desk.tickets) == 1


async def test_broken_and_huge_bodies_are_refused(mailserver: MailServer, inbox: Inbox, desk: Desk) -> None:
    mailserver.webhook_faults.malformed_json()
    mailserver.webhook_faults.huge_body()
    inbox.deliver(subject="x")
    await mailserver.clock.aadvance(seconds=31)
    assert [each.status for each in mailserver.deliveries[0].attempts] == [400, 413, 200]
    assert len(desk.tickets) == 1


async def test_without_a_url(mailserver: MailServer, shop: Client) -> None:
    """A call as an object goes through the framework's own client."""
    call = mailserver.webhook_call("email.received", secret=SECRET)
    for new in (True, False):
        answer = await shop.post("/mail", data=call.body, headers=call.headers)
        assert await answer.json() == {"received": True, "new": new}
    forged = mailserver.webhook_call("email.received", secret=SECRET, tamper="signature")
    assert (await shop.post("/mail", data=forged.body, headers=forged.headers)).status == 401
