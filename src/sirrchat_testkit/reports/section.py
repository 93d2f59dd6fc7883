"""The section about the mail server in the report of a failed test. The plugin imports this when a test fails."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from sirrchat_testkit.handles.overview import NOTHING, Overview
from sirrchat_testkit.reports.artifacts import save_artifacts
from sirrchat_testkit.reports.attachments import attach
from sirrchat_testkit.server import MailServer

TITLE = "Mail server"
"""The title of the section."""


def add_report(
    item: pytest.Item, report: pytest.TestReport, servers: Mapping[MailServer, bool], *, ended: bool
) -> None:
    """Add a section about ``servers`` to the report of a failed phase of ``item``, and save and attach their mail.

    The section leaves out what the failure already shows. An error here would end the whole run.

    Args:
        item: The test.
        report: The report of its setup, call or teardown.
        servers: The servers, and whether the user started each: then it is left out if nothing happened in it.
        ended: Whether the scope of the test has ended; the overview of its server was then made when it ended.
    """
    try:
        text = _text(item, report, servers, ended=ended)
    except Exception as error:  # noqa: BLE001
        text = f"No report: {type(error).__name__}: {error}".partition("\n")[0]
    if text:
        report.sections.append((TITLE, text))


def _text(item: pytest.Item, report: pytest.TestReport, servers: Mapping[MailServer, bool], *, ended: bool) -> str:
    failure = report.longreprtext
    complete, shown = [f"{item.nodeid}: {report.when}\n{failure}"], []
    overviews: list[Overview] = []
    for server, is_own in servers.items():
        overview = server._ended if ended and not is_own else server._control.overview()  # noqa: SLF001 - its own package
        whole, text = ("", "") if overview is None else (overview.text(), overview.text(failure))
        if is_own and whole == NOTHING:
            continue
        if overview is not None and overview.is_unconnected and not (is_own or ended):
            unsent = server._control.unsent(idle=False)  # noqa: SLF001
            why = "".join(f"\n{each}." for each in unsent if _rest(each) not in failure)
            whole, text = f"{whole}{why}", f"{text}{why}"
        title = server._title  # noqa: SLF001
        if overview is not None:
            attach(item.config, report, overview)
            overviews.append(overview)
            complete.append(f"{title}\n{whole}")
        shown.append("\n".join(filter(None, [title, text.strip()])))
    if overviews:
        shown.append(save_artifacts(item, overviews, "\n\n".join(complete)))
    return "\n".join(filter(None, shown))


def _rest(reason: str) -> str:
    """Return ``reason`` without the name of the framework, for which a failure may say "it"."""
    return reason.partition(" ")[2]
