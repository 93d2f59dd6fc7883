"""Reading costs what a message is long: of whatever shape, four times the size costs about four times as much."""

import itertools
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sirrchat_testkit import NotExactlyOne
from sirrchat_testkit.comparing import LIKE
from sirrchat_testkit.mail import html
from sirrchat_testkit.mail.addresses import is_domain, is_mailbox, key
from sirrchat_testkit.mail.code_ranking import tokens_backwards, tokens_in
from sirrchat_testkit.mail.encoded_words import decode_header
from sirrchat_testkit.mail.links import Link
from sirrchat_testkit.mail.markup import bounded
from sirrchat_testkit.mail.mime import parse, read_header
from sirrchat_testkit.mail.parameters import parameter
from sirrchat_testkit.signing import sign
from sirrchat_testkit.smtp import paths
from tests.mail.shapes import (
    HEADERS,
    MESSAGES,
    TEXTS,
    UNITS_OF_PAGES,
    UNITS_OF_TEXTS,
    multipart,
    nested,
    plain,
    repeated,
)

QUICK = 0.05
"""Seconds of CPU below which a reading is quick whatever its size; noise would decide."""

WORST = 9.0
"""Times the cost at four times the size; a quadratic reader has 16."""


def seconds(run: Callable[[], object]) -> float:
    begun = time.thread_time()
    run()
    return time.thread_time() - begun


def assert_linear(read: Callable[[Any], object], shape: Callable[[int], Any], size: int, most: int) -> None:
    """Assert it at the smallest size, doubled from ``size`` to ``most``, at which reading is not quick."""
    while True:
        text, longer = shape(size), shape(4 * size)
        once = min(seconds(partial(read, text)) for _ in range(2))
        if once >= QUICK / 4 or size >= most:
            break
        size *= 2
    cost = 0.0
    for _ in range(4):  # the machine is shared: one quiet measurement is enough
        cost = seconds(partial(read, longer))
        if cost < QUICK or cost < WORST * once:
            return
        once = max(once, seconds(partial(read, text)))
    raise AssertionError(f"{size} cost {once:.3f} s, four times as much {cost:.3f} s")


@pytest.mark.parametrize("name", MESSAGES)
@pytest.mark.parametrize("read", [read_header, parse])
def test_a_message_of_any_shape(name: str, read: Callable[[bytes], object]) -> None:
    assert_linear(read, MESSAGES[name], 16_384, 262_144)


PLAIN = plain(262_144)


def assert_cheap(raw: bytes, *, on_receipt: float, read: float) -> None:
    """Assert that receiving and reading ``raw`` cost at most so many times what reading a plain message costs."""
    costs = [0.0, 0.0]
    for _ in range(5):  # the machine is shared: one quiet measurement is enough
        plain = min(seconds(partial(parse, PLAIN)) for _ in range(3))
        costs = [min(seconds(partial(each, raw)) for _ in range(2)) / plain for each in (read_header, parse)]
        if costs[0] < on_receipt and costs[1] < read:
            return
    raise AssertionError(f"{costs[0]:.1f} times on receipt, {costs[1]:.1f} times to read")


@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_of_any_shape_costs_little_more_than_a_plain_one_of_its_size(name: str) -> None:
    """Measured: receiving up to 0.9 times what reading a plain message costs, reading up to 19 times, for 256 KiB.

    That are 0.5 ms and 12 ms; the 12 ms are those of 1000 parts, and of text in uuencode.
    """
    assert_cheap(MESSAGES[name](len(PLAIN)), on_receipt=2, read=28)


@pytest.mark.parametrize("name", HEADERS)
def test_many_long_address_fields_cost_little_more_than_a_plain_message_of_their_size(name: str) -> None:
    """Measured: receiving up to 0.8 times what reading a plain message costs, reading up to 2.3 times, for 256 KiB."""
    assert_cheap(HEADERS[name](len(PLAIN)), on_receipt=2, read=5)


def everything(raw: bytes) -> object:
    """Read all of a message, as if for the first time."""
    html._read.cache_clear()
    bounded.cache_clear()
    message = parse(raw)
    return html.links(message.text, message.html), html.codes(message.text, message.html, "Your code")


