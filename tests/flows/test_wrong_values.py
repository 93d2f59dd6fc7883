"""What is said to somebody who gives a verb what it does not take."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sirrchat_testkit import MailServer
from sirrchat_testkit.core.errors import InvalidValue

INFINITE = float("inf")


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda server: server.open_inbox(domain="nowhere.example"),
            InvalidValue,
            "nowhere.example is not served here; example.com, example.org, example.net are",
        ),
        (
            lambda server: server.open_inbox(expires_in=3600),
            TypeError,
            "expires_in takes a timedelta such as timedelta(hours=1), not 3600",
        ),
        (lambda server: server.receive(timeout=-1), ValueError, "timeout takes seconds, 0 or more, not -1"),
        (lambda server: server.receive_all(2, timeout="1"), ValueError, "timeout takes seconds, 0 or more, not '1'"),
        (lambda server: server.assert_nothing(within=-1), ValueError, "within takes seconds, 0 or more, not -1"),
        (
            lambda server: server.clock.advance(3600),
            TypeError,
            "advance takes a timedelta, or units such as seconds=3600, not 3600",
        ),
        (
            lambda server: server.clock.advance(seconds=INFINITE),
            ValueError,
            "advance takes units such as seconds=3600, hours=1 or days=2, not seconds=inf",
        ),
        (
            lambda server: server.clock.advance(hour=1),
            TypeError,
            "advance takes units such as seconds=3600, hours=1 or days=2, not hour=1",
        ),
    ],
)
def test_it_says_what_to_give_instead(
    mailserver: MailServer, call: Callable[[Any], object], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind) as caught:
        call(mailserver)
    assert (type(caught.value), str(caught.value)) == (kind, text)
