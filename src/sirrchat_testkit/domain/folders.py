r"""The folders of an account: what its permanent address received, and later what it keeps beside.

1. Every account has the folders of ``FOLDERS``, empty ones too; there are no others.
2. A message's uid is its ``seq``. Mail for disposable addresses is in no folder that is shown here.
3. Reading a message sets ``\Seen`` on it; listing does not.
"""

from __future__ import annotations

from dataclasses import replace

from sirrchat_testkit.domain.clock import Clock
from sirrchat_testkit.domain.directory import Directory
from sirrchat_testkit.domain.events import EventLog, MessagesChanged
from sirrchat_testkit.domain.models import FOLDERS, SEEN, Account, Message
from sirrchat_testkit.domain.store import Patch, Store
from sirrchat_testkit.errors import NotFound


class Folders:
    """Lists and reads what is in folders, on a store."""

    def __init__(self, store: Store, clock: Clock, directory: Directory, events: EventLog) -> None:
        self._store = store
        self._clock = clock
        self._directory = directory
        self._events = events

    async def page(self, account: Account, folder: str, offset: int, limit: int) -> tuple[list[Message], int]:
        """Return ``limit`` messages before the newest ``offset`` ones, newest first, and how many there are.

        Raises:
            NotFound: There is no such folder.
        """
        if folder not in FOLDERS:
            raise NotFound(f"there is no mailbox {folder}; there are {', '.join(FOLDERS)}")
        where = {"address": (await self._directory.permanent(account)).id, "folder": folder}
        found = await self._store.find(Message, where, newest=True, offset=offset, limit=limit)
        return found, await self._store.count(Message, **where)

    async def message(self, account: Account, uid: int) -> Message:
        """Return the account's message ``uid``, in whichever folder. Raises ``NotFound``."""
        message = await self._store.get(Message, seq=uid)
        if message is None or message.address != (await self._directory.permanent(account)).id:
            raise NotFound("no such message")
        return message

    async def see(self, message: Message) -> Message:
        """Note that ``message`` was read; return it with its flag."""
        if message.seen:
            return message
        flags = (*message.flags, SEEN)
        await self._store.commit([Patch(Message, message.seq, flags=flags, seen=True)])
        seen = replace(message, flags=flags, seen=True)
        self._events.append(MessagesChanged(at=self._clock.now(), messages=(seen,)))
        return seen
