"""Conditions on records, and the words for what misses them."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, ClassVar

import pytest
from dirty_equals import Contains, IsInt, IsStr

from sirrchat_testkit.comparing import EQUAL, holds
from sirrchat_testkit.mail.address_headers import MailAddress
from sirrchat_testkit.mail.mime import Attachment, Headers
from sirrchat_testkit.matching import Condition, Match, nearest, summary

TEN = datetime(2026, 3, 1, 10, tzinfo=UTC)


@dataclass
class Record:
    subject: str = "Welcome, Ann!"
    sender: str = "No-Reply@Shop.example"
    to: tuple[str, ...] = ("ann@example.com", "bob@example.com")
    cc: tuple[str, ...] = ()
    recipient: str = "ann@example.com"
    mail_from: str = "bounce+1@shop.example"
    text: str = "Your code is 123456.\nBye."
    html: str = "<p>Your code is <b>123456</b>.</p>"
    headers: Any = field(default_factory=lambda: Headers(b"X-Tag: a\nX-Tag: b\nX-Other: c"))
    attachments: tuple[Attachment, ...] = (Attachment("Invoice.PDF", "application/pdf", b""),)
    size: int = 1000
    received_at: Any = TEN


class Unparsed(Record):
    """A record whose body must not be read."""

    @property
    def text(self) -> str:
        raise AssertionError("the text was read")

    @text.setter
    def text(self, value: str) -> None:
        pass


def _named(value: object) -> str:
    """Name a case without what differs from run to run, so that workers collect the same tests."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


@pytest.mark.parametrize(
    "conditions",
    [
        {},
        {"subject": "Welcome, Ann!"},
        {"subject": " Welcome,\n Ann! "},
        {"subject": re.compile("^welcome", re.IGNORECASE)},
        {"subject": IsStr(regex="Wel.*")},
        {"subject": IsStr},
        {"subject": lambda subject: len(subject) == 13},
        {"subject": str.istitle},
        {"sender": "no-reply@shop.EXAMPLE"},
        {"sender": "*@shop.example"},
        {"sender": "no-repl?@*"},
        {"to": "bob@example.com"},
        {"to": ("ann@example.com", "bob@example.com")},
        {"to": ["ann@example.com", "bob@example.com"]},
        {"to": Contains("bob@example.com")},
        {"to": re.compile("^bob")},
        {"cc": ()},
        {"recipient": "ANN@example.com"},
        {"mail_from": "bounce+*@shop.example"},
        {"text": "code is 123456"},
        {"html": "<b>123456</b>"},
        {"text": re.compile(r"\d{6}")},
        {"header": {"x-tag": "b"}},
        {"header": {"X-Tag": "a", "X-Other": IsStr()}},
        {"header": {"X-Missing": None}},
        {"has_attachment": True},
        {"filename": "*.pdf"},
        {"size": 1000},
        {"size": IsInt(gt=10)},
        {"size": lambda size: size < 2000},
        {"after": TEN},
        {"after": TEN.replace(hour=9)},
        {"after": int(TEN.timestamp() * 1000)},
        {"after": TEN.astimezone().replace(tzinfo=None)},
        {"subject": "Welcome, Ann!", "sender": "*@shop.example", "text": "Bye"},
    ],
    ids=_named,
)
def test_record_matches(conditions: dict[str, Any]) -> None:
    match = Match(**conditions)
    assert match.misses(Record()) == ()
    assert match.accepts(Record())


@pytest.mark.parametrize(
    ("conditions", "miss"),
    [
        ({"subject": "Goodbye"}, "subject: wanted 'Goodbye', was 'Welcome, Ann!'"),
        ({"subject": re.compile("^Ann")}, "subject: wanted /^Ann/, was 'Welcome, Ann!'"),
        ({"subject": str.isdigit}, "subject: str.isdigit() returned a false value for 'Welcome, Ann!'"),
        ({"subject": None}, "subject: wanted None, was 'Welcome, Ann!'"),
        ({"sender": "shop.example"}, "sender: wanted 'shop.example', was 'No-Reply@Shop.example'"),
        ({"sender": "[n]o-*"}, "sender: wanted '[n]o-*', was 'No-Reply@Shop.example'"),
        ({"to": "eve@*"}, "to: wanted 'eve@*', was 'ann@example.com', 'bob@example.com'"),
        ({"cc": "eve@*"}, "cc: wanted 'eve@*', was empty"),
        ({"text": "Code"}, "text: wanted containing 'Code', was 'Your code is 123456.\\nBye.'"),
        ({"header": {"X-Tag": "c"}}, "header X-Tag: wanted 'c', was 'a', 'b'"),
        ({"header": {"X-No": "c"}}, "header X-No: wanted 'c', was absent"),
        ({"has_attachment": False}, "has_attachment: wanted False, was True"),
        ({"filename": "*.png"}, "filename: wanted '*.png', was 'Invoice.PDF'"),
        ({"size": 5}, "size: wanted 5, was 1000"),
        ({"after": 2e12}, "after: wanted at or after 2000000000000.0, was " + str(TEN)),
    ],
    ids=_named,
)
def test_miss_says_what_was_wanted_and_what_was_there(conditions: dict[str, Any], miss: str) -> None:
    assert Match(**conditions).misses(Record(), advise=False) == (miss,)
    assert not Match(**conditions).accepts(Record())


