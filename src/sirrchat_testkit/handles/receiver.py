"""The verbs that wait for mail: of one address on an inbox, of every address on the server.

Every verb that waits has a twin with an ``a`` in front, for asyncio and trio.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Never

from sirrchat_testkit.handles.feed import arun, pull, run
from sirrchat_testkit.handles.wait import Wait, count_of, reject_unnamed, seconds_of
from sirrchat_testkit.suggestions import CollectionHints

if TYPE_CHECKING:
    from typing import Unpack

    from sirrchat_testkit.handles.conditions import MailConditions
    from sirrchat_testkit.handles.mail_source import MailSource
    from sirrchat_testkit.handles.message import ReceivedMessage

__tracebackhide__ = True


class Receiver(CollectionHints):
    """Receives the mail of ``_source``."""

    @property
    def _source(self) -> MailSource:
        raise NotImplementedError

    @property
    def messages(self) -> list[ReceivedMessage]:
        """Every stored message, taken or not, oldest first. Its contents are loaded when they are read."""
        return run(self._source.thread, lambda _: pull(self._source))

    def receive(
        self, *_unnamed: Never, timeout: float | None = None, **match: Unpack[MailConditions]
    ) -> ReceivedMessage:
        """Return the oldest untaken message that matches, and take it; wait for one if there is none yet.

        Args:
            timeout: Seconds of real time to wait; 0 looks once. Default: marker, option, environment, ini file, 10.
            match: Conditions, all of which must hold: ``subject``, ``sender``, ``to``, ``cc``, ``recipient``,
                ``mail_from``, ``text``, ``html``, ``header``, ``has_attachment``, ``filename``, ``size``, ``after``,
                ``where`` (see ``MailConditions``).

        Raises:
            MailNotReceived: The time is up. An ``AssertionError`` that says what arrived instead, and why.
            TypeError: A condition is unknown, or has no name; the text names the nearest.
            ValueError: ``timeout`` is negative.
        """
        reject_unnamed("receive", _unnamed, "subject")
        wait = self._wait(timeout, match)
        return run(wait.source.thread, wait.receive)

    async def areceive(
        self,
        *_unnamed: Never,
        timeout: float | None = None,  # noqa: ASYNC109 - the twin's own word
        **match: Unpack[MailConditions],
    ) -> ReceivedMessage:
        """Do what ``receive`` does without blocking the loop that this task runs on."""
        reject_unnamed("areceive", _unnamed, "subject")
        wait = self._wait(timeout, match)
        return await arun(wait.source.thread, wait.receive)

    def receive_all(
        self,
        count: int | None = None,
        *_unnamed: Never,
        timeout: float | None = None,
        **match: Unpack[MailConditions],
    ) -> list[ReceivedMessage]:
        """Return all untaken messages that match and take them: exactly ``count``, or without it what is there.

        With a count it waits for so many. Then the server settles, so that a message too many is noticed.

        Raises:
            MailNotReceived: Fewer arrived in time.
            UnexpectedMail: More arrived.
            NotSettled: The server is still busy, so more may arrive.
            ValueError: ``count`` is not a whole number, or ``timeout`` is negative.
        """
        reject_unnamed("receive_all", _unnamed, "subject")
        wait, wanted = self._wait(timeout, match), count_of(count)
        return run(wait.source.thread, lambda signal: wait.receive_all(signal, wanted))

    async def areceive_all(
        self,
        count: int | None = None,
        *_unnamed: Never,
        timeout: float | None = None,  # noqa: ASYNC109 - the twin's own word
        **match: Unpack[MailConditions],
    ) -> list[ReceivedMessage]:
        """Do what ``receive_all`` does without blocking the loop that this task runs on."""
        reject_unnamed("areceive_all", _unnamed, "subject")
        wait, wanted = self._wait(timeout, match), count_of(count)
        return await arun(wait.source.thread, lambda signal: wait.receive_all(signal, wanted))

    def assert_nothing(self, *_unnamed: Never, within: float | None = None, **match: Unpack[MailConditions]) -> None:
        """Assert that no untaken message matches, once every connection is between transactions.

        Args:
            within: Seconds of real time in which none may arrive either, for senders that have not connected yet.
                Default: the ini file's ``mailserver_within``, or 0.
            match: Conditions as for ``receive``.

        Raises:
            UnexpectedMail: There are such messages; all are listed.
            NotSettled: The server is still busy after a second; the text says with what.
        """
        reject_unnamed("assert_nothing", _unnamed, "subject")
        wait = self._watch(within, match)
        run(wait.source.thread, wait.nothing)

    async def aassert_nothing(
        self, *_unnamed: Never, within: float | None = None, **match: Unpack[MailConditions]
    ) -> None:
        """Do what ``assert_nothing`` does without blocking the loop that this task runs on."""
        reject_unnamed("aassert_nothing", _unnamed, "subject")
        wait = self._watch(within, match)
        await arun(wait.source.thread, wait.nothing)

    def _wait(self, timeout: float | None, match: MailConditions) -> Wait[ReceivedMessage]:
        source = self._source
        return Wait(source, source.match(match), seconds_of("timeout", timeout, source.timeout))

    def _watch(self, within: float | None, match: MailConditions) -> Wait[ReceivedMessage]:
        source = self._source
        return Wait(source, source.match(match), seconds_of("within", within, source.within))
