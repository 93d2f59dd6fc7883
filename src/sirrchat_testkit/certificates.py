"""The server's side of TLS: a certificate of the user's own, or one that is issued when the server starts.

1. Issued ones are for ``localhost``, ``127.0.0.1`` and ``::1``, by an authority that lives as long as the server: its
   certificate is what clients are to trust, and its key is never written down.
2. They are valid from the year 2000 to 3000, so moving time does not break them.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import NamedTuple

NAMES = ("localhost", "127.0.0.1", "::1")


class Identity(NamedTuple):
    """What a server shows, and the PEM text of what its clients are to trust."""

    context: ssl.SSLContext
    authority: bytes


def identity(cert: str | None, key: str | None, host: str) -> Identity:
    """Return the identity in the PEM files ``cert`` and ``key``, or one issued for this machine's names and ``host``.

    Raises:
        ValueError: The files are no certificate with its key.
        OSError: They cannot be read.
        RuntimeError: One has to be issued, and the extra ``tls`` is not installed.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if cert is None:
        return Identity(context, _issue(context, host))
    try:
        context.load_cert_chain(cert, key)
    except ssl.SSLError as error:
        raise ValueError(f"tls_cert and tls_key take a certificate and its key as PEM files: {error}") from None
    return Identity(context, Path(cert).read_bytes())


def _issue(context: ssl.SSLContext, host: str) -> bytes:
    try:
        import trustme
    except ModuleNotFoundError:
        raise RuntimeError(
            'TLS needs a certificate: pip install "sirrchat-testkit[tls]" to have one made, or set tls_cert and tls_key'
        ) from None
    authority = trustme.CA(organization_name="sirrchat_testkit", organization_unit_name="made for tests")
    wild = host in {"", "0.0.0.0", "::"}  # noqa: S104 - compared, not bound
    authority.issue_cert(*dict.fromkeys([*NAMES, *(() if wild else (host,))])).configure_cert(context)
    return authority.cert_pem.bytes()
