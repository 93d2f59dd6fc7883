"""What is offered: the extensions that EHLO lists, less those that the policy hides.

What is hidden is not taken either: its command is unknown or not available, its parameters are refused with 555, and
without PIPELINING a command that others follow in the same breath is refused with 503.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Final, NamedTuple

from sirrchat_testkit.policy import EXTENSIONS

PARAMETERS: Final[Mapping[str, tuple[str, ...]]] = {
    "SIZE": ("SIZE",),
    "8BITMIME": ("BODY",),
    "SMTPUTF8": ("SMTPUTF8",),
    "DSN": ("RET", "ENVID", "NOTIFY", "ORCPT"),
    "BINARYMIME": ("BINARYMIME",),
    "AUTH": ("AUTH",),
}
"""The parameters of MAIL and RCPT, or values of BODY, that each extension brings."""


class Offer(NamedTuple):
    """``lines`` is what EHLO says, ``names`` what is offered, ``hidden`` the parameters that are not taken."""

    lines: tuple[str, ...]
    names: frozenset[str]
    hidden: frozenset[str]
    mechanisms: tuple[str, ...]


@functools.lru_cache(maxsize=256)
def offer(hidden: tuple[str, ...], size_limit: int, mechanisms: tuple[str, ...], *, starttls: bool) -> Offer:
    """Return what is offered where the policy hides ``hidden``."""
    left = tuple(each for each in mechanisms if each not in hidden)
    absent = {*hidden, *(() if starttls else ("STARTTLS",)), *(() if left else ("AUTH",))}
    if "CHUNKING" in absent:
        absent.add("BINARYMIME")  # RFC 3030 section 3: binary text goes by BDAT alone
    names = tuple(each for each in EXTENSIONS if each not in absent)
    more = {"SIZE": f"SIZE {size_limit}", "AUTH": f"AUTH {' '.join(left)}"}
    return Offer(
        lines=tuple(more.get(each, each) for each in names),
        names=frozenset(names),
        hidden=frozenset(name for each in absent for name in PARAMETERS.get(each, ())),
        mechanisms=left,
    )
