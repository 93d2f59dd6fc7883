"""What is said to somebody who gives a verb what it does not take."""

from __future__ import annotations

import asyncio
import inspect
import re
import smtplib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from sirrchat_testkit import Inbox, MailServer, MakeInboxes, WebhookSink
from sirrchat_testkit.errors import InvalidValue, NoSuchAddress
from tests.support import call_api, connect, send

INFINITE = float("inf")
SERVED = "example.com, example.org, example.net"
SECONDS = "must be a number of seconds, 0 or more"


def sorry(kind: str, name: str, meant: str) -> str:
    return f"'{kind}' has no attribute '{name}'; did you mean '{meant}'?"


@pytest.mark.parametrize(
    ("call", "kind", "text"),
    [
        (
            lambda server: server.make_inbox(domain="nowhere.example"),
            InvalidValue,
            f"nowhere.example is not a served domain ({SERVED}); add it with mailserver.add_domain('nowhere.example')",
        ),
        (
            lambda server: server.make_inbox(expires_in=3600),
            TypeError,
            "expires_in must be a timedelta such as timedelta(hours=1), not 3600",
        ),
        (
            lambda server: server.receive(timeout=-1),
            ValueError,
            "timeout must be a number of seconds, 0 or more, not -1",
        ),
        (
            lambda server: server.receive_all(2, timeout="1"),
            ValueError,
            "timeout must be a number of seconds, 0 or more, not '1'",
        ),
        (
            lambda server: server.assert_nothing(within=-1),
            ValueError,
            "within must be a number of seconds, 0 or more, not -1",
        ),
        (
            lambda server: server.clock.advance(3600),
            TypeError,
            "the time to advance must be a timedelta, or units such as seconds=3600, not 3600",
        ),
        (
            lambda server: server.clock.advance(seconds=INFINITE),
            ValueError,
            "the time to advance must be in units such as seconds=3600, hours=1 or days=2, not seconds=inf",
        ),
        (
            lambda server: server.clock.advance(hour=1),
            TypeError,
            (
                "the time to advance must be in units such as seconds=3600, hours=1 or days=2, not hour=1; "
                "did you mean 'hours'?"
            ),
        ),
        (lambda server: server.make_inbox(5), TypeError, "prefix must be a string, not 5"),
        (
            lambda server: server.make_inbox("ann@example.com"),
            ValueError,
            "prefix begins the local part of an address; for a whole one use address='ann@example.com'",
        ),
        (lambda server: server.make_inbox(domain=5), TypeError, "domain must be a string, not 5"),
        (lambda server: server.inbox_for(5), TypeError, "address must be a string, not 5"),
        (
            lambda server: server.make_inbox(expires_in=timedelta(hours=-1)),
            ValueError,
            "expires_in must be a timedelta above 0, not datetime.timedelta(days=-1, seconds=82800)",
        ),
        (
            lambda server: server.clock.move_to("tomorrow"),
            TypeError,
            "the time for move_to must be a datetime such as datetime(2030, 1, 31, 12, 0), not 'tomorrow'",
        ),
        (
            lambda server: server.clock.freeze("now"),
            TypeError,
            "the time for freeze must be a datetime such as datetime(2030, 1, 31, 12, 0), not 'now'",
        ),
        (lambda server: server.clock.sleep(3), AttributeError, sorry("Clock", "sleep", "advance")),
        (lambda server: server.http_url, AttributeError, sorry("MailServer", "http_url", "api_url")),
        (lambda server: server.chaos, AttributeError, sorry("MailServer", "chaos", "faults")),
        (lambda server: server.domains, AttributeError, sorry("MailServer", "domains", "settings.domains")),
        (
            lambda server: server.configure(starttls=True),
            ValueError,
            (
                "starttls cannot be changed while the server runs: start it with MailServer(starttls=True),"
                " or return Settings(starttls=True) from the fixture mailserver_settings"
            ),
        ),
        (lambda server: server.rate_limit(-1), ValueError, "requests must be a whole number of at least 0, not -1"),
        (
            lambda server: server.add_account("ann"),
            InvalidValue,
            (
                "address must be an e-mail address at one of example.com, example.org, example.net, not 'ann':"
                " it has no domain"
            ),
        ),
        (
            lambda server: server.add_account("ann@corp.com"),
            InvalidValue,
            f"corp.com is not a served domain ({SERVED}); add it with mailserver.add_domain('corp.com')",
        ),
        (
            lambda server: server.add_webhook("localhost:80"),
            InvalidValue,
            "url must be a URL such as http://127.0.0.1:8000/hook, not 'localhost:80'",
        ),
        (
            lambda server: server.add_webhook("http://127.0.0.1/").update(url=7),
            InvalidValue,
            "url must be a URL such as http://127.0.0.1:8000/hook, not 7",
        ),
        (
            lambda server: server.settle(timeout=1),
            TypeError,
            "MailServer.settle() got an unexpected keyword argument 'timeout'",
        ),
    ],
)
def test_it_says_what_to_give_instead(
    mailserver: MailServer, call: Callable[[Any], object], kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind) as caught:
        call(mailserver)
    assert (type(caught.value), str(caught.value)) == (kind, text)


