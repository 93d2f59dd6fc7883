"""What commands cost: the CPU time of whole processes, against a bare interpreter.

    python tests/benchmarks/bench_cli.py [--rounds 9] [--gate 7,9]

Measured as in ``bench_start.py``: compiled, alternating, medians of the rounds' ratios. Commands that ask a server ask
one in this process, whose time does not count. ``--gate``: the most times of a bare interpreter that a help may take,
and a command that asks a server.
"""

from __future__ import annotations

import argparse
import os
import statistics

from bench_start import measure

from sirrchat_testkit import MailServer
from sirrchat_testkit.cli import COMMANDS

BARE = "pass"
RUN = (
    "import sys\nfrom sirrchat_testkit.cli import main\nsys.stdout = open('/dev/null', 'w')\nraise SystemExit(main({}))"
)

GATED = ("serve --help", "dump --help", "ingest --help", "wait", "read")
"""The dearest of each kind."""


def program(*words: str) -> str:
    """Return the code that runs a command, which must succeed."""
    return RUN.format([*words])


def main() -> None:
    """Measure, print, and judge if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--gate", help="fail if a help, or an asking command, takes more times a bare interpreter")
    options = parser.parse_args()
    with MailServer() as server:
        inbox = server.make_inbox()
        message = inbox.deliver(subject="Hello", text="Your code is 482913.", html="<p>Your code is <b>482913</b>.</p>")
        os.environ["SIRRCHAT_TESTKIT_URL"], os.environ["SIRRCHAT_TESTKIT_API_KEY"] = server.api_url, server.api_key
        helps = {f"{name} --help": [name, "--help"] for commands in COMMANDS.values() for name in commands}
        asking = {
            "wait": ["wait", "--to", inbox.address],
            "list": ["list"],
            "read": ["read", message.id],
            "ready": ["ready"],
        }
        chosen = {name: words for name, words in (helps | asking).items() if not options.gate or name in GATED}
        programs = {name: program(*words) for name, words in chosen.items()}
        found = measure({"a bare interpreter": BARE, **programs}, options.rounds)
    bare = found["a bare interpreter"]
    ratios = {name: statistics.median(map(float.__truediv__, times, bare)) for name, times in found.items()}
    print(f"{'CPU of a process':24} {'median ms':>9} {'over bare':>9} {'x bare':>7}")
    for name, times in found.items():
        over = statistics.median(times) - statistics.median(bare)
        print(f"{name:24} {statistics.median(times):9.1f} {over:9.1f} {ratios[name]:7.2f}")
    if options.gate:
        most_help, most_asking = map(float, options.gate.split(","))
        slow = [name for name in programs if ratios[name] > (most_help if name in helps else most_asking)]
        if slow:
            raise SystemExit(f"{', '.join(slow)} took more than {options.gate} times a bare interpreter")


if __name__ == "__main__":
    main()
