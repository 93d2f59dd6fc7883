"""Links: their purpose, and the choice of the one that a test means.

1. A ``Link`` is its URL as sent. The same URL in button, fallback and text part is one link.
2. The purpose is read from the text of a link; if that says nothing, from the sentence around it, the host and the
   path. If nothing indicates one, it is "": the link that the message was sent for.
3. Without arguments only links of purpose "" are candidates, and of those only the ones that a reader would follow
   first; with a URL, a text or a purpose all links are.
4. Only ``pick_link`` raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal, NamedTuple, Self, TypeAlias, get_args
from urllib.parse import parse_qsl

from sirrchat_testkit.comparing import CONTAINED, EQUAL, fold, holds
from sirrchat_testkit.formatting import excerpt, named
from sirrchat_testkit.mail import link_words
from sirrchat_testkit.mail.candidates import Candidate, only
from sirrchat_testkit.suggestions import Hints

__tracebackhide__ = True

LinkPurpose: TypeAlias = Literal["", "unsubscribe", "social", "legal", "image", "tracking"]
"""The purpose of a link; "" for the link that the message was sent for."""

PURPOSES: Final[tuple[LinkPurpose, ...]] = get_args(LinkPurpose)

_WORDS: Final[Mapping[LinkPurpose, re.Pattern[str]]] = MappingProxyType(
    {"unsubscribe": link_words.UNSUBSCRIBE, "legal": link_words.LEGAL, "social": link_words.FOLLOW}
)
_ORIGIN = re.compile(r"(https?):/*([^/?#]*)", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_NO_LINKS: Final = frozenset({"javascript:", "data:", "cid:", "about:", "vbscript:", "blob:", "file:"})
# CJK text follows a URL without a space: such characters and typographic quotes end it, unless its host is such a name.
_URL = re.compile(
    r"(?:https?://|[a-z][a-z0-9+.-]{1,20}://|mailto:|tel:)"
    r"(?:(?=[\u2e80-\ud7ff])[^\s<>\"`\\^\xab\xbb\u2000-\u206f\u3000-\u3020\uff00-\uff0f]{1,4096}"
    r"|[^\s<>\"`\\^\xab\xbb\u2000-\u206f\u2190-\U0010ffff]{1,4096})",
    re.IGNORECASE,
)
MOST: Final = 262_144
"""Characters of a plain text in which links are read."""

MOST_LINKS: Final = 2000
"""Links of a text, and of a page, that are read; a long newsletter has several hundred."""

_SIGNS_OF_URLS: Final = ("://", "mailto:", "tel:")
_WRAPPED = re.compile(r"<(https?://[^\s<>]{1,2048}(?:\r?\n[ \t]{0,8}[^\s<>]{1,2048}){1,20})>", re.IGNORECASE)
_CAMPAIGN: Final = r"(?:utm_\w+|ref|source|lang|locale|hl)=[^&#]*"
_HOME = re.compile(
    rf"https?:/*[^/?#]*(?:/[a-z]{{2}}(?:[-_][a-z]{{2}})?)?/?(?:index\.\w+)?(?:\?(?:{_CAMPAIGN}&?)*)?", re.IGNORECASE
)
_TRACKED = re.compile(r"(?<=[?&])utm_\w+=[^&#]*&?")
_BRACKET = re.compile(r"[()\[\]{}]")
_OPENING: Final = {")": "(", "]": "[", "}": "{"}
_STOPS: Final = ".,;:!?'*|{،؛؟۔।॥։።፣"
_DEEP: Final = 32
"""Parts of a path whose pages are known."""

_UNBROKEN = re.compile(r"\S*")
_CLAUSE = re.compile(r"(?<=[.!?。！？])\s+|\n")
_LABELLED: Final = 100
"""The maximum length of a label. A longer text is a paragraph, which may mention anything."""


class Link(str, Hints):
    """A link of a message: a ``str`` that is the URL as sent, and has the link's text and purpose.

    Example:
        link = message.link("confirm")
        client.get(link.path)
        assert link.params["token"]

    Attributes:
        text: The visible text of the anchor, or the description of its image; empty if the bare URL is shown.
        purpose: ``unsubscribe``, ``social``, ``legal``, ``image`` or ``tracking``; empty for any other link,
            such as the one that the message was sent for.
    """

    __slots__ = ("_around", "_in_html", "_texts", "purpose", "text")

    _guesses: ClassVar[Mapping[str, str]] = {
        "url": "str(link)",
        "href": "str(link)",
        "query": "params",
        "label": "text",
        "kind": "purpose",
    }

    text: str
    purpose: LinkPurpose
    _texts: tuple[str, ...]
    _around: str
    _in_html: bool

    def __new__(cls, url: str, text: str = "", purpose: LinkPurpose = "") -> Self:
        """Return ``url`` as a link."""
        link = super().__new__(cls, url)
        link.text = text
        link.purpose = purpose
        link._texts, link._around, link._in_html = (text,), "", True
        return link

    @property
    def scheme(self) -> str:
        """The scheme in lower case, such as ``https`` or ``mailto``."""
        return self.partition(":")[0].lower()

    @property
    def path(self) -> str:
        """The path, the query and the fragment, for a test client of the application; it begins with ``/``."""
        path = _ORIGIN.sub("", self, count=1)
        return path if path.startswith("/") else "/" + path

    @property
    def params(self) -> dict[str, str]:
        """The decoded parameters of the query; the first value if one is repeated."""
        query = self.partition("#")[0].partition("?")[2]
        try:
            pairs = parse_qsl(query, keep_blank_values=True, errors="replace")
        except ValueError:
            return {}
        first: dict[str, str] = {}
        for name, value in pairs:
            first.setdefault(name, value)
        return first

    def __reduce__(self) -> tuple[type[Link], tuple[str, str, LinkPurpose]]:
        """Return what a copy is made from."""
        return type(self), (str(self), self.text, self.purpose)


class Seen(NamedTuple):
    """One place where a URL occurs.

    Attributes:
        url: The URL.
        text: The visible text of the anchor.
        around: The line that it stands in, or the words that introduce it.
        kind: ``anchor``, ``picture`` (an anchor around an image), ``logo`` (the same to the home page), ``bare``,
            ``image`` or ``pixel``.
        in_html: Whether it is in the HTML, not only in the plain text.
    """

    url: str
    text: str = ""
    around: str = ""
    kind: str = "anchor"
    in_html: bool = True


def is_home(url: str) -> bool:
    """Return whether ``url`` is a home page: it has no path, no fragment, and no parameters but those of a campaign."""
    return _HOME.fullmatch(url) is not None


def bare(text: str, *, in_html: bool) -> list[Seen]:
    """Return the first URLs in plain ``text``, or in that of the HTML, each with the words that introduce it."""
    text = text[:MOST]
    lower = text.lower()
    if not any(sign in lower for sign in _SIGNS_OF_URLS):  # much faster than the search
        return []
    # RFC 3986, appendix C: between angle brackets a URL may be wrapped
    text = _WRAPPED.sub(lambda wrapped: f"<{''.join(wrapped[1].split())}>", text)
    found: list[Seen] = []
    at = 0
    while len(found) < MOST_LINKS and (url := _URL.search(text, at)):
        trimmed = _trimmed(url[0])
        found.append(_bare(text, url.start(), trimmed, in_html=in_html))
        at = url.start() + max(len(trimmed), 1)
    return found


def _bare(text: str, position: int, url: str, *, in_html: bool) -> Seen:
    """Return a URL in plain text; in Markdown, ``[text](url)`` is an anchor and ``![text](url)`` an image."""
    if text[max(0, position - 2) : position] == "](":
        opening = text.rfind("[", max(0, position - 2 * _LABELLED), position - 2)
        if opening >= 0:
            label = text[opening + 1 : position - 2]
            kind = "image" if text[:opening].endswith("!") else "anchor"
            return Seen(url, "" if _URL.match(label) else label, "", kind, in_html)
    return Seen(url, "", _label(text, position), "bare", in_html)


def merged(places: Iterable[Seen]) -> tuple[Link, ...]:
    """Return each URL once, in the order of appearance; the text of an anchor wins over the text around a URL."""
    by_url: dict[str, list[Seen]] = {}
    for place in places:
        scheme = _SCHEME.match(place.url)
        if scheme and scheme[0].lower() not in _NO_LINKS:
            by_url.setdefault(_same(place.url), []).append(place)
    return tuple(_link(each) for each in by_url.values())


def pick_link(
    links: Iterable[Link],
    match: Any = None,
    *,
    url: Any = None,
    text: Any = None,
    purpose: LinkPurpose | None = None,
    scheme: str | None = None,
    shown: Callable[[], str] = str,
) -> Link:
    """Return the only match in ``links``; see ``ReceivedMessage.link``. ``shown()`` is the text that a failure shows.

    Raises:
        NotExactlyOne: None matches, or several do.
        ValueError: The purpose is unknown.
    """
    if purpose is not None and purpose not in PURPOSES:
        raise ValueError(f"purpose must be one of {', '.join(map(repr, PURPOSES))}, not {purpose!r}")
    wanted = {"match": match, "url": url, "text": text, "purpose": purpose, "scheme": scheme}
    wanted = {name: each for name, each in wanted.items() if each is not None}
    known = list(links)
    judged = _asked(known, wanted)
    asked = _call({name: named(each) for name, each in wanted.items()})
    return only(judged, asked, "links", lambda: _as_patterns(known, wanted) or _advice(known, judged), shown)


def _call(shown: Mapping[str, str]) -> str:
    """Return a call of ``link`` whose arguments are shown so."""
    return f"link({', '.join(each if name == 'match' else f'{name}={each}' for name, each in shown.items())})"


def _asked(links: Iterable[Link], wanted: Mapping[str, Any]) -> list[Candidate[Link]]:
    """Return ``links``, each with the reason why a call with these arguments takes it or leaves it out."""
    if not wanted:
        return judged_links(links)
    judged = [_judged(link, wanted) for link in links]
    return judged if "purpose" in wanted else _without_images(judged)


def judged_links(links: Iterable[Link]) -> list[Candidate[Link]]:
    """Return ``links``, each with the reason why ``link()`` takes it or leaves it out."""
    return _without_lesser([_judged(link, {}) for link in links])


_PLAIN: Final = "it is an ordinary link"
_TRIED: Final = 4
"""The maximum number of links for which a failure looks for a call."""


def _as_patterns(links: list[Link], wanted: Mapping[str, Any]) -> str:
    """Return the call with its texts as regular expressions, if only then it finds one link; otherwise ""."""
    texts = {name: each for name, each in wanted.items() if name in ("match", "url", "text") and isinstance(each, str)}
    try:
        patterns = {name: re.compile(each) for name, each in texts.items()}
    except re.error:
        return ""
    if sum(each.kept for each in _asked(links, {**wanted, **patterns})) != 1:
        return ""
    shown = {name: _compiled(each) if name in texts else repr(each) for name, each in wanted.items()}
    return f"To search with a regular expression: {_call(shown)}"


def _compiled(text: str) -> str:
    """Return the call that makes a pattern of ``text``, with a raw string if it can be one."""
    raw = "\\" in text and "'" not in text and not text.endswith("\\") and text.isprintable()
    return f"re.compile(r'{text}')" if raw else f"re.compile({text!r})"


def _advice(links: list[Link], judged: list[Candidate[Link]]) -> str:
    """Return a call that finds the first link that was kept; if none was, the first of no, or else of any purpose."""
    likely = [each.value for each in judged if each.kept] or sorted(links, key=lambda link: _NEXT.index(link.purpose))
    for link in likely[:_TRIED]:
        calls = [{"match": link.text}, {"url": link.path.partition("?")[0]}, {"url": str(link)}]
        if link.purpose not in _IMAGES:
            calls[1:1] = [{"purpose": link.purpose}, {"scheme": link.scheme}]
        for call in calls:
            [[name, value]] = call.items()
            if value and [each.value for each in _asked(links, call) if each.kept] == [link]:
                return f"To ask more precisely: link({'' if name == 'match' else f'{name}='}{value!r})"
    return 'To ask more precisely: link("confirm"), with words of the link or a part of its URL'


_NEXT: Final[tuple[LinkPurpose, ...]] = ("", "unsubscribe", "legal", "social", "image", "tracking")


def _judged(link: Link, wanted: Mapping[str, Any]) -> Candidate[Link]:
    shown = f"{link} ({excerpt(link.text)})" if link.text else str(link)
    web = _ORIGIN.match(link) is not None
    if not web and not {"match", "url", "scheme"} & {*wanted}:
        return Candidate(link, shown, False, f"its scheme is {link.scheme!r}, not http or https")
    if not wanted:
        reason = f"its purpose is {link.purpose!r}" if link.purpose else _PLAIN
        return Candidate(link, shown, not link.purpose, reason)
    texts = link._texts  # noqa: SLF001 - its own module
    tests: dict[str, Callable[[Any], bool]] = {
        "match": lambda each: _contains(link, each) or any(_contains(text, each) for text in texts),
        "scheme": lambda each: each.rstrip(":").lower() == link.scheme,
        "url": lambda each: holds(each, link, CONTAINED),
        "text": lambda each: any(holds(each, text, CONTAINED) for text in texts),
        "purpose": lambda each: holds(each, link.purpose, EQUAL),
    }
    for name, each in wanted.items():
        if not tests[name](each):
            missed = {
                "match": "neither its URL nor its text matches",
                "url": "its URL does not match",
                "text": "its text does not match",
                "scheme": f"its scheme is {link.scheme!r}, not",
                "purpose": f"its purpose is {link.purpose!r}, not",
            }
            unspecial = name == "purpose" and not link.purpose
            return Candidate(link, shown, False, _PLAIN if unspecial else f"{missed[name]} {named(each)}")
    return Candidate(link, shown, True, "it matches")


def _contains(value: str, wanted: Any) -> bool:
    """Return whether ``value`` contains a string, ignoring case, or matches a pattern or a function."""
    if isinstance(wanted, str):
        return wanted.casefold() in value.casefold()
    return holds(wanted, value, CONTAINED)


def _without_images(judged: list[Candidate[Link]]) -> list[Candidate[Link]]:
    """Drop the images that match if another link matches too: a button's image is no link of its own."""
    if all(each.value.purpose in _IMAGES for each in judged if each.kept):
        return judged
    return [
        each._replace(kept=False, reason="it is an image, and another link matches")
        if each.kept and each.value.purpose in _IMAGES
        else each
        for each in judged
    ]