@pytest.mark.parametrize(
    ("verb", "given", "text"),
    [
        ("receive", ["x"], "receive takes conditions only by name, such as {condition}='x'"),
        ("receive", [5], "receive takes seconds only by name, such as timeout=5"),
        ("receive_all", [2, "x"], "receive_all takes conditions only by name, such as {condition}='x'"),
        ("receive_all", ["x"], "count must be a whole number of at least 0, not 'x'"),
        ("assert_nothing", ["x"], "assert_nothing takes conditions only by name, such as {condition}='x'"),
        ("assert_nothing", [0.5], "assert_nothing takes seconds only by name, such as within=0.5"),
    ],
)
def test_what_a_wait_is_given_has_a_name(
    mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink, verb: str, given: list[object], text: str
) -> None:
    for waiting, condition in ((inbox, "subject"), (mailserver, "subject"), (webhook_sink, "event")):
        said = text.format(condition=condition)
        with pytest.raises((TypeError, ValueError), match=f"^{re.escape(said)}$"):
            getattr(waiting, verb)(*given)
        with pytest.raises((TypeError, ValueError), match=f"^a?{re.escape(said)}$"):
            asyncio.run(getattr(waiting, f"a{verb}")(*given))


def test_what_the_server_lists_answers_a_misspelt_attribute_with_the_right_one() -> None:
    with MailServer() as server:
        inbox = server.make_inbox()
        send(server, inbox)
        with pytest.raises(smtplib.SMTPRecipientsRefused):
            send(server, "nobody@example.com")

        for of, name, meant in (
            (server.envelopes[0], "recipient", "recipients"),
            (inbox.receive().envelope, "mail_from", "sender"),
            (server.sessions[0], "dialogue", "transcript"),
            (server.refusals[0], "address", "recipient"),
            (server.refusals[0], "reasn", "reason"),
        ):
            with pytest.raises(AttributeError, match=re.escape(sorry(type(of).__name__, name, meant))):
                getattr(of, name)


@pytest.mark.parametrize(
    ("verb", "name"), [("receive", "timeout"), ("receive_all", "timeout"), ("assert_nothing", "within")]
)
def test_a_sink_does_not_wait_less_than_nothing(webhook_sink: WebhookSink, verb: str, name: str) -> None:
    given = {"count": 1} if verb == "receive_all" else {}
    with pytest.raises(ValueError, match=f"^{name} {SECONDS}, not -1$"):
        getattr(webhook_sink, verb)(**given, **{name: -1})


REQUIRED: dict[str, Any] = {"stage": "rcpt", "seconds": 1, "per_minute": 1, "bytes": 1}


def done(result: Any) -> Any:
    return asyncio.run(result) if inspect.iscoroutine(result) else result


def parameters(verb: Callable[..., Any]) -> dict[str, inspect.Parameter]:
    return {name: each for name, each in inspect.signature(verb).parameters.items() if not name.startswith("_")}


@pytest.mark.parametrize("handle", ["server", "sink", "faults", "webhook_faults", "rest_faults"])
def test_a_misspelt_argument_of_any_verb_is_answered_with_the_right_one(
    mailserver: MailServer, webhook_sink: WebhookSink, handle: str
) -> None:
    handles: dict[str, Any] = {
        "server": mailserver,
        "sink": webhook_sink,
        "faults": mailserver.faults,
        "webhook_faults": mailserver.webhook_faults,
        "rest_faults": mailserver.rest_faults,
    }
    kind = type(handles[handle])
    names = [name for name, verb in inspect.getmembers(kind, inspect.isfunction) if "match" in parameters(verb)]
    assert len(names) >= 5
    for verb in (getattr(handles[handle], name) for name in names if name[0] != "_"):
        taken = [name for name in parameters(verb) if name != "match"]
        required = [name for name in taken if parameters(verb)[name].default is inspect.Parameter.empty]
        for name in set(taken).difference(required):  # Python names a required one: it is missing
            given = {each: REQUIRED[each] for each in required}
            misspelt = f"{name[:-2]}{name[-1]}" if name != "times" else "time"
            with pytest.raises(TypeError, match=f"^unknown argument '{misspelt}'; did you mean '{name}'\\?$"):
                done(verb(**given, **{misspelt: 1}))
    assert [*mailserver.faults, *mailserver.webhook_faults, *mailserver.rest_faults] == []


