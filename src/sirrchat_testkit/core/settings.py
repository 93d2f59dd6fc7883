"""Every default of the kit, in two frozen records.

1. ``Settings`` is what only a start can fix; ``Policy`` may change while a server runs, and is swapped whole.
2. A wrong value is a ``ValueError`` that names the setting and says what it takes.
3. Every field is also a flag of ``serve`` and an environment variable, so each is a plain value or a tuple of texts.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Self

from sirrchat_testkit.core.addressing import is_domain

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

DOMAINS = ("example.com", "example.org", "example.net")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
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
    rate_limit: Literal["off", "documented", "own"] = "off"
    rate_limit_key: int = 1000
    rate_limit_ip: int = 100
    webhook_hosts: tuple[str, ...] = ()

    def __new__(cls, **given: Any) -> Self:
        """Return a new policy. Raises ``ValueError`` where there is no such field."""
        _check_names(given, Policy)
        return object.__new__(cls)

    def __post_init__(self) -> None:
        _choice(self, "unknown_recipients", "reject", "keep")
        _choice(self, "foreign_recipients", "keep", "reject")
        _choice(self, "auth", "optional", "required", "tls")
        object.__setattr__(self, "oauth_tokens", _tokens(self.oauth_tokens))
        _switch(self, "tls_required")
        object.__setattr__(self, "hide_extensions", _extensions(self.hide_extensions))
        _number(self, "max_sessions", 0)
        _number(self, "max_session_messages", 0)
        _seconds(self, "idle_timeout", zero=False)
        _seconds(self, "session_timeout", zero=True)
        _number(self, "max_addresses", 0)
        _number(self, "max_message_size", 1)
        _number(self, "max_recipients", 1)
        _number(self, "max_messages", 0)
        _number(self, "max_bytes", 0)
        _number(self, "max_age", 0)
        _choice(self, "rate_limit", "off", "documented", "own")
        _number(self, "rate_limit_key", 0)
        _number(self, "rate_limit_ip", 0)
        object.__setattr__(self, "webhook_hosts", _hosts(self.webhook_hosts))

    def changed(self, **changes: Any) -> Policy:
        """Return this policy with ``changes``. Raises ``ValueError`` as ``Settings.of`` does."""
        return replace(self, **changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """What only a start can fix.

    Attributes:
        host: The address to listen on.
        smtp_port: The SMTP port; 0 for any free one.
        smtps_port: The port of SMTP that begins with TLS; 0 for any free one, None for none.
        starttls: Whether SMTP offers STARTTLS.
        tls_cert: A PEM file with the certificate and its chain; None has one issued for this machine's names.
        tls_key: The PEM file with its key, if that is another file.
        http_port: The port of the REST API; 0 for any free one.
        domains: The domains served from the start; more can be added while the server runs.
        api_key: The admin account's key; None makes one.
        seed: What addresses, ids and keys are made from; empty, or with a data folder, they cannot be predicted.
        data: The folder to keep everything in; None keeps it in memory.
        fsync: Whether an acknowledged change survives power loss too; without it the last second may be lost.
        password_cost: What hashing a password costs, as scrypt's power of two; 0: 4 in memory, 14 in a data folder.
        policy: What the server starts with.
    """

    host: str = "127.0.0.1"
    smtp_port: int = 0
    smtps_port: int | None = None
    starttls: bool = False
    tls_cert: str | None = None
    tls_key: str | None = None
    http_port: int = 0
    domains: tuple[str, ...] = DOMAINS
    api_key: str | None = None
    seed: str = "sirrchat_testkit"
    data: str | None = None
    fsync: bool = False
    password_cost: int = 0
    policy: Policy = field(default_factory=Policy)

    def __new__(cls, **given: Any) -> Self:
        """Return new settings. Raises ``ValueError`` where there is no such field."""
        _check_names(given, Settings)
        return object.__new__(cls)

    def __post_init__(self) -> None:
        _text(self, "host")
        _number(self, "smtp_port", 0, 65_535)
        _number(self, "http_port", 0, 65_535)
        if self.smtps_port is not None:
            _number(self, "smtps_port", 0, 65_535)
        _switch(self, "starttls")
        for name in ("tls_cert", "tls_key"):
            if getattr(self, name) is not None:
                _text(self, name)
        if self.tls_key and not self.tls_cert:
            raise ValueError("tls_key takes the key of tls_cert, which is not given")
        object.__setattr__(self, "domains", _domains(self.domains))
        if self.api_key is not None:
            _text(self, "api_key")
        if not isinstance(self.seed, str):
            raise ValueError(f"seed takes a text, not {self.seed!r}")
        object.__setattr__(self, "data", _folder(self.data))
        if not isinstance(self.fsync, bool):
            raise ValueError(f"fsync takes True or False, not {self.fsync!r}")
        _number(self, "password_cost", 0, 20)
        if not isinstance(self.policy, Policy):
            raise ValueError(f"policy takes a Policy, not {self.policy!r}")
        if self.policy.tls_required and not self.tls:
            raise ValueError("tls_required takes starttls=True, or an smtps_port")

    @property
    def tls(self) -> bool:
        """Whether there is any TLS."""
        return self.starttls or self.smtps_port is not None

    @classmethod
    def of(cls, settings: Settings | None = None, **changes: Any) -> Settings:
        """Return ``settings`` (the defaults if None) with ``changes`` of any field of ``Settings`` or ``Policy``.

        Raises:
            ValueError: A value is wrong, or there is no such setting; the text names the nearest.
        """
        if settings is not None and not isinstance(settings, Settings):
            by_name = "fields are given by name, such as domains=['shop.example']"
            raise ValueError(f"settings takes a Settings, not {settings!r}; {by_name}")
        base = settings or cls()
        _check_names(changes, Settings, Policy)
        policy = changes.pop("policy", base.policy)
        for_policy = {name: changes.pop(name) for name in _names(Policy) & changes.keys()}
        if for_policy:
            policy = policy.changed(**for_policy)
        return replace(base, policy=policy, **changes)


@dataclass(slots=True)
class CurrentPolicy:
    """Where the policy in force is looked up; only the server's thread swaps it."""

    value: Policy


