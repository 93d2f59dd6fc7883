"""Django: its mail settings point at a server.

1. Django's test environment keeps mail in memory: it sets ``EMAIL_BACKEND``, or every alias of ``MAILERS``, to locmem.
2. A project with ``MAILERS`` (Django 6.1) gets new ones with the same aliases; any other gets the ``EMAIL_*`` settings.
3. Values are replaced where they are stored and not in another layer of settings: so they are restored correctly even
   if pytest-django's fixture ``settings`` is undone later, and Django does not warn about ``EMAIL_*``.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final

from sirrchat_testkit.frameworks.trust import trusted

if TYPE_CHECKING:
    from sirrchat_testkit.handles.environment import Connection
    from sirrchat_testkit.server import MailServer

__tracebackhide__ = True

_BACKEND: Final = "django.core.mail.backends.smtp.EmailBackend"
_ABSENT: Final = object()


def connect_django(server: MailServer) -> AbstractContextManager[None]:
    """Send the mail of Django to ``server`` until the block ends.

    The fixture ``mailserver_django`` does this for a test, and a ``MailServerTestCase`` that is a Django test case too.
    Django logs in, and uses TLS if the server offers it.

    Example:
        with connect_django(server):
            call_command("send_newsletter")

    Raises:
        RuntimeError: Django is not installed, or its settings are not configured.
    """
    try:
        from django.conf import settings
    except ModuleNotFoundError:
        raise RuntimeError("Django is not installed in this environment") from None
    if not settings.configured:
        _load(settings)
    return _connected(server._connection(), settings)  # noqa: SLF001 - shared with env()


@contextlib.contextmanager
def _connected(connection: Connection, settings: Any) -> Iterator[None]:
    from django.core.signals import setting_changed

    stored = settings._wrapped.__dict__  # noqa: SLF001 - the layer that is in force; every Django has it
    values = _values(connection, getattr(settings, "MAILERS", None))
    before = {name: stored.get(name, _ABSENT) for name in values}

    def store(given: Mapping[str, Any], *, enter: bool) -> None:
        for name, value in given.items():
            if value is _ABSENT:
                stored.pop(name, None)
            else:
                stored[name] = value
            settings.__dict__.pop(name, None)  # where Django caches it
        for name, value in given.items():
            setting_changed.send_robust(
                sender=type(settings), setting=name, value=None if value is _ABSENT else value, enter=enter
            )

    with trusted(connection.ca_file):
        store(values, enter=True)
        try:
            yield
        finally:
            store(before, enter=False)


def _load(settings: Any) -> None:
    """Load the settings that ``DJANGO_SETTINGS_MODULE`` names."""
    from django.core.exceptions import ImproperlyConfigured

    try:
        settings._setup()  # noqa: SLF001
    except ImproperlyConfigured as error:
        raise RuntimeError(
            f"Django's settings are not configured: set DJANGO_SETTINGS_MODULE, or install pytest-django ({error})"
        ) from None


def _values(to: Connection, mailers: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the settings that send mail to ``to``; ``mailers`` are those of the project, None if it has none."""
    if mailers is not None:
        options = {
            "host": to.host,
            "port": to.port,
            "username": to.username,
            "password": to.password,
            "use_tls": to.starttls,
            "use_ssl": to.implicit,
        }
        return {"MAILERS": {alias: {"BACKEND": _BACKEND, "OPTIONS": {**options}} for alias in mailers}}
    return {
        "EMAIL_BACKEND": _BACKEND,
        "EMAIL_HOST": to.host,
        "EMAIL_PORT": to.port,
        "EMAIL_HOST_USER": to.username,
        "EMAIL_HOST_PASSWORD": to.password,
        "EMAIL_USE_TLS": to.starttls,
        "EMAIL_USE_SSL": to.implicit,
        "EMAIL_SSL_CERTFILE": None,
        "EMAIL_SSL_KEYFILE": None,
    }