_IMAGES: Final = frozenset({"image", "tracking"})


def _without_lesser(judged: list[Candidate[Link]]) -> list[Candidate[Link]]:
    """Drop the candidates that a reader would follow only if there were no other, such as the page of a brand name."""
    kept = [each.value for each in judged if each.kept]
    lesser = {link: reason for link in kept if (reason := _lesser(link))}
    first = [link for link in kept if link not in lesser]
    above = {page for link in kept for page in _pages_above(link)}
    lesser |= {link: _ABOVE for link in first if _is_general(link) and link.rstrip("/") in above}
    usual = {link: reason for link in first if (reason := _usual(link))}
    if len(usual) < len(first):
        lesser |= usual
    if any(link._in_html for link in first):  # noqa: SLF001 - its own module
        lesser |= {link: _ONLY_TEXT for link in first if not link._in_html}  # noqa: SLF001 - same
    if any(link.text and not _URL.match(link.text) for link in first):
        lesser |= {link: _TO_COPY for link in first if _is_to_be_copied(link)}
    if len(lesser) == len(kept):
        return judged
    return [
        each._replace(kept=False, reason=f"{lesser[each.value]}{_BESIDE}")
        if each.kept and each.value in lesser
        else each
        for each in judged
    ]


_BESIDE: Final = "; another link is more likely"
_ABOVE: Final = "it leads to a page above that of another link"
_ONLY_TEXT: Final = "it is only in the plain text"
_TO_COPY: Final = "it is to be copied if a button does not work"
_WORD_PATH = re.compile(r"[a-z_.-]*", re.IGNORECASE)


