"""How a ruling of ``core.faults`` is carried out: the one place where SMTP misbehaves.

1. What is to be done comes from the core; the line knows how to wait and how to write.
2. A client that hangs up while it is kept waiting is dropped: what it asked for is not done.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sirrchat_testkit.core.effects import Ruling
from sirrchat_testkit.smtp import replies
from sirrchat_testkit.smtp.line import Line
from sirrchat_testkit.smtp.replies import Answer, Reply, Turn

Work = Callable[[], Answer]


async def act(ruling: Ruling, work: Work, refused: Callable[[Reply], None], line: Line) -> Reply:
    """Do ``work`` as ``ruling`` has it, or tell ``refused`` which reply was given instead; return the reply."""
    if ruling.delay and not await line.linger(ruling.delay):
        return replies.HANG_UP
    if ruling.drop == "before":
        return replies.HANG_UP
    if ruling.refusal is not None:
        reply = Reply(ruling.refusal.code, ruling.refusal.status, ruling.refusal.text)
        refused(reply)
    else:
        answer = work()
        reply = answer if isinstance(answer, Reply) else await answer
    if ruling.drop == "instead":
        return replies.HANG_UP
    if ruling.pause:
        reply = await line.trickle(reply, ruling.pause)
    return replace(reply, turn=Turn.CLOSE) if ruling.drop else reply
