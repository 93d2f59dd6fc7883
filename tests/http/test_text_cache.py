from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING, Any

import pytest

from sirrchat_testkit.domain.models import Message
from sirrchat_testkit.errors import NotFound
from sirrchat_testkit.http import cache as texts
from sirrchat_testkit.http import style
from sirrchat_testkit.http.cache import Text, Texts
from sirrchat_testkit.threads import LARGE

if TYPE_CHECKING:
    from tests.http.conftest import Mail, Service


class Shelf:
    """Raw messages by blob, counting how often each was asked for."""

    def __init__(self, **blobs: bytes) -> None:
        self.blobs = blobs
        self.asked: list[str] = []

    async def raw(self, message: Message) -> bytes:
        self.asked.append(message.blob)
        if message.blob not in self.blobs:
            raise NotFound("gone")
        return self.blobs[message.blob]


def copy(blob: str) -> Message:
    common: dict[str, Any] = {"account": "", "address": "", "recipient": "", "recipient_key": "", "envelope": ""}
    return Message(id="", blob=blob, size=0, received_at=0, **common)


@pytest.mark.asyncio
async def test_copies_of_one_mail_are_read_once(mail: Mail) -> None:
    shelf = Shelf(a=mail(text="one\n"), b=mail(text="two\n"))
    known = Texts(shelf.raw)
    read = [(await known.of(copy(blob))).content for blob in "aababb"]
    assert read == ["one\n", "one\n", "two\n", "one\n", "two\n", "two\n"]
    assert shelf.asked == ["a", "b"]


@pytest.mark.asyncio
async def test_what_is_kept_is_bounded_and_the_least_recently_used_goes(mail: Mail) -> None:
    shelf = Shelf(**{blob: mail(text="x" * 1000) for blob in "abc"}, large=mail(text="x" * 9000))
    known = Texts(shelf.raw, kept=2500)
    for blob in ("a", "b", "a", "c", "a", "b", "large", "b", "large"):
        await known.of(copy(blob))
    assert shelf.asked == ["a", "b", "c", "b", "large", "large"]


@pytest.mark.asyncio
async def test_a_large_message_is_parsed_in_a_thread(mail: Mail, monkeypatch: pytest.MonkeyPatch) -> None:
    threads = []

    def read(raw: bytes) -> Text:
        threads.append(threading.current_thread())
        return Text("", "", [])

    monkeypatch.setattr(texts, "read", read)
    known = Texts(Shelf(small=b"x" * (LARGE - 1), large=b"x" * LARGE).raw)
    await known.of(copy("small"))
    await asyncio.gather(*(known.of(copy("large")) for _ in range(3)))
    assert threads[0] is threading.main_thread()
    assert threading.main_thread() not in threads[1:]


@pytest.mark.asyncio
async def test_a_page_of_messages_of_some_kilobytes_is_parsed_in_threads(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(raw: bytes) -> Text:
        threads.append(threading.current_thread())
        return Text("", "", [])

    threads: list[threading.Thread] = []
    monkeypatch.setattr(texts, "read", read)
    made = await service.generate()
    for number in range(3):
        await service.deliver(made["email"], b"Subject: %d\r\n\r\n" % number + b"x" * 8192)
    assert len((await service.get(f"/api/emails/{made['id']}"))["messages"]) == len(threads) == 3
    assert threading.main_thread() not in threads


@pytest.mark.asyncio
async def test_a_message_whose_bytes_are_gone_is_left_out_of_a_list(mail: Mail) -> None:
    known = Texts(Shelf(a=mail(), c=mail()).raw)
    found = await known.of_all([copy("a"), copy("b"), copy("c")])
    assert [message.blob for message, _ in found] == ["a", "c"]
    with pytest.raises(NotFound):
        await known.of(copy("b"))


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"\xff\xfe\x00",
        b"Subject: \xff\xfe\r\n\r\n\xff",
        b"Content-Type: text/plain; charset=utf-7\r\n\r\n+2AA-",
        b"Content-Type: text/plain; charset=utf-16\r\n\r\n\x00\xd8",
        b'Content-Type: text/html; charset="no such"\r\n\r\n\xed\xa0\x80',
        b"Content-Type: text/plain; charset=unicode_escape\r\n\r\n\\ud800",
        b"Content-Type: text/plain; charset=raw_unicode_escape\r\n\r\n\\ud800",
        b"Content-Disposition: attachment; filename*=utf-8''%ED%A0%80\r\n\r\n",
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n--a\r\n\r\n",
        b"Subject: =?utf-8?b?7aCA?=\r\n\r\n",
    ],
)
@pytest.mark.asyncio
async def test_whatever_was_received_can_be_listed_and_shown(service: Service, raw: bytes) -> None:
    made = await service.generate()
    message = await service.deliver(made["email"], raw)
    [listed] = (await service.get(f"/api/emails/{made['id']}"))["messages"]
    shown = (await service.get(f"/api/emails/{made['id']}/{message.id}"))["message"]
    assert {name: shown[name] for name in listed} == listed
    for text in (listed["content"], listed["html"], listed["subject"]):
        text.encode()


@pytest.mark.asyncio
async def test_a_message_with_html_alone_has_empty_content(service: Service) -> None:
    made = await service.generate()
    await service.deliver(made["email"], b"Content-Type: text/html\r\n\r\n<p>hi</p>\r\n")
    [listed] = (await service.get(f"/api/emails/{made['id']}"))["messages"]
    assert (listed["content"], listed["html"], listed["subject"]) == ("", "<p>hi</p>\n", "")


@pytest.mark.asyncio
async def test_other_requests_are_served_while_a_large_message_is_read(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on, real = threading.Event(), threading.Event(), texts.read

    def slowly(raw: bytes) -> Text:
        begun.set()
        assert go_on.wait(30)
        return real(raw)

    monkeypatch.setattr(texts, "read", slowly)
    made = await service.generate()
    await service.deliver(made["email"], b"Subject: large\r\n\r\n" + b"x" * LARGE)
    listing = asyncio.create_task(service.get(f"/api/emails/{made['id']}"))
    await asyncio.to_thread(begun.wait, 30)
    assert (await service.get("/api/emails"))["total"] == 1
    assert not listing.done()
    go_on.set()
    assert len((await listing)["messages"][0]["content"]) >= LARGE


@pytest.mark.parametrize("text", ["short", "ä€𝄞\n" * 50_000, '"\\\x00' * 50_000])
@pytest.mark.asyncio
async def test_a_large_answer_is_encoded_in_a_thread_as_a_small_one_is_on_the_loop(
    text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    threads = []

    def encode(data: Any) -> bytes:
        threads.append(threading.current_thread())
        return encoded(data)

    encoded = style.encode
    monkeypatch.setattr(style, "encode", encode)
    data = {"messages": [{"content": text, "files": (), "html": text}, {}], "nextCursor": None, "total": 2}
    made = await style.answer_large(data, 2 * len(text))
    assert made.body == encoded(data)
    assert (threading.main_thread() in threads) == (text == "short")
