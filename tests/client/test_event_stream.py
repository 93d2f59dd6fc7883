"""The stream of events: how it is parsed, how it goes on after a failure, and how it ends."""

from __future__ import annotations

import gc
import json
import signal
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from sirrchat_testkit import (
    ApiError,
    AsyncControlClient,
    ControlClient,
    InvalidValue,
    MailServer,
    UnexpectedResponse,
    Unreachable,
)
from sirrchat_testkit.client.events import QUIET, EventSource
from sirrchat_testkit.schemas.control_events import Event, SessionOpened
from tests.support import RAW, until

if TYPE_CHECKING:
    from tests.client.conftest import Fixed, Way
    from tests.support import StartServe

STREAM = "text/event-stream"


def encoded(number: int, peer: str = "127.0.0.1:5") -> bytes:
    """Return the event that connection ``number`` was opened, with the same id."""
    data = {"id": number, "at": "2030-01-31T12:00:00.000Z", "session": number, "peer": peer}
    return b"id: %d\nevent: session.opened\ndata: %s\n\n" % (number, json.dumps(data, ensure_ascii=False).encode())


def read(*parts: bytes) -> list[Event]:
    source = EventSource(None)
    for part in parts:
        source.take(part)
    return [*source.ready]


@pytest.mark.parametrize("end", [b"\n", b"\r\n", b"\r"])
def test_a_stream_may_arrive_in_any_parts(end: bytes) -> None:
    stream = (b": events\nid: 4\n\n" + encoded(5, "é\u2028\x85") + b": quiet\n\n" + encoded(6)).replace(
        b"\n", end
    ) + b":"
    whole = read(stream)
    assert [each.id for each in whole] == [5, 6]
    assert isinstance(whole[0], SessionOpened)
    assert whole[0].peer == "é\u2028\x85"
    for place in range(len(stream)):
        assert read(stream[:place], stream[place:]) == whole
    assert read(*[stream[place : place + 1] for place in range(len(stream))]) == whole


def test_fields_are_read_as_the_standard_says() -> None:
    event = encoded(5).replace(b": ", b":", 2).replace(b', "peer"', b'\ndata: , "peer"')
    stream = b"retry: 10\nunknown\nid: 4\n\n" + event + encoded(6).replace(b"session.opened", b"of.a.newer.server")
    assert [each.id for each in read(stream)] == [5]
    assert read(encoded(5)[:-1]) == []


@pytest.mark.parametrize(("parts", "after"), [([b"id: 4\n\n"], 4), ([encoded(5)], 5), ([encoded(5), b"id: 6\n"], 5)])
def test_the_next_connection_begins_after_the_last_id(parts: list[bytes], after: int) -> None:
    source = EventSource(None)
    assert source.next.query == {"after": None}
    for part in parts:
        source.take(part)
    source.take(encoded(9)[:-5])
    source.begin()
    source.take(b"\n")
    assert source.next.query == {"after": after}
    source.ready.clear()
    source.take(encoded(10))
    assert [each.id for each in source.ready] == [10]


def test_a_connection_lasts_if_more_comes_than_the_server_writes_at_once() -> None:
    source = EventSource(None)
    for begin in (b": events\nid: 4\n\n", b": events\n"):
        source.begin()
        assert not source.take(begin)
    assert source.take(b": quiet\n\n")
    source.begin()
    assert source.take(b": events\nid: 4\n\n" + encoded(5))


def stream(fixed: Fixed, *events: bytes) -> None:
    """Let ``fixed`` answer with a stream that ends after ``events``."""
    fixed.answer(200, b": events\nid: 4\n\n" + b"".join(events), Content_Type=STREAM)


def test_a_stream_goes_on_after_the_last_event(way: Way, fixed: Fixed) -> None:
    stream(fixed)
    stream(fixed, encoded(5), encoded(6))
    fixed.answers.append(None)
    stream(fixed, encoded(7))

    async def scenario(client: AsyncControlClient) -> None:
        async with client.events() as events:
            assert [each.path for each in fixed.requests] == ["/testkit/v1/events"]
            assert [(await anext(events)).id for _ in range(3)] == [5, 6, 7]

    assert way.run(AsyncControlClient, scenario, "x", fixed.url) == [0.1, 0.1, 0.4]
    assert [each.path.partition("?")[2] for each in fixed.requests] == ["", "after=4", "after=6", "after=6"]
    assert {each.headers["Accept"] for each in fixed.requests} == {STREAM}


