"""The sender's faults, as a test plans them: which calls go wrong, how, and how many times."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from sirrchat_testkit.core.callmatch import CallMatch
from sirrchat_testkit.core.hints import misnamed
from sirrchat_testkit.core.webhookfaults import WebhookFault
from sirrchat_testkit.core.webhookfaults import WebhookFaults as CoreFaults
from sirrchat_testkit.loopthread import LoopThread

T = TypeVar("T")


class WebhookFaults:
    """Makes the sender of webhooks misbehave, until the test is over.

    ``times`` is how often, None for always; conditions say with which calls: ``event``, ``subject``, ``sender``,
    ``recipient``, ``url``, ``attempt``, ``json``, ``text``. A fault that never strikes fails the test.
    """

    _guesses = {  # noqa: RUF012 - read by ``misnamed`` alone
        "twice": "duplicate",
        "out_of_order": "reorder",
        "slow": "delay",
        "bad_signature": "corrupt_signature",
        "invalid_json": "malformed_json",
        "old_timestamp": "stale_timestamp",
        "large_body": "huge_body",
    }

    def __init__(self, thread: LoopThread, faults: CoreFaults) -> None:
        self._thread = thread
        self._faults = faults

    def duplicate(self, *, times: int | None = 1, **match: Any) -> WebhookFault:
        """Send a call twice: the same id, the same body, one after the other."""
        return self._plan("duplicate", times, match)

    def reorder(self, *, times: int | None = 1, **match: Any) -> WebhookFault:
        """Hold a delivery back until the next one to the same webhook was sent."""
        return self._plan("reorder", times, match)

    def delay(self, seconds: float, *, times: int | None = 1, **match: Any) -> WebhookFault:
        """Make the first attempt ``seconds`` later, on the kit's clock."""
        if seconds <= 0:
            raise ValueError(f"seconds takes more than 0, not {seconds!r}")
        return self._plan("delay", times, match, seconds)

    def corrupt_signature(self, *, times: int | None = 1, **match: Any) -> WebhookFault:
        """Sign with a wrong secret."""
        return self._plan("signature", times, match)

    def stale_timestamp(self, *, times: int | None = 1, **match: Any) -> WebhookFault:
        """Send a timestamp an hour old, signed properly: what a replay looks like."""
        return self._plan("timestamp", times, match)

    def malformed_json(self, *, times: int | None = 1, **match: Any) -> WebhookFault:
        """Send a body that lacks its end, signed properly."""
        return self._plan("json", times, match)

    def wrong_content_type(self, *, times: int | None = 1, **match: Any) -> WebhookFault:
        """Say that the body is ``text/plain``."""
        return self._plan("content_type", times, match)

    def huge_body(self, *, times: int | None = 1, **match: Any) -> WebhookFault:
        """Send ten mebibytes: the same JSON, and blanks behind it, signed properly."""
        return self._plan("huge", times, match)

    def clear(self) -> None:
        """Misbehave no more; whether planned faults struck no longer matters."""
        self._do(self._faults.cancel)

    @property
    def planned(self) -> list[WebhookFault]:
        """The planned faults in order, each with ``fired``, the number of times it struck."""
        return list(self._faults.all())

    def _plan(self, effect: str, times: int | None, match: dict[str, Any], seconds: float = 0.0) -> WebhookFault:
        fault = WebhookFault(effect, CallMatch(**match), times, seconds)
        return self._do(lambda: self._faults.plan(fault))

    def _do(self, what: Callable[[], T]) -> T:
        async def work() -> T:
            return what()

        return self._thread.call(work())

    def __getattr__(self, name: str) -> NoReturn:
        raise misnamed(self, name, self._guesses)