def _lesser(link: Link) -> str:
    """Return why a reader would rather follow another link, or ""."""
    said = link.text if link.text and not _is_vague(link.text) else ""
    around = (said or link._around).lower()  # noqa: SLF001 - its own module
    reasons = {
        "it leads to a home page": is_home(link),
        "it shows the message in a browser": link_words.BROWSER.search(around),
        "it leads to a help page": link_words.HELP.fullmatch(around) or link_words.HELP_PAGE.match(link),
        "it is for readers who did not ask for the message": link_words.UNDO.search(around)
        or (not said and link_words.UNDO_PAGE.search(link)),
        "it leads to an app store": link_words.APP_HOST.match(link) or link_words.APP.fullmatch(around),
    }
    return next((reason for reason, is_so in reasons.items() if is_so), "")


def _usual(link: Link) -> str:
    """Return what page of an account a link leads to that mails have in their footer, or ""."""
    if link_words.LOGIN_PAGE.match(link):
        return "it leads to a page to sign in"
    return "it leads to settings" if link_words.SETTINGS.fullmatch(link.text.lower()) else ""


def _is_to_be_copied(link: Link) -> bool:
    """Return whether a link is shown as a URL, and the words around it ask to copy it."""
    shown = not link.text or _URL.match(link.text)
    return bool(shown and link_words.COPY.search(link._around.lower()))  # noqa: SLF001 - its own module


