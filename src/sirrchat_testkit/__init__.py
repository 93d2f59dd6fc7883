"""Disposable mail servers for tests: SMTP and a REST API in-process, and fixtures that await messages.

The public names are loaded when they are first used, so importing the package costs nearly nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sirrchat_testkit.core.matching import Match
    from sirrchat_testkit.core.settings import Policy, Settings
    from sirrchat_testkit.core.signing import WebhookNotVerified, verify_webhook
    from sirrchat_testkit.server import MailServer
    from sirrchat_testkit.testing.account import MailAccount
    from sirrchat_testkit.testing.inbox import Inbox
    from sirrchat_testkit.testing.message import ReceivedMessage
    from sirrchat_testkit.testing.report import FaultNeverFired, MailNotReceived, NotSettled, UnexpectedMail

__version__ = "0.1.0"

__all__ = [
    "FaultNeverFired",
    "Inbox",
    "MailAccount",
    "MailNotReceived",
    "MailServer",
    "Match",
    "NotSettled",
    "Policy",
    "ReceivedMessage",
    "Settings",
    "UnexpectedMail",
    "WebhookNotVerified",
    "verify_webhook",
]

_HOMES = {
    "FaultNeverFired": "testing.report",
    "Inbox": "testing.inbox",
    "MailAccount": "testing.account",
    "MailNotReceived": "testing.report",
    "MailServer": "server",
    "Match": "core.matching",
    "NotSettled": "testing.report",
    "Policy": "core.settings",
    "ReceivedMessage": "testing.message",
    "Settings": "core.settings",
    "UnexpectedMail": "testing.report",
    "WebhookNotVerified": "core.signing",
    "verify_webhook": "core.signing",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
