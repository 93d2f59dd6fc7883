"""Carries out the decision of a fault: the one place where SMTP misbehaves.

1. The decision comes from the fault engine; the writer knows how to wait and how to write.
2. If the client hangs up during a delay, its command is not carried out.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from sirrchat_testkit.faults.smtp import SmtpDecision
from sirrchat_testkit.smtp import replies
from sirrchat_testkit.smtp.replies import Answer, Reply, Turn
from sirrchat_testkit.smtp.writer import ReplyWriter

Work = Callable[[], Answer]


async def act(decision: SmtpDecision, work: Work, refused: Callable[[Reply], None], writer: ReplyWriter) -> Reply:
    """Do ``work`` as ``decision`` says, or call ``refused`` with the reply given instead; return the reply."""
    if decision.delay and not await writer.linger(decision.delay):
        return replies.HANG_UP
    if decision.drop == "before":
        return replies.HANG_UP
    if decision.refusal is not None:
        reply = Reply(decision.refusal.code, decision.refusal.status, decision.refusal.text)
        refused(reply)
    else:
        answer = work()
        reply = answer if isinstance(answer, Reply) else await answer
    if decision.drop == "instead":
        return replies.HANG_UP
    if decision.pause:
        reply = await writer.trickle(reply, decision.pause)
    return replace(reply, turn=Turn.CLOSE) if decision.drop else reply
