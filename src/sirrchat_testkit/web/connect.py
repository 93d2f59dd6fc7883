"""The page that says how an application connects, and the form that delivers a mail by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, Final

from aiohttp import web
from multidict import MultiMapping

from sirrchat_testkit.domain.models import ApiKey, Envelope
from sirrchat_testkit.errors import InvalidValue, TestkitError
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.handles.environment import PRESETS, Connection, connection
from sirrchat_testkit.handles.names import Names
from sirrchat_testkit.http.pages import PREFIX, lead
from sirrchat_testkit.mail import addresses as addressing
from sirrchat_testkit.mail.compose import SENDER, MessageFields, compose, to_bytes
from sirrchat_testkit.net import Ports, netloc, reachable
from sirrchat_testkit.web.layout import Layout
from sirrchat_testkit.web.render import local_time

_TITLES: Final[Mapping[str, str]] = {
    "django": "Django",
    "fastapi-mail": "FastAPI (fastapi-mail)",
    "flask": "Flask",
    "laravel": "Laravel",
    "nodemailer": "Node.js (Nodemailer)",
    "rails": "Rails",
    "spring": "Spring Boot",
    "symfony": "Symfony",
}
"""The names of the presets for people."""

_PASSWORD: Final = 16
_MESSAGE_ID: Final = 20
_SAMPLE: Final = {
    "sender": "Riverbank Books <hello@riverbank.example>",
    "subject": "Confirm your address",
    "text": "Hello,\n\nyour code is 418203. Or follow this link:\n\nhttps://riverbank.example/confirm?t=9Qm2xV7c\n",
    "html": '<h1>Hello</h1><p>Your code is <b>418203</b>. Or follow this link:</p><p><a href="https://riverbank.example/'
    'confirm?t=9Qm2xV7c">Confirm my address</a></p><p><a href="https://riverbank.example/unsubscribe">Unsubscribe</a></p>',
}


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
        if not addressing.is_mailbox(email):
            raise InvalidValue(f"{email!r} is not an address: the name has a character that addresses cannot have")
        account = await services.accounts.add(email, password=password)
        key = await services.keys.add(account, "user")
        return await self._show(request, visitor, {"email": account.email, "password": password, "key": key.key})

    async def send_sample(self, _request: web.Request, visitor: ApiKey) -> web.StreamResponse:
        """Deliver a sample to a new address, and open it."""
        services = self._services
        local = await asyncio.to_thread(self._names.make, "sample")
        address = await services.directory.add_address(
            visitor.account, f"{local}@{services.settings.value.domains[0]}", expires_in=None
        )
        fields: Any = dict(_SAMPLE)
        return lead(f"{PREFIX}/mail/{await self._deliver((address.text,), fields)}")

    async def _show(self, request: web.Request, visitor: ApiKey, made: Mapping[str, str] | None) -> web.Response:
        settings = self._services.settings.value
        host = settings.advertise or reachable(self._ports.smtp[0])
        login = (
            (made["email"], made["password"])
            if made
            else ("USER", "PASSWORD")
            if settings.auth == "required"
            else ("", "")
        )
        to = connection(settings, self._ports, host, login)
        snippets = [(each, _TITLES.get(each, each), _lines(make(to))) for each, make in PRESETS.items()]
        snippets += [
            ("go", "Go", _go(to, settings.domains[0])),
            ("curl", "curl", _curl(to, settings.domains[0])),
            ("swaks", "swaks", _swaks(to, settings.domains[0])),
        ]
        data: dict[str, Any] = {
            "smtp": netloc((host, self._ports.smtp[1])),
            "smtps": netloc((host, self._ports.smtps[1])) if self._ports.smtps else "",
            "starttls": settings.starttls and "STARTTLS" not in settings.hide_extensions,
            "auth": "hidden" if "AUTH" in settings.hide_extensions else settings.auth,
            "ca_file": self._ports.ca_file,
            "api": f"{request.scheme}://{request.host}",
            "served": settings.domains,
            "snippets": snippets,
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
            wrong = next((each for each in recipients if not addressing.is_mailbox(each)), None)
            if wrong is not None or not recipients:
                raise InvalidValue(f"{wrong!r} is not an address" if wrong else "A recipient is needed")
            return lead(f"{PREFIX}/mail/{await self._deliver(recipients, fields)}")
        except (TestkitError, ValueError) as error:
            data: dict[str, Any] = {"fields": texts, "problem": str(error)}
            return await self._layout.page("compose", request, visitor, at="compose", status=422, **data)

    async def _deliver(self, recipients: tuple[str, ...], fields: MessageFields) -> str:
        """Store a message made of ``fields`` for each of ``recipients``; return the id of the first copy."""
        services = self._services
        now, unique = local_time(services.clock.now()), services.ids.token(_MESSAGE_ID)
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


def _lines(variables: Mapping[str, str]) -> str:
    return "\n".join(f"{name}={value}" for name, value in variables.items())


def _go(to: Connection, domain: str) -> str:
    login = f'smtp.PlainAuth("", "{to.username}", "{to.password}", "{to.host}")' if to.username else "nil"
    return (
        f'err := smtp.SendMail("{netloc((to.host, to.port))}", {login},\n'
        f'\t"you@example.org", []string{{"ann@{domain}"}},\n'
        '\t[]byte("Subject: Hello\\r\\n\\r\\nIt works.\\r\\n"))'
    )


def _curl(to: Connection, domain: str) -> str:
    parts = [f"curl -sS {'smtps' if to.implicit else 'smtp'}://{netloc((to.host, to.port))}"]
    parts += ["--ssl-reqd"] * to.starttls + ([f"--cacert {to.ca_file}"] if to.tls and to.ca_file else [])
    parts += [f"--user '{to.username}:{to.password}'"] if to.username else []
    parts += [f"--mail-from you@example.org --mail-rcpt ann@{domain} -T -"]
    return "printf 'Subject: Hello\\r\\n\\r\\nIt works.\\r\\n' |\n  " + " \\\n  ".join(parts)


def _swaks(to: Connection, domain: str) -> str:
    parts = [f"swaks --server {netloc((to.host, to.port))} --to ann@{domain} --from you@example.org"]
    parts += ["--tls"] * to.starttls + ["--tls-on-connect"] * to.implicit
    parts += [f"--auth-user '{to.username}' --auth-password '{to.password}'"] if to.username else []
    return " \\\n  ".join(parts)
