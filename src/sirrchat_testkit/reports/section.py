"""The section about the mail server in the report of a failed test. The plugin imports this when a test fails."""

from __future__ import annotations

import pytest

from sirrchat_testkit.reports.artifacts import save_artifacts
from sirrchat_testkit.reports.attachments import attach
from sirrchat_testkit.server import MailServer

TITLE = "Mail server"
"""The title of the section."""


def add_report(item: pytest.Item, report: pytest.TestReport, server: MailServer, *, ended: bool) -> None:
    """Add a section about ``server`` to the report of a failed phase of ``item``, and save and attach its mail.

    The section leaves out what the failure already shows. An error here would end the whole run.

    Args:
        item: The test.
        report: The report of its setup, call or teardown.
        server: The server.
        ended: Whether the scope of the test has ended; its overview was then made when it ended.
    """
    try:
        report.sections.append((TITLE, _text(item, report, server, ended=ended)))
    except Exception as error:  # noqa: BLE001
        report.sections.append((TITLE, f"No report: {type(error).__name__}: {error}".partition("\n")[0]))


def _text(item: pytest.Item, report: pytest.TestReport, server: MailServer, *, ended: bool) -> str:
    head = f"{server!r} seed={server.settings.seed!r}"
    overview = server._ended if ended else server._control.overview()  # noqa: SLF001 - its own package
    if overview is None:
        return head
    failure = f"{item.nodeid}: {report.when}\n{report.longreprtext}"
    artifacts = save_artifacts(item, overview, f"{failure}\n\n{head}\n{overview.text()}")
    attach(item.config, report, overview)
    return "\n".join(filter(None, [head, overview.text(report.longreprtext), artifacts]))
