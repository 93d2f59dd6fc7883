"""Wrong uses of the server, its settings and its clock: every type checker refuses each line marked ``# error``."""

from __future__ import annotations

import sirrchat_testkit
from sirrchat_testkit import (
    Clock,
    MailServer,
    MailServerTestCase,
    RuntimeChanges,
    Settings,
    SettingsChanges,
    connect_django,
)


def imports() -> None:
    from sirrchat_testkit import MailSever  # error


def starts() -> None:
    MailServer(domain=["shop.example"])  # error
    MailServer(domains="shop.example")  # error
    MailServer(smtpport=25)  # error
    MailServer(smtp_port="25")  # error
    MailServer(start_tls=True)  # error
    MailServer(unknown_recipients="drop")  # error
    MailServer(rate_limit="own")  # error
    MailServer("shop.example")  # error
    MailServer(settings={"max_age": 1})  # error
    Settings(host_name="x")  # error
    Settings().replace(hosts="x")  # error
    Settings(max_adresses=3)  # error
    Settings(auth="never")  # error
    Settings(strict=("unraed",))  # error
    MailServer(strict=["unraed"])  # error
    Settings(start_at="2030-01-31")  # error
    MailServer().begin()  # error
    sirrchat_testkit.MailSever()  # error


def passes_settings_on() -> None:
    changes: SettingsChanges = {"smtp-port": 25}  # error
    more: RuntimeChanges = {"host": "::1"}  # error
    MailServer(**changes).configure(**more)


def changes_settings(mailserver: MailServer) -> None:
    mailserver.configure(max_byte=1)  # error
    mailserver.configure(host="::1")  # error
    mailserver.configure(auth="never")  # error
    mailserver.policy(max_age=1)  # error
    mailserver.settings.replace(max_session=1)  # error
    mailserver.settings.smtpport  # error
    mailserver.configured()  # error
    mailserver.rate_limit("3")  # error
    mailserver.rate_limit(hourly=3)  # error


def connects(mailserver: MailServer) -> None:
    mailserver.host  # error
    mailserver.hostname  # error
    mailserver.address  # error
    mailserver.smtp_user  # error
    mailserver.env(PORT=25)  # error
    mailserver.env("djanga")  # error
    mailserver.tls.cafile  # error
    mailserver.tls.context()  # error
    mailserver.smtp_port.upper()  # error


def reads_the_database(mailserver: MailServer) -> None:
    mailserver.db  # error
    mailserver.database.table(1)  # error
    mailserver.database.table("messages").find("x")  # error
    mailserver.database.table("messages").search("x")  # error
    mailserver.database.table("messages").all()[0].subject  # error


def makes(mailserver: MailServer) -> None:
    mailserver.open_inbox()  # error
    mailserver.make_inbox(name="ann")  # error
    mailserver.make_inbox(expires_in=3600)  # error
    mailserver.inbox_for()  # error
    mailserver.add_user()  # error
    mailserver.add_account(email="ann@example.com")  # error
    mailserver.add_account(quota="1 GB")  # error
    mailserver.add_account().email  # error
    mailserver.add_account().receive()  # error
    mailserver.add_domain()  # error


def looks(mailserver: MailServer) -> None:
    mailserver.stats.imap.logins  # error
    mailserver.stats.received  # error
    mailserver.envelopes[0].to  # error
    mailserver.refusals[0].address  # error
    mailserver.sessions[0].user  # error
    mailserver.sessions[0].activity.what  # error
    mailserver.sessions[0].transcript[0].line  # error
    mailserver.settle(timeout=1)  # error
    mailserver.message  # error
    len(mailserver)  # error
    mailserver[0]  # error


def moves_time(clock: Clock) -> None:
    clock.sleep(3)  # error
    clock.advance(3600)  # error
    clock.advance(hour=1)  # error
    clock.advance(seconds="1")  # error
    clock.move_to()  # error
    clock.move_to("tomorrow")  # error
    clock.freeze(when=None)  # error
    clock.now.year  # error
    clock.frozen  # error


async def moves_time_in_a_task(clock: Clock) -> None:
    await clock.aadvance(hour=1)  # error
    await clock.advance(hours=1)  # error
    await clock.afreeze()  # error


class SignUpTest(MailServerTestCase):
    def test_it(self) -> None:
        self.server  # error
        self.inbox.adress  # error
        self.mailserver.inbox  # error
        connect_django(self.inbox)  # error
