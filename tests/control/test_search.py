"""The grammar of a search, and what it finds."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sirrchat_testkit.domain.search import Search
from sirrchat_testkit.errors import InvalidValue

if TYPE_CHECKING:
    from sirrchat_testkit import MailServer
    from tests.control.conftest import Control


@pytest.fixture
def mail(server: MailServer) -> None:
    """Four messages: a welcome for ann, a receipt with a file for ann, a newsletter for bob, mail for elsewhere."""
    ann, bob = server.inbox_for("ann@example.com"), server.make_inbox(address="bob@example.com")
    ann.deliver(subject="Welcome to the shop", sender="Shop <shop@b.example>", text="Your code is 482913\nfor   today")
    ann.deliver(
        subject="Receipt", sender="pay@b.example", text="Paid", attachments=[("r.pdf", b"x", "application/pdf")]
    )
    bob.deliver(subject="News", sender="news@b.example", html="<p>Cats and <b>dogs</b></p>")
    server.inbox_for("ops@elsewhere.example").deliver(subject="Alert", text="Disk")


@pytest.mark.parametrize(
    ("q", "subjects"),
    [
        ("", ["Alert", "News", "Receipt", "Welcome to the shop"]),
        ("to:ann", ["Receipt", "Welcome to the shop"]),
        ("to:ANN@example", ["Receipt", "Welcome to the shop"]),
        ("from:shop", ["Welcome to the shop"]),
        ("subject:welcome", ["Welcome to the shop"]),
        ('subject:"to the SHOP"', ["Welcome to the shop"]),
        ("text:disk", ["Alert"]),
        ('text:"for today"', ["Welcome to the shop"]),
        ("dogs", ["News"]),
        ("482913 to:ann", ["Welcome to the shop"]),
        ("shop", ["Welcome to the shop"]),
        ("-shop -receipt", ["Alert", "News"]),
        ("-to:ann -to:bob", ["Alert"]),
        ("has:attachment", ["Receipt"]),
        ("-has:attachment to:ann", ["Welcome to the shop"]),
        ("is:unread to:bob", ["News"]),
        ("is:read", []),
        ("elsewhere", ["Alert"]),
        ("to:ann to:bob", []),
        ("nothing:like", []),
    ],
)
@pytest.mark.usefixtures("mail")
def test_terms(control: Control, q: str, subjects: list[str]) -> None:
    assert [each["subject"] for each in control("GET", "/messages", q=q)["data"]] == subjects


@pytest.mark.usefixtures("mail")
def test_plain_parameters(control: Control) -> None:
    def found(**query: Any) -> list[str]:
        return [each["subject"] for each in control("GET", "/messages", **query)["data"]]

    assert found(to="ANN@EXAMPLE.COM") == ["Receipt", "Welcome to the shop"]
    assert found(to="*@example.com") == ["News", "Receipt", "Welcome to the shop"]
    assert found(to="ann") == []
    assert found(from_="shop@b.example") == ["Welcome to the shop"]
    assert found(subject="Receipt", to="ann@example.com") == ["Receipt"]
    assert found(subject="receipt") == []
    assert found(text="code is") == ["Welcome to the shop"]
    assert found(to="ann@example.com", q="-subject:welcome") == ["Receipt"]


def test_times(server: MailServer, control: Control) -> None:
    inbox = server.inbox_for("ann@example.com")
    server.clock.freeze(at=datetime(2026, 1, 30, 12, tzinfo=UTC))
    inbox.deliver(subject="first", text="x")
    server.clock.advance(timedelta(days=1))
    inbox.deliver(subject="second", text="x")

    def found(**query: Any) -> list[str]:
        return [each["subject"] for each in control("GET", "/messages", **query)["data"]]

    assert found(since="2026-01-31T12:00:00Z") == ["second"]
    assert found(since="2026-01-31T13:00:00+01:00") == ["second"]
    assert found(q="before:2026-01-31") == ["first"]
    assert found(q="after:2026-01-31") == ["second"]
    assert found(q="after:2026-01-30 before:2026-02-01") == ["second", "first"]
    assert found(q="-after:2026-01-31") == ["first"]


@pytest.mark.parametrize(
    ("q", "text"),
    [
        ('"open', "q has a double quote that is not closed"),
        ("subject:", "q needs a value after subject:"),
        ("has:link", "has: can be followed only by attachment, not by 'link'"),
        ("is:old", "is: can be followed only by unread or read, not by 'old'"),
        ("before:soon", "before must be a time such as"),
        ("before:0001-01-01T00:00+23:59", "before must be a time such as"),
        ("before:9999-12-31T23:59-23:59", "before must be a time such as"),
        ("-", "q has a term without words"),
        ("form:ann", "did you mean from:ann?"),
    ],
)
def test_a_malformed_query_says_what_is_wrong(control: Control, q: str, text: str) -> None:
    refusal = control.refusal("GET", "/messages", status=400, q=q)
    assert text in refusal["message"]
    assert refusal["details"] == {"field": "q", "value": q}


def test_words_with_a_colon_are_words() -> None:
    assert str(Search("Re: hello http://x/y 12:30")) == (
        "anywhere='Re:', anywhere='hello', anywhere='http://x/y', anywhere='12:30'"
    )


@given(st.text(max_size=60))
def test_any_query_is_read_or_refused(q: str) -> None:
    try:
        Search(q)
    except InvalidValue as error:
        assert error.field  # noqa: PT017 - the other outcome is fine too


def test_pages_cover_everything_once_while_mail_arrives(server: MailServer, control: Control) -> None:
    inbox = server.inbox_for("ann@example.com")
    for number in range(25):
        inbox.deliver(subject=f"{number}", text="x")
    seen: list[str] = []
    cursor = ""
    while cursor is not None:
        page = control("GET", "/messages", limit=10, cursor=cursor, q="text:x")
        seen += [each["subject"] for each in page["data"]]
        cursor = page["next_cursor"]
        inbox.deliver(subject="later", text="x")
    assert seen == [str(number) for number in range(24, -1, -1)]