def test_a_block_begins_when_the_stream_has_an_id(way: Way, fixed: Fixed) -> None:
    """Otherwise, a connection that breaks before the first event would lose what happens until the next one."""
    fixed.answer(200, b": events\n", Content_Type=STREAM)
    stream(fixed)
    stream(fixed, encoded(5))

    async def scenario(client: AsyncControlClient) -> None:
        async with client.events() as events:
            assert len(fixed.requests) == 2
            assert (await anext(events)).id == 5

    way.run(AsyncControlClient, scenario, "x", fixed.url)
    assert [each.path.partition("?")[2] for each in fixed.requests] == ["", "", "after=4"]


@pytest.mark.parametrize(
    ("answers", "options", "pauses"),
    [
        ([], {}, [0.1, 0.4]),
        ([[]], {"timeout": 3.6}, [0.1, 0.4, 1, 1, 1]),
        ([[encoded(5)]], {"timeout": 3.4}, [0.1, 0.4, 1, 1]),
        ([[], []], {"timeout": 1.6}, [0.1, 0.4, 1]),
        ([[encoded(5)], []], {"timeout": 1.6}, [0.1, 0.4, 1]),
        ([[encoded(5)], [encoded(6)]], {"timeout": 1.6}, [0.1, 0.1, 0.4, 1]),
        ([[encoded(5)]], {"retries": 0}, []),
    ],
)
def test_the_attempts_to_connect_again_are_bounded(
    answers: list[list[bytes]], options: dict[str, Any], pauses: list[float], way: Way, fixed: Fixed
) -> None:
    for each in answers:
        stream(fixed, *each)
    fixed.answers.append(None)

    async def scenario(client: AsyncControlClient) -> None:
        with pytest.raises(Unreachable, match=r"^no answer from "):
            [each async for each in client.events()]

    assert way.run(AsyncControlClient, scenario, "x", fixed.url, **options) == pauses


def test_a_server_that_always_ends_the_stream_is_given_up(way: Way, fixed: Fixed) -> None:
    stream(fixed)

    async def scenario(client: AsyncControlClient) -> None:
        with pytest.raises(Unreachable, match=r"^no answer from http://127\.0\.0\.1:\d+: the server ended the stream$"):
            await anext(client.events())

    assert way.run(AsyncControlClient, scenario, "x", fixed.url, timeout=2) == [0.1, 0.4, 1]


def test_a_quiet_stream_is_no_timeout() -> None:
    with ControlClient("x", "http://127.0.0.1", timeout=3) as client:
        timeout = client._request(EventSource(None).next)["timeout"]
        assert (timeout.read, timeout.connect) == (3 + QUIET, 3)


def test_a_stream_from_which_nothing_comes_is_opened_again() -> None:
    with ControlClient("x", "http://127.0.0.1", timeout=3) as client:
        call = EventSource(None).next
        assert client._attempts(call, patient=True).after_error(httpx.ReadTimeout("")) == 0.1
        with pytest.raises(Unreachable, match="within 18 seconds"):
            client._attempts(call).after_error(httpx.ReadTimeout(""))


@pytest.mark.parametrize(
    ("status", "body", "kind", "text"),
    [
        (200, b"<html>", "text/html", "was answered with 200 and text/html, not as this API does"),
        (404, b"<html>", "text/html", "was answered with 404 and text/html, not as this API does"),
        (200, b"id: x\n\n", STREAM, "JSON that this client does not know"),
        (200, encoded(5).replace(b"{", b""), STREAM, "JSON that this client does not know"),
        (200, encoded(5).replace(b'session"', b'x"').replace(b'"id"', b'"y"'), STREAM, "id is required"),
    ],
)
def test_an_answer_of_another_kind_is_named(
    status: int, body: bytes, kind: str, text: str, way: Way, fixed: Fixed
) -> None:
    fixed.answer(status, body, Content_Type=kind)

    async def scenario(client: AsyncControlClient) -> None:
        with pytest.raises(ApiError, match=text):
            await anext(client.events())

    way.run(AsyncControlClient, scenario, "x", fixed.url, timeout=1)


