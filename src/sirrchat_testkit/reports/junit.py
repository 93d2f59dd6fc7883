"""The section about the mail server in JUnit XML, as ``system-out`` of its test.

pytest writes sections of plugins to the terminal only. This is a plugin of its own, registered if ``--junitxml`` is
given. With pytest-xdist it runs in the process that writes the file, and reads the sections that the workers send.
"""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Generator
from typing import Any

import pytest


class JUnit:
    """Copies the section to the XML file."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> Generator[None, Any, Any]:
        """Add the section to the test in the XML file: after its failure, or before pytest ends it after teardown."""
        text = "\n".join(text for title, text in report.sections if title == "Mail server")
        if not text:
            return (yield)
        if report.when == "teardown":
            self._add(report, text)
        result = yield
        if report.when != "teardown":
            self._add(report, text)
        return result

    def _add(self, report: pytest.TestReport, text: str) -> None:
        from _pytest.junitxml import bin_xml_escape, xml_key

        log = self._config.stash.get(xml_key, None)
        if log is None:  # in a worker of pytest-xdist
            return
        node = ET.Element("system-out")
        node.text = f"{' Mail server '.center(80, '-')}\n{bin_xml_escape(text)}\n"
        log.node_reporter(report).append(node)