def test_lambda_is_named_by_its_line() -> None:
    [miss] = Match(size=lambda size: size > 5000).misses(Record())
    assert re.fullmatch(r"size: the lambda at test_matching\.py:\d+ returned a false value for 1000", miss)


def test_every_missed_condition_is_told() -> None:
    assert len(Match(subject="x", sender="No-Reply@shop.example", text="zz", size=1).misses(Record())) == 3


def test_long_text_is_cut_around_where_it_ceases_to_agree() -> None:
    [miss] = Match(text="Your code is 99").misses(Record(text="-" * 500 + "Your code is 123456" + "=" * 500))
    assert "Your code is 123456" in miss
    assert len(miss) < 160


def test_a_long_condition_is_cut_around_where_it_ceases_to_agree() -> None:
    [miss] = Match(subject="x" * 5000 + "wanted" + "y" * 5000).misses(Record(subject="x" * 5000 + "was" + "y" * 5000))
    begin, end = "x" * 30, "y" * 30
    assert f"{begin}wanted{end}" in miss
    assert f"{begin}was{end}" in miss
    assert len(miss) < 400


@pytest.mark.parametrize("wanted", ["x" * 5000, re.compile("x" * 5000), [re.compile("x" * 5000)]], ids=type)
def test_a_long_condition_is_cut_where_it_is_named(wanted: Any) -> None:
    assert len(str(Match(subject=wanted))) < 300


def test_body_is_not_read_where_the_subject_decides() -> None:
    assert not Match(text="code", subject="Other").accepts(Unparsed())


def test_absent_header_does_not_reach_a_callable() -> None:
    assert not Match(header={"X-No": lambda value: value.startswith("a")}).accepts(Record())


def test_plain_mapping_serves_as_headers() -> None:
    assert Match(header={"X-Tag": "z"}).accepts(Record(headers={"x-tag": "z"}))


def test_what_a_callable_raises_comes_through() -> None:
    def broken(_: str) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        Match(subject=broken).accepts(Record())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("subjct", "did you mean 'subject'?"),
        ("body", "did you mean 'text'?"),
        ("from_", "did you mean 'sender'?"),
        ("since", "did you mean 'after'?"),
        ("headers", "did you mean 'header'?"),
        ("zzz", "the conditions are subject, sender, to,"),
    ],
)
def test_unknown_condition_names_the_nearest(name: str, words: str) -> None:
    with pytest.raises(TypeError, match=re.escape(words)):
        Match(**{name: "x"})


def test_header_takes_a_mapping() -> None:
    with pytest.raises(TypeError, match="must be a mapping"):
        Match(header="X-Tag")


def test_after_takes_a_time_and_no_text() -> None:
    with pytest.raises(TypeError, match=r"after must be a datetime, such as after=mailserver\.clock\.now\(\), not '"):
        Match(after="2030")


def test_match_does_not_change() -> None:
    match = Match(subject="x")
    with pytest.raises(AttributeError, match="a Match is immutable"):
        match.subject = "y"
    with pytest.raises(TypeError):
        match.conditions["subject"] = "y"  # type: ignore[index]


@pytest.mark.parametrize(
    ("match", "text"),
    [
        (Match(), "anything"),
        (Match(subject="Welcome", sender="*@shop.example"), "subject='Welcome', sender='*@shop.example'"),
        (Match(text=re.compile("a+"), size=3), "text=/a+/, size=3"),
    ],
)
def test_match_reads_as_it_was_written(match: Match, text: str) -> None:
    assert str(match) == text


