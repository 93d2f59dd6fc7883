"""The settings of a server: one table, with a row per field.

1. A row has the default, the values that are accepted, a sentence of help, and whether the setting may change while the
   server runs. The checks, the flags and environment variables of ``serve``, their help and the documentation follow
   from it.
2. Settings are frozen. ``MailServer.configure`` replaces them as a whole, in the server's thread.
3. An invalid value or an unknown name is a ``ValueError`` that names the setting and what it accepts.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import FrozenInstanceError, dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, Self, TypeAlias, TypedDict

from sirrchat_testkit.durations import read_duration, show_duration
from sirrchat_testkit.formatting import excerpt
from sirrchat_testkit.mail.addresses import is_domain
from sirrchat_testkit.sizes import read_size, show_size
from sirrchat_testkit.suggestions import meant, near_name

if TYPE_CHECKING:
    from typing import Unpack

__tracebackhide__ = True

EXTENSIONS = (
    "SIZE",
    "8BITMIME",
    "SMTPUTF8",
    "PIPELINING",
    "ENHANCEDSTATUSCODES",
    "CHUNKING",
    "BINARYMIME",
    "STARTTLS",
    "AUTH",
    "HELP",
)
"""The SMTP extensions that EHLO can list."""

MECHANISMS = ("PLAIN", "LOGIN", "CRAM-MD5", "XOAUTH2")
"""The SASL mechanisms that AUTH can offer."""

StrictCheck: TypeAlias = Literal["unread", "refused", "late", "duplicate", "undelivered", "leaks"]
"""What else can fail a test: messages that were never received, refused recipients, mail that arrives after its test,
the same mail twice, webhook deliveries that did not succeed, connections that are left open."""

STRICT_CHECKS: tuple[StrictCheck, ...] = ("unread", "refused", "late", "duplicate", "undelivered", "leaks")
"""All strict checks; True stands for all but ``leaks``, since a pool of connections is none."""

TokenCheck: TypeAlias = Callable[[str, str], bool]
"""A function that decides whether the XOAUTH2 token of a user is valid. It runs in a worker thread."""


class Kind(NamedTuple):
    """The values that a setting accepts.

    Attributes:
        accepts: The values in words, to follow "must be".
        keep: Returns a value as it is stored; raises ``ValueError`` or ``TypeError`` if it is not accepted.
        read: Converts the text of a flag or an environment variable to a value; raises the same errors.
        choices: All values, if there are only a few.
        names: The names that a list may have, if it is a list of names.
        repeats: Whether the setting is a list.
        metavar: The placeholder of a value in the help; empty for the name of the setting.
        show: Returns a value as people write it.
        secret: Whether a refusal does not repeat the value.
    """

    accepts: str
    keep: Callable[[Any], Any]
    read: Callable[[str], Any] = str
    choices: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    repeats: bool = False
    metavar: str = ""
    show: Callable[[Any], str] = str
    secret: bool = False

    def check(self, name: str, value: Any) -> Any:
        """Return ``value`` as it is stored. Raises ``ValueError`` with ``name`` if it is not accepted."""
        try:
            return self.keep(value)
        except (ValueError, TypeError, OverflowError):
            raise ValueError(self._refusal(name, value)) from None

    def parse(self, name: str, text: str) -> Any:
        """Return the value of ``text``. Raises ``ValueError`` with ``name`` if it is not accepted."""
        try:
            return self.keep(self.read(text))
        except (ValueError, TypeError, OverflowError):
            raise ValueError(self._refusal(name, text)) from None

    def _refusal(self, name: str, value: Any) -> str:
        """Return that ``name`` cannot be ``value``, with the name that was probably meant."""
        known = {each.lower(): each for each in self.choices or self.names}
        words = (
            re.split(r"[,\s]+", value) if isinstance(value, str) else value if isinstance(value, list | tuple) else ()
        )
        wrong = [each.lower() for each in words if isinstance(each, str) and each.lower() not in known]
        near = next(filter(None, (near_name(each, known) for each in wrong)), None)
        hint = f"; did you mean {known[near]!r}?" if near else ""
        given = "" if self.secret else f", not {excerpt(value)}{hint}"
        return f"{name} must be {self.accepts}{given}"


def _number(least: int = 0, most: int | None = None, *, metavar: str = "N") -> Kind:
    def keep(value: Any) -> int:
        if type(value) is int and value >= least and (most is None or value <= most):
            return value
        raise ValueError

    bounds = f"of at least {least}" if most is None else f"from {least} to {most}"
    return Kind(f"a whole number {bounds}", keep, int, metavar=metavar)


def _duration(accepts: str, *, zero: bool, whole: bool = False) -> Kind:
    def keep(value: Any) -> float:
        if isinstance(value, str):
            value = read_duration(value)
        seconds = value.total_seconds() if isinstance(value, timedelta) else value
        if type(seconds) not in {int, float} or not (seconds > 0 or (zero and seconds == 0)):
            raise ValueError
        if not whole:
            return float(seconds)
        if seconds != int(seconds):
            raise ValueError
        return int(seconds)

    return Kind(accepts, keep, metavar="DURATION", show=show_duration)


def _size(accepts: str, least: int) -> Kind:
    def keep(value: Any) -> int:
        size = read_size(value) if isinstance(value, str) else value
        if type(size) is int and size >= least:
            return size
        raise ValueError

    return Kind(accepts, keep, metavar="SIZE", show=show_size)


def _text(*, empty: bool = False) -> Kind:
    def keep(value: Any) -> str:
        if isinstance(value, str) and (value or empty) and value.isprintable():
            return value
        raise ValueError

    return Kind(f"a string {'' if empty else 'that is not empty, '}without control characters", keep)


def _key(value: Any) -> str:
    if isinstance(value, str) and _KEY.fullmatch(value):
        return value
    raise ValueError


def _choice(*choices: str) -> Kind:
    def keep(value: Any) -> Any:
        if value in choices:
            return value
        raise ValueError

    *others, last = map(repr, choices)
    return Kind(f"{', '.join(others)} or {last}", keep, choices=choices)


def _list(of: str, valid: Callable[[str], object], *, fold: Callable[[str], str] = str, least: int = 0) -> Kind:
    def keep(value: Any) -> tuple[str, ...]:
        texts = () if isinstance(value, str) else tuple(dict.fromkeys(fold(str(each)) for each in value))
        if isinstance(value, str) or len(texts) < least or not all(map(valid, texts)):
            raise ValueError
        return texts

    def read(text: str) -> list[str]:
        return [each.strip() for each in text.split(",") if each.strip()]

    return Kind(f"a list of {of}", keep, read, repeats=True)


def _or_none(kind: Kind) -> Kind:
    return kind._replace(keep=lambda value: None if value is None else kind.keep(value))


def _bool(value: Any) -> bool:
    if isinstance(value, bool):
        return value
    raise ValueError


def _yes(text: str) -> bool:
    if text.lower() in {"1", "true", "yes", "on"}:
        return True
    if text.lower() in {"0", "false", "no", "off"}:
        return False
    raise ValueError


def _path(value: Any) -> str:
    path = os.fspath(value)
    if isinstance(path, str) and path:
        return path
    raise ValueError


def _host(value: Any) -> str:
    if isinstance(value, str) and _HOST.fullmatch(value):
        return value.strip("[]")
    raise ValueError


def _moment(value: Any) -> datetime:
    if isinstance(value, datetime):
        return value.astimezone(UTC)  # a naive one is local time
    raise ValueError


def _strict(value: Any) -> tuple[StrictCheck, ...]:
    """Return the names of strict checks in their order; ``"true"`` in a list stands for what True does."""
    if isinstance(value, bool):
        return STRICT_CHECKS[:-1] if value else ()
    names = {*value}
    if isinstance(value, str) or not names <= {*STRICT_CHECKS, "true"}:
        raise ValueError
    return tuple(each for each in STRICT_CHECKS if each in names or ("true" in names and each != "leaks"))


def _strict_text(text: str) -> Any:
    names = [each.strip().lower() for each in re.split(r"[,\s]+", text) if each.strip()]
    return _yes(names[0]) if len(names) == 1 and names[0] not in STRICT_CHECKS else names


def _tokens(value: Any) -> Any:
    if callable(value):
        return value
    return _PAIRS.keep([f"{user}={token}" for user, token in value.items()] if isinstance(value, Mapping) else value)


def _separator(value: Any) -> str:
    if isinstance(value, str) and (not value or value in _SEPARATORS):
        return value
    raise ValueError


_SEPARATORS = "+-=_#"
_SEPARATOR = Kind(f"empty or one of {' '.join(_SEPARATORS)}", _separator)
_SWITCH = Kind("True or False", _bool, _yes)
_PORT, _LIMIT = _number(0, 65_535, metavar="PORT"), _number()
_TIMEOUT = _duration("a duration above 0 such as 90s, 5m or 1h", zero=False)
_TIME_LIMIT = _duration("a duration such as 90s, 5m or 1h, or 0 for no limit", zero=True)
_AGE = _duration("a duration in whole seconds such as 90s, 12h or 30d, or 0 for no limit", zero=True, whole=True)
_SIZE = _size("a size of at least 1 byte such as 25MB or 2GiB", 1)
_SIZE_LIMIT = _size("a size such as 25MB or 2GiB, or 0 for no limit", 0)
_FOLDER = _or_none(Kind("the path of a folder", _path, metavar="DIR"))
_FILE = _or_none(_text()._replace(metavar="FILE"))
_TIME = _or_none(
    Kind("a datetime (in a flag or variable: 2030-01-31T12:00:00Z)", _moment, datetime.fromisoformat, metavar="TIME")
)
STRICT = Kind(
    f"True, False, or a list of {', '.join(STRICT_CHECKS)}",
    _strict,
    _strict_text,
    names=STRICT_CHECKS,
    repeats=True,
    metavar="CHECK",
)
"""The values of the setting ``strict``, of the marker and of the ini file."""

_DOMAINS = _list("domain names such as 'example.com', at least one", is_domain, fold=str.lower, least=1)
_HIDEABLE = (*EXTENSIONS, *MECHANISMS)
_NAMES = _list(f"names out of {', '.join(_HIDEABLE)}", _HIDEABLE.__contains__, fold=str.upper)._replace(names=_HIDEABLE)
_HOSTS = _list("host names such as 'hooks.example.com', not URLs", re.compile(r"[^/ ]+").fullmatch, fold=str.lower)
_HOST = re.compile(r"[^/:\s]+|\[?[0-9a-f]*:[0-9a-f]*:[0-9a-f:.]*\]?")
_ALLOWED = _list(
    "host names such as 'mail.example.com', without a port",
    _HOST.fullmatch,
    fold=str.lower,
)
_KEY = re.compile(r"[!-~]{1,1000}")
_API_KEY = _or_none(Kind("1 to 1000 visible ASCII characters without spaces", _key, secret=True))
_ADVERTISED = _or_none(Kind("a host name or an IP address, without a port", _host))
_PAIRS = _list("tokens such as 'ann@example.com=token'", re.compile(r"[^=]+=.+", re.DOTALL).fullmatch)
_TOKENS = _PAIRS._replace(
    accepts=f"{_PAIRS.accepts}, a mapping of users to tokens, or a function", keep=_tokens, secret=True
)

_LISTEN, _TLS, _MAIL, _LIMITS, _STORE, _REST = (
    "Network",
    "TLS and logins",
    "Mail",
    "Limits",
    "Accounts and storage",
    "REST API and webhooks",
)
OF_TESTS = "Checks"
"""The group of the settings that concern tests, and not ``serve``."""


def _half_of_the_descriptors() -> int:
    """Return a number of connections, 1000 at most, that leaves file descriptors for everything else."""
    import resource

    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return 1000 if soft == resource.RLIM_INFINITY else max(1, min(soft // 2, 1000))


def _setting(
    default: Any,
    kind: Kind,
    group: str,
    text: str,
    *,
    changeable: bool = False,
    secret: bool = False,
    served: Any = None,
) -> Any:
    """Return the field of one row; ``served`` is the default of ``serve``, if that differs."""
    served = default if served is None else served
    row = {"kind": kind, "group": group, "help": text, "changeable": changeable, "served": served}
    return field(default=default, repr=not secret, metadata=row)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The settings of a server. All have defaults; pass those that differ by name.

    Those marked as changeable can be changed while a server runs: ``mailserver.configure(max_recipients=3)``.

    Raises:
        ValueError: A value is not accepted, or there is no such setting.

    Example:
        MailServer(Settings(domains=("shop.example",), starttls=True))
    """

    host: str = _setting("127.0.0.1", _text(), _LISTEN, "The address to listen on.")
    advertise: str | None = _setting(
        None,
        _ADVERTISED,
        _LISTEN,
        "The host that env() gives to applications, such as host.docker.internal for containers. "
        "Default: host, or loopback if that is 0.0.0.0 or ::.",
    )
    shared: bool = _setting(
        False,
        _SWITCH,
        _LISTEN,
        "Others use this server too: the control API refuses what would affect them, such as moving the clock.",
    )
    smtp_port: int = _setting(0, _PORT, _LISTEN, "The SMTP port; 0 picks a free one.", served=1025)
    smtps_port: int | None = _setting(
        None,
        _or_none(_PORT),
        _LISTEN,
        "The port of SMTP over implicit TLS; 0 picks a free one. Default: not served.",
    )
    http_port: int = _setting(0, _PORT, _LISTEN, "The port of the REST API; 0 picks a free one.", served=8080)
    starttls: bool = _setting(False, _SWITCH, _TLS, "Offer STARTTLS.")
    tls_cert: str | None = _setting(
        None,
        _FILE,
        _TLS,
        "A PEM file with the certificate and its chain. Default: one is issued for the names of this machine.",
    )
    tls_key: str | None = _setting(None, _FILE, _TLS, "A PEM file with the private key, unless tls_cert contains it.")
    tls_required: bool = _setting(False, _SWITCH, _TLS, "Refuse mail and logins before TLS.", changeable=True)
    auth: Literal["optional", "required", "tls"] = _setting(
        "optional",
        _choice("optional", "required", "tls"),
        _TLS,
        "Whether clients must log in before sending mail; tls: AUTH is offered only under TLS, and required there.",
        changeable=True,
    )
    oauth_tokens: tuple[str, ...] | TokenCheck = _setting(  # noqa: RUF009 - a field, not a value
        (),
        _TOKENS,
        _TLS,
        "Users and their XOAUTH2 tokens, such as ann@example.com=token; in Python also a mapping, or a function of "
        "user and token. XOAUTH2 is offered only if there are any.",
        changeable=True,
        secret=True,
    )
    domains: tuple[str, ...] = _setting(
        ("example.com", "example.org", "example.net"),
        _DOMAINS,
        _MAIL,
        "The domains that are served from the start.",
    )
    unknown_recipients: Literal["reject", "keep"] = _setting(
        "reject",
        _choice("reject", "keep"),
        _MAIL,
        "What to do with mail for an unknown address at a served domain.",
        changeable=True,
    )
    foreign_recipients: Literal["keep", "reject"] = _setting(
        "keep",
        _choice("keep", "reject"),
        _MAIL,
        "What to do with mail for domains that are not served; keep stores it as outgoing mail. It is never relayed.",
        changeable=True,
    )
    subaddressing: str = _setting(
        "+",
        _SEPARATOR,
        _MAIL,
        "The separator of sub-addresses: with +, mail for ann+news@example.com goes to ann@example.com, unless "
        "ann+news@example.com exists. Empty: no sub-addresses.",
        changeable=True,
    )
    simulators: bool = _setting(
        False,
        _SWITCH,
        _MAIL,
        "Whether there are simulator addresses at every served domain, such as bounced@ and slow-10s@, which misbehave "
        "on purpose. An address of the same name takes the place of a simulator.",
        changeable=True,
        served=True,
    )
    hide_extensions: tuple[str, ...] = _setting(
        (),
        _NAMES,
        _MAIL,
        "SMTP extensions or AUTH mechanisms to switch off, such as PIPELINING.",
        changeable=True,
    )
    max_sessions: int = _setting(
        _half_of_the_descriptors(),
        _LIMIT,
        _LIMITS,
        "Maximum number of simultaneous SMTP connections; more are refused with 421. 0: no limit. "
        "Default: half of the file descriptors that the process may open, 1000 at most.",
        changeable=True,
    )
    max_session_messages: int = _setting(
        0,
        _LIMIT,
        _LIMITS,
        "Maximum number of messages per SMTP connection; more are refused with 421. 0: no limit.",
        changeable=True,
    )
    max_unknown_commands: int = _setting(
        20,
        _LIMIT,
        _LIMITS,
        "Number of unknown or malformed commands (500) after which an SMTP connection is closed with 421; 0: no limit.",
        changeable=True,
    )
    max_failed_logins: int = _setting(
        5,
        _LIMIT,
        _LIMITS,
        "Number of failed logins after which an SMTP connection is closed with 421; 0: no limit.",
        changeable=True,
    )
    idle_timeout: float = _setting(
        300.0,
        _TIMEOUT,
        _LIMITS,
        "Real time without a command after which an SMTP connection is closed with 421.",
        changeable=True,
    )
    session_timeout: float = _setting(
        0.0,
        _TIME_LIMIT,
        _LIMITS,
        "Real time after which any SMTP connection is closed with 421; 0: no limit.",
        changeable=True,
    )
    max_message_size: int = _setting(33_554_432, _SIZE, _LIMITS, "Maximum size of a message.", changeable=True)
    max_recipients: int = _setting(
        1000,
        _number(1),
        _LIMITS,
        "Maximum number of recipients per transaction. RFC 5321 section 4.5.3.1.8 requires at least 100.",
        changeable=True,
    )
    max_addresses: int = _setting(
        0, _LIMIT, _LIMITS, "Maximum number of active disposable addresses per account; 0: no limit.", changeable=True
    )
    max_messages: int = _setting(
        0,
        _LIMIT,
        _LIMITS,
        "Maximum number of messages, and of webhook deliveries, to keep; the oldest are deleted first. 0: no limit.",
        changeable=True,
        served=200_000,
    )
    max_bytes: int = _setting(
        0,
        _SIZE_LIMIT,
        _LIMITS,
        "Maximum total size of the messages and webhook deliveries to keep; the oldest are deleted first. 0: no limit.",
        changeable=True,
        served=2_147_483_648,
    )
    max_age: int = _setting(
        0, _AGE, _LIMITS, "How long to keep a message, by the server's clock; 0: no limit.", changeable=True
    )
    api_key: str | None = _setting(
        None, _API_KEY, _STORE, "The API key of the admin account. Default: a random one.", secret=True
    )
    seed: str = _setting(
        "sirrchat_testkit",
        _text(empty=True),
        _STORE,
        "The seed of generated addresses and ids. They are random if it is empty, or with a data folder.",
        served="",
    )
    start_at: datetime | None = _setting(  # noqa: RUF009 - a field, not a value
        None,
        _TIME,
        _STORE,
        "The time at which the server's clock starts, such as 2030-01-31T12:00:00Z; without an offset it is local "
        "time. Default: the current time.",
    )
    data: str | None = _setting(
        None, _FOLDER, _STORE, "The folder to store everything in. Default: everything is kept in memory."
    )
    fsync: bool = _setting(
        False,
        _SWITCH,
        _STORE,
        "Flush every acknowledged change to the disk. Without it, a power failure may lose the last second.",
    )
    password_cost: int = _setting(
        0,
        _number(0, 20),
        _STORE,
        "The cost of hashing a password: the base-2 logarithm of scrypt's N; 0: 4 in memory, 14 in a data folder.",
    )
    rate_limit: Literal["off", "documented", "custom"] = _setting(
        "off",
        _choice("off", "documented", "custom"),
        _REST,
        "Limit REST requests per hour; documented: 1000 per API key, 100 per IP address without one; custom: as set by "
        "rate_limit_key and rate_limit_ip.",
        changeable=True,
    )
    rate_limit_key: int = _setting(1000, _LIMIT, _REST, "Requests per hour and API key, if custom.", changeable=True)
    rate_limit_ip: int = _setting(
        100, _LIMIT, _REST, "Requests per hour and IP address without a valid key, if custom.", changeable=True
    )
    webhook_hosts: tuple[str, ...] = _setting(
        (),
        _HOSTS,
        _REST,
        "Hosts that webhooks may call in addition to loopback, whatever they resolve to; *: any host.",
        changeable=True,
    )

    allowed_hosts: tuple[str, ...] = _setting(
        (),
        _ALLOWED,
        _REST,
        "Hosts that REST requests may name in addition to loopback and the address to listen on; others are answered "
        "421; *: any host.",
        changeable=True,
    )
    web_auth: bool = _setting(
        False,
        _SWITCH,
        _REST,
        "Ask for an API key to show the web inbox and the metrics on loopback too; elsewhere they always need one.",
    )
    strict: bool | tuple[StrictCheck, ...] = _setting(
        (),
        STRICT,
        OF_TESTS,
        "What else fails a test, or a scope, when it ends: a list of unread, refused, late, duplicate, undelivered and "
        "leaks, or true for all but leaks.",
        changeable=True,
    )

    def __new__(cls, **given: Any) -> Self:
        """Refuse unknown names."""
        _check_names(given)
        return object.__new__(cls)

    if TYPE_CHECKING:  # the dataclass makes it of the types of the fields, which are those of the checked values

        def __init__(self, **settings: Unpack[SettingsChanges]) -> None: ...

    def __post_init__(self) -> None:
        for row in ROWS:
            object.__setattr__(self, row.name, row.kind.check(row.name, getattr(self, row.name)))
        if self.tls_key and not self.tls_cert:
            raise ValueError("tls_key is the private key of tls_cert: set both")
        if self.tls_required and not self.tls:
            raise ValueError("tls_required needs TLS: set starttls or smtps_port too")

    @property
    def tls(self) -> bool:
        """Whether the server offers TLS, by STARTTLS or on a port of its own."""
        return self.starttls or self.smtps_port is not None

    def replace(self, /, **changes: Unpack[SettingsChanges]) -> Settings:
        """Return these settings with ``changes``.

        Raises:
            ValueError: A value is not accepted, or there is no such setting; the error suggests the nearest.
        """
        given: dict[str, Any] = {**changes}
        return type(self)(**{row.name: getattr(self, row.name) for row in ROWS} | given)

    def configured(self, /, **changes: Unpack[RuntimeChanges]) -> Settings:
        """Return these settings with ``changes``, which must be allowed while a server runs.

        Raises:
            ValueError: As for ``replace``, or a setting can only be set at the start.
        """
        _check_names(changes)
        for row in ROWS:
            if row.name in changes and not row.changeable:
                given = f"{row.name}={changes[row.name]!r}"  # type: ignore[literal-required]  # names a row
                raise ValueError(
                    f"{row.name} cannot be changed while the server runs: start it with MailServer({given}), or return "
                    f"Settings({given}) from the fixture mailserver_settings"
                )
        return self.replace(**changes)


