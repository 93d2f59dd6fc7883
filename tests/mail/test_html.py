"""Links, codes and attachments out of messages, and the words for why none was picked."""

import copy
import json
import pickle
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sirrchat_testkit.mail.html import (
    Link,
    NotExactlyOne,
    codes,
    links,
    pick_attachment,
    pick_link,
    select,
    visible_text,
)
from sirrchat_testkit.mail.mime import Attachment, parse

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.eml"))
PARSED = {path.stem: parse(path.read_bytes()) for path in SAMPLES}
SIGNUP = links(PARSED["signup"].text, PARSED["signup"].html)
CONFIRM = "https://shop.example/confirm?token=aZ09_-x&lang=en"


def _named(value: object) -> str:
    """Name a case without what differs from run to run, so that workers collect the same tests."""
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))


samples = pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)
PIECES = """
https://a.b/ | <a href=' | '> | </a> | <td> | <https:// | code | 1234 | 12- | 2026- | +1 | 1 | € | . | , | ) | &amp;
<!-- | <img src=http://x | A-B | mar | [ | = | # | year
"""
hostile = st.lists(
    st.sampled_from([*re.split(r" \| |\n", PIECES), " ", "\n", "\ud800", "\0"]) | st.text(max_size=3), max_size=40
).map("".join)


@samples
def test_links_of_a_sample_are_its_golden_ones(path: Path) -> None:
    golden = json.loads(path.with_suffix(".json").read_text("utf-8"))["links"]
    found = links(PARSED[path.stem].text, PARSED[path.stem].html)
    assert [{"url": str(link), "text": link.text, "purpose": link.purpose} for link in found] == golden


@samples
def test_codes_of_a_sample_are_its_golden_ones(path: Path) -> None:
    golden = json.loads(path.with_suffix(".json").read_text("utf-8"))["codes"]
    assert list(codes(PARSED[path.stem].text, PARSED[path.stem].html)) == golden


# --- links


def test_button_fallback_and_text_are_one_link() -> None:
    assert [str(link) for link in SIGNUP].count(CONFIRM) == 1


def test_link_knows_text_path_and_parameters() -> None:
    link = pick_link(SIGNUP)
    assert link == CONFIRM
    assert link.text == "Confirm my address"
    assert link.path == "/confirm?token=aZ09_-x&lang=en"
    assert link.params == {"token": "aZ09_-x", "lang": "en"}


