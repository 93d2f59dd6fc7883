"""The verbs that wait for mail: of one address on an inbox, of every address on the server.

Every verb that waits has a twin with an ``a`` in front, for asyncio and trio.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Never

from sirrchat_testkit.core.matching import Match
from sirrchat_testkit.core.sessions import Session
from sirrchat_testkit.testing import report
from sirrchat_testkit.testing.desk import CALM, Desk
from sirrchat_testkit.testing.message import ReceivedMessage
from sirrchat_testkit.testing.wait import Wait, Watch, by_name, duration, number


class Receiver:
    """Receives mail of ``_recipient``, or of everybody where that is None."""

    _recipient: str | None

    @property
    def _desk(self) -> Desk:
        raise NotImplementedError

    @property
    def messages(self) -> list[ReceivedMessage]:
        """Everything that was received, taken or not, oldest first."""
        return self._desk.messages(self._recipient)

    def receive(self, *_unnamed: Never, timeout: float | None = None, **match: Any) -> ReceivedMessage:
        """Return the oldest message not yet taken that matches, waiting for it if need be; it is taken then.

        Args:
            timeout: Seconds of real time to wait; 0 looks once. Default: marker, option, environment, ini, 10.
            match: Conditions, all of which must hold: ``subject``, ``sender``, ``to``, ``cc``, ``recipient``,
                ``mail_from``, ``text``, ``html``, ``header``, ``has_attachment``, ``filename``, ``size``, ``after``.

        Raises:
            MailNotReceived: The time is up; an ``AssertionError`` that tells what came instead and why.
            TypeError: A condition is unknown, or has no name; the text names the nearest.
            ValueError: ``timeout`` is negative.
        """
        __tracebackhide__ = True
        by_name("receive", _unnamed)
        wait = self._wait(timeout, match)
        wait.run()
        return wait.found[0]

    async def areceive(self, *_unnamed: Never, timeout: float | None = None, **match: Any) -> ReceivedMessage:  # noqa: ASYNC109
        """Do as ``receive`` does without blocking the loop that this task runs on."""
        __tracebackhide__ = True
        by_name("areceive", _unnamed)
        wait = self._wait(timeout, match)
        await wait.arun()
        return wait.found[0]

    def receive_all(
        self, count: int | None = None, *_unnamed: Never, timeout: float | None = None, **match: Any
    ) -> list[ReceivedMessage]:
        """Return all ``count`` messages that match, or without a count what is there when the server has settled.

        Raises:
            MailNotReceived: Fewer came in time.
            UnexpectedMail: More are there.
            NotSettled: The server is still busy, so more may come.
            ValueError: ``count`` is no whole number, or ``timeout`` is negative.
        """
        __tracebackhide__ = True
        by_name("receive_all", _unnamed)
        if number("count", count):
            self._wait(timeout, match, count).run()
        self._calm(self._desk.settle())
        return self._take_all(count, Match(**match))

    async def areceive_all(
        self,
        count: int | None = None,
        *_unnamed: Never,
        timeout: float | None = None,  # noqa: ASYNC109 - the twin's own word
        **match: Any,
    ) -> list[ReceivedMessage]:
        """Do as ``receive_all`` does without blocking the loop that this task runs on."""
        __tracebackhide__ = True
        by_name("areceive_all", _unnamed)
        if number("count", count):
            await self._wait(timeout, match, count).arun()
        self._calm(await self._desk.asettle())
        return self._take_all(count, Match(**match))

    def assert_nothing(self, *_unnamed: Never, within: float = 0, **match: Any) -> None:
        """Assert that nothing that matches is untaken, once every connection is between transactions.

        Args:
            within: Seconds of real time in which nothing may arrive either: for senders that have not connected yet.
            match: Conditions as for ``receive``.

        Raises:
            UnexpectedMail: There is such a message.
            NotSettled: The server is still busy after a second; the text says with what.
        """
        __tracebackhide__ = True
        by_name("assert_nothing", _unnamed)
        watch = Watch(self._desk, self._recipient, Match(**match), duration("within", within))
        self._calm(self._desk.settle())
        watch.run()

    async def aassert_nothing(self, *_unnamed: Never, within: float = 0, **match: Any) -> None:
        """Do as ``assert_nothing`` does without blocking the loop that this task runs on."""
        __tracebackhide__ = True
        by_name("aassert_nothing", _unnamed)
        watch = Watch(self._desk, self._recipient, Match(**match), duration("within", within))
        self._calm(await self._desk.asettle())
        await watch.arun()

    def _wait(self, timeout: float | None, match: dict[str, Any], count: int | None = None) -> Wait:
        seconds = duration("timeout", self._desk.timeout if timeout is None else timeout)
        return Wait(self._desk, self._recipient, Match(**match), seconds, count or 1, taking=count is None)

    def _take_all(self, count: int | None, match: Match) -> list[ReceivedMessage]:
        __tracebackhide__ = True
        while True:
            found = [each for each in self._desk.messages(self._recipient, untaken=True) if match.accepts(each)]
            if count is not None and len(found) > count:
                raise report.too_many(self._recipient, match, wanted=count, found=found)
            if self._desk.take(found):
                return found

    def _calm(self, busy: Sequence[Session]) -> None:
        __tracebackhide__ = True
        if busy:
            raise report.not_settled(busy, CALM)
