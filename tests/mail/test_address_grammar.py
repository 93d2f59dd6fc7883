"""Address fields made by the grammar of RFC 5322, its obsolete forms, and the habits of mail programs."""

from __future__ import annotations

from base64 import b64encode

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from sirrchat_testkit.mail.address_headers import ADDRESS_FIELDS, ADDRESSES, bare_addresses, named_addresses
from sirrchat_testkit.mail.encoded_words import decode_header
from sirrchat_testkit.mail.mime import parse, read_header

Part = tuple[str, str]
"""What is written, and what it means."""

Entry = tuple[str, list[tuple[str, str]]]
"""What is written, and the addresses with their names that it has."""


def named(field: str) -> list[tuple[str, str]]:
    """Return the addresses with their names, decoded."""
    return [(address, decode_header(name)) for address, name in named_addresses(field)]


WORDS = st.sampled_from(["Ann", "Example", "O'Neill", "M.", "Jérôme", "確認", "d'Été", "x_y", "Q-Z", "0"])
ODD_TEXT = st.lists(st.sampled_from([*"ab ,.:;<>@()'", "Ann", "é", "確"]), min_size=1, max_size=8).map("".join)
COMMENT_TEXT = st.lists(st.sampled_from([*'ab,.:;<>@"', "Ann", "é"]), min_size=1, max_size=5).map("".join)
BLANK = st.sampled_from([" ", " ", " ", "\t", "\r\n ", "  "])


def folded(text: str) -> str:
    return " ".join(text.split())


@st.composite
def comments(draw: st.DrawFn) -> str:
    """A comment, perhaps with another one inside of it."""
    text = draw(COMMENT_TEXT)
    inner = draw(st.none() | COMMENT_TEXT)
    return f"({text})" if inner is None else f"({text} ({inner}))"


@st.composite
def cfws(draw: st.DrawFn, *, least: str = "") -> str:
    """White space and comments; ``least`` is what stands there if nothing is drawn."""
    kind = draw(st.integers(0, 9))
    if kind < 6:
        return least
    if kind < 8:
        return draw(BLANK)
    return draw(BLANK) + draw(comments()) + draw(BLANK)


@st.composite
def encoded_words(draw: st.DrawFn) -> Part:
    """A text in one encoded-word or in several, of which the bytes may be split anywhere."""
    text = " ".join(draw(st.lists(WORDS | st.sampled_from(["a,b", "<x@y.example>", "(c)"]), min_size=1, max_size=3)))
    data = text.encode()
    cut = draw(st.integers(1, len(data)))
    words = []
    for piece in filter(None, (data[:cut], data[cut:])):
        if draw(st.booleans()):
            words.append(f"=?utf-8?B?{b64encode(piece).decode()}?=")
        else:
            words.append("=?UTF-8?q?" + "".join(f"={byte:02X}" for byte in piece) + "?=")
    return draw(st.sampled_from([" ", "\r\n ", "\t"])).join(words), text


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@st.composite
def phrases(draw: st.DrawFn) -> Part:
    """A display name: words, quoted strings or encoded-words, in any order."""
    written: list[str] = []
    meant: list[str] = []
    encoded = False
    for _ in range(draw(st.integers(1, 3))):
        kind = draw(st.integers(0, 4))
        if kind < 3:
            word = draw(WORDS)
            written, meant, encoded = [*written, word], [*meant, word], False
        elif kind == 3:
            text = draw(ODD_TEXT | st.sampled_from(['"', "\\", 'The "Q"']))
            written, meant, encoded = [*written, quoted(text)], [*meant, text], False
        elif not encoded:  # between two encoded-words there would be no blank
            word, text = draw(encoded_words())
            written, meant, encoded = [*written, word], [*meant, text], True
    together = written[0]
    for word in written[1:]:
        together += draw(cfws(least=" ")) + word
    return together, folded(" ".join(meant))


LOCALS = st.sampled_from(["ann", "a.b", "bob+tag", "x_y", "o'neill", "jérôme", "用户", "0", "a-b", "{x}"])
QUOTED_LOCALS = st.sampled_from(['"a b"', '"a,b"', '"a@b"', '"a\\"b"', '"a:b;"', '"<x>"', '"("', '"a..b"'])
DOMAINS = st.sampled_from(
    [
        "shop.example",
        "x.example",
        "bücher.example",
        "xn--bcher-kva.example",
        "例子.广告",
        "[192.0.2.1]",
        "[IPv6:::1]",
        "localhost",
    ]
)


@st.composite
def specs(draw: st.DrawFn) -> Part:
    """An address without a name; comments and blanks may surround its dots and its @ sign, as in RFC 822."""
    local, domain = draw(LOCALS | QUOTED_LOCALS), draw(DOMAINS)
    meant = f"{local}@{domain}"
    if draw(st.integers(0, 3)) or '"' in local or "[" in domain:
        return meant, meant
    pieces = [each for word in meant.replace("@", ".@.").split(".") for each in (word, ".")][:-1]
    written = "".join(pieces).replace(".@.", draw(cfws()) + "@" + draw(cfws()))
    return written, meant


