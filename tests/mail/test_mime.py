"""What is read of a message: on receipt, and on demand."""

import copy
import email
import email.policy
import json
import subprocess
import sys
from base64 import b64encode
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sirrchat_testkit.mail import address_headers as addresslist
from sirrchat_testkit.mail.address_headers import MailAddress, bare_addresses, named_addresses
from sirrchat_testkit.mail.encoded_words import decode_header
from sirrchat_testkit.mail.headers import split
from sirrchat_testkit.mail.mime import Attachment, Headers, Parsed, as_email, parse, read_header
from sirrchat_testkit.mail.parameters import parameter

SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.eml"))
RAW = {path.stem: path.read_bytes() for path in SAMPLES}
WELL_FORMED = ("signup", "reset_code", "chinese_code", "japanese_code", "order", "newsletter", "attachments")

samples = pytest.mark.parametrize("path", SAMPLES, ids=lambda path: path.stem)


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    """A sample in which a few bytes were changed, removed, repeated or put in."""
    raw = bytearray(draw(st.sampled_from(sorted(RAW.values()))))
    odd = st.sampled_from(
        [b"\0", b'"', b"%00", b"=?", b"\r\n", b"\n\n", b"*", b"'", b"<", b"(", b"\xff", b"*0*=", b"--"]
    )
    for _ in range(draw(st.integers(1, 12))):
        start = draw(st.integers(0, len(raw)))
        raw[start : start + draw(st.integers(0, 12))] = draw(st.binary(max_size=4) | odd)
    return bytes(raw)


def listed(attachments: tuple[Attachment, ...]) -> list[dict[str, Any]]:
    return [{"name": each.name, "type": each.type, "size": each.size, "cid": each.cid} for each in attachments]


def without_codes(golden: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in golden.items() if name not in {"links", "codes"}}


def as_golden(raw: bytes) -> dict[str, Any]:
    header, parsed = read_header(raw), parse(raw)
    return {
        "subject": header.subject,
        "sender": header.sender,
        "message_id": header.message_id,
        "to": list(parsed.to),
        "cc": list(parsed.cc),
        "reply_to": list(parsed.reply_to),
        "date": parsed.date.isoformat() if parsed.date else None,
        "text": parsed.text,
        "html": parsed.html,
        "attachments": listed(parsed.attachments),
        "inline": listed(parsed.inline),
        "unsubscribe": list(parsed.unsubscribe),
        "one_click": parsed.unsubscribe.one_click,
    }


@samples
def test_sample_reads_as_its_golden(path: Path) -> None:
    golden = json.loads(path.with_suffix(".json").read_text("utf-8"))
    assert as_golden(path.read_bytes()) == without_codes(golden)


@samples
def test_header_on_receipt_agrees_with_the_parsed_one(path: Path) -> None:
    header, parsed = read_header(path.read_bytes()), parse(path.read_bytes())
    assert header.subject == parsed.headers.get("Subject", "")
    assert header.message_id == parsed.headers.get("Message-ID", "")
    assert header.to == parsed.to
    senders = parsed.headers.named_addresses("From")
    assert (header.sender, parsed.sender_name) == ((senders[0], senders[0].name) if senders else ("", ""))


def test_the_message_id_is_stored_as_sent() -> None:
    assert read_header(b"Message-ID:\r\n <=?utf-8?q?a?=@x.example>\r\n\r\n").message_id == "<=?utf-8?q?a?=@x.example>"


@pytest.mark.parametrize("name", WELL_FORMED)
def test_well_formed_sample_reads_as_the_standard_library_reads_it(name: str) -> None:
    parsed, theirs = parse(RAW[name]), email.message_from_bytes(RAW[name], policy=email.policy.default)
    bodies = {kind: theirs.get_body((kind,)) for kind in ("plain", "html")}
    assert parsed.headers["Subject"] == theirs["Subject"]
    assert parsed.to == tuple(each.addr_spec for each in theirs["To"].addresses)
    assert parsed.text == (bodies["plain"].get_content().replace("\r\n", "\n") if bodies["plain"] else "")
    assert parsed.html == (bodies["html"].get_content().replace("\r\n", "\n") if bodies["html"] else "")
    assert [each.name for each in parsed.attachments] == [each.get_filename() for each in theirs.iter_attachments()]


