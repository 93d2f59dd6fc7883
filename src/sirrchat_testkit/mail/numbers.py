"""What a number in a text is a part of: a URL, an address, a date, a phone number, a price.

1. A part of a name (a URL, a host) is never a code. A part of a quantity (a date, a price, a version) is none unless a
   word such as "code" introduces it.
2. What a number is never depends on its digits: "2031" and "4829" are the same, and so are "12-03-26" and "48-29-13".
3. Only the characters next to the number are read, those before it backwards.
"""

from __future__ import annotations

import re
from typing import Final

from sirrchat_testkit.mail.phrases import backwards

_SOLID: Final = r"[^\s<>\"()\[\]{}«»“”‘’「」【】『』,;\u3000-\u30ff\u3400-\u9fff\uac00-\ud7af]"
_SOLID_TEXT = re.compile(rf"{_SOLID}{{0,80}}")
_DATE = re.compile(r"\d{4}-\d\d-\d\d|\d\d?-\d\d?-\d{4}")
_YEAR: Final = 4
"""The number of digits of a year."""

_NAMES: Final = {
    "a URL or an address": re.compile(r"://|^www\.|[\w.+%-]@[\w-]+\.\w"),
    "an IP address": re.compile(
        r"^[0-9a-f]{0,4}(?::[0-9a-f]{0,4}){2,8}(?:[.%/]|$)|^\d{1,3}(?:\.\d{1,3}){3}\b", re.IGNORECASE
    ),
    "a MAC address": re.compile(
        r"^(?:[0-9a-f]{2}[:-]){5}[0-9a-f]{2}\b|^(?:[0-9a-f]{4}\.){2}[0-9a-f]{4}\b", re.IGNORECASE
    ),
    "a UUID": re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE),
    "a port": re.compile(r"^(?:localhost|[\w-]+(?:\.[\w-]+)*\.[a-z]{2,24}|[\d.]+|\[[0-9a-f:]+\]):\d+\b"),
    "a host name or a file name": re.compile(
        r"^(?!\d+\.[a-z]+[.:]?$)[\w-]+(?:\.[\w-]+)*\.[a-z]{2,24}[.:/]?(?:[/?#]|$)"
    ),
    "a path": re.compile(r"^[\w.-]*/[\w.-]+/|^/[\w-]"),
}
_QUANTITIES: Final = {
    "a date or a time": re.compile(
        r"^\d{4}([-/.])\d{1,2}\1\d{1,2}\b|^\d{1,2}([/.])\d{1,2}\2\d{2,4}\b|^\d{1,2}[-./]\d{1,2}[-./]\d{4}\b|^\d{1,2}:\d{2}\b"
    ),
    "a version": re.compile(r"^\W?v?\d+(?:\.\d+){2,}|^[A-Za-z]+/\d|^[A-Za-z][\w-]*/"),
    "a number with a fraction, with thousands or with a slash": re.compile(r"\d[.,'’]\d|\w/\d|\d/\w"),
}
_CODES: Final = (
    "usd eur gbp chf jpy cny rmb krw rub inr brl pln czk sek nok dkk huf ron bgn uah try thb vnd idr rs rs. kr zł kč ft"
    " lei rp nt us r tk"
)
_NOTHING: Final = "(?!)"
_SYMBOLS: Final = "[$€£¥￥₹₽₩₪₫฿₴₺]"
_CURRENCY: Final = (
    rf"{_SYMBOLS}|(?:{'|'.join(map(re.escape, _CODES.split()))})(?![a-z])"
    r"|[元円원]|руб|грн|лв|đồng|บาท|টাকা|रुपये|ريال|تومان|ден|₸|%|‰|°"
)
_UNITS: Final = (
    "sec secs second seconds min mins minute minutes minuten minuter minuti minutos minut minutter hour hours hrs day"
    " days week weeks month months year years km kg kb mb gb ms px pcs point points line lines byte bytes file files"
    " word words page pages item items user users reader readers people times tage stunden jours heures días horas"
    " giorni ore минут минуты часов дней 분 시간 分钟 分鐘 小时 小時 天 分間 時間 件 點 点"
)
_BESIDE: Final = {
    "a price or an amount": (
        rf" ?(?:{_SYMBOLS}|{backwards(_CODES)}(?![a-z]))",
        rf" ?(?:{_CURRENCY})",
    ),
    "an amount with a unit": (_NOTHING, rf" ?(?:{'|'.join(_UNITS.split())})(?![^\W\d_])"),
    "a number of which only the end is shown": (r"[ -]?(?:[•·x]{2}| \*{2}|\*{3})", _NOTHING),
    "a longer number, such as a phone number": (
        r"[ ().\d-]*+\+|[ -]?\)\d{1,5}0?\(|[ /-]\d{1,4}0\b|[ -]\d",
        r"[ -]\d{2,}|\) ?\d",
    ),
}
"""What a number is if the first pattern matches the text before it, read backwards, or the other one that behind it."""

_KINDS_BESIDE: Final = [*_BESIDE]
_BEFORE = re.compile("|".join(f"({before})" for before, _ in _BESIDE.values()))
_BEHIND = re.compile("|".join(f"({behind})" for _, behind in _BESIDE.values()))
_YEAR_BEFORE = re.compile(r" *(?:©|\)c\(|[1-4]q\b)")
_YEAR_BEHIND = re.compile(r" ?(?:年|년|г\.|р\.|m\.)| ?[-–—/] ?\d{2,4}\b| ©")


def name_around(text: str, start: int, end: int) -> str:
    """Return the kind of name that the number between two positions is a part of, such as "a port", or ""."""
    token = _token(text, start, end)
    if len(token) == end - start:
        return ""
    return next((kind for kind, pattern in _NAMES.items() if pattern.search(token)), "")


def quantity_around(text: str, start: int, end: int) -> str:
    """Return the kind of quantity that the number between two positions is a part of, such as "a date", or "".

    Args:
        text: The text, in lower case.
        start: The beginning of the number.
        end: Its end.
    """
    token = _token(text, start, end).strip(".:-")
    if len(token) != end - start or ("-" in token and _DATE.fullmatch(token)):
        for kind, pattern in _QUANTITIES.items():
            if pattern.search(token):
                return kind
    before, behind = text[max(0, start - 32) : start][::-1], text[end : end + 24]
    in_front, after = _BEFORE.match(before), _BEHIND.match(behind)
    if in_front or after:
        return _KINDS_BESIDE[min(found.lastindex or 0 for found in (in_front, after) if found) - 1]
    if end - start == _YEAR and (_YEAR_BEFORE.match(before) or _YEAR_BEHIND.match(behind)):
        return "a year or a date"
    return ""


def _token(text: str, start: int, end: int) -> str:
    """Return the number with the characters around it up to blanks, brackets and quotes."""
    if text[start - 1 : start].isspace() and text[end : end + 1].isspace():
        return text[start:end]
    before, behind = _SOLID_TEXT.match(text[max(0, start - 80) : start][::-1]), _SOLID_TEXT.match(text, end)
    return f"{before[0][::-1] if before else ''}{text[start:end]}{behind[0] if behind else ''}"
