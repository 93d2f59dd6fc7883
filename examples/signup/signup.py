"""A sign-up service as many applications have one: it mails a link and a six-digit code, and takes either back."""

from __future__ import annotations

import secrets
import smtplib
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.message import EmailMessage

from flask import Flask, jsonify, render_template_string, request, url_for
from flask.typing import ResponseReturnValue

HTML = """\
<h1>Welcome, {{ name }}!</h1>
<p><a href="{{ link }}" style="padding: 12px">Confirm my address</a></p>
<p>Or type this code: <strong>{{ code }}</strong></p>
<p><small><a href="https://shop.example/terms">Terms</a> · <a href="https://shop.example/unsubscribe">Unsubscribe</a>
</small></p>
"""

TEXT = """\
Welcome, {name}!

Confirm your address: {link}

Or type this code: {code}

(c) 2026 Shop, 12345 Example Street
"""


@dataclass
class Account:
    """Somebody who signed up."""

    email: str
    code: str = field(default_factory=lambda: f"{secrets.randbelow(1_000_000):06}")
    confirmed: bool = False


class Mailer:
    """Sends the service's mail."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port

    def send_welcome(self, account: Account, name: str, link: str) -> None:
        """Send the link and the code. Raises ``smtplib.SMTPException``."""
        message = EmailMessage()
        message["From"] = "The Shop <no-reply@shop.example>"
        message["To"] = account.email
        message["Subject"] = f"Welcome, {name}"
        message.set_content(TEXT.format(name=name, link=link, code=account.code))
        message.add_alternative(render_template_string(HTML, name=name, link=link, code=account.code), subtype="html")
        with smtplib.SMTP(self._host, self._port, timeout=10) as smtp:
            smtp.send_message(message)


def create_app(environment: Mapping[str, str]) -> Flask:
    """Return the service; ``SMTP_HOST`` and ``SMTP_PORT`` say where its mail goes."""
    app = Flask(__name__)
    mailer = Mailer(environment["SMTP_HOST"], int(environment["SMTP_PORT"]))
    accounts: dict[str, Account] = {}

    @app.post("/signup")
    def sign_up() -> ResponseReturnValue:
        token, account = secrets.token_urlsafe(), Account(request.form["email"])
        link = url_for("confirm", token=token, _external=True)
        try:
            mailer.send_welcome(account, request.form["name"], link)
        except smtplib.SMTPRecipientsRefused:
            return jsonify(error="this address takes no mail"), 422
        accounts[token] = account
        return jsonify(message="look into your mail"), 202

    @app.get("/confirm/<token>")
    def confirm(token: str) -> ResponseReturnValue:
        account = accounts.get(token)
        if account is None:
            return jsonify(error="no such link"), 404
        account.confirmed = True
        return jsonify(email=account.email, confirmed=True)

    @app.post("/verify")
    def verify() -> ResponseReturnValue:
        for account in accounts.values():
            if account.email == request.form["email"] and secrets.compare_digest(account.code, request.form["code"]):
                account.confirmed = True
                return jsonify(email=account.email, confirmed=True)
        return jsonify(error="wrong code"), 403

    return app
