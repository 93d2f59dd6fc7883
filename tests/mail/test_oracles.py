"""Messages read by two other parsers: the ``email`` package, by both of its policies, and postal-mime of npm.

Where they agree, we agree as well, except for the differences listed in ``DELIBERATE``. The messages are the samples
and some made at random, many of them malformed. ``.ci/run`` installs postal-mime.
"""

from __future__ import annotations

import email
import email.policy
import re
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from email.header import decode_header, make_header
from email.message import EmailMessage, Message, MIMEPart
from email.utils import getaddresses
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from sirrchat_testkit.mail.mime import parse, read_header
from tests.mail import generating
from tests.support import node_lines

SCRIPT = Path(__file__).with_name("postal_mime.js")
SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.eml"))
MADE = 800

Reading = dict[str, Any]
"""Subject, addresses with names, texts and files of a message; a parser that raises has no opinion on a key."""


class Deliberate(NamedTuple):
    """A difference that stays: the keys that differ in messages with all of these features, and why."""

    keys: str
    features: frozenset[str]
    why: str


DELIBERATE = (
    Deliberate(
        "sender to cc",
        frozenset({"bytes above 127"}),
        "bytes of a header that are not UTF-8 are windows-1252, as mail programs show them",
    ),
    Deliberate(
        "text html files",
        frozenset({"unknown disposition"}),
        "a text with a file name is a file; by RFC 2183 an unknown disposition means an attachment",
    ),
    Deliberate(
        "text",
        frozenset({"cut"}),
        "a multipart in which no boundary was found is shown as it came, so that nothing is lost",
    ),
    Deliberate(
        "sender to cc",
        frozenset({"no end of <"}),
        "the addresses after one whose angle bracket is not closed are read too",
    ),
    Deliberate(
        "html files",
        frozenset({"no blank line", "comment before the type"}),
        "postal-mime loses the first part, and email does not read its type: both see no HTML",
    ),
)


def our_reading(raw: bytes) -> Reading:
    header, parsed = read_header(raw), parse(raw)
    names = {"sender": "From", "to": "To", "cc": "Cc"}
    found = {key: [(str(each), each.name) for each in parsed.headers.named_addresses(names[key])] for key in names}
    return {
        "subject": header.subject,
        **found,
        "sender": found["sender"][:1],
        "text": lines(parsed.text),
        "html": lines(parsed.html),
        "files": files((each.name, each.type, each.content) for each in (*parsed.attachments, *parsed.inline)),
    }


def postal_mimes(answer: dict[str, Any]) -> Reading:
    """Return what postal-mime read."""
    if "error" in answer:
        return {}
    return {
        "subject": folded(answer["subject"]),
        **{key: [tuple(each) for each in answer[key]] for key in ("sender", "to", "cc")},
        "text": lines(answer["text"]),
        "html": lines(answer["html"]),
        "files": files((name, kind, b64decode(content)) for name, kind, content in answer["files"]),
    }


def modern(raw: bytes) -> Reading:
    """Return what ``email`` reads by its default policy."""
    message = email.message_from_bytes(raw, _class=EmailMessage, policy=email.policy.default)
    leaves = [*leaves_of(message)]

    def addresses(name: str) -> list[tuple[str, str]]:
        return [(each.addr_spec, each.display_name) for each in (message[name].addresses if message[name] else ())]

    def texts(kind: str) -> str:
        shown = (leaf for leaf in leaves if leaf.get_content_type() == kind and not leaf.is_attachment())
        return "\n".join(payload(leaf).decode(leaf.get_content_charset("utf-8")) for leaf in shown)

    def attached() -> Iterator[tuple[str, str, bytes]]:
        for leaf in leaves:
            if leaf.is_attachment() or leaf.get_content_type() not in {"text/plain", "text/html"}:
                yield leaf.get_filename() or "", leaf.get_content_type(), payload(leaf)

    return opinions(
        subject=lambda: folded(str(message["Subject"] or "")),
        sender=lambda: addresses("From")[:1],
        to=lambda: addresses("To"),
        cc=lambda: addresses("Cc"),
        text=lambda: lines(texts("text/plain")),
        html=lambda: lines(texts("text/html")),
        files=lambda: files(attached()),
    )


def legacy(raw: bytes) -> Reading:
    """Return what ``email`` reads of the header by its older policy."""
    message = email.message_from_bytes(raw)

    def decoded(value: str) -> str:
        return folded(str(make_header(decode_header(value))))

    def addresses(name: str) -> list[tuple[str, str]]:
        fields = [re.sub(r"[\r\n]+", "", str(each)) for each in message.get_all(name, [])]
        return [(address, decoded(named)) for named, address in getaddresses(fields) if address]

    return opinions(
        subject=lambda: decoded(str(message["Subject"] or "")),
        sender=lambda: addresses("From")[:1],
        to=lambda: addresses("To"),
        cc=lambda: addresses("Cc"),
    )


def opinions(**read: Callable[[], Any]) -> Reading:
    """Return what each function reads; those that raise are left out."""
    found: Reading = {}
    for key, each in read.items():
        try:
            found[key] = each()
        except Exception:  # noqa: BLE001 - the package raises many kinds for malformed fields
            continue
    return found


def leaves_of(part: MIMEPart) -> Iterator[MIMEPart]:
    if not part.is_multipart() or part.get_content_type() == "message/rfc822":
        yield part
        return
    for each in part.iter_parts():
        yield from leaves_of(each)


def payload(leaf: Message) -> bytes:
    content = leaf.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def folded(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip()


def lines(text: str) -> str:
    """Return a text without empty lines: between two parts, each parser has another number of them."""
    return re.sub(r"\n+", "\n", text.replace("\r\n", "\n")).strip("\n")


def files(found: Iterator[tuple[str, str, bytes]]) -> list[tuple[str, str, bytes]]:
    """Return files in a form that all parsers share: postal-mime changes the line ends of texts and calendars."""
    kept = []
    for name, kind, content in found:
        if kind == "message/rfc822":
            kept.append(("message.eml", kind, b""))
        elif kind.startswith("text/") or kind == "application/ics":
            kept.append((name, kind, content.replace(b"\r\n", b"\n").rstrip()))
        else:
            kept.append((name, kind, content))
    return sorted(kept)


def is_deliberate(key: str, features: frozenset[str]) -> bool:
    return any(key in each.keys.split() and each.features <= features for each in DELIBERATE)


@pytest.fixture(scope="module")
def made() -> list[generating.Made]:
    samples = [generating.Made(path.read_bytes(), frozenset({path.stem})) for path in SAMPLES]
    return [*samples, *map(generating.message, range(MADE))]


def test_what_two_parsers_agree_on_is_what_we_read(made: list[generating.Made]) -> None:
    answers = node_lines(SCRIPT, [b64encode(each.raw).decode() for each in made], "postal-mime")
    agreed = 0
    differing = []
    for number, (message, answer) in enumerate(zip(made, answers, strict=True)):
        ours, theirs, others = (
            our_reading(message.raw),
            postal_mimes(answer),
            (modern(message.raw), legacy(message.raw)),
        )
        for key, value in theirs.items():
            if not any(key in other and other[key] == value for other in others):
                continue
            agreed += 1
            if ours[key] != value and not is_deliberate(key, message.features):
                differing.append((number, key, ours[key], value, sorted(message.features)))
    assert not differing, differing[:3]
    assert agreed > 5 * len(made)  # of seven
