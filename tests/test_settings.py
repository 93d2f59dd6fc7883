"""Settings: one table, from which checks, flags, variables, help and documentation follow."""

import re
from dataclasses import FrozenInstanceError
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from sirrchat_testkit import MailServer
from sirrchat_testkit.cli.options import OPTIONS
from sirrchat_testkit.settings import ROWS, Row, Settings

PAGE = Path(__file__).parents[1] / "docs" / "settings.md"


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"smtp_port": -1}, "smtp_port must be a whole number from 0 to 65535, not -1"),
        ({"http_port": 65536}, "http_port must be a whole number from 0 to 65535, not 65536"),
        ({"http_port": True}, "http_port must be a whole number from 0 to 65535, not True"),
        ({"smtp_port": "25"}, "smtp_port must be a whole number from 0 to 65535, not '25'"),
        ({"host": ""}, "host must be a string that is not empty, without control characters, not ''"),
        ({"host": "a\n"}, "host must be a string that is not empty, without control characters, not 'a\\n'"),
        (
            {"domains": ["\udcff"]},
            "domains must be a list of domain names such as 'example.com', at least one, not ['\\udcff']",
        ),
        ({"advertise": "a:25"}, "advertise must be a host name or an IP address, without a port, not 'a:25'"),
        ({"subaddressing": "++"}, "subaddressing must be empty or one of + - = _ #, not '++'"),
        ({"domains": []}, "domains must be a list of domain names such as 'example.com', at least one, not []"),
        (
            {"domains": "example.com"},
            "domains must be a list of domain names such as 'example.com', at least one, not 'example.com'",
        ),
        (
            {"domains": ["a b"]},
            "domains must be a list of domain names such as 'example.com', at least one, not ['a b']",
        ),
        ({"domains": 5}, "domains must be a list of domain names such as 'example.com', at least one, not 5"),
        ({"api_key": ""}, "api_key must be 1 to 1000 visible ASCII characters without spaces"),
        ({"api_key": "schlüssel"}, "api_key must be 1 to 1000 visible ASCII characters without spaces"),
        ({"api_key": "a\nb"}, "api_key must be 1 to 1000 visible ASCII characters without spaces"),
        ({"api_key": "a b"}, "api_key must be 1 to 1000 visible ASCII characters without spaces"),
        ({"seed": 5}, "seed must be a string without control characters, not 5"),
        ({"data": ""}, "data must be the path of a folder, not ''"),
        ({"data": 5}, "data must be the path of a folder, not 5"),
        ({"fsync": 1}, "fsync must be True or False, not 1"),
        ({"unknown_recipients": "drop"}, "unknown_recipients must be 'reject' or 'keep', not 'drop'"),
        ({"max_message_size": 0}, "max_message_size must be a size of at least 1 byte such as 25MB or 2GiB, not 0"),
        ({"starttls": "yes"}, "starttls must be True or False, not 'yes'"),
        ({"smtps_port": -1}, "smtps_port must be a whole number from 0 to 65535, not -1"),
        ({"tls_key": "key.pem"}, "tls_key is the private key of tls_cert: set both"),
        ({"tls_required": True}, "tls_required needs TLS: set starttls or smtps_port too"),
        ({"auth": "never"}, "auth must be 'optional', 'required' or 'tls', not 'never'"),
        ({"auth": []}, "auth must be 'optional', 'required' or 'tls', not []"),
        ({"idle_timeout": 0}, "idle_timeout must be a duration above 0 such as 90s, 5m or 1h, not 0"),
        ({"idle_timeout": float("nan")}, "idle_timeout must be a duration above 0 such as 90s, 5m or 1h, not nan"),
        (
            {"session_timeout": -1},
            "session_timeout must be a duration such as 90s, 5m or 1h, or 0 for no limit, not -1",
        ),
        (
            {"idle_timeout": "5 minutes"},
            "idle_timeout must be a duration above 0 such as 90s, 5m or 1h, not '5 minutes'",
        ),
        ({"idle_timeout": True}, "idle_timeout must be a duration above 0 such as 90s, 5m or 1h, not True"),
        (
            {"max_age": "1500ms"},
            "max_age must be a duration in whole seconds such as 90s, 12h or 30d, or 0 for no limit, not '1500ms'",
        ),
        ({"max_bytes": "25M"}, "max_bytes must be a size such as 25MB or 2GiB, or 0 for no limit, not '25M'"),
        ({"max_bytes": 2.5}, "max_bytes must be a size such as 25MB or 2GiB, or 0 for no limit, not 2.5"),
        (
            {"oauth_tokens": ["ann"]},
            (
                "oauth_tokens must be a list of tokens such as 'ann@example.com=token', a mapping of users to tokens, "
                "or a function"
            ),
        ),
        (
            {"start_at": "2030-01-31T12:00:00Z"},
            "start_at must be a datetime (in a flag or variable: 2030-01-31T12:00:00Z), not '2030-01-31T12:00:00Z'",
        ),
        ({"smtpport": 1}, "there is no setting 'smtpport'; did you mean 'smtp_port'?"),
        ({"port": 1}, "there is no setting 'port'; did you mean 'smtp_port'?"),
        (
            {"auth": "optionl"},
            "auth must be 'optional', 'required' or 'tls', not 'optionl'; did you mean 'optional'?",
        ),
        (
            {"strict": ["unread", "Refusd", 5]},
            (
                "strict must be True, False, or a list of unread, refused, late, duplicate, undelivered, leaks, "
                "not ['unread', 'Refusd', 5]; did you mean 'refused'?"
            ),
        ),
        (
            {"hide_extensions": ["startls"]},
            (
                "hide_extensions must be a list of names out of SIZE, 8BITMIME, SMTPUTF8, PIPELINING, "
                "ENHANCEDSTATUSCODES, CHUNKING, BINARYMIME, STARTTLS, AUTH, HELP, PLAIN, LOGIN, CRAM-MD5, XOAUTH2, "
                "not ['startls']; did you mean 'STARTTLS'?"
            ),
        ),
    ],
)
def test_an_invalid_setting_is_named_with_the_values_it_accepts(changes: dict[str, Any], text: str) -> None:
    for make in (Settings, Settings().replace, MailServer):
        with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
            make(**changes)
        assert str(caught.value) == text


