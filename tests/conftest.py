"""A domain without sockets, on the test's own loop."""

import asyncio
from collections.abc import AsyncIterator

import pytest_asyncio

from sirrchat_testkit.core.backend import Backend
from sirrchat_testkit.core.settings import Settings
from sirrchat_testkit.store.tiny import TinyStore


@pytest_asyncio.fixture
async def backend() -> AsyncIterator[Backend]:
    store = TinyStore()
    backend = Backend.build(Settings(), store, asyncio.get_running_loop())
    await backend.furnish()
    yield backend
    await backend.close()
    await store.close()
