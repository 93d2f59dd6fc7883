"""Environment variables that configure an application to send its mail to a server.

1. A preset has the variables that a framework reads, or that its applications conventionally read.
2. Variables that do not apply are empty, not missing, so that values of the surrounding environment do not remain.
3. A wildcard address such as ``0.0.0.0`` is to listen on, not to connect to, so it never appears here.
"""

from __future__ import annotations

import string
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple, TypeAlias
from urllib.parse import quote

from sirrchat_testkit.net import Ports, netloc
from sirrchat_testkit.settings import Settings
from sirrchat_testkit.suggestions import meant, near_name

__tracebackhide__ = True

EnvPreset: TypeAlias = Literal["django", "fastapi-mail", "flask", "laravel", "nodemailer", "rails", "spring", "symfony"]
"""The name of a preset of ``mailserver.env``."""


class Connection(NamedTuple):
    """How an application connects to a server.

    Attributes:
        host: The host to connect to.
        port: The SMTP port; with ``tls="implicit"``, that of SMTP over TLS.
        tls: ``starttls``, ``implicit``, or empty if the server has no TLS.
        username: The user to log in as; empty if the server offers no logins.
        password: The password.
        ca_file: The certificate to trust; empty without TLS.
    """

    host: str
    port: int
    tls: Literal["", "starttls", "implicit"] = ""
    username: str = ""
    password: str = ""
    ca_file: str = ""

    @property
    def starttls(self) -> bool:
        """Whether the client begins TLS with STARTTLS."""
        return self.tls == "starttls"

    @property
    def implicit(self) -> bool:
        """Whether the connection begins with TLS."""
        return self.tls == "implicit"

    def url(self, scheme: str = "smtp", secure: str = "smtps") -> str:
        """Return the connection as a URL with the login; ``secure`` is the scheme for SMTP over TLS."""
        login = f"{quote(self.username, safe='')}:{quote(self.password, safe='')}@" if self.username else ""
        return f"{secure if self.implicit else scheme}://{login}{netloc((self.host, self.port))}"

    def trust(self, variable: str = "SSL_CERT_FILE") -> dict[str, str]:
        """Return the variable that names the certificate to trust, or no variable without TLS."""
        return {variable: self.ca_file} if self.ca_file else {}


def connection(settings: Settings, ports: Ports, host: str, login: tuple[str, str]) -> Connection:
    """Return how an application connects to ``host``: with TLS if the server offers it, and with ``login``."""
    starttls = settings.starttls and "STARTTLS" not in settings.hide_extensions
    port = ports.smtp[1]
    tls: Literal["", "starttls", "implicit"] = "starttls" if starttls else ""
    if not tls and ports.smtps is not None:
        port, tls = ports.smtps[1], "implicit"
    return Connection(host, port, tls, *login, ports.ca_file)


def _django(to: Connection) -> dict[str, str]:
    """The names of Django's settings, and ``EMAIL_URL`` for django-environ."""
    return {
        "EMAIL_BACKEND": "django.core.mail.backends.smtp.EmailBackend",
        "EMAIL_HOST": to.host,
        "EMAIL_PORT": str(to.port),
        "EMAIL_HOST_USER": to.username,
        "EMAIL_HOST_PASSWORD": to.password,
        "EMAIL_USE_TLS": _word(to.starttls),
        "EMAIL_USE_SSL": _word(to.implicit),
        "EMAIL_URL": to.url("smtp+tls" if to.starttls else "smtp", "smtp+ssl"),
        **to.trust(),
    }


def _flask(to: Connection) -> dict[str, str]:
    """The names of the settings of Flask-Mail and Flask-Mailman."""
    return {
        "MAIL_SERVER": to.host,
        "MAIL_PORT": str(to.port),
        "MAIL_USERNAME": to.username,
        "MAIL_PASSWORD": to.password,
        "MAIL_USE_TLS": _word(to.starttls),
        "MAIL_USE_SSL": _word(to.implicit),
        **to.trust(),
    }


def _fastapi_mail(to: Connection) -> dict[str, str]:
    """What ``fastapi_mail.ConnectionConfig`` reads from the environment."""
    return {
        "MAIL_SERVER": to.host,
        "MAIL_PORT": str(to.port),
        "MAIL_USERNAME": to.username,
        "MAIL_PASSWORD": to.password,
        "MAIL_STARTTLS": str(to.starttls).lower(),
        "MAIL_SSL_TLS": str(to.implicit).lower(),
        "USE_CREDENTIALS": str(bool(to.username)).lower(),
        "SUPPRESS_SEND": "0",
        **to.trust("CERT_BUNDLE"),
    }


