"""Pages made of templates, and the headers that protect them.

1. Everything is escaped, unless a template's own macro made it.
2. A page loads its own style, script and frames, and nothing else; it cannot be framed.
3. Static files are named with a hash of all of them, so browsers can keep them.
"""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import jinja2
from aiohttp import web

from sirrchat_testkit.formatting import iso_milliseconds
from sirrchat_testkit.http.pages import HEADERS

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "frame-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
STATIC: Final = {
    "style.css": "text/css",
    "keys.js": "text/javascript",
    "htmx.min.js": "text/javascript",
    "hx-sse.min.js": "text/javascript",
    "icon.svg": "image/svg+xml",
}
_FIRST: Final = ("base", "panes", "list", "rows", "row", "boxes", "macros", "unread", "clock", "server")
"""The templates of the list. They are compiled when the pages are loaded, in a thread, so that mail need not wait."""

_FOLDER = Path(str(resources.files(__package__)))
_KILO: Final = 1000
_DIGITS: Final = 18


class Templates:
    """The templates and static files of the pages."""

    def __init__(self) -> None:
        self.files = {name: (_FOLDER / "static" / name).read_bytes() for name in STATIC}
        self._environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_FOLDER / "templates"),
            autoescape=True,
            trim_blocks=True,
            lstrip_blocks=True,
            undefined=jinja2.StrictUndefined,
        )
        self._environment.filters |= {"size": size, "iso": iso_milliseconds, "left": left, "url": url}
        version = hashlib.sha256(b"".join(self.files.values())).hexdigest()[:12]
        self._environment.globals |= {"version": version}
        for each in _FIRST:
            self._environment.get_template(f"{each}.html.j2")

    def text(self, template: str, **data: Any) -> str:
        """Return ``template`` filled with ``data``."""
        return self._environment.get_template(f"{template}.html.j2").render(data)

    def static(self, name: str) -> web.Response:
        """Return a static file."""
        headers = {**HEADERS, "Content-Type": f"{STATIC[name]}; charset=utf-8", "Cache-Control": "max-age=31536000"}
        return web.Response(body=self.files[name], headers=headers)


def page(text: str, status: int = 200, policy: str = POLICY) -> web.Response:
    """Return a page with the headers that protect it."""
    headers = {**HEADERS, "Content-Security-Policy": policy}
    body = text.encode("utf-8", "replace")
    return web.Response(body=body, status=status, content_type="text/html", charset="utf-8", headers=headers)


def size(number: int) -> str:
    """Return a size in bytes for people: ``612 B``, ``18.4 kB``, ``3.1 MB``."""
    if number < _KILO:
        return f"{number} B"
    value, unit = (number / _KILO, "kB") if number < _KILO**2 else (number / _KILO**2, "MB")
    return f"{value:.1f} {unit}" if value < 100 else f"{value:.0f} {unit}"  # noqa: PLR2004 - three digits suffice


def left(milliseconds: int) -> str:
    """Return how long something still lasts: ``41 min left``, ``23 h left``, ``3 d left``."""
    seconds = milliseconds // 1000
    for unit, length in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length or (unit == "min" and seconds >= length):
            return f"{seconds // length} {unit} left"
    return f"{max(seconds, 0)} s left"


def read_number(text: str) -> int | None:
    """Return the number in a part of a URL, or None if it has none."""
    return int(text) if text.isascii() and text.isdecimal() and len(text) <= _DIGITS else None


def url(path: str, **query: Any) -> str:
    """Return ``path`` with the parts of ``query`` that are not empty."""
    given = {name: value for name, value in query.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path
