"""What is an address, and which are the same."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sirrchat_testkit.mail import addresses as addressing


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Ann@Example.COM", "ann@example.com"),
        ('"ann"@example.com', "ann@example.com"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("J\u00e9r\u00f4me@example.com", "je\u0301ro\u0302me@example.com"),
        ("E\u0301@example.com", "\u00c9@example.com"),
        ("H\u0331@example.com", "\u1e96@example.com"),
    ],
)
def test_two_spellings_are_one_address(one: str, other: str) -> None:
    assert addressing.key(one) == addressing.key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("ann@example.com", "ann@example.org"),
        ('"a b"@example.com', "ab@example.com"),
        ("a+b@x.example", "a@x.example"),
        ("\u212a@example.com", "k@example.com"),
        ("\u212a@example.com", "K@example.com"),
        ('"\u212a"@example.com', "k@example.com"),
        ("\u212a\u00e9@example.com", "k\u00e9@example.com"),
        ("a\u037e@example.com", '"a;"@example.com'),
        ("\u1fef@example.com", "`@example.com"),
        ("\u00c9@example.com", "\u00e9@example.com"),
        ("\u0130@example.com", "i\u0307@example.com"),
        ("\u017f@example.com", "s@example.com"),
    ],
)
def test_two_addresses_stay_two(one: str, other: str) -> None:
    assert addressing.key(one) != addressing.key(other)


@pytest.mark.parametrize(
    "text",
    [
        "a@b",
        "a.b+c@example.test",
        '"a b"@example.com',
        '"a\\"b"@example.com',
        "a@[127.0.0.1]",
        "a@[IPv6:::1]",
        "用户@例子.广告",
        f"{'a' * 64}@example.com",
    ],
)
def test_a_mailbox(text: str) -> None:
    assert addressing.is_mailbox(text)


@pytest.mark.parametrize(
    "text",
    [
        *["", "a", "@b", "a@", "a@b@c", ".a@b", "a.@b", "a..b@c", "a b@c", "a@-b", "a@b_", "a@b..c", '"a@b', "a@[::1]"],
        *["a\n@b", "a@b\n", f"{'a' * 65}@b", f"a@{'b' * 64}.c", f"a@{'.'.join(['b' * 60] * 5)}", "a\x00@b"],
    ],
)
def test_no_mailbox(text: str) -> None:
    assert not addressing.is_mailbox(text)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "it is empty"),
        ("ann", "it has no domain"),
        ("@b.example", "nothing stands before the @"),
        (f"{'a' * 65}@b.example", "it has more than 64 bytes before the @"),
        ("\u00e9" * 33 + "@b.example", "it has more than 64 bytes before the @"),
        (f"a@{'.'.join(['b' * 60] * 5)}", "it has more than 254 bytes"),
        ("a\u200bb@b.example", "it has an invisible character"),
        ("a@-b", "'-b' is not a host name"),
        ("a b@b.example", "'a b' needs quotes, or has a character or a dot that may not be there"),
        (".a@b.example", "'.a' needs quotes, or has a character or a dot that may not be there"),
        ("a@b.example", ""),
    ],
    ids=ascii,
)
def test_why_a_text_is_no_mailbox(text: str, why: str) -> None:
    assert addressing.flaw(text) == why


@pytest.mark.parametrize(
    "character",
    [
        *[
            "\x85",
            "\xad",
            "\u034f",
            "\u061c",
            "\u180e",
            "\u200b",
            "\u200c",
            "\u200d",
            "\u200e",
            "\u200f",
            "\u2028",
            "\u2029",
        ],
        *["\u202a", "\u202e", "\u2060", "\u2066", "\u2069", "\u3164", "\ufe0f", "\ufeff", "\uffa0", "\U000e0041"],
    ],
    ids=ascii,
)
@pytest.mark.parametrize("text", ["a{}b@example.com", "\u00e9{}@example.com", '"a {}"@example.com', "a@exam{}ple.com"])
def test_a_mailbox_has_no_control_bidirectional_or_zero_width_characters(text: str, character: str) -> None:
    assert not addressing.is_mailbox(text.format(character))
    assert addressing.is_mailbox(text.format(""))
    assert not addressing.is_domain(f"a{character}b.example")


@pytest.mark.parametrize("text", ["a", "A.b_c+d-e", "0", "a" * 64])
def test_a_name_for_a_disposable_address(text: str) -> None:
    assert addressing.is_name(text)


@pytest.mark.parametrize("text", ["", ".a", "a.", "a..b", "a@b", "ä", "a b", "a" * 65, "a\n"])
def test_no_name_for_a_disposable_address(text: str) -> None:
    assert not addressing.is_name(text)


@given(st.text())
def test_any_text_has_a_key_and_a_verdict(text: str) -> None:
    assert addressing.key(addressing.key(text)) == addressing.key(text)
    assert addressing.is_mailbox(text) is not bool(addressing.flaw(text))