def test_an_event_that_cannot_be_read_hides_no_other(way: Way, fixed: Fixed) -> None:
    stream(fixed, encoded(5), encoded(6).replace(b"}", b""), encoded(7))
    stream(fixed, encoded(7))

    async def scenario(client: AsyncControlClient) -> None:
        events = client.events()
        with pytest.raises(UnexpectedResponse):
            await anext(events)
        assert [(await anext(events)).id for _ in range(2)] == [5, 7]
        await events.aclose()

    way.run(AsyncControlClient, scenario, "x", fixed.url)
    assert fixed.requests[1].path.endswith("?after=6")


def test_an_id_that_is_none_is_refused(way: Way, mailserver: MailServer) -> None:
    async def scenario(client: AsyncControlClient) -> None:
        with pytest.raises(InvalidValue, match="after must be the id of an event"):
            await anext(client.events(after=-1))

    way.run(AsyncControlClient, scenario, mailserver.api_key, mailserver.api_url)


def test_a_killed_server_that_starts_again_is_a_gap(way: Way, serve: StartServe) -> None:
    key = "mk_live_ThisIsTheKeyOfTheTests"
    first = serve("--api-key", key)

    async def delivers(client: AsyncControlClient) -> None:
        address = await client.addresses.create()
        await client.messages.deliver(RAW, to=address.email)

    async def scenario(client: AsyncControlClient) -> None:
        async with client.events() as events:
            await delivers(client)
            known = await anext(events)
            assert known.name == "message.received"
            first.end(signal.SIGKILL)
            serve("--api-key", key, "--http-port", first.api_url.rpartition(":")[2])
            gap = await anext(events)
            assert gap.name == "gap"
            assert gap.id > known.id
            await delivers(client)
            assert (await anext(events)).name == "message.received"

    assert way.run(AsyncControlClient, scenario, key, first.api_url) == [0.1]


def are_closed(server: MailServer, before: int) -> None:
    until(server._thread, lambda: len(server._now.services.events._subscribers) == before)


def test_a_stream_that_is_left_is_closed(way: Way, mailserver: MailServer) -> None:
    before = len(mailserver._now.services.events._subscribers)
    inbox = mailserver.make_inbox()

    async def scenario(client: AsyncControlClient) -> None:
        async with client.events():
            pass
        are_closed(mailserver, before)
        async with client.events() as events:
            inbox.deliver(subject="x")
            await anext(events)
        are_closed(mailserver, before)
        events = client.events(after=0)
        await anext(events)
        await events.aclose()
        await events.aclose()
        are_closed(mailserver, before)

    way.run(AsyncControlClient, scenario, mailserver.api_key, mailserver.api_url)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_stream_ends_with_its_client(backend: str, mailserver: MailServer) -> None:
    """Without a warning of trio, which wants each asynchronous generator to end."""
    before = len(mailserver._now.services.events._subscribers)
    mailserver.make_inbox().deliver(subject="x")

    async def leaves() -> None:
        async with AsyncControlClient(mailserver.api_key, mailserver.api_url) as client:
            async for event in client.events(after=0):
                assert event.id
                break

    async def run() -> None:
        await leaves()
        gc.collect()
        are_closed(mailserver, before)

    anyio.run(run, backend=backend)


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_read_that_is_cancelled_loses_nothing(backend: str, mailserver: MailServer) -> None:
    inbox = mailserver.make_inbox()

    async def run() -> None:
        async with AsyncControlClient(mailserver.api_key, mailserver.api_url) as client, client.events() as events:
            for number in range(3):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(anext, events)
                    await anyio.wait_all_tasks_blocked()
                    tasks.cancel_scope.cancel()
                inbox.deliver(subject=str(number))
                event = await anext(events)
                assert event.name == "message.received"
                assert event.subject == str(number)

    anyio.run(run, backend=backend)


def test_a_stream_shows_its_client_without_the_key(mailserver: MailServer) -> None:
    with ControlClient(mailserver.api_key, mailserver.api_url) as client:
        assert repr(client.events()) == f"<EventStream of <ControlClient {mailserver.api_url}>>"
