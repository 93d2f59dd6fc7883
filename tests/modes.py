"""Tests of fixtures and handles in three modes: with an own server, with one elsewhere, with one of all workers.

``python -m pytest tests/plugin tests/flows --server-mode attached`` runs the tests whose fixtures know the modes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from sirrchat_testkit import MailServer


@contextlib.contextmanager
def serving(mode: str, **settings: Any) -> Iterator[MailServer]:
    """Start a server with ``settings``, and yield a handle of it that is used as ``mode`` says."""
    with MailServer(**settings, shared=mode == "shared") as server:
        if mode == "own":
            yield server
            return
        from sirrchat_testkit.attached.server import AttachedServer

        with AttachedServer(server.api_url, server.api_key) as attached:
            yield attached