@pytest.mark.parametrize(
    ("call", "text"),
    [
        (lambda server: server.receive(within=1), "unknown argument 'within'; did you mean 'timeout'?"),
        (lambda server: server.receive(seconds=1), "unknown argument 'seconds'; did you mean 'timeout'?"),
        (lambda server: server.assert_nothing(timeout=1), "unknown argument 'timeout'; did you mean 'within'?"),
        (lambda server: server.faults.reject(stage="rcpt", count=1), "unknown argument 'count'; did you mean 'times'?"),
        (lambda server: server.faults.reject(stage="end", status=5), "unknown argument 'status'; did you mean 'code'?"),
        (lambda server: server.faults.lose(subjct="x"), "unknown condition 'subjct'; did you mean 'subject'?"),
        (lambda server: server.faults.lose(body="x"), "unknown condition 'body'; did you mean 'text'?"),
        (
            lambda server: server.webhook_faults.duplicate(to="x"),
            "unknown condition 'to'; the conditions are event, attempt, url, subject, sender, recipient, text, json",
        ),
    ],
)
def test_another_word_for_an_argument_is_answered_with_the_right_one(
    mailserver: MailServer, call: Callable[[MailServer], Any], text: str
) -> None:
    with pytest.raises(TypeError, match=f"^{re.escape(text)}$"):
        call(mailserver)


@pytest.mark.parametrize("count", [0, -1, "3"])
def test_inboxes_are_made_by_a_number(make_inboxes: MakeInboxes, count: Any) -> None:
    with pytest.raises(ValueError, match=re.escape(f"count must be a whole number of at least 1, not {count!r}")):
        make_inboxes(count)


def test_a_sink_refuses_with_a_refusal(webhook_sink: WebhookSink) -> None:
    with pytest.raises(ValueError, match="status must be a whole number from 300 to 599, not 200"):
        webhook_sink.refuse(200)


def test_a_sink_will_do_for_its_url(mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink) -> None:
    mailserver.add_webhook(webhook_sink)
    inbox.deliver(subject="x")
    assert webhook_sink.receive(recipient=inbox).subject == "x"


def test_an_inbox_will_do_for_its_address(mailserver: MailServer, inbox: Inbox) -> None:
    mailserver.faults.reject(stage="rcpt", recipient=inbox)
    with connect(mailserver) as client:
        client.ehlo("there")
        client.mail("a@b.c")
        assert client.rcpt(inbox.address)[0] == 550


def test_a_server_is_told_its_domains_by_name() -> None:
    with pytest.raises(ValueError, match=r"not 'shop.example'; single settings are given by name, such as MailServer"):
        MailServer("shop.example")  # type: ignore[arg-type]


def test_of_one_it_is_said_in_the_singular(mailserver: MailServer, inbox: Inbox, webhook_sink: WebhookSink) -> None:
    throttle = mailserver.faults.throttle(1)
    assert str(throttle) == "throttling above 1 message a minute at MAIL"
    throttle.fired = 1
    assert throttle.count() == "fired 1 time"
    assert mailserver.faults.reject(stage="rcpt", times=1).count() == "never fired"
    mailserver.faults.clear()
    mailserver.add_webhook(webhook_sink.url)
    inbox.deliver(subject="x")
    webhook_sink.receive()
    assert repr(mailserver.deliveries[0]).endswith(" delivered, 1 attempt>")
    mailserver.rate_limit(1)
    first, second = (call_api(mailserver, "GET", "/api/emails", key=inbox.api_key) for _ in range(2))
    assert (first.status, second.status) == (200, 429)
    assert "rate limit exceeded: 1 request an hour" in second.json["error"]


def test_times_beyond_the_year_9999_are_shown_as_its_end(mailserver: MailServer) -> None:
    last = datetime(9999, 12, 31, 23, 59, 59, 999_000, UTC)
    assert mailserver.make_inbox(expires_in=timedelta(days=10_000_000)).expires_at == last
    mailserver.clock.move_to(last)
    mailserver.clock.advance(days=400)
    assert mailserver.clock.now() == last
    inbox = mailserver.make_inbox(expires_in=timedelta(hours=1))
    message = inbox.deliver(subject="Late")
    assert (message.received_at, message.date) == (last, last.replace(microsecond=0))
    mailserver.clock.advance(hours=2)
    with pytest.raises(NoSuchAddress):
        inbox.deliver(subject="Too late")
