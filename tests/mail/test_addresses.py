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
    ],
)
def test_two_spellings_are_one_address(one: str, other: str) -> None:
    assert addressing.key(one) == addressing.key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("ann@example.com", "ann@example.org"), ('"a b"@example.com', "ab@example.com"), ("a+b@x.example", "a@x.example")],
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


@pytest.mark.parametrize("text", ["a", "A.b_c+d-e", "0", "a" * 64])
def test_a_name_for_a_disposable_address(text: str) -> None:
    assert addressing.is_name(text)


@pytest.mark.parametrize("text", ["", ".a", "a.", "a..b", "a@b", "ä", "a b", "a" * 65, "a\n"])
def test_no_name_for_a_disposable_address(text: str) -> None:
    assert not addressing.is_name(text)


@given(st.text())
def test_any_text_has_a_key_and_a_verdict(text: str) -> None:
    assert addressing.key(addressing.key(text)) == addressing.key(text)
    assert addressing.is_mailbox(text) in {True, False}
