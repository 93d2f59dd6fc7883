"""Hold the run after a failed test, so that its mail can be looked at in the web inbox while its server runs.

1. With ``--mailserver-keep-open`` the run waits for Enter. Ctrl-C ends it, as always.
2. With ``--pdb`` the debugger waits; this shows where to look before it starts.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable

import pytest

from sirrchat_testkit.extras import has_web
from sirrchat_testkit.reports.section import TITLE
from sirrchat_testkit.server import MailServer


def refuse(config: pytest.Config) -> None:
    """Raise ``UsageError`` if the failure cannot be shown, or Enter cannot be pressed."""
    if not config.pluginmanager.has_plugin("terminal"):
        raise pytest.UsageError("--mailserver-keep-open needs the output of pytest: leave out -p no:terminal")
    if config.getoption("dist", "no") != "no":
        raise pytest.UsageError("--mailserver-keep-open needs a run without workers of pytest-xdist: add -n 0")
    capture = config.pluginmanager.getplugin("capturemanager")
    if capture is not None:
        capture.suspend_global_capture(in_=True)  # pytest resumes it when it collects the tests
    if not sys.stdin.isatty():
        raise pytest.UsageError("--mailserver-keep-open needs a terminal, where Enter continues the run")


def hold(item: pytest.Item, report: pytest.TestReport, servers: Iterable[MailServer], *, waits: bool) -> None:
    """Show the failure of ``item``, the section of its report, and where to look; and wait for Enter if ``waits``."""
    sections = [text for title, text in report.sections if title == TITLE]
    if not sections:
        return
    capture = item.config.pluginmanager.getplugin("capturemanager")
    terminal = item.config.get_terminal_writer()
    if capture is not None:
        capture.suspend(in_=True)
    try:
        terminal.line()
        if waits:
            terminal.sep("_", f"{item.nodeid}: {report.when} failed")
            report.toterminal(terminal)
        terminal.sep("-", TITLE)
        for line in [*sections, *map(_web_inbox, servers)]:
            terminal.line(line)
        if waits:
            terminal.line("Press Enter to continue, or Ctrl-C to end the run.", bold=True)
            terminal.flush()
            sys.stdin.readline()
    finally:
        if capture is not None:
            capture.resume()


def _web_inbox(server: MailServer) -> str:
    if not has_web():
        remedy = 'for the web inbox, install the extra web: pip install "sirrchat-testkit[web]"'
        return f"REST API: {server.api_url}/docs, with the API key {server.api_key}; {remedy}"
    url, sign_in = server._web_inbox  # noqa: SLF001 - its own package
    return f"Web inbox: {url} ({sign_in} {server.api_key})" if sign_in else f"Web inbox: {url}"