class Row(NamedTuple):
    """One setting: a row of the table. ``served`` is its default in ``serve``."""

    name: str
    default: Any
    kind: Kind
    group: str
    help: str
    changeable: bool
    served: Any


ROWS = tuple(Row(each.name, each.default, **each.metadata) for each in fields(Settings))
"""The rows of the table, in its order."""

_DOC = "\n".join(f"        {row.name}: {row.help}{' Changeable.' * row.changeable}" for row in ROWS)
Settings.__doc__ = (Settings.__doc__ or "").replace("\n    Raises:", f"\n    Attributes:\n{_DOC}\n\n    Raises:", 1)


def _refuse_assignment(_: Settings, name: str, value: object) -> None:
    """Raise ``FrozenInstanceError``, which says how the setting ``name`` is changed."""
    _check_names({name: value})
    [row] = [each for each in ROWS if each.name == name]
    instead = f"mailserver.configure({name}=...)" if row.changeable else f"MailServer({name}=...) at the start"
    raise FrozenInstanceError(f"{name} cannot be assigned: use {instead}")


Settings.__setattr__ = _refuse_assignment  # type: ignore[method-assign, assignment]  # dataclasses only say "cannot"


class CurrentSettings:
    """Holds the settings in force. Only the server's thread replaces them."""

    def __init__(self, value: Settings) -> None:
        self.value = value


