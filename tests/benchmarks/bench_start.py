"""What a start costs: a process that starts and stops a MailServer, against one that imports what SMTP is built on.

    python tests/benchmarks/bench_start.py [--rounds 15] [--gate 2.5]

Each figure is the CPU time of a whole process, interpreter included, as the kernel reports it (``os.wait4``). Rounds
alternate between the programs, so that a noisy machine disturbs all of them; what is compared is the median of the
rounds' ratios. Every program runs from compiled bytecode, as an installed package does: the first run of each compiles
into a temporary folder and does not count. ``--gate`` fails where the ratio is above it.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile

BASE = "import aiosmtpd.smtp, tinydb"
PROGRAMS = {
    "a bare interpreter": "pass",
    BASE: BASE,
    "import sirrchat_testkit": "import sirrchat_testkit",
    "import MailServer": "from sirrchat_testkit import MailServer",
    "start and stop": "from sirrchat_testkit import MailServer\nwith MailServer(): pass",
    "start, inbox, stop": "from sirrchat_testkit import MailServer\nwith MailServer() as s: s.make_inbox()",
    "start, one REST request, stop": (
        "from sirrchat_testkit import MailServer\nfrom urllib.request import urlopen\n"
        "with MailServer() as s: urlopen(s.api_url + '/healthz').close()"
    ),
}
GATED = "start and stop"


def cpu(program: str, environment: dict[str, str]) -> float:
    """Return the milliseconds of CPU time that a process takes for ``program``."""
    process = os.posix_spawn(sys.executable, [sys.executable, "-c", program], environment)
    _, status, usage = os.wait4(process, 0)
    if status:
        raise SystemExit(f"this failed: {program}")
    return (usage.ru_utime + usage.ru_stime) * 1000


def measure(programs: dict[str, str], rounds: int) -> dict[str, list[float]]:
    """Return the milliseconds of each of ``programs`` in each of ``rounds``."""
    found: dict[str, list[float]] = {name: [] for name in programs}
    with tempfile.TemporaryDirectory() as compiled:
        environment = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        for program in programs.values():
            cpu(program, environment)
        for _ in range(rounds):
            for name, program in programs.items():
                found[name].append(cpu(program, environment))
    return found


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")


def main() -> None:
    """Measure, print, and judge if asked to."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--gate", type=float, help=f"fail where {GATED!r} takes more than this many times {BASE!r}")
    options = parser.parse_args()
    wanted = (BASE, GATED) if options.gate else PROGRAMS
    found = measure({name: PROGRAMS[name] for name in wanted}, options.rounds)
    ratios = {name: statistics.median(map(float.__truediv__, found[name], found[BASE])) for name in wanted}
    _say(f"{'CPU of a process':32} {'median ms':>9} {'least ms':>9} {'x base':>7}")
    for name in wanted:
        _say(f"{name:32} {statistics.median(found[name]):9.1f} {min(found[name]):9.1f} {ratios[name]:7.2f}")
    if options.gate and ratios[GATED] > options.gate:
        raise SystemExit(
            f"{GATED!r} takes {ratios[GATED]:.2f} times the CPU of {BASE!r}; at most {options.gate} is wanted"
        )


if __name__ == "__main__":
    main()