@pytest.mark.parametrize(
    ("url", "path", "params"),
    [
        ("https://a.b", "/", {}),
        ("https://a.b?x=1&x=2&y=%C3%A9", "/?x=1&x=2&y=%C3%A9", {"x": "1", "y": "é"}),
        ("https://a.b/c/#f?no=1", "/c/#f?no=1", {}),
        ("https://[broken/c?d=", "/c?d=", {"d": ""}),
    ],
)
def test_path_has_query_and_fragment(url: str, path: str, params: dict[str, str]) -> None:
    assert (Link(url).path, Link(url).params) == (path, params)


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda link: pickle.loads(pickle.dumps(link))])
def test_copied_link_keeps_what_it_knows(duplicate: object) -> None:
    link = duplicate(Link("https://a.b", "text", "legal"))  # type: ignore[operator]
    assert (link, link.text, link.purpose) == ("https://a.b", "text", "legal")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("Go to https://a.b/c.", ["https://a.b/c"]),
        ("(see https://a.b/c_(d)), https://a.b/e?f=1!", ["https://a.b/c_(d)", "https://a.b/e?f=1"]),
        ("[text](https://a.b/c)", ["https://a.b/c"]),
        ("(https://a.b/c)", ["https://a.b/c"]),
        ("[https://a.b/c]", ["https://a.b/c"]),
        ("<https://a.b/c>", ["https://a.b/c"]),
        ("{https://a.b/c}", ["https://a.b/c"]),
        ("（https://a.b/c）", ["https://a.b/c"]),
        ("([https://a.b/c].)", ["https://a.b/c"]),
        ("https://a.b/?c[]", ["https://a.b/?c[]"]),
        ("[https://a.b/?c[]]", ["https://a.b/?c[]"]),
        ("https://[::1]", ["https://[::1]"]),
        ("**https://a.b/c**", ["https://a.b/c"]),
        ("'https://a.b/c'", ["https://a.b/c"]),
        ("<https://a.b/long\n/wrapped?x=1>", ["https://a.b/long/wrapped?x=1"]),
        ("点击https://a.b/c?d=1。谢谢", ["https://a.b/c?d=1"]),
        ("「https://a.b/c」", ["https://a.b/c"]),
        ("https://a.b/token_", ["https://a.b/token_"]),
        ("https://a.b/tök?ä=ö", ["https://a.b/tök?ä=ö"]),
        ("HTTPS://A.b/C and https://a.b/C", ["HTTPS://A.b/C"]),
        ("https://a.b and https://a.b/", ["https://a.b"]),
        ("mailto:a@b.c ftp://a.b www.a.b /path", ["mailto:a@b.c", "ftp://a.b"]),
        ("Open myapp://open?x=1, or call tel:+49123.", ["myapp://open?x=1", "tel:+49123"]),
    ],
)
def test_urls_are_found_in_text(text: str, found: list[str]) -> None:
    assert list(links(text, "")) == found


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ('<a href="https://a.b/?c=1&amp;d=2">x</a>', ["https://a.b/?c=1&d=2"]),
        ('<a href=" https://a.b/c\n/d ">x</a>', ["https://a.b/c/d"]),
        (
            '<a href="/relative">x</a><a href="//a.b">x</a><a href="mailto:a@b.c">x</a><a href="tel:1">x</a>',
            ["mailto:a@b.c", "tel:1"],
        ),
        ("<a href='javascript:x()'>x</a><a href=data:,x>x</a><a href='myapp://open?x=1'>x</a>", ["myapp://open?x=1"]),
        ('<a href="javascript:alert(1)">x</a><a>x</a><a name="x">x</a>', []),
        ('<a href="https://click.a.b/1">https://a.b/shown</a>', ["https://click.a.b/1"]),
        ("<p>https://a.b/c</p><p>more</p>", ["https://a.b/c"]),
        ("<style>x{background:url(https://a.b/c)}</style><!-- https://a.b/d -->", []),
    ],
)
def test_urls_are_found_in_html(html: str, found: list[str]) -> None:
    assert list(links("", html)) == found


def test_block_inside_of_an_anchor_keeps_its_words() -> None:
    html = '<a href="https://a.b/c"><table><tr><td>Confirm</td><td>now</td></tr></table></a>'
    assert links("", html)[0].text == "Confirm now"


def test_description_of_a_picture_is_the_text_of_its_button() -> None:
    link = pick_link(links("", '<a href="https://a.b/c"><img src="cid:x" alt="Confirm"></a>'))
    assert link.text == "Confirm"


@pytest.mark.parametrize(
    ("text", "html", "purpose"),
    [
        ("", '<a href="https://a.b/1">Abmelden</a>', "unsubscribe"),
        ("", '<a href="https://a.b/1">Avregistrera</a>', "unsubscribe"),
        ("", '<a href="https://a.b/1">退订</a>', "unsubscribe"),
        ("", '<a href="https://a.b/unsubscribe?u=1">Click here</a>', "unsubscribe"),
        ("", '<p>To unsubscribe, <a href="https://a.b/1">click here</a>.</p>', "unsubscribe"),
        ("Unsubscribe: https://a.b/1", "", "unsubscribe"),
        ("Se désabonner :\n\nhttps://a.b/1", "", "unsubscribe"),
        ("", '<a href="https://x.com/shop">@shop</a>', "social"),
        ("", '<a href="https://notx.com/shop">@shop</a>', ""),
        ("", '<a href="https://a.b/1">Datenschutzerklärung</a>', "legal"),
        ("", '<a href="https://a.b/legal/terms">Read</a>', "legal"),
        ("", '<a href="https://a.b/terms-accepted/confirm">Go</a>', ""),
        ("", '<img src="https://a.b/1.png">', "image"),
        ("", '<a href="https://a.b/1.pdf">Manual</a>', ""),
        ("", '<a href="https://a.b/"><img src="cid:x" alt="Shop"></a>', "image"),
        ("", '<img src="https://a.b/1" width="1" height="1">', "tracking"),
        ("", '<img src="https://a.b/1" style="display: none">', "tracking"),
        ("Confirm: https://a.b/1", "", ""),
    ],
)
def test_purpose_is_read_from_words_hosts_and_paths(text: str, html: str, purpose: str) -> None:
    assert [link.purpose for link in links(text, html)] == [purpose]