def test_an_unlike_name_is_answered_with_all_settings() -> None:
    with pytest.raises(
        ValueError,
        match=r"there is no setting 'colour'; there are advertise, allowed_hosts, api_key, .*, webhook_hosts$",
    ):
        Settings(colour=1)  # type: ignore[call-arg]


def test_domains_are_in_lower_case_and_once_each() -> None:
    assert Settings(domains=("Shop.Example", "shop.example")).domains == ("shop.example",)


def test_tokens_can_be_a_mapping_or_a_function() -> None:
    assert Settings().replace(oauth_tokens={"ann": "x=y"}).oauth_tokens == ("ann=x=y",)
    assert Settings(oauth_tokens=str.__eq__).oauth_tokens == str.__eq__


def test_durations_and_sizes_are_numbers_or_as_people_write_them() -> None:
    for idle, age in ((90, 3600), ("90s", "1h"), (timedelta(seconds=90), timedelta(hours=1)), ("1m30s", "60m")):
        settings = Settings(idle_timeout=idle, max_age=age)
        assert (settings.idle_timeout, settings.max_age, type(settings.max_age)) == (90.0, 3600, int)
    assert Settings(max_bytes="2GiB", max_message_size="25MB").replace(max_age="30d") == Settings(
        max_bytes=2_147_483_648, max_message_size=25_000_000, max_age=2_592_000
    )
    with MailServer(max_message_size="1kB") as server:
        server.configure(max_bytes="1MiB", idle_timeout=timedelta(hours=1))
        assert (server.settings.max_bytes, server.settings.idle_timeout) == (1_048_576, 3600.0)


def test_the_others_stay_when_some_are_replaced() -> None:
    assert Settings(host="::1", max_age=5).replace(max_age=6) == Settings(host="::1", max_age=6)


