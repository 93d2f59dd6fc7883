"""Simulators: which recipients they are, and what comes back from them, without sockets."""

import asyncio
import re
from pathlib import Path

import pytest

from sirrchat_testkit.domain.events import MessageReceived, RecipientRefused
from sirrchat_testkit.domain.models import Message
from sirrchat_testkit.domain.reset import Reset
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.domain.simulators import SIMULATORS, simulator_named
from sirrchat_testkit.errors import NoSuchAddress, Simulated
from sirrchat_testkit.mail.mime import parse
from tests.support import RAW, deliver

PAGE = Path(__file__).parents[2] / "docs" / "serve.md"
ANN = "ann@example.com"


def turn_on(services: Services, **changes: object) -> None:
    services.settings.value = services.settings.value.replace(simulators=True, **changes)  # type: ignore[arg-type]


async def returned(services: Services, recipient: str, raw: bytes = RAW, sender: str = ANN) -> list[Message]:
    """Deliver a message, wait until the server has settled, and return what came back to its sender."""
    await deliver(services, recipient, raw=raw, sender=sender)
    assert await services.sessions.settled(10) == []
    return await services.delivery.messages(sender) if sender else []


async def account(services: Services, email: str = ANN) -> None:
    await services.accounts.add(email)


def test_the_documentation_lists_every_simulator() -> None:
    rows = re.findall(r"^\| `([\w-]+)@` \| (.*) \|$", PAGE.read_text("utf-8"), re.MULTILINE)
    assert rows == [(each.name, each.does) for each in SIMULATORS]


@pytest.mark.parametrize(
    ("local", "separator", "name"),
    [
        ("bounced", "+", "bounced"),
        ("bounced+a+b", "+", "bounced"),
        ("bounced-a", "+", None),
        ("bounced+a", "", None),
        ("soft-451-a", "-", "soft-451"),
        ("late-bounce", "-", "late-bounce"),
        ("soft-450", "+", None),
        ("bounce", "+", None),
        ("", "+", None),
        ("+bounced", "+", None),
        ("slow-10s", "+", "slow-10s"),
        ("slow-2m+a", "+", "slow-2m"),
        ("slow-600", "+", "slow-600"),
        ("slow-601s", "+", None),
        ("slow-0s", "+", None),
        ("slow-", "+", None),
        ("slow-soon", "+", None),
    ],
)
def test_a_simulator_is_known_by_its_local_part(local: str, separator: str, name: str | None) -> None:
    found = simulator_named(local, separator)
    assert (found.name if found else None) == name


@pytest.mark.parametrize(
    ("local", "seconds"), [("slow-250ms", 0.25), ("slow-10s", 10), ("slow-2m", 120), ("slow-3", 3)]
)
def test_the_delay_is_in_the_address(local: str, seconds: float) -> None:
    found = simulator_named(local, "+")
    assert found is not None
    assert found.delay == seconds


@pytest.mark.asyncio
async def test_there_are_none_unless_the_setting_is_on(services: Services) -> None:
    for each in SIMULATORS:
        with pytest.raises(NoSuchAddress):
            await services.directory.route(f"{each.name}@example.com")
    turn_on(services)
    assert await services.directory.simulator("Greylist+a@EXAMPLE.org") is not None
    assert await services.directory.simulator("greylist@shop.example") is None  # not served
    assert await services.directory.route("greylist@example.com") is None


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["bounced", "soft-451", "full", "drop"])
async def test_one_that_refuses_takes_no_mail_without_smtp_either(services: Services, name: str) -> None:
    turn_on(services)
    with pytest.raises(Simulated, match=rf"^{name}@example.com is a simulator: it "):
        await deliver(services, f"{name}@example.com")


@pytest.mark.asyncio
async def test_an_address_of_the_same_name_comes_first(services: Services) -> None:
    turn_on(services)
    await account(services)
    await account(services, "ooto@example.com")
    assert await returned(services, "ooto+a@example.com") == []
    assert await services.directory.simulator("ooto+a@example.com") is None
    assert await services.directory.simulator("ooto@example.org") is not None
    address = await services.directory.route("Ooto@example.com")
    assert address is not None
    assert address.text == "ooto@example.com"


@pytest.mark.asyncio
async def test_a_report_comes_back_from_a_late_bounce(services: Services) -> None:
    turn_on(services)
    await account(services)
    [report] = await returned(services, "Late-Bounce+x@example.com")
    assert (report.mail_from, report.sender) == ("", "mailer-daemon@example.com")
    parsed = parse(await services.delivery.raw(report))
    assert parsed.headers["Content-Type"].startswith("multipart/report; report-type=delivery-status;")
    assert [each.type for each in parsed.attachments] == ["message/delivery-status"]
    [kept] = await services.delivery.messages("late-bounce+x@example.com")
    assert kept.address == ""


@pytest.mark.asyncio
async def test_a_reply_comes_back_from_someone_out_of_office(services: Services) -> None:
    turn_on(services)
    await account(services)
    raw = RAW.replace(b"Subject", b"Message-ID: <1@shop.example>\r\nSubject")
    [reply] = await returned(services, "ooto@example.com", raw)
    assert (reply.mail_from, reply.sender, reply.subject) == ("", "ooto@example.com", "Auto: Hello")
    headers = parse(await services.delivery.raw(reply)).headers
    assert headers["Auto-Submitted"] == "auto-replied"
    assert headers["In-Reply-To"] == headers["References"] == "<1@shop.example>"


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "field",
    [
        "Auto-Submitted: auto-generated",
        "auto-submitted: AUTO-REPLIED; owner=x",
        "Precedence: bulk",
        "List-Unsubscribe: <https://shop.example>",
    ],
)
async def test_no_reply_comes_back_to_a_program(services: Services, field: str) -> None:
    turn_on(services)
    await account(services)
    assert await returned(services, "ooto@example.com", f"{field}\r\n".encode() + RAW) == []
    assert len(await returned(services, "late-bounce@example.com", f"{field}\r\n".encode() + RAW)) == 1


