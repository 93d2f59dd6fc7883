"""Right uses of the server, its settings and its clock: every type checker accepts each line."""

# pyright: strict

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Unpack, assert_type

from tinydb import Query, where

import sirrchat_testkit
from sirrchat_testkit import (
    Activity,
    Clock,
    Conflict,
    ConnectFlask,
    Database,
    DatabaseTable,
    Envelope,
    Inbox,
    InvalidValue,
    MailAccount,
    MailServer,
    MailServerTestCase,
    ReceivedMessage,
    Refusal,
    RuntimeChanges,
    ServerStats,
    Session,
    Settings,
    SettingsChanges,
    StoredDocument,
    TestkitError,
    TimeUnits,
    Tls,
    Transcript,
    connect_django,
    connect_flask,
)


def starts(folder: Path) -> None:
    MailServer(domains=["shop.example"], data=folder, smtp_port=2525, smtps_port=None, fsync=True)
    MailServer(Settings(starttls=True, auth="required"), unknown_recipients="keep", max_age=60)
    MailServer(Settings(domains=["shop.example"], max_age="30d", max_bytes="2GiB", idle_timeout=timedelta(minutes=5)))
    MailServer(oauth_tokens={"ann@example.com": "token"}, hide_extensions=("CHUNKING",), idle_timeout=0.5)
    MailServer(oauth_tokens=lambda user, token: token == f"{user}!", rate_limit="documented")
    with MailServer() as server:
        assert_type(server, MailServer)
    assert_type(server.start().smtp_port, int)
    server.stop()


async def starts_in_a_task() -> None:
    async with MailServer(seed="x") as server:
        assert_type(await server.areceive(subject="x"), ReceivedMessage)
        await server.asettle()


def takes_settings(**changes: Unpack[SettingsChanges]) -> MailServer:
    assert_type(Settings(host="::1").replace(http_port=1, domains=["shop.example"]), Settings)
    MailServer(Settings(strict=("unread", "late")), start_at=datetime.now(UTC)).configure(strict=["leaks"])
    MailServer(strict=True)
    return MailServer(**changes)


def changes_settings(mailserver: MailServer, **changes: Unpack[RuntimeChanges]) -> None:
    mailserver.configure(max_bytes=1, webhook_hosts=["*"])
    mailserver.configure(**changes)
    mailserver.rate_limit(requests=3)
    assert_type(mailserver.settings.domains, tuple[str, ...])
    assert_type(mailserver.settings.max_sessions, int)


def connects(mailserver: MailServer) -> None:
    assert_type(mailserver.smtp_host, str)
    assert_type(mailserver.smtps_port, int | None)
    assert_type(mailserver.env("django", NAME="{smtp_host}"), dict[str, str])
    assert_type(mailserver.env(EMAIL_URL="smtp://{smtp_host}:{smtp_port}"), dict[str, str])
    assert_type(mailserver.tls, Tls)
    assert_type(mailserver.tls.ssl_context(), ssl.SSLContext)
    assert_type(mailserver.tls.ca_file, str)
    assert_type(sirrchat_testkit.__version__, str)


def makes(mailserver: MailServer) -> None:
    assert_type(mailserver.make_inbox("ann", expires_in=timedelta(hours=1)), Inbox)
    assert_type(mailserver.inbox_for("ops@corp.com"), Inbox)
    assert_type(mailserver.make_inbox(address="ann@example.com"), Inbox)
    account = mailserver.add_account(address="ann@example.com", quota=10_000)
    assert_type(account, MailAccount)
    assert_type(account.inbox.receive().text, str)
    assert_type(account.api_key + account.password + account.id + str(account), str)
    mailserver.add_domain("shop.example")
    with mailserver.scope("by hand") as inner:
        assert_type(inner, MailServer)


def looks(mailserver: MailServer) -> None:
    assert_type(mailserver.stats, ServerStats)
    assert_type(mailserver.stats.smtp.received, int)
    assert_type(mailserver.envelopes, list[Envelope])
    assert_type(mailserver.refusals, list[Refusal])
    assert_type(mailserver.refusals[0].nearest, str | None)
    sessions: list[Session] = mailserver.sessions
    assert_type(sessions[0].transcript, Transcript)
    assert_type(sessions[0].activity, Activity | None)
    assert_type([line.text for line in sessions[0].transcript if line.who == "C"], list[str])
    mailserver.timeout = 0.5
    mailserver.settle()
    mailserver.check()


def reads_the_database(mailserver: MailServer, database: Database) -> None:
    assert_type(mailserver.database, Database)
    messages = database.table("messages")
    assert_type(messages, DatabaseTable)
    found = messages.search((where("subject") == "Welcome") & where("sender").matches("shop@"))
    assert_type(found, list[StoredDocument])
    subject: str = found[0]["subject"]
    assert_type(found[0].doc_id, int)
    assert_type([each["to"] for each in messages if each["subject"] == subject], list[Any])
    assert_type(messages.get(where("id") == "x"), StoredDocument | None)
    assert_type(messages.get(doc_id=1), StoredDocument | None)
    assert_type(messages.get(doc_ids=[1, 2]), list[StoredDocument])
    assert_type(messages.all(), list[StoredDocument])
    assert_type(len(database) + messages.count(Query().size > 1), int)
    assert_type(messages.contains(where("flags").any(["x"])), bool)
    assert_type(database.tables(), set[str])


def moves_time(mailserver: MailServer, **units: Unpack[TimeUnits]) -> None:
    clock = mailserver.clock
    assert_type(clock, Clock)
    assert_type(clock.now(), datetime)
    clock.freeze(datetime(2030, 1, 1, tzinfo=UTC))
    clock.advance(hours=2, minutes=0.5)
    clock.advance(timedelta(days=1), seconds=1)
    clock.advance(**units)
    clock.move_to(datetime(2031, 1, 1, tzinfo=UTC))
    clock.follow()
    clock.resume()


async def moves_time_in_a_task(clock: Clock) -> None:
    await clock.aadvance(weeks=1)
    await clock.amove_to(datetime(2031, 1, 1, tzinfo=UTC))


def catches(mailserver: MailServer) -> str | None:
    try:
        mailserver.add_account("ann@example.com")
    except (Conflict, InvalidValue) as error:
        return error.field
    except TestkitError as error:
        return error.code
    return None


class SignUpTest(MailServerTestCase):
    mailserver_settings = Settings(domains=("shop.example",))
    mailserver_timeout = 5

    def test_it(self) -> None:
        assert_type(self.mailserver, MailServer)
        assert_type(self.inbox, Inbox)
        assert_type(self.inbox.receive(subject="Welcome"), ReceivedMessage)


def connects_frameworks(mailserver: MailServer, mailserver_flask: ConnectFlask, app: object) -> None:
    with connect_django(mailserver), connect_flask(mailserver, app):
        mailserver_flask(app)
