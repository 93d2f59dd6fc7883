"""The server as its user holds it: ``MailServer``, in parts by what a test wants of it."""

from sirrchat_testkit.server.mailserver import MailServer

__all__ = ["MailServer"]
