"""The HTML of a message, made safe to look at.

Two protections, each of which suffices:

1. The HTML is cleaned (nh3): no scripts, no forms, no frames, no handlers; links open in a new tab without a referrer.
2. It is served from a URL of its own with a policy that puts it in a sandbox: no scripts, no origin, and nothing is
   loaded, however that URL is opened.

Files of the message itself (``cid:``) become part of the HTML. Images elsewhere are not loaded unless the reader asks
for them, for one view of one message; what was not loaded is counted. Frames follow the colors of the system, so the
colors that the reader has chosen are written into the style of the message.
"""

from __future__ import annotations

import base64
import html as entities
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

import nh3

from sirrchat_testkit.mail.markup import bounded
from sirrchat_testkit.mail.mime import Attachment

_EMBEDDED: Final = 8_388_608
"""Bytes of the message's own images that become part of its HTML, at most."""

_BLOCKED: Final = 200
"""URLs that are listed as not loaded, at most."""

_POLICY: Final = (
    "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; style-src 'unsafe-inline'; "
    "img-src data:{hosts}; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
_TAGS: Final = (nh3.ALLOWED_TAGS | {"style", "center", "font", "big", "tt", "u", "main", "section", "label"}) - {"map"}
_EVERYWHERE: Final = {
    "align", "aria-hidden", "aria-label", "bgcolor", "border", "class", "color", "dir", "height", "id", "lang", "role",
    "style", "title", "valign", "width", "background",
}  # fmt: skip
_ATTRIBUTES: Final = {
    "*": _EVERYWHERE,
    "a": {"href", "name"},
    "img": {"src", "alt", "hspace", "vspace"},
    "table": {"cellpadding", "cellspacing", "summary"},
    "td": {"colspan", "rowspan", "nowrap", "headers", "scope"},
    "th": {"colspan", "rowspan", "nowrap", "headers", "scope"},
    "col": {"span"},
    "colgroup": {"span"},
    "font": {"face", "size"},
    "ol": {"start", "type"},
    "ul": {"type"},
    "li": {"value"},
    "style": {"media"},
}
_SCHEMES: Final = {"http", "https", "mailto", "tel", "sms", "cid", "data"}
_CSS_URL = re.compile(
    r"""url\(\s*(?:"([^"]*)"?|'([^']*)'?|([^)]*))\s*(?:\)|$)|@import\b[^;]*;?""", re.IGNORECASE | re.DOTALL
)
_CSS_TEXT = re.compile(r"""(["'])(?:(?!\1).)*?//(?:(?!\1).)*(?:\1|$)""", re.DOTALL)
"""A string that may be a URL, as in ``image-set("//host/image")``."""

_CSS_ESCAPE = re.compile(r"\\(?:([0-9a-f]{1,6})\s?|(.))", re.IGNORECASE | re.DOTALL)
_CSS_COMMENT = re.compile(r"/\*.*?(?:\*/|$)", re.DOTALL)
_SCHEME = re.compile(r"\(\s*prefers-color-scheme\s*:\s*(dark|light)\s*\)", re.IGNORECASE)
_STYLE = re.compile(r"(<style[^>]*>)(.*?)(</style>)", re.IGNORECASE | re.DOTALL)
_BODY = re.compile(r"<(/?)body\b", re.IGNORECASE)
_DATA_IMAGE = re.compile(r"data:image/[\w.+-]+[;,]", re.IGNORECASE)
_TRUE, _FALSE = "(min-width: 0px)", "(max-width: 0px)"

_PAGE: Final = (
    '<!doctype html><html><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">'
    '<meta name="color-scheme" content="{scheme}"><meta name="referrer" content="no-referrer">'
    "<style>:root{{color-scheme:{scheme}}}body{{margin:8px;overflow-wrap:anywhere}}img{{max-width:100%}}</style>"
    "{inverted}</head><body>{body}</body></html>"
)
_INVERTED: Final = (
    "<style>:root{background:#fff;filter:invert(1) hue-rotate(180deg)}img{filter:invert(1) hue-rotate(180deg)}</style>"
)
"""What mail programs do to a message without dark colors of its own; images stay as they are."""


class Body(NamedTuple):
    """The HTML of a message, ready to be served.

    Attributes:
        page: The whole page.
        policy: Its Content-Security-Policy.
        blocked: What was not loaded from elsewhere, each URL once.
        is_cut: Whether the HTML was too long to be shown as a whole.
    """

    page: str
    policy: str
    blocked: tuple[str, ...]
    is_cut: bool


def body(html: str, files: Iterable[Attachment], *, scheme: str = "", images: bool = False) -> Body:
    """Return the HTML of a message as a page.

    Args:
        html: The HTML as it was sent.
        files: The files of the message, to which it may refer by ``cid:``.
        scheme: The colors that the message is to show: light ones, ``dark`` ones if it has them, or ``inverted`` ones.
        images: Whether to load images from elsewhere.
    """
    cleaner = _Cleaner(files, images=images)
    shown = bounded(html)
    cleaned = cleaner.clean(_BODY.sub(r"<\1div", shown))  # a body element would be dropped, with its colors
    colors = "dark" if scheme == "dark" else "light"
    cleaned = _STYLE.sub(lambda found: found[1] + _schemed(found[2], colors) + found[3], cleaned)
    hosts = "".join(f" {each}" for each in sorted(cleaner.hosts))
    return Body(
        _PAGE.format(scheme=colors, inverted=_INVERTED if scheme == "inverted" else "", body=cleaned),
        _POLICY.format(hosts=hosts),
        tuple(dict.fromkeys(cleaner.blocked)),
        len(shown) < len(html),
    )


class _Cleaner:
    """Cleans one message."""

    def __init__(self, files: Iterable[Attachment], *, images: bool) -> None:
        self._files = {each.cid: each for each in files if each.cid}
        self._images = images
        self._room = _EMBEDDED
        self.blocked: list[str] = []
        self.hosts: set[str] = set()

    def clean(self, html: str) -> str:
        cleaned = nh3.clean(
            html,
            tags=set(_TAGS),
            clean_content_tags={"script", "title", "template", "noscript", "iframe", "object", "svg", "math"},
            attributes={tag: set(names) for tag, names in _ATTRIBUTES.items()},
            attribute_filter=self._attribute,
            url_schemes=set(_SCHEMES),
            link_rel="noopener noreferrer",
            set_tag_attribute_values={"a": {"target": "_blank"}},
        )
        return _STYLE.sub(lambda found: found[1] + self._css(found[2]) + found[3], cleaned)

    def _attribute(self, tag: str, name: str, value: str) -> str | None:
        """Return the value that an attribute is to have, or None to drop it."""
        if name == "style":
            return self._css(value)
        if (tag, name) == ("img", "src") or name == "background":
            return self._image(value)
        if name == "href" and value.strip().lower().startswith(("data:", "cid:")):
            return None
        return value

    def _image(self, value: str) -> str | None:
        """Return the URL of an image: part of the message, or elsewhere if that is wanted."""
        address = value.strip()
        if _DATA_IMAGE.match(address):
            return address
        if address.lower().startswith("cid:"):
            return self._embedded(address[4:])
        if not address.lower().startswith(("http://", "https://", "//")):
            return None
        origin = _origin(address)
        if self._images and origin:
            self.hosts.add(origin)
            return address
        if len(self.blocked) < _BLOCKED:
            self.blocked.append(address)
        return None

    def _embedded(self, cid: str) -> str | None:
        """Return a file of the message as a ``data:`` URL."""
        file = self._files.get(cid) or self._files.get(unquote(cid))
        if file is None or not file.type.startswith("image/") or file.size > self._room:
            return None
        self._room -= file.size
        kind = file.type if re.fullmatch(r"image/[\w.+-]+", file.type) else "image/png"
        return f"data:{kind};base64,{base64.b64encode(file.content).decode('ascii')}"

    def _css(self, text: str) -> str:
        """Return a style without what it would load. Escapes are resolved first, since they can hide anything."""
        text = _CSS_ESCAPE.sub(_resolved, _CSS_COMMENT.sub(" ", text)).replace("<", "")
        return _CSS_TEXT.sub(self._blocked_text, _CSS_URL.sub(self._css_url, text))

    def _css_url(self, found: re.Match[str]) -> str:
        address = entities.unescape(found[1] or found[2] or found[3] or "").strip()
        if not address:
            return self._blocked_text(found)
        image = self._image(address)
        return f'url("{image}")' if image and not {*'"\\\n'} & {*image} else "none"

    def _blocked_text(self, found: re.Match[str]) -> str:
        """Note a part of a style that may load something. Images that were asked for stay."""
        text = found[0].strip("\"' ")
        if self._images and _origin(text) in self.hosts:
            return found[0]
        if len(self.blocked) < _BLOCKED:
            self.blocked.append(text[:200])
        return '""'


def _resolved(found: re.Match[str]) -> str:
    """Return the character of an escape in a style; quotes and backslashes become spaces."""
    number = int(found[1], 16) if found[1] else 0
    character = chr(number) if 0 < number <= sys.maxunicode else (found[2] or " ")
    return " " if character in "\"'\\\n" else character


def _schemed(css: str, scheme: str) -> str:
    """Return a style in which the conditions on the color scheme hold for ``scheme``."""
    return _SCHEME.sub(lambda found: _TRUE if found[1].lower() == scheme else _FALSE, css)


def _origin(address: str) -> str:
    """Return the origin of a URL as a source of a policy; empty if it has none that can be named."""
    try:
        parts = urlsplit(f"https:{address}" if address.startswith("//") else address)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        return ""
    if not re.fullmatch(r"[a-z0-9.-]+", host):
        return ""
    return f"{parts.scheme.lower()}://{host}{f':{port}' if port else ''}"


def listed(blocked: Iterable[str]) -> Mapping[str, int]:
    """Return how many things were not loaded, by host."""
    hosts: dict[str, int] = {}
    for each in blocked:
        origin = _origin(each) or each[:60]
        hosts[origin] = hosts.get(origin, 0) + 1
    return hosts
