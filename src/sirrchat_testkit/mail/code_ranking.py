"""The rank of each candidate for a one-time code in a text: how likely a reader takes it for the code.

1. Everything with the form of a code is a candidate: 4 to 9 digits, groups of letters or digits, 5 to 8 letters and
   digits, one character for each box.
2. Its rank is its place: alone on its line under a label such as "Your code:", introduced by a word such as "code",
   alone on its line below a sentence with such a word, alone near one, in a short sentence beside one, or in a sentence
   with one. After those come candidates that a word introduces although another word is nearer.
3. A part of a name (a URL, a host, a version) has no rank. What is part of a date or a price, or is named as another
   number ("order 48291"), has none unless a word such as "code" introduces it.
4. No rank depends on which digits or letters a candidate has, only on their number and on what stands around it. In
   running text four digits may be a year, and groups a date: such forms count only where they are introduced or alone.
5. Patterns for what stands right before a candidate are for the text read backwards, so that only its end is read.
"""

from __future__ import annotations

import re
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Container, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from enum import IntEnum
from functools import cache, partial
from itertools import chain, groupby, islice
from string import ascii_letters, digits
from typing import Final, Literal, NamedTuple, TypeAlias, cast

from sirrchat_testkit.mail.code_text import (
    COPULAS,
    NUMBERS,
    NUMBERS_AFTER,
    VERBS,
    VERBS_AFTER,
    CodeText,
    Line,
    Word,
    WordKind,
)
from sirrchat_testkit.mail.numbers import name_around, quantity_around
from sirrchat_testkit.mail.phrases import SEPARATORS, backwards

Form: TypeAlias = Literal["boxes", "groups", "spaced", "digits", "mixed"]
"""How a candidate is written: ``4 8 2 9``, ``ABC-123``, ``482 913``, ``482913``, ``K7P2QX``."""


class Place(IntEnum):
    """Where a candidate stands, the best place first."""

    LABELLED = 1
    INTRODUCED = 2
    BELOW = 3
    ALONE = 4
    SHORT = 5
    SENTENCE = 6
    LAST = 7
    NOWHERE = 8


REASONS: Final = {
    Place.LABELLED: 'it is alone on its line, and its label has a word such as "code"',
    Place.INTRODUCED: 'a word such as "code" introduces it',
    Place.BELOW: 'it is alone on its line, below a sentence with a word such as "code"',
    Place.ALONE: 'it is alone on its line, near a word such as "code"',
    Place.SHORT: 'it is in a short sentence, beside one with a word such as "code"',
    Place.SENTENCE: 'it is in a sentence with a word such as "code"',
    Place.LAST: 'a word such as "code" introduces it, although it looks like something else',
    Place.NOWHERE: 'no word such as "code" is near it',
}


class Token(NamedTuple):
    """A part of a text that may be a code, with its positions.

    Attributes:
        value: The code, as a reader would type it.
        start: Its first position in the text.
        end: The position after it.
        form: How it is written.
    """

    value: str
    start: int
    end: int
    form: Form

    @property
    def is_word(self) -> bool:
        """Whether it has no digit and is not in groups, and so may be a word in capitals."""
        return self.form == "mixed" and self.value.isalpha()


class Ranked(NamedTuple):
    """A candidate with the place where it stands."""

    token: Token
    place: Place


class _Label(NamedTuple):
    """A line or a cell that labels others.

    Attributes:
        kinds: The kinds of the words in it, and in the sentence that goes on in it.
        text: Its text; empty if there is no label.
        last: Its last character.
        number: Whether it names another number, such as "Order no.".
    """

    kinds: AbstractSet[WordKind] = frozenset()
    text: str = ""
    last: str = ""
    number: bool = False


_MOST: Final = 200
"""Candidates at the beginning and at the end of a text that are ranked, if there are more of them."""

_PIECE: Final = 2048
"""Characters that are searched at a time from the end of a text."""

