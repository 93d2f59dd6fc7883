"""Fixtures of the webhook tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sirrchat_testkit import MailServer


@pytest.fixture
def server() -> Iterator[MailServer]:
    """A server of this test alone: for settings, restarts, and state that must not be rewound."""
    with MailServer() as server:
        yield server