def test_a_start_time_is_aware_and_can_be_text_in_the_environment() -> None:
    noon = datetime(2030, 1, 31, 12, tzinfo=UTC)
    assert Settings(start_at=noon.astimezone().replace(tzinfo=None)).start_at == noon
    [row] = [row for row in ROWS if row.name == "start_at"]
    assert row.kind.parse("start_at", "2030-01-31T13:00:00+01:00") == noon
    with MailServer(start_at=noon) as server:
        with server.scope():
            server.clock.advance(days=1)
        assert noon <= server.make_inbox().deliver(subject="x").received_at < noon + timedelta(minutes=1)


def test_keys_and_tokens_are_not_shown() -> None:
    shown = repr(Settings(api_key="k3y", oauth_tokens=("ann=t0ken",)))
    assert "k3y" not in shown
    assert "t0ken" not in shown


def test_settings_show_what_is_in_force_before_during_and_after_a_scope() -> None:
    server = MailServer(max_recipients=7)
    assert server.settings.max_recipients == 7
    with server:
        with server.scope():
            server.configure(max_recipients=3)
            assert server.settings.max_recipients == 3
        assert server.settings.max_recipients == 7
        server.configure(max_age=60)
    assert server.settings == Settings(max_recipients=7)


@pytest.mark.parametrize("row", [row for row in ROWS if not row.changeable], ids=lambda row: row.name)
def test_a_setting_of_the_start_cannot_be_changed_while_the_server_runs(row: Row) -> None:
    with pytest.raises(ValueError, match=f"^{row.name} cannot be changed while the server runs: start it with"):
        Settings().configured(**{row.name: row.default})


def test_what_goes_together_is_checked_while_the_server_runs_too() -> None:
    with MailServer() as server, pytest.raises(ValueError, match="tls_required needs TLS"):
        server.configure(tls_required=True)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
def test_the_defaults_of_a_setting_are_values_that_it_accepts(row: Row) -> None:
    assert row.kind.check(row.name, row.default) == row.default
    assert row.kind.check(row.name, row.served) == row.served


def test_help_on_the_class_explains_every_setting() -> None:
    text = Settings.__doc__ or ""
    for row in ROWS:
        assert f"        {row.name}: {row.help}" in text


def test_the_page_of_settings_has_every_row_of_the_table() -> None:
    rows = dict(re.findall(r"^\| `(\w+)`.*?\| (.*) \|$", PAGE.read_text("utf-8"), re.MULTILINE))
    served = {each.row.name: _row(each.row, f"`{each.flag}`", f"`{each.variables[0]}`") for each in OPTIONS}
    assert rows == served | {row.name: _row(row, "", "") for row in ROWS if row.name not in served}
    assert {*rows} - {*served} == {"strict"}


def _row(row: Row, flag: str, variable: str) -> str:
    default = "" if "Default: " in row.help else f" Default: {_shown(row, row.default)}."
    served = f" In `serve`: {_shown(row, row.served)}." if row.served != row.default else ""
    choices = f" One of {', '.join(f'`{each}`' for each in row.kind.choices)}." if row.kind.choices else ""
    text = row.help.replace("*", "\\*")
    return f"{'yes' if row.changeable else ''} | {flag} | {variable} | {text}{choices}{default}{served}"


def _shown(row: Row, value: Any) -> str:
    if isinstance(value, tuple):
        return ", ".join(f"`{each}`" for each in value) or "none"
    return {"": "empty", None: "none"}.get(value, f"`{row.kind.show(value)}`")


@pytest.mark.parametrize(
    ("name", "error", "text"),
    [
        ("auth", FrozenInstanceError, "auth cannot be assigned: use mailserver.configure(auth=...)"),
        ("domains", FrozenInstanceError, "domains cannot be assigned: use MailServer(domains=...) at the start"),
        ("auht", ValueError, "there is no setting 'auht'; did you mean 'auth'?"),
    ],
)
def test_an_assignment_is_refused_with_what_to_do_instead(name: str, error: type[Exception], text: str) -> None:
    settings = Settings()
    with pytest.raises(error, match=f"^{re.escape(text)}$"):
        setattr(settings, name, "x")
    assert settings == Settings()