def _laravel(to: Connection) -> dict[str, str]:
    """What ``config/mail.php`` of a new Laravel application reads; ``MAIL_ENCRYPTION`` is for Laravel 10 and older."""
    return {
        "MAIL_MAILER": "smtp",
        "MAIL_HOST": to.host,
        "MAIL_PORT": str(to.port),
        "MAIL_USERNAME": to.username,
        "MAIL_PASSWORD": to.password,
        "MAIL_SCHEME": "smtps" if to.implicit else "smtp",
        "MAIL_ENCRYPTION": "tls" if to.tls else "",
        "MAIL_URL": "null",  # Laravel's word for unset; the application's own would take precedence over the others
        **to.trust(),
    }


def _nodemailer(to: Connection) -> dict[str, str]:
    """The usual names of Node applications, which read the environment themselves, and Node's own for trust."""
    return {
        "SMTP_HOST": to.host,
        "SMTP_PORT": str(to.port),
        "SMTP_SECURE": str(to.implicit).lower(),
        "SMTP_USER": to.username,
        "SMTP_PASS": to.password,
        "SMTP_URL": to.url(),
        **to.trust("NODE_EXTRA_CA_CERTS"),
    }


def _rails(to: Connection) -> dict[str, str]:
    """The usual names of Rails applications, after the keys of ``smtp_settings``."""
    return {
        "SMTP_ADDRESS": to.host,
        "SMTP_PORT": str(to.port),
        "SMTP_USERNAME": to.username,
        "SMTP_PASSWORD": to.password,
        **to.trust(),
    }


def _spring(to: Connection) -> dict[str, str]:
    """Spring Boot's ``spring.mail`` properties, by its rules for environment variables."""
    properties = "SPRING_MAIL_PROPERTIES_MAIL_SMTP"
    return {
        "SPRING_MAIL_HOST": to.host,
        "SPRING_MAIL_PORT": str(to.port),
        "SPRING_MAIL_USERNAME": to.username,
        "SPRING_MAIL_PASSWORD": to.password,
        f"{properties}_AUTH": str(bool(to.username)).lower(),
        f"{properties}_STARTTLS_ENABLE": str(to.starttls).lower(),
        f"{properties}_SSL_ENABLE": str(to.implicit).lower(),
    }


def _symfony(to: Connection) -> dict[str, str]:
    """The DSN of Symfony Mailer."""
    return {"MAILER_DSN": to.url(), **to.trust()}


def _word(value: bool) -> str:  # noqa: FBT001 - a value, not an option
    """Return a text that is true, or an empty one, for applications that test whether a variable has a value."""
    return "True" if value else ""


PRESETS: Final[Mapping[str, Callable[[Connection], dict[str, str]]]] = {
    "django": _django,
    "fastapi-mail": _fastapi_mail,
    "flask": _flask,
    "laravel": _laravel,
    "nodemailer": _nodemailer,
    "rails": _rails,
    "spring": _spring,
    "symfony": _symfony,
}
"""The presets by name."""


def preset(name: object) -> Callable[[Connection], dict[str, str]]:
    """Return the preset ``name``. Raises ``ValueError`` if there is none."""
    if isinstance(name, str) and name in PRESETS:
        return PRESETS[name]
    raise ValueError(f"env() has no preset {name!r}; {meant(str(name).lower(), [*PRESETS])}")


_ABSENT: Final = {
    "smtps_port": "the server has no port for SMTP over TLS: set smtps_port=0",
    "smtp_ca_file": "the server has no TLS: set starttls=True or smtps_port=0",
    "smtp_username": "the server does not offer AUTH; see hide_extensions and auth",
    "smtp_password": "the server does not offer AUTH; see hide_extensions and auth",
}
"""Placeholders that not every server has a value for, and why."""


def fill(name: str, template: str, values: Mapping[str, object]) -> str:
    """Return ``template``, the argument ``name`` of ``env``, with its placeholders replaced by ``values``.

    Raises:
        ValueError: A placeholder is unknown, or the server has no value for it.
    """
    if not isinstance(template, str):
        raise TypeError(f"env({name}=...) takes a text with placeholders such as '{{smtp_host}}', not {template!r}")
    try:
        fields = [field for _, field, _, _ in string.Formatter().parse(template) if field is not None]
    except ValueError as error:
        raise ValueError(f"env({name}={template!r}): {error}; write a literal brace twice, as {{{{") from None
    for field in fields:
        if field not in values:
            raise ValueError(f"env({name}={template!r}): {_unknown(field, values)}")
    return template.format_map(values)


def _unknown(field: str, values: Mapping[str, object]) -> str:
    if field in _ABSENT:
        return f"there is no {{{field}}}, because {_ABSENT[field]}"
    near = near_name(field.lower(), [*values, *_ABSENT])
    known = ", ".join(f"{{{each}}}" for each in values)
    return (
        f"there is no {{{field}}}; did you mean {{{near}}}?" if near else f"there is no {{{field}}}; there are {known}"
    )
