"""Whatever its digits, the code of every mail of the corpus is found, and none where there is none."""

import ast
import random
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import pytest

from sirrchat_testkit import NotExactlyOne
from sirrchat_testkit.mail.html import codes, links, pick_code, pick_link
from tests.mail.corpus_files import DATES, FORMATS, YEARS, Mail, mails

WITH, WITHOUT = mails("codes"), mails("none")
OF_FOUR_DIGITS = [mail for mail in WITH if "digits4" in mail.formats]
FEW = 15
MANY = 2000


def found(mail: Mail, code: str) -> tuple[str, ...]:
    filled = mail.filled(code)
    return codes(filled.text, filled.html, filled.subject)


def assert_found(mail: Mail, values: list[str]) -> None:
    missed = {code: found(mail, code) for code in values if found(mail, code) != (code,)}
    assert not missed


@cache
def values(name: str) -> list[str]:
    source = random.Random(name)
    return [FORMATS[name](source) for _ in range(MANY)]


def numbered(of: Sequence[Mail]) -> list[Any]:
    return [pytest.param(number, mail, id=mail.name) for number, mail in enumerate(of)]


def few(of: list[str], number: int) -> list[str]:
    """Return some of these codes for the mail with this number. All mails together have all of them."""
    return [of[(number * FEW + each) % len(of)] for each in range(min(FEW, len(of)))]


@pytest.mark.parametrize(("number", "mail"), numbered(WITH))
def test_a_code_of_any_format_is_found(number: int, mail: Mail) -> None:
    for name in mail.formats:
        assert_found(mail, few(values(name), number))


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("mail", WITH, ids=lambda mail: mail.name)
def test_each_of_many_codes_is_found(mail: Mail) -> None:
    for name in mail.formats:
        assert_found(mail, values(name))


@pytest.mark.parametrize(("number", "mail"), numbered(OF_FOUR_DIGITS))
def test_a_code_that_looks_like_a_year_is_found(number: int, mail: Mail) -> None:
    assert_found(mail, few(YEARS, number))


@pytest.mark.slow
@pytest.mark.parametrize("mail", OF_FOUR_DIGITS, ids=lambda mail: mail.name)
def test_each_code_that_looks_like_a_year_is_found(mail: Mail) -> None:
    assert_found(mail, YEARS)


@pytest.mark.parametrize("mail", [mail for mail in WITH if mail.formats == tuple(FORMATS)], ids=lambda mail: mail.name)
def test_a_code_that_looks_like_a_date_is_found(mail: Mail) -> None:
    assert_found(mail, DATES)


@pytest.mark.parametrize("mail", WITHOUT, ids=lambda mail: mail.name)
def test_no_code_is_found_where_there_is_none(mail: Mail) -> None:
    assert codes(mail.text, mail.html, mail.subject) == ()
    with pytest.raises(NotExactlyOne, match="Found no code"):
        pick_code(mail.text, mail.html, subject=mail.subject)


@pytest.mark.parametrize("mail", [mail for mail in WITH + WITHOUT if mail.link is not None], ids=lambda mail: mail.name)
def test_the_link_that_a_mail_was_sent_for_is_found(mail: Mail) -> None:
    filled = mail.filled("482913")
    if mail.link == "none":
        with pytest.raises(NotExactlyOne):
            pick_link(links(filled.text, filled.html))
    else:
        assert pick_link(links(filled.text, filled.html)) == mail.link


@pytest.mark.parametrize("mail", WITH + WITHOUT, ids=lambda mail: mail.name)
def test_the_call_that_a_failure_ends_with_finds_a_listed_candidate(mail: Mail) -> None:
    filled = mail.filled("482913")
    found = links(filled.text, filled.html)
    pick: Callable[..., str]
    for pick in (
        lambda *asked, **named: pick_code(filled.text, filled.html, *asked, subject=filled.subject, **named),
        lambda *asked, **named: pick_link(found, *asked, **named),
    ):
        try:
            pick()
        except NotExactlyOne as failure:
            *_, last = str(failure).splitlines()
            listed = [line for line in str(failure).splitlines() if line.startswith(("  kept ", "  dropped "))]
            for asked, named in calls(last):
                assert any(pick(*asked, **named) in line for line in listed), last


def calls(last: str) -> list[tuple[list[str], dict[str, str]]]:
    """Return the arguments of each call in the last line of a failure."""
    text = last.removeprefix("To ask more precisely: ")
    if text == last or ", with " in text:
        return []
    tree = ast.parse(text, mode="eval").body
    each = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    literal = ast.literal_eval
    return [
        ([literal(arg) for arg in call.args], {str(key.arg): literal(key.value) for key in call.keywords})
        for call in each
    ]


def test_the_corpus_has_many_languages() -> None:
    assert len(WITH) >= 60
    assert len(WITHOUT) >= 60
    assert len({mail.name.partition("-")[0] for mail in WITH if mail.name[2:3] == "-"}) >= 25