_DIGITS: Final = range(4, 10)
_CHARACTERS: Final = range(4, 17)
_SURE: Final = 6
"""Digits from which on a number in running text is not likely to be a year or a postal code."""

_SHAPE = re.compile(
    r"""(?<![A-Za-z0-9_])(?:
        (?P<boxes>[A-Z0-9](?:[ ](?:-[ ])?[A-Z0-9]){3,8}(?![ ][A-Z0-9]\b))
      | (?P<groups>[A-Z0-9]{1,8}(?:-[A-Z0-9]{1,8}){1,4}
          |(?=[a-z-]{0,24}\d)(?=[0-9-]{0,24}[a-z])[a-z0-9]{3,8}(?:-[a-z0-9]{3,8}){1,3})
      | (?P<spaced>(?!(?:OTP|PIN|TAN|SMS)[ ])(?:\d\d(?:[ ]\d\d){1,3}(?![ ]\d\d\b)
          |\d{3}(?:[ ]\d{3}){1,2}(?![ ]\d{3}\b)
          |\d{4}[ ]\d{4}(?![ ]\d{4}\b)
          |(?=[A-Z ]{0,6}\d)[A-Z0-9]{3}[ ][A-Z0-9]{3}(?![ ][A-Z0-9]{3}\b)
          |(?=[A-Z ]{0,8}\d)[A-Z0-9]{4}[ ][A-Z0-9]{4}(?![ ][A-Z0-9]{4}\b))(?!-))
      | (?P<digits>\d{4,})
      | (?P<mixed>[A-Z]{5,8}|(?=[A-Za-z]{0,7}\d)[A-Za-z0-9]{5,8})
    )(?![A-Za-z0-9_])""",
    re.VERBOSE,
)

_BETWEEN_BOXES = re.compile(r"[ -]+")
_REACH: Final = 100
"""Characters after a candidate in which a sentence may say what it is."""

_FURTHER: Final = 200
"""Characters between a word such as "code" and its code: "the code for the payment of 20 EUR to Acme is"."""

_BETWEEN: Final = 40
_LABEL_WORDS: Final = 5
_NEXT: Final = 12
_HANDS: Final = " \n\t*_👉➡→>-"
_LINES: Final = 3
"""Lines on either side of a candidate that count as near."""

_WRAPPED: Final = 40
"""The length of a line of plain text from which on its sentence may go on in the next one."""

_OPENING: Final = r"\s*_`\"'“”„«»「『【\[(（<>→#"
_CLOSING: Final = r"\s*_`\"'“”»」』】)\]）"
_SENTENCE_END = re.compile(
    r"(?<!\b\d)(?<!\b\d\d)(?<!\b[^\W\d_])(?<![.\s])[.!?؟।](?!\.)(?=[\s\"'”»)*_`]+(?P<next>\S?)|$)"
    r"|[。！？]"
)
_SHORT_WORDS: Final = (
    "mr mrs ms dr prof st inc ltd llc corp co no nr nos rs sr sra srta fa hr fr dhr mevr dn str ul tel ref acct approx"
    " max min bzw ca usw av dept fig vol vs jr mme mlle art nº núm n° avda руб коп гр св dnr cca evtl ggf sog inkl zzgl"
)
_ABBREVIATIONS: Final = frozenset(_SHORT_WORDS.split())
_LAST_WORD = re.compile(r"[^\W\d_]+\Z")
_NO_LABEL: Final = ".!?。！？"
_SIGNS = re.compile(rf"[{_OPENING}:=.|\-]*")
_SIGN_BEFORE = re.compile(rf"[{_OPENING}]*[:=]")
_DECORATION = re.compile(r"[\W_]*")
_CANDIDATE: Final = "\ue000"
"""Stands for a candidate in a line without candidates."""

