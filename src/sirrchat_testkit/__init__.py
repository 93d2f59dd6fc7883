"""Disposable mail servers for tests: SMTP and a REST API in-process, and fixtures that await messages.

The public names are loaded when they are first used, so importing the package costs nearly nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sirrchat_testkit.client.sirrchat import Client
    from sirrchat_testkit.core.candidates import NotExactlyOne
    from sirrchat_testkit.core.errors import InvalidValue, LateMailWarning, Refused, StoreLocked
    from sirrchat_testkit.core.matching import Match
    from sirrchat_testkit.core.policy import Policy
    from sirrchat_testkit.core.settings import Settings
    from sirrchat_testkit.core.signing import WebhookNotVerified, verify_webhook
    from sirrchat_testkit.faults.api import (
        FaultConditions,
        Faults,
        MailFaultConditions,
        RcptFaultConditions,
        RejectFaultConditions,
        WebhookFaultConditions,
        WebhookFaults,
    )
    from sirrchat_testkit.faults.engine import Fault
    from sirrchat_testkit.faults.smtp import DropWhen, FaultStage
    from sirrchat_testkit.server import MailServer
    from sirrchat_testkit.testing.account import MailAccount
    from sirrchat_testkit.testing.golden import GoldenDiffers
    from sirrchat_testkit.testing.inbox import Inbox
    from sirrchat_testkit.testing.mailsource import MailNotReceived, UnexpectedMail
    from sirrchat_testkit.testing.message import ReceivedMessage
    from sirrchat_testkit.testing.report import FaultNeverFired, NotSettled
    from sirrchat_testkit.testing.schemas import WebhookInvalid
    from sirrchat_testkit.testing.sink import WebhookSink
    from sirrchat_testkit.testing.sinksource import UnexpectedWebhook, WebhookNotReceived
    from sirrchat_testkit.testing.webhookcall import WebhookCall
    from sirrchat_testkit.wire.webhooks import webhook_schema

__version__ = "0.1.0"

__all__ = [
    "Client",
    "DropWhen",
    "Fault",
    "FaultConditions",
    "FaultNeverFired",
    "FaultStage",
    "Faults",
    "GoldenDiffers",
    "Inbox",
    "InvalidValue",
    "LateMailWarning",
    "MailAccount",
    "MailFaultConditions",
    "MailNotReceived",
    "MailServer",
    "Match",
    "NotExactlyOne",
    "NotSettled",
    "Policy",
    "RcptFaultConditions",
    "ReceivedMessage",
    "Refused",
    "RejectFaultConditions",
    "Settings",
    "StoreLocked",
    "UnexpectedMail",
    "UnexpectedWebhook",
    "WebhookCall",
    "WebhookFaultConditions",
    "WebhookFaults",
    "WebhookInvalid",
    "WebhookNotReceived",
    "WebhookNotVerified",
    "WebhookSink",
    "verify_webhook",
    "webhook_schema",
]

_HOMES = {
    "Client": "client.sirrchat",
    "DropWhen": "faults.smtp",
    "Fault": "faults.engine",
    "FaultConditions": "faults.api",
    "FaultNeverFired": "testing.report",
    "FaultStage": "faults.smtp",
    "Faults": "faults.api",
    "GoldenDiffers": "testing.golden",
    "Inbox": "testing.inbox",
    "InvalidValue": "core.errors",
    "LateMailWarning": "core.errors",
    "MailAccount": "testing.account",
    "MailFaultConditions": "faults.api",
    "MailNotReceived": "testing.mailsource",
    "MailServer": "server",
    "Match": "core.matching",
    "NotExactlyOne": "core.candidates",
    "NotSettled": "testing.report",
    "Policy": "core.settings",  # with which a wrong name can be told to belong there
    "RcptFaultConditions": "faults.api",
    "ReceivedMessage": "testing.message",
    "Refused": "core.errors",
    "RejectFaultConditions": "faults.api",
    "Settings": "core.settings",
    "StoreLocked": "core.errors",
    "UnexpectedMail": "testing.mailsource",
    "UnexpectedWebhook": "testing.sinksource",
    "WebhookCall": "testing.webhookcall",
    "WebhookFaultConditions": "faults.api",
    "WebhookFaults": "faults.api",
    "WebhookInvalid": "testing.schemas",
    "WebhookNotReceived": "testing.sinksource",
    "WebhookNotVerified": "core.signing",
    "WebhookSink": "testing.sink",
    "verify_webhook": "core.signing",
    "webhook_schema": "wire.webhooks",
}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