def _names(record: type[Settings | Policy]) -> set[str]:
    return {each.name for each in fields(record)}


def _check_names(changes: Mapping[str, Any], *records: type[Settings | Policy]) -> None:
    known = set[str]().union(*map(_names, records))
    for name, value in changes.items():
        if name not in known:
            if name in _names(Policy):
                policy = f"Settings(policy=Policy({name}={value!r}))"
                raise ValueError(f"{name} is a policy: {policy}, or MailServer({name}={value!r})")
            if name in _names(Settings):
                raise ValueError(f"{name} is a setting, which only a start can fix: MailServer({name}={value!r})")
            near = difflib.get_close_matches(name, known, 1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are {', '.join(sorted(known))}"
            raise ValueError(f"there is no setting {name!r}; {hint}")


def _choice(record: Any, name: str, *choices: str) -> None:
    value = getattr(record, name)
    if value not in choices:
        raise ValueError(f"{name} takes {' or '.join(map(repr, choices))}, not {value!r}")


def _number(record: Any, name: str, least: int, most: int | None = None) -> None:
    value = getattr(record, name)
    if type(value) is int and least <= value and (most is None or value <= most):
        return
    takes = f"a whole number from {least} to {most}" if most is not None else f"a whole number, {least} or more"
    raise ValueError(f"{name} takes {takes}, not {value!r}")


def _seconds(record: Any, name: str, *, zero: bool) -> None:
    value = getattr(record, name)
    if type(value) not in {int, float} or not (value > 0 or (zero and value == 0)):
        raise ValueError(f"{name} takes seconds, more than 0{', or 0 for never' if zero else ''}, not {value!r}")


def _switch(record: Any, name: str) -> None:
    if not isinstance(getattr(record, name), bool):
        raise ValueError(f"{name} takes True or False, not {getattr(record, name)!r}")


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
        check: TokenCheck = tokens
        return check
    pairs = [f"{user}={token}" for user, token in tokens.items()] if isinstance(tokens, Mapping) else tokens
    if isinstance(pairs, str) or not isinstance(pairs, Iterable):
        raise ValueError(f"oauth_tokens takes a mapping of users to tokens, or a function, not {tokens!r}")
    for pair in (texts := tuple(map(str, pairs))):
        if not all(pair.partition("=")):
            raise ValueError(f"oauth_tokens takes texts such as 'ann@example.com=token'; {pair!r} is none")
    return texts


def _text(record: Any, name: str) -> None:
    value = getattr(record, name)
    if not isinstance(value, str) or not value:
        raise ValueError(f"{name} takes a text that is not empty, not {value!r}")


def _hosts(names: Iterable[str] | str) -> tuple[str, ...]:
    if isinstance(names, str) or not isinstance(names, Iterable):
        raise ValueError(f"webhook_hosts takes a list of host names or addresses, not {names!r}")
    hosts = tuple(str(name).lower() for name in names)
    for name in hosts:
        if not name or "/" in name or " " in name:
            raise ValueError(f"webhook_hosts takes hosts such as 'hooks.example.com', no URLs; {name!r} is none")
    return hosts


def _folder(path: Any) -> str | None:
    if path is None or (isinstance(path, str | os.PathLike) and os.fspath(path)):
        return None if path is None else str(os.fspath(path))
    raise ValueError(f"data takes the path of a folder, not {path!r}")


def _domains(names: Iterable[str] | str) -> tuple[str, ...]:
    if isinstance(names, str):
        raise ValueError(f"domains takes a list of domain names, not the text {names!r}")
    if not isinstance(names, Iterable):
        raise ValueError(f"domains takes a list of domain names, not {names!r}")
    unique = tuple(dict.fromkeys(str(name).lower() for name in names))
    for name in unique:
        if not is_domain(name):
            raise ValueError(f"domains takes domain names such as 'example.com'; {name!r} is none")
    if not unique:
        raise ValueError("domains takes at least one domain name")
    return unique