_ASCII_FORM = str.maketrans(digits + ascii_letters, "0" * len(digits) + "A" * len(ascii_letters))
_ASIDE = re.compile(rf"(?<=[{_CANDIDATE}*]) ?\([^()\n]{{0,80}}\)")
_NOT_ADJECTIVES: Final = (
    "in at from and or with by under of are was has to for within until before after than about no user box expires"
    " replaces belongs lifetime longer on auf bis für nach von pour dans avant para antes hasta per entro fino do dla"
    " till til før dla do pro для до на"
)
_ADJECTIVES = re.compile(
    rf"(?:\s(?!(?:are|was|has|and|or|no)\s)[^\s\d.,;:!?()\[\]/]+){{0,1}}"
    rf"\s(?!(?:{'|'.join(_NOT_ADJECTIVES.split())})\s)[^\s\d.,;:!?()\[\]/]+\s[\"'“„«*]*"
)
_NUMBER_WORD = re.compile(r"[\s:]*(?:number|nummer|numer|numéro|número|no|nr|n°|nº|番号|번호|号|號)\.?[\s:#]*")
_LABEL = re.compile(rf"[{_OPENING}]*[:#=][\s)\]]*[^\W\d_]|[#№]")
_FIRST = re.compile(rf"[{_OPENING}]*(?:\Z|\s[.!?:)\]>|-]|[。！，:)\]】」])")
_GREETING = re.compile(r"[^\s,،]+(?:\s[^\s,،]+){0,2}[,،]\s*")
_CAPITALS = re.compile(r" [A-Z]{2,}\b")
_OWN_NUMBER = re.compile(r" \d")
"""What follows a word such as "code" that names another number: "code 500"."""

_HELLO = re.compile(
    r"(?:hi|hello|hey|dear|hallo|hej|hei|hoi|bonjour|salut|hola|ciao|olá|oi|привет|здравствуйте|cześć|ahoj|szia|merhaba"
    r"|你好|您好)[^,،，\d\n]{0,30}[,،，!]\s*"
)
_REMARK = re.compile(rf"[{_CLOSING}👈←]*(?:[,.!。][^\n]{{0,40}})?")
_AS = re.compile(
    rf"[{_CLOSING}]*(?:as|als|comme|como|come|com|som|jako|mint|ca|kot|kao|как|як|като|ως|olarak|sebagai|làm|作为|作為|として)\b"
)
_LIST = re.compile(r"\s*(?:[,;/|、·•]|[^\W\d_]{1,4})?\s*")
_ARTICLES: Final = "the this your le la el il lo de den das die o os code kod kode código codice"
_ARTICLE = re.compile(rf"[\s\"'“„«:]*{backwards(_ARTICLES)}\b")
_COPULA_WORDS: Final = "is was ist lautet est es è é är er je jest este of over on with von über de di da van"
_COPULA = re.compile(rf"\s+{backwards(_COPULA_WORDS)}\b|[是为為は]")


def tokens_in(text: str, start: int = 0, end: int = sys.maxsize) -> Iterator[Token]:
    """Yield everything in a part of ``text`` with the form of a code, in order."""
    for found in _SHAPE.finditer(text, start, end):
        form, value = cast("Form", found.lastgroup), found[0]
        if form == "boxes":
            value = _BETWEEN_BOXES.sub("", value)
        elif form == "groups" and _is_hyphenated(value):
            continue
        yield Token(value, *found.span(), form)


def tokens_backwards(text: str, start: int) -> Iterator[Token]:
    """Yield what ``tokens_in`` yields from a position on, the last one first."""
    end = len(text)
    while end > start:
        begin = max(start, text.rfind("\n", start, max(start, end - _PIECE)) + 1)
        yield from reversed([*tokens_in(text, begin, end)])
        end = begin


def _wrong_length(token: Token) -> str:
    """Return what is wrong with the length of a candidate, or ""."""
    value = token.value
    characters = len(value) if value.isalnum() else sum(map(str.isalnum, value))
    if token.form in ("digits", "spaced", "boxes") and characters not in _DIGITS:
        return f"it has {characters} digits, not 4 to 9"
    return "" if characters in _CHARACTERS else f"it has {characters} characters, not 4 to 16"