_GUESSES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("port", "smtp"), "smtp_port"),
    **dict.fromkeys(("api_port", "rest_port"), "http_port"),
    **dict.fromkeys(("hostname", "bind", "address"), "host"),
    **dict.fromkeys(("tls", "use_starttls"), "starttls"),
    **dict.fromkeys(("ssl", "smtps", "use_tls", "use_ssl", "ssl_port"), "smtps_port"),
    **dict.fromkeys(("enforce_auth", "require_auth", "auth_required", "login"), "auth"),
    **dict.fromkeys(("now", "clock", "time"), "start_at"),
    **dict.fromkeys(("folder", "path", "data_dir", "storage"), "data"),
}
"""The settings that names of other packages stand for."""


def _check_names(given: Mapping[str, object]) -> None:
    known = [row.name for row in ROWS]
    for name in given:
        if name not in known:
            raise ValueError(f"there is no setting {name!r}; {meant(name, sorted(known), _GUESSES)}")


_Texts: TypeAlias = list[str] | tuple[str, ...]

_Duration: TypeAlias = float | timedelta | str
"""A number of seconds, a ``timedelta``, or a text such as ``5m``."""

_Size: TypeAlias = int | str
"""A number of bytes, or a text such as ``25MB``."""


class RuntimeChanges(TypedDict, total=False):
    """The types of the settings that may change while a server runs, for type checkers. See ``Settings``."""

    tls_required: bool
    auth: Literal["optional", "required", "tls"]
    oauth_tokens: Mapping[str, str] | _Texts | TokenCheck
    unknown_recipients: Literal["reject", "keep"]
    foreign_recipients: Literal["keep", "reject"]
    subaddressing: str
    simulators: bool
    hide_extensions: _Texts
    max_sessions: int
    max_session_messages: int
    max_unknown_commands: int
    max_failed_logins: int
    idle_timeout: _Duration
    session_timeout: _Duration
    max_message_size: _Size
    max_recipients: int
    max_addresses: int
    max_messages: int
    max_bytes: _Size
    max_age: _Duration
    rate_limit: Literal["off", "documented", "custom"]
    rate_limit_key: int
    rate_limit_ip: int
    webhook_hosts: _Texts
    allowed_hosts: _Texts
    strict: bool | list[StrictCheck] | tuple[StrictCheck, ...]


class SettingsChanges(RuntimeChanges, total=False):
    """The types of all settings, for type checkers. A list is accepted for a tuple. See ``Settings``."""

    web_auth: bool
    host: str
    advertise: str | None
    shared: bool
    smtp_port: int
    smtps_port: int | None
    http_port: int
    starttls: bool
    tls_cert: str | None
    tls_key: str | None
    domains: _Texts
    api_key: str | None
    seed: str
    start_at: datetime | None
    data: str | os.PathLike[str] | None
    fsync: bool
    password_cost: int
