"""How the server behaves: its clock, faults, policy, and how long waits take."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sirrchat_testkit.faults.api import Faults
from sirrchat_testkit.handles.clock import Clock
from sirrchat_testkit.policy import Policy
from sirrchat_testkit.server.running import Running
from sirrchat_testkit.settings import Settings

if TYPE_CHECKING:
    from typing import Unpack

    from sirrchat_testkit.setting_types import PolicyChanges

__tracebackhide__ = True


class Steering(Running):
    """Changes how the server behaves, until the scope ends."""

    @property
    def clock(self) -> Clock:
        """The clock of mail time: expiry and timestamps."""
        return self._now.clock

    @property
    def faults(self) -> Faults:
        """The planned faults of SMTP; put back when the scope ends."""
        return Faults(self._thread, self._now.backend.faults)

    @property
    def timeout(self) -> float:
        """Seconds of real time that ``receive`` waits unless told otherwise."""
        return self._desk.timeout

    @timeout.setter
    def timeout(self, seconds: float) -> None:
        self._desk.timeout = seconds

    @property
    def within(self) -> float:
        """Seconds of real time in which ``assert_nothing`` lets nothing arrive unless told otherwise."""
        return self._desk.within

    @within.setter
    def within(self, seconds: float) -> None:
        self._desk.within = seconds

    def policy(self, **changes: Unpack[PolicyChanges]) -> Policy:
        """Change the policy while the server runs, until the scope ends; return the one in force.

        Raises:
            ValueError: There is no such field, or it does not take the value.
        """
        return self._thread.call(self._change_policy(changes))

    def rate_limit(self, requests: int) -> Policy:
        """Answer ``requests`` requests an hour for each key, and for each IP address without one, then 429.

        Counting begins with this call; ``clock.advance`` past the full hour opens the next window.
        """
        if type(requests) is not int or requests < 0:
            raise ValueError(f"requests takes a whole number, 0 or more, not {requests!r}")
        return self.policy(rate_limit="own", rate_limit_key=requests, rate_limit_ip=requests)

    async def _change_policy(self, changes: PolicyChanges) -> Policy:
        current = self._now.backend.policy
        changed = current.value.changed(**changes)
        Settings.of(self.settings, policy=changed)  # what goes together is checked there
        current.value = changed
        return current.value
