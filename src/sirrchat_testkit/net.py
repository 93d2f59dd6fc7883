"""Listening sockets, the server's certificate, and the certificate authority that clients trust.

1. Sockets are bound before anything is served. Port 0 means any free port; it is read back from the socket.
2. Issued certificates are for ``localhost``, ``127.0.0.1`` and ``::1``, signed by an authority made for this server:
   clients trust the authority's certificate, and its key is never written to disk.
3. They are valid from the year 2000 to 3000, so moving the time does not break them.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import ssl
from collections.abc import Iterable, Mapping
from functools import lru_cache
from ipaddress import ip_address
from pathlib import Path
from typing import ClassVar, Final, NamedTuple

from sirrchat_testkit.suggestions import Hints

__tracebackhide__ = True


async def bind(purpose: str, host: str, port: int) -> socket.socket:
    """Return a socket bound to the first address of ``host``.

    Raises:
        OSError: The port is in use, or the host is not an address of this machine; the error names all three.
    """
    try:
        loop = asyncio.get_running_loop()
        name = host.encode() if host.isascii() else host  # a str would load the IDNA codec
        found = await loop.getaddrinfo(name, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        sock = socket.socket(family, kind, protocol)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
        except OSError:
            sock.close()
            raise
    except OSError as error:
        raise OSError(error.errno, f"cannot listen for {purpose} on {host}:{port}: {error.strerror}") from None
    sock.setblocking(False)
    return sock


WILDCARDS: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - compared, not bound
"""Addresses to listen on that clients cannot connect to everywhere, each with the one that reaches this machine."""


def reachable(host: str) -> str:
    """Return the address at which clients on this machine reach a server that listens on ``host``."""
    return WILDCARDS.get(host, host)


@lru_cache(maxsize=64)
def is_loopback(name: str) -> bool:
    """Return whether ``name``, an IP address or a host name in lower case, is this machine's own."""
    try:
        return ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")  # RFC 6761 section 6.3


class Ports(NamedTuple):
    """Where SMTP listens: the addresses without and with implicit TLS, and the certificate to trust, or ""."""

    smtp: tuple[str, int]
    smtps: tuple[str, int] | None
    ca_file: str


def netloc(bound: tuple[str, int]) -> str:
    """Return ``host:port``, an IPv6 host in brackets."""
    host, port = bound
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


_PREFIX = "sirrchat-testkit-"
"""The prefix of temporary file names; the process id follows."""

NAMES = ("localhost", "127.0.0.1", "::1")


class Identity(NamedTuple):
    """A server's TLS context, and the certificate in PEM that its clients must trust."""

    context: ssl.SSLContext
    authority: bytes


def identity(cert: str | None, key: str | None, *hosts: str) -> Identity:
    """Return the identity in the PEM files ``cert`` and ``key``, or one issued for this machine and ``hosts``.

    Raises:
        ValueError: The files are not a certificate and its key.
        OSError: They cannot be read.
        RuntimeError: A certificate must be issued, and the extra ``tls`` is not installed.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if cert is None:
        return Identity(context, _issue(context, hosts))
    try:
        context.load_cert_chain(cert, key)
    except ssl.SSLError as error:
        raise ValueError(f"tls_cert and tls_key must be the PEM files of a certificate and its key: {error}") from None
    return Identity(context, Path(cert).read_bytes())


def _issue(context: ssl.SSLContext, hosts: Iterable[str]) -> bytes:
    try:
        import trustme
    except ModuleNotFoundError:
        raise RuntimeError(
            'TLS needs a certificate: pip install "sirrchat-testkit[tls]" to have one made, or set tls_cert and tls_key'
        ) from None
    authority = trustme.CA(organization_name="sirrchat_testkit", organization_unit_name="made for tests")
    named = [host for host in hosts if host not in WILDCARDS]
    authority.issue_cert(*dict.fromkeys([*NAMES, *named])).configure_cert(context)
    return authority.cert_pem.bytes()


def _remove_abandoned(folder: Path) -> None:
    """Remove the files left behind by processes that ended without stopping their servers."""
    for file in folder.glob(f"{_PREFIX}*-*.pem"):
        number = file.name.removeprefix(_PREFIX).partition("-")[0]
        with contextlib.suppress(OSError):
            if number.isdigit() and file.stat().st_uid == os.getuid() and not _runs(int(number)):
                file.unlink()


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OverflowError, PermissionError):
        return True
    return True


class Tls(Hints):
    """``mailserver.tls``: what clients need to trust the server's certificate.

    Example:
        with smtplib.SMTP(mailserver.smtp_host, mailserver.smtp_port) as smtp:
            smtp.starttls(context=mailserver.tls.ssl_context())
        subprocess.run(["./shop"], env={"SSL_CERT_FILE": mailserver.tls.ca_file})

    Attributes:
        authority: The certificate to trust, as PEM.
    """

    _guesses: ClassVar[Mapping[str, str]] = {
        "context": "ssl_context",
        "client_context": "ssl_context",
        "cafile": "ca_file",
        "ca": "ca_file",
        "ca_path": "ca_file",
        "cert_file": "ca_file",
    }

    authority: bytes

    def __init__(self, authority: bytes) -> None:
        self.authority = authority
        self._file = ""

    @property
    def ca_file(self) -> str:
        """The path of a PEM file with the certificate to trust; it is removed when the server stops."""
        if not self._file:
            import tempfile

            _remove_abandoned(Path(tempfile.gettempdir()))
            handle, self._file = tempfile.mkstemp(prefix=f"{_PREFIX}{os.getpid()}-", suffix=".pem")
            with os.fdopen(handle, "wb") as file:
                file.write(self.authority)
        return self._file

    def ssl_context(self) -> ssl.SSLContext:
        """Return an ``ssl.SSLContext`` for clients that trusts only this server."""
        return ssl.create_default_context(cadata=self.authority.decode("ascii"))

    def close(self) -> None:
        """Remove the file."""
        if self._file:
            with contextlib.suppress(OSError):
                Path(self._file).unlink()
            self._file = ""

    def __repr__(self) -> str:
        return f"<Tls {self._file or 'no file yet'}>"