@pytest.mark.parametrize(
    ("value", "subject"),
    [
        ("Welcome", "Welcome"),
        ("\n a folded\n\tsubject  with   blanks ", "a folded subject with blanks"),
        ("=?utf-8?q?caf=C3?= =?UTF-8?q?=A9?=", "café"),
        ("=?iso-8859-1?q?caf=E9?= and =?iso-8859-1?q?th=E9?=", "café and thé"),
        ("=?utf-8?b?w6k?=", "é"),
        ("=?utf-8*fr?q?caf=C3=A9?=", "café"),
        ("=?utf-8?Q?Are you there??=", "Are you there?"),
        ("=?utf-8?q?two=0D=0Alines?=", "two lines"),
        ("=?gb2312?B?xOO6ww==?=", "你好"),
        ("=?ks_c_5601-1987?B?vsiz5w==?=", "안녕"),
        ("=?no-such?q?=C3=A9?=", "é"),
        ("=?no-such?q?=E9?=", "\ufffd"),
        ("=?utf-7?q?+2AA-?=", "\ufffd"),
        ("=?unicode_escape?q?=5Cud800?=", "\\ud800"),
        ("Grüße", "Grüße"),
        ("not =? an encoded word ?=", "not =? an encoded word ?="),
        ("=?utf-8?B?w6k? =?utf-8?B?w6k=?=", "=?utf-8?B?w6k? é"),
        ("=?utf-8?Q?open? =?utf-8?Q?caf=C3=A9?=", "=?utf-8?Q?open? café"),
        ("=?euc-kr?Q?C0=CE?= =?euc-kr?Q?=C1=F5?=", "C0\ufffd증"),
        ("", ""),
    ],
)
def test_subject_is_decoded_and_folded(value: str, subject: str) -> None:
    assert read_header(f"Subject: {value}\n\nbody".encode()).subject == subject


def test_bytes_without_a_charset_that_are_not_utf_8_are_windows_1252() -> None:
    raw = b"Subject: caf\xe9\nFrom: Ren\xe9 <rene@example.com>\nTo: J\xc3\xb6rg <joerg@example.com>\n\nth\xe9 \x80\n"
    assert read_header(raw).subject == "café"
    assert parse(raw).text == "thé €\n"
    assert parse(raw).headers["From"] == "René <rene@example.com>"
    assert parse(raw).headers["To"] == "Jörg <joerg@example.com>"


def test_bytes_that_a_declared_charset_does_not_have_become_replacement_characters() -> None:
    assert parse(b"Content-Type: text/plain; charset=utf-8\n\ncaf\xe9\n").text == "caf\ufffd\n"


def test_blanks_behind_a_soft_line_break_are_ignored() -> None:
    raw = b"Content-Transfer-Encoding: quoted-printable\n\nhttps://shop.example/v?t=3Dab= \t\ncd&x=3D1 =ZZ\n"
    assert parse(raw).text == "https://shop.example/v?t=abcd&x=1 =ZZ\n"


@pytest.mark.parametrize(
    ("value", "addresses"),
    [
        ("ann@example.com", ("ann@example.com",)),
        ("Ann <ann@example.com>", ("ann@example.com",)),
        ('"Doe, Ann" <ann@example.com>, bob@example.com', ("ann@example.com", "bob@example.com")),
        ('"a \\" <b@c>" <ann@example.com>', ("ann@example.com",)),
        ("ann@example.com (home (not work), really)", ("ann@example.com",)),
        ("Team: ann@example.com, Bob <bob@example.com>;", ("ann@example.com", "bob@example.com")),
        ("undisclosed-recipients:;", ()),
        ("<@a.example,@b.example:ann@example.com>", ("ann@example.com",)),
        ('"ann smith"@example.com', ('"ann smith"@example.com',)),
        ('"ann.smith"@example.com', ("ann.smith@example.com",)),
        ("ann@[192.0.2.1]", ("ann@[192.0.2.1]",)),
        ("=?utf-8?q?A=2C_B?= <ann@example.com>", ("ann@example.com",)),
        ("=?utf-8?q?Ann_=3Cann=40example=2Ecom=3E?=", ("ann@example.com",)),
        ("< ann@example.com >", ("ann@example.com",)),
        ("Ann\n <ann@example.com>,\n\tbob@example.com", ("ann@example.com", "bob@example.com")),
        ("Ann ann@example.com", ("ann@example.com",)),
        ("root", ("root",)),
        ("Zoë <zoë@exämple.com>", ("zoë@exämple.com",)),
        ('"Unclosed <ann@example.com>', ("ann@example.com",)),
        ("Just A Name", ()),
        ("Ann <ann@example.com, Bob <bob@example.com>", ("ann@example.com", "bob@example.com")),
        ("<ann@example.com; bob@example.com", ("ann@example.com", "bob@example.com")),
        ("< @a.example, @b.example:ann@example.com>", ("ann@example.com",)),
        ("<>", ()),
        (",,", ()),
    ],
)
def test_address_fields_give_bare_addresses(value: str, addresses: tuple[str, ...]) -> None:
    header = read_header(f"To: {value}\nFrom: {value}\n\n".encode())
    assert header.to == addresses
    assert header.sender == (addresses or ("",))[0]


