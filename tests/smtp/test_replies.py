"""Replies as data."""

from __future__ import annotations

import inspect
import re

import pytest

from sirrchat_testkit import errors
from sirrchat_testkit.smtp import replies
from sirrchat_testkit.smtp.replies import Reply

CONSTANTS = {name: value for name, value in vars(replies).items() if isinstance(value, Reply)}
RAISED = [
    each
    for _, each in inspect.getmembers(errors, inspect.isclass)
    if issubclass(each, errors.Refused | errors.StoreError)
]
FROM_STORES_THAT_DO_NOT_OPEN = {"StoreLocked", "StoreDamaged"}


@pytest.mark.parametrize("error", RAISED, ids=lambda each: each.__name__)
def test_every_refusal_has_a_reply_of_its_own(error: type[errors.TestkitError]) -> None:
    assert error in replies.BY_ERROR or error.__name__ in FROM_STORES_THAT_DO_NOT_OPEN
    assert any(each in replies.BY_ERROR for each in error.__mro__)


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (errors.NoSuchAddress("x"), "550 5.1.1 x"),
        (errors.ForeignDomain("x"), "550 5.7.1 x"),
        (errors.OverQuota("x"), "552 5.2.2 x"),
        (errors.StoreFull("/path"), "452 4.3.1 Insufficient system storage"),
        (errors.StoreBroken("/path"), "452 4.3.0 The store is read-only, because a write failed"),
        (errors.StoreError("/path"), "451 4.3.0 Local error in processing"),
        (errors.TooBusy("x"), "454 4.7.0 Temporary authentication failure, try again later"),
        (errors.StoreLocked("/path"), "451 4.3.0 Local error in processing"),
    ],
)
def test_an_error_becomes_its_reply(error: errors.Refused, reply: str) -> None:
    assert replies.for_error(error).wire == f"{reply}\r\n".encode()


def test_a_new_error_takes_the_row_of_its_parent() -> None:
    class Greylisted(errors.NoSuchAddress):
        pass

    assert replies.for_error(Greylisted("later")).status == "5.1.1"


@pytest.mark.parametrize("name", CONSTANTS)
def test_the_status_code_is_of_the_same_class_as_the_reply(name: str) -> None:
    reply = CONSTANTS[name]
    if not reply.code:
        assert reply.wire == b""
    elif reply.code == 354:
        assert reply.status == ""
    else:
        assert re.fullmatch(rf"{reply.code // 100}\.\d\.\d+", reply.status)


def test_every_line_of_a_reply_carries_the_status_code() -> None:
    assert Reply(250, "2.0.0", "one\ntwo").wire == b"250-2.0.0 one\r\n250 2.0.0 two\r\n"
    assert str(Reply(550, "5.1.1", "no")) == "550 5.1.1 no"


def test_a_reply_is_ascii_without_control_characters_and_not_too_long() -> None:
    wire = Reply(550, "5.1.1", "ü@example.com\r\x00 \ud800" + "x" * 1000).wire
    assert wire.isascii()
    assert len(wire) <= 512
    assert b"\\xfc@example.com??" in wire
    assert wire.endswith(b"\r\n")
    assert wire.count(b"\r") == 1


def test_help_knows_every_command_that_is_offered() -> None:
    assert replies.help_for("").text.split()[1:] == list(replies.SYNTAX)
    assert replies.help_for("mail").text == "Syntax: MAIL FROM:<address> [parameters]"
    assert replies.help_for("nonsense").code == 504
