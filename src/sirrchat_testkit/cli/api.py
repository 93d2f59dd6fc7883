"""The HTTP APIs of a server, as commands call them: a module of its own, since the SDK takes long to import.

Every failure is a ``CommandFailed``: its text never has the key, and its status is 1 if something does not exist or did
not arrive in time, else 2.
"""

from __future__ import annotations

import http.client
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final, Self
from urllib.parse import quote, urlencode, urlsplit

from sirrchat_testkit.cli.parser import NOT_FOUND, WRONG, CommandFailed

TIMEOUT: Final = 30.0
"""Seconds to wait for an answer, in addition to those that a request asks the server to wait."""

_FIRST_ERROR: Final = 300
_CONTENTS: Final = frozenset({http.client.BAD_REQUEST, http.client.REQUEST_ENTITY_TOO_LARGE})
_SUGGESTION: Final = "is --url right?"


class Refused(CommandFailed):
    """The server refused a request because of its contents; another one may succeed."""


class Api:
    """A server, by its URL; one connection is kept for all requests, until the end of the ``with`` block.

    Args:
        url: The URL without the path of an API.
        key: An admin key; empty for routes that need none.
        timeout: Seconds to wait for an answer.

    Raises:
        CommandFailed: The URL is malformed.
    """

    def __init__(self, url: str, key: str = "", timeout: float = TIMEOUT) -> None:
        self.url = url.rstrip("/")
        self._timeout = timeout
        encoded = key.encode("utf-8", "surrogateescape")
        self._headers = {} if not key else {"Authorization": b"Bearer " + encoded, "X-API-Key": encoded}
        if not key.isprintable():
            raise CommandFailed("the API key has a character that a header cannot have, such as a line break")
        try:
            parts = urlsplit(self.url)
            host, port = parts.hostname, parts.port
        except ValueError:
            parts, host, port = urlsplit(""), None, None
        if parts.scheme not in {"http", "https"} or not host or parts.username or parts.query or parts.fragment:
            raise CommandFailed(
                f"the URL of a server begins with http:// or https://, such as http://127.0.0.1:8080; {url!r} does not"
            )
        self._path = parts.path
        make = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
        self._connection = make(host, port, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._connection.close()

    def call(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | bytes | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        wait: float = 0.0,
    ) -> Any:
        """Return the JSON of an answer, or None if it has no body.

        Args:
            method: The HTTP method.
            path: The path below the URL of the server.
            body: The JSON object to send, without fields that are None; or the bytes of a message.
            query: The parameters, without those that are None; a list repeats its name.
            wait: Seconds that the server may wait before it answers; only for the first request of a connection.

        Raises:
            CommandFailed: There was no answer, or it is an error.
        """
        raw = self.raw(method, path, body, query=query, wait=wait)
        try:
            return json.loads(raw) if raw else None
        except ValueError:
            raise CommandFailed(f"{self.url} did not answer in JSON; {_SUGGESTION}") from None

    def raw(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | bytes | None = None,
        *,
        query: Mapping[str, Any] | None = None,
        wait: float = 0.0,
    ) -> bytes:
        """Return the bytes of an answer. The arguments and errors are those of ``call``."""
        given = {name: value for name, value in (query or {}).items() if value is not None}
        target = f"{self._path}{path}{'?' if given else ''}{urlencode(given, doseq=True, errors='surrogateescape')}"
        headers = dict(self._headers)
        if isinstance(body, Mapping):
            body = json.dumps({name: value for name, value in body.items() if value is not None}).encode()
            headers["Content-Type"] = b"application/json"
        elif body is not None:
            headers["Content-Type"] = b"message/rfc822"
        connection = self._connection
        connection.timeout = self._timeout + wait  # of a connection that is not open yet
        try:
            connection.request(method, target, body, headers)
            answer = connection.getresponse()
            content = answer.read()
        except TimeoutError:
            raise CommandFailed(f"no answer from {self.url} within {connection.timeout:g} seconds") from None
        except http.client.BadStatusLine:
            raise CommandFailed(f"{self.url} does not answer in HTTP; {_SUGGESTION}") from None
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise CommandFailed(f"no answer from {self.url}: {why}; {_SUGGESTION}") from None
        if answer.status >= _FIRST_ERROR:
            raise self._refusal(answer, content)
        return content

    def pages(
        self,
        path: str,
        query: Mapping[str, Any] | None = None,
        *,
        name: str = "data",
        cursor: str = "next_cursor",
    ) -> Iterator[Any]:
        """Return an iterator over the records of all pages: those in ``name``, while ``cursor`` names a next page."""
        at = None
        while True:
            page = self.call("GET", path, query={**(query or {}), "cursor": at})
            yield from page[name]
            at = page[cursor]
            if at is None:
                return

    def _refusal(self, answer: http.client.HTTPResponse, content: bytes) -> CommandFailed:
        status = answer.status
        try:
            error = json.loads(content)["error"]
            text = error if isinstance(error, str) else error["message"]
        except (ValueError, TypeError, KeyError):
            kind = answer.headers.get("Content-Type", "no content").partition(";")[0]
            return CommandFailed(f"{self.url} answered {status} and {kind}, not as this server does; {_SUGGESTION}")
        if text.startswith("no such route"):
            return CommandFailed(f"{text}; {_SUGGESTION}")
        if status == http.client.UNAUTHORIZED:
            text += "; give the key that serve printed, or one made with api-key create"
        elif status == http.client.FORBIDDEN:
            text += "; give the key of an admin"
        if status in _CONTENTS:
            return Refused(text)
        return CommandFailed(text, NOT_FOUND if status == http.client.NOT_FOUND else WRONG, lines=True)


def in_path(text: str) -> str:
    """Return ``text`` as one segment of a path."""
    return quote(text, safe="", errors="surrogateescape")
