"""Settings: a wrong one is refused by name."""

import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from sirrchat_testkit.policy import Policy
from sirrchat_testkit.settings import Settings


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"smtp_port": -1}, "smtp_port takes a whole number from 0 to 65535, not -1"),
        ({"http_port": 65536}, "http_port takes a whole number from 0 to 65535, not 65536"),
        ({"http_port": True}, "http_port takes a whole number from 0 to 65535, not True"),
        ({"smtp_port": "25"}, "smtp_port takes a whole number from 0 to 65535, not '25'"),
        ({"host": ""}, "host takes a text that is not empty, not ''"),
        ({"domains": []}, "domains takes at least one domain name"),
        ({"domains": "example.com"}, "domains takes a list of domain names, not the text 'example.com'"),
        ({"domains": ["a b"]}, "domains takes domain names such as 'example.com'; 'a b' is none"),
        ({"domains": 5}, "domains takes a list of domain names, not 5"),
        ({"api_key": ""}, "api_key takes a text that is not empty, not ''"),
        ({"seed": 5}, "seed takes a text, not 5"),
        ({"data": ""}, "data takes the path of a folder, not ''"),
        ({"fsync": 1}, "fsync takes True or False, not 1"),
        ({"policy": {}}, "policy takes a Policy, not {}"),
        ({"unknown_recipients": "drop"}, "unknown_recipients takes 'reject' or 'keep', not 'drop'"),
        ({"max_message_size": 0}, "max_message_size takes a whole number, 1 or more, not 0"),
        ({"starttls": "yes"}, "starttls takes True or False, not 'yes'"),
        ({"smtps_port": -1}, "smtps_port takes a whole number from 0 to 65535, not -1"),
        ({"tls_key": "key.pem"}, "tls_key takes the key of tls_cert, which is not given"),
        ({"tls_required": True}, "tls_required takes starttls=True, or an smtps_port"),
        ({"auth": "never"}, "auth takes 'optional' or 'required' or 'tls', not 'never'"),
        ({"idle_timeout": 0}, "idle_timeout takes seconds, more than 0, not 0"),
        ({"session_timeout": -1}, "session_timeout takes seconds, more than 0, or 0 for never, not -1"),
        ({"hide_extensions": "DSN"}, "hide_extensions takes a list of names, not 'DSN'"),
        ({"oauth_tokens": ["ann"]}, "oauth_tokens takes texts such as 'ann@example.com=token'; 'ann' is none"),
        ({"oauth_tokens": 5}, "oauth_tokens takes a mapping of users to tokens, or a function, not 5"),
        ({"smtpport": 1}, "there is no setting 'smtpport'; did you mean 'smtp_port'?"),
    ],
)
def test_a_wrong_setting_is_named_with_what_it_takes(changes: dict[str, Any], text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        Settings.of(**changes)
    assert str(caught.value) == text


def test_fields_of_the_policy_are_settings_too() -> None:
    settings = Settings.of(unknown_recipients="keep", host="::1")
    assert (settings.policy.unknown_recipients, settings.host) == ("keep", "::1")


def test_domains_are_in_lower_case_and_once_each() -> None:
    assert Settings(domains=("Shop.Example", "shop.example")).domains == ("shop.example",)


def test_a_policy_is_changed_as_a_whole() -> None:
    policy = Policy()
    assert policy.changed(max_addresses=3).max_addresses == 3
    with pytest.raises(ValueError, match="did you mean 'max_addresses'"):
        policy.changed(max_adresses=3)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (
            lambda: Settings(auth="required"),  # type: ignore[call-arg]
            "auth is a policy: Settings(policy=Policy(auth='required')), or MailServer(auth='required')",
        ),
        (
            lambda: Policy(starttls=True),  # type: ignore[call-arg]
            "starttls is a setting, which only a start can fix: MailServer(starttls=True)",
        ),
        (
            lambda: Policy().changed(seed="x"),  # type: ignore[call-arg]
            "seed is a setting, which only a start can fix: MailServer(seed='x')",
        ),
        (
            lambda: Settings(smtpport=1),  # type: ignore[call-arg]
            "there is no setting 'smtpport'; did you mean 'smtp_port'?",
        ),
    ],
)
def test_what_belongs_to_the_other_record_is_told_where_to_go(make: Callable[[], object], text: str) -> None:
    with pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        make()
    assert str(caught.value) == text


def test_a_policy_knows_settings_although_nobody_asked_for_them() -> None:
    code = "from sirrchat_testkit import Policy; Policy(starttls=True)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "starttls is a setting, which only a start can fix: MailServer(starttls=True)" in done.stderr
