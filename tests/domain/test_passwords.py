"""Passwords: their hashes, and the threads that compute them."""

import asyncio
import os
import threading
from typing import Any

import pytest

from sirrchat_testkit.domain import passwords
from sirrchat_testkit.domain.passwords import Passwords
from sirrchat_testkit.errors import TooBusy

pytestmark = pytest.mark.asyncio


async def test_a_hash_describes_its_parameters_and_hides_the_password() -> None:
    [kept] = await Passwords(5).hash_all(["securepassword"])
    name, cost, block, parallel, salt, derived = kept.split("$")
    assert (name, cost, block, parallel) == ("scrypt", "5", "8", "1")
    assert len(salt) == 24
    assert len(derived) == 44
    assert "securepassword" not in kept


async def test_only_the_right_password_verifies() -> None:
    hasher = Passwords()
    [kept] = await hasher.hash_all(["pässwörd \ud800"])
    assert await hasher.verify("pässwörd \ud800", kept)
    assert not await hasher.verify("pässwörd", kept)
    assert not await hasher.verify("", kept)


async def test_a_hash_of_another_cost_still_verifies() -> None:
    [kept] = await Passwords(6).hash_all(["old"])
    assert await Passwords(4).verify("old", kept)


async def test_the_same_password_has_another_hash_each_time() -> None:
    one, two = await Passwords().hash_all(["same", "same"])
    assert one != two


async def test_an_empty_password_never_verifies() -> None:
    hasher = Passwords()
    first, second, third = await hasher.hash_all(["", "x", ""])
    assert (first, third) == ("", "")
    assert second.startswith("scrypt$")
    assert not await hasher.verify("", "")


async def test_hashes_are_in_the_order_of_the_passwords() -> None:
    hasher = Passwords()
    typed = [f"pass{number}" for number in range(70)]
    kept = await hasher.hash_all(typed)
    for number in (0, 31, 32, 69):
        assert await hasher.verify(typed[number], kept[number])


@pytest.mark.parametrize("verb", ["hash_all", "verify"])
async def test_the_loop_runs_while_a_password_is_hashed_or_verified(monkeypatch: pytest.MonkeyPatch, verb: str) -> None:
    hasher = Passwords()
    [kept] = await hasher.hash_all(["x"])
    here, release, threads = threading.get_ident(), threading.Event(), list[int]()
    loop, begun = asyncio.get_running_loop(), asyncio.Event()
    derive = passwords._derive

    def held(*arguments: Any) -> bytes:
        threads.append(threading.get_ident())
        loop.call_soon_threadsafe(begun.set)
        assert release.wait(30)
        return derive(*arguments)

    monkeypatch.setattr(passwords, "_derive", held)
    work = asyncio.ensure_future(hasher.hash_all(["x"]) if verb == "hash_all" else hasher.verify("x", kept))
    await begun.wait()  # passes only if the loop runs
    assert not work.done()
    release.set()
    assert await work
    assert here not in threads


async def test_at_most_as_many_run_at_once_as_there_are_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    lock, state = threading.Lock(), {"now": 0, "most": 0}
    derive = passwords._derive

    def counted(*arguments: Any) -> bytes:
        with lock:
            state["now"] += 1
            state["most"] = max(state["most"], state["now"])
        done = derive(*arguments)
        with lock:
            state["now"] -= 1
        return done

    monkeypatch.setattr(passwords, "_derive", counted)
    hasher = Passwords()
    await asyncio.gather(*(hasher.hash_all([f"{number}"]) for number in range(200)))
    assert 1 <= state["most"] <= 4


async def test_a_login_does_not_wait_for_all_the_passwords_of_a_batch(monkeypatch: pytest.MonkeyPatch) -> None:
    derived: list[str] = []

    def fast(password: str, *arguments: Any) -> bytes:
        derived.append(password)
        return b"x"

    monkeypatch.setattr(passwords, "_derive", fast)
    hasher = Passwords(passwords.PROPER)
    batch = asyncio.ensure_future(hasher.hash_all([f"{number}" for number in range(200)]))
    await asyncio.sleep(0)
    await hasher.verify("login", "")
    assert derived.index("login") < 50
    await batch


@pytest.mark.parametrize(("cost", "each"), [(passwords.PROPER, 13), (passwords.PROPER + 2, 4), (20, 1)])
async def test_more_hashes_than_a_second_takes_are_too_many(
    monkeypatch: pytest.MonkeyPatch, cost: int, each: int
) -> None:
    release = threading.Event()
    monkeypatch.setattr(passwords, "_derive", lambda *_: b"x" * release.wait(30))
    hasher = Passwords(cost)
    limit = each * min(4, os.cpu_count() or 1)
    work = []
    for _ in range(limit):
        hasher.check_load()
        work.append(asyncio.ensure_future(hasher.verify("x", "")))
        await asyncio.sleep(0)
    with pytest.raises(TooBusy):
        hasher.check_load()
    release.set()
    await asyncio.gather(*work)
    hasher.check_load()


async def test_a_thousand_cheap_hashes_are_not_too_many() -> None:
    hasher = Passwords()
    work = [asyncio.ensure_future(hasher.hash_all(["x"])) for _ in range(1000)]
    await asyncio.sleep(0)
    hasher.check_load()
    await asyncio.gather(*work)


async def test_a_rewind_drops_the_keys_for_challenges() -> None:
    hasher = Passwords(keyed=True)
    [before] = await hasher.hash_all(["one"])
    mark = hasher.mark()
    [later, _] = await hasher.hash_all(["two", "three"])
    hasher.rewind(mark)
    assert hasher.mark() == mark
    assert [bool(hasher._keyed and kept in hasher._keyed) for kept in (before, later)] == [True, False]