@pytest.mark.parametrize(
    ("how", "found"),
    [
        ({"match": "confirm"}, CONFIRM),
        ({"match": "my address"}, CONFIRM),
        ({"match": re.compile(r"/confirm\?")}, CONFIRM),
        ({"match": lambda link: "token" in Link(link).params}, CONFIRM),
        ({"purpose": "unsubscribe"}, "https://shop.example/u/7f3a"),
        ({"url": "/legal/"}, "https://shop.example/legal/privacy"),
        ({"text": "Instagram"}, "https://www.instagram.com/shop"),
        ({"url": "shop.example", "purpose": "tracking"}, "https://t.shop.example/o/1"),
    ],
    ids=_named,
)
def test_link_is_picked_by_what_is_asked(how: dict[str, object], found: str) -> None:
    assert pick_link(SIGNUP, **how) == found  # type: ignore[arg-type]


def test_failure_lists_every_link_and_why() -> None:
    with pytest.raises(NotExactlyOne) as caught:
        pick_link(SIGNUP, text="Shop")
    assert str(caught.value).splitlines() == [
        "2 candidates for link(text='Shop'), expected exactly one:",
        "  kept    https://shop.example/ ('Shop'): it matches",
        "  kept    https://cdn.shop.example/logo.png ('Shop'): it matches",
        f"  dropped {CONFIRM} ('Confirm my address'): its text does not match 'Shop'",
        "  dropped https://www.instagram.com/shop ('Instagram'): its text does not match 'Shop'",
        "  dropped https://shop.example/legal/privacy ('Privacy'): its text does not match 'Shop'",
        "  dropped https://shop.example/u/7f3a ('Unsubscribe'): its text does not match 'Shop'",
        "  dropped mailto:help@shop.example ('write to us'): its scheme is 'mailto', not http or https",
        "  dropped https://t.shop.example/o/1: its text does not match 'Shop'",
        "To ask more precisely: link(url='/logo.png')",
    ]


def test_without_arguments_only_links_of_no_special_purpose_count() -> None:
    with pytest.raises(NotExactlyOne, match=r"expected exactly one:\n  dropped .* its purpose is 'unsubscribe'"):
        pick_link([Link("https://a.b/1", "bye", "unsubscribe")])


def test_message_without_links_says_so() -> None:
    with pytest.raises(NotExactlyOne, match="the message has no links"):
        pick_link(())


def test_unknown_purpose_is_refused() -> None:
    with pytest.raises(ValueError, match=r"purpose must be one of .*, not 'confirm'"):
        pick_link(SIGNUP, purpose="confirm")  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", [AssertionError, LookupError])
def test_failure_is_an_assertion_and_a_lookup(kind: type[Exception]) -> None:
    with pytest.raises(kind):
        pick_link(())


# --- HTML and attachments


def test_visible_text_has_a_line_for_each_block() -> None:
    html = "<head><title>t</title></head><h1>A &amp; B</h1><p>c<b>d</b>\n e<br>f</p><script>g</script><div>h</div>i"
    assert visible_text(html) == "A & B\ncd e\nf\nh\ni"


def test_select_gives_the_text_of_elements() -> None:
    assert select("<ul><li> a\n b<li>c</ul>", "li") == ["a b", "c"]


def test_select_refuses_what_is_no_selector() -> None:
    with pytest.raises(ValueError, match="not a CSS selector"):
        select("<p>", "p[")


FILES = (Attachment("Invoice.PDF", "application/pdf", b"1"), Attachment("a.csv", "text/csv", b"22"))


@pytest.mark.parametrize(
    ("how", "name"),
    [
        ({"name": "invoice.pdf"}, "Invoice.PDF"),
        ({"name": "*.csv"}, "a.csv"),
        ({"type": "application/*"}, "Invoice.PDF"),
    ],
)
def test_attachment_is_picked_by_name_and_type(how: dict[str, Any], name: str) -> None:
    assert pick_attachment(FILES, **how).name == name


def test_failure_lists_every_attachment() -> None:
    with pytest.raises(NotExactlyOne, match=r"(?s)Found no .*'Invoice.PDF' \(application/pdf, 1 byte\): its name"):
        pick_attachment(FILES, "*.png")


