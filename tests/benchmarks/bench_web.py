"""What the web inbox costs: its first page with much mail, what appears by itself, and open pages while mail arrives.

    python tests/benchmarks/bench_web.py [--rounds 60] [--messages 10000] [--pages 50]

The server is a ``serve`` process. ``first page`` is what a client measures, and the server's CPU time. A message's
appearance is measured by Chromium, from the final dot on. Receiving is measured in CPU time of the server, alternately
without pages and with pages that are open and read.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import re
import shutil
import statistics
import sys
from collections.abc import Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import httpx

import sirrchat_testkit
from tests.support import Serve, generate
from tests.web.conftest import FLAGS, mail
from tests.web.load import appearances, cpu_time, fastest, open_pages, rate


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--messages", type=int, default=10_000)
    parser.add_argument("--pages", type=int, default=50)
    chosen = parser.parse_args()
    assets()
    with serving() as server:
        receiving(server, chosen.pages)
    with serving() as server:
        first_page(server, chosen.messages, chosen.rounds)
        appearing(server, chosen.rounds)


@contextlib.contextmanager
def serving() -> Iterator[Serve]:
    server = Serve("--quiet")
    try:
        assert generate(server, "ann").status == 200
        yield server
    finally:
        server.process.terminate()
        server.process.communicate()


def assets() -> None:
    folder = Path(sirrchat_testkit.__file__).parent / "web" / "static"
    sizes = {each.name: len(gzip.compress(each.read_bytes())) for each in sorted(folder.iterdir())}
    total = sum(size for name, size in sizes.items() if not name.startswith("LICENSE"))
    print(f"assets: {total} bytes with gzip, of which {sizes['htmx.min.js'] + sizes['hx-sse.min.js']} are htmx")


def receiving(server: Serve, count: int) -> None:
    rate(server, 200)
    ratios = []
    for _ in range(5):
        alone = rate(server, 1500)
        with open_pages(server, count):
            watched = rate(server, 1500)
        ratios.append(watched / alone)
    middle = statistics.median(ratios)
    print(f"receiving with {count} open pages: x {middle:.2f}, {min(ratios):.2f} to {max(ratios):.2f}")


def first_page(server: Serve, messages: int, rounds: int) -> None:
    raw = mail()
    rate(server, messages)
    with httpx.Client(base_url=server.api_url, timeout=60, trust_env=False) as web:
        loading = fastest(1, lambda: web.get("/ui/connect"))
        first = fastest(1, lambda: web.get("/ui/mail"))
        shown = web.get("/ui/mail").text
        used = cpu_time(server.process.pid)
        best = fastest(rounds, lambda: web.get("/ui/mail"))
        used = (cpu_time(server.process.pid) - used) / rounds
        rows = len(re.findall('<li class="row', shown))
        print(
            f"first page with {messages} messages of {len(raw)} bytes: {rows} rows, {len(shown)} bytes; "
            f"loading the web inbox takes {loading * 1000:.0f} ms, the page {first * 1000:.0f} ms at first, "
            f"then {best * 1000:.0f} ms at best, and {used * 1000:.0f} ms of CPU time on average"
        )


def appearing(server: Serve, rounds: int) -> None:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=FLAGS)
        page = browser.new_page(base_url=server.api_url)
        page.goto("/ui/mail")
        taken = [each * 1000 for each in appearances(page, server.smtp_host, server.smtp_port, rounds)]
        rows = page.evaluate("document.querySelectorAll('#rows > li').length")
        print(
            f"from the final dot to the page: at best {min(taken):.0f} ms, median {statistics.median(taken):.0f} ms; "
            f"{rows} rows in the document"
        )
        browser.close()


if __name__ == "__main__":
    main()
