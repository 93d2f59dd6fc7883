"""What a client needs to trust the server."""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import ClassVar

from sirrchat_testkit.suggestions import Hints

__tracebackhide__ = True


class Tls(Hints):
    """The authority behind the server's certificate, for clients in any language."""

    _guesses: ClassVar[Mapping[str, str]] = {
        "context": "ssl_context",
        "client_context": "ssl_context",
        "cafile": "ca_file",
        "ca": "ca_file",
        "ca_path": "ca_file",
        "cert_file": "ca_file",
    }

    def __init__(self, authority: bytes) -> None:
        self._authority = authority
        self._file = ""

    @property
    def ca_file(self) -> str:
        """The path of a PEM file with what is to be trusted; it is removed when the server stops."""
        if not self._file:
            import tempfile

            handle, self._file = tempfile.mkstemp(prefix="sirrchat-testkit-", suffix=".pem")
            with os.fdopen(handle, "wb") as file:
                file.write(self._authority)
        return self._file

    def ssl_context(self) -> ssl.SSLContext:
        """Return a client's context that trusts this server and nobody else."""
        return ssl.create_default_context(cadata=self._authority.decode("ascii"))

    def close(self) -> None:
        """Remove the file."""
        if self._file:
            with contextlib.suppress(OSError):
                Path(self._file).unlink()
            self._file = ""

    def __repr__(self) -> str:
        return f"<Tls {self._file or 'no file yet'}>"