@given(hostile, hostile)
def test_nothing_makes_links_or_codes_raise(text: str, html: str) -> None:
    for link in links(text, html):
        assert isinstance(link.path, str)
        assert isinstance(link.params, dict)
    codes(text, html)


@given(st.text(max_size=200))
def test_any_text_can_be_searched(text: str) -> None:
    assert all(re.match("https?:", link, re.IGNORECASE) for link in links(text, text))
    codes(text, text)


@pytest.mark.parametrize(("name", "meant"), [("url", "str(link)"), ("href", "str(link)"), ("param", "params")])
def test_a_misguessed_name_of_a_link(name: str, meant: str) -> None:
    with pytest.raises(AttributeError, match=re.escape(f"did you mean '{meant}'?")):
        getattr(Link("https://a.b/1"), name)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("\u00ab https://a.b/c \u00bb \u00abhttps://a.b/d\u00bb", ["https://a.b/c", "https://a.b/d"]),
        ("(see https://a.b/c)and more", ["https://a.b/c"]),
        ("https://a.b/c_(d) https://a.b/[e]?f[]=1", ["https://a.b/c_(d)", "https://a.b/[e]?f[]=1"]),
        ("http://[::1]:80/x) y", ["http://[::1]:80/x"]),
        ("[https://a.b/c](https://a.b/c)", ["https://a.b/c"]),
        ("[Confirm](https://a.b/c), ![logo](https://a.b/logo)", ["https://a.b/c", "https://a.b/logo"]),
        ("<https://a.b/a\n  bc>", ["https://a.b/abc"]),
        ("https://例え.jp/確認 です", ["https://例え.jp/確認"]),
        ("确认：https://a.b/c请点击", ["https://a.b/c"]),
        ("https://пример.рф/код", ["https://пример.рф/код"]),
    ],
)
def test_urls_end_where_a_reader_sees_their_end(text: str, found: list[str]) -> None:
    assert [str(link) for link in links(text, "")] == found


def test_the_text_of_markdown_is_the_text_of_the_link() -> None:
    confirm, logo = links("[Confirm now](https://a.b/c) ![Shop](https://a.b/logo)", "")
    assert (confirm.text, confirm.purpose, logo.text, logo.purpose) == ("Confirm now", "", "Shop", "image")


@pytest.mark.parametrize("query", ["", "/", "/?utm_source=mail&utm_medium=x"])
def test_a_home_page_is_no_candidate_beside_another_link(query: str) -> None:
    home = f"https://shop.example{query}"
    page = f"<a href='{home}'>Shop</a> <a href='https://shop.example/confirm/1'>Confirm</a>"
    assert pick_link(links("", page)) == "https://shop.example/confirm/1"
    assert pick_link(links("", page), text="Shop") == home
    assert pick_link(links("", f"<a href='{home}'>Shop</a>")) == home


def test_a_home_page_with_a_token_is_a_candidate() -> None:
    page = "<a href='https://shop.example/?token=1'>Confirm</a> <a href='https://shop.example/help'>Help</a>"
    assert pick_link(links("", page)) == "https://shop.example/?token=1"


@pytest.mark.parametrize(
    ("url", "text", "reason"),
    [
        ("https://shop.example/", "Shop", "it leads to a home page"),
        ("https://shop.example/help/", "Visit us", "it leads to a help page"),
        ("https://shop.example/page/7", "Hilfe", "it leads to a help page"),
        ("https://shop.example/reset", "Ask for a new link", "it leads to a page above that of another link"),
        ("https://shop.example/u/7/revoke", "Click here", "it is for readers who did not ask for the message"),
        ("https://shop.example/u/8", "This was not me", "it is for readers who did not ask for the message"),
    ],
)
def test_a_link_that_a_reader_follows_only_if_there_is_no_other(url: str, text: str, reason: str) -> None:
    button = Link("https://shop.example/reset/MQ-d0mcx7", "Reset password")
    assert pick_link([Link(url, text), button]) == button
    assert pick_link([Link(url, text)]) == url
    with pytest.raises(NotExactlyOne, match=f"{reason}; another link is more likely"):
        pick_link([Link(url, text), button, Link("https://shop.example/x/1", "Other")])