EVERY = MESSAGES | HEADERS | TEXTS


@pytest.mark.parametrize("name", EVERY)
def test_reading_all_of_a_message_costs_little_whatever_its_shape(name: str) -> None:
    """Measured: up to 4.9 times what reading a plain message costs, for 512 KiB on a busy machine."""
    raw, usual = EVERY[name](524_288), plain(524_288)
    for _ in range(4):  # the machine is shared: one quiet measurement is enough
        if seconds(partial(everything, raw)) < 15 * seconds(partial(everything, usual)):
            return
    raise AssertionError(f"reading costs {seconds(partial(everything, raw)):.3f} s")


@pytest.mark.parametrize("name", ["text of 'code 123456 '", "text of '123456\\n'", "cells with codes", "Big5"])
@pytest.mark.parametrize("size", [10_240, 102_400])
def test_reading_all_of_a_message_full_of_codes_costs_little_more_than_a_plain_one(name: str, size: int) -> None:
    """Measured: up to 6.7 times on a busy machine; 18 times when the text before each was searched as a whole."""
    raw, usual = EVERY[name](size), plain(size)
    most = cost = 0.0
    for _ in range(5):  # the machine is shared: one quiet measurement is enough
        most = 10 * min(seconds(partial(everything, usual)) for _ in range(3))
        cost = min(seconds(partial(everything, raw)) for _ in range(2))
        if cost < most:
            return
    raise AssertionError(f"reading costs {cost:.3f} s, more than {most:.3f} s")


@pytest.mark.parametrize("unit", UNITS_OF_TEXTS)
def test_codes_and_links_of_a_text(unit: str) -> None:
    assert_linear(lambda text: html.codes(text, ""), repeated(unit), 2048, 65_536)
    assert_linear(lambda text: html.links(text, ""), repeated(unit), 8192, 65_536)


@pytest.mark.parametrize("unit", UNITS_OF_PAGES)
def test_codes_and_links_of_a_page(unit: str) -> None:
    assert_linear(lambda page: html.codes("", page), repeated(unit), 2048, 65_536)
    assert_linear(lambda page: html.links("", page), repeated(unit), 8192, 65_536)
    assert_linear(lambda page: html.select(page, "a"), repeated(unit), 8192, 65_536)


def path(parse_path: Callable[[str], object], text: str) -> object:
    try:
        return parse_path(text)
    except paths.Malformed as error:
        return error


PARSERS: dict[str, tuple[Callable[[str], object], Sequence[str]]] = {
    "addresses": (
        lambda text: read_header(f"To: {text}\n\n".encode("utf-8", "replace")),
        [*'"\\()<>[],;:@. a', '"a"', "a@b.c", "=?", "?=", "=?utf-8?q?", "\n ", "\u0430"],
    ),
    "header words": (decode_header, ["=?", "?=", "?", "utf-8", "q", "b", "=41", "_", " ", "QQ==", "*en", "\n "]),
    "parameters": (
        lambda text: parameter(text, "name"),
        [*";=\"\\*'% a", "name", "name*", "name*0*=", "name*1=", "utf-8''", "%41", "\n "],
    ),
    "codes": (
        lambda text: html.codes(text, ""),
        [*" \n-.:/#+()$1A", "123", "code", "is", "2026", "jan", "order", "tel", "ABC", "http://", "@", "\u5e74"],
    ),
    "links": (
        lambda text: html.links(text, text),
        [
            "http://",
            "https:",
            "a",
            ".",
            "/",
            "(",
            ")",
            "<",
            ">",
            "<a href=",
            "</a>",
            "'",
            '"',
            " ",
            "\n",
            "&",
            "?",
            "#",
        ],
    ),
    "pages": (
        lambda text: html.codes("", text),
        [*"<>/&;\"'= a1", "<div>", "</div>", "<p>", "<td>", "<b>", "<a href=x>", "<!--", "-->", "<script>", "<svg>"],
    ),
    "mailboxes": (
        lambda text: (is_mailbox(text), is_domain(text), key(text)),
        [*'@."\\a-[]:', "IPv6:", "xn--", "\u00e9"],
    ),
    "paths": (
        lambda text: (path(paths.parse_mail, f"FROM:{text}"), path(paths.parse_rcpt, f"TO:{text}")),
        [*'<>@."\\a -[]:,=', "SIZE=", "BODY=", "ORCPT=", "\u00e9"],
    ),
    "URLs": (lambda text: (Link(text).path, Link(text).params), ["http://", "/", "?", "&", "=", "#", "%41", "a", ";"]),
    "secrets": (lambda text: sign(text, "id", 1, b"body"), ["whsec_", "A", "=", "+", " ", "\u00e9"]),
}


