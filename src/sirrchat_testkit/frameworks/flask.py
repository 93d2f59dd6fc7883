"""Flask: the mail settings of an application point at a server, for Flask-Mail and Flask-Mailman.

Both extensions copy ``app.config`` in ``init_app``, so a later change of the configuration has no effect: the copy is
changed too. While ``TESTING`` is true, Flask-Mail drops mail and Flask-Mailman keeps it in memory.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any, Final

from sirrchat_testkit.frameworks.trust import trusted

if TYPE_CHECKING:
    from sirrchat_testkit.handles.environment import Connection
    from sirrchat_testkit.server import MailServer

__tracebackhide__ = True

_EXTENSIONS: Final = ("mail", "mailman")
"""The names under which Flask-Mail and Flask-Mailman register themselves."""


def connect_flask(server: MailServer, app: Any) -> AbstractContextManager[None]:
    """Send the mail of the Flask application ``app`` to ``server`` until the block ends.

    The fixture ``mailserver_flask`` does this for a test: ``mailserver_flask(app)``. The application logs in, and uses
    TLS if the server offers it.

    Example:
        with connect_flask(server, app):
            app.test_client().post("/signup", data={"email": inbox.address})

    Raises:
        TypeError: ``app`` is not a Flask application.
        RuntimeError: ``app`` has neither Flask-Mail nor Flask-Mailman.
    """
    if not hasattr(app, "extensions") or not hasattr(app, "config"):
        hint = "; did you mean client.application?" if hasattr(app, "application") else ""
        raise TypeError(f"app must be a Flask application, not {app!r}{hint}")
    states = [app.extensions[name] for name in _EXTENSIONS if hasattr(app.extensions.get(name), "server")]
    if not states:
        raise RuntimeError(
            f"{app!r} has neither Flask-Mail nor Flask-Mailman: call mail.init_app(app) first, "
            'or make the application from mailserver.env("flask")'
        )
    return _connected(server._connection(), app, states)  # noqa: SLF001 - shared with env()


@contextlib.contextmanager
def _connected(to: Connection, app: Any, states: Sequence[Any]) -> Iterator[None]:
    config = {
        "MAIL_SERVER": to.host,
        "MAIL_PORT": to.port,
        "MAIL_USERNAME": to.username or None,
        "MAIL_PASSWORD": to.password or None,
        "MAIL_USE_TLS": to.starttls,
        "MAIL_USE_SSL": to.implicit,
        "MAIL_SUPPRESS_SEND": False,
        "MAIL_BACKEND": "smtp",
    }
    copied = {name.removeprefix("MAIL_").lower(): value for name, value in config.items()}
    copied |= {"suppress": False, "ssl_certfile": None, "ssl_keyfile": None}
    with contextlib.ExitStack() as exits:
        exits.enter_context(trusted(to.ca_file))
        exits.enter_context(_updated(app.config, config, add=True))
        for state in states:
            exits.enter_context(_updated(vars(state), copied))
        yield


@contextlib.contextmanager
def _updated(stored: dict[str, Any], values: dict[str, Any], *, add: bool = False) -> Iterator[None]:
    """Set ``values`` in ``stored`` until the block ends; only those that it has already, unless ``add``."""
    before = {name: stored[name] for name in values if name in stored}
    added = [name for name in values if add and name not in stored]
    stored.update({name: value for name, value in values.items() if add or name in stored})
    try:
        yield
    finally:
        stored.update(before)
        for name in added:
            stored.pop(name, None)