@st.composite
def angles(draw: st.DrawFn) -> Part:
    """An address in angle brackets, perhaps with a route."""
    written, meant = draw(specs())
    route = draw(
        st.sampled_from(["", "", "", "@relay.example:", "@a.example,@b.example:", "@a.example , @b.example : "])
    )
    return f"<{draw(cfws())}{route}{written}{draw(cfws())}>", meant


@st.composite
def mailboxes(draw: st.DrawFn) -> tuple[str, tuple[str, str]]:
    kind = draw(st.integers(0, 5))
    if kind == 0:
        written, meant = draw(specs())
        return written, (meant, "?" if "(" in written.replace('"("', "") else "")
    if kind == 1:
        written, meant = draw(specs())
        text = draw(COMMENT_TEXT.filter(lambda text: '"' not in text))
        if "(" in written:  # two comments would both be the name
            return written, (meant, "?")
        return f"{written} ({text})", (meant, folded(text))
    written, meant = draw(angles())
    if kind == 2:
        return written, (meant, "?" if "(" in written.replace('"("', "") else "")
    phrase, name = draw(phrases())
    return phrase + draw(cfws(least=" ")) + written + draw(cfws()), (meant, name)


@st.composite
def fields(draw: st.DrawFn) -> Entry:
    """A whole field: mailboxes, groups and empty entries."""
    written: list[str] = []
    found: list[tuple[str, str]] = []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.integers(0, 9))
        if kind < 7:
            text, each = draw(mailboxes())
            written.append(text)
            found.append(each)
        elif kind < 9:
            members = draw(st.lists(mailboxes(), max_size=2))
            name, _ = draw(phrases())
            written.append(f"{name}{draw(cfws())}:{draw(BLANK)}" + ", ".join(text for text, _ in members) + ";")
            found += [each for _, each in members]
        else:
            written.append(draw(cfws()))
    separator = draw(st.sampled_from([",", ", ", ",\r\n ", " , "]))
    return separator.join(written), found


@settings(max_examples=500, deadline=None)
@given(fields())
@example(("Reinman, Andris <a@x.example>", [("a@x.example", "Reinman, Andris")]))
@example(("von Reinman, Andris, Dr. <a@x.example>, Jr.", [("a@x.example", "von Reinman, Andris, Dr.")]))
@example(("a@x.example (one) (two)", [("a@x.example", "one two")]))
@example(("a@x.example (a \\) b)", [("a@x.example", "a ) b")]))
@example(("A: a@x.example; B: b@x.example;", [("a@x.example", ""), ("b@x.example", "")]))
@example(("'Ann' <a@x.example>", [("a@x.example", "'Ann'")]))
@example(("b@x.example <a@x.example>", [("a@x.example", "b@x.example")]))
@example(('"=?utf-8?q?Gr=C3=BCn=2C_Ann?=" <a@x.example>', [("a@x.example", "Grün, Ann")]))
def test_every_address_of_a_field_is_found_with_its_name(field: Entry) -> None:
    written, expected = field
    assume(expected or "=?" not in written)  # an encoded address alone is read, also if it is the name of a group
    found = named(written)
    assert [address for address, _ in found] == [address for address, _ in expected]
    assert bare_addresses(written) == tuple(address for address, _ in found)
    for (_, name), (_, wanted) in zip(found, expected, strict=True):
        assert wanted in {"?", name}


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("a@x.example (one)(two)", [("a@x.example", "one two")]),
        ("<a@x.example> (one)", [("a@x.example", "one")]),
        ('"Ann <a@x.example>', [("a@x.example", "Ann")]),
        ('Ann" <a@x.example>', [("a@x.example", "Ann")]),
        ('"" <a@x.example> (Ann)', [("a@x.example", "Ann")]),
        ('Ann "a@y.example" <a@x.example>', [("a@x.example", "Ann a@y.example")]),
        ("a @ x.example", [("a@x.example", "")]),
        ("a (c) @ (c) x .example", [("a@x.example", "c c")]),
        ("a@x .example b@y.example", [("b@y.example", "")]),
        ('"a b" @x.example', [('"a b"@x.example', "")]),
        ("a(c)b@x.example", [("ab@x.example", "c")]),
        ("[a b]@x.example", [("[a b]@x.example", "")]),
        ("a@[a b", [("a@[a b", "")]),
        ("Ann\N{NO-BREAK SPACE}Example <a@x.example>", [("a@x.example", "Ann Example")]),
        ("\N{NO-BREAK SPACE}a@x.example", [("a@x.example", "")]),
        ("Ann <a@x.example,", [("a@x.example", "Ann")]),
        ("Ann <, b@x.example", [("b@x.example", "")]),
        ("Ann <,b@x.example", [("b@x.example", "")]),
        ("Ann <a@x.example,;,b@x.example", [("a@x.example", "Ann"), ("b@x.example", "")]),
        ("<@a.example,,@b.example:a@x.example>", [("a@x.example", "")]),
        ("<<a@x.example>>", [("a@x.example", "")]),
        ("<b@x.example> <a@x.example>", [("a@x.example", "")]),
        (",, ; ,a@x.example,(c),;,b@x.example;", [("a@x.example", ""), ("b@x.example", "")]),
        ("a\\,b@x.example", [("a\\,b@x.example", "")]),
        ("Ann (one <b@x.example>", [("Ann", "one <b@x.example>")]),
        ("=?utf-8?q?root?=", [("=?utf-8?q?root?=", "")]),
        ("=?utf-8?q?a=40x.example?=", [("a@x.example", "")]),
        ("=?utf-8?q?Ann=2C?= <a@x.example>", [("a@x.example", "Ann,")]),
    ],
)
def test_odd_forms(field: str, found: list[tuple[str, str]]) -> None:
    assert named(field) == found
    assert bare_addresses(field) == tuple(address for address, _ in found)


