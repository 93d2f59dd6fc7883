"""Links and codes in the text and the HTML of a message.

1. HTML is read in one pass of an HTML5 parser (``selectolax``, imported only here, and only if there is HTML).
2. Visible text excludes styles, scripts, hidden and struck-out elements. Blocks are on lines of their own, the cells
   of a table row on one, separated by bars.
3. The functions take the ``text``, ``html`` and ``subject`` of a message, "" where absent. ``links`` and ``codes``
   never raise; ``pick_link`` and ``pick_code`` raise ``NotExactlyOne``.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

from sirrchat_testkit.comparing import fold
from sirrchat_testkit.mail.attachments import pick_attachment
from sirrchat_testkit.mail.candidates import Candidate, NotExactlyOne
from sirrchat_testkit.mail.codes import Texts, codes_in, judged_codes, pick_code_in
from sirrchat_testkit.mail.links import MOST_LINKS, Link, Seen, bare, is_home, judged_links, merged, pick_link
from sirrchat_testkit.mail.markup import bounded

__tracebackhide__ = True

__all__ = [
    "Link",
    "NotExactlyOne",
    "candidates",
    "codes",
    "links",
    "pick_attachment",
    "pick_code",
    "pick_link",
    "readable_text",
    "select",
    "visible_text",
]

_UNSEEN: Final = frozenset({"style", "script", "head", "title", "noscript", "template", "s", "strike", "del"})
_CELLS: Final = frozenset({"td", "th"})
CELL: Final = "\x1f"
"""The beginning of a table cell, while a line is read."""

_SHOWN_INPUTS: Final = frozenset({"text", "number", "tel"})
_INLINE_TAGS: Final = (
    "a abbr acronym b bdi bdo big cite code del em font i img ins kbd label mark q s samp small span strong sub sup tt"
    " u var wbr"
)
_INLINE: Final = frozenset(_INLINE_TAGS.split())
_ANCHORS: Final = frozenset({"anchor", "picture", "logo"})
_SENTENCE_END = re.compile(r"[.!?。！？](?=\s|$)|[。！？]")
_NEAR: Final = 24
"""Pieces of text on either side of the beginning of an anchor that may be of its sentence."""

_LONG: Final = 1000
"""Characters on either side of the beginning of an anchor that may be of its sentence."""

_SPACES = re.compile(r"\s+")
# Soft hyphens, joiners and fillers: invisible characters that mailers insert.
_INVISIBLE = dict.fromkeys(map(ord, "\u00ad\u034f\u200b\u200c\u200d\u2060\ufeff"))
_PIXEL = re.compile(r"(?:width|height|max-height)\s*:\s*[01](px)?\s*(;|$)|display\s*:\s*none", re.IGNORECASE)
_HIDING: Final = ("hidden", "display", "mso-hide", "opacity", "font-size")
_FAR_OUTSIDE = re.compile(r":\s*-\d{3}")
"""If a page has none of these words, and nothing is that far outside, no element of it is hidden."""

_HIDDEN = re.compile(
    r"(?:^|;)(?:display:none|visibility:hidden|mso-hide:all|opacity:0(?:\.0*)?(?:!important)?(?:;|$)"
    r"|(?:left|top|text-indent|margin-left):-\d{3,})"
)
_NO_SIZE = re.compile(r"(?:^|;)(?:max-)?(?:height|width):0(?:px|pt|em|%)?(?:!important)?(?:;|$)")
_FONT_SIZE = re.compile(r"(?:^|;)font-size:([^;]*)")
_ZERO = re.compile(r"0(?:\.0*)?(?:px|pt|em|rem|%)?(?:!important)?")
_NUMBER = re.compile(r"\d{4}|\d[ -]\d")
"""An image with a number is read as its description, since that may be a code."""

_HREF_NOISE = re.compile(r"[\t\r\n]+")


def links(text: str, html: str) -> tuple[Link, ...]:
    """Return the links of a message, each URL once: those of the HTML in order, then those that only the text has.

    Images are links too (purpose "image" or "tracking"), and so are other schemes. Relative references are not.
    """
    plain = bare(text, in_html=False)
    if not html:
        return merged(plain)
    page = _read(html)
    anchors = [each for each in page.seen if each.kind in _ANCHORS]
    pictures = [each for each in page.seen if each.kind not in _ANCHORS]
    return merged([*anchors, *bare("\n".join(page.outside), in_html=True), *plain, *pictures])


def codes(text: str, html: str, subject: str = "") -> tuple[str, ...]:
    """Return the distinct one-time codes of a message, found as by ``pick_code``."""
    return codes_in(_texts(text, html, subject))


def candidates(text: str, html: str, subject: str) -> tuple[list[Candidate[str]], list[Candidate[Link]]]:
    """Return what may be a code or the link of a message, each with the reason why it is taken or left out."""
    return judged_codes(_texts(text, html, subject)), judged_links(links(text, html))


def pick_code(
    text: str, html: str, pattern: str | re.Pattern[str] | None = None, *, near: Any = None, subject: str = ""
) -> str:
    """Return the only code of a message; see ``ReceivedMessage.code``.

    Args:
        text: The plain text, which is searched first.
        html: The HTML, which is searched if the text has no code.
        pattern: A regular expression whose matches, or first groups, are the candidates.
        near: A text; of the candidates, the one nearest to it is the code.
        subject: The subject, which is searched too unless a word such as "code" introduces a code in the body.

    Raises:
        NotExactlyOne: There is none, or there are several.
    """
    return pick_code_in(_texts(text, html, subject), pattern, near)


def _texts(text: str, html: str, subject: str) -> Texts:
    return Texts(text, lambda: visible_text(html) if html else "", subject)


def visible_text(html: str) -> str:
    """Return the visible text of ``html``, with a line for each block."""
    return "\n".join(_read(html).lines)


def readable_text(text: str, html: str) -> str:
    """Return the plain text of a message, or the visible text of its HTML if it has none."""
    return text if text.strip() else visible_text(html)


def select(html: str, css: str) -> list[str]:
    """Return the text of each element that the CSS selector ``css`` finds, with runs of white space as one space.

    Raises:
        ValueError: The selector is malformed.
    """
    from selectolax.lexbor import LexborHTMLParser, SelectolaxError

    try:
        found = LexborHTMLParser(bounded(html)).css(css)
    except SelectolaxError as error:
        raise ValueError(f"{css!r} is not a CSS selector: {error}") from None
    return [_SPACES.sub(" ", each.text()).strip() for each in found]


class _Anchor:
    """An anchor that is being read, with its words and the descriptions of its images."""

    __slots__ = ("at", "pictures", "url", "words")

    def __init__(self, url: str, at: int) -> None:
        self.url = url
        self.at = at
        """How many words of its line stand before it."""
        self.words: list[str] = []
        self.pictures: list[str] = []

    def seen(self) -> Seen:
        """Return the anchor as a ``Seen``. An image may serve as a button; its text is then its description."""
        text = fold("".join(self.words))
        described = fold(" ".join(self.pictures))
        pictured = "picture" if self.pictures and not text else "anchor"
        return Seen(
            self.url, text or described, "", "logo" if pictured == "picture" and is_home(self.url) else pictured
        )


class _Page:
    """One pass over an HTML document."""

    def __init__(self, html: str) -> None:
        from selectolax.lexbor import LexborHTMLParser

        self.lines: list[str] = []
        self.outside: list[str] = []
        """The lines without the text of anchors: a URL shown there is not the one that is linked."""
        self.seen: list[Seen] = []
        self._line: list[str] = []
        self._beside: list[str] = []
        self._open: list[_Anchor] = []
        self._waiting: list[tuple[int, Seen]] = []
        html = bounded(html)
        lower = html.lower()
        self._hides = any(word in lower for word in _HIDING) or _FAR_OUTSIDE.search(html) is not None
        self._font_sizes: list[tuple[int, bool]] = []
        """The elements that set a font size, each with whether it is zero."""
        root = LexborHTMLParser(html).root
        if root is not None:
            self._walk(root)
        self._end_line()

    def _walk(self, root: Any) -> None:
        """Visit every node on entry and on exit, without recursion, because nesting has no limit."""
        node, depth = root, 0
        while True:
            tag = node.tag
            if tag == "-text":
                self._read_text(node)
            else:
                down = node.first_child if self._enter(node, tag) else None
                if down is not None:
                    node, depth = down, depth + 1
                    continue
                self._leave(node, tag)
            while depth and (beside := node.next) is None:
                node, depth = node.parent, depth - 1
                self._leave(node, node.tag)
            if not depth:
                return
            node = beside

    def _read_text(self, node: Any) -> None:
        if not (self._font_sizes and self._font_sizes[-1][1]):
            text = node.text_content or ""
            self._say(text if text.isascii() else _SPACES.sub(" ", text.translate(_INVISIBLE)))

    def _enter(self, node: Any, tag: str) -> bool:
        """Begin an element; return whether to visit its children."""
        hidden = self._hides and not tag.startswith(("-", "!")) and self._is_hidden(node)
        if tag == "a":
            self._open.append(_Anchor("" if hidden else _url(node.attributes.get("href")), len(self._line)))
        elif tag == "img":
            self._picture(node.attributes)
        elif tag == "sup":
            self._say(" ")
        elif tag in _INLINE:
            pass
        elif tag in _CELLS:
            self._say(CELL)
        elif tag == "area":
            self._see(Seen(_url(node.attributes.get("href")), node.attributes.get("alt") or "", "", "picture"))
        elif tag == "input" and (node.attributes.get("type") or "text") in _SHOWN_INPUTS:
            self._say(f" {node.attributes.get('value') or ''} ")
        else:
            self._end_line()
        return tag not in _UNSEEN and not hidden

    def _is_hidden(self, node: Any) -> bool:
        """Return whether an element is hidden by its attributes; note its font size if it sets one."""
        attributes = node.attributes
        style = _SPACES.sub("", attributes.get("style") or "").lower()
        size = _FONT_SIZE.search(style)
        if size is not None:
            self._font_sizes.append((node.mem_id, _ZERO.fullmatch(size[1]) is not None))
        return (
            "hidden" in attributes
            or _HIDDEN.search(style) is not None
            or ("overflow:hidden" in style and _NO_SIZE.search(style) is not None)
        )

    def _leave(self, node: Any, tag: str) -> None:
        if self._font_sizes and self._font_sizes[-1][0] == node.mem_id:
            self._font_sizes.pop()
        if tag == "a" and self._open:
            anchor = self._open.pop()
            seen = anchor.pictures or any(word.strip() for word in anchor.words)  # an empty one is invisible
            if seen and len(self.seen) + len(self._waiting) < MOST_LINKS:
                self._waiting.append((anchor.at, anchor.seen()))
        elif tag == "sup":
            self._say(" ")
        elif tag not in _INLINE and tag not in _CELLS and not tag.startswith(("-", "!")):
            self._end_line()

    def _say(self, text: str) -> None:
        self._line.append(text)
        if self._open:
            self._open[-1].words.append(" " if text == CELL else text)
        else:
            self._beside.append(text)

    def _picture(self, attributes: Any) -> None:
        alt = attributes.get("alt") or ""
        tiny = {attributes.get("width"), attributes.get("height")} & {"0", "1", "0px", "1px"}
        kind = "pixel" if tiny or _PIXEL.search(attributes.get("style") or "") else "image"
        if self._open:
            self._line.append(alt)
            self._open[-1].pictures.append(alt)
        elif kind == "image" and _NUMBER.search(alt):
            self._line.append(alt)
        self._see(Seen(_url(attributes.get("src")), alt, "", kind))

    def _see(self, seen: Seen) -> None:
        if len(self.seen) < MOST_LINKS:
            self.seen.append(seen)

    def _end_line(self) -> None:
        if not self._line and not self._waiting:
            return
        line = _joined(self._line)
        beside = line if self._beside == self._line else _joined(self._beside)
        self.seen += [each._replace(around=_clause(self._line, at)) for at, each in self._waiting]
        self._waiting.clear()
        self._line.clear()
        self._beside.clear()
        if line:
            self.lines.append(line)
        if beside:
            self.outside.append(beside)


def _clause(words: list[str], at: int) -> str:
    """Return the sentence of a line that goes on at a word, with the one before it if it begins there."""
    before, behind = "".join(words[max(0, at - _NEAR) : at])[-_LONG:], "".join(words[at : at + _NEAR])[:_LONG]
    *earlier, last = _SENTENCE_END.split(before)
    end = _SENTENCE_END.search(behind)
    begin = last if last.strip() else "".join([*earlier[-1:], " "])
    return fold(begin + (behind[: end.start() + 1] if end else behind)).replace(CELL, " ")


def _joined(words: list[str]) -> str:
    """Return the text of a line; cells are separated by bars, without those of empty ones."""
    text = "".join(words)
    if CELL not in text:
        return fold(text)
    return " | ".join(filter(None, map(fold, text.split(CELL))))


@lru_cache(maxsize=2)
def _read(html: str) -> _Page:
    """Return an HTML document as it is read; the links and the codes of a message are often asked for together."""
    return _Page(html)


def _url(value: str | None) -> str:
    """Return a reference without the line ends and white space that HTML ignores."""
    return _HREF_NOISE.sub("", value or "").strip()