@pytest.mark.asyncio
@pytest.mark.parametrize("name", ["late-bounce", "ooto"])
async def test_nothing_comes_back_to_the_null_sender_or_another_server_or_a_simulator(
    services: Services, name: str
) -> None:
    turn_on(services, unknown_recipients="keep")
    for sender in (
        "",
        "ann@shop.example",
        "root",
        "ooto@example.com",
        "late-bounce@example.net",
        "bounced@example.com",
    ):
        await deliver(services, f"{name}@example.com", sender=sender)
    assert await services.sessions.settled(10) == []
    assert len(await services.delivery.messages()) == 6


@pytest.mark.asyncio
async def test_something_comes_back_to_an_unknown_sender_whose_mail_is_kept(services: Services) -> None:
    turn_on(services)
    assert await returned(services, "ooto@example.com", sender="nobody@example.net") == []
    turn_on(services, unknown_recipients="keep")
    assert len(await returned(services, "ooto@example.com", sender="nobody@example.net")) == 1


@pytest.mark.asyncio
async def test_a_sender_whose_mailbox_is_full_is_reported_as_refused(services: Services) -> None:
    turn_on(services)
    await services.accounts.add(ANN, quota=10)
    assert await returned(services, "ooto@example.com") == []
    refused = [each for each in services.events.held() if isinstance(each, RecipientRefused)]
    assert [(each.recipient, each.code) for each in refused] == [(ANN, "over_quota")]


@pytest.mark.asyncio
async def test_the_end_of_a_scope_drops_what_is_to_come_back_and_forgets_attempts(services: Services) -> None:
    turn_on(services)
    await account(services)
    greylist = simulator_named("greylist", "+")
    assert greylist is not None
    scope = await services.scopes.open("a test")
    assert services.simulation.refuses(greylist, ANN, "greylist@example.com")
    assert not services.simulation.refuses(greylist, "Ann@Example.com", "Greylist@example.com")
    await deliver(services, "ooto@example.com", sender=ANN)
    await services.scopes.close(scope)
    assert await services.sessions.settled(10) == []
    assert [each for each in services.events.held() if isinstance(each, MessageReceived)][1:] == []
    assert services.simulation.refuses(greylist, ANN, "greylist@example.com")


async def held_up(services: Services, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Deliver a message to ``ooto@`` whose reply waits for the event that is returned."""
    turn_on(services)
    go_on, read = asyncio.Event(), services.delivery.raw

    async def slow(message: Message) -> bytes:
        raw = await read(message)
        await go_on.wait()
        return raw

    monkeypatch.setattr(services.delivery, "raw", slow)
    await deliver(services, "ooto@example.com", sender=ANN)
    return go_on


@pytest.mark.asyncio
async def test_the_server_has_not_settled_while_a_reply_is_to_come(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    await account(services)
    go_on = await held_up(services, monkeypatch)
    assert [str(each) for each in await services.sessions.settled(0)] == [
        "ooto@example.com: a report or a reply comes back"
    ]
    go_on.set()
    assert await services.sessions.settled(10) == []
    assert len(await services.delivery.messages(ANN)) == 1


@pytest.mark.asyncio
async def test_a_reply_that_is_to_come_ends_with_its_scope(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    await account(services)
    turn_on(services)
    scope = await services.scopes.open("a test")
    go_on = await held_up(services, monkeypatch)
    await services.sessions.settled(0)
    await services.scopes.close(scope)
    go_on.set()
    assert await services.sessions.settled(10) == []
    assert await services.delivery.messages(ANN) == []


@pytest.mark.asyncio
async def test_a_server_that_stops_sends_what_is_to_come_back(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    await account(services)
    go_on = await held_up(services, monkeypatch)
    await services.sessions.settled(0)
    go_on.set()
    await services.simulation.close()
    assert len(await services.delivery.messages(ANN)) == 1


@pytest.mark.asyncio
async def test_greylisting_remembers_a_bounded_number_of_senders(services: Services) -> None:
    greylist = simulator_named("greylist", "+")
    assert greylist is not None
    for number in range(10_001):
        assert services.simulation.refuses(greylist, f"{number}@a.example", "greylist@example.com")
    assert not services.simulation.refuses(greylist, "1@a.example", "greylist@example.com")
    assert services.simulation.refuses(greylist, "0@a.example", "greylist@example.com")


@pytest.mark.asyncio
async def test_a_reset_forgets_attempts(services: Services) -> None:
    greylist = simulator_named("greylist", "+")
    assert greylist is not None
    reset = Reset(services)
    services.simulation.refuses(greylist, ANN, "greylist@example.com")
    await reset.reset()
    assert services.simulation.refuses(greylist, ANN, "greylist@example.com")


@pytest.mark.asyncio
async def test_many_large_messages_are_answered_one_at_a_time(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    turn_on(services)
    await account(services)
    reading = most = 0
    raw = services.delivery.raw

    async def counted(message: Message) -> bytes:
        nonlocal reading, most
        reading += 1
        most = max(most, reading)
        await asyncio.sleep(0)
        reading -= 1
        return await raw(message)

    monkeypatch.setattr(services.delivery, "raw", counted)
    await deliver(services, *(f"ooto+{number}@example.com" for number in range(20)), sender=ANN)
    assert await services.sessions.settled(10) == []
    assert len(await services.delivery.messages(ANN)) == 20
    assert most == 1
