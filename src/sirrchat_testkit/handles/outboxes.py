"""Why the frameworks of this process have not sent their mail to a server.

1. A framework keeps its mail in memory or drops it, its settings name another server, or it has sent nothing.
2. Only frameworks that are loaded already are examined; nothing is imported.
3. Objects that no module holds, such as the state of a Flask extension, are found among those that the garbage
   collector knows. This takes some milliseconds, so it is done only for the text of a failure, and where
   Flask-Mailman has kept mail in memory.
4. A framework that drops mail is named only if it was used since the test began: its settings may be those of an
   earlier test.
5. Nothing here raises: a framework that cannot be examined is ignored.
"""

from __future__ import annotations

import contextlib
import functools
import gc
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from sirrchat_testkit.formatting import counted
from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.mail.address_headers import bare_addresses
from sirrchat_testkit.net import netloc

__tracebackhide__ = True

Runner: TypeAlias = Literal["", "pytest", "unittest"]
"""How a server is used, which decides about remedies: by hand, by the fixtures, or by a ``MailServerTestCase``."""

IsHere: TypeAlias = Callable[[str, int], bool]
"""Returns whether a host and a port are those of the server."""

_DJANGO: Final[Mapping[Runner, str]] = {
    "": 'use "with connect_django(server):"',
    "pytest": "use the fixture mailserver_django",
    "unittest": "derive the test case from MailServerTestCase and django.test.TestCase, in this order",
}
_FLASK: Final[Mapping[Runner, str]] = {
    "": 'use "with connect_flask(server, app):"',
    "pytest": "use mailserver_flask(app)",
    "unittest": "use self.enterContext(connect_flask(self.mailserver, app))",
}
_FASTAPI: Final[Mapping[Runner, str]] = {
    "": 'make its ConnectionConfig from server.env("fastapi-mail")',
    "pytest": 'make its ConnectionConfig from mailserver.env("fastapi-mail")',
    "unittest": 'make its ConnectionConfig from self.mailserver.env("fastapi-mail")',
}
"""How to send the mail of a framework to the server."""

_ON_COMMIT: Final[Mapping[Runner, str]] = {
    "": "in a transaction.atomic() that is left",
    "pytest": "with django_capture_on_commit_callbacks(execute=True) or django_db(transaction=True)",
    "unittest": "with self.captureOnCommitCallbacks(execute=True) or in a TransactionTestCase",
}
"""Where functions of ``transaction.on_commit`` run, since a test undoes its transaction."""

_CELERY: Final = (
    "Celery hands tasks to a worker; start it with the variables of mailserver.env(), or set task_always_eager"
)


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
    """Mail that a framework has kept or dropped instead of sending it.

    Attributes:
        place: What is said of a message: ``in django.core.mail.outbox``.
        reason: Why mail is not sent, and the remedy.
        mail: The messages in it.
        is_cleared: Whether it is emptied for each test, so that all of it is of the current one.
        verbs: What stands before ``place``, for one message and for several.
    """

    place: str
    reason: str
    mail: tuple[Kept, ...]
    is_cleared: bool = False
    verbs: tuple[str, str] = ("is", "are")

    def finding(self, count: int, recipient: str | None) -> str:
        """Return in one sentence that ``count`` messages are here instead of at the server, and the remedy."""
        whose = f" for {recipient}" if recipient else ""
        return f"{counted(count, 'message')}{whose} {self.verbs[count != 1]} {self.place}: {self.reason}"


def outboxes(runner: Runner, dispatches: Dispatches) -> list[Outbox]:
    """Return the outboxes with mail, and the mail that was dropped, with the remedy for ``runner``."""
    found: list[Outbox] = []
    for look in (django_outbox, _flask_mailman_outbox, dispatches.dropped):
        with contextlib.suppress(Exception):  # whatever the framework does, the failure must be shown
            found += look(runner)
    return found


def django_outbox(runner: Runner) -> Iterator[Outbox]:
    """Yield the outbox of Django, if it has mail. Django empties it for each test."""
    if mail := _django_mail():
        reason = f"Django's test environment keeps mail in memory; {_DJANGO[runner]}"
        yield Outbox("in django.core.mail.outbox", reason, _kept(mail), is_cleared=True)


def _flask_mailman_outbox(runner: Runner) -> Iterator[Outbox]:
    if "flask_mailman.backends.locmem" in sys.modules and _kept_by_flask_mailman():  # it loads with the first message
        gc.collect()  # applications of earlier tests may be unreachable, but not freed yet
        if mail := _kept_by_flask_mailman():
            reason = f"it keeps mail in memory while TESTING is true; {_FLASK[runner]}"
            yield Outbox("in the outbox of Flask-Mailman", reason, _kept(mail))


