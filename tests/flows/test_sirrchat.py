"""The SirrChat API beside SMTP: the document's own curl lines, a day of mail, quotas, and what Python offers."""

from __future__ import annotations

import json
import os
import shutil
import smtplib
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from dirty_equals import IsStr, IsUUID

from sirrchat_testkit import MailAccount, MailServer
from sirrchat_testkit.errors import Conflict, InvalidValue
from tests.support import Serve, Server, StartServe, call_api, connect, send

MIDNIGHT = datetime(2025, 1, 15, tzinfo=UTC)

RAW = b"From: shop@shop.example\r\nSubject: hello\r\n\r\n" + b"x" * 100 + b"\r\n"


def ask(server: Server, path: str, key: str | None = None) -> Any:
    answer = call_api(server, "GET", f"/api/v1{path}", key=key)
    assert answer.status == 200, answer
    return answer.json


BATCH = r"""
curl -X POST https://mail.example.com:8080/api/v1/users/batch \
-H "Authorization: Bearer mk_live_abc123..." \
-H "Content-Type: application/json" \
-d '{
"users": [
{"email": "user1@example.com", "password": "pass1"},
{"email": "user2@example.com", "password": "pass2"}
]
}'"""

EXPORT = r"""
curl -X GET "https://mail.example.com:8080/api/v1/users?limit=1000" \
-H "Authorization: Bearer mk_live_abc123..." \
| jq '.data[] | {email, quota, used}'"""


@pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("jq")) and not os.environ.get("CI"), reason="curl or jq is missing"
)
def test_the_document_s_curl_lines_work_against_serve(serve: StartServe) -> None:
    def run(line: str, server: Serve) -> str:
        line = line.replace("https://mail.example.com:8080", server.api_url)
        line = line.replace("mk_live_abc123...", server.api_key).replace("curl ", "curl -sS --noproxy '*' ", 1)
        return subprocess.run(line, shell=True, capture_output=True, text=True, timeout=60, check=True).stdout

    server = serve()
    user = {"id": IsUUID, "quota": 5368709120, "used": 0, "created_at": IsStr(regex=r"....-..-..T..:..:..Z")}
    assert json.loads(run(BATCH, server)) == {
        "data": [
            {"index": 0, "status": 201, "user": user | {"email": "user1@example.com"}},
            {"index": 1, "status": 201, "user": user | {"email": "user2@example.com"}},
        ],
        "meta": {"created": 2, "failed": 0},
    }
    exported = "[" + run(EXPORT, server).replace("}\n{", "},{") + "]"
    assert json.loads(exported) == [
        {"email": f"user{number}@example.com", "quota": 5368709120, "used": 0} for number in (1, 2)
    ]


def test_the_rate_limit_is_a_flag_of_serve(serve: StartServe) -> None:
    server = serve("--rate-limit", "custom", "--rate-limit-key", "1")
    assert [call_api(server, "GET", "/api/v1/users").status for _ in range(2)] == [200, 429]


def test_a_day_of_mail_is_counted_as_it_was(tmp_path: Path) -> None:
    settings: dict[str, Any] = {"data": str(tmp_path / "data"), "password_cost": 4, "api_key": "known"}
    with MailServer(**settings) as server:
        server.clock.freeze(MIDNIGHT - timedelta(minutes=1))
        ann, bob = server.add_account("ann@example.com"), server.add_account("bob@example.com", quota=3 * len(RAW))
        send(server, "ann@example.com", raw=RAW)  # a minute before the day

        server.clock.advance(seconds=60)
        send(server, "ann@example.com", "bob@example.com", "ops@corp.example", raw=RAW)
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(server, "nobody@example.com", raw=RAW)
        assert list(send(server, "ann@example.com", "nobody@example.com", raw=RAW)) == ["nobody@example.com"]

        server.clock.advance(hours=10)
        send(server, "bob@example.com", raw=RAW)
        send(server, "bob@example.com", raw=RAW)
        with pytest.raises(smtplib.SMTPDataError) as caught:
            send(server, "bob@example.com", raw=RAW)
        assert (caught.value.smtp_code, b"5.2.2" in caught.value.smtp_error) == (552, True)
        with connect(server) as smtp:
            smtp.noop()
            assert ask(server, "/stats")["sessions_active"] == 1
        server.settle()
        uid = ask(server, f"/users/{ann.id}/messages")["data"][0]["uid"]
        assert call_api(server, "DELETE", f"/api/v1/users/{ann.id}/messages/{uid}").status == 204

        said = figures(server, ann, bob)
        assert said[0] == {
            "users_total": 2,
            "messages_today": 6,
            "storage_used": 6 * len(RAW),
            "smtp": {"sent": 1, "received": 6, "rejected": 3},
            "imap": {"connections": 0, "commands": 0},
        }
        assert said[1] == {
            "messages_total": 2,
            "messages_unseen": 2,
            "received": 3,
            "sent": 0,
            "rejected": 0,
            "storage_used": 2 * len(RAW),
            "quota": 5368709120,
            "last_received_at": "2025-01-15T00:00:00Z",
        }
        assert (said[2]["received"], said[2]["rejected"], said[2]["storage_used"]) == (3, 1, 3 * len(RAW))
        assert said[2]["last_received_at"] == "2025-01-15T10:00:00Z"
        assert ask(server, "/stats")["uptime"] >= 0
        now = server.clock.now()

    with MailServer(**settings) as server:
        server.clock.freeze(now)
        assert figures(server, ann, bob) == said
        server.clock.advance(hours=24)
        assert ask(server, "/stats")["messages_today"] == 0