def _is_near(words: list[int], token: Token) -> bool:
    """Return whether one of the words that begin at these positions is near a candidate."""
    number = bisect_left(words, token.start - _FURTHER)
    return number < len(words) and words[number] < token.end + _FURTHER


def _is_hyphenated(text: str) -> bool:
    """Return whether groups are words in capitals, such as "TWO-FACTOR"; those of a code are of one length."""
    groups = text.split("-")
    return "".join(groups).isalpha() and len({*map(len, groups)}) > 1


class Ranking:
    """The candidates of a text, ranked in the order in which they stand.

    Args:
        page: The text.
        subject: The subject of the message, which may say what a number alone on its line is; None for itself.
    """

    def __init__(self, page: CodeText, subject: CodeText | None = None) -> None:
        self.page = page
        self._subject: set[WordKind] = {word.kind for word in subject.words} if subject else set()
        self._near: tuple[int, set[WordKind]] = -1, set()
        self._labels: dict[int, _Label] = {}
        self._introduced = -1
        """The end of the last candidate that was introduced by a word."""
        self._sentences = list(_sentence_ends(page.text))
        self._tokens = self._likely()
        self._alone = {
            number
            for number, tokens in groupby(self._tokens, lambda token: page.line_at(token.start))
            if _is_alone(page, page.lines[number], tokens)
        }
        self._above: dict[int, int] = {}
        """The nearest line above that is not only another candidate of the same form, if that is not the one before."""
        form_of = cache(partial(_form_of, page))
        for number in sorted(self._alone):
            if number + 1 < len(page.lines) and form_of(number) == form_of(number + 1):
                self._above[number + 1] = self._above.get(number, number - 1)
        self._headers = dict(_headers(page.lines, self._alone))

    def _likely(self) -> list[Token]:
        """Return the tokens to rank: of very many, the first and the last ones near a word such as "code"."""
        text = self.page.text
        tokens = tokens_in(text)
        begun = [*islice(tokens, 2 * _MOST + 1)]
        if len(begun) <= 2 * _MOST:
            return begun
        words = [word.start for word in self.page.words if word.kind != "reason"]
        is_near = partial(_is_near, words)
        near = [*islice(filter(is_near, chain(begun, tokens)), _MOST)] if words else []
        if 0 < len(near) < _MOST:
            return near
        first = near or begun[:_MOST]
        last = filter(is_near if near else None, tokens_backwards(text, first[-1].end))
        return [*first, *reversed([*islice(last, _MOST)])]

    def candidates(self) -> Iterator[Ranked]:
        """Yield all candidates of the text."""
        for token in self._tokens:
            yield Ranked(token, Place.NOWHERE) if _wrong_length(token) else self.ranked(token)

    def ranked(self, token: Token) -> Ranked:
        """Return a candidate with its place; those before it have been ranked."""
        place = self._place(token, self.page.line_at(token.start))
        if place < Place.NOWHERE and self._name(token):
            place = Place.NOWHERE
        if place == Place.INTRODUCED:
            self._introduced = token.end
        return Ranked(token, place)

    def is_possible(self, token: Token) -> bool:
        """Return whether a candidate has the form of a code and is not a part of a name such as a URL."""
        return not _wrong_length(token) and not self.is_part_of_a_name(token)

    def is_part_of_a_name(self, token: Token) -> bool:
        """Return whether a candidate is a part of a URL, a host name or the like."""
        return bool(self._name(token))

    def is_other(self, token: Token) -> bool:
        """Return whether a candidate is part of a quantity, or is named as another number."""
        return bool(self._flaw(token))

    def reason(self, ranked: Ranked) -> str:
        """Return why a candidate has its place, or none."""
        token, place = ranked
        if place not in (Place.NOWHERE, Place.LAST):
            return REASONS[place]
        flaw = self._flaw(token)
        if place == Place.LAST:
            return f'{flaw}, although a word such as "code" introduces it'
        return flaw or self._missing(token)

    def _flaw(self, token: Token) -> str:
        """Return what else a candidate is, or ""."""
        length, name = _wrong_length(token), self._name(token)
        if length or name:
            return length or f"it is part of {name}"
        quantity = self._quantity(token)
        other = self._other_name(token, self.page.line_at(token.start))
        return f"it is part of {quantity}" if quantity else f"it is another number: {other}" if other else ""

    def _missing(self, token: Token) -> str:
        """Return what keeps a candidate from having a place."""
        line = self.page.line_at(token.start)
        if not {"code", "secret"} & self._kinds_near(line):
            return REASONS[Place.NOWHERE]
        if self._is_promotion(line):
            return "it is a code for a discount"
        if token.form in ("mixed", "boxes"):
            return "it looks like a word"
        return "it may be a year, a date or a postal code, and no word introduces it as a code"

    def _name(self, token: Token) -> str:
        return name_around(self.page.text, token.start, token.end)

    def _quantity(self, token: Token) -> str:
        return quantity_around(self.page.lower, token.start, token.end)

    def _place(self, token: Token, line: int) -> Place:
        """Return where a candidate stands, whatever it is a part of."""
        if not self.page.words and not self._subject:
            return Place.NOWHERE
        alone = self._place_alone(token, line) if line in self._alone else None
        if alone == Place.LABELLED and not self._quantity(token):  # words beside it do not matter
            return Place.NOWHERE if self._is_promotion(line) else alone
        begin = self._sentence_start(token.start, line)
        link = self._link(token, line, begin)
        place = Place.INTRODUCED if link else Place.NOWHERE
        if alone:
            place = min(place, alone)
        elif not link:
            place = self._place_in_text(token, line, begin)
        if place == Place.NOWHERE or self._is_promotion(line):
            return Place.NOWHERE
        if self._quantity(token):
            return Place.LAST if link == "directly" else Place.NOWHERE
        if link not in ("directly", "by a verb") and self._other_name(token, line, linked=bool(link)):
            return Place.LAST if link == "by a copula" else Place.NOWHERE
        return place

    def _place_alone(self, token: Token, line: int) -> Place:
        label = self._label(line)
        if "code" in label.kinds:
            return Place.BELOW if label.last in _NO_LABEL else Place.LABELLED
        if "code" in self._subject or "code" in self._kinds_near(line) or "secret" in label.kinds:
            return Place.ALONE
        asked = label.last == ":" and "reason" in label.kinds
        likely = asked or len(token.value) >= _SURE or "secret" in self._subject
        return Place.ALONE if self._subject and likely else Place.NOWHERE

    def _place_in_text(self, token: Token, line: int, begin: int) -> Place:
        end = min(self.page.lines[line].end, token.end + _FURTHER, self._sentence_end(token.end))
        if self._is_short(token, begin, end):
            return Place.SHORT
        if token.form not in ("digits", "spaced") or (token.form == "digits" and len(token.value) < _SURE):
            return Place.NOWHERE
        return Place.SENTENCE if "code" in self.page.kinds_between(begin, end) else Place.NOWHERE

    def _is_short(self, token: Token, begin: int, end: int) -> bool:
        """Return whether a sentence is only a candidate with a greeting or a remark, and one beside it names a code."""
        page = self.page
        before = page.lower[begin : token.start].strip(_HANDS)
        if before and not _HELLO.fullmatch(before):
            return False
        behind = page.text[token.end : end]
        sure = token.form != "digits" or len(token.value) >= _SURE
        ended = behind.endswith((".", "!")) and behind.islower()
        words = sure and not before and ended and len(behind.split()) <= _LABEL_WORDS
        if not words and not _REMARK.fullmatch(behind):
            return False
        if "code" in self._subject:
            return True
        first = bisect_right(self._sentences, max(begin - 1, 0))
        earlier = self._sentences[first - 1] if first else 0
        later = self._sentence_end(min(end + 1, len(page.lower)))
        return "code" in page.kinds_between(max(earlier, begin - _FURTHER), min(later, end + _FURTHER))

    # --- how words introduce a candidate

    def _link(self, token: Token, line: int, begin: int) -> str:
        """Return how words introduce a candidate whose sentence begins at a position, or ""."""
        page, start = self.page, token.start
        words = [
            word
            for word in page.words_between(max(begin, self._introduced), start)
            if word.kind != "reason" and word.end <= start
        ]
        if words:
            link = self._link_to(words, token, line)
            if link:
                return link
        if self._introduced >= page.lines[line].start and _LIST.fullmatch(page.lower, self._introduced, start):
            return "in a list"
        if self._is_asked_for(token, line):
            return "by a verb"
        return "by its name" if self._is_named(token, line, begin) else ""

    def _link_to(self, words: list[Word], token: Token, line: int) -> str:
        """Return how one of the words before a candidate introduces it, or ""."""
        lower, start = self.page.lower, token.start
        ends: dict[int, frozenset[str]] = {}
        for word in words:
            ends[word.end] = ends.get(word.end, frozenset()) | word.languages
        if any(self._directly(end, start, languages) for end, languages in ends.items()):
            return "directly"
        before = lower[max(0, start - _BETWEEN) : start]
        copulas = COPULAS.last(before) | COPULAS.last(_without(_ARTICLE, before))
        if any(copulas & languages for languages in ends.values()) or _SIGN_BEFORE.match(before[::-1]):
            return "by a copula"
        if any(_ADJECTIVES.fullmatch(lower, end, start) for end in ends):
            return "by adjectives"
        return "by a label" if self._in_a_label(words, token, line) else ""

    def _directly(self, end: int, start: int, languages: AbstractSet[str]) -> bool:
        """Return whether only signs and words such as "is" stand between a word and a candidate."""
        if start - end > _BETWEEN:
            return False
        if _SIGNS.fullmatch(self.page.lower, end, start):
            return True
        gap = self.page.lower[end:start]
        numbered = _NUMBER_WORD.match(gap)
        return COPULAS.only(gap[numbered.end() :] if numbered else gap, languages)

    def _in_a_label(self, words: list[Word], token: Token, line: int) -> bool:
        """Return whether a line is a short label with a word such as "code", and the candidate."""
        here = self.page.lines[line]
        if not _DECORATION.fullmatch(self.page.lower, token.end, here.end):
            return False
        label = self._before(token, line)
        named = any(word.kind == "code" and word.start >= here.start for word in words)
        return named and len(label.split()) <= _LABEL_WORDS and not any(map(str.isdigit, label))

    def _is_asked_for(self, token: Token, line: int) -> bool:
        """Return whether a verb such as "enter" asks for the candidate, and the message is about a code."""
        page = self.page
        if not self._subject and not self._kinds_near(line):
            return False
        before = page.lower[max(page.lines[line].start, token.start - 2 * _BETWEEN) : token.start]
        follows_a_word = before and not before.rstrip(SEPARATORS)[-1:].isdigit()
        if follows_a_word and (VERBS.end(before) or VERBS.end(_without(_ARTICLE, before))):
            return True
        behind = page.lower[token.end : token.end + _BETWEEN].partition("\n")[0]
        return bool(behind) and VERBS_AFTER.begin(behind)

    def _is_named(self, token: Token, line: int, begin: int) -> bool:
        """Return whether a sentence begins with the candidate and says what it is: "482913 is your code"."""
        page, end = self.page, token.end
        if not page.words_between(end, end + _REACH):
            return False
        until = min(end + _REACH, self._sentence_end(end))
        if line in self._alone:
            if line + 1 >= len(page.lines) or not page.text[page.lines[line + 1].start].islower():
                return False
        elif not self._goes_on(line + 1):
            until = min(until, page.lines[line].end)
        words = [
            word
            for word in page.words_between(end, until)
            if word.kind != "reason" and not _OWN_NUMBER.match(page.lower, word.end)
        ]
        rest = page.lower[end:until]
        far = words and words[0].start - end > _NEXT
        if not words or (token.form == "mixed" and (_CAPITALS.match(page.text, end) or (far and rest.startswith(":")))):
            return False
        before = page.lower[begin : token.start]
        greets = _GREETING.fullmatch(before) and not page.kinds_between(begin, token.start)
        return bool(_AS.match(rest) or _FIRST.match(before[::-1]) or greets)

    # --- what else a candidate may be

    def _is_promotion(self, line: int) -> bool:
        """Return whether a line and the one above it are about a discount, and not about signing in."""
        page = self.page
        if not page.promotions:
            return False
        here, above = page.lines[line], page.lines[max(0, line - 1)]
        begin = max(above.start, here.start - _REACH)
        if not page.is_promotion(begin, min(here.end, begin + 2 * _FURTHER)):
            return False
        return "reason" not in page.kinds_between(max(above.start, here.start - _REACH), here.start + 2 * _FURTHER)

    def _other_name(self, token: Token, line: int, *, linked: bool = False) -> str:
        """Return the words that name a candidate as another number, such as "it follows 'order no.'", or ""."""
        page = self.page
        if line in self._alone:
            label = self._label(line)
            if not label.last or "code" in label.kinds:
                return ""
            cell = page.lines[line].columns > 1 and not label.kinds
            asks = label.last in _NO_LABEL or ("reason" in label.kinds and label.last != ":")  # "Verify your account"
            return f"its label is {_last_words(label.text)!r}" if cell or (label.number and not asks) else ""
        before = self._before(token, line)
        named = NUMBERS.end(before) or NUMBERS.end(_without(_COPULA, before))
        if not named and NUMBERS_AFTER.begin(page.lower[token.end : token.end + _BETWEEN]):
            return f"it stands before {_first_words(page.text[token.end : page.lines[line].end])!r}"
        if not named and (linked or not _LABEL.match(before[::-1])):
            return ""
        shown = _last_words(page.text[token.start - len(before) : token.start])
        begin = token.start - len(shown) - _LABEL_WORDS
        if not named and page.kinds_between(begin, token.start) & {"code", "secret"}:
            return ""
        return f"it follows {shown!r}"

    # --- lines and sentences

    def _before(self, token: Token, line: int) -> str:
        """Return what stands before a candidate on its line."""
        return self.page.lower[max(self.page.lines[line].start, token.start - _FURTHER) : token.start]

    def _goes_on(self, line: int) -> bool:
        """Return whether a sentence of the line before may go on in ``line``: it is wrapped plain text."""
        lines = self.page.lines
        if not self.page.wraps or not 0 < line < len(lines):
            return False
        above, here = lines[line - 1], lines[line]
        wide = here.start - above.start >= _WRAPPED
        return wide and above.block == here.block and above.columns == here.columns == 1

    def _sentence_start(self, position: int, line: int) -> int:
        """Return where the sentence begins that ``position`` is in; it may begin in the line above."""
        lines = self.page.lines
        begin = lines[line - 1].start if self._goes_on(line) else lines[line].start
        begin = max(begin, position - _FURTHER)
        before = bisect_right(self._sentences, position)
        return max(begin, self._sentences[before - 1]) if before else begin

    def _sentence_end(self, position: int) -> int:
        """Return where the sentence ends that ``position`` is in, without regard to lines."""
        behind = bisect_right(self._sentences, position)
        return self._sentences[behind] if behind < len(self._sentences) else len(self.page.lower)

    def _label(self, line: int) -> _Label:
        """Return what labels a line: the cell before it, the head of its column, or else the nearest line above."""
        column = self.page.lines[line].column
        if column and line - 1 not in self._alone:
            number = line - 1
        else:
            number = self._headers.get(line, self._above.get(line - column, line - column - 1))
        if number not in self._labels:
            self._labels[number] = self._read_label(number) if number >= 0 else _Label()
        return self._labels[number]

    def _read_label(self, line: int) -> _Label:
        page, (start, end, *_) = self.page, self.page.lines[line]
        begin = self._sentence_start(end, line)
        kinds = page.kinds_between(max(min(begin, start), end - 2 * _FURTHER), end)
        number = "code" not in kinds and bool(NUMBERS.end(page.lower[start:end]))
        return _Label(kinds, page.text[start:end], page.text[end - 1], number)

    def _kinds_near(self, line: int) -> set[WordKind]:
        """Return the kinds of the words in the lines around a line."""
        if self._near[0] != line:
            lines, rows = self.page.lines, self.page.rows
            begin, end = bisect_left(rows, rows[line] - _LINES), bisect_right(rows, rows[line] + _LINES) - 1
            self._near = line, self.page.kinds_between(lines[begin].start, lines[end].end)
        return self._near[1]


