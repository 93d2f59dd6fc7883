"""A message as one HTML page that needs no network: to open it in a browser, to save it, to show it in a report.

1. Images of the message itself (``cid:``) are in the page, as ``data:`` URLs.
2. A content security policy blocks scripts and everything remote: images, styles, fonts, frames. Links work, because a
   test follows them.
3. A message without HTML is shown as its plain text, with its web addresses as links.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote

if TYPE_CHECKING:
    from sirrchat_testkit.mail.mime import Attachment

POLICY: Final = "default-src 'none'; img-src data:; media-src data:; font-src data:; style-src 'unsafe-inline' data:"
"""The content security policy of a page."""

_HEAD: Final = (
    '<meta charset="utf-8">'
    f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    '<meta http-equiv="x-dns-prefetch-control" content="off">'
    '<meta name="referrer" content="no-referrer">'
)
_DOCTYPE = re.compile(r"\s*(?:<\?xml[^>]*>\s*)?<!doctype[^>]*>", re.IGNORECASE)
_CID = re.compile(r"\bcid:([^\s\"'<>()]{1,1000})", re.IGNORECASE)
_REFRESH = re.compile(r"(<meta\b[^>]*?http-equiv\s*=\s*[\"']?\s*)(?=refresh)", re.IGNORECASE)
_WEB = re.compile(r"https?://[^\s<>\"]+[^\s<>\".,;:!?')\]]", re.IGNORECASE)
_PLAIN: Final = (
    "<!doctype html>{head}<title>{title}</title>"
    '<body style="margin: 16px"><pre style="font: 14px/1.4 monospace; white-space: pre-wrap">{text}</pre>'
)


def page(text: str, markup: str, files: Iterable[Attachment], title: str = "") -> str:
    """Return a message with the plain ``text``, the HTML ``markup`` and ``files`` as one page."""
    if not markup:
        return _PLAIN.format(head=_HEAD, title=html.escape(title), text=_linked(text))
    doctype = _DOCTYPE.match(markup)
    start = doctype.end() if doctype else 0
    images = {each.cid: each for each in files if each.cid}
    body = _REFRESH.sub(r"\1x-", markup[start:])  # a page that leads elsewhere by itself would not be shown
    return f"{markup[:start]}{_HEAD}{_CID.sub(lambda found: _embedded(found, images), body)}"


def _embedded(found: re.Match[str], images: Mapping[str, Attachment]) -> str:
    """Return the file that a ``cid:`` URL names as a ``data:`` URL; the URL itself if there is no such file."""
    cid = html.unescape(found[1])
    image = images.get(cid) or images.get(unquote(cid))
    if image is None:
        return found[0]
    kind = image.type if re.fullmatch(r"[\w.+-]+/[\w.+-]+", image.type) else "application/octet-stream"
    return f"data:{kind};base64,{base64.b64encode(image.content).decode('ascii')}"


def _linked(text: str) -> str:
    """Return ``text`` as HTML in which web addresses are links."""
    parts: list[str] = []
    start = 0
    for found in _WEB.finditer(text):
        url = html.escape(found[0])
        parts += [html.escape(text[start : found.start()]), f'<a href="{url}">{url}</a>']
        start = found.end()
    return "".join([*parts, html.escape(text[start:])])