@pytest.mark.parametrize(
    ("raw", "block", "body"),
    [
        (b"A: b\r\n\r\nbody", b"A: b\r", b"body"),
        (b"A: b\n\nbody\n\n", b"A: b", b"body\n\n"),
        (b"A: b\n c\nbody without a blank line", b"A: b\n c", b"body without a blank line"),
        (b"From ann Mon Mar  2 10:00:00 2026\nA: b\n\nbody", b"A: b", b"body"),
        (b"From : ann@shop.example\r\nA: b\r\n\r\nbody", b"From : ann@shop.example\r\nA: b\r", b"body"),
        (b"no header at all\n\nA: b", b"", b"no header at all\n\nA: b"),
        (b"\nA: b", b"", b"A: b"),
        (b"A: b", b"A: b", b""),
        (b"", b"", b""),
    ],
)
def test_header_ends_where_no_field_follows(raw: bytes, block: bytes, body: bytes) -> None:
    assert split(raw) == (block, body)


def test_field_in_the_body_is_no_header() -> None:
    assert read_header(b"From: a@b.c\n\nSubject: not mine\n").subject == ""


def test_first_of_repeated_fields_counts_and_several_to_fields_are_one_list() -> None:
    header = read_header(b"Subject: one\nTo: a@b.c\nsubject: two\nTO : d@e.f\n\n")
    assert (header.subject, header.to) == ("one", ("a@b.c", "d@e.f"))


def test_headers_are_read_in_any_case_and_keep_every_value() -> None:
    headers = parse(RAW["newsletter"]).headers
    assert headers["x-TAG"] == "news"
    assert headers.get_all("X-Tag") == ["news", "june"]
    assert headers.get_all("X-Other") == []
    assert "subject" in headers
    assert list(headers)[:2] == ["Date", "From"]
    assert len(headers) == len(set(headers))


def test_absent_header_is_a_key_error() -> None:
    with pytest.raises(KeyError):
        Headers(b"A: b")["B"]


def test_enclosed_message_is_kept_byte_for_byte() -> None:
    [enclosed] = parse(RAW["forwarded"]).attachments
    start = RAW["forwarded"].index(b"From: shop@shop.example")
    assert RAW["forwarded"][start:].startswith(enclosed.content)
    assert enclosed.content.endswith(b"--inner--\r\n")


def test_html_of_an_enclosed_message_is_not_the_outer_ones() -> None:
    assert parse(RAW["forwarded"]).html == ""


def test_inline_text_parts_are_joined_line_by_line() -> None:
    assert parse(RAW["forwarded"]).text == "See below. It did not work.\nAnn"


@pytest.mark.parametrize("reference", ["cid:pic+1@example.com", "cid:pic%2B1%40example.com", "cid:pic%2B1@example.com"])
def test_a_file_that_the_html_shows_is_inline_and_any_other_is_attached(reference: str) -> None:
    part = "--b\r\nContent-Type: image/gif{}\r\n\r\nGIF89a\r\n"
    page = f"--b\r\nContent-Type: text/html\r\n\r\n<img src='{reference}'>\r\n"
    shown, named = part.format("\r\nContent-ID: <pic+1@example.com>"), part.format("; name=dot.gif")
    unshown = part.format("\r\nContent-ID: <other@example.com>\r\nContent-Disposition: inline; filename=pic.gif")
    parts = f"{page}{shown}{named}{unshown}"
    parsed = parse(f"Content-Type: multipart/related; boundary=b\r\n\r\n{parts}--b--\r\n".encode())
    assert [each.cid for each in parsed.inline] == ["pic+1@example.com"]
    assert [each.name for each in parsed.attachments] == ["dot.gif", "pic.gif"]


