"""Whatever its digits, the code of every mail of the corpus is found, and none where there is none."""

import random

import pytest

from sirrchat_testkit import NotExactlyOne
from sirrchat_testkit.mail.html import codes, links, pick_code, pick_link
from tests.mail.corpus_files import DATES, FORMATS, YEARS, Mail, mails

WITH, WITHOUT = mails("codes"), mails("none")
RANDOM = 50
MANY = 2000


def found(mail: Mail, code: str) -> tuple[str, ...]:
    filled = mail.filled(code)
    return codes(filled.text, filled.html, filled.subject)


def assert_found(mail: Mail, values: list[str]) -> None:
    missed = {code: found(mail, code) for code in values if found(mail, code) != (code,)}
    assert not missed


def values(name: str, number: int) -> list[str]:
    source = random.Random(name)
    return [FORMATS[name](source) for _ in range(number)]


@pytest.mark.parametrize("mail", WITH, ids=lambda mail: mail.name)
def test_a_code_of_any_format_is_found(mail: Mail) -> None:
    for name in mail.formats:
        assert_found(mail, values(name, RANDOM))


@pytest.mark.slow
@pytest.mark.timeout(0)
@pytest.mark.parametrize("mail", WITH, ids=lambda mail: mail.name)
def test_each_of_many_codes_is_found(mail: Mail) -> None:
    for name in mail.formats:
        assert_found(mail, values(name, MANY))


@pytest.mark.parametrize("mail", [mail for mail in WITH if "digits4" in mail.formats], ids=lambda mail: mail.name)
def test_a_code_that_looks_like_a_year_is_found(mail: Mail) -> None:
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


def test_the_corpus_has_many_languages() -> None:
    assert len(WITH) >= 60
    assert len(WITHOUT) >= 60
    assert len({mail.name.partition("-")[0] for mail in WITH if mail.name[2:3] == "-"}) >= 25
