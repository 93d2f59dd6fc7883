"""A page is cut where its parser would take long, or much memory, and ordinary pages are read as a whole."""

from __future__ import annotations

import resource
import sys
from collections.abc import Callable

import pytest
from selectolax.lexbor import LexborHTMLParser

from sirrchat_testkit.mail.markup import bounded, unread
from tests.mail.test_cost import seconds

SIZE = 1_000_000


def numbered(unit: str, size: int = SIZE) -> str:
    return "".join(unit.format(number) for number in range(size // len(unit)))


HOSTILE: dict[str, Callable[[], str]] = {
    "formatting elements that are not closed": lambda: numbered("<b a={}><p>"),
    "the same in a table": lambda: "<table>" + numbered("<b a={}><tr>"),
    "the same with wrong ends": lambda: numbered("<b a={}></i></q><p>"),
    "the same behind a script": lambda: "<script><b a='</script>" + numbered("<b a={}><p>"),
    "the same behind a comment": lambda: "<!--<b a='-->" + numbered("<b a={}><p>"),
    "the same with signs in their attributes": lambda: numbered("<b a='>{}'><p>"),
    "the same with tags in their attributes": lambda: numbered("<b a='<i {}'><p>"),
    "attributes of one tag": lambda: "<p " + numbered("a{} ") + ">",
    "attributes with slashes": lambda: "<p/" + numbered("a{}/") + ">",
    "attributes with signs": lambda: "<p " + numbered("a{}='>'") + ">",
    "attributes of an end": lambda: "</p " + numbered("a{} ") + ">",
    "attributes of many body tags": lambda: numbered("<body a{}>"),
    "items of lists in each other": lambda: "<li><dd><dt>" * (SIZE // 12),
    "elements with wrong ends": lambda: "<div></x>" * (SIZE // 9),
    "nested fonts": lambda: numbered("<font size={}>"),
    "tags in tags": lambda: ("<p " * 250 + ">") * (SIZE // 751),
    "nested elements": lambda: "<div>" * (SIZE // 5),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_page_is_cut_and_then_parsed_fast(name: str) -> None:
    page = HOSTILE[name]()
    bounded.cache_clear()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    cut = bounded(page)
    assert len(cut) < len(page)
    assert min(seconds(lambda: LexborHTMLParser(cut)) for _ in range(3)) < 0.1
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 64 * (1024**2 if sys.platform == "darwin" else 1024)
    [reason] = unread(page)
    assert reason.startswith("the HTML is longer than 1024 KiB, has more than 16000 tags")


@pytest.mark.parametrize(
    "page",
    [
        "<ul>" + "<li>one<ul><li>two</ul>" * 2000 + "</ul>",
        "<dl>" + "<dt>one<dd>two" * 2000 + "</dl>",
        "<table>" + "<tr><td>a<td>b" * 2000 + "</table>",
        "<p><b>a</b> <i>b</i> <font color=red>c</font>" * 2000,
        "<p>a <font size=2>b" * 2000,
        "<br><img src=a><hr>" * 2000,
        "<p>1 < 2, and a<b" * 100,
        "<p title='a > b and a < b'>x</p>" * 2000,
        "<img alt='' src='data:image/png;base64," + "QUJ/" * 100_000 + "'>",
        "<p " + " ".join(f"data-{number}=x" for number in range(250)) + ">x</p>",
        "<div>" * 500 + "</div>" * 500 + "<div>" * 500,
        "<a href=x>y<p>" * 1000,
    ],
    ids=lambda page: page[:24],
)
def test_an_ordinary_page_is_read_as_a_whole(page: str) -> None:
    assert bounded(page) == page
    assert unread(page) == ()


def test_the_last_tag_that_is_read() -> None:
    assert bounded("<br>" * 16_000 + "x") == "<br>" * 16_000 + "x"
    assert bounded("<br>" * 16_001) == "<br>" * 16_000