def test_an_alternative_with_a_file_name_stays_an_alternative() -> None:
    text = "--b\r\nContent-Type: text/plain; name=a.txt\r\nContent-Disposition: inline; filename=a.txt\r\n\r\nplain\r\n"
    page = "--b\r\nContent-Type: text/html\r\nContent-Disposition: inline; filename=a.html\r\n\r\n<p>page\r\n"
    event = "--b\r\nContent-Type: text/calendar; method=REQUEST\r\n\r\nBEGIN:VCALENDAR\r\n"
    parsed = parse(f"Content-Type: multipart/alternative; boundary=b\r\n\r\n{text}{page}{event}--b--\r\n".encode())
    assert (parsed.text, parsed.html) == ("plain", "<p>page")
    assert [each.type for each in parsed.inline] == ["text/calendar"]
    assert parsed.attachments == ()


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("multipart/multipart/mixed; boundary=b", "one"),
        ("multipart/mixed boundary=b", "one"),
        ("multipart/mixed, boundary=b", "one"),
        ("Multipart/Mixedboundary=b", "one"),
        ("multipart/mixed (of parts); boundary=b", "one"),
        ("(parts) multipart/mixed ; boundary = b (the boundary)", "one"),
        ('multipart/mixed; boundary="b" (the boundary)', "one"),
        ('"multipart/mixed"; boundary="b";', "one"),
    ],
)
def test_a_content_type_that_is_doubled_glued_or_commented_is_read(field: str, text: str) -> None:
    parts = "--b\r\nContent-Type: text/plain charset=utf-8\r\n\r\none\r\n--b--\r\n"
    assert parse(f"Content-Type: {field}\r\n\r\n{parts}".encode()).text == text


@pytest.mark.parametrize(
    ("encoded", "content"),
    [(b"JVBERi0xL", b"%PDF-1"), (b"QUI=QUI=", b"ABAB"), (b"Q\x00UI=\n!", b"AB"), (b"=", b""), (b"A", b""), (b"", b"")],
)
def test_base64_is_decoded_as_far_as_it_goes(encoded: bytes, content: bytes) -> None:
    head = b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    assert parse(head + encoded).attachments[0].content == content


@pytest.mark.parametrize(
    ("field", "name", "value"),
    [
        ("text/plain; charset=utf-8 (Unicode)", "charset", "utf-8"),
        ('text/plain; charset="utf-8" (Unicode)', "charset", "utf-8"),
        ("attachment; filename=report (1).pdf", "filename", "report (1).pdf"),
        ('attachment; filename="a"b".txt"', "filename", 'a"b".txt'),
        ('attachment; filename="a.txt" (a file); size=1', "filename", "a.txt"),
        ('attachment; filename="a.txt', "filename", "a.txt"),
    ],
)
def test_a_comment_behind_a_parameter_is_no_part_of_it(field: str, name: str, value: str) -> None:
    assert parameter(field, name) == value


@pytest.mark.parametrize("encoding", ["base64 (in lines)", "(in lines) Base64", '"base64"', "base64;", " BASE64 "])
def test_an_encoding_is_found_among_comments_and_quotes(encoding: str) -> None:
    assert parse(f"Content-Transfer-Encoding: {encoding}\r\n\r\nT25l\r\n".encode()).text == "One"


def test_dots_that_a_client_doubled_after_bare_line_feeds_are_undone_in_the_text() -> None:
    assert parse(b"Subject: x\r\n\r\none\n..two\n...three\r\n").text == "one\n.two\n..three\n"
    assert parse(b"Subject: x\r\n\r\none\r\n..two\r\n").text == "one\n..two\n"  # by CRLF, SMTP has undone them
    assert parse(b"Subject: x\r\n\r\n.one\n..two\n.three\r\n").text == ".one\n..two\n.three\n"  # nobody doubled them
    assert parse(b"Subject: x\n\none\n..two\n").text == "one\n..two\n"  # it did not come by SMTP


