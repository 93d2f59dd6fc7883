"""Syntax and equality of addresses.

1. Two addresses are equal if they differ only in the case of ASCII letters or of the domain, in Unicode composition, in
   quotes that the local part does not need, or in the spelling of an international domain. ``key`` returns the form
   that is compared.
2. A non-ASCII character of a local part never equals an ASCII one: the Kelvin sign (U+212A) is not ``k``.
3. A valid mailbox is one by RFC 5321 section 4.1.2 and RFC 6531 section 3.3, without control, bidirectional and
   zero-width characters. Special-use domains such as ``example.test`` are valid.
4. This module does not know which addresses exist.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

# Sets that hold nearly all of Unicode are written by what they leave out: ranges up to U+10FFFF take 20 ms to compile.
_ATEXT = r"""[^\x00-\x20"(),.:;<>@\[\\\]\x7f]"""
_DOT_STRING = re.compile(rf"{_ATEXT}+(?:\.{_ATEXT}+)*")
_QUOTED = re.compile(r'"(?:[^\x00-\x1f"\\\x7f]|\\[\x20-\x7e])*"')
_LETTER = r"[^\x00-/:-@\[-`{-\xa0]"  # A-Z a-z 0-9 and from U+00A1 on
_LABEL = rf"{_LETTER}(?:[^\x00-,./:-@\[-`{{-\xa0]{{0,61}}{_LETTER})?"
_DOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*")
_LITERAL = re.compile(r"\[(?:\d{1,3}(?:\.\d{1,3}){3}|IPv6:[0-9A-Fa-f:.]+|[A-Za-z0-9\-]*[A-Za-z0-9]:[!-Z^-~]+)\]")
_INVISIBLE = re.compile(  # C1 controls, line separators, surrogates, and what Unicode calls default ignorable
    "[\ud800-\udfff\x80-\x9f\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u2028-\u202e\u2060-\u206f"
    "\u3164\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff]"
)
_LIKE_ASCII = re.compile("([\u037e\u1fef\u212a])")  # Unicode normalization makes ASCII characters of these
_LOWER = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}
_NAME = re.compile(r"[A-Za-z0-9_+\-]+(?:\.[A-Za-z0-9_+\-]+)*")

_NEAR = 0.75  # similarity of local parts, and of domains, of which one is a misspelling of the other

MAX_LOCAL = 64
MAX_DOMAIN = 255
MAX_ADDRESS = 254
"""Bytes (RFC 5321 section 4.5.3.1): a path has at most 256, with its two angle brackets."""


def split(address: str) -> tuple[str, str]:
    """Return the local part and the domain, split at the last ``@``; the domain is empty if there is no ``@``."""
    local, at, domain = address.rpartition("@")
    return (local, domain) if at else (address, "")


def key(address: str) -> str:
    """Return the form in which addresses are compared."""
    if address.isascii() and '"' not in address and not address.endswith("@"):
        return address.lower()
    local, domain = split(address)
    if local.startswith('"') and local.endswith('"') and len(local) > 1:
        plain = re.sub(r"\\(.)", r"\1", local[1:-1])
        local = plain if _DOT_STRING.fullmatch(plain) else local
    return f"{_local_key(local)}@{domain_key(domain)}" if domain else _local_key(local)


def domain_key(domain: str) -> str:
    """Return the form in which domains are compared: lower case, international labels in their ASCII spelling."""
    if domain.isascii():
        return domain.lower()
    try:
        return domain.encode("idna").decode("ascii").lower()
    except UnicodeError:
        return unicodedata.normalize("NFC", domain).lower()


def main_key(key: str, separator: str) -> str:
    """Return the key of the address that ``key`` is a sub-address of, or ``key`` itself if it is not one.

    The detail begins with the first ``separator`` (RFC 5233); an empty one means that there are no sub-addresses.
    """
    local, at, domain = key.rpartition("@")
    main = local.partition(separator)[0] if separator else ""
    return f"{main}{at}{domain}" if main else key


def nearest(address: str, others: Iterable[str]) -> str | None:
    """Return the address in ``others`` that ``address`` probably misspells, or None."""
    import difflib

    known = key(address)
    local, domain = split(known)
    by_local: dict[str, list[str]] = {}
    for other in others:
        if key(other) != known:
            by_local.setdefault(split(key(other))[0], []).append(other)
    for near in difflib.get_close_matches(local, by_local, cutoff=_NEAR):
        for other in by_local[near]:
            if difflib.get_close_matches(domain, [split(key(other))[1]], cutoff=_NEAR):
                return other
    return None


def is_name(text: str) -> bool:
    """Return whether ``text`` is accepted as the local part of a disposable address."""
    return len(text) <= MAX_LOCAL and _NAME.fullmatch(text) is not None


def is_domain(text: str) -> bool:
    """Return whether ``text`` is a host name, in ASCII or in Unicode (RFC 5321 section 4.1.2, RFC 6531 section 3.3)."""
    return _octets(text) <= MAX_DOMAIN and _DOMAIN.fullmatch(text) is not None and _is_visible(text)


def is_mailbox(text: str) -> bool:
    """Return whether ``text`` is ``local@domain`` or ``local@[literal]`` within the lengths of RFC 5321."""
    local, domain = split(text)
    if not is_local_part(local) or _octets(text) > MAX_ADDRESS:
        return False
    return is_domain(domain) or _LITERAL.fullmatch(domain) is not None


def flaw(text: str) -> str:
    """Return why ``text`` is not a mailbox, as the end of an error, or "" if it is one."""
    local, domain = split(text)
    reasons = (
        (is_mailbox(text), ""),
        (not text, "it is empty"),
        (not local, "nothing stands before the @"),
        (not domain, "it has no domain"),
        (_octets(local) > MAX_LOCAL, f"it has more than {MAX_LOCAL} bytes before the @"),
        (_octets(text) > MAX_ADDRESS, f"it has more than {MAX_ADDRESS} bytes"),
        (not _is_visible(text), "it has an invisible character"),
        (is_local_part(local), f"{domain!r} is not a host name"),
        (True, f"{local!r} needs quotes, or has a character or a dot that may not be there"),
    )
    return next(reason for holds, reason in reasons if holds)


def is_local_part(text: str) -> bool:
    """Return whether ``text`` is the local part of a mailbox."""
    if not 0 < _octets(text) <= MAX_LOCAL or not _is_visible(text):
        return False
    return (_DOT_STRING.fullmatch(text) or _QUOTED.fullmatch(text)) is not None


def _local_key(local: str) -> str:
    if local.isascii():
        return local.lower()
    parts = _LIKE_ASCII.split(local)
    parts[::2] = [_normalized(_normalized(part).translate(_LOWER)) for part in parts[::2]]  # H + U+0331 composes as h
    return "".join(parts)


def _normalized(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _is_visible(text: str) -> bool:
    return text.isascii() or _INVISIBLE.search(text) is None


def _octets(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))
