"""Every default of the kit, in two frozen records.

1. ``Settings`` is what only a start can fix; ``Policy`` may change while a server runs, and is swapped whole.
2. A wrong value is a ``ValueError`` that names the setting and says what it takes.
3. Every field is also a flag of ``serve`` and an environment variable, so each is a plain value or a tuple of texts.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar

from sirrchat_testkit.mail.addresses import is_domain
from sirrchat_testkit.policy import Policy
from sirrchat_testkit.setting_checks import Checked, check_names, check_number, check_switch, check_text, names

if TYPE_CHECKING:
    from typing import Unpack

    from sirrchat_testkit.setting_types import SettingsChanges

__tracebackhide__ = True

DOMAINS = ("example.com", "example.org", "example.net")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(Checked):
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

    elsewhere: ClassVar = "{name} is a setting, which only a start can fix: MailServer({name}={value!r})"

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

    def __post_init__(self) -> None:
        check_text(self, "host")
        check_number(self, "smtp_port", 0, 65_535)
        check_number(self, "http_port", 0, 65_535)
        if self.smtps_port is not None:
            check_number(self, "smtps_port", 0, 65_535)
        check_switch(self, "starttls")
        for name in ("tls_cert", "tls_key"):
            if getattr(self, name) is not None:
                check_text(self, name)
        if self.tls_key and not self.tls_cert:
            raise ValueError("tls_key takes the key of tls_cert, which is not given")
        object.__setattr__(self, "domains", _domains(self.domains))
        if self.api_key is not None:
            check_text(self, "api_key")
        if not isinstance(self.seed, str):
            raise ValueError(f"seed takes a text, not {self.seed!r}")
        object.__setattr__(self, "data", _folder(self.data))
        if not isinstance(self.fsync, bool):
            raise ValueError(f"fsync takes True or False, not {self.fsync!r}")
        check_number(self, "password_cost", 0, 20)
        if not isinstance(self.policy, Policy):
            raise ValueError(f"policy takes a Policy, not {self.policy!r}")
        if self.policy.tls_required and not self.tls:
            raise ValueError("tls_required takes starttls=True, or an smtps_port")

    @property
    def tls(self) -> bool:
        """Whether there is any TLS."""
        return self.starttls or self.smtps_port is not None

    @classmethod
    def of(cls, settings: Settings | None = None, **changes: Unpack[SettingsChanges]) -> Settings:
        """Return ``settings`` (the defaults if None) with ``changes`` of any field of ``Settings`` or ``Policy``.

        Raises:
            ValueError: A value is wrong, or there is no such setting; the text names the nearest.
        """
        if settings is not None and not isinstance(settings, Settings):
            by_name = "fields are given by name, such as domains=['shop.example']"
            raise ValueError(f"settings takes a Settings, not {settings!r}; {by_name}")
        base = settings or cls()
        given: dict[str, Any] = {**changes}
        check_names(given, Settings, Policy)
        policy = given.pop("policy", base.policy)
        for_policy = {name: given.pop(name) for name in names(Policy) & given.keys()}
        if for_policy:
            policy = policy.changed(**for_policy)
        return base.replaced(policy=policy, **given)


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
