"""What to do about a finding, in the words of its readers: tests in Python, or clients of the control API.

Clients are written in any language, or are commands, so their texts name routes and commands.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sirrchat_testkit.formatting import due


@dataclass(frozen=True, slots=True)
class Remedies:
    """The words for one kind of reader.

    Attributes:
        address: How to make the address ``{}``, which does not exist.
        acceptance: The same in a sentence of its own.
        settings: Where the application's settings are found, a sentence to follow a question; may be empty.
        certificate: The certificate that a client must trust.
        advance: How to move the clock by ``{}`` seconds, to follow a time on it.
    """

    address: str
    acceptance: str
    settings: str
    certificate: str
    advance: str

    def make(self, recipient: str) -> str:
        """Return how to make the address ``recipient``."""
        return self.address.format(recipient)

    def accept(self, recipient: str) -> str:
        """Return how to accept mail for ``recipient``, which does not exist."""
        return self.acceptance.format(recipient)

    def due(self, milliseconds: int) -> str:
        """Return when something happens on the server's clock, and how to move it there."""
        seconds = max(-(-milliseconds // 1000), 1)
        return f"{due(seconds)}{self.advance.format(seconds)}"


FOR_TESTS: Final = Remedies(
    address="make it with mailserver.make_inbox(address={!r})",
    acceptance="To accept mail for {0}: mailserver.make_inbox(address={0!r})",
    settings=" mailserver.env() returns the settings.",
    certificate="mailserver.tls.ca_file",
    advance=": mailserver.clock.advance(seconds={})",
)

FOR_CLIENTS: Final = Remedies(
    address="make it with POST /testkit/v1/addresses or the command address create",
    acceptance="To accept mail for {}: POST /testkit/v1/addresses, or the command address create",
    settings="",
    certificate="the certificate that GET /testkit/v1/server returns",
    advance=", which POST /testkit/v1/clock moves",
)
