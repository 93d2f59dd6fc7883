"""Trust in the certificate of a server, for frameworks that make their own TLS context."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

_VARIABLE = "SSL_CERT_FILE"


@contextlib.contextmanager
def trusted(ca_file: str) -> Iterator[None]:
    """Have new TLS contexts of this process trust the certificate in ``ca_file``; do nothing if it is empty.

    OpenSSL reads the variable each time that a context loads the default certificates.
    """
    if not ca_file:
        yield
        return
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = ca_file
    try:
        yield
    finally:
        if before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = before
