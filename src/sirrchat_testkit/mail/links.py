"""Links: their purpose, and the choice of the one that a test means.

1. A ``Link`` is its URL as sent; http and https only. The same URL in button, fallback and text part is one link.
2. The purpose is read from words in many languages, from the host and from the path. If nothing indicates one, it is
   "": the link that the message was sent for.
3. Without arguments only links of purpose "" are candidates; with a URL, a text or a purpose all links are.
4. Only ``pick_link`` raises.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any, ClassVar, Final, Literal, NamedTuple, Self, TypeAlias, get_args
from urllib.parse import parse_qsl

from sirrchat_testkit.comparing import CONTAINED, EQUAL, fold, holds
from sirrchat_testkit.formatting import excerpt, named
from sirrchat_testkit.mail.candidates import Candidate, only
from sirrchat_testkit.suggestions import Hints

__tracebackhide__ = True

LinkPurpose: TypeAlias = Literal["", "unsubscribe", "social", "legal", "image", "tracking"]
"""The purpose of a link; "" for the link that the message was sent for."""

PURPOSES: Final[tuple[LinkPurpose, ...]] = get_args(LinkPurpose)

_WORDS: Final[Mapping[LinkPurpose, re.Pattern[str]]] = MappingProxyType(
    {
        "unsubscribe": re.compile(
            r"unsubscri|opt[ -]?out|(e-?mail|notification|subscription)s? (preferences|settings)|manage preferences"
            r"|abmeld|abbestell|austragen|désabonn|désinscri|darse de baja|cancelar (la "
            r"|a )?(suscripción|subscrição|inscrição)"
            r"|descadastr|cancellati|disiscri|annulla l.iscrizione|donar-se de baixa|cancel·la"
            r"|uitschrijv|afmeld|avregistrera"
            r"|avsluta prenumeration|avmeld|meld deg av|frameld|peruuta (tilaus|uutiskirje)"
            r"|poistu (posti|listal)|wypisz|rezygn"
            r"|odhlás|leiratkoz|dezabon|διαγραφή|απεγγραφή|abonelikten|listeden çık|отпис|відпис|odjav"
            r"|إلغاء الاشتراك|لغو (اشتراک|عضویت)|הסרה|להסיר|ביטול הרשמה|सदस्यता (समाप्त|रद्द)"
            r"|अनसब्सक्राइब|আনসাবস্ক্রাইব"
            r"|ยกเลิกการ(สมัคร|รับ)|h[ủu]ỷ? ?y? đăng ký|hủy (nhận|theo dõi)|berhenti berlangganan"
            r"|退订|取消订阅|退訂|取消訂閱|配信停止|配信解除|購読解除|登録解除|수신\s?거부|구독\s?(취소|해지)",
            re.IGNORECASE,
        ),
        "legal": re.compile(
            r"privacy|terms (of|and|&)|^terms$|imprint|legal notice|cookie policy|impressum|datenschutz|\bagb\b"
            r"|nutzungsbedingungen|mentions légales|confidentialité|conditions (générales|d'utilisation)|privacidad"
            r"|aviso legal|términos|termos de|condizioni|informativa|конфіденційн|поверителност"
            r"|условия|умови (вик|кор)|prywatności|regulamin|osobních údajů|osobných údajov"
            r"|obchod(ní|né) podmínky|adatvédel|confidențialitate|termeni și|απορρήτου|όροι χρήσης"
            r"|gizlilik|kullanım koşulları"
            r"|الخصوصية|الشروط|حریم خصوصی|פרטיות|תנאי שימוש|गोपनीयता|ความเป็นส่วนตัว"
            r"|chính sách bảo mật|điều khoản|privasi"
            r"|integritetspolicy|användarvillkor|personvern|privatlivspolitik|vilkår|tietosuoja"
            r"|käyttöehdot|privatnosti"
            r"|конфиденциальност|隐私|隱私|服务条款"
            r"|使用条款|プライバシー|利用規約|特定商取引|개인정보|이용\s?약관",
            re.IGNORECASE,
        ),
    }
)
_PATHS: Final[Mapping[LinkPurpose, re.Pattern[str]]] = MappingProxyType(
    {
        "unsubscribe": re.compile(
            r"unsub(scribe)?\b|unsubscri|opt[-_]?out|list-manage|abmelde|desinscri|desabonn", re.IGNORECASE
        ),
        "tracking": re.compile(
            r"[/._-](open|pixel|beacon)\.(gif|png)|/(track|pixel|beacon)/open|/wf/open\b", re.IGNORECASE
        ),
        "legal": re.compile(
            r"/(privacy|terms|legal|imprint|impressum|datenschutz|agb|tos|cookies)([-_][a-z-]+)?(\.html?)?/?([?#]|$)",
            re.IGNORECASE,
        ),
        "image": re.compile(r"\.(png|jpe?g|gif|webp|svg|bmp|ico)([?#]|$)", re.IGNORECASE),
    }
)
_SOCIAL = re.compile(
    r"https?://([a-z0-9-]+\.)*(facebook\.com|fb\.com|twitter\.com|x\.com|instagram\.com|linkedin\.com"
    r"|youtube\.com|youtu\.be"
    r"|tiktok\.com|pinterest\.[a-z.]+|t\.me|wa\.me|weibo\.com|discord\.(gg|com)|mastodon\.social"
    r"|threads\.net|bsky\.app"
    r"|vk\.com|line\.me|reddit\.com|snapchat\.com|xing\.com)([/?#:]|$)",
    re.IGNORECASE,
)
_HELP = re.compile(
    r"^\W*((get|need|visit our|contact)?\s*(help|support)(\s(center|centre|site|page|team"
    r"|& contact))?|faq|contact( us| support)?|hilfe"
    r"|aide|ayuda|ajuda|aiuto|assistenza|hulp|hjälp|hjælp|hjelp|apua|pomoc|nápověda|súgó|ajutor"
    r"|βοήθεια|yardım|помощь|допомога"
    r"|помощ|المساعدة|راهنما|עזרה|सहायता|मदद|সাহায্য|ช่วยเหลือ|trợ giúp|hỗ trợ|bantuan|帮助(中心)?|幫助"
    r"|客服中心|ヘルプ|도움말|고객센터)\W*$",
    re.IGNORECASE,
)
_HELP_PAGE = re.compile(
    r"https?://(help|support|faq|hilfe|aide|ayuda)\.|https?://[^/]*/([a-z]{2}/)?"
    r"(help|support|faq|contact|about|hilfe|aide|ayuda|bantuan|hc|smarthelp)(/[^?#]*)?([?#]|$)",
    re.IGNORECASE,
)
_UNDO = re.compile(
    r"\b(was|is)(n.?t| not) (me|you)\b|\bnot (me|you)\b|\blet us know\b|\breport (it|this)|/(cancel"
    r"|revoke|report|deny|undo)\b",
    re.IGNORECASE,
)
_GENERIC = re.compile(
    r"\W*((click|tap)?\s*here|hier( klicken)?|(cliquez )?ici|aqu[ií]|qui|link|这里|此处|こちら|여기|здесь)\W*",
    re.IGNORECASE,
)
_ORIGIN = re.compile(r"(https?):/*([^/?#]*)", re.IGNORECASE)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:", re.IGNORECASE)
_NO_LINKS: Final = frozenset({"javascript:", "data:", "cid:", "about:", "vbscript:", "blob:", "file:"})
# CJK text follows a URL without a space: such characters and typographic quotes end it, unless its host is such a name.
_URL = re.compile(
    r"https?://(?:(?=[\u2e80-\ud7ff])[^\s<>\"`{}|\\^\xab\xbb\u2000-\u206f\u3000-\u3020\uff00-\uff0f]{1,4096}"
    r"|[^\s<>\"`{}|\\^\xab\xbb\u2000-\u206f\u2190-\U0010ffff]{1,4096})",
    re.IGNORECASE,
)
_WRAPPED = re.compile(r"<(https?://[^<>]*)>", re.IGNORECASE)
_HOME = re.compile(r"https?:/*[^/?#]*/?(?:\?(?:utm_\w+=[^&#]*&?)*)?", re.IGNORECASE)
_BRACKETS: Final = {")": "(", "]": "["}
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

    __slots__ = ("purpose", "text")

    _guesses: ClassVar[Mapping[str, str]] = {
        "url": "str(link)",
        "href": "str(link)",
        "query": "params",
        "label": "text",
        "kind": "purpose",
    }

    text: str
    purpose: LinkPurpose

    def __new__(cls, url: str, text: str = "", purpose: LinkPurpose = "") -> Self:
        """Return ``url`` as a link."""
        link = super().__new__(cls, url)
        link.text = text
        link.purpose = purpose
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
        kind: ``anchor``, ``logo`` (an anchor around an image, to the home page or without words), ``bare``, ``image``
            or ``pixel``.
    """

    url: str
    text: str = ""
    around: str = ""
    kind: str = "anchor"


