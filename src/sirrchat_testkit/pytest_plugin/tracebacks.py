"""What a traceback shows: no frames of the plugin, and only the text of what no line of the test raised."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest


def hide(failure: pytest.ExceptionInfo[BaseException]) -> bool:
    """Return whether pytest hides the frames of a module that has this function as ``__tracebackhide__``.

    It hides all but those of ``pytest.fail(pytrace=False)``, which needs one and shows none.
    """
    return not isinstance(failure.value, pytest.fail.Exception)


__tracebackhide__ = hide


@contextlib.contextmanager
def text_only(config: pytest.Config) -> Iterator[None]:
    """Fail with only the text of a finding, because no line of the test raised it."""
    try:
        yield
    except Exception as error:
        from sirrchat_testkit import FaultNeverFired, LateMailWarning, NeverAwaited, StrictCheckFailed

        findings: tuple[type[Exception], ...] = (FaultNeverFired, LateMailWarning, NeverAwaited, StrictCheckFailed)
        attaching = config.pluginmanager.get_plugin("sirrchat_testkit_attaching")
        if attaching is not None:
            findings += attaching.findings
        if not isinstance(error, findings):
            raise
        raise pytest.fail.Exception(f"{type(error).__name__}: {error}", pytrace=False) from None
