"""What waiting costs: draining an inbox, one message of many, a failed wait, the wake-up, and a fixture for each test.

    python tests/benchmarks/bench_waits.py [--rounds 5] [--only drain,plain,failed,wake,fixture]

CPU is that of the whole process, client and server, in milliseconds, as the median of the rounds.
"""

from __future__ import annotations

import argparse
import contextlib
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sirrchat_testkit import Inbox, MailNotReceived, MailServer

TESTS = 500
EXCHANGES = 300

FIXTURES = {
    "an empty test": "def test_it(n): pass",
    "a test with `inbox`": "def test_it(n, inbox): pass",
    "a test with `inbox` and a mail": """
def test_it(n, mailserver, inbox):
    with smtplib.SMTP(mailserver.smtp_host, mailserver.smtp_port) as smtp:
        smtp.sendmail("a@b.example", [inbox.address], "Subject: Hello\\r\\n\\r\\n")
    inbox.receive()
""",
}
TIMER = """
import statistics, time
import pytest

spent = []

@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    began = time.process_time()
    result = yield
    spent.append(time.process_time() - began)
    return result

def pytest_unconfigure(config):
    print(f"median {statistics.median(spent) * 1000:.3f}")
"""


CLIENT = """
import socket, sys, time

port, address, exchanges = int(sys.argv[1]), sys.argv[2].encode(), int(sys.argv[3])
dots, replies = [], []
client = socket.create_connection(("127.0.0.1", port))
client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

def exchange(command):
    client.sendall(command)
    client.recv(4096)

client.recv(4096)
exchange(b"EHLO bench\\r\\n")
for number in range(exchanges):
    for command in (b"MAIL FROM:<a@b.example>", b"RCPT TO:<%s>" % address, b"DATA"):
        exchange(command + b"\\r\\n")
    client.sendall(b"Subject: %d\\r\\n\\r\\nHello\\r\\n" % number)
    time.sleep(0.005)  # until the server and the waiting thread sleep
    dots.append(time.monotonic())
    exchange(b".\\r\\n")
    replies.append(time.monotonic())
print(*dots)
print(*replies)
"""


def cpu(work: Callable[[], object]) -> float:
    """Return the milliseconds of CPU that ``work`` takes."""
    began = time.process_time()
    work()
    return (time.process_time() - began) * 1000


@contextlib.contextmanager
def filled(count: int) -> Iterator[Inbox]:
    """Start a server with an inbox that holds ``count`` messages."""
    with MailServer() as server:
        inbox = server.make_inbox()
        for number in range(count):
            inbox.deliver(subject=f"Message {number}")
        yield inbox


def drain(count: int) -> float:
    """Return what receiving all of ``count`` messages, one by one, costs."""
    with filled(count) as inbox:

        def work() -> None:
            for _ in range(count):
                inbox.receive(timeout=0)

        return cpu(work)


def receive_one(inbox: Inbox) -> float:
    """Return what one ``receive`` of the oldest message costs; it can be received again."""
    taken = inbox._control.taken
    mark = taken.mark()
    spent = cpu(lambda: inbox.receive(timeout=0))
    taken.rewind(mark)
    return spent


def fail(inbox: Inbox) -> float:
    """Return what a ``receive`` costs that looks at every message and fails."""

    def work() -> None:
        with contextlib.suppress(MailNotReceived):
            inbox.receive(subject="Something else", timeout=0)

    return cpu(work)


def wake() -> tuple[float, float]:
    """Return milliseconds from the final dot: to its 250 at the client, and to the thread that waits for the mail.

    The client is a process of its own, as an application under test is; both read the same monotonic clock.
    """
    with MailServer() as server:
        inbox = server.make_inbox()
        woken: list[float] = []

        def wait() -> None:
            for _ in range(EXCHANGES):
                inbox.receive(timeout=60)
                woken.append(time.monotonic())

        waiter = threading.Thread(target=wait)
        waiter.start()
        command = [sys.executable, "-c", CLIENT, str(server.smtp_port), inbox.address, str(EXCHANGES)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        waiter.join()
    dots, replies = ([float(each) for each in line.split()] for line in done.stdout.splitlines())
    own = statistics.median(reply - dot for dot, reply in zip(dots, replies, strict=True))
    thread = statistics.median(woke - dot for dot, woke in zip(dots, woken, strict=True))
    return own * 1000, thread * 1000


def fixture(test: str) -> float:
    """Return the median CPU of one of many equal tests, in a pytest of its own."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "conftest.py").write_text(TIMER, "utf-8")
        Path(folder, "test_it.py").write_text(
            f"import smtplib, pytest\n\n@pytest.mark.parametrize('n', range({TESTS}))\n{test.strip()}\n", "utf-8"
        )
        command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", folder]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
        return float(done.stdout.rpartition("median ")[2])


def measure(case: str, rounds: int) -> None:
    """Print one case."""
    if case == "drain":
        few, many = (statistics.median(drain(count) for _ in range(rounds)) for count in (200, 2000))
        print(f"draining 200: {few:.1f} ms, 2000: {many:.1f} ms, ratio {many / few:.1f}")
    elif case in {"plain", "failed"}:
        one = receive_one if case == "plain" else fail
        with filled(10) as small, filled(10_000) as large:
            few, many = (statistics.median(one(inbox) for _ in range(rounds * 10)) for inbox in (small, large))
        print(f"a {case} receive() of 10: {few:.3f} ms, of 10000: {many:.3f} ms, ratio {many / few:.1f}")
    elif case == "wake":
        pairs = [wake() for _ in range(rounds)]
        own, thread = (statistics.median(each) for each in zip(*pairs, strict=True))
        print(f"from the dot to the 250: {own:.3f} ms, to the thread: {thread:.3f} ms, ratio {thread / own:.2f}")
    else:
        empty = statistics.median(fixture(FIXTURES["an empty test"]) for _ in range(rounds))
        for name, test in FIXTURES.items():
            spent = statistics.median(fixture(test) for _ in range(rounds))
            print(f"{name}: {spent:.2f} ms, {spent - empty:+.2f} over an empty one")


def main() -> None:
    """Run the cases that were asked for."""
    cases = ["drain", "plain", "failed", "wake", "fixture"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default=",".join(cases), help="cases, divided by commas")
    options = parser.parse_args()
    for case in options.only.split(","):
        if case not in cases:
            parser.error(f"there is no case {case!r}; there are {', '.join(cases)}")
        measure(case, options.rounds)


if __name__ == "__main__":
    main()