@pytest.mark.parametrize(
    ("encoding", "sent", "text"),
    [
        ("quoted-printable", b"one =\n..two =E2=82=AC\n...three", "one .two \u20ac\n..three\n"),
        ("base64", b64encode(b"one\n..two\n...three\n"), "one\n..two\n...three\n"),
        ("8bit", "..\u20ac\n...three".encode(), ".\u20ac\n..three\n"),
    ],
)
def test_doubled_dots_are_those_of_lines_as_they_were_sent(encoding: str, sent: bytes, text: str) -> None:
    head = b"Content-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: %s\n\n" % encoding.encode()
    assert parse(head + sent + b"\n\r\n").text == text


def test_the_line_end_that_smtplib_adds_to_bare_line_feeds_is_not_a_line() -> None:
    assert parse(b"Subject: x\n\none\n\n\r\n").text == "one\n\n"
    assert parse(b"Subject: x\n\none\r\n").text == "one\n"
    assert parse(b"Subject: x\r\n\r\none\r\n\r\n").text == "one\n\n"
    assert parse(b"Subject: x\n\n\r\n").text == ""


@pytest.mark.parametrize(
    ("sent", "options", "shown"),
    [
        ("one \ntwo\nthree", "", "one two\nthree"),
        ("https://a.example/b \nc\n", "; delsp=yes", "https://a.example/bc\n"),
        (" >not quoted\n From x", "", ">not quoted\nFrom x"),
        ("> one \n> two\n>> deeper \nout", "", "> one two\n>> deeper \nout"),
        ("-- \nAnn", "", "-- \nAnn"),
        ("text \n-- \nAnn", "", "text \n-- \nAnn"),
        ("last ", "", "last "),
        ("", "", ""),
    ],
)
def test_flowed_text_is_joined(sent: str, options: str, shown: str) -> None:
    raw = f"Content-Type: text/plain; format=Flowed{options}\r\n\r\n{sent}".replace("\n", "\r\n").replace("\r\r", "\r")
    assert parse(raw.encode()).text == shown


@pytest.mark.parametrize(
    ("head", "body", "shown"),
    [
        ("text/html", b"<meta charset=iso-8859-1>\xe9", "\xe9"),
        ("text/html", b"<META HTTP-EQUIV='Content-Type' content='text/html; charset=\"koi8-r\"'>\xc1", "\u0430"),
        ("text/html", b"<meta charset='utf-16'>\xc3\xa9", "\xe9"),
        ("text/html; charset=utf-8", b"<meta charset=iso-8859-1>\xc3\xa9", "\xe9"),
        ("text/html", b"\xef\xbb\xbf<p>\xc3\xa9", "\xe9"),
        ("text/plain", b"\xff\xfe" + "\xe9".encode("utf-16-le"), "\xe9"),
        ("text/plain", b"<meta charset=koi8-r>\xc3\xa9", "\xe9"),
    ],
)
def test_a_charset_is_found_in_the_header_the_mark_or_the_page(head: str, body: bytes, shown: str) -> None:
    parsed = parse(f"Content-Type: {head}\r\n\r\n".encode() + body)
    assert (parsed.text + parsed.html)[-1] == shown


def test_a_lone_word_is_an_address_only_without_others() -> None:
    assert bare_addresses("Reinman, Andris <andris@service.example>") == ("andris@service.example",)
    assert bare_addresses("root") == ("root",)
    assert bare_addresses("root, daemon") == ("root", "daemon")


def test_attachment_content_is_decoded() -> None:
    pdf, csv, notes = parse(RAW["attachments"]).attachments
    assert (pdf.content, csv.content, notes.content[:15]) == (b"%PDF-1.4\n", b"a,b\n1,2", b"These are notes")


def test_attached_text_is_not_the_text() -> None:
    assert parse(RAW["attachments"]).text == "Grüße"


def test_line_ends_of_text_are_line_feeds() -> None:
    assert parse(b"Subject: x\r\n\r\none\r\ntwo\r\n").text == "one\ntwo\n"