_NOT_READ = "there are more than 50 address fields, or 1000 addresses or other tokens in them: the rest was not read"


@pytest.mark.parametrize("unit", ["a{}@x.example, ", "Ann <a{}@x.example>, ", "Ann Example\t<a{}@x.example>,"])
def test_a_long_list_has_the_same_addresses_with_and_without_names(unit: str) -> None:
    field = "".join(map(unit.format, range(ADDRESSES))).rstrip(", ")
    found = named_addresses(field)
    assert len(found) == ADDRESSES
    assert bare_addresses(field) == tuple(address for address, _ in found)


def test_the_marks_in_a_comment_with_others_count_as_tokens() -> None:
    assert bare_addresses("(" * 100 + ")" * 100 + "a@x.example") == ("a@x.example",)
    assert bare_addresses("(" + "()" * 300 + ")a@x.example") == ()
    assert bare_addresses("(" + "\\)" * 600 + ")a@x.example") == ()


@pytest.mark.parametrize(
    ("unit", "tokens"),
    [
        ("a{}@x.example, ", 1),
        ("Ann Example <a{}@x.example>,", 1),
        ('"Example, Ann" <a{}@x.example>, ', 1),
        ("a{}@x.example (Ann), ", 15),  # three for a word, a blank, a comment, a comma, and at most a blank
        ("Team: a{}@x.example;", 15),
        ("=?utf-8?q?Ann?= <a{}@x.example>, ", 1),
    ],
)
@pytest.mark.parametrize("size", [30, 300])
def test_the_address_fields_of_a_message_share_one_limit(unit: str, tokens: int, size: int) -> None:
    """The fields of From and To come first, whatever their order, so that both readers return the same addresses."""
    fields = ["".join(map(unit.format, range(begin, begin + size))) for begin in range(0, 1400, size)]
    names = ("Cc", "To", "To", "Reply-To")
    raw = "\r\n".join(f"{names[number % 4]}: {field}" for number, field in enumerate(fields)).encode()
    raw += b"\r\nFrom: shop@x.example\r\n\r\nHello\r\n"

    on_receipt, read = read_header(raw), parse(raw)

    assert on_receipt.sender == "shop@x.example"
    assert on_receipt.to == read.to
    found = len((*read.to, *read.cc, *read.reply_to))
    assert ADDRESSES // tokens - 1 <= found < ADDRESSES
    assert read.problems == (_NOT_READ,)


def test_a_message_has_fifty_address_fields_at_most() -> None:
    to = "".join(f"To: a{number}@x.example\r\n" for number in range(ADDRESS_FIELDS))
    raw = f"Subject: x\r\n{to}Cc: b@x.example\r\nFrom: shop@x.example\r\n\r\nHello\r\n".encode()

    on_receipt, read = read_header(raw), parse(raw)

    assert on_receipt.sender == "shop@x.example"
    assert on_receipt.to == read.to == tuple(f"a{number}@x.example" for number in range(ADDRESS_FIELDS - 1))
    assert read.cc == ()
    assert read.problems == (_NOT_READ,)


@pytest.mark.parametrize("comma", [", ", ",\r\n "])
def test_as_many_addresses_as_the_limit_are_no_problem(comma: str) -> None:
    to = comma.join(f"a{number}@x.example" for number in range(ADDRESSES - 1))
    message = parse(f"From: shop@x.example\r\nTo: {to}\r\nCc: \r\n\r\n".encode())
    assert len(message.to) == ADDRESSES - 1
    assert message.problems == ()