def figures(server: MailServer, *accounts: MailAccount) -> list[dict[str, Any]]:
    stats = ask(server, "/stats")
    del stats["uptime"], stats["sessions_active"]
    return [stats, *(ask(server, f"/users/{each.id}/stats", each.api_key) for each in accounts)]


def test_uptime_is_by_the_kit_s_clock() -> None:
    with MailServer() as server:
        server.clock.freeze()
        before = ask(server, "/stats")["uptime"]
        server.clock.advance(hours=48)
        assert ask(server, "/stats")["uptime"] - before == 172_800


def test_over_quota_is_552_and_nothing_is_stored(mailserver: MailServer) -> None:
    full = mailserver.add_account(quota=len(RAW) - 1)
    other = mailserver.add_account()
    with pytest.raises(smtplib.SMTPDataError) as caught:
        send(mailserver, other.address, full.address, raw=RAW)
    assert (caught.value.smtp_code, caught.value.smtp_error[:6]) == (552, b"5.2.2 ")
    for account in (full, other):
        quota = ask(mailserver, f"/users/{account.id}/quota", account.api_key)
        assert (quota["used"], quota["files_count"]) == (0, 0)
    changed = call_api(mailserver, "PUT", f"/api/v1/users/{full.id}/quota", {"quota": len(RAW)})
    assert changed.status == 200
    send(mailserver, full.address, raw=RAW)
    assert ask(mailserver, f"/users/{full.id}/quota", full.api_key)["percentage"] == 100.0


def test_an_account_receives_and_its_key_opens_both_apis(mailserver: MailServer) -> None:
    account = mailserver.add_account("Ann@example.com", "pass word", 10_000)
    assert (str(account), account.address, account.password, account.quota) == (
        "Ann@example.com", "Ann@example.com", "pass word", 10_000,
    )  # fmt: skip
    send(mailserver, "ann@EXAMPLE.com", raw=RAW)
    assert account.inbox.receive().subject == "hello"
    user = ask(mailserver, f"/users/{account.id}", account.api_key)
    assert (user["id"], user["email"], user["used"]) == (account.id, "Ann@example.com", len(RAW))
    [message] = ask(mailserver, f"/users/{account.id}/messages", account.api_key)["data"]
    assert message["subject"] == "hello"
    assert call_api(mailserver, "GET", "/api/emails", key=account.api_key).json["total"] == 0


def test_what_is_left_out_of_an_account_is_made_up(mailserver: MailServer) -> None:
    one, two = mailserver.add_account(), mailserver.add_account()
    assert one.address != two.address
    assert one.address.endswith("@example.com")
    assert len(one.password) == 16
    assert one.api_key.startswith("mk_live_")
    assert repr(one) == f"<MailAccount {one.address}>"
    with pytest.raises(AttributeError, match="did you mean 'address'"):
        _ = one.email  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("address", "quota", "error"),
    [("a@foreign.example", None, InvalidValue), ("no address", None, InvalidValue), (None, -1, InvalidValue)],
)
def test_an_account_that_cannot_be_is_refused(
    mailserver: MailServer, address: str | None, quota: int | None, error: type[Exception]
) -> None:
    with pytest.raises(error):
        mailserver.add_account(address, quota=quota)


def test_an_address_is_somebody_s_once(mailserver: MailServer) -> None:
    mailserver.add_account("ann@example.com")
    with pytest.raises(Conflict):
        mailserver.add_account("ANN@example.com")


def test_a_scope_takes_its_accounts_along() -> None:
    with MailServer() as server:
        kept = server.add_account()
        with server.scope():
            gone = server.add_account()
            assert server.stats.users_total == 2
        assert server.stats.users_total == 1
        assert call_api(server, "GET", f"/api/v1/users/{gone.id}", key=gone.api_key).status == 401
        assert call_api(server, "GET", f"/api/v1/users/{kept.id}", key=kept.api_key).status == 200


def test_the_rate_limit_is_reached_in_three_calls_and_the_clock_opens_it(mailserver: MailServer) -> None:
    mailserver.clock.freeze(MIDNIGHT)
    mailserver.rate_limit(requests=2)
    answers = [call_api(mailserver, "GET", "/api/v1/users") for _ in range(3)]
    assert [each.status for each in answers] == [200, 200, 429]
    assert answers[2].headers["Retry-After"] == "3600"
    mailserver.clock.advance(hours=1)
    assert call_api(mailserver, "GET", "/api/v1/users").status == 200


def test_stats_are_the_figures_of_the_api(mailserver: MailServer) -> None:
    account = mailserver.add_account()
    send(mailserver, account.address, "ops@corp.example", raw=RAW)
    stats, told = mailserver.stats, ask(mailserver, "/stats")
    assert (stats.smtp.received, stats.smtp.sent, stats.messages_today) == (1, 1, 2)
    assert (stats.storage_used, stats.users_total) == (told["storage_used"], told["users_total"])


def test_who_owns_a_test_s_inboxes_is_no_user_to_the_application(mailserver: MailServer) -> None:
    inbox = mailserver.make_inbox()
    inbox.deliver(subject="Hello")
    ann = mailserver.add_account()
    assert [each["id"] for each in ask(mailserver, "/users")["data"]] == [ann.id]
    assert ask(mailserver, "/users")["meta"]["total"] == 1
    assert mailserver.stats.users_total == 1
    owner = mailserver._thread.call(mailserver._now.services.directory.find_address(inbox.address))
    assert owner is not None
    assert ask(mailserver, f"/users/{owner.account}", mailserver.env()["MAIL_API_KEY"])["id"] == owner.account