def is_home(url: str) -> bool:
    """Return whether ``url`` is a home page: it has no path, no fragment, and no parameters but those of a campaign."""
    return _HOME.fullmatch(url) is not None


def bare(text: str) -> list[Seen]:
    """Return the URLs in plain ``text``, each with the words that introduce it."""
    # RFC 3986, appendix C: between angle brackets a URL may be wrapped
    text = _WRAPPED.sub(lambda wrapped: f"<{''.join(wrapped[1].split())}>", text)
    found = []
    at = 0
    while url := _URL.search(text, at):
        trimmed = _trimmed(url[0])
        found.append(_bare(text, url.start(), trimmed))
        at = url.start() + max(len(trimmed), 1)
    return found


def _bare(text: str, position: int, url: str) -> Seen:
    """Return a URL in plain text; in Markdown, ``[text](url)`` is an anchor and ``![text](url)`` an image."""
    if text[max(0, position - 2) : position] == "](":
        opening = text.rfind("[", max(0, position - 2 * _LABELLED), position - 2)
        if opening >= 0:
            label = text[opening + 1 : position - 2]
            return Seen(
                url, "" if _URL.match(label) else label, "", "image" if text[:opening].endswith("!") else "anchor"
            )
    return Seen(url, "", _label(text, position), "bare")


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
    judged = [_judged(link, wanted) for link in links]
    if not wanted:
        judged = _without_lesser(judged)
    asked = ", ".join(named(each) if name == "match" else f"{name}={named(each)}" for name, each in wanted.items())
    advice = _advice([each.value for each in judged if each.kept])
    return only(judged, f"link({asked})", "links", advice if wanted else f"{advice}; {_LEFT_OUT}", shown)