def test_links_of_other_schemes_are_candidates_only_by_name() -> None:
    app, write = "<a href='myapp://open?x=1'>Open</a>", "<a href='mailto:a@b.c'>Write</a>"
    found = links("", f"{app}{write}<a href='https://a.b/c'>Web</a>")
    assert [link.scheme for link in found] == ["myapp", "mailto", "https"]
    assert pick_link(found) == "https://a.b/c"
    assert pick_link(found, "open") == "myapp://open?x=1"
    assert pick_link(found, scheme="mailto:") == pick_link(found, scheme="MAILTO") == "mailto:a@b.c"
    with pytest.raises(NotExactlyOne, match=r"dropped mailto:a@b.c \('Write'\): its scheme is 'mailto', not 'tel'"):
        pick_link(found, scheme="tel")


def test_a_positional_string_is_compared_without_case() -> None:
    reset = Link("https://a.b/Reset", "RESET password")
    assert pick_link([reset, Link("https://a.b/x")], "reset Password") == reset


HIDDEN = [
    "style='display:none'", "style='DISPLAY : none !important'", "hidden", "style='visibility: hidden'",
    "style='mso-hide:all'", "style='opacity:0'", "style='max-height:0; overflow:hidden'",
    "style='height:0px;overflow:hidden'",
]  # fmt: skip


@pytest.mark.parametrize("attribute", HIDDEN)
def test_what_is_hidden_is_not_read(attribute: str) -> None:
    page = f"<div {attribute}>Your code: 111111 <a href='https://a.b/hidden'>x</a></div>"
    page += f"<a {attribute} href='https://a.b/no'>y</a><p>Your code: 482913 <a href='https://a.b/c'>Confirm</a>"
    assert codes("", page) == ("482913",)
    assert [*links("", page)] == ["https://a.b/c"]


def test_text_of_no_size_is_not_read_and_text_within_it_that_has_one_is() -> None:
    inner = "<div style='font-size:13px'>Your code: 482913</div>"
    page = f"<table><tr><td style='font-size:0px'>code 111111{inner}code 222222</td></tr></table>"
    assert codes("", page) == ("482913",)


@pytest.mark.parametrize("style", ["display:block", "max-height:0", "opacity:0.9", "font-size:0.8em", "width:0;"])
def test_what_is_only_styled_is_read(style: str) -> None:
    assert codes("", f"<p style='{style}'>Your code: 482913") == ("482913",)


def test_failure_names_a_call_for_the_first_attachment_and_shows_the_text() -> None:
    with pytest.raises(NotExactlyOne) as caught:
        pick_attachment(FILES, shown=lambda: "Two files\n\nfor you")
    assert str(caught.value).splitlines()[-4:] == [
        "The text is:",
        "  | Two files",
        "  | for you",
        "To ask more precisely: attachment('Invoice.PDF')",
    ]


def anchor(path: str, text: str) -> str:
    return f"<p><a href='https://a.example{path}'>{text}</a></p>"


