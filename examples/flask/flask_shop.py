"""A shop with a sign-up form; Flask-Mail sends the link that confirms the address."""

from __future__ import annotations

import secrets
from typing import Any

from flask import Flask, render_template_string, request, url_for
from flask_mail import Mail, Message

FORM = """\
<title>The Shop</title>
<form method="post"><label>E-mail <input name="email" type="email"></label><button>Sign up</button></form>
"""
MAIL = """\
<h1>Welcome</h1><p><a href="{{ link }}">Confirm my address</a></p>
<p><a href="https://shop.example/terms">Terms</a></p>
"""

mail = Mail()


def create_app(**config: Any) -> Flask:
    """Return the shop, configured for ``mail.shop.example`` unless ``config`` says otherwise."""
    app = Flask(__name__)
    app.config.update(MAIL_SERVER="mail.shop.example", MAIL_DEFAULT_SENDER="no-reply@shop.example", **config)
    mail.init_app(app)
    unconfirmed: dict[str, str] = {}

    @app.get("/sign-up")
    def form() -> str:
        return FORM

    @app.post("/sign-up")
    def sign_up() -> str:
        token, email = secrets.token_urlsafe(), request.form["email"]
        link = url_for("confirm", token=token, _external=True)
        html = render_template_string(MAIL, link=link)
        mail.send(Message("Confirm your address", recipients=[email], body=f"Confirm: {link}", html=html))
        unconfirmed[token] = email
        return "<p>Please look into your mail.</p>"

    @app.get("/confirm/<token>")
    def confirm(token: str) -> str:
        return render_template_string("<p>Welcome, {{ email }}!</p>", email=unconfirmed.pop(token))

    return app
