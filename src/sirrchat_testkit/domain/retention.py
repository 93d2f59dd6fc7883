"""How much is kept: in copies, in bytes, in age. The oldest go first.

1. The bounds are the policy's and are applied by the delivery that would exceed them, in its own commit.
2. What is too old is dropped by deliveries and by the hourly purge.
3. A message that is just being delivered is never dropped, however large it is.
"""

from __future__ import annotations

from sirrchat_testkit.domain.clock import Clock
from sirrchat_testkit.domain.models import Message
from sirrchat_testkit.domain.store import Store
from sirrchat_testkit.policy import CurrentPolicy

_AT_ONCE = 64


class Retention:
    """Chooses what has to go."""

    def __init__(self, store: Store, clock: Clock, policy: CurrentPolicy) -> None:
        self._store = store
        self._clock = clock
        self._policy = policy

    @property
    def bounded(self) -> bool:
        """Whether anything ever has to go."""
        policy = self._policy.value
        return bool(policy.max_messages or policy.max_bytes or policy.max_age)

    async def overflow(self, coming: int = 0, size: int = 0) -> list[Message]:
        """Return what goes so that ``coming`` copies of ``size`` bytes in all fit: the oldest, as many as need be."""
        policy = self._policy.value
        if not self.bounded:
            return []
        usage = await self._store.usage()
        count, in_all = usage.count + coming, usage.size + size
        horizon = self._clock.now() - policy.max_age * 1000
        going: list[Message] = []
        while oldest := await self._store.find(Message, after=going[-1].seq if going else 0, limit=_AT_ONCE):
            for message in oldest:
                too_many = bool(policy.max_messages) and count > policy.max_messages
                too_much = bool(policy.max_bytes) and in_all > policy.max_bytes
                too_old = bool(policy.max_age) and message.received_at <= horizon
                if not (too_many or too_much or too_old):
                    return going
                going.append(message)
                count, in_all = count - 1, in_all - message.size
        return going
