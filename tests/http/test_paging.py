from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sirrchat_testkit.errors import InvalidValue
from sirrchat_testkit.http.pagination import decode_cursor, encode_cursor

if TYPE_CHECKING:
    from tests.http.conftest import Service


def packed(held: Any) -> str:
    text = held if isinstance(held, bytes) else json.dumps(held).encode()
    return base64.urlsafe_b64encode(text).decode().rstrip("=")


BAD = {
    "no base64": "%%%",
    "standard alphabet": "ab+/",
    "one letter": "A",
    "only padding": "==",
    "too much padding": packed({"seq": 7}) + "===",
    "padding inside": "ey=J",
    "no JSON": packed(b"hello"),
    "no UTF-8": packed(b"\xff\xfe"),
    "no object": packed([7]),
    "null": packed(None),
    "another member": packed({"id": 7}),
    "a text": packed({"seq": "7"}),
    "a boolean": packed({"seq": True}),
    "a float": packed({"seq": 7.0}),
    "zero": packed({"seq": 0}),
    "negative": packed({"seq": -1}),
    "huge": packed({"seq": 2**63}),
    "longer than an integer may be": packed(b'{"seq":' + b"9" * 5000 + b"}"),
    "nested": packed(b"[" * 3000),
    "NaN": packed(b'{"seq":NaN}'),
    "not ASCII": "é",
    "Chinese": "游標",
    "NUL": "\0",
    "an id": "fd13a8df-1465-4fbc-a612-ca7311c31ff2",
}


@given(st.integers(1, 2**63 - 1))
def test_a_cursor_is_url_safe_and_comes_back_with_padding_or_without(seq: int) -> None:
    cursor = encode_cursor(seq)
    assert quote(cursor, safe="") == cursor
    assert decode_cursor(cursor) == seq
    assert decode_cursor(cursor + "=" * (-len(cursor) % 4)) == seq


@given(st.text(max_size=80) | st.text("ABCabc-_=", max_size=80))
def test_any_other_text_is_an_invalid_value(text: str) -> None:
    try:
        seq = decode_cursor(text)
    except InvalidValue:
        pass
    else:
        assert decode_cursor(encode_cursor(seq)) == seq


@pytest.mark.parametrize("cursor", BAD.values(), ids=BAD)
@pytest.mark.asyncio
async def test_a_bad_cursor_is_400_on_both_lists(service: Service, cursor: str) -> None:
    made = await service.generate()
    for path in ("/api/emails", f"/api/emails/{made['id']}"):
        got = await service.call("GET", f"{path}?cursor={quote(cursor)}")
        assert (got.status, "cursor" in got.error) == (400, True)


@pytest.mark.asyncio
async def test_an_empty_cursor_is_the_first_page(service: Service) -> None:
    made = await service.generate()
    await service.deliver(made["email"])
    for path in ("/api/emails", f"/api/emails/{made['id']}"):
        assert await service.get(path + "?cursor=") == await service.get(path)
        assert await service.get(path + "?cursor") == await service.get(path)


@pytest.mark.parametrize("count", [0, 1, 19, 20, 21, 40, 41])
@pytest.mark.asyncio
async def test_pages_hold_twenty_and_the_last_has_no_next(service: Service, count: int) -> None:
    made = await service.generate()
    ids = [(await service.deliver(made["email"])).id for _ in range(count)]
    seen, cursor, pages = [], "", 0
    while cursor is not None:
        page = await service.get(f"/api/emails/{made['id']}?cursor={cursor}")
        assert page["total"] == count
        assert list(page) == ["messages", "nextCursor", "total"]
        seen += [each["id"] for each in page["messages"]]
        cursor, pages = page["nextCursor"], pages + 1
        assert cursor is None or len(page["messages"]) == 20
    assert seen == ids[::-1]
    assert pages == max(1, -(-count // 20))


@pytest.mark.asyncio
async def test_mail_that_arrives_does_not_move_later_pages(service: Service) -> None:
    made = await service.generate()
    ids = [(await service.deliver(made["email"])).id for _ in range(30)]
    path = f"/api/emails/{made['id']}"
    first = await service.get(path)
    for _ in range(25):
        await service.deliver(made["email"])
    second = await service.get(f"{path}?cursor={first['nextCursor']}")
    assert [each["id"] for each in second["messages"]] == ids[9::-1]
    assert (second["nextCursor"], second["total"]) == (None, 55)


@pytest.mark.asyncio
async def test_a_cursor_outlives_the_message_it_was_made_from(service: Service) -> None:
    made = await service.generate()
    ids = [(await service.deliver(made["email"])).id for _ in range(25)]
    path = f"/api/emails/{made['id']}"
    first = await service.get(path)
    for message in first["messages"][-2:]:
        assert (await service.call("DELETE", f"{path}/{message['id']}")).status == 200
    second = await service.get(f"{path}?cursor={first['nextCursor']}")
    assert [each["id"] for each in second["messages"]] == ids[4::-1]


@pytest.mark.asyncio
async def test_a_cursor_outlives_the_address_it_was_made_from(service: Service) -> None:
    made = [await service.generate() for _ in range(25)]
    first = await service.get("/api/emails")
    assert (await service.call("DELETE", f"/api/emails/{first['emails'][-1]['id']}")).status == 200
    await service.generate()
    second = await service.get(f"/api/emails?cursor={first['nextCursor']}")
    assert [each["id"] for each in second["emails"]] == [each["id"] for each in made[4::-1]]
    assert (second["nextCursor"], second["total"]) == (None, 25)


@pytest.mark.asyncio
async def test_newest_first_is_the_order_of_arrival_also_when_the_clock_goes_back(service: Service) -> None:
    made = await service.generate()
    ids = []
    for step in (0, 1000, -5000, 0, 2000):
        await service.services.clock.move_to(service.services.clock.now() + step)
        ids.append((await service.deliver(made["email"])).id)
    page = await service.get(f"/api/emails/{made['id']}")
    assert [each["id"] for each in page["messages"]] == ids[::-1]


@pytest.mark.asyncio
async def test_unknown_query_parameters_are_ignored(service: Service) -> None:
    await service.generate()
    assert await service.get("/api/emails?page=7&limit=x&Cursor=%%") == await service.get("/api/emails")