@pytest.mark.parametrize("name", PARSERS)
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True, database=None)
@given(data=st.data())
def test_a_parser_given_any_pattern(name: str, data: st.DataObject) -> None:
    parser, tokens = PARSERS[name]
    unit = "".join(data.draw(st.lists(st.sampled_from(tokens), min_size=1, max_size=4)))
    begin = "".join(data.draw(st.lists(st.sampled_from(tokens), max_size=2)))
    end = "".join(data.draw(st.lists(st.sampled_from(tokens), max_size=2)))
    assert_linear(quiet(parser), lambda size: begin + unit * (size // len(unit)) + end, 4096, 16_384)


def quiet(parser: Callable[[str], object]) -> Callable[[str], object]:
    def run(text: str) -> object:
        try:
            return parser(text)
        except (ValueError, NotExactlyOne) as error:
            return error

    return run


def test_of_a_very_long_text_the_ends_are_searched_for_codes() -> None:
    filler = "lorem ipsum dolor sit amet\n" * 20_000
    assert html.codes(f"Your code: 482913\n{filler}", "") == ("482913",)
    assert html.codes(f"{filler}Your code: 482913\n", "") == ("482913",)
    with pytest.raises(NotExactlyOne, match="code in the first and last 256 KiB of the text"):
        html.pick_code(f"{filler}Your code: 482913\n{filler}", "")


def test_a_failure_says_that_a_long_text_was_searched_near_words_such_as_code() -> None:
    text = "Something happened.\n" * 3000
    with pytest.raises(NotExactlyOne, match='code near words such as "code" in a text of more than 48 KiB'):
        html.pick_code(text, "")
    with pytest.raises(NotExactlyOne, match=r"^Found no code, expected"):
        html.pick_code(text[:10_000], "")


def test_of_very_many_candidates_the_ends_are_ranked() -> None:
    numbers = "".join(f"row {number:06} of many\n" for number in range(100_000, 106_000))
    assert html.codes(f"Your code: 482913\n{numbers}", "") == ("482913",)
    assert html.codes(f"{numbers}Your code: 482913\n", "") == ("482913",)
    assert html.codes(f"{numbers}Your code: 482913\n{numbers}", "") == ("482913",)
    many = "".join(f"code and row {number} of many\n" for number in range(1000, 3000))
    assert html.codes(f"{many}Your code: 482913\n{many}", "") == ()
    assert [each.value for each in html.candidates(many, "", "")[0]] == [
        *map(str, [*range(1000, 1200), *range(2800, 3000)])
    ]


@pytest.mark.parametrize(
    "unit", ["ABC-DEF 12 34 56 78 90 1234\n", "1 2 3 4 5\n\n", "482913\n" * 3 + "12 34 56 " * 400 + "\n"]
)
@pytest.mark.parametrize("start", [0, 1, 5000])
def test_candidates_are_the_same_from_both_ends(unit: str, start: int) -> None:
    text = repeated(unit)(20_000) + "482 913"
    assert [*tokens_backwards(text, start)][::-1] == [*tokens_in(text, start)]


def test_in_a_long_text_a_code_is_found_wherever_it_is() -> None:
    filler = "lorem ipsum dolor sit amet\n" * 10_000
    text = f"{filler}\nYour code: 482913\n{filler}Order 48291\n{filler}"
    for mail in ((text, ""), ("", f"<p>{text}</p>")):
        assert html.codes(*mail) == ("482913",)
        assert html.pick_code(*mail, near="order") == "48291"
        assert html.pick_code(*mail, r"Order (\d+)") == "48291"


@pytest.mark.timeout(20)
@pytest.mark.parametrize("unit", ["A", "1", "code", "code\n", "码", "a\n"])
def test_the_lines_near_words_are_found_in_a_text_of_one_word(unit: str) -> None:
    assert html.codes(unit * (600_000 // len(unit)), "") == ()


def test_the_first_links_of_a_text_and_of_a_page_are_read() -> None:
    urls = [f"https://a.example/{number}" for number in range(2100)]
    assert list(html.links("\n".join(urls), "")) == urls[:2000]
    assert list(html.links("", "\n".join(f"<a href={url}>x</a>" for url in urls))) == urls[:2000]
    assert list(html.links("", "\n".join(f"<img src={url}>" for url in urls))) == urls[:2000]
    assert html.links("x" * 262_144 + "\nhttps://a.example/", "") == ()


def test_a_word_at_a_cut_is_no_candidate() -> None:
    line = "Your code: " + "7" * 9 + " "
    text = line * (1_100_000 // len(line))
    assert {len(code) for code in html.codes(text, "")} == {9}


def test_what_exceeds_a_bound_is_named() -> None:
    assert parse(b"Subject: x\r\n\r\nHello").problems == ()
    assert parse(b"X: y\r\n" * 20_000 + b"\r\nHello").problems == (
        "the header is longer than 100 KiB or 500 fields: the rest of it was not read",
    )
    part = b'Content-Type: multipart/mixed; boundary="b"\r\n\r\n--b\r\n' + b"X: y\r\n" * 201 + b"\r\nHello"
    assert parse(part).problems == (
        "the header of a part is longer than 8 KiB or 100 fields: the rest of it was not read",
    )
    many = multipart("--b\r\n\r\nx\r\n")(20_000)
    assert parse(many).problems == ("the message has more than 1000 parts: the others were not read",)
    deep = parse(nested(20_000))
    assert deep.problems == ("parts are nested more than 100 deep: the inner ones were not divided",)
    wide = (
        b"".join(b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (i, i) for i in range(50))
        + b"x\n" * 150_000
    )
    assert parse(wide).problems == ("the nested parts are too large: the inner ones were not divided",)


def test_a_transfer_encoding_that_exceeds_a_bound_is_named() -> None:
    texts = b"Content-Transfer-Encoding: base64\r\n\r\n" + b"aGk=\r\n" * 1001
    assert parse(texts).text == "hi" * 1000
    assert parse(texts).problems == ("a part has more than 1000 Base64 texts: the others were not read",)
    assert parse(texts.replace(b"aGk=\r\n", b"", 1)).problems == ()
    lines = b"Content-Transfer-Encoding: x-uuencode\r\n\r\nbegin 644 x\n" + b'"0V%T\n' * 500_000
    assert parse(lines).problems == ("a uuencoded part has more than 500000 lines: the others were not read",)


def test_a_message_within_the_bounds_is_read_as_a_whole() -> None:
    parts = "".join(f"--b\r\n\r\npart {number}\r\n" for number in range(999))
    message = parse(f'Content-Type: multipart/mixed; boundary="b"\r\n\r\n{parts}--b--\r\n'.encode())
    assert message.problems == ()
    assert message.text.splitlines() == [f"part {number}" for number in range(999)]


def test_a_page_is_read_to_a_depth_of_512() -> None:
    def page(depth: int) -> str:
        return "<div>" * depth + "Your code: 482913"

    assert html.codes("", page(512)) == ("482913",)
    assert html.codes("", page(513)) == ()
    flat = "<div>x</div>" * 3000 + "<p>" * 3000 + "<b>" * 3000 + "<br>" * 3000
    assert html.codes("", flat + page(1)) == ("482913",)


def test_a_pattern_with_many_stars() -> None:
    for wanted in ("*a" * 20 + "*b", "*" * 50 + "b", "*a?" * 10 + "b*"):
        assert_linear(partial(LIKE.holds, wanted), repeated("a"), 1024, 65_536)


def test_quadratic_reading_would_be_noticed() -> None:
    def quadratic(text: str) -> int:
        return sum(1 for _ in itertools.product(text[:: len(text) // 600 or 1] * (len(text) // 4096), text[::512]))

    with pytest.raises(AssertionError, match="four times as much"):
        assert_linear(quadratic, repeated("a"), 65_536, 65_536)
