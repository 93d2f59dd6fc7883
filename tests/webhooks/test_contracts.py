"""Published schemas, schemas of a test, and golden files."""

from __future__ import annotations

import json
import urllib.request
from pathlib import Path
from typing import Any, get_args
from urllib.error import HTTPError

import jsonschema
import pytest
from pydantic import BaseModel

from sirrchat_testkit import GoldenDiffers, MailServer, WebhookEvent, WebhookInvalid, WebhookSink, webhook_schema

EVENTS = get_args(WebhookEvent)

DOCUMENTED: dict[str, dict[str, Any]] = {
    "email.received": {
        "event": "email.received",
        "timestamp": "2025-01-15T10:30:00Z",
        "data": {"user": "user@example.com", "from": "a@example.org", "subject": "Email Subject", "size": 1024},
    },
    "email.sent": {
        "event": "email.sent",
        "timestamp": "2025-01-15T10:30:00Z",
        "data": {"user": "user@example.com", "to": ["a@example.org"], "subject": "Email Subject"},
    },
    "new_message": {
        "emailId": "c2c4f894-c672-4d5b-a918-abca95aff1f7",
        "messageId": "fd13a8df-1465-4fbc-a612-ca7311c31ff2",
        "fromAddress": "sender@example.com",
        "subject": "測試郵件",
        "content": "郵件純文字內容",
        "html": "<p>郵件HTML內容</p>",
        "receivedAt": "2025-01-21T08:30:45.084Z",
        "toAddress": "test@chat-tempmail.com",
    },
}


class Paid(BaseModel):
    """What an application sends."""

    type: str
    amount: int


@pytest.mark.parametrize("event", EVENTS)
def test_the_documented_bodies_are_as_the_schemas_say(event: WebhookEvent) -> None:
    schema = webhook_schema(event)
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(DOCUMENTED[event], schema)


@pytest.mark.parametrize("event", EVENTS)
def test_what_is_sent_is_as_the_schemas_say(mailserver: MailServer, event: WebhookEvent) -> None:
    jsonschema.validate(mailserver.webhook_call(event).json, webhook_schema(event))


@pytest.mark.parametrize("event", EVENTS)
def test_what_is_sent_has_the_documented_fields(mailserver: MailServer, event: WebhookEvent) -> None:
    def shape(value: Any) -> Any:
        return {name: shape(each) for name, each in value.items()} if isinstance(value, dict) else type(value)

    sent = mailserver.webhook_call(event).json
    assert shape(sent) == shape(DOCUMENTED[event])
    assert list(sent) == list(DOCUMENTED[event])


@pytest.mark.parametrize("event", EVENTS)
def test_schemas_are_served_without_a_key(mailserver: MailServer, event: WebhookEvent) -> None:
    with urllib.request.urlopen(f"{mailserver.api_url}/schemas/webhooks/{event}.json", timeout=20) as answer:
        assert json.loads(answer.read()) == webhook_schema(event)


def test_an_unknown_schema_is_404(mailserver: MailServer) -> None:
    with pytest.raises(HTTPError, match="404") as caught:
        urllib.request.urlopen(f"{mailserver.api_url}/schemas/webhooks/nothing.json", timeout=20)
    caught.value.close()


def received(sink: WebhookSink, body: Any, event: str = "") -> Any:
    request = urllib.request.Request(sink.url, data=json.dumps(body).encode())
    if event:
        request.add_header("X-Webhook-Event", event)
    urllib.request.urlopen(request, timeout=20).close()
    return sink.receive()


def test_an_invalid_body_is_explained_by_path_and_reason(webhook_sink: WebhookSink) -> None:
    body = json.loads(json.dumps(DOCUMENTED["email.received"]))
    body["data"]["size"] = "12"
    body["data"]["more"] = 1
    del body["data"]["user"]
    with pytest.raises(WebhookInvalid) as failure:
        received(webhook_sink, body).validate()
    text = str(failure.value)
    assert text.startswith("The body of email.received does not match its schema:\n")
    assert text.splitlines()[1:] == [
        "  data.user: is required",
        "  data.size: must be an integer, was '12'",
        "  data.more: is not in the schema, was 1",
    ]


def test_a_body_is_checked_against_a_model_of_the_test(webhook_sink: WebhookSink) -> None:
    call = received(webhook_sink, {"type": "paid", "amount": 7})
    call.validate(Paid)
    with pytest.raises(WebhookInvalid, match="amount: must be an integer, was 'much'"):
        received(webhook_sink, {"type": "paid", "amount": "much"}).validate(Paid)


def test_a_body_is_checked_against_a_schema_of_the_test(webhook_sink: WebhookSink) -> None:
    schema = {"type": "object", "properties": {"items": {"type": "array", "items": {"type": "integer"}}}}
    received(webhook_sink, {"items": [1, 2]}).validate(schema)
    with pytest.raises(WebhookInvalid, match=r"items\[1\]: 'x' is not of type 'integer'"):
        received(webhook_sink, {"items": [1, "x"]}).validate(schema)


def test_an_event_without_a_schema_wants_one(webhook_sink: WebhookSink) -> None:
    with pytest.raises(ValueError, match="No schema is published for 'paid'"):
        received(webhook_sink, {"type": "paid"}).validate()
    with pytest.raises(TypeError, match="schema must be a pydantic model"):
        received(webhook_sink, {"type": "paid"}).validate(int)


def test_a_body_that_is_not_json_is_explained(webhook_sink: WebhookSink) -> None:
    urllib.request.urlopen(webhook_sink.url, data=b"{", timeout=20).close()
    call = webhook_sink.receive()
    for schema in (Paid, {"type": "object"}):
        with pytest.raises(WebhookInvalid, match="\n  the body is not JSON: "):
            call.validate(schema)


def test_a_body_is_compared_with_a_golden_file(
    webhook_sink: WebhookSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    golden = tmp_path / "golden" / "new_message.json"
    first = received(webhook_sink, DOCUMENTED["new_message"])
    with pytest.raises(GoldenDiffers, match=r"does not exist. Run the test with SIRRCHAT_TESTKIT_GOLDEN=write"):
        first.assert_golden(golden)
    with monkeypatch.context() as patch:
        patch.setenv("SIRRCHAT_TESTKIT_GOLDEN", "write")
        first.assert_golden(golden)
    volatile = {
        "emailId": "00000000-0000-4000-8000-000000000001",
        "messageId": "00000000-0000-4000-8000-000000000002",
        "receivedAt": "2031-01-21T08:30:45.084Z",
    }
    received(webhook_sink, DOCUMENTED["new_message"] | volatile).assert_golden(golden)
    with pytest.raises(GoldenDiffers, match=r'-  "subject": "測試郵件"(.|\n)*\+  "subject": "other"'):
        received(webhook_sink, DOCUMENTED["new_message"] | {"subject": "other"}).assert_golden(golden)
    same = {"messageId": DOCUMENTED["new_message"]["emailId"]}
    with pytest.raises(GoldenDiffers):  # two ids that were different are the same now
        received(webhook_sink, DOCUMENTED["new_message"] | same).assert_golden(golden)


def test_further_fields_are_normalised_by_name(webhook_sink: WebhookSink) -> None:
    call = received(webhook_sink, DOCUMENTED["email.received"])
    assert call.normalised(user="<me>", size="<n>") == {
        "event": "email.received",
        "timestamp": "<time 1>",
        "data": {"user": "<me>", "from": "a@example.org", "subject": "Email Subject", "size": "<n>"},
    }