MAIN = "https://a.example/v/9"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("", anchor("/v/9", "Verify") + anchor("/m/1", "View in browser")),
        (
            "",
            anchor("/v/9", "Verify")
            + "<p>Having trouble viewing this? <a href='https://a.example/m/1'>Click here</a></p>",
        ),
        ("", anchor("/v/9", "Verify") + "<a href='https://apps.apple.com/app/id1'>App Store</a>"),
        ("", anchor("/v/9", "Verify") + "<a href='https://k.example/1'>Instagram</a>"),
        ("", anchor("/v/9", "Verify") + anchor("/de/", "Shop") + anchor("/?ref=footer", "Shop")),
        ("", anchor("/v/9", "Verify") + "<p>Or copy this link: https://k.example/2</p>"),
        (
            "",
            anchor("/v/9", "Verify")
            + "<p>If you did not request this, <a href='https://a.example/x'>click here</a>.</p>",
        ),
        ("Verify: https://k.example/t1", anchor("/v/9", "Verify")),
        ("", "<a href='https://a.example/v/9'><img src='https://a.example/b.png'></a>" + anchor("/blog", "Help")),
        (
            "",
            anchor("/v/9?utm_medium=button", "Verify").replace("?utm_medium=button", "") + anchor("/v", "Verify again"),
        ),
        ("You can unsubscribe at any time. Confirm here: https://a.example/v/9", ""),
        ("You can unsubscribe later.\n\nhttps://a.example/v/9", ""),
        ("Unsubscribe: https://a.example/u/1\nhttps://a.example/v/9", ""),
        ("Unsubscribe: https://a.example/u/1 Confirm: https://a.example/v/9", ""),
        ("Confirm: <https://a.example/v/9\n\nHello>", ""),
        ("تأكيد: https://a.example/v/9،", ""),
        ("पुष्टि: https://a.example/v/9।", ""),
    ],
)
def test_the_one_link_that_a_reader_would_follow(text: str, html: str) -> None:
    assert pick_link(links(text, html)) == MAIN


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("/contact/77/accept", "Accept"),
        ("/report/9", "View your report"),
        ("/orders/1/cancel", "Cancel my order"),
        ("/x?next=/unsubscribe", "Go"),
        ("/x?next=/privacy", "Go"),
        ("/x/9", "Accept terms and continue"),
        ("/f/p.png", "View photo"),
        ("/c?t={9}", "Confirm"),
    ],
)
def test_a_word_in_a_path_does_not_hide_what_a_link_says(path: str, text: str) -> None:
    other = "<a href='https://a.example/blog/3'>Blog</a>"
    assert pick_link(links("", anchor(path, text)), text) == f"https://a.example{path}"
    with pytest.raises(NotExactlyOne, match="2 candidates"):
        pick_link(links("", anchor(path, text) + other))


def test_two_answers_are_two_candidates() -> None:
    with pytest.raises(NotExactlyOne, match="2 candidates"):
        pick_link(links("", anchor("/i/9", "Accept") + anchor("/i/9/decline", "Decline")))


def test_every_text_of_a_link_finds_it() -> None:
    found = links("", anchor("/c/1", "https://a.example/c/1") + anchor("/c/1", "Confirm"))
    assert found[0].text == "Confirm"
    button = links("", "<a href='https://a.example/c/9'><img src='https://a.example/confirm.png' alt='Confirm'></a>")
    assert pick_link(button, "confirm") == pick_link(button, text="Confirm") == "https://a.example/c/9"
    assert pick_link(found, text="https://a.example/c") == "https://a.example/c/1"


def test_an_empty_anchor_is_no_link() -> None:
    assert (
        links("", "<a href='https://a.example/trap'></a><p style='font-size:0'><a href='https://a.example/x'>x</a></p>")
        == ()
    )


@pytest.mark.parametrize("html", ["", "<p>x</p>"])
def test_links_are_read_in_the_first_mebibyte_of_a_text(html: str) -> None:
    text = "https://a.example/first " + "x" * (1 << 20) + " https://a.example/last"
    assert links(text, html) == ("https://a.example/first",)


@pytest.mark.parametrize(
    ("asked", "last"),
    [
        ({"match": r"confirm\?t=\d+"}, r"link(re.compile(r'confirm\?t=\d+'))"),
        ({"url": "^https://shop", "text": "Yes$"}, "link(url=re.compile('^https://shop'), text=re.compile('Yes$'))"),
        ({"match": "/confirm.*", "scheme": "https"}, "link(re.compile('/confirm.*'), scheme='https')"),
    ],
)
def test_a_text_that_is_meant_as_a_regular_expression_is_told_so(asked: dict[str, Any], last: str) -> None:
    found = links("", '<a href="https://shop.example/confirm?t=12">Yes</a> <a href="http://shop.example/help">Help</a>')
    with pytest.raises(NotExactlyOne) as caught:
        pick_link(found, **asked)
    assert str(caught.value).splitlines()[-1] == f"To search with a regular expression: {last}"
    pick: Any = eval(last.replace("link(", "lambda pick, found: pick(found, ", 1), {"re": re})
    assert pick(pick_link, found) == "https://shop.example/confirm?t=12"


@pytest.mark.parametrize("text", ["confrim", "shop", "shop[", "h.*", "(x"])
def test_a_text_that_is_no_better_as_a_regular_expression_gets_other_advice(text: str) -> None:
    found = links("https://shop.example/confirm?t=12 https://shop.example/help", "")
    with pytest.raises(NotExactlyOne) as caught:
        pick_link(found, text)
    assert "regular expression" not in str(caught.value)
