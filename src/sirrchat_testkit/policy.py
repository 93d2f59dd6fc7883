"""The policy: what may change while a server runs. It is swapped whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Literal, cast

from sirrchat_testkit.setting_checks import Checked, check_choice, check_number, check_seconds, check_switch

if TYPE_CHECKING:
    from typing import Unpack

    from sirrchat_testkit.setting_types import PolicyChanges

__tracebackhide__ = True

EXTENSIONS = (
    "SIZE",
    "8BITMIME",
    "SMTPUTF8",
    "PIPELINING",
    "ENHANCEDSTATUSCODES",
    "DSN",
    "CHUNKING",
    "BINARYMIME",
    "STARTTLS",
    "AUTH",
    "HELP",
)
"""What EHLO may offer."""

MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2")
"""What AUTH may offer."""

TokenCheck = Callable[[str, str], bool]
"""Decides whether a user's XOAUTH2 token is right; it runs in a thread of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy(Checked):
    """What may change while a server runs.

    Attributes:
        unknown_recipients: ``reject`` refuses mail for an unknown address at a served domain, ``keep`` stores it.
        foreign_recipients: ``keep`` stores mail for other domains as outgoing, never relayed; ``reject`` refuses it.
        auth: Whether a login is ``optional`` or ``required``; ``tls``: offered under TLS alone, and required there.
        oauth_tokens: XOAUTH2 is offered for these ``user=token`` (a mapping will do), or a function of user and token.
        tls_required: Whether mail and logins are refused before TLS.
        hide_extensions: Names of what SMTP is not to offer nor take, of EHLO or of AUTH, such as ``PIPELINING``.
        max_sessions: SMTP connections at once, more are told 421; 0 for any number.
        max_session_messages: Messages of one SMTP connection, more are told 421; 0 for any number.
        idle_timeout: Seconds of real time after which a silent SMTP connection is told 421.
        session_timeout: Seconds of real time after which any SMTP connection is told 421; 0 for never.
        max_addresses: Active disposable addresses an account may have; 0 for any number.
        max_message_size: Bytes of one message.
        max_recipients: Recipients of one transaction; RFC 5321 section 4.5.3.1.8 asks for at least 100.
        max_messages: Copies kept in all, the oldest go first; 0 for any number.
        max_bytes: Bytes of the copies kept in all, the oldest go first; 0 for any number.
        max_age: Seconds on the kit's clock for which a copy is kept; 0 for ever.
        rate_limit: ``off``, ``documented`` (1000 requests an hour a key, 100 an IP address), or ``own`` numbers.
        rate_limit_key: Requests an hour that a key may make; counts if the rate limit is ``own``.
        rate_limit_ip: Requests an hour that an IP address may make without a valid key; counts if it is ``own``.
        webhook_hosts: Hosts that webhooks may be sent to beside loopback, whatever they resolve to; ``*`` for any host.
    """

    elsewhere: ClassVar = (
        "{name} is a policy: Settings(policy=Policy({name}={value!r})), or MailServer({name}={value!r})"
    )

    unknown_recipients: Literal["reject", "keep"] = "reject"
    foreign_recipients: Literal["keep", "reject"] = "keep"
    auth: Literal["optional", "required", "tls"] = "optional"
    oauth_tokens: tuple[str, ...] | TokenCheck = ()
    tls_required: bool = False
    hide_extensions: tuple[str, ...] = ()
    max_sessions: int = 0
    max_session_messages: int = 0
    idle_timeout: float = 300.0
    session_timeout: float = 0.0
    max_addresses: int = 0
    max_message_size: int = 33_554_432
    max_recipients: int = 1000
    max_messages: int = 0
    max_bytes: int = 0
    max_age: int = 0
    rate_limit: Literal["off", "documented", "custom"] = "off"
    rate_limit_key: int = 1000
    rate_limit_ip: int = 100
    webhook_hosts: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_choice(self, "unknown_recipients", "reject", "keep")
        check_choice(self, "foreign_recipients", "keep", "reject")
        check_choice(self, "auth", "optional", "required", "tls")
        object.__setattr__(self, "oauth_tokens", _tokens(self.oauth_tokens))
        check_switch(self, "tls_required")
        object.__setattr__(self, "hide_extensions", _extensions(self.hide_extensions))
        check_number(self, "max_sessions", 0)
        check_number(self, "max_session_messages", 0)
        check_seconds(self, "idle_timeout", zero=False)
        check_seconds(self, "session_timeout", zero=True)
        check_number(self, "max_addresses", 0)
        check_number(self, "max_message_size", 1)
        check_number(self, "max_recipients", 1)
        check_number(self, "max_messages", 0)
        check_number(self, "max_bytes", 0)
        check_number(self, "max_age", 0)
        check_choice(self, "rate_limit", "off", "documented", "custom")
        check_number(self, "rate_limit_key", 0)
        check_number(self, "rate_limit_ip", 0)
        object.__setattr__(self, "webhook_hosts", _hosts(self.webhook_hosts))

    def changed(self, **changes: Unpack[PolicyChanges]) -> Policy:
        """Return this policy with ``changes``. Raises ``ValueError`` as ``Settings.of`` does."""
        given: dict[str, Any] = {**changes}
        return self.replaced(**given)


class CurrentPolicy:
    """Where the policy in force is looked up; only the server's thread swaps it."""

    def __init__(self, value: Policy) -> None:
        self.value = value


def _extensions(names: Any) -> tuple[str, ...]:
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise ValueError(f"hide_extensions takes a list of names, not {names!r}")
    known = {*EXTENSIONS, *MECHANISMS}
    upper = tuple(str(name).upper() for name in names)
    for name in upper:
        if name not in known:
            raise ValueError(f"hide_extensions takes names of {', '.join(sorted(known))}; {name!r} is none")
    return upper


def _tokens(tokens: Any) -> tuple[str, ...] | TokenCheck:
    if callable(tokens):
        return cast("TokenCheck", tokens)
    pairs = [f"{user}={token}" for user, token in tokens.items()] if isinstance(tokens, Mapping) else tokens
    if isinstance(pairs, str) or not isinstance(pairs, Iterable):
        raise ValueError(f"oauth_tokens takes a mapping of users to tokens, or a function, not {tokens!r}")
    for pair in (texts := tuple(map(str, pairs))):
        if not all(pair.partition("=")):
            raise ValueError(f"oauth_tokens takes texts such as 'ann@example.com=token'; {pair!r} is none")
    return texts


def _hosts(names: Iterable[str] | str) -> tuple[str, ...]:
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise ValueError(f"webhook_hosts takes a list of host names or addresses, not {names!r}")
    hosts = tuple(str(name).lower() for name in names)
    for name in hosts:
        if not name or "/" in name or " " in name:
            raise ValueError(f"webhook_hosts takes hosts such as 'hooks.example.com', no URLs; {name!r} is none")
    return hosts
