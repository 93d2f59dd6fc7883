"""Allowed hosts of webhooks: a shared server gives no access to its network."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from sirrchat_testkit import Inbox, MailServer, Settings, WebhookSink
from sirrchat_testkit.settings import CurrentSettings
from sirrchat_testkit.webhooks.client import TargetNotAllowed, Targets


def names(monkeypatch: pytest.MonkeyPatch, table: dict[str, str]) -> None:
    """Resolve host names to the given addresses."""
    real = socket.getaddrinfo

    def resolve(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        return real(table.get(host, host), port, *args, **options)

    monkeypatch.setattr(socket, "getaddrinfo", resolve)


@pytest.mark.parametrize(
    "host",
    [
        "10.0.0.1",
        "169.254.169.254",
        "192.168.1.1",
        "0.0.0.0",
        "[::]",
        "[fe80::1]",
        "[::ffff:10.0.0.1]",
        "167772161",
        "10.1",
    ],
)
def test_an_address_elsewhere_is_never_called(mailserver: MailServer, inbox: Inbox, host: str) -> None:
    webhook = mailserver.add_webhook(f"http://{host}:9/")
    mailserver.clock.freeze()
    inbox.deliver(subject="x")
    mailserver.clock.advance(hours=1)
    [delivery] = webhook.deliveries
    assert delivery.status == "failed"
    assert [(each.status, each.error) for each in delivery.attempts] == [(None, "target_not_allowed")]
    assert "is neither loopback nor one of webhook_hosts" in delivery.attempts[0].reason


def test_a_host_name_is_checked_by_its_addresses(
    mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(monkeypatch, {"inside.example": "10.0.0.1", "here.example": "127.0.0.1"})
    port = webhook_sink.url.rsplit(":", 1)[1]
    bad = mailserver.add_webhook(f"http://inside.example:{port}")
    good = mailserver.add_webhook(f"http://here.example:{port}")
    inbox.deliver(subject="x")
    mailserver.settle()
    assert [each.attempts[0].error for each in bad.deliveries] == ["target_not_allowed"]
    assert [each.status for each in good.deliveries] == ["delivered"]
    assert len(webhook_sink.calls) == 1


def test_a_host_name_is_resolved_for_each_connection(
    mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = {"rebound.example": "127.0.0.1"}
    names(monkeypatch, table)
    webhook = mailserver.add_webhook(f"http://rebound.example:{webhook_sink.url.rsplit(':', 1)[1]}")
    inbox.deliver(subject="one")
    mailserver.settle()
    table["rebound.example"] = "10.0.0.1"
    inbox.deliver(subject="two")
    mailserver.settle()
    assert [each.status for each in webhook.deliveries] == ["delivered", "failed"]


def test_localhost_is_here(mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink) -> None:
    mailserver.add_webhook(webhook_sink.url.replace("127.0.0.1", "localhost"))
    inbox.deliver(subject="x")
    assert webhook_sink.receive().headers["host"].startswith("localhost:")


def test_a_redirect_is_not_followed(mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink) -> None:
    mailserver.add_webhook(webhook_sink.url)
    mailserver.clock.freeze()
    webhook_sink.refuse(307, times=None)
    inbox.deliver(subject="x")
    mailserver.clock.advance(seconds=31)
    assert [each.status for each in mailserver.deliveries[0].attempts] == [307] * 4


def test_the_settings_name_other_hosts(mailserver: MailServer, inbox: Inbox, monkeypatch: pytest.MonkeyPatch) -> None:
    names(monkeypatch, {"hooks.example": "0.0.0.0"})  # reaches this machine, and is not loopback
    with WebhookSink() as sink:
        mailserver.add_webhook(f"http://Hooks.example:{sink.url.rsplit(':', 1)[1]}")
        inbox.deliver(subject="one")
        mailserver.settle()
        assert sink.calls == []
        mailserver.configure(webhook_hosts=["hooks.EXAMPLE"])
        inbox.deliver(subject="two")
        assert sink.receive().subject == "two"


def test_a_name_that_does_not_exist_is_retried(
    mailserver: MailServer, inbox: Inbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def resolve(*_: Any, **__: Any) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    mailserver.clock.freeze()
    mailserver.add_webhook("http://nowhere.example/")
    with monkeypatch.context() as patch:
        patch.setattr(socket, "getaddrinfo", resolve)
        inbox.deliver(subject="x")
        mailserver.clock.advance(seconds=31)
    attempts = mailserver.deliveries[0].attempts
    assert [each.error for each in attempts] == ["host_not_found"] * 4
    assert attempts[0].reason == "cannot connect to nowhere.example:80: Name or service not known"


@pytest.mark.parametrize(
    ("allowed", "host", "passes"),
    [
        ((), "127.0.0.1", True),
        ((), "127.8.8.8", True),
        ((), "::1", True),
        ((), "10.0.0.1", False),
        ((), "2130706433", False),
        ((), "1.2.3", False),
        (("10.0.0.1",), "10.0.0.1", True),
        (("10.0.0.1",), "10.0.0.2", False),
        (("[fd00::1]",), "fd00::1", True),
        (("*",), "10.0.0.1", True),
    ],
)
def test_addresses_are_judged_without_resolving(allowed: tuple[str, ...], host: str, *, passes: bool) -> None:
    targets = Targets(CurrentSettings(Settings(webhook_hosts=allowed)))
    if passes:
        targets.check(host)
    else:
        with pytest.raises(TargetNotAllowed, match=host):
            targets.check(host)


def test_of_a_name_s_addresses_only_those_allowed_are_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    def resolve(*_: Any, **__: Any) -> Any:
        kinds = socket.AF_INET, socket.SOCK_STREAM, 6, ""
        return [(*kinds, ("10.0.0.1", 80)), (*kinds, ("127.0.0.1", 80))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    found = asyncio.run(Targets(CurrentSettings(Settings())).resolve("both.example", 80))
    assert [each["host"] for each in found] == ["127.0.0.1"]


@pytest.mark.parametrize("hosts", ["hooks.example", ["http://hooks.example"], [""], 7])
def test_a_wrong_setting_is_named(hosts: Any) -> None:
    with pytest.raises(ValueError, match="webhook_hosts must be"):
        Settings(webhook_hosts=hosts)


@pytest.mark.parametrize("url", ["http://xn--/", "http://127.0.0.1\\@10.0.0.1/", f"http://{'é' * 70}/"])
def test_what_only_looks_like_a_url_fails_once_and_in_words(mailserver: MailServer, inbox: Inbox, url: str) -> None:
    webhook = mailserver.add_webhook(url)
    inbox.deliver(subject="x")
    mailserver.settle()
    [delivery] = webhook.deliveries
    assert (delivery.status, len(delivery.attempts)) == ("failed", 1)
    assert delivery.attempts[0].error in {"invalid_url", "target_not_allowed"}
    mailserver.check()
