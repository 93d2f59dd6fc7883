"""``mailserver.database``: what arrived by SMTP, asked for with TinyDB's queries."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from tinydb import Query, TinyDB, where

from sirrchat_testkit import Database, MailServer
from tests.support import call_api, send


@pytest.fixture(params=["memory", "folder"])
def server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[MailServer]:
    """A server of each kind; ``ann@example.com`` got "Welcome" and "Reset your password" by SMTP."""
    with MailServer(data=tmp_path) if request.param == "folder" else MailServer() as running:
        inbox = running.make_inbox(address="ann@example.com")
        send(running, inbox, subject="Welcome")
        send(running, inbox, subject="Reset your password")
        yield running


def records(database: Database) -> dict[str, Any]:
    """Return everything but counters, which are stored up to a second later."""
    return {name: database.table(name).all() for name in database.tables() - {"tallies"}}


def subjects(documents: list[Any]) -> list[str]:
    return [each["subject"] for each in documents]


def test_mail_is_found_by_a_condition(server: MailServer) -> None:
    messages = server.database.table("messages")
    [message] = messages.search(where("subject") == "Welcome")
    [received] = [each for each in server.messages if each.subject == "Welcome"]
    assert (message["id"], message.doc_id, message["size"]) == (received.id, received.uid, received.size)
    assert (message["recipient"], message["folder"], message["flags"]) == ("ann@example.com", "INBOX", [])
    envelope = server.database.table("envelopes").get(where("id") == message["envelope"])
    assert envelope is not None
    assert (envelope["sender"], envelope["ehlo"]) == ("shop@shop.example", "client.example")
    address = server.database.table("addresses").get(where("key") == "ann@example.com")
    assert address is not None
    assert messages.count(where("address") == address["id"]) == 2


def test_mail_is_found_by_a_regular_expression_and_by_a_function(server: MailServer) -> None:
    threads: set[int] = set()

    def long(subject: Any) -> bool:
        threads.add(threading.get_ident())
        return len(subject) > 10

    messages = server.database.table("messages")
    assert subjects(messages.search(where("subject").matches("reset", flags=re.IGNORECASE))) == ["Reset your password"]
    assert subjects(messages.search(Query().subject.search("^W"))) == ["Welcome"]
    assert subjects(messages.search(where("subject").test(long))) == ["Reset your password"]
    assert threads == {threading.get_ident()}


def test_a_query_may_ask_the_server(server: MailServer) -> None:
    def is_stored(_: Any) -> bool:
        return len(server.messages) == 2

    assert server.database.table("messages").count(where("subject").test(is_stored)) == 2


def test_other_threads_and_tasks_may_read(server: MailServer) -> None:
    def count() -> int:
        return server.database.table("messages").count(where("subject") == "Welcome")

    async def in_a_task() -> int:
        return count() + await asyncio.to_thread(count)

    with ThreadPoolExecutor(4) as pool:
        assert [each.result() for each in [pool.submit(count) for _ in range(8)]] == [1] * 8
    assert asyncio.run(in_a_task()) == 2


def test_a_scope_takes_its_records_with_it(server: MailServer) -> None:
    database = server.database
    before = records(database)
    with server.scope():
        send(server, server.make_inbox(), subject="Inside")
        server.inbox_for("ann@example.com").clear()
        assert subjects(database.table("messages").all()) == ["Inside"]
    assert subjects(database.table("messages").all()) == ["Welcome", "Reset your password"]
    assert records(database) == before


def test_no_key_and_no_password_is_shown(server: MailServer) -> None:
    account = server.add_account("bob@example.com", password="correct-horse")
    user = call_api(server, "GET", f"/api/v1/users/{account.id}", key=account.api_key)
    assert user.status == 200
    server.add_webhook("http://127.0.0.1:9/", secret="whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    shown = json.dumps(server.database.storage.read())
    assert account.id in shown
    for secret in (account.api_key, "correct-horse", server.api_key, server.smtp_password, "whsec_", "scrypt"):
        assert secret not in shown


def test_writing_raises(server: MailServer) -> None:
    messages = server.database.table("messages")
    with pytest.raises(TypeError, match="read-only; change its records by the methods of MailServer and Inbox"):
        messages.update({"subject": "x"}, where("subject") == "Welcome")
    with pytest.raises(TypeError, match="read-only"):
        server.database.insert({"subject": "x"})
    assert [each.subject for each in server.messages] == ["Welcome", "Reset your password"]


def test_after_a_stop_the_file_opens_with_tinydb(tmp_path: Path) -> None:
    with MailServer(data=tmp_path) as server:
        send(server, server.make_inbox(address="ann@example.com"), subject="Welcome")
        [live] = server.database.table("messages").search(where("subject") == "Welcome")
    with TinyDB(tmp_path / "mail.json", access_mode="r") as plain:
        [stored] = plain.table("messages").search(where("subject") == "Welcome")
        assert stored.doc_id == live.doc_id
        assert stored.items() <= live.items()
        assert live.keys() - stored.keys() == {"folder", "flags", "seen", "message_id"}
        assert plain.table("messages").count(~where("folder").exists()) == 1


def test_after_a_stop_reading_raises(server: MailServer) -> None:
    database: Database = server.database
    messages = database.table("messages")
    documents = iter(messages)
    server.stop()
    with pytest.raises(RuntimeError, match=r"the mail server 127\.0\.0\.1:\d+ is not running: use it in a with block"):
        _ = server.database
    for read in (messages.all, lambda: len(database), lambda: next(documents), lambda: messages.get(doc_id=1)):
        with pytest.raises(RuntimeError, match=r"the mail server 127\.0\.0\.1:\d+ is not running"):
            read()
    server.start()
    with pytest.raises(RuntimeError, match=r"use mailserver\.database again"):
        messages.all()
    assert server.database.table("domains").count(where("name") == "example.com") == 1


def test_a_server_that_was_never_started_has_no_database() -> None:
    with pytest.raises(RuntimeError, match="not running"):
        _ = MailServer().database
