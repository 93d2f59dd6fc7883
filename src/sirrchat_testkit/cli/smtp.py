"""Sending over SMTP, for ``send`` and ``sendmail``."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from sirrchat_testkit.cli.parser import PREFIX, variable

TIMEOUT: Final = 60.0
"""Seconds to wait for a reply."""

_TEMPORARY: Final = range(400, 500)


def add_smtp(command: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add the flags that name an SMTP server; return their group."""
    group = command.add_argument_group("the server")
    group.add_argument(
        "--smtp-host", metavar="HOST", help=f"the host of the SMTP server [default: 127.0.0.1; {PREFIX}SMTP_HOST]"
    )
    group.add_argument("--smtp-port", metavar="PORT", help=f"its port [default: 1025; {PREFIX}SMTP_PORT]")
    return group


class NotSent(Exception):
    """Nothing was sent: ``text`` says why. ``code`` is that of the reply; 0 if there was no connection."""

    def __init__(self, text: str, code: int = 0) -> None:
        super().__init__(text)
        self.code = code

    @property
    def is_temporary(self) -> bool:
        """Whether it may succeed later."""
        return self.code == 0 or self.code in _TEMPORARY


class Server(NamedTuple):
    """Where an SMTP server listens."""

    host: str
    port: int

    def send(self, sender: str, recipients: Sequence[str], raw: bytes) -> Mapping[str, tuple[int, str]]:
        """Send ``raw``, whose lines end with CRLF; return the refused recipients with the code and text of the reply.

        Raises:
            NotSent: The message was sent to no recipient.
        """
        import smtplib

        at = f"{self.host}:{self.port}"
        try:
            with smtplib.SMTP(self.host, self.port, timeout=TIMEOUT) as smtp:
                smtp.ehlo_or_helo_if_needed()
                options = []
                if not raw.isascii() and smtp.has_extn("8bitmime"):
                    options.append("BODY=8BITMIME")
                if not all(map(str.isascii, (sender, *recipients))) and smtp.has_extn("smtputf8"):
                    options.append("SMTPUTF8")
                refused = smtp.sendmail(sender, recipients, raw, options)
                return {to: (code, _text(reply)) for to, (code, reply) in refused.items()}
        except smtplib.SMTPRecipientsRefused as error:
            return {to: (code, _text(reply)) for to, (code, reply) in error.recipients.items()}
        except smtplib.SMTPResponseException as error:
            raise NotSent(f"{at} refused it: {error.smtp_code} {_text(error.smtp_error)}", error.smtp_code) from None
        except UnicodeError:
            raise NotSent(f"{at} does not accept addresses in Unicode", 553) from None
        except smtplib.SMTPServerDisconnected:
            raise NotSent(f"{at} closed the connection") from None
        except (OSError, smtplib.SMTPException) as error:
            why = getattr(error, "strerror", None) or str(error) or type(error).__name__
            raise NotSent(
                f"no SMTP server at {at}: {why}; --smtp-host and --smtp-port, or {PREFIX}SMTP_HOST and "
                f"{PREFIX}SMTP_PORT, name another"
            ) from None


def smtp_server(arguments: argparse.Namespace) -> Server:
    """Return the SMTP server that ``arguments`` or the environment name. Raises ``ValueError``."""
    port = arguments.smtp_port or variable("smtp_port") or "1025"
    if not (port.isascii() and port.isdigit() and 0 < int(port) <= 65_535):  # noqa: PLR2004 - the highest port
        name = "--smtp-port" if arguments.smtp_port else f"{PREFIX}SMTP_PORT"
        raise ValueError(f"{name} must be a port, from 1 to 65535, not {port!r}")
    return Server(arguments.smtp_host or variable("smtp_host") or "127.0.0.1", int(port))


def with_crlf(raw: bytes) -> bytes:
    """Return ``raw`` with CRLF at the end of each line."""
    return b"\r\n".join(line.removesuffix(b"\r") for line in raw.split(b"\n"))


def _text(reply: bytes | str) -> str:
    text = reply.decode("utf-8", "backslashreplace") if isinstance(reply, bytes) else reply
    return " ".join(text.split())
