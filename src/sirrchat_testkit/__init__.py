"""Disposable mail servers for tests: SMTP and a REST API in-process, and fixtures that await messages.

The public names are loaded when they are first used, so importing the package costs nearly nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sirrchat_testkit.client.errors import ApiError
    from sirrchat_testkit.client.sirrchat import ApiKeys, Client, Users
    from sirrchat_testkit.core.candidates import NotExactlyOne
    from sirrchat_testkit.core.changes import PolicyChanges, SettingsChanges
    from sirrchat_testkit.core.errors import (
        Conflict,
        ForeignDomain,
        InvalidValue,
        LateMailWarning,
        LimitReached,
        NoSuchAddress,
        NotFound,
        OverQuota,
        Refused,
        StoreBroken,
        StoreDamaged,
        StoreError,
        StoreFull,
        StoreLocked,
        TestkitError,
    )
    from sirrchat_testkit.core.header import Headers
    from sirrchat_testkit.core.links import Link, LinkPurpose
    from sirrchat_testkit.core.mime import Attachment, Unsubscribe
    from sirrchat_testkit.core.models import Envelope
    from sirrchat_testkit.core.policy import Policy, TokenCheck
    from sirrchat_testkit.core.sessions import Activity, Session
    from sirrchat_testkit.core.settings import Settings
    from sirrchat_testkit.core.signing import WebhookNotVerified, verify_webhook
    from sirrchat_testkit.core.stats import ImapStats, ServerStats, SmtpStats
    from sirrchat_testkit.core.transcript import Transcript, TranscriptLine
    from sirrchat_testkit.core.webhooks import WebhookEvent
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
    from sirrchat_testkit.faults.webhook import Tampering
    from sirrchat_testkit.fixture_types import MakeInbox, MakeInboxes, MakeWebhookSink
    from sirrchat_testkit.server import MailServer
    from sirrchat_testkit.testing.account import MailAccount
    from sirrchat_testkit.testing.clock import Clock
    from sirrchat_testkit.testing.conditions import MailConditions, TimeUnits
    from sirrchat_testkit.testing.diagnostics import Refusal
    from sirrchat_testkit.testing.golden import GoldenDiffers
    from sirrchat_testkit.testing.inbox import Inbox
    from sirrchat_testkit.testing.mailsource import MailNotReceived, UnexpectedMail
    from sirrchat_testkit.testing.message import ReceivedMessage
    from sirrchat_testkit.testing.report import FaultNeverFired, NotSettled
    from sirrchat_testkit.testing.schemas import WebhookInvalid
    from sirrchat_testkit.testing.sink import WebhookSink
    from sirrchat_testkit.testing.sinksource import UnexpectedWebhook, WebhookNotReceived
    from sirrchat_testkit.testing.tls import Tls
    from sirrchat_testkit.testing.webhookcall import CallConditions, WebhookCall
    from sirrchat_testkit.testing.webhooks import WebhookAttempt, WebhookDelivery, WebhookHandle
    from sirrchat_testkit.webhooks.calls import PreparedCall
    from sirrchat_testkit.wire.sirrchat.answers import ApiKey, NewlyMadeApiKey, User
    from sirrchat_testkit.wire.webhooks import webhook_schema

__version__ = "0.1.0"

__all__ = [
    "Activity",
    "ApiError",
    "ApiKey",
    "ApiKeys",
    "Attachment",
    "CallConditions",
    "Client",
    "Clock",
    "Conflict",
    "DropWhen",
    "Envelope",
    "Fault",
    "FaultConditions",
    "FaultNeverFired",
    "FaultStage",
    "Faults",
    "ForeignDomain",
    "GoldenDiffers",
    "Headers",
    "ImapStats",
    "Inbox",
    "InvalidValue",
    "LateMailWarning",
    "LimitReached",
    "Link",
    "LinkPurpose",
    "MailAccount",
    "MailConditions",
    "MailFaultConditions",
    "MailNotReceived",
    "MailServer",
    "MakeInbox",
    "MakeInboxes",
    "MakeWebhookSink",
    "NewlyMadeApiKey",
    "NoSuchAddress",
    "NotExactlyOne",
    "NotFound",
    "NotSettled",
    "OverQuota",
    "Policy",
    "PolicyChanges",
    "PreparedCall",
    "RcptFaultConditions",
    "ReceivedMessage",
    "Refusal",
    "Refused",
    "RejectFaultConditions",
    "ServerStats",
    "Session",
    "Settings",
    "SettingsChanges",
    "SmtpStats",
    "StoreBroken",
    "StoreDamaged",
    "StoreError",
    "StoreFull",
    "StoreLocked",
    "Tampering",
    "TestkitError",
    "TimeUnits",
    "Tls",
    "TokenCheck",
    "Transcript",
    "TranscriptLine",
    "UnexpectedMail",
    "UnexpectedWebhook",
    "Unsubscribe",
    "User",
    "Users",
    "WebhookAttempt",
    "WebhookCall",
    "WebhookDelivery",
    "WebhookEvent",
    "WebhookFaultConditions",
    "WebhookFaults",
    "WebhookHandle",
    "WebhookInvalid",
    "WebhookNotReceived",
    "WebhookNotVerified",
    "WebhookSink",
    "verify_webhook",
    "webhook_schema",
]

_HOMES = {
    "Activity": "core.sessions",
    "ApiError": "client.errors",
    "ApiKey": "wire.sirrchat.answers",
    "ApiKeys": "client.sirrchat",
    "Attachment": "core.mime",
    "CallConditions": "testing.webhookcall",
    "Client": "client.sirrchat",
    "Clock": "testing.clock",
    "Conflict": "core.errors",
    "DropWhen": "faults.smtp",
    "Envelope": "core.models",
    "Fault": "faults.engine",
    "FaultConditions": "faults.api",
    "FaultNeverFired": "testing.report",
    "FaultStage": "faults.smtp",
    "Faults": "faults.api",
    "ForeignDomain": "core.errors",
    "GoldenDiffers": "testing.golden",
    "Headers": "core.header",
    "ImapStats": "core.stats",
    "Inbox": "testing.inbox",
    "InvalidValue": "core.errors",
    "LateMailWarning": "core.errors",
    "LimitReached": "core.errors",
    "Link": "core.links",
    "LinkPurpose": "core.links",
    "MailAccount": "testing.account",
    "MailConditions": "testing.conditions",
    "MailFaultConditions": "faults.api",
    "MailNotReceived": "testing.mailsource",
    "MailServer": "server",
    "MakeInbox": "fixture_types",
    "MakeInboxes": "fixture_types",
    "MakeWebhookSink": "fixture_types",
    "NewlyMadeApiKey": "wire.sirrchat.answers",
    "NoSuchAddress": "core.errors",
    "NotExactlyOne": "core.candidates",
    "NotFound": "core.errors",
    "NotSettled": "testing.report",
    "OverQuota": "core.errors",
    "Policy": "core.settings",  # with which a wrong name can be told to belong there
    "PolicyChanges": "core.changes",
    "PreparedCall": "webhooks.calls",
    "RcptFaultConditions": "faults.api",
    "ReceivedMessage": "testing.message",
    "Refusal": "testing.diagnostics",
    "Refused": "core.errors",
    "RejectFaultConditions": "faults.api",
    "ServerStats": "core.stats",
    "Session": "core.sessions",
    "Settings": "core.settings",
    "SettingsChanges": "core.changes",
    "SmtpStats": "core.stats",
    "StoreBroken": "core.errors",
    "StoreDamaged": "core.errors",
    "StoreError": "core.errors",
    "StoreFull": "core.errors",
    "StoreLocked": "core.errors",
    "Tampering": "faults.webhook",
    "TestkitError": "core.errors",
    "TimeUnits": "testing.conditions",
    "Tls": "testing.tls",
    "TokenCheck": "core.policy",
    "Transcript": "core.transcript",
    "TranscriptLine": "core.transcript",
    "UnexpectedMail": "testing.mailsource",
    "UnexpectedWebhook": "testing.sinksource",
    "Unsubscribe": "core.mime",
    "User": "wire.sirrchat.answers",
    "Users": "client.sirrchat",
    "WebhookAttempt": "testing.webhooks",
    "WebhookCall": "testing.webhookcall",
    "WebhookDelivery": "testing.webhooks",
    "WebhookEvent": "core.webhooks",
    "WebhookFaultConditions": "faults.api",
    "WebhookFaults": "faults.api",
    "WebhookHandle": "testing.webhooks",
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
