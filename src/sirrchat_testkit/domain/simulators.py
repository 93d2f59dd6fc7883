"""The simulators: recipients that behave as troublesome mailboxes do, for people who try an application by hand.

1. They are recipients at every served domain while the setting ``simulators`` is on. An address that exists, or has
   expired and was not purged yet, always comes first. Case and sub-addresses are as for any address.
2. ``SIMULATORS`` is the only table: the SMTP adapter acts on it, ``simulation`` sends what comes back, ``serve`` lists
   it, and a test compares the documentation with it.
3. A simulator that accepts mail has a copy stored, without an address, as mail for an unknown recipient that is kept.
4. Delays are real time, because the client waits for them.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from sirrchat_testkit.durations import read_duration, show_duration

LONGEST: Final = 600.0
"""The longest delay of ``slow-...@``, in seconds. Clients should wait 5 minutes for a reply (RFC 5321 4.5.3.2)."""


class Simulator(NamedTuple):
    """One simulator.

    Attributes:
        name: The local part of its addresses.
        does: What it does, to follow its address.
        reply: The reply to RCPT that refuses mail: code, enhanced status code and text; None if mail is accepted.
        first_only: Whether it refuses only the first attempt of each sender.
        drops: Whether the connection is closed instead of a reply to RCPT.
        delay: Seconds of real time before the reply to RCPT.
        returns: What comes back to the sender of accepted mail: a delivery report (RFC 3464), or an automatic reply
            (RFC 3834).
    """

    name: str
    does: str
    reply: tuple[int, str, str] | None = None
    first_only: bool = False
    drops: bool = False
    delay: float = 0.0
    returns: Literal["", "report", "reply"] = ""

    @property
    def never_accepts(self) -> bool:
        """Whether no attempt to send it mail succeeds."""
        return self.drops or (self.reply is not None and not self.first_only)


SIMULATORS: Final = (
    Simulator(
        "bounced",
        "refuses mail with 550, as for an address that does not exist",
        (550, "5.1.1", "The mailbox does not exist (simulated)"),
    ),
    Simulator(
        "soft-451",
        "refuses mail with 451 at every attempt",
        (451, "4.3.0", "Temporary failure, try again later (simulated)"),
    ),
    Simulator("full", "refuses mail with 552, as a full mailbox", (552, "5.2.2", "The mailbox is full (simulated)")),
    Simulator(
        "greylist",
        "refuses the first attempt of each sender with 451, and accepts a retry",
        (451, "4.7.1", "Greylisted, try again later (simulated)"),
        first_only=True,
    ),
    Simulator(
        "slow-10s",
        f"accepts mail after 10 s; any duration up to {show_duration(LONGEST)} works, such as slow-500ms or slow-2m",
        delay=10.0,
    ),
    Simulator("drop", "closes the connection instead of a reply to RCPT", drops=True),
    Simulator("late-bounce", "accepts mail, and sends back a report that delivery failed", returns="report"),
    Simulator("ooto", "accepts mail, and sends back an automatic out-of-office reply", returns="reply"),
)
"""Every simulator, in the order in which they are listed."""

_BY_NAME: Final[Mapping[str, Simulator]] = {each.name: each for each in SIMULATORS}
_SLOW: Final = "slow-"


def simulator_named(local: str, separator: str) -> Simulator | None:
    """Return the simulator whose local part is ``local``, or of which it is a sub-address; None if there is none.

    Args:
        local: A local part in the form that is compared.
        separator: The separator of sub-addresses; empty if there are none.
    """
    while local:
        found = _BY_NAME.get(local) or _slow(local)
        if found is not None:
            return found
        local = local.rpartition(separator)[0] if separator else ""
    return None


def _slow(local: str) -> Simulator | None:
    if not local.startswith(_SLOW):
        return None
    try:
        delay = read_duration(local.removeprefix(_SLOW))
    except ValueError:
        return None
    return _BY_NAME["slow-10s"]._replace(name=local, delay=delay) if 0 < delay <= LONGEST else None
