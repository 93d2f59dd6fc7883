"""Messages: folders, uids, flags, raw bytes, offsets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sirrchat_testkit.domain.models import FOLDERS, Message
from sirrchat_testkit.domain.store import Patch
from sirrchat_testkit.threads import LARGE

if TYPE_CHECKING:
    from tests.http.conftest import Mail, Service

pytestmark = pytest.mark.asyncio


async def uids(service: Service, user: Any, query: str = "") -> list[int]:
    return [each["uid"] for each in (await service.fetch(f"/users/{user['id']}/messages{query}"))["data"]]


async def test_they_are_newest_first_and_cut_by_limit_and_offset(service: Service) -> None:
    user = await service.add_user()
    made = [(await service.deliver(user["email"])).seq for _ in range(25)][::-1]
    assert await uids(service, user) == made[:20]
    assert await uids(service, user, "?offset=20") == made[20:]
    assert await uids(service, user, "?limit=3&offset=2") == made[2:5]
    assert await uids(service, user, "?offset=1000000000000") == []
    got = await service.fetch(f"/users/{user['id']}/messages?limit=1000&offset=7")
    assert got["meta"] == {"limit": 100, "offset": 7, "total": 25}


async def test_uids_rise_and_are_not_used_again(service: Service) -> None:
    user = await service.add_user()
    first = (await service.deliver(user["email"])).seq
    await service.api("DELETE", f"/users/{user['id']}/messages/{first}")
    assert (await service.deliver(user["email"])).seq > first


async def test_every_user_has_every_folder_and_no_other(service: Service) -> None:
    user = await service.add_user()
    message = await service.deliver(user["email"])
    for folder in FOLDERS[1:]:
        assert await uids(service, user, f"?mailbox={folder}") == []
    for folder in ("inbox", "Spam", "", "%00"):
        got = await service.api("GET", f"/users/{user['id']}/messages?mailbox={folder}")
        assert got.problem == (404, "not_found", {})
    await service.services.store.commit([Patch(Message, message.seq, folder="Trash")])
    assert await uids(service, user, "?mailbox=Trash") == [message.seq]
    assert await uids(service, user) == []


async def test_reading_sets_seen_and_listing_does_not(service: Service) -> None:
    user = await service.add_user()
    message = await service.deliver(user["email"])
    path = f"/users/{user['id']}/messages"
    for _ in range(2):
        assert (await service.fetch(path))["data"][0]["flags"] == []
    assert (await service.fetch(f"{path}/{message.seq}"))["flags"] == ["\\Seen"]
    assert (await service.fetch(path))["data"][0]["flags"] == ["\\Seen"]
    assert (await service.fetch(f"/users/{user['id']}/stats"))["messages_unseen"] == 0


@pytest.mark.parametrize("accept", ["message/rfc822", "text/html, Message/RFC822;q=0.9"])
async def test_the_bytes_are_had_as_they_were_received(service: Service, accept: str) -> None:
    user = await service.add_user()
    raw = b"Subject: \xff\r\n\r\n\x00\xfe bytes\n.\r\n"
    message = await service.deliver(user["email"], raw)
    got = await service.api("GET", f"/users/{user['id']}/messages/{message.seq}", Accept=accept)
    assert (got.status, got.raw, got.headers["Content-Type"]) == (200, raw, "message/rfc822")
    assert (await service.fetch(f"/users/{user['id']}/messages"))["data"][0]["flags"] == ["\\Seen"]


async def test_all_of_a_message_is_shown(service: Service, mail: Mail) -> None:
    user = await service.add_user()
    message = await service.deliver(user["email"], mail("Grüße", "text\n", "<p>html</p>", **{"a.pdf": b"%PDF"}))
    got = await service.fetch(f"/users/{user['id']}/messages/{message.seq}")
    assert (got["subject"], got["text"], got["html"]) == ("Grüße", "text\n", "<p>html</p>\n")
    assert got["attachments"] == [{"name": "a.pdf", "content_type": "application/pdf", "size": 4}]
    assert got["headers"]["From"] == "Sender 1 <sender1@example.org>"


async def test_a_large_message_is_shown_too(service: Service, mail: Mail) -> None:
    user = await service.add_user()
    message = await service.deliver(user["email"], mail(**{"big.pdf": b"x" * LARGE}))
    got = await service.fetch(f"/users/{user['id']}/messages/{message.seq}")
    assert got["attachments"][0]["size"] == LARGE


async def test_without_from_it_is_the_envelope_s_sender(service: Service) -> None:
    user = await service.add_user()
    await service.deliver(user["email"], b"Subject: x\r\n\r\n")
    [got] = (await service.fetch(f"/users/{user['id']}/messages"))["data"]
    assert (got["from"], got["to"]) == ("sender1@example.org", [])


async def test_mail_for_a_disposable_address_and_somebody_else_s_is_not_there(service: Service) -> None:
    ann, bob = await service.add_user(), await service.add_user()
    key = await service.key_of(ann["id"])
    box = await service.generate(key=key)
    for foreign in (await service.deliver(box["email"]), await service.deliver(bob["email"])):
        for method in ("GET", "DELETE"):
            got = await service.api(method, f"/users/{ann['id']}/messages/{foreign.seq}")
            assert got.problem == (404, "not_found", {})
    assert await service.services.store.count(Message) == 2


@pytest.mark.parametrize("uid", ["0", "-1", "1.0", "x", "1" * 40, "%D9%A1", "01", "1%00"])
async def test_what_is_no_uid_is_404(service: Service, uid: str) -> None:
    user = await service.add_user()
    await service.deliver(user["email"])
    assert (await service.api("GET", f"/users/{user['id']}/messages/{uid}")).problem == (404, "not_found", {})