def _sentence_ends(text: str) -> Iterator[int]:
    """Yield the positions after the signs that end a sentence: not an abbreviation, nor a sign within a name."""
    for found in _SENTENCE_END.finditer(text):
        word = _LAST_WORD.search(text, max(0, found.start() - _BETWEEN), found.start())
        short = found[0] == "." and word is not None and word[0].lower() in _ABBREVIATIONS
        if not short and not (found["next"] or "").islower():
            yield found.end()


def _form_of(page: CodeText, line: int) -> str:
    """Return the form of a line, with a sign for each digit and letter: "000-AAA"."""
    here = page.lines[line]
    text = page.text[here.start : min(here.end, here.start + _BETWEEN)]
    if text.isascii():
        return text.translate(_ASCII_FORM)
    return "".join("0" if each.isdigit() else "A" if each.isalpha() else each for each in text)


def _headers(lines: Sequence[Line], alone: Container[int]) -> Iterator[tuple[int, int]]:
    """Yield each cell of the tables with a row of headings above it, and its heading, as the numbers of their lines."""
    first = 0
    while first < len(lines):
        columns = lines[first].columns
        last = first + columns
        while columns > 1 and last < len(lines) and lines[last].columns == columns:
            last += columns
        if columns > 1 and not any(number in alone for number in range(first, first + columns)):
            yield from ((number, first + lines[number].column) for number in range(first + columns, last))
        first = last


