"""``address create``, ``list`` and ``delete``."""

import json
import re

from sirrchat_testkit import Inbox, MailServer
from tests.cli.conftest import Cli
from tests.support import generate, send


def test_an_address_with_a_random_name_receives_mail(mailserver: MailServer, cli: Cli) -> None:
    made = cli("address", "create")
    assert re.fullmatch(r"[a-z]+-[a-z-]+-\w{6}@example\.com\n", made.out)
    assert send(mailserver, made.out.strip()) == {}
    assert cli("address", "create").out != made.out


def test_a_name_a_domain_and_a_lifetime_can_be_chosen(mailserver: MailServer, cli: Cli) -> None:
    made = json.loads(
        cli("address", "create", "--name", "Ann", "--domain", "example.org", "--expires", "1h30m", "--json").out
    )
    assert made.keys() == {"id", "email", "expires_at"}
    assert made["email"] == "Ann@example.org"
    mailserver.clock.advance(minutes=89)
    assert json.loads(cli("address", "list", "--json").out) == [made]
    mailserver.clock.advance(minutes=1)
    assert json.loads(cli("address", "list", "--json").out) == []


def test_addresses_are_listed_with_the_newest_first(cli: Cli) -> None:
    for name in ("ann", "bob"):
        cli("address", "create", "--name", name)
    assert cli("address", "list").out == "bob@example.com  never\nann@example.com  never\n"


def test_all_pages_of_addresses_are_listed_and_searched(mailserver: MailServer, cli: Cli) -> None:
    for number in range(45):
        generate(mailserver, f"box{number}")
    assert cli("address", "list").out.count("\n") == 45
    assert cli("address", "delete", "box0@example.com").status == 0
    assert cli("address", "list").out.count("\n") == 44


def test_an_address_is_deleted_by_its_text_in_any_case_or_its_id(mailserver: MailServer, cli: Cli) -> None:
    generate(mailserver, "ann")
    made = json.loads(cli("address", "create", "--json").out)
    assert cli("address", "delete", "ANN@example.com").status == 0
    assert json.loads(cli("address", "delete", made["id"], "--json").out) == {"deleted": made["email"]}
    assert cli("address", "list").out == ""


def test_an_unknown_address_is_status_1(cli: Cli) -> None:
    done = cli("address", "delete", "nobody@example.com")
    assert (done.status, done.line) == (
        1,
        "there is no address nobody@example.com; address list shows those there are",
    )


def test_what_is_refused_is_status_2_and_one_line(inbox: Inbox, cli: Cli) -> None:
    taken = cli("address", "create", "--name", inbox.address.partition("@")[0])
    assert taken.status == 2
    assert "already exists" in taken.line
    foreign = cli("address", "create", "--domain", "corp.com")
    assert (foreign.status, foreign.line) == (2, "domain must be one of example.com, example.org, example.net")
    lifetime = cli("address", "create", "--expires", "soon")
    assert lifetime.status == 2
    assert lifetime.line == "--expires must be a duration such as 500ms, 10s or 1h30m, not 'soon'"
    assert cli("address", "create", "--expires", "0").status == 2
