"""The disposable-address API, below ``/api``.

1. A view reads the request, calls the domain, and makes the answer. It decides and catches nothing.
2. A key sees only the addresses of its own account, even an admin key.
3. Answers are plain dictionaries; ``schemas.tempmail`` has their models.
"""

from __future__ import annotations

from typing import Any

from aiohttp import web

from sirrchat_testkit.domain.models import Address, Message
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.formatting import iso_milliseconds
from sirrchat_testkit.http.cache import Text, Texts
from sirrchat_testkit.http.middleware import api_key
from sirrchat_testkit.http.operations import ANY_KEY, Answer, Api, Operation
from sirrchat_testkit.http.pagination import CURSOR, FETCHED, cursor_position, split_page
from sirrchat_testkit.http.style import (
    ApiStyle,
    answer,
    answer_large,
    checked,
    flat,
    raw_fields,
    read_object,
    x_api_key,
)
from sirrchat_testkit.schemas import tempmail as schemas

TEMPMAIL = ApiStyle(key=x_api_key, problem=flat)

_EMAIL = "/emails/{email:(?!generate$)[^{}/]+}"
"""One address. ``generate`` is not an id, so another method than POST is 405 there."""

_DONE = {"success": True}


def tempmail(services: Services) -> Api:
    """Return the API with its table."""
    views = _Views(services)
    operations = (
        Operation("GET", "/email/domains", views.get_email_domains, ANY_KEY, [Answer(schemas.Domains)]),
        Operation(
            "POST",
            "/emails/generate",
            views.generate_email,
            ANY_KEY,
            [Answer(schemas.Generated)],
            schemas.GenerateRequest,
            refusals=(403, 409),
        ),
        Operation("GET", "/emails", views.list_emails, ANY_KEY, [Answer(schemas.EmailPage)], query=(CURSOR,)),
        Operation("GET", _EMAIL, views.list_email_messages, ANY_KEY, [Answer(schemas.MessagePage)], query=(CURSOR,)),
        Operation("DELETE", _EMAIL, views.delete_email, ANY_KEY, [Answer(schemas.Done)]),
        Operation("GET", _EMAIL + "/{message}", views.get_email_message, ANY_KEY, [Answer(schemas.OneMessage)]),
        Operation("DELETE", _EMAIL + "/{message}", views.delete_email_message, ANY_KEY, [Answer(schemas.Done)]),
        Operation("GET", "/webhook", views.get_push_webhook, ANY_KEY, [Answer(schemas.Webhook)]),
        Operation("POST", "/webhook", views.set_push_webhook, ANY_KEY, [Answer(schemas.Done)], schemas.WebhookRequest),
        Operation("GET", "/config", views.get_config, ANY_KEY, [Answer(schemas.Config)]),
    )
    return Api(
        "Disposable addresses",
        "Addresses that expire, and their messages.",
        "/api",
        TEMPMAIL,
        schemas.Problem,
        operations,
        security=("api_key",),
        schema_prefix="TempMail",
    )


class _Views:
    """The routes of the API."""

    def __init__(self, services: Services) -> None:
        self._settings = services.settings
        self._directory = services.directory
        self._domains = services.domains
        self._webhooks = services.webhooks
        self._delivery = services.delivery
        self._texts = Texts(services.delivery.raw)

    async def get_email_domains(self, _request: web.Request) -> web.Response:
        """Return the domains at which addresses can be made."""
        served = await self._domains.all()
        return answer({"domains": [each.name for each in served]})

    async def generate_email(self, request: web.Request) -> web.Response:
        """Make an address that can receive mail until it expires."""
        body = raw_fields(schemas.GenerateRequest, await read_object(request))
        account = api_key().account
        made = await self._directory.generate(account, body["name"], body["expiryTime"], body["domain"])
        return answer({"id": made.id, "email": made.text})

    async def list_emails(self, request: web.Request) -> web.Response:
        """List the account's addresses that have not expired, newest first."""
        account = api_key().account
        found = await self._directory.addresses(account, before=cursor_position(request), limit=FETCHED)
        page, next_cursor = split_page(found)
        total = await self._directory.count_active(account)
        return answer({"emails": [_address_json(each) for each in page], "nextCursor": next_cursor, "total": total})

    async def delete_email(self, request: web.Request) -> web.Response:
        """Delete an address with its messages."""
        await self._delivery.delete_address(await self._address(request))
        return answer(_DONE)

    async def list_email_messages(self, request: web.Request) -> web.Response:
        """List the messages of an address, newest first."""
        address = await self._address(request)
        found = await self._delivery.page(address, before=cursor_position(request), limit=FETCHED)
        page, next_cursor = split_page(found.messages)
        read = await self._texts.of_all(page)
        shown = [_message_json(message, text) for message, text in read]
        size = sum(text.size for _, text in read)
        return await answer_large({"messages": shown, "nextCursor": next_cursor, "total": found.total}, size)

    async def get_email_message(self, request: web.Request) -> web.Response:
        """Return a message with the names of its attachments."""
        message = await self._message(request)
        text = await self._texts.of(message)
        return await answer_large({"message": _message_json(message, text) | {"attachments": text.files}}, text.size)

    async def delete_email_message(self, request: web.Request) -> web.Response:
        """Delete a message."""
        await self._delivery.delete([await self._message(request)])
        return answer(_DONE)

    async def get_push_webhook(self, _request: web.Request) -> web.Response:
        """Return the URL that is called for new mail."""
        webhook = await self._webhooks.push_of(api_key().account)
        return answer({"url": webhook.url if webhook else "", "enabled": webhook is not None and webhook.enabled})

    async def set_push_webhook(self, request: web.Request) -> web.Response:
        """Set the URL that is called for new mail; an empty one that is not enabled unsets it."""
        sent = await read_object(request)
        if sent.get("url") == "" and sent.get("enabled") is False:
            await self._webhooks.unset_push(api_key().account)
            return answer(_DONE)
        body = checked(schemas.WebhookRequest, sent)
        await self._webhooks.set_push(api_key().account, body.url, enabled=body.enabled)
        return answer(_DONE)

    async def get_config(self, _request: web.Request) -> web.Response:
        """Return the configuration, as existing clients read it."""
        return answer(
            {
                "emailDomains": ",".join(each.name for each in await self._domains.all()),
                "maxEmails": str(self._settings.value.max_addresses),
                "defaultRole": "user",
                "adminContact": "",
            }
        )

    async def _address(self, request: web.Request) -> Address:
        return await self._directory.address(api_key().account, request.match_info["email"])

    async def _message(self, request: web.Request) -> Message:
        return await self._delivery.message(await self._address(request), request.match_info["message"])


def _address_json(address: Address) -> dict[str, Any]:
    return {
        "id": address.id,
        "address": address.text,
        "userId": address.account,
        "createdAt": iso_milliseconds(address.created_at),
        "expiresAt": iso_milliseconds(address.expires_at) if address.expires_at else schemas.PERMANENT,
    }


def _message_json(message: Message, text: Text) -> dict[str, Any]:
    return {
        "id": message.id,
        "from_address": message.mail_from,
        "to_address": message.recipient,
        "subject": message.subject,
        "received_at": message.received_at,
        "content": text.content,
        "html": text.html,
    }
