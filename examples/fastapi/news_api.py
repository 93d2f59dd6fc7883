"""A newsletter as a FastAPI application: it sends its mail by aiosmtplib, after the response."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from email.message import EmailMessage

import aiosmtplib
from fastapi import BackgroundTasks, FastAPI, HTTPException
from pydantic import BaseModel


class Subscription(BaseModel):
    """A request to subscribe."""

    email: str


def create_app(environment: Mapping[str, str]) -> FastAPI:
    """Return the application; ``SMTP_HOST`` and ``SMTP_PORT`` are the server that it sends to."""
    app = FastAPI()
    pending: dict[str, str] = {}
    subscribers: list[str] = []

    async def send(to: str, subject: str, text: str) -> None:
        message = EmailMessage()
        message["From"], message["To"], message["Subject"] = "news@shop.example", to, subject
        message.set_content(text)
        await aiosmtplib.send(message, hostname=environment["SMTP_HOST"], port=int(environment["SMTP_PORT"]))

    @app.post("/subscriptions", status_code=202)
    async def subscribe(subscription: Subscription, background: BackgroundTasks) -> None:
        token = secrets.token_urlsafe()
        pending[token] = subscription.email
        text = f"Please confirm: http://news.example/confirm/{token}"
        background.add_task(send, subscription.email, "Please confirm", text)

    @app.post("/confirm/{token}")
    async def confirm(token: str) -> dict[str, str]:
        if token not in pending:
            raise HTTPException(404)
        subscribers.append(pending.pop(token))
        return {"email": subscribers[-1]}

    @app.post("/issues", status_code=202)
    async def publish(background: BackgroundTasks) -> None:
        for each in subscribers:
            background.add_task(send, each, "June news", "It is June.")

    return app
