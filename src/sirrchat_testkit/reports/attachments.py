"""The mail of a failed test in the reports of pytest-html and Allure, where they are in use.

1. Both are imported only if their reports were asked for on the command line.
2. pytest-html shows each message in a frame without any rights: it can neither run scripts nor reach the report.
3. Allure gets the raw message, its HTML, and the SMTP dialogue, as files that it offers to open.
"""

from __future__ import annotations

import html
import importlib
import sys
from typing import Any, Final

import pytest

from sirrchat_testkit.formatting import printable
from sirrchat_testkit.handles.message import ReceivedMessage
from sirrchat_testkit.handles.overview import MESSAGES, Overview
from sirrchat_testkit.handles.viewing import page_of
from sirrchat_testkit.matching import summary

_FRAME: Final = (
    "<details><summary>{title}</summary>"
    '<iframe sandbox="" title="{title}" srcdoc="{page}" style="width: 100%; height: 480px; border: 1px solid #ccc">'
    "</iframe></details>"
)


def attach(config: pytest.Config, report: pytest.TestReport, overview: Overview) -> None:
    """Attach the latest messages of ``overview`` to the reports that are being made."""
    latest = overview.messages[-MESSAGES:]
    if config.getoption("htmlpath", None) and "pytest_html" in sys.modules:
        extras: list[Any] = [*getattr(report, "extras", []), *map(_frame, latest)]
        report.extras = extras  # type: ignore[attr-defined]  # pytest-html reads it
    if config.getoption("allure_report_dir", None):
        for message in latest:
            _attach_to_allure(message)


def _frame(message: ReceivedMessage) -> Any:
    title = html.escape(printable(summary(message)))
    shown = html.escape(page_of(message))
    return importlib.import_module("pytest_html.extras").html(_FRAME.format(title=title, page=shown))


def _attach_to_allure(message: ReceivedMessage) -> None:
    allure = importlib.import_module("allure")
    name = printable(summary(message))
    allure.attach(message.raw, name, "message/rfc822", extension="eml")
    if message.html:
        allure.attach(page_of(message), f"{name}, HTML", "text/html", extension="html")
    if message.transcript:
        allure.attach(str(message.transcript), f"{name}, transcript", "text/plain", extension="txt")
