"""Floods: a valid client is served during each, and after it, and the process returns the memory."""

from __future__ import annotations

import contextlib
import smtplib
import socket
import struct
import sys
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import Serve, StartServe, call_api, connect, send

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="reads the memory of a process as Linux shows it")

THREADS = 8
MEBIBYTE = 1 << 20
LEFT = 128 * MEBIBYTE
"""Memory that the process may have more after a flood: the allocator keeps what unfinished messages may take."""


def memory(served: Serve) -> int:
    """Return the resident memory of the process, in bytes."""
    lines = Path(f"/proc/{served.process.pid}/status").read_text("ascii").splitlines()
    [found] = [line.split()[1] for line in lines if line.startswith("VmRSS:")]
    return int(found) * 1024


def dial(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=30)


def reset(sock: socket.socket) -> None:
    """Close ``sock`` with a TCP reset, as a killed client does."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


@contextlib.contextmanager
def flood(attack: Callable[[], None]) -> Iterator[None]:
    """Call ``attack`` again and again in several threads, at least once in each, until the context is left."""
    over = threading.Event()
    begun = threading.Barrier(THREADS + 1)

    def run() -> None:
        begun.wait(30)
        while True:
            with contextlib.suppress(OSError, smtplib.SMTPException):  # refused or closed, as it should be
                attack()
            if over.is_set():
                return

    threads = [threading.Thread(target=run) for _ in range(THREADS)]
    for each in threads:
        each.start()
    try:
        begun.wait(30)
        yield
    finally:
        over.set()
        for each in threads:
            each.join()


def assert_served(served: Serve) -> None:
    """Assert that new clients of both ports are served."""
    send(served, "ann@example.com")
    assert call_api(served, "GET", "/readyz").status == 200


@pytest.fixture
def served(serve: StartServe, tmp_path: Path) -> Serve:
    """A server with a data folder and the account ``ann@example.com``, which has been used already."""
    served = serve("--data", str(tmp_path / "data"))
    user = {"email": "ann@example.com", "password": "secret"}
    assert call_api(served, "POST", "/api/v1/users", user).status == 201
    assert_served(served)
    return served


def test_a_flood_of_connections(served: Serve) -> None:
    def attack() -> None:
        for sock in [dial(served.smtp_port) for _ in range(10)]:
            reset(sock)

    before = memory(served)
    with flood(attack):
        for _ in range(20):
            assert_served(served)
    assert_served(served)
    assert memory(served) - before < LEFT


def test_a_flood_of_idle_http_connections(served: Serve) -> None:
    before = memory(served)
    port = int(served.api_url.rpartition(":")[2])
    with contextlib.ExitStack() as stack:
        for number in range(400):
            idle = stack.enter_context(dial(port))
            idle.sendall(b"GET /api/emails HTTP/1.1\r\nHost: localhost\r\nX: " * (number % 2))
            if not number % 20:
                assert_served(served)
    assert_served(served)
    assert memory(served) - before < LEFT


def test_a_flood_of_logins(served: Serve) -> None:
    def attack() -> None:
        with contextlib.ExitStack() as stack:
            socks = [stack.enter_context(dial(served.smtp_port)) for _ in range(10)]
            for sock in socks:
                sock.sendall(f"EHLO x\r\nAUTH PLAIN {plain('wrong')}\r\nQUIT\r\n".encode())
            for sock in socks:
                while sock.recv(4096):  # until the server closes the connection
                    pass

    def plain(password: str) -> str:
        return b64encode(f"\0ann@example.com\0{password}".encode()).decode()

    def login() -> int:
        with connect(served) as smtp:
            smtp.ehlo()
            return smtp.docmd("AUTH", f"PLAIN {plain('secret')}")[0]

    before = memory(served)
    with flood(attack):
        for _ in range(5):
            assert login() in {235, 454}  # 454: too many logins, try again
            assert_served(served)
    assert login() == 235
    assert memory(served) - before < LEFT


def test_a_flood_of_aborted_uploads(served: Serve) -> None:
    def attack() -> None:
        sock = dial(served.smtp_port)
        sock.sendall(b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<ann@example.com>\r\nDATA\r\n")
        try:
            while b"354 " not in sock.recv(4096):
                pass
            for _ in range(64):
                sock.sendall((b"x" * 98 + b"\r\n") * 1000)
        finally:
            reset(sock)

    before = memory(served)
    with flood(attack):
        for _ in range(20):
            assert_served(served)
    assert_served(served)
    settled = call_api(served, "GET", "/testkit/v1/settle?timeout=30")  # every upload has been read to its end
    assert settled.json["settled"], settled.json
    assert memory(served) - before < LEFT
