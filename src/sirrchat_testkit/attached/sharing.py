"""One server for all workers of pytest-xdist.

1. The controller starts the server when a worker first needs it, with the settings of that worker, and stops it at the
   end. The server runs in the controller's process, so it never outlives it.
2. Workers ask for the server over a loopback socket. The controller has given each of them the key that it needs.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
from multiprocessing import AuthenticationError
from multiprocessing.connection import Client, Listener
from typing import Any, NamedTuple

from sirrchat_testkit.server import MailServer
from sirrchat_testkit.settings import Settings

__tracebackhide__ = True


class Place(NamedTuple):
    """Where a server is: the URL of its REST API, and the API key of its admin."""

    url: str
    key: str


class Sharing:
    """The server of the controller."""

    def __init__(self) -> None:
        self._secret = secrets.token_bytes(32)
        self._listener = Listener(("127.0.0.1", 0), authkey=self._secret)
        self._server: MailServer | None = None
        self._settings = Settings()
        self._answering = threading.Thread(target=self._answer_workers, name="mailserver-sharing", daemon=True)
        self._answering.start()

    @property
    def invitation(self) -> str:
        """What a worker needs, to ask for the server."""
        address: Any = self._listener.address
        return f"{address[1]} {self._secret.hex()}"

    def close(self) -> None:
        """Stop the server."""
        with contextlib.suppress(OSError, EOFError, AuthenticationError):
            _ask(self.invitation, None)  # which ends the thread
        self._answering.join()
        self._listener.close()
        if self._server is not None:
            self._server.stop()

    def _answer_workers(self) -> None:
        while True:
            with (
                contextlib.suppress(OSError, EOFError, AuthenticationError),  # of a worker that was killed
                self._listener.accept() as connection,
            ):
                settings = connection.recv()
                connection.send(None if settings is None else self._answer(settings))
                if settings is None:
                    return

    def _answer(self, settings: Settings) -> Place | str:
        """Return where the server is, or why there is none."""
        if self._server is None:
            try:
                self._server = MailServer(settings, shared=True).start()
            except Exception as error:  # noqa: BLE001 - it is raised in the worker
                return f"the mail server of all workers could not start: {type(error).__name__}: {error}"
            self._settings = settings
        first = self._settings
        if settings.replace(seed=first.seed, strict=first.strict) != first:  # these two are those of the tests
            return (
                "the workers share one mail server, but mailserver_settings, of fixtures or test cases, differ; "
                "make them equal, or run without --mailserver-shared"
            )
        return Place(self._server.api_url, self._server.api_key)


def join(invitation: str, settings: Settings) -> Place:
    """Return where the server of all workers is. It is started with ``settings`` if this is the first request.

    Raises:
        ConnectionError: There is no such server; the error says why.
    """
    try:
        answer = _ask(invitation, settings)
    except (AttributeError, TypeError) as error:  # what pickle raises
        text = f"mailserver_settings cannot be sent to the process that starts the server for all workers: {error}"
        raise ConnectionError(text) from None
    except (OSError, EOFError):
        raise ConnectionError("the controller of pytest-xdist has ended, and its mail server with it") from None
    if isinstance(answer, str):
        raise ConnectionError(answer)
    return Place(*answer)


def _ask(invitation: str, settings: Settings | None) -> Any:
    port, secret = invitation.split()
    with Client(("127.0.0.1", int(port)), authkey=bytes.fromhex(secret)) as connection:
        connection.send(settings)
        return connection.recv()
