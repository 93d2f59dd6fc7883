"""What a wait costs does not depend on how much is stored: ratios of CPU time within one run."""

import contextlib
import gc
import time
from collections.abc import Callable

from sirrchat_testkit import Inbox, MailNotReceived, MailServer


def cpu(work: Callable[[], object], times: int = 3) -> float:
    """Return the least CPU time of several runs: the one that was disturbed least.

    Garbage collection is off meanwhile: what it costs depends on the whole process, and only long runs reach it.
    """
    spent = []
    gc.disable()
    try:
        for _ in range(times):
            began = time.process_time()
            work()
            spent.append(time.process_time() - began)
    finally:
        gc.enable()
    return min(spent)


def fill(inbox: Inbox, count: int) -> Inbox:
    for number in range(count):
        inbox.deliver(subject=f"Message {number}")
    return inbox


def drain(server: MailServer, count: int) -> float:
    with server.scope("drain"):
        inbox = fill(server.make_inbox(), count)
        return cpu(lambda: [inbox.receive(timeout=0) for _ in range(count)], times=1)


def test_draining_is_linear(mailserver: MailServer) -> None:
    ratios = [drain(mailserver, 1500) / drain(mailserver, 150) for _ in range(4)]
    assert min(ratios) < 14


def test_a_receive_costs_the_same_however_much_is_stored(mailserver: MailServer) -> None:
    small, large = fill(mailserver.make_inbox(), 10), fill(mailserver.make_inbox(), 5000)

    def receive(inbox: Inbox) -> float:
        mark = mailserver._control.taken.mark()

        def work() -> None:
            for _ in range(50):
                inbox.receive(timeout=0)
                mailserver._control.taken.rewind(mark)

        return cpu(work)

    assert min(receive(large) / receive(small) for _ in range(4)) < 2.5


def test_a_failed_receive_is_linear(mailserver: MailServer) -> None:
    def fail(inbox: Inbox) -> float:
        def work() -> None:
            with contextlib.suppress(MailNotReceived):
                inbox.receive(subject="Something else", timeout=0)

        return cpu(work)

    few, many = fill(mailserver.make_inbox(), 500), fill(mailserver.make_inbox(), 5000)
    assert min(fail(many) / fail(few) for _ in range(4)) < 15