_ADVICE: Final = 'link("confirm"), link(text="Confirm"), link(url="/x"), or link(purpose="unsubscribe")'
_PLAIN: Final = "it has no special purpose"
_LEFT_OUT: Final = "without arguments, links with a purpose are left out"


def _advice(kept: list[Link]) -> str:
    """Return a call that finds the first of several links."""
    if not kept:
        return _ADVICE
    first, *others = kept
    if first.text and not any(first.text.casefold() in f"{other} {other.text}".casefold() for other in others):
        return f"link({first.text!r})"
    parts = (first.path.partition("?")[0], str(first))
    unique = (part for part in parts if not any(part in other for other in others))
    return next((f"link(url={part!r})" for part in unique), _ADVICE)


def _judged(link: Link, wanted: Mapping[str, Any]) -> Candidate[Link]:
    shown = f"{link} ({excerpt(link.text)})" if link.text else str(link)
    web = _ORIGIN.match(link) is not None
    if not web and not {"match", "url", "scheme"} & {*wanted}:
        return Candidate(link, shown, False, f"its scheme is {link.scheme!r}, not http or https")
    if not wanted:
        reason = f"its purpose is {link.purpose!r}" if link.purpose else _PLAIN
        return Candidate(link, shown, not link.purpose, reason)
    tests: dict[str, Callable[[Any], bool]] = {
        "match": lambda each: _contains(link, each) or _contains(link.text, each),
        "scheme": lambda each: each.rstrip(":").lower() == link.scheme,
        "url": lambda each: holds(each, link, CONTAINED),
        "text": lambda each: holds(each, link.text, CONTAINED),
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


def _without_lesser(judged: list[Candidate[Link]]) -> list[Candidate[Link]]:
    """Drop the candidates that a reader would follow only if there were no other, such as the page of a brand name."""
    kept = [each.value for each in judged if each.kept]
    lesser = {link: reason for link in kept if (reason := _lesser(link))}
    if len(lesser) == len(kept):
        return judged
    pages = [link for link in kept if link not in lesser]
    lesser |= {
        link: "it leads to a page above that of another link"
        for link in pages
        if any(_is_above(link, other) for other in pages)
    }
    return [
        each._replace(kept=False, reason=f"{lesser[each.value]}{_BESIDE}")
        if each.kept and each.value in lesser
        else each
        for each in judged
    ]


_BESIDE: Final = "; another link is more likely"


def _lesser(link: Link) -> str:
    """Return why a reader would rather follow another link, or ""."""
    if is_home(link):
        return "it leads to a home page"
    if _HELP.match(link.text) or _HELP_PAGE.match(link):
        return "it leads to a help page"
    if _UNDO.search(link.text) or _UNDO.search(link):
        return "it is for readers who did not ask for the message"
    return ""


def _is_above(link: Link, other: Link) -> bool:
    """Return whether the page of another link is below that of ``link``: ``/reset`` is above ``/reset/MQ-d0mcx7``."""
    path = link.partition("?")[0].partition("#")[0].rstrip("/")
    return path == link.rstrip("/") and other.startswith(f"{path}/") and other != link


def _link(places: list[Seen]) -> Link:
    shown = [place for place in places if place.kind == "anchor"] or places
    text = next((fold(place.text) for place in shown if place.text), "")
    return Link(places[0].url, text, next(filter(None, map(_purpose, shown)), ""))


def _purpose(place: Seen) -> LinkPurpose:
    """Return the purpose of a URL, judged from one place where it occurs."""
    if place.kind == "pixel":
        return "tracking"
    if place.kind == "logo":
        return "social" if _SOCIAL.match(place.url) else "image"
    if place.kind == "image":
        return "tracking" if _PATHS["tracking"].search(place.url) else "image"
    words = place.text if place.text and not _GENERIC.fullmatch(place.text) else place.around
    if len(words) <= _LABELLED:
        for purpose, pattern in _WORDS.items():
            if pattern.search(words):
                return purpose
    if _SOCIAL.match(place.url):
        return "social"
    path = _ORIGIN.sub("", place.url, count=1)
    found: list[LinkPurpose] = [purpose for purpose, pattern in _PATHS.items() if pattern.search(path)]
    return found[0] if found else ""


def _same(url: str) -> str:
    """Return a key that equal URLs share: scheme and host are compared without case, an empty path is ``/``."""
    origin = _ORIGIN.match(url)
    if origin is None:
        return url
    return origin[0].lower() + (url[origin.end() :] or "/")


def _trimmed(url: str) -> str:
    """Strip the rest of the sentence: everything from a bracket that the URL does not open, punctuation and quotes."""
    opened = {"(": 0, "[": 0}
    for position, character in enumerate(url):
        if character in opened:
            opened[character] += 1
        elif character in _BRACKETS:
            opened[_BRACKETS[character]] -= 1
            if opened[_BRACKETS[character]] < 0:
                url = url[:position]
                break
    return url.rstrip(".,;:!?'*")


def _label(text: str, position: int) -> str:
    """Return the words before a bare URL: on its line, or else on the line above it, or above one empty line."""
    before = text[max(0, position - 4 * _LABELLED) : position]
    *above, line = before.split("\n")
    if line.strip(" <(>*-•·\t"):
        return fold(line)
    near = [each for each in above[-2:] if each.strip()]
    return fold(near[-1]) if near else ""