def _kept_by_flask_mailman() -> list[Any]:
    """Return the mail of applications that keep it in memory now; one that a test has connected may have older mail."""
    states = _referring_to(getattr(sys.modules["flask_mailman"], "_Mail", None))
    return [each for state in states if "locmem" in str(state.backend) for each in vars(state).get("outbox", ())]


_FLASK_MAIL: Final = "flask_mail"
_FASTAPI_MAIL: Final = "fastapi_mail.fastmail"
"""The modules with the signal ``email_dispatched``."""


class Dispatches:
    """Notes which of Flask-Mail and fastapi-mail are used in a test: both have a signal, also for mail that they drop.

    One that is loaded during the test has not been used in earlier ones.
    """

    def __init__(self) -> None:
        self._is_used: dict[str, bool] = {}
        self._receivers: list[Callable[..., None]] = []  # signals hold them weakly
        self._dropped: list[Kept] = []

    def begin(self) -> None:
        """Begin a test."""
        self._dropped.clear()
        for module in (_FLASK_MAIL, _FASTAPI_MAIL):
            if module in self._is_used:
                self._is_used[module] = False
            elif module in sys.modules:
                with contextlib.suppress(Exception):  # as for outboxes
                    self._watch(module)

    def _watch(self, module: str) -> None:
        def note_use(sender: Any, message: Any = None) -> None:
            self._is_used[module] = True
            if module == _FLASK_MAIL and sender.extensions["mail"].suppress:
                self._dropped.append(Kept(str(message.subject), _addresses(message.send_to)))

        sys.modules[module].email_dispatched.connect(note_use)
        self._receivers.append(note_use)
        self._is_used[module] = False

    def dropped(self, runner: Runner) -> Iterator[Outbox]:
        """Yield the mail that Flask-Mail has dropped, if there is any. Only pytest reports when a test begins."""
        if self._dropped:
            reason = f"it drops mail while TESTING is true (MAIL_SUPPRESS_SEND); {_FLASK[runner]}"
            mail, is_cleared = tuple(self._dropped), runner == "pytest"
            yield Outbox("dropped by Flask-Mail", reason, mail, is_cleared, ("was", "were"))

    def may_include(self, module: str) -> bool:
        """Return whether mail may have been sent or dropped since the test began by ``module``."""
        return self._is_used.get(module, True)


def unsent(is_here: IsHere, runner: Runner, dispatches: Dispatches, *, idle: bool = True) -> list[str]:
    """Return, for each framework in use, why it sent no mail to a server, with the remedy for ``runner``.

    With ``idle``, the frameworks are included that would send their mail there, that have not committed a transaction,
    or whose tasks another process runs.
    """
    found: list[str] = []
    for look, remedies in (
        (_django, _DJANGO),
        (_flask_mailman, _FLASK),
        (functools.partial(_flask_mail, dispatches), _FLASK),
        (functools.partial(_fastapi_mail, dispatches), _FASTAPI),
    ):
        with contextlib.suppress(Exception):  # as above
            senders = [*look()]
            elsewhere = [each for each in senders if each.obstacle or not is_here(each.host, each.port)]
            if elsewhere:
                found.append(f"{elsewhere[0]}; {remedies[runner]}")
            elif senders and idle:
                found.append(f"{senders[0].name} is configured to send its mail there, but has sent none")
    with contextlib.suppress(Exception):  # as above
        if idle and (count := _django_on_commit()):
            functions = f"{counted(count, 'function')} given to transaction.on_commit()"
            found.append(f"{functions} {'runs' if count == 1 else 'run'} only {_ON_COMMIT[runner]}")
    with contextlib.suppress(Exception):  # as above
        if idle and any(each.configured and not each.conf.task_always_eager for each in _celery()):
            found.append(_CELERY)
    return found


class _Sender(NamedTuple):
    """Where a framework sends its mail.

    Attributes:
        name: The framework.
        host: The host.
        port: The port.
        settings: The settings that name host and port.
        obstacle: Why it does not send its mail to any host, or "".
    """

    name: str
    host: str
    port: int
    settings: str
    obstacle: str

    def __str__(self) -> str:
        return self.obstacle or f"{self.name} sends its mail to {netloc((self.host, self.port))} ({self.settings})"


_SMTP: Final = "django.core.mail.backends.smtp.EmailBackend"
_LOCMEM: Final = "django.core.mail.backends.locmem.EmailBackend"


