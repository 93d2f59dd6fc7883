"""Signatures, compared with the scheme's own library."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from sirrchat_testkit import Inbox, MailServer, WebhookNotVerified, WebhookSink, verify_webhook
from sirrchat_testkit.errors import InvalidValue
from sirrchat_testkit.signing import sign

NOW = 1_745_224_245
SECRET = "whsec_" + base64.b64encode(b"twenty-four bytes of key").decode()
BODY = '{"event":"email.received","data":{"subject":"Grüße"}}'.encode()


def signed(secret: str = SECRET, *, at: int = NOW, body: bytes = BODY, **changes: str) -> dict[str, str]:
    headers = {"Webhook-Id": "d1", "Webhook-Timestamp": str(at), "Webhook-Signature": sign(secret, "d1", at, body)}
    return headers | changes


@given(key=st.binary(min_size=1, max_size=64), body=st.text(max_size=200).filter(str.isprintable), name=st.uuids())
def test_the_library_makes_what_we_make(key: bytes, body: str, name: object) -> None:
    secret = "whsec_" + base64.b64encode(key).decode()
    moment = datetime.fromtimestamp(NOW, UTC)
    assert sign(secret, str(name), NOW, body.encode()) == Webhook(secret).sign(str(name), moment, body)


def test_the_library_accepts_our_signature() -> None:
    at = int(datetime.now(UTC).timestamp())
    headers = {name.lower(): value for name, value in signed(at=at).items()}
    assert Webhook(SECRET).verify(BODY.decode(), headers)


def test_verify_accepts_the_library_s_signature() -> None:
    signature = Webhook(SECRET).sign("d1", datetime.fromtimestamp(NOW, UTC), BODY.decode())
    headers = {"webhook-id": "d1", "webhook-timestamp": str(NOW), "webhook-signature": signature}
    assert verify_webhook(headers, BODY, SECRET, now=NOW) == "d1"


def test_a_plain_secret_is_its_bytes() -> None:
    assert sign("grün", "d1", NOW, BODY) == sign("whsec_" + base64.b64encode("grün".encode()).decode(), "d1", NOW, BODY)
    assert verify_webhook(signed("grün"), BODY.decode(), "grün", now=NOW) == "d1"


def test_one_of_several_signatures_is_enough() -> None:
    headers = signed()
    headers["Webhook-Signature"] = f"v1a,old v1,{'A' * 43}= {headers['Webhook-Signature']}"
    assert verify_webhook(headers, BODY, SECRET, now=NOW) == "d1"


@pytest.mark.parametrize("at", [NOW - 300, NOW, NOW + 300])
def test_a_timestamp_within_the_tolerance_is_taken(at: int) -> None:
    assert verify_webhook(signed(at=at), BODY, SECRET, now=NOW)


def test_without_a_time_it_is_the_system_s() -> None:
    with pytest.raises(WebhookNotVerified, match=r"s old; the tolerance is 300 s"):
        verify_webhook(signed(), BODY, SECRET)
    assert verify_webhook(signed(at=int(datetime.now(UTC).timestamp())), BODY, SECRET)


@pytest.mark.parametrize(
    ("headers", "body", "secret", "reason"),
    [
        ({}, BODY, SECRET, "header webhook-id is missing"),
        (signed() | {"Webhook-Signature": " "}, BODY, SECRET, "header webhook-signature is missing"),
        (signed() | {"Webhook-Timestamp": "soon"}, BODY, SECRET, "must be seconds since the epoch, not 'soon'"),
        (signed() | {"Webhook-Timestamp": "9" * 5000}, BODY, SECRET, "must be seconds since the epoch"),
        (signed(at=NOW - 301), BODY, SECRET, "webhook-timestamp is 301 s old; the tolerance is 300 s"),
        (signed(at=NOW + 400), BODY, SECRET, "webhook-timestamp is 400 s ahead; the tolerance is 300 s"),
        (signed(), BODY + b" ", SECRET, "the secret, the id or the timestamp differs"),
        (signed(), BODY, "whsec_AAAA", "the secret, the id or the timestamp differs"),
        (signed() | {"Webhook-Id": "d2"}, BODY, SECRET, "the secret, the id or the timestamp differs"),
        (
            signed() | {"Webhook-Signature": "sha256=abc"},
            BODY,
            SECRET,
            "webhook-signature is wrong: no signature begins with 'v1,': sha256=abc",
        ),
        (signed() | {"Webhook-Signature": "v1,ä"}, BODY, SECRET, "webhook-signature is wrong"),
    ],
)
def test_what_is_wrong_is_named(headers: dict[str, str], body: bytes, secret: str, reason: str) -> None:
    with pytest.raises(WebhookNotVerified, match=re.escape(reason)):
        verify_webhook(headers, body, secret, now=NOW)


def test_a_malformed_secret_is_the_caller_s_mistake() -> None:
    with pytest.raises(InvalidValue, match="base64") as caught:
        verify_webhook(signed(), BODY, "whsec_***", now=NOW)
    assert not isinstance(caught.value, WebhookNotVerified)


@given(value=st.text(max_size=30), where=st.sampled_from(["Webhook-Id", "Webhook-Timestamp", "Webhook-Signature"]))
def test_no_header_makes_it_fail_otherwise(value: str, where: str) -> None:
    headers: dict[str, Any] = signed() | {where: value}
    if headers == signed():
        return
    with pytest.raises(WebhookNotVerified):
        verify_webhook(headers, BODY, SECRET, now=NOW)


def test_headers_of_svix_and_secrets_without_padding_are_accepted() -> None:
    key = b"twenty-two bytes of key"
    secret = "whsec_" + base64.b64encode(key).decode()
    assert secret.endswith("=")
    for form in (secret, secret.rstrip("=")):
        signature = sign(form, "d1", NOW, BODY)
        headers = {"Svix-Id": "d1", "svix-timestamp": str(NOW), "svix-signature": signature}
        assert verify_webhook(headers, BODY, secret, now=NOW) == "d1"
        assert verify_webhook(signed(secret=form), BODY, secret, now=NOW) == "d1"


def test_a_call_is_accepted_by_the_reference_library_after_time_has_moved(
    mailserver: MailServer, webhook_sink: WebhookSink, inbox: Inbox
) -> None:
    secret = "whsec_" + base64.b64encode(b"twenty-four bytes of key").decode()
    mailserver.add_webhook(webhook_sink.url, secret=secret)
    mailserver.clock.advance(days=30)
    inbox.deliver(subject="x")
    call = webhook_sink.receive()
    assert call.verified
    assert Webhook(secret).verify(call.body, dict(call.headers))


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (
            ("whsec_x", {}, b"{}"),
            r"headers must be a mapping, not str; the order is verify_webhook\(",
        ),
        (({}, {"event": "email.received"}, "whsec_x"), "body must be the raw bytes of the request, not dict"),
    ],
)
def test_arguments_in_another_order_or_form_are_refused(arguments: tuple[Any, ...], text: str) -> None:
    with pytest.raises(TypeError, match=text):
        verify_webhook(*arguments)
