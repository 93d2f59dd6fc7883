"""What the webhook tests share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sirrchat_testkit import MailServer


@pytest.fixture
def server() -> Iterator[MailServer]:
    """A server of this test's own: for settings, restarts, and what must not be rewound."""
    with MailServer() as server:
        yield server