def _is_vague(text: str) -> bool:
    """Return whether the text of a link says nothing of it: "click here", or a URL."""
    return link_words.GENERIC.fullmatch(text.lower()) is not None or _URL.match(text) is not None


def _is_general(link: Link) -> bool:
    """Return whether the last part of a path is a word, such as ``/reset``, and no token or number."""
    path = link.partition("?")[0].partition("#")[0].rstrip("/")
    return _WORD_PATH.fullmatch(path.rpartition("/")[2]) is not None


def _pages_above(link: Link) -> Iterator[str]:
    """Yield the pages above that of a link: of ``/reset/MQ-d0?x=1`` these are ``/reset/MQ-d0`` and ``/reset``."""
    path = link.partition("#")[0].partition("?")[0].rstrip("/")
    if path != link.rstrip("/"):
        yield path
    for end in [found.start() for found in re.finditer("/", path)][3:_DEEP]:
        yield path[:end]


def _link(places: list[Seen]) -> Link:
    shown = [place for place in places if place.kind in ("anchor", "picture")] or places
    named = [place for place in places if place.text]
    texts = [fold(place.text) for kind in ("anchor", "picture") for place in named if place.kind == kind]
    texts.sort(key=_is_url)  # the first one is shown
    texts = texts or [fold(place.text) for place in named]
    link = Link(places[0].url, texts[0] if texts else "", next(filter(None, map(_purpose, shown)), ""))
    link._texts = tuple(texts) or ("",)  # noqa: SLF001 - its own module
    link._around = next((place.around for place in places if place.around), "")  # noqa: SLF001 - same
    link._in_html = any(place.in_html for place in places)  # noqa: SLF001 - same
    return link


