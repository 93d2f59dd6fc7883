"""Disposable mail servers for tests: SMTP and a REST API in-process, and fixtures that wait for messages.

The public names are loaded when they are first used, so importing the package costs nearly nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sirrchat_testkit.awaiting import NeverAwaited
    from sirrchat_testkit.client.control import AsyncControlClient, ControlClient
    from sirrchat_testkit.client.errors import (
        ApiError,
        Forbidden,
        RateLimited,
        ServerError,
        Unauthorized,
        UnexpectedResponse,
        Unreachable,
    )
    from sirrchat_testkit.client.sirrchat import AsyncClient, Client
    from sirrchat_testkit.client.tempmail import AsyncTempMailClient, TempMailClient
    from sirrchat_testkit.domain.counters import ImapStats, ServerStats, SmtpStats
    from sirrchat_testkit.domain.models import Envelope
    from sirrchat_testkit.domain.sessions import Activity, Session
    from sirrchat_testkit.domain.transcript import Transcript, TranscriptLine
    from sirrchat_testkit.durations import TimeUnits
    from sirrchat_testkit.errors import (
        Conflict,
        ForeignDomain,
        InvalidValue,
        LateMailWarning,
        LimitReached,
        MailNotReceived,
        NoSuchAddress,
        NotFound,
        NotSettled,
        OverQuota,
        Refused,
        SharedServerError,
        StoreBroken,
        StoreBusy,
        StoreDamaged,
        StoreError,
        StoreFull,
        StoreLocked,
        TestkitError,
    )
    from sirrchat_testkit.faults.engine import Fault
    from sirrchat_testkit.faults.rest import RestFaultStage
    from sirrchat_testkit.faults.rest_handle import RestFaultConditions, RestFaults
    from sirrchat_testkit.faults.smtp import DropWhen, FaultStage
    from sirrchat_testkit.faults.smtp_handle import (
        FaultConditions,
        Faults,
        MailFaultConditions,
        RcptFaultConditions,
        RejectFaultConditions,
    )
    from sirrchat_testkit.faults.webhook import Tampering
    from sirrchat_testkit.faults.webhook_handle import WebhookFaultConditions, WebhookFaults
    from sirrchat_testkit.fixture_types import ConnectFlask, MakeInbox, MakeInboxes, MakeWebhookSink
    from sirrchat_testkit.frameworks.django import connect_django
    from sirrchat_testkit.frameworks.flask import connect_flask
    from sirrchat_testkit.frameworks.testcase import MailServerTestCase
    from sirrchat_testkit.handles.clock import Clock
    from sirrchat_testkit.handles.conditions import MailConditions
    from sirrchat_testkit.handles.diagnostics import Refusal
    from sirrchat_testkit.handles.environment import EnvPreset
    from sirrchat_testkit.handles.failures import FaultNeverFired
    from sirrchat_testkit.handles.inbox import Inbox, MailAccount
    from sirrchat_testkit.handles.mail_source import UnexpectedMail
    from sirrchat_testkit.handles.message import ReceivedMessage
    from sirrchat_testkit.handles.strictness import StrictCheckFailed
    from sirrchat_testkit.handles.viewing import AsyncPlaywrightPage, ChromiumDriver, PlaywrightPage, SeleniumDriver
    from sirrchat_testkit.handles.webhooks import WebhookAttempt, WebhookDelivery, WebhookHandle
    from sirrchat_testkit.mail.address_headers import MailAddress
    from sirrchat_testkit.mail.candidates import NotExactlyOne
    from sirrchat_testkit.mail.compose import MessageFields
    from sirrchat_testkit.mail.headers import Headers
    from sirrchat_testkit.mail.links import Link, LinkPurpose
    from sirrchat_testkit.mail.mime import Attachment, Unsubscribe
    from sirrchat_testkit.net import Tls
    from sirrchat_testkit.schemas.webhook_events import WebhookEvent
    from sirrchat_testkit.schemas.webhooks import webhook_schema
    from sirrchat_testkit.server import MailServer
    from sirrchat_testkit.settings import RuntimeChanges, Settings, SettingsChanges, StrictCheck, TokenCheck
    from sirrchat_testkit.signing import WebhookNotVerified, verify_webhook
    from sirrchat_testkit.sink.call import CallConditions, GoldenDiffers, WebhookCall, WebhookInvalid
    from sirrchat_testkit.sink.sink import WebhookSink
    from sirrchat_testkit.sink.source import UnexpectedWebhook, WebhookNotReceived
    from sirrchat_testkit.storage.database import Database, DatabaseTable, StoredDocument

__version__ = "0.1.0"

__all__ = [
    "Activity",
    "ApiError",
    "AsyncClient",
    "AsyncControlClient",
    "AsyncPlaywrightPage",
    "AsyncTempMailClient",
    "Attachment",
    "CallConditions",
    "ChromiumDriver",
    "Client",
    "Clock",
    "Conflict",
    "ConnectFlask",
    "ControlClient",
    "Database",
    "DatabaseTable",
    "DropWhen",
    "EnvPreset",
    "Envelope",
    "Fault",
    "FaultConditions",
    "FaultNeverFired",
    "FaultStage",
    "Faults",
    "Forbidden",
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
    "MailAddress",
    "MailConditions",
    "MailFaultConditions",
    "MailNotReceived",
    "MailServer",
    "MailServerTestCase",
    "MakeInbox",
    "MakeInboxes",
    "MakeWebhookSink",
    "MessageFields",
    "NeverAwaited",
    "NoSuchAddress",
    "NotExactlyOne",
    "NotFound",
    "NotSettled",
    "OverQuota",
    "PlaywrightPage",
    "RateLimited",
    "RcptFaultConditions",
    "ReceivedMessage",
    "Refusal",
    "Refused",
    "RejectFaultConditions",
    "RestFaultConditions",
    "RestFaultStage",
    "RestFaults",
    "RuntimeChanges",
    "SeleniumDriver",
    "ServerError",
    "ServerStats",
    "Session",
    "Settings",
    "SettingsChanges",
    "SharedServerError",
    "SmtpStats",
    "StoreBroken",
    "StoreBusy",
    "StoreDamaged",
    "StoreError",
    "StoreFull",
    "StoreLocked",
    "StoredDocument",
    "StrictCheck",
    "StrictCheckFailed",
    "Tampering",
    "TempMailClient",
    "TestkitError",
    "TimeUnits",
    "Tls",
    "TokenCheck",
    "Transcript",
    "TranscriptLine",
    "Unauthorized",
    "UnexpectedMail",
    "UnexpectedResponse",
    "UnexpectedWebhook",
    "Unreachable",
    "Unsubscribe",
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
    "connect_django",
    "connect_flask",
    "verify_webhook",
    "webhook_schema",
]

_HOMES = {
    "Activity": "domain.sessions",
    "ApiError": "client.errors",
    "AsyncClient": "client.sirrchat",
    "AsyncControlClient": "client.control",
    "AsyncPlaywrightPage": "handles.viewing",
    "AsyncTempMailClient": "client.tempmail",
    "Attachment": "mail.mime",
    "CallConditions": "sink.call",
    "ChromiumDriver": "handles.viewing",
    "Client": "client.sirrchat",
    "Clock": "handles.clock",
    "Conflict": "errors",
    "ConnectFlask": "fixture_types",
    "ControlClient": "client.control",
    "Database": "storage.database",
    "DatabaseTable": "storage.database",
    "DropWhen": "faults.smtp",
    "EnvPreset": "handles.environment",
    "Envelope": "domain.models",
    "Fault": "faults.engine",
    "FaultConditions": "faults.smtp_handle",
    "FaultNeverFired": "handles.failures",
    "FaultStage": "faults.smtp",
    "Faults": "faults.smtp_handle",
    "Forbidden": "client.errors",
    "ForeignDomain": "errors",
    "GoldenDiffers": "sink.call",
    "Headers": "mail.headers",
    "ImapStats": "domain.counters",
    "Inbox": "handles.inbox",
    "InvalidValue": "errors",
    "LateMailWarning": "errors",
    "LimitReached": "errors",
    "Link": "mail.links",
    "LinkPurpose": "mail.links",
    "MailAccount": "handles.inbox",
    "MailAddress": "mail.address_headers",
    "MailConditions": "handles.conditions",
    "MailFaultConditions": "faults.smtp_handle",
    "MailNotReceived": "errors",
    "MailServer": "server",
    "MailServerTestCase": "frameworks.testcase",
    "MakeInbox": "fixture_types",
    "MakeInboxes": "fixture_types",
    "MakeWebhookSink": "fixture_types",
    "MessageFields": "mail.compose",
    "NeverAwaited": "awaiting",
    "NoSuchAddress": "errors",
    "NotExactlyOne": "mail.candidates",
    "NotFound": "errors",
    "NotSettled": "errors",
    "OverQuota": "errors",
    "PlaywrightPage": "handles.viewing",
    "RateLimited": "client.errors",
    "RcptFaultConditions": "faults.smtp_handle",
    "ReceivedMessage": "handles.message",
    "Refusal": "handles.diagnostics",
    "Refused": "errors",
    "RejectFaultConditions": "faults.smtp_handle",
    "RestFaultConditions": "faults.rest_handle",
    "RestFaultStage": "faults.rest",
    "RestFaults": "faults.rest_handle",
    "RuntimeChanges": "settings",
    "SeleniumDriver": "handles.viewing",
    "ServerError": "client.errors",
    "ServerStats": "domain.counters",
    "Session": "domain.sessions",
    "Settings": "settings",
    "SettingsChanges": "settings",
    "SharedServerError": "errors",
    "SmtpStats": "domain.counters",
    "StoreBroken": "errors",
    "StoreBusy": "errors",
    "StoreDamaged": "errors",
    "StoreError": "errors",
    "StoreFull": "errors",
    "StoreLocked": "errors",
    "StoredDocument": "storage.database",
    "StrictCheck": "settings",
    "StrictCheckFailed": "handles.strictness",
    "Tampering": "faults.webhook",
    "TempMailClient": "client.tempmail",
    "TestkitError": "errors",
    "TimeUnits": "durations",
    "Tls": "net",
    "TokenCheck": "settings",
    "Transcript": "domain.transcript",
    "TranscriptLine": "domain.transcript",
    "Unauthorized": "client.errors",
    "UnexpectedMail": "handles.mail_source",
    "UnexpectedResponse": "client.errors",
    "UnexpectedWebhook": "sink.source",
    "Unreachable": "client.errors",
    "Unsubscribe": "mail.mime",
    "WebhookAttempt": "handles.webhooks",
    "WebhookCall": "sink.call",
    "WebhookDelivery": "handles.webhooks",
    "WebhookEvent": "schemas.webhook_events",
    "WebhookFaultConditions": "faults.webhook_handle",
    "WebhookFaults": "faults.webhook_handle",
    "WebhookHandle": "handles.webhooks",
    "WebhookInvalid": "sink.call",
    "WebhookNotReceived": "sink.source",
    "WebhookNotVerified": "signing",
    "WebhookSink": "sink.sink",
    "connect_django": "frameworks.django",
    "connect_flask": "frameworks.flask",
    "verify_webhook": "signing",
    "webhook_schema": "schemas.webhooks",
}


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        if name not in _HOMES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
