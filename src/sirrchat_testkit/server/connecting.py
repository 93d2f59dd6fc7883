"""How an application gets to the server: hosts, ports, URLs, logins, keys, TLS, and all of them as an environment."""

from __future__ import annotations

from typing import Any

from sirrchat_testkit.assembly import netloc
from sirrchat_testkit.handles.tls import Tls
from sirrchat_testkit.server.running import Running

__tracebackhide__ = True


class Connecting(Running):
    """Where the server is, and how to be let in."""

    @property
    def smtp_host(self) -> str:
        """The host that SMTP listens on."""
        return self._now.smtp.address[0]

    @property
    def smtp_port(self) -> int:
        """The port that SMTP listens on."""
        return self._now.smtp.address[1]

    @property
    def smtp_url(self) -> str:
        """``smtp://host:port``."""
        return f"smtp://{netloc(self._now.smtp.address)}"

    @property
    def smtps_port(self) -> int | None:
        """The port where SMTP begins with TLS; None where the setting ``smtps_port`` is None."""
        return self._now.smtps.address[1] if self._now.smtps else None

    @property
    def smtp_username(self) -> str:
        """A login that works, of an account of this scope; mail sent with it is also in that account's Sent folder."""
        return self._desk.login()[0]

    @property
    def smtp_password(self) -> str:
        """The password of ``smtp_username``."""
        return self._desk.login()[1]

    @property
    def tls(self) -> Tls:
        """What clients need to trust the server: ``ca_file``, ``ssl_context()``.

        Raises:
            RuntimeError: There is no TLS: set ``starttls=True``, or an ``smtps_port``.
        """
        if self._now.tls is None:
            raise RuntimeError("this server speaks no TLS: set starttls=True, or an smtps_port such as 0")
        return self._now.tls

    @property
    def api_url(self) -> str:
        """``http://host:port``, without a trailing slash."""
        return f"http://{netloc(self._now.http.address)}"

    @property
    def api_key(self) -> str:
        """An admin key for the REST API."""
        return self._now.api_key

    def env(self, **templates: str) -> dict[str, str]:
        """Return environment variables that point an application here.

        They are ``SMTP_HOST, SMTP_PORT, SMTP_URL, SMTP_USERNAME, SMTP_PASSWORD, MAIL_API_URL, MAIL_API_KEY``, and
        ``SMTP_CA_FILE`` where there is TLS.

        Args:
            templates: Names of your own, such as ``EMAIL_URL="smtp://{smtp_host}:{smtp_port}"``; then only those.
        """
        values: dict[str, Any] = {
            "smtp_host": self.smtp_host,
            "smtp_port": self.smtp_port,
            "smtp_url": self.smtp_url,
            "smtps_port": self.smtps_port,
            "api_url": self.api_url,
            "api_key": self.api_key,
        }
        defaults = {
            "SMTP_HOST": "{smtp_host}",
            "SMTP_PORT": "{smtp_port}",
            "SMTP_URL": "{smtp_url}",
            "MAIL_API_URL": "{api_url}",
            "MAIL_API_KEY": "{api_key}",
        }
        if "AUTH" not in self._now.backend.policy.value.hide_extensions:
            values["smtp_username"], values["smtp_password"] = self._desk.login()
            defaults |= {"SMTP_USERNAME": "{smtp_username}", "SMTP_PASSWORD": "{smtp_password}"}
        if self._now.tls is not None:
            values["smtp_ca_file"] = self._now.tls.ca_file
            defaults["SMTP_CA_FILE"] = "{smtp_ca_file}"
        return {name: text.format(**values) for name, text in (templates or defaults).items()}