def _django() -> Iterator[_Sender]:
    settings = getattr(sys.modules.get("django.conf"), "settings", None)
    if settings is None or not settings.configured:
        return
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Django 6.1 warns about EMAIL_*
        mailers: Mapping[str, Any] | None = getattr(settings, "MAILERS", None)
        if mailers is None:
            if not _is_django_outbox(settings.EMAIL_BACKEND):
                backend = _django_backend("EMAIL_BACKEND", settings.EMAIL_BACKEND)
                place = "EMAIL_HOST, EMAIL_PORT"
                yield _Sender("Django", settings.EMAIL_HOST, int(settings.EMAIL_PORT), place, backend)
            return
    for alias, mailer in mailers.items():
        if _is_django_outbox(mailer.get("BACKEND")):
            continue
        backend = _django_backend(f"MAILERS[{alias!r}]['BACKEND']", mailer.get("BACKEND", _SMTP))
        options = mailer.get("OPTIONS", {})
        port = options.get("port") or (465 if options.get("use_ssl") else 587 if options.get("use_tls") else 25)
        yield _Sender("Django", options.get("host") or "localhost", int(port), f"MAILERS[{alias!r}]", backend)


def _is_django_outbox(backend: str | None) -> bool:
    """Return whether ``backend`` has kept mail in the outbox, which is a finding of its own."""
    return backend == _LOCMEM and bool(_django_mail())


def _django_backend(setting: str, backend: str) -> str:
    """Return why ``backend`` does not send mail by SMTP, or ""."""
    if backend == _LOCMEM:
        return "Django has sent nothing: django.core.mail.outbox, where its test environment keeps mail, is empty"
    return "" if backend == _SMTP else f"Django's {setting} is {backend!r}, not {_SMTP!r}"


def _django_mail() -> Any:
    return getattr(sys.modules.get("django.core.mail"), "outbox", None)


def _django_on_commit() -> int:
    """Return how many functions wait in this thread for a commit."""
    connections = getattr(sys.modules.get("django.db"), "connections", None)
    return 0 if connections is None else sum(len(each.run_on_commit) for each in connections.all(initialized_only=True))


def _flask_mailman() -> list[_Sender]:
    return _unanimous(map(_of_flask_mailman, _instances("flask_mailman", "_Mail")))


def _of_flask_mailman(state: Any) -> _Sender:
    obstacle = ""
    if "locmem" in str(state.backend):
        obstacle = "Flask-Mailman keeps mail in memory while TESTING is true"
    elif "smtp" not in str(state.backend):
        obstacle = f"Flask-Mailman's MAIL_BACKEND is {state.backend!r}, not 'smtp'"
    return _Sender("Flask-Mailman", state.server, int(state.port), "MAIL_SERVER, MAIL_PORT", obstacle)


def _flask_mail(dispatches: Dispatches) -> list[_Sender]:
    is_used = dispatches.may_include(_FLASK_MAIL)
    states = [each for each in _instances("flask_mail", "_Mail") if is_used or not each.suppress]
    return _unanimous(map(_of_flask_mail, states))


def _of_flask_mail(state: Any) -> _Sender:
    obstacle = "Flask-Mail drops mail while TESTING is true (MAIL_SUPPRESS_SEND)" if state.suppress else ""
    return _Sender("Flask-Mail", state.server, int(state.port), "MAIL_SERVER, MAIL_PORT", obstacle)


def _fastapi_mail(dispatches: Dispatches) -> list[_Sender]:
    is_used = dispatches.may_include(_FASTAPI_MAIL)
    configs = _instances("fastapi_mail.config", "ConnectionConfig")
    return _unanimous(_of_fastapi_mail(each) for each in configs if is_used or not each.SUPPRESS_SEND)


def _of_fastapi_mail(config: Any) -> _Sender:
    obstacle = "fastapi-mail drops mail, because SUPPRESS_SEND is set" if config.SUPPRESS_SEND else ""
    return _Sender("fastapi-mail", config.MAIL_SERVER, config.MAIL_PORT, "MAIL_SERVER, MAIL_PORT", obstacle)


def _celery() -> list[Any]:
    return _instances("celery.app.base", "Celery")


def _unanimous(senders: Iterable[_Sender]) -> list[_Sender]:
    """Return the only one of ``senders``; none if they differ, because it is not known which one a test uses."""
    different = [*dict.fromkeys(senders)]
    return different if len(different) == 1 else []


def _kept(mail: Any) -> tuple[Kept, ...]:
    return tuple(Kept(str(each.subject), _addresses(each.recipients())) for each in mail)


def _addresses(recipients: Iterable[Any]) -> tuple[str, ...]:
    """Return the bare addresses of ``recipients``: texts, or pairs of a name and an address."""
    texts = (str(each[-1] if isinstance(each, tuple) else each) for each in recipients)
    return tuple(address for text in texts for address in bare_addresses(text))


def _instances(module: str, name: str) -> list[Any]:
    """Return all living instances of a class, if its module is loaded."""
    kind = getattr(sys.modules.get(module), name, None)
    if _referring_to(kind):
        gc.collect()  # those of earlier tests may be unreachable, but not freed yet
    return _referring_to(kind)


def _referring_to(kind: Any) -> list[Any]:
    return [] if kind is None else [each for each in gc.get_referrers(kind) if type(each) is kind]