def test_text_is_never_made_from_html() -> None:
    assert parse(RAW["reset_code"]).text == ""


def test_without_a_field_everything_is_text() -> None:
    assert parse(b"Hello there.\n\nBye.").text == "Hello there.\n\nBye."


@pytest.mark.parametrize("kind", ["utf-8", "x-unknown", "", "utf%00", "undefined"])
def test_text_of_any_charset_is_readable(kind: str) -> None:
    assert parse(f"Content-Type: text/plain; charset*=''{kind}\n\nGrüße".encode()).text.startswith("Gr")


def test_multipart_without_its_boundary_is_shown_as_it_came() -> None:
    assert parse(b"Content-Type: multipart/mixed; boundary=x\n\n--y\n\nhello").text == "--y\n\nhello"


@pytest.mark.parametrize("depth", [30, 3000])
def test_deep_nesting_is_read_or_shown_as_it_came(depth: int) -> None:
    nested = b"".join(b"Content-Type: multipart/mixed; boundary=%d\n\n--%d\n" % (n, n) for n in range(depth))
    assert parse(nested + b"\nhello").text.endswith("hello")


def test_enclosed_messages_may_be_nested_without_end() -> None:
    [enclosed] = parse(b"Content-Type: message/rfc822\n\n" * 5000 + b"hello").attachments
    assert (enclosed.name, enclosed.type) == ("message.eml", "message/rfc822")


@pytest.mark.parametrize(
    ("value", "offset"),
    [
        ("Tue, 10 Mar 2026 06:00:00 +0100", timedelta(hours=1)),
        ("Tue, 10 Mar 2026 06:00:00 -0000", timedelta()),
        ("10 Mar 2026 06:00:00 GMT", timedelta()),
        ("the day after tomorrow", None),
        ("Tue, 99 Mar 2026 66:00:00 +0100", None),
        ("", None),
    ],
)
def test_date_is_aware_or_none(value: str, offset: timedelta | None) -> None:
    date = parse(f"Date: {value}\n\n".encode()).date
    assert (date.utcoffset() if date else None) == offset


@pytest.mark.parametrize(
    ("fields", "urls", "one_click"),
    [
        ("List-Unsubscribe: <https://a.b/c>", ["https://a.b/c"], False),
        ("List-Unsubscribe: <https://a.b/\n c>, <ftp://a.b>", ["https://a.b/c"], False),
        (
            "List-Unsubscribe: <mailto:a@b.c>\nList-Unsubscribe-Post: List-Unsubscribe=One-Click",
            ["mailto:a@b.c"],
            False,
        ),
        ("List-Unsubscribe: <https://a.b>\nlist-unsubscribe-post: list-unsubscribe=one-click", ["https://a.b"], True),
        ("List-Unsubscribe: https://no.brackets", [], False),
    ],
)
def test_unsubscribe_tells_urls_and_one_click(fields: str, urls: list[str], one_click: bool) -> None:  # noqa: FBT001
    unsubscribe = parse(f"{fields}\n\n".encode()).unsubscribe
    assert (list(unsubscribe), unsubscribe.one_click) == (urls, one_click)


def test_as_email_is_the_modern_message() -> None:
    message = as_email(RAW["signup"])
    assert message["From"].addresses[0].display_name == "Shop, the"


