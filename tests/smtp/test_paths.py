"""What follows MAIL and RCPT."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.smtp import paths as address
from sirrchat_testkit.smtp.paths import Malformed, Path, parse_mail, parse_rcpt


def refused(parse: object, *args: object, **kwargs: object) -> str:
    with pytest.raises(Malformed) as caught:
        parse(*args, **kwargs)  # type: ignore[operator]
    return f"{caught.value.reply.code} {caught.value.reply.status}"


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("FROM:<a@example.com>", "a@example.com"),
        ("from:<a@example.com>", "a@example.com"),
        ("FROM: <a@example.com>", "a@example.com"),
        ("FROM:   <a@example.com>", "a@example.com"),
        ("FROM:<>", ""),
        ("FROM: <>", ""),
        ("FROM:<First.Last+tag@sub.example.com>", "First.Last+tag@sub.example.com"),
        ("FROM:<a@localhost>", "a@localhost"),
        ("FROM:<a@[127.0.0.1]>", "a@[127.0.0.1]"),
        ("FROM:<a@[IPv6:::1]>", "a@[IPv6:::1]"),
        ('FROM:<"two words"@example.com>', '"two words"@example.com'),
        ('FROM:<"a>b"@example.com>', '"a>b"@example.com'),
        (r'FROM:<"a\"b"@example.com>', r'"a\"b"@example.com'),
        ('FROM:<"a@b"@example.com>', '"a@b"@example.com'),
        ("FROM:<@one.example,@two.example:a@example.com>", "a@example.com"),
        ("FROM:<" + "a" * 64 + "@example.com>", "a" * 64 + "@example.com"),
        ("FROM:<a@" + "b" * 63 + ".example>", "a@" + "b" * 63 + ".example"),
    ],
)
def test_a_reverse_path_is_understood(argument: str, expected: str) -> None:
    assert parse_mail(argument).address == expected
    if expected:
        assert parse_rcpt(argument.lower().replace("from:", "TO:", 1)).address == expected.lower()


@pytest.mark.parametrize(
    ("argument", "answer"),
    [
        ("", "501 5.5.4"),
        ("FROM", "501 5.5.4"),
        ("FROM:", "501 5.5.4"),
        ("FROM a@example.com", "501 5.5.4"),
        ("TO:<a@example.com>", "501 5.5.4"),
        ("FROM :<a@example.com>", "501 5.5.4"),
        ("FROM:a@example.com", "501 5.5.4"),
        ("FROM:<a@example.com", "501 5.5.4"),
        ("FROM:a@example.com>", "501 5.5.4"),
        ("FROM:<<a@example.com>>", "501 5.5.4"),
        ("FROM:<a@example.com>SIZE=1", "501 5.5.4"),
        ('FROM:<"a@example.com>', "501 5.5.4"),
        ("FROM:<a@>", "553 5.1.7"),
        ("FROM:<@example.com>", "553 5.1.7"),
        ("FROM:<a..b@example.com>", "553 5.1.7"),
        ("FROM:<.a@example.com>", "553 5.1.7"),
        ("FROM:<a b@example.com>", "553 5.1.7"),
        ("FROM:<a@exa mple.com>", "553 5.1.7"),
        ("FROM:<a@-example.com>", "553 5.1.7"),
        ("FROM:<a@example..com>", "553 5.1.7"),
        ("FROM:<a@[not closed>", "553 5.1.7"),
        ("FROM:<a b>", "553 5.1.7"),
        ("FROM:<a\u200b> SMTPUTF8", "553 5.1.7"),
        ("FROM:<ü>", "553 5.6.7"),
        ("FROM:<" + "a" * 65 + ">", "553 5.1.7"),
        ("FROM:<" + "a" * 65 + "@example.com>", "553 5.1.7"),
        ("FROM:<a@" + ".".join(["b" * 60] * 5) + ">", "501 5.1.7"),
        ("FROM:<ü@example.com>", "553 5.6.7"),
        ("FROM:<a@bücher.example>", "553 5.6.7"),
    ],
)
def test_a_wrong_reverse_path_names_its_reply(argument: str, answer: str) -> None:
    assert refused(parse_mail, argument) == answer


@pytest.mark.parametrize(
    ("argument", "answer"),
    [
        ("TO:<>", "553 5.1.3"),
        ("TO:<a b>", "553 5.1.3"),
        ("TO:<a@>", "553 5.1.3"),
        ('TO:<"postmaster">', "553 5.1.3"),
        ("TO:<a@example.com> SIZE=1", "555 5.5.4"),
        ("TO:<ü@example.com>", "553 5.6.7"),
        ("FROM:<a@example.com>", "501 5.5.4"),
    ],
)
def test_a_wrong_forward_path_names_its_reply(argument: str, answer: str) -> None:
    assert refused(parse_rcpt, argument) == answer


@pytest.mark.parametrize("name", ["Postmaster", "postmaster", "POSTMASTER"])
def test_postmaster_needs_no_domain(name: str) -> None:
    assert parse_rcpt(f"TO:<{name}>").address == name


@pytest.mark.parametrize("name", ["root", "Postmaster", '"a b"', "a.b+c"])
def test_a_sender_needs_no_domain(name: str) -> None:
    assert parse_mail(f"FROM:<{name}>") == Path(name)
    assert parse_mail(f"FROM:<{name}> SIZE=5") == Path(name, ("SIZE=5",), 5)


@pytest.mark.parametrize("name", ["root", '"a@b"', "ü"])
def test_a_recipient_without_a_domain_is_named(name: str) -> None:
    with pytest.raises(Malformed) as caught:
        parse_rcpt(f"TO:<{name}>", utf8=True)
    assert str(caught.value.reply) == f"553 5.1.3 {name} has no domain"


def test_smtputf8_allows_any_letter() -> None:
    assert parse_mail("FROM:<грета@пример.example> SMTPUTF8") == Path("грета@пример.example", ("SMTPUTF8",), utf8=True)
    assert parse_rcpt("TO:<用户@例子.example>", utf8=True).address == "用户@例子.example"


@pytest.mark.parametrize(
    ("parameters", "size"),
    [
        ("SIZE=100", 100),
        ("size=0", 0),
        ("BODY=8BITMIME", 0),
        ("body=7bit", 0),
        ("BODY=8BITMIME SIZE=5 AUTH=QQ+2B1", 5),
    ],
)
def test_parameters_of_mail_are_kept_as_sent(parameters: str, size: int) -> None:
    path = parse_mail(f"FROM:<a@example.com> {parameters}")
    assert path == Path("a@example.com", tuple(parameters.split()), size)


@pytest.mark.parametrize(
    ("parameters", "answer"),
    [
        ("AUTH=", "501 5.5.4"),
        ("RET=FULL", "555 5.5.4"),
        ("ENVID=a", "555 5.5.4"),
        ("NOTIFY=NEVER", "555 5.5.4"),
        ("X-OWN", "555 5.5.4"),
        ("SIZE", "501 5.5.4"),
        ("SIZE=", "501 5.5.4"),
        ("SIZE=1k", "501 5.5.4"),
        ("SIZE=²", "501 5.5.4"),
        ("SIZE=123456789012345678901", "501 5.5.4"),
        ("SIZE=1 SIZE=1", "501 5.5.4"),
        ("SIZE=1 size=2", "501 5.5.4"),
        ("BODY=9BIT", "501 5.5.4"),
        ("SMTPUTF8=yes", "501 5.5.4"),
        ("BODY=8B\u0131TMIME", "501 5.5.4"),
        ("AUTH=a+zz", "501 5.5.4"),
        ("=1", "501 5.5.4"),
        ("-A=1", "501 5.5.4"),
        ("SIZE=1=2", "501 5.5.4"),
    ],
)
def test_a_wrong_parameter_of_mail_names_its_reply(parameters: str, answer: str) -> None:
    assert refused(parse_mail, f"FROM:<a@example.com> {parameters}") == answer


@pytest.mark.parametrize(
    ("parameters", "answer"),
    [("NOTIFY=NEVER", "555 5.5.4"), ("ORCPT=rfc822;a@example.com", "555 5.5.4"), ("=1", "501 5.5.4")],
)
def test_a_wrong_parameter_of_rcpt_names_its_reply(parameters: str, answer: str) -> None:
    assert refused(parse_rcpt, f"TO:<a@example.com> {parameters}") == answer


@pytest.mark.parametrize("name", ["a\u200bb@example.com", "a\x85@example.com", "a@exam\u202eple.com"], ids=ascii)
def test_an_invisible_character_is_refused(name: str) -> None:
    assert refused(parse_mail, f"FROM:<{name}> SMTPUTF8") == "553 5.1.7"
    assert refused(parse_rcpt, f"TO:<{name}>", utf8=True) == "553 5.1.3"


def test_half_a_character_is_no_address() -> None:
    assert refused(parse_mail, "FROM:<\ud800@example.com> SMTPUTF8") == "553 5.1.7"
    assert refused(parse_rcpt, "TO:<" + "\ud800" * 90 + "@example.com>", utf8=True) == "501 5.1.3"


def test_parameters_are_refused_after_helo() -> None:
    assert refused(parse_mail, "FROM:<a@example.com> SIZE=1", extended=False) == "555 5.5.4"
    assert refused(parse_rcpt, "TO:<a@example.com> NOTIFY=NEVER", extended=False) == "555 5.5.4"


WORDS = st.sampled_from([
    "FROM:", "TO:", "<", ">", "@", "a", ".", '"', "\\", " ", "example.com", "[127.0.0.1]", "[", "]", ":", ",", "SIZE=1",
    "SMTPUTF8", "BODY=", "=", "ü", "\0", "\ud800", "postmaster", "x" * 80, "NOTIFY=", "\u2028",
])  # fmt: skip
ARGUMENTS = st.lists(WORDS, max_size=12).map("".join) | st.text(max_size=60)


@settings(deadline=None)
@given(ARGUMENTS, st.booleans(), st.booleans())
def test_whatever_comes_is_a_path_or_malformed(argument: str, extended: bool, utf8: bool) -> None:  # noqa: FBT001
    for prefix in ("", "FROM:<", "TO:<"):
        try:
            path = parse_mail(prefix + argument, extended=extended)
            valid = addressing.is_mailbox(path.address) or addressing.is_local_part(path.address)
            assert not path.address or valid
        except Malformed:
            pass
        try:
            path = parse_rcpt(prefix + argument, extended=extended, utf8=utf8)
            assert path.address.lower() == "postmaster" or addressing.is_mailbox(path.address)
        except Malformed:
            pass


ADDRESSES = st.lists(
    st.sampled_from(["a", "Z9", ".", "@", "-", "+", "_", "x" * 33, "y" * 63, "example", "com", " ", "="]), max_size=9
)


@settings(deadline=None)
@given(ADDRESSES.map("".join))
def test_the_fast_way_takes_only_what_the_slow_way_takes(text: str) -> None:
    fast = address._PLAIN.fullmatch(f"FROM:<{text}>")
    if fast and len(text) <= addressing.MAX_LOCAL:
        assert addressing.is_mailbox(text)
    elif addressing.is_mailbox(text):
        assert parse_mail(f"FROM:<{text}>").address == text


@pytest.mark.parametrize("argument", ['FROM:<"' + "\\" * 2000, "FROM:<" + '"' * 2000, "FROM:<" + "a." * 1000 + ">"])
def test_no_argument_takes_long(argument: str) -> None:
    refused(parse_mail, argument)  # a regular expression that tries everything would not come back
