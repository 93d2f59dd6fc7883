"""Mail that a framework kept in memory or dropped instead of sending it: why a wait for it times out.

1. Only frameworks that are loaded already are examined; nothing is imported.
2. Objects that no module holds, such as the state of a Flask extension, are found among those that the garbage
   collector knows. This takes some milliseconds, so it is done only for the text of a failure.
3. Nothing here raises: an outbox that cannot be read is ignored.
"""

from __future__ import annotations

import contextlib
import gc
import sys
from collections.abc import Iterator
from typing import Any, Final, NamedTuple

from sirrchat_testkit.formatting import counted
from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.mail.address_headers import bare_addresses

__tracebackhide__ = True


class Kept(NamedTuple):
    """A message in an outbox: the subject, and the addresses of all recipients."""

    subject: str
    recipients: tuple[str, ...]

    def is_for(self, key: str | None) -> bool:
        """Return whether one recipient has this key; None stands for any recipient."""
        return key is None or any(addressing.key(each) == key for each in self.recipients)

    def __str__(self) -> str:
        return f"{self.subject!r} to {', '.join(self.recipients)}"


class Outbox(NamedTuple):
    """Where a framework leaves its mail.

    Attributes:
        place: The outbox: ``django.core.mail.outbox``. Empty if the framework drops mail.
        reason: Why mail is not sent, and the remedy.
        mail: The messages in it.
        is_cleared: Whether it is emptied for each test, so that all of it is of the current one.
    """

    place: str
    reason: str
    mail: tuple[Kept, ...] = ()
    is_cleared: bool = False

    def finding(self, count: int, recipient: str | None) -> str:
        """Return in one sentence that ``count`` messages are here instead of at the server, and the remedy."""
        if not self.place:
            return self.reason
        whose = f" for {recipient}" if recipient else ""
        return f"{counted(count, 'message')}{whose} {'is' if count == 1 else 'are'} in {self.place}: {self.reason}"


def outboxes() -> list[Outbox]:
    """Return the outboxes of the frameworks that are in use."""
    found: list[Outbox] = []
    for look in (django_outbox, _flask_mailman, _flask_mail, _fastapi_mail):
        with contextlib.suppress(Exception):  # whatever the framework does, the failure must be shown
            found += look()
    return found


_DJANGO: Final = "Django's test environment keeps mail in memory; use the fixture mailserver_django"
_FLASK_MAILMAN: Final = "it keeps mail in memory while TESTING is true; use mailserver_flask(app)"
_FLASK_MAIL: Final = "Flask-Mail drops mail while TESTING is true (MAIL_SUPPRESS_SEND); use mailserver_flask(app)"
_FASTAPI_MAIL: Final = (
    "fastapi-mail drops mail, because SUPPRESS_SEND is set; make its ConnectionConfig from "
    'mailserver.env("fastapi-mail")'
)


def django_outbox() -> Iterator[Outbox]:
    """Yield the outbox of Django, if it has mail. Django empties it for each test."""
    mail = getattr(sys.modules.get("django.core.mail"), "outbox", None)
    if mail:
        yield Outbox("django.core.mail.outbox", _DJANGO, _kept(mail), is_cleared=True)


def _flask_mailman() -> Iterator[Outbox]:
    mail = [each for state in _instances("flask_mailman", "_Mail") for each in vars(state).get("outbox", ())]
    if mail:
        yield Outbox("the outbox of Flask-Mailman", _FLASK_MAILMAN, _kept(mail))


def _flask_mail() -> Iterator[Outbox]:
    states = _instances("flask_mail", "_Mail")
    if states and all(vars(each).get("suppress") for each in states):
        yield Outbox("", _FLASK_MAIL)


def _fastapi_mail() -> Iterator[Outbox]:
    states = _instances("fastapi_mail.config", "ConnectionConfig")
    if states and all(vars(each).get("SUPPRESS_SEND") for each in states):
        yield Outbox("", _FASTAPI_MAIL)


def _kept(mail: Any) -> tuple[Kept, ...]:
    return tuple(
        Kept(str(each.subject), tuple(address for to in each.recipients() for address in bare_addresses(str(to))))
        for each in mail
    )


def _instances(module: str, name: str) -> list[Any]:
    """Return all living instances of a class, if its module is loaded."""
    kind = getattr(sys.modules.get(module), name, None)
    return [] if kind is None else [each for each in gc.get_objects() if type(each) is kind]