def _is_url(text: str) -> bool:
    return _URL.match(text) is not None


def _purpose(place: Seen) -> LinkPurpose:
    """Return the purpose of a URL, judged from one place where it occurs."""
    path = _ORIGIN.sub("", place.url, count=1).partition("?")[0].partition("#")[0]
    if place.kind == "pixel":
        return "tracking"
    if place.kind in ("logo", "image"):
        tracks = place.kind == "image" and link_words.PATHS["tracking"].search(path)
        return "tracking" if tracks else "social" if place.kind == "logo" and _is_profile(place.url) else "image"
    vague = not place.text or _is_vague(place.text)
    profile = _is_profile(place.url)
    words = (place.around if vague else place.text).lower()
    if len(words) <= _LABELLED and not (vague and profile):
        for purpose, pattern in _WORDS.items():
            if pattern.search(words):
                return purpose
    if profile or link_words.SOCIAL.fullmatch(words):
        return "social"
    if link_words.IMAGE_FILE.search(path) and vague and not words:
        return "image"
    found: list[LinkPurpose] = [
        name for name in ("unsubscribe", "tracking", "legal") if link_words.PATHS[name].search(path)
    ]
    return found[0] if found else ""


def _is_profile(url: str) -> bool:
    """Return whether ``url`` is a page of a sender at a social network, not one of the network itself."""
    social = link_words.SOCIAL_HOST.match(url)
    return social is not None and link_words.PROFILE.fullmatch(social["path"] or "") is not None


def _same(url: str) -> str:
    """Return a key that equal URLs share: scheme and host are compared without case, an empty path is ``/``."""
    origin = _ORIGIN.match(url)
    if origin is None:
        return url
    rest = url[origin.end() :]
    rest = (_TRACKED.sub("", rest).rstrip("?&") if "utm_" in rest else rest).replace("%40", "@")
    return origin[0].lower() + (rest or "/")


def _trimmed(url: str) -> str:
    """Strip the rest of the sentence: everything from a bracket that the URL does not open, punctuation and quotes."""
    opened = {"(": 0, "[": 0, "{": 0}
    for bracket in _BRACKET.finditer(url):
        if bracket[0] in opened:
            opened[bracket[0]] += 1
            continue
        opening = _OPENING[bracket[0]]
        opened[opening] -= 1
        if opened[opening] < 0:
            url = url[: bracket.start()]
            break
    return url.rstrip(_STOPS)


def _behind_urls(line: str) -> str:
    """Return what stands behind the last URL of a line; all of it if it has none."""
    if ":" not in line:
        return line
    sign = line.rfind("://")
    if sign >= 0 and (scheme := _UNBROKEN.match(line[:sign][::-1])):  # the last URL is likely there
        _, *behind = _URL.split(line[sign - scheme.end() :])
        if behind:
            return behind[-1]
    return _URL.split(line)[-1]


def _label(text: str, position: int) -> str:
    """Return the words before a bare URL: of its clause, or else of the line above if that ends in a colon."""
    before = text[max(0, position - 4 * _LABELLED) : position]
    *above, line = before.rsplit("\n", 4)  # three lines above, and the rest
    line = _behind_urls(line).strip(" <(>*-•·\t|[")
    if line:
        return fold(_CLAUSE.split(line)[-1])
    near = next((each for each in reversed(above[-3:]) if each.strip()), "")
    return fold(_CLAUSE.split(near)[-1]) if near.rstrip().endswith((":", "：", "👇", "↓")) and "://" not in near else ""
