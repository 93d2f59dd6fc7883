"""Where a code is looked for: the text, the HTML, the subject."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sirrchat_testkit.mail.html import NotExactlyOne, codes, pick_code

SUBJECTS = [
    "{} is your Shop code",
    "[Shop] Your code: {}",
    "Re: Your verification code is {}.",
    "Ihr Bestätigungscode lautet {}",
    "{} – votre code de vérification",
    "Код подтверждения: {}",
    "您的验证码是{}，5分钟内有效",
]
SPARSE = "Enter the code of the subject.\n\nShop Inc, 54321 Example Street"

figures = st.from_regex(r"[0-9]{4,9}|[0-9]{3}[- ][0-9]{3}", fullmatch=True)
subjects = st.sampled_from(SUBJECTS)
with_a_code = st.builds(str.format, subjects, figures)
prose = st.lists(st.sampled_from(["Enter", "the code", "below", "in 10 minutes", "PIN", ".", "\n"])).map(" ".join)
hostile = st.lists(
    st.sampled_from(["code", "is", ":", " ", "\n", "1234", "123 456", "A1-B2C3", "2026", "€", "#", "https://a.b/"])
    | st.text(max_size=3)
).map("".join)


@given(figures, subjects, prose)
def test_a_subject_s_code_is_found_where_the_body_has_none(code: str, subject: str, body: str) -> None:
    for text, html in ((body, ""), ("", f"<p>{body}</p>"), (body, f"<p>{body}</p>")):
        assert pick_code(text, html, subject=subject.format(code)) == code
        assert codes(text, html, subject.format(code)) == (code,)


@given(figures, with_a_code | hostile)
def test_a_code_that_the_body_introduces_is_the_one_whatever_the_subject_says(code: str, subject: str) -> None:
    for text, html in ((f"Your code: {code}", ""), ("", f"<p>Your code: {code}</p>")):
        assert pick_code(text, html, subject=subject) == code
        assert codes(text, html, subject) == (code,)


@given(hostile, hostile, with_a_code | hostile)
def test_one_code_of_whatever_texts_is_the_one_that_is_picked(text: str, html: str, subject: str) -> None:
    found = codes(text, html, subject)
    try:
        assert (pick_code(text, html, subject=subject),) == found
    except NotExactlyOne:
        assert len(found) != 1


def test_a_failure_shows_what_each_text_has() -> None:
    with pytest.raises(NotExactlyOne) as caught:
        pick_code(SPARSE, "", subject="Your code is 123456 or 98765, order 443322")
    assert str(caught.value).splitlines() == [
        "2 candidates for code, expected exactly one:",
        "  kept    '123456' (in the subject): a word such as \"code\" introduces it",
        "  kept    '98765' (in the subject): a word such as \"code\" introduces it",
        "  dropped '54321': it may be a year, a date or a postal code, and no word introduces it as a code",
        "  dropped '443322' (in the subject): it is another number: it follows 'order'",
        "The text is:",
        "  | Enter the code of the subject.",
        "  | Shop Inc, 54321 Example Street",
        "To ask more precisely: code(r\"\\b\\d{6}\\b\") or code(near='Your code is')",
    ]
    assert pick_code(SPARSE, "", near="Shop code", subject="123456 is your Shop code") == "123456"


def test_a_subject_s_code_that_follows_its_word_beats_a_number_that_is_only_near_one() -> None:
    assert pick_code(SPARSE, "", subject="Your code: 123456") == "123456"
    assert pick_code(f"{SPARSE}\n445566", "", subject="Your code: 445566") == "445566"


def test_a_code_in_both_is_one_and_shown_as_in_the_body() -> None:
    body = "Enter this code to sign in:\n\n123 456"
    assert pick_code(body, "", subject="123456 is your Shop code") == "123 456"
    assert codes(body, "", "123456 is your Shop code") == ("123 456",)


def test_a_pattern_is_looked_for_in_the_subject_last() -> None:
    assert pick_code("ABC123", "", "[A-Z]{3}[0-9]{3}", subject="DEF456") == "ABC123"
    assert pick_code("none", "<p>none</p>", "[A-Z]{3}[0-9]{3}", subject="DEF456") == "DEF456"


def test_what_the_subject_has_beside_a_code_is_dropped_for_a_reason() -> None:
    with pytest.raises(NotExactlyOne, match=r"'48213' \(in the subject\): it is another number: it follows 'Order #'"):
        pick_code("Thank you.", "", subject="Order #48213: change your password")