def test_the_nearest_records_come_first() -> None:
    far = Record(subject="June news", sender="news@shop.example")
    near = Record(subject="Welcome, Bob!")
    match = Match(subject="Welcome, Zoe!", sender="no-reply@shop.example")
    assert nearest(match, [far, near], 5) == [near, far]
    assert nearest(match, [far, near], 1) == [near]
    assert match.misses(near) == ("subject: wanted 'Welcome, Zoe!', was 'Welcome, Bob!'",)
    assert match.misses(far) == (
        "subject: wanted 'Welcome, Zoe!', was 'June news'",
        "sender: wanted 'no-reply@shop.example', was 'news@shop.example'",
    )


def test_of_equally_near_records_the_latest_come_first() -> None:
    records = [Record(subject=f"June {number}") for number in range(3)]
    assert [each.subject for each in nearest(Match(subject="x"), records, 2)] == ["June 2", "June 1"]


def test_a_miss_can_be_explained_without_advice() -> None:
    match = Match(subject="Welcome")
    assert match.misses(Record(), advise=False) == ("subject: wanted 'Welcome', was 'Welcome, Ann!'",)
    assert "re.compile" in match.misses(Record())[0]


def test_a_function_of_the_whole_record_decides() -> None:
    match = Match(where=lambda record: len(record.to) == 2 and record.sender.startswith("No-Reply"))
    assert match.accepts(Record())
    assert not match.accepts(Record(to=()))
    [miss] = match.misses(Record(to=()))
    assert miss.startswith("where: the lambda at test_matching.py:")
    assert miss.endswith(" returned a false value")
    with pytest.raises(TypeError, match=r"where must be a function, such as where=lambda message: \.\.\., not 'x'"):
        Match(where="x")


def test_an_error_of_the_user_s_code_is_a_miss_that_names_it() -> None:
    match = Match(subject=lambda subject: subject.nonsense, where=lambda _: 1 / 0)
    first, second = match.misses(Record())
    assert first.endswith("""raised AttributeError("'str' object has no attribute 'nonsense'")""")
    assert second.endswith("raised ZeroDivisionError('division by zero')")


def test_the_nearest_are_found_without_the_user_s_code() -> None:
    def fail(_: object) -> bool:
        raise AssertionError

    match = Match(subject="Welcome", where=fail)
    assert match.runs_code
    assert nearest(match, [Record(subject="x"), Record(subject="Welcome!")], 1)[0].subject == "Welcome!"


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("mail_to", "'to'"),
        ("filter", "'where'"),
        ("attachment_name", "'filename'"),
        ("bcc", "'recipient'"),
        ("subjekt", "'subject'"),
    ],
)
def test_a_guessed_condition_is_answered_with_the_right_one(name: str, meant: str) -> None:
    with pytest.raises(TypeError, match=re.escape(f"unknown condition {name!r}; did you mean {meant}")):
        Match(**{name: "x"})


def test_a_reserved_word_as_a_condition_names_the_right_one() -> None:
    with pytest.raises(TypeError, match="did you mean 'sender'"):
        Match(**{"from": "shop@shop.example"})


def test_among_equal_misses_the_more_alike_text_is_nearer() -> None:
    match = Match(subject="Welcome, Ann")
    assert match.distance(Record()) < match.distance(Record(subject="June news"))


def test_summary_says_nobody_where_an_address_is_missing() -> None:
    assert summary(Record(sender="", recipient="", to=())) == "'Welcome, Ann!' from (no sender) to (no recipient)"


def test_another_kind_of_record_brings_its_own_conditions() -> None:
    class CallMatch(Match):
        table: ClassVar[Mapping[str, Condition]] = {"event": Condition(lambda call: call["event"], EQUAL)}

    assert CallMatch(event="email.received").accepts({"event": "email.received"})
    with pytest.raises(TypeError):
        CallMatch(subject="x")


@pytest.mark.parametrize(
    ("wanted", "value", "held"),
    [
        ("a", "a", True),
        ("a", None, False),
        (re.compile("a"), None, False),
        (None, None, True),
        (int, int, True),
        (bool, 1, False),
        (lambda value: value, 1, True),
    ],
)
def test_what_is_wanted_decides_how_it_is_compared(wanted: Any, value: Any, held: bool) -> None:  # noqa: FBT001
    assert holds(wanted, value) is held


def test_callable_that_gives_no_bool_still_decides() -> None:
    accepts: Callable[[str], str] = str.strip
    assert Match(subject=accepts).accepts(Record())