def _without(ending: re.Pattern[str], text: str) -> str:
    """Return ``text`` without an ending, which is a pattern for the text read backwards; "" if it has none."""
    found = ending.match(text[::-1])
    return text[: len(text) - found.end()] if found else ""


def _last_words(text: str) -> str:
    """Return the last two words of ``text``, or the last one if the other is a number."""
    *before, last = text.split()[-2:] or [""]
    return " ".join([*(word for word in before if not any(map(str.isdigit, word))), last])[-_BETWEEN:]


def _first_words(text: str) -> str:
    """Return the first two words of ``text``."""
    return " ".join(text[:_BETWEEN].split()[:2])


def _is_alone(page: CodeText, line: Line, tokens: Iterable[Token]) -> bool:
    """Return whether a line consists of candidates and signs only, and perhaps of words in brackets after them."""
    if line.end - line.start > _FURTHER:
        return False
    found = list(tokens)
    if found[0].start == line.start and found[0].end == line.end:
        return True
    codes = [token for token in found if not token.is_word] or found[:1]  # words in capitals beside it are text
    at, rest = line.start, ""
    for token in codes:
        rest += page.text[at : token.start] + _CANDIDATE
        at = token.end
    rest = _ASIDE.sub("", rest + page.text[at : line.end])
    return _DECORATION.fullmatch(rest.replace(_CANDIDATE, "")) is not None
