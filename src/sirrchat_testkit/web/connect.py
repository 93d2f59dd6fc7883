"""The page that says how an application connects, and the form that delivers a mail by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, Final

from aiohttp import web
from multidict import MultiMapping

from sirrchat_testkit.domain.models import ApiKey, Envelope
from sirrchat_testkit.errors import InvalidValue, TestkitError
from sirrchat_testkit.formatting import utc
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.handles.names import Names
from sirrchat_testkit.http.pages import PREFIX, lead
from sirrchat_testkit.mail.compose import SENDER, MessageFields, compose, to_bytes
from sirrchat_testkit.mail.samples import KINDS, LANGUAGES, sample
from sirrchat_testkit.net import Ports, netloc, reachable
from sirrchat_testkit.web.layout import Layout
from sirrchat_testkit.web.mailbox import checked_address
from sirrchat_testkit.web.recipes import snippets, target

_PASSWORD: Final = 16
_MESSAGE_ID: Final = 20


class ConnectPages:
    """The views that bring mail in."""

    def __init__(self, control: ServerControl, layout: Layout, ports: Ports) -> None:
        self._services = control.services
        self._layout = layout
        self._ports = ports
        self._names = Names(self._services.settings.value.seed or self._services.ids.token(8))

    async def show(self, request: web.Request, visitor: ApiKey) -> web.Response:
        """Show how an application connects."""
        return await self._show(request, visitor, None)

    async def make_login(self, request: web.Request, visitor: ApiKey) -> web.Response:
        """Make an account with a password and an API key, which only this page shows."""
        services = self._services
        name = str((await request.post()).get("name", "")).strip() or await asyncio.to_thread(self._names.make, "login")
        email, password = f"{name}@{services.settings.value.domains[0]}", services.ids.token(_PASSWORD)
        checked_address(email)
        account = await services.accounts.add(email, password=password)
        key = await services.keys.add(account, "user")
        return await self._show(request, visitor, {"email": account.email, "password": password, "key": key.key})

    async def send_sample(self, request: web.Request, visitor: ApiKey) -> web.StreamResponse:
        """Deliver a sample to the address of the form, or to a new one, and open it."""
        form, services = await request.post(), self._services
        kind, language = str(form.get("kind", KINDS[0])), str(form.get("language", "en"))
        if kind not in KINDS or language not in LANGUAGES:
            raise InvalidValue(f"A sample is one of {', '.join(KINDS)} in one of {', '.join(LANGUAGES)}")
        to = str(form.get("to", "")).strip()
        if not to:
            local = await asyncio.to_thread(self._names.make, "sample")
            whole = f"{local}@{services.settings.value.domains[0]}"
            to = (await services.directory.add_address(visitor.account, whole, expires_in=None)).text
        fields = await asyncio.to_thread(sample, kind, language)
        return lead(f"{PREFIX}/mail/{await self._deliver((checked_address(to),), fields)}")

    async def _show(self, request: web.Request, visitor: ApiKey, made: Mapping[str, str] | None) -> web.Response:
        settings = self._services.settings.value
        to = target(settings, self._ports, (made["email"], made["password"]) if made else None)
        host = settings.advertise or reachable(self._ports.smtp[0])
        data: dict[str, Any] = {
            "smtp": netloc((host, self._ports.smtp[1])),
            "smtps": netloc((host, self._ports.smtps[1])) if self._ports.smtps else "",
            "starttls": settings.starttls and "STARTTLS" not in settings.hide_extensions,
            "auth": "hidden" if "AUTH" in settings.hide_extensions else settings.auth,
            "ca_file": self._ports.ca_file,
            "api": f"{request.scheme}://{request.host}",
            "served": settings.domains,
            "snippets": snippets(to, f"ann@{settings.domains[0]}"),
            "kinds": KINDS,
            "languages": LANGUAGES,
            "made": made,
        }
        return await self._layout.page("connect", request, visitor, at="connect", **data)

    async def show_compose(self, request: web.Request, visitor: ApiKey) -> web.Response:
        """Show the form of a mail."""
        fields = {"to": request.query.get("to", ""), "sender": SENDER}
        return await self._layout.page("compose", request, visitor, at="compose", fields=fields, problem="")

    async def deliver(self, request: web.Request, visitor: ApiKey) -> web.StreamResponse:
        """Deliver the mail of the form, and open it; with a wrong field, show the form again."""
        form = await request.post()
        texts = {name: str(form.get(name, "")) for name in ("to", "sender", "subject", "text", "html")}
        recipients = tuple(filter(None, (each.strip() for each in texts["to"].replace(";", ",").split(","))))
        fields: Any = {name: texts[name] for name in ("sender", "subject", "text")}
        fields |= {"to": list(recipients)} | ({"html": texts["html"]} if texts["html"].strip() else {})
        fields["attachments"] = [*_files(form)]
        try:
            if not recipients:
                raise InvalidValue("A recipient is needed")
            recipients = tuple(map(checked_address, recipients))
            return lead(f"{PREFIX}/mail/{await self._deliver(recipients, fields)}")
        except (TestkitError, ValueError) as error:
            data: dict[str, Any] = {"fields": texts, "problem": str(error)}
            return await self._layout.page("compose", request, visitor, at="compose", status=422, **data)

    async def _deliver(self, recipients: tuple[str, ...], fields: MessageFields) -> str:
        """Store a message made of ``fields`` for each of ``recipients``; return the id of the first copy."""
        services = self._services
        now, unique = utc(services.clock.now()), services.ids.token(_MESSAGE_ID)
        sender, raw = await asyncio.to_thread(lambda: to_bytes(compose(recipients[0], fields, now=now, unique=unique)))
        most = services.settings.value.max_message_size
        if len(raw) > most:
            raise InvalidValue(f"The message has {len(raw)} bytes; the server accepts {most}")
        envelope = Envelope(id="", sender=sender, recipients=recipients)
        return (await services.delivery.deliver(envelope, raw))[0].id


def _files(form: MultiMapping[Any]) -> Iterator[tuple[str, bytes, str]]:
    """Yield name, content and type of each file of a form."""
    for each in form.getall("files", []):
        if isinstance(each, web.FileField):
            with each.file as file:
                content = file.read()
            if each.filename:
                yield each.filename, content, each.content_type
