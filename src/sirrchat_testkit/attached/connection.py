"""The connection to a server in another process: its clients, and what it says about itself.

Errors of the clients become those that the same verb raises on a server of this process.
"""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import version
from typing import Final, TypeVar
from urllib.parse import urlsplit

from sirrchat_testkit import errors
from sirrchat_testkit.client import errors as client
from sirrchat_testkit.client.calls import Call
from sirrchat_testkit.client.control import AsyncControlClient, ControlClient
from sirrchat_testkit.client.driver import AsyncDriver
from sirrchat_testkit.client.sirrchat import AsyncClient
from sirrchat_testkit.client.tempmail import AsyncTempMailClient
from sirrchat_testkit.errors import InvalidValue, TestkitError
from sirrchat_testkit.schemas.control import Server

__tracebackhide__ = True

T = TypeVar("T")

_VERSION: Final = version("sirrchat-testkit")

_KINDS: Final[dict[type[client.ApiError], Callable[[client.ApiError], TestkitError]]] = {
    client.InvalidRequest: lambda error: InvalidValue(error.message, field=error.field, value=error.value),
    client.NotFound: lambda error: errors.NotFound(error.message),
    client.Conflict: lambda error: errors.Conflict(error.message, field=error.field, value=error.value),
    client.SharedServerError: lambda error: errors.SharedServerError(error.message),
    client.Unreachable: lambda error: client.Unreachable(f"{error.message}; is the server still running there?"),
}


class _Translating(AsyncDriver):
    """A client that raises the errors of the handles."""

    async def _send(self, call: Call[T]) -> T:
        try:
            return await super()._send(call)
        except client.ApiError as error:
            if type(error) not in _KINDS:
                raise
            raise _KINDS[type(error)](error) from None


class Control(_Translating, AsyncControlClient):
    """A client of the control API."""


class Rest(_Translating, AsyncClient):
    """A client of the SirrChat API."""


class TempMail(_Translating, AsyncTempMailClient):
    """A client of the disposable-address API."""


def describe(url: str, key: str) -> Server:
    """Return what the server at ``url`` says about itself.

    Raises:
        ConnectionError: Tests cannot use it; the error says why, in one line.
        InvalidValue: ``url`` is not the URL of a server, or the key is missing.
    """
    try:
        with ControlClient(key, url, timeout=10, retries=0) as control:
            server = control.server()
    except client.Unreachable as error:
        raise ConnectionError(f"{error}; is the server running there?") from None
    except client.Unauthorized:
        raise ConnectionError(f"the server at {url} does not know the API key; serve prints its key") from None
    except client.Forbidden:
        raise ConnectionError(f"the API key of a user does not suffice at {url}; tests need that of an admin") from None
    except (client.NotFound, client.UnexpectedResponse):
        raise ConnectionError(f"{url} is not a sirrchat-testkit server, or is an older version of it") from None
    except client.ApiError as error:
        raise ConnectionError(f"the server at {url} failed: {error}") from None
    if server.version != _VERSION:
        text = (
            f"the server at {url} is version {server.version}, and the tests use {_VERSION}; install the same for both"
        )
        raise ConnectionError(text)
    return server


def host_and_port(url: str) -> tuple[str, int]:
    """Return the host and the port of ``url``."""
    parts = urlsplit(url)
    return parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
