"""What the tests and the benchmark of the web inbox measure, on a ``serve`` process."""

from __future__ import annotations

import contextlib
import os
import selectors
import smtplib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.support import Serve
from tests.web.conftest import mail

SEEN = """() => { window.seen = {}; new MutationObserver(() => {
    for (const each of document.querySelectorAll("#rows .subject")) window.seen[each.textContent] ??= Date.now();
}).observe(document.body, {childList: true, characterData: true, subtree: true}); }"""
"""A script that notes when the subject of each message appears on the page."""


def fastest(rounds: int, run: Callable[[], object]) -> float:
    """Return the seconds that the fastest of several calls takes."""
    times = []
    for _ in range(rounds):
        began = time.perf_counter()
        run()
        times.append(time.perf_counter() - began)
    return min(times)


def cpu_time(process: int) -> float:
    """Return the seconds of CPU time that ``process`` has used."""
    fields = Path(f"/proc/{process}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def rate(server: Serve, count: int) -> float:
    """Return how many messages the server receives in a second of its CPU time."""
    raw = mail()
    with smtplib.SMTP(server.smtp_host, server.smtp_port) as smtp:
        began = cpu_time(server.process.pid)
        for _ in range(count):
            smtp.sendmail("a@shop.example", ["ann@example.com"], raw)
        return count / (cpu_time(server.process.pid) - began)


@contextlib.contextmanager
def open_pages(server: Serve, count: int) -> Iterator[None]:
    """Open streams, and read them in a thread until the context is left."""
    host, _, port = server.api_url.removeprefix("http://").partition(":")
    pages = [socket.create_connection((host, int(port)), timeout=30) for _ in range(count)]
    selector = selectors.DefaultSelector()
    for each in pages:
        each.sendall(b"GET /ui/live?page=mail HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert b"200 OK" in each.recv(65_536)
        selector.register(each, selectors.EVENT_READ)

    def read() -> None:
        left = {*pages}
        while left:
            for key, _ in selector.select():
                sock: Any = key.fileobj
                if not sock.recv(1_048_576):
                    selector.unregister(sock)
                    left.discard(sock)
        selector.close()

    thread = threading.Thread(target=read)
    thread.start()
    try:
        yield
    finally:
        for each in pages:
            each.shutdown(socket.SHUT_RDWR)
        thread.join()
        for each in pages:
            each.close()


def appearances(page: Any, host: str, port: int, count: int) -> list[float]:
    """Return the seconds from the final dot of each of ``count`` messages to its appearance on the page."""
    page.wait_for_selector("#live.good")
    page.evaluate(SEEN)
    taken = []
    for number in range(count):
        with smtplib.SMTP(host, port) as smtp:
            smtp.sendmail("a@shop.example", ["ann@example.com"], mail(f"number {number}"))
            sent = time.time()
            page.wait_for_selector(f"#rows .subject:text-is('number {number}')")
            taken.append(page.evaluate(f"window.seen['number {number}']") / 1000 - sent)
    return taken