def test_importing_mime_does_not_import_email() -> None:
    code = "import sys, sirrchat_testkit.mail.mime as m; m.read_header(b'From: a@b.c'); print('email' in sys.modules)"
    done = subprocess.run([sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, env=_paths())
    assert done.stdout.strip() == "False"


def _paths() -> dict[str, str]:
    import sirrchat_testkit

    return {"PYTHONPATH": str(Path(sirrchat_testkit.__file__).parents[1])}


def assert_clean(parsed: Parsed, raw: bytes) -> None:
    header = read_header(raw)
    texts = [header.subject, header.sender, *header.to, header.message_id, *parsed.headers, *parsed.headers.values()]
    assert not any(end in text for text in texts for end in "\r\n")
    json.dumps([*texts, parsed.text, parsed.html, listed(parsed.attachments)], ensure_ascii=False).encode()
    assert (header.subject, header.to) == (parsed.headers.get("Subject", ""), parsed.to)


@given(st.binary(max_size=400))
def test_any_bytes_can_be_read(raw: bytes) -> None:
    assert_clean(parse(raw), raw)


@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_header_value_can_be_read(value: bytes, other: bytes) -> None:
    raw = b"".join(name + b": " + value + b"\r\n" + other + b"\r\n" for name in (b"Subject", b"To", b"From", b"Date"))
    assert_clean(parse(raw), raw)


@given(mutated())
def test_damaged_samples_can_be_read(raw: bytes) -> None:
    assert_clean(parse(raw), raw)


@pytest.mark.parametrize(("name", "meant"), [("filename", "name"), ("content_type", "type"), ("sise", "size")])
def test_a_misguessed_name_of_an_attachment(name: str, meant: str) -> None:
    with pytest.raises(AttributeError, match=f"did you mean '{meant}'"):
        getattr(Attachment("a.txt", "text/plain", b"a"), name)


@pytest.mark.parametrize(
    "raw", [b"To: <x@y\r\nTo:\r\n\r\n", b"To:\r\nTo: a@b.c\r\nTo:\r\n\r\n", b"TO:a@b.c\nto: d@e.f\n\n"]
)
def test_several_fields_of_recipients_are_one_list_to_everybody(raw: bytes) -> None:
    assert read_header(raw).to == parse(raw).headers.named_addresses("to")


def test_a_quote_that_is_not_closed_ends_with_its_field() -> None:
    raw = b'To: "Ann <ann@example.com>\r\nTo: Bob <bob@example.com>\r\n\r\n'
    assert read_header(raw).to == ("ann@example.com", "bob@example.com")
    assert [each.name for each in parse(raw).to] == ["Ann", "Bob"]


def test_a_long_list_of_addresses_is_not_remembered() -> None:
    before = addresslist._remembered.cache_info().currsize
    assert len(bare_addresses(", ".join(f"{number}@long.example" for number in range(1000)))) == 1000
    assert addresslist._remembered.cache_info().currsize == before


@pytest.mark.parametrize(
    ("field", "found"),
    [
        ("Ann <ann@example.com>", [("ann@example.com", "Ann")]),
        (
            '"Doe, \\"Ann\\"" <ann@example.com>, bob@example.com',
            [("ann@example.com", 'Doe, "Ann"'), ("bob@example.com", "")],
        ),
        ("ann@example.com (Ann (the) Example)", [("ann@example.com", "Ann (the) Example")]),
        ("=?utf-8?q?Gr=C3=BCn?= =?utf-8?q?_Ann?= <ann@example.com>", [("ann@example.com", "Grün Ann")]),
        (
            "Team: Ann <ann@example.com>, Bob <bob@example.com>;",
            [("ann@example.com", "Ann"), ("bob@example.com", "Bob")],
        ),
        ("Reinman, Andris <andris@example.com>", [("andris@example.com", "Reinman, Andris")]),
        ("J. R. \r\n Ann <@relay.example:ann@example.com>", [("ann@example.com", "J. R. Ann")]),
        ("root", [("root", "")]),
        ("(a comment alone), ann@example.com", [("ann@example.com", "")]),
        ("", []),
    ],
)
def test_addresses_have_their_display_names(field: str, found: list[tuple[str, str]]) -> None:
    assert [(address, decode_header(name)) for address, name in named_addresses(field)] == found
    assert [address for address, _ in found] == [*bare_addresses(field)]


@given(st.lists(st.sampled_from([*'"\\()<>,;:@. ab', "=?utf-8?q?a?="]), max_size=40).map("".join))
def test_names_do_not_change_which_addresses_are_found(field: str) -> None:
    assert tuple(address for address, _ in named_addresses(field)) == bare_addresses(field)


def test_an_address_is_a_string_with_a_name_that_is_read_when_it_is_needed() -> None:
    names = iter(["Ann"])
    address = MailAddress("ann@example.com", lambda: next(names))
    assert address == "ann@example.com"
    assert (address.name, address.name) == ("Ann", "Ann")
    copied = copy.copy(address)
    assert (copied, copied.name, type(copied)) == ("ann@example.com", "Ann", MailAddress)
    with pytest.raises(AttributeError, match="did you mean 'name'"):
        address.display_name  # type: ignore[attr-defined]  # noqa: B018