@pytest.mark.parametrize(
    ("conditions", "hint"),
    [
        ({"subject": "June"}, " (a string must be equal; re.compile('June') searches)"),
        ({"subject": r"^June \w+$"}, r" (a string must be equal; re.compile('^June \\w+$') searches)"),
        ({"subject": "*news*"}, " (a string must be equal; re.compile('.*news.*') searches)"),
        ({"sender": "news@"}, " (a string must be equal, except for * and ?; re.compile('news@') searches)"),
        ({"text": "H.*"}, " (a string must be contained; re.compile('H.*') searches)"),
        ({"subject": "june"}, " (a string must be equal; re.compile('june', re.IGNORECASE) searches)"),
        ({"subject": "May"}, ""),
        ({"subject": "J.ne news"}, ""),
        ({"subject": "*("}, ""),
        ({"subject": ""}, ""),
        ({"subject": re.compile("May")}, ""),
    ],
)
def test_a_text_that_was_meant_to_search_is_told_how(conditions: dict[str, Any], hint: str) -> None:
    [miss] = Match(**conditions).misses(Record(subject="June news", sender="news@shop.example", text="Hello"))
    if hint:
        assert miss.endswith(hint)
    else:
        assert "re.compile" not in miss


LETTER = Record(
    subject="June news",
    sender=MailAddress("news@shop.example", "The Shop"),
    text="Dear  Ann,\nyour code is 12. Caf\u00e9",
    html="<p>Dear <b>Ann</b>, Tom &amp; Jerry. <i>Menu</i></p>",
)
SHOWN = "the HTML shows it, but with markup or entities in its source"


@pytest.mark.parametrize(
    ("conditions", "hint"),
    [
        (
            {"subject": "june News"},
            "only upper and lower case differ; re.compile('june News', re.IGNORECASE) ignores case",
        ),
        ({"text": "CODE"}, "only upper and lower case differ; re.compile('CODE', re.IGNORECASE) ignores case"),
        ({"text": re.compile("CODE")}, "only upper and lower case differ; re.IGNORECASE ignores case"),
        ({"text": "Dear Ann"}, r"only white space differs; re.compile('Dear\\s+Ann') ignores it"),
        (
            {"text": "dear Ann, your"},
            r"only case and white space differ; re.compile('dear\\s+Ann,\\s+your', re.IGNORECASE) ignores both",
        ),
        ({"text": "Cafe\u0301"}, "only the Unicode normalization differs, such as 'é' in one or two characters"),
        ({"header": {"X-Tag": "A"}}, "only upper and lower case differ; re.compile('A', re.IGNORECASE) ignores case"),
        ({"text": "Menu"}, "the HTML contains it: html='Menu'"),
        ({"html": "code is 12"}, "the plain text contains it: text='code is 12'"),
        ({"html": "Dear Ann"}, SHOWN),
        ({"html": "Tom & Jerry"}, SHOWN),
        ({"text": "Tom & Jerry"}, SHOWN),
        (
            {"sender": "The Shop <news@shop.example>"},
            "an address is compared without its display name: sender='news@shop.example'",
        ),
        (
            {"to": "Bob <eve@example.com>"},
            "an address is compared without its display name: to='eve@example.com'",
        ),
        (
            {"sender": "the shop"},
            "'The Shop' is the display name; sender is compared with the address, 'news@shop.example'",
        ),
        ({"text": "Goodbye"}, ""),
        ({"text": re.compile("Goodbye")}, ""),
        ({"sender": "nobody"}, ""),
        ({"text": "\t"}, ""),
    ],
)
def test_what_a_condition_nearly_found_is_a_hint(conditions: dict[str, Any], hint: str) -> None:
    match = Match(**conditions)
    [miss] = match.misses(LETTER)
    assert miss.endswith(f" ({hint})") if hint else not miss.endswith(")")
    assert match.misses(LETTER, advise=False)[0] == miss.removesuffix(f" ({hint})")


@pytest.mark.parametrize(
    ("record", "conditions", "hint"),
    [
        (
            Record(text=""),
            {"text": "Your code"},
            "the message has no plain text; the HTML contains it: html='Your code'",
        ),
        (Record(html=""), {"html": "Bye"}, "the message has no HTML; the plain text contains it: text='Bye'"),
        (Record(text="", html="<b>By</b>e"), {"text": "Bye"}, f"the message has no plain text; {SHOWN}"),
    ],
)
def test_the_other_part_is_named_if_one_is_absent(record: Record, conditions: dict[str, Any], hint: str) -> None:
    [miss] = Match(**conditions).misses(record)
    assert miss.endswith(f" ({hint})")


def test_a_part_that_cannot_be_read_gets_no_hint() -> None:
    [miss] = Match(html="Hello").misses(Unparsed())
    assert miss.startswith("html: wanted containing 'Hello', was '<p>")
    assert not miss.endswith(")")
