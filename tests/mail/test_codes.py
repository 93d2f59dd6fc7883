"""Which candidate is the code: forms, places, other numbers, and how to ask more precisely."""

import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sirrchat_testkit.mail.code_words import LANGUAGES
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

WORDS = [
    "Backup",
    "codes:",
    "code",
    "Your",
    "is",
    "PIN",
    "129683",
    "721758",
    "4829",
    "482-913",
    "2024",
    "$12.50",
    "EUR",
    "order",
    "#",
    "no.",
    ".",
    ",",
    ":",
    "backup",
    "one-time",
    "verification",
    "ABC-123",
    "G-482913",
    "Use",
    "to",
    "sign",
    "in",
    "amount",
    "12:30",
    "room",
]
worded = st.lists(st.sampled_from([*WORDS, "\n", "\n\n"]), max_size=14).map(" ".join)


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


@given(hostile | worded, hostile, with_a_code | hostile)
@example("Backup codes: 129683 721758\n\nBackup codes: 130739 962857\n", "", "")
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


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("Your verification code is 123456.", "123456"),
        ("Your code: 1234", "1234"),
        ("Your code: 123456789", "123456789"),
        ("123456 is your Shop code", "123456"),
        ("Your code: 123 456", "123 456"),
        ("Your code: 123-456", "123-456"),
        ("Use code ABC-123 to sign in", "ABC-123"),
        ("Use code ABC 123 to sign in", "ABC 123"),
        ("code: WXYZ-QRST", "WXYZ-QRST"),
        ("G-482913 is your Google verification code", "G-482913"),
        ("Your code is １２３４５６", "123456"),
        ("1 2 3 4 5 6 is your code", "123456"),
        ("Your one-time code\n\n   112233\n\nIt expires on 12 March 2026.", "112233"),
        ("Enter this code to sign in to your account:\n\n445566\n\nOrder #12345", "445566"),
        ("Your login code for order 12345 is 998877", "998877"),
        ("Your code is 2031", "2031"),
        ("Your code is 2031, valid in 2026", "2031"),
        ("verification code #123456", "123456"),
        ("Bestellnummer 123456 Code 654321", "654321"),
        ("2026-03-12 code 123456", "123456"),
        ("Code 123456. Call 555-123-4567 or +49 30 1234567", "123456"),
        ("PIN 4821, not 1,234.56 and not 1234 EUR and not $9999 and not 5000%", "4821"),
        ("Ihr Bestätigungscode lautet: 998877", "998877"),
        ("Votre code de vérification : 4471", "4471"),
        ("Su código es 88123", "88123"),
        ("Il tuo codice è 70012", "70012"),
        ("Seu código de verificação: 551100", "551100"),
        ("Je code is 6612", "6612"),
        ("Doğrulama kodunuz: 771122", "771122"),
        ("Код подтверждения: 550211", "550211"),
        ("您的验证码是８２９１０４，5分钟内有效。", "829104"),
        ("您的驗證碼：110022", "110022"),
        ("認証コード：4821", "4821"),
        ("인증번호는 331177 입니다", "331177"),
    ],
)
def test_code_is_found_as_shown(text: str, code: str) -> None:
    assert pick_code(text, "") == code


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("code\nOrder number: 48213", "it is another number: it follows 'Order number:'"),
        ("code\n订单号：48213", "it is another number: it follows '订单号:'"),
        ("code\nInvoice 48213", "it is another number: it follows 'Invoice'"),
        ("Enter the code. Ticket #48213", "it is another number: it follows 'Ticket #'"),
        ("code\n(c) 2026", "it is part of a year or a date"),
        ("code\n12 March 2026", "it is another number: it follows 'March'"),
        ("code\n2026年", "it is part of a year or a date"),
        ("code\n$4821", "it is part of a price or an amount"),
        ("code\n4821 元", "it is part of a price or an amount"),
        ("code\n4821.50", "it is part of a number with a fraction, with thousands or with a slash"),
        ("code\n+49 30 1234567", "it is part of a longer number, such as a phone number"),
        ("code\nCall 123-4567", "it is another number: it follows 'Call'"),
        ("code https://a.b/123456", "it is part of a URL or an address"),
        ("code 123456@a.example", "it is part of a URL or an address"),
        ("code 1234567890123", "it has 13 digits, not 4 to 9"),
        ("promo code 48213", 'no word such as "code" is near it'),
        ("zip code 90210", "it is another number: it follows 'zip code'"),
        ("hello 48213", 'no word such as "code" is near it'),
        ("see https://a.b/code " + "1234 ", 'no word such as "code" is near it'),
        ("code" + "\nx" * 60 + "\n48213", 'no word such as "code" is near it'),
    ],
)
def test_other_number_is_dropped_for_a_reason(text: str, reason: str) -> None:
    with pytest.raises(NotExactlyOne) as caught:
        pick_code(text, "")
    assert reason in str(caught.value)
    assert codes(text, "") == ()


def test_html_is_read_where_the_text_has_no_code() -> None:
    assert pick_code("Open the HTML.", "<p>Your code:</p><p><b>12</b>3456</p>") == "123456"


def test_text_comes_first() -> None:
    assert pick_code("Your code: 1111", "<p>Your code: 2222</p>") == "1111"


def test_digits_in_cells_are_one_code() -> None:
    assert codes("", "<p>Code</p><table><tr><td>1</td><td>2</td><td>3</td><td>4</td></tr></table>") == ("1234",)


def test_same_code_twice_is_one() -> None:
    assert pick_code("Your code: 123 456. Again, the code: 123456", "") == "123 456"


def test_two_codes_are_a_failure_that_shows_both() -> None:
    with pytest.raises(NotExactlyOne) as caught:
        pick_code("Your code: 1111 or code: 2222. Year 2026.", "")
    assert str(caught.value).splitlines() == [
        "2 candidates for code, expected exactly one:",
        "  kept    '1111': a word such as \"code\" introduces it",
        "  kept    '2222': a word such as \"code\" introduces it",
        "  dropped '2026': it is another number: it follows 'Year'",
        "The text is:",
        "  | Your code: 1111 or code: 2222. Year 2026.",
        "To ask more precisely: code(near='Your code')",
    ]


def test_a_code_that_follows_its_word_beats_a_number_that_is_only_near_it() -> None:
    text = "Or type this code: 012345\n\n(c) Shop, 54321 Example Street"
    assert pick_code(text, "") == "012345"
    assert codes(text, "") == ("012345",)


def test_two_numbers_on_the_line_of_a_word_for_a_code_are_two_candidates() -> None:
    with pytest.raises(NotExactlyOne, match="2 candidates"):
        pick_code("code 111111 or 222222", "")


def test_near_takes_the_place_of_the_words_for_a_code() -> None:
    text = "Login: 1111" + "\n." * 50 + "\nPayment code: 2222"
    assert pick_code(text, "", near="Login") == "1111"
    assert pick_code(text, "", near=re.compile("pay", re.IGNORECASE)) == "2222"


def test_pattern_takes_the_place_of_all_rules() -> None:
    assert pick_code("Order 2026 token X7K9QP", "", r"\b[A-Z0-9]{6}\b") == "X7K9QP"
    assert pick_code("order number 48213", "", re.compile(r"number (\d+)")) == "48213"


def test_a_part_of_a_number_matches_no_pattern_unless_a_group_takes_it() -> None:
    with pytest.raises(NotExactlyOne) as caught:
        pick_code("Your code is 482913.", "", r"\d{4}")
    assert str(caught.value).splitlines() == [
        r"Found no code matching /\d{4}/, expected exactly one:",
        "  dropped '4829': it is only a part of '482913'",
        "The text is:",
        "  | Your code is 482913.",
        "To ask more precisely: code(r\"\\b\\d{6}\\b\") or code(near='Your code is')",
    ]
    with pytest.raises(NotExactlyOne, match="it is only a part of '482913'"):
        pick_code("Your code is 482913.", "", r"\d{4}", near="code")
    assert pick_code("482913 is the order, 4829 the code", "", r"\d{4}") == "4829"
    assert pick_code("Your code is 482913.", "", r"(\d{3})\d{3}") == "482"
    assert pick_code("Key: AB482913", "", r"\d{6}") == "482913"
    assert pick_code("4829 and 482913, room 4829", "", r"\d{4}", near="room") == "4829"


def test_pattern_is_looked_for_in_html_last() -> None:
    assert pick_code("none", "<p>X7K9QP</p>", "[A-Z0-9]{6}") == "X7K9QP"


def test_pattern_can_be_asked_to_be_near() -> None:
    text = "Login AAAA11" + "\n." * 50 + "\nPayment BBBB22"
    assert pick_code(text, "", "[A-Z0-9]{6}", near="Payment") == "BBBB22"


@pytest.mark.parametrize(
    "html",
    [
        "<table><tr><td>4</td><td>8</td><td>2</td><td>9</td></tr></table>",
        "<table><tr><td><p>4</p></td><td><p>8</p></td><td><p>2</p></td><td><p>9</p></td></tr></table>",
        "<ul><li>4</li><li>8</li><li>2</li><li>9</li></ul>",
        "<div>4</div> <div>8</div> <div>2</div> <div>9</div>",
        "<b style='display:inline-block'>4</b><b style='display:inline-block'>8</b><b>2</b><b>9</b>",
        "<span>4</span> <span>8</span> <span>2</span> <span>9</span>",
        "<p>4&nbsp;8&nbsp;2&nbsp;9</p>",
        "<p>48<wbr>29</p>",
        "<p><b>48</b>29</p>",
        "<p>4\u200b8\u200b2\u200b9</p>",
    ],
)
def test_one_character_for_each_box_is_one_code(html: str) -> None:
    assert codes("", f"<p>Your code:</p>{html}<p>It is valid for 10 minutes.</p>") == ("4829",)


@pytest.mark.parametrize(
    "digits", ["٤٨٢٩١٣", "۴۸۲۹۱۳", "४८२९१३", "৪৮২৯১৩", "๔๘๒๙๑๓", "４８２９１３", "𝟒𝟖𝟐𝟗𝟏𝟑", "4️⃣8️⃣2️⃣9️⃣1️⃣3️⃣"]
)
def test_digits_of_any_script_are_folded(digits: str) -> None:
    assert pick_code(f"Code: {digits}", "") == "482913"


@pytest.mark.parametrize(
    "text",
    [
        "Password reset for your account at localhost:8000.\n\nhttp://localhost:8000/reset/MQ/d0-2026/",
        "Sign in from 2001:db8:85a3::8a2e:370:7334 with your code",
        "Your password was used by 5C:CF:7F:4F:29:90 (firmware 8.03.114920, Chrome 128.0.6613.84)",
        "The code is on web-2041.shop.example, port 8443 of api.shop.example:8443",
        "Your code is in /var/mail/4829/new or in 3f9a4829-1c2d-4e5f-8a9b-0c1d2e3f4a5b",
    ],
)
def test_a_part_of_a_name_is_no_code(text: str) -> None:
    assert codes(text, "") == ()


@pytest.mark.parametrize(
    "style",
    [
        "display:none",
        "visibility: hidden",
        "mso-hide:all",
        "font-size:0",
        "opacity: 0",
        "max-height:0;overflow:hidden",
    ],
)
def test_hidden_elements_have_no_code(style: str) -> None:
    assert codes("", f"<div style='{style}'>Your code is 73920184</div><p>Your code: 482913</p>") == ("482913",)
    assert codes("", "<div hidden>Your code is 73920184</div>") == ()


@pytest.mark.parametrize(
    ("near", "code"),
    [
        ("Backup", "771122"),
        ("backup code", "771122"),
        ("Sign-in", "482913"),
        (re.compile(r"valid until \w+"), "482913"),
    ],
)
@pytest.mark.parametrize(
    "text",
    [
        "Sign-in code: 482913 (valid until noon)\nBackup code: 771122",
        "Sign-in code, valid until noon\n482913\nBackup code\n771122",
        "Sign-in code, valid until noon:\n\n482913\n\nBackup code:\n\n771122",
        "482913 is your sign-in code, valid until noon.\n771122 is your backup code.",
    ],
)
def test_near_picks_the_candidate_nearest_to_a_text(text: str, near: str, code: str) -> None:
    assert pick_code(text, "", near=near) == code
    assert set(codes(text, "")) == {"482913", "771122"}


def test_near_finds_a_number_that_is_no_code() -> None:
    text = "Order 48291 of 2026\nYour code: 771122"
    assert pick_code(text, "", near="Order") == "48291"
    with pytest.raises(NotExactlyOne, match="'Invoice' is not in the message"):
        pick_code(text, "", near="Invoice")


def test_a_failure_names_a_call_that_finds_the_first_code() -> None:
    with pytest.raises(NotExactlyOne) as caught:
        pick_code("Sign-in code: 482913\nBackup code: 7711-2233", "")
    call = r"code\(r\"(?P<pattern>[^\"]+)\"\) or code\(near='(?P<near>[^']+)'\)"
    asked = re.search(f"To ask more precisely: {call}", str(caught.value))
    assert asked is not None
    text = "Sign-in code: 482913\nBackup code: 7711-2233"
    assert pick_code(text, "", asked["pattern"]) == pick_code(text, "", near=asked["near"]) == "482913"


def test_a_failure_without_a_better_call_says_how_to_ask_for_another_form() -> None:
    with pytest.raises(NotExactlyOne) as caught:
        pick_code("Your code is on its way.", "")
    assert str(caught.value).splitlines() == [
        "Found no code, expected exactly one; the message has no text with the form of one",
        "The text is:",
        "  | Your code is on its way.",
        'To ask more precisely: code(r"[A-Za-z]{6}"), with the form of your code',
    ]


@given(st.from_regex(r"[0-9]{6}", fullmatch=True))
def test_boxes_may_have_a_dash_between_them(code: str) -> None:
    boxes = [*code[:3], "-", *code[3:]]
    cells = "".join(f"<td>{each}</td>" for each in boxes)
    for text, html in (
        (f"Your code:\n\n{' '.join(boxes)}", ""),
        ("Your code:\n\n" + "\n".join(boxes), ""),
        ("", f"<p>Your code:</p><table><tr>{cells}</tr></table>"),
    ):
        assert codes(text, html) == (code,)


@pytest.mark.parametrize(
    "text",
    [
        "Login fails with code 500\n\nABC-48291 fails with code 500",
        "ORDER 48291\nSTATUS SHIPPED\n\nYour code reader",
        "HARBOR WEEKLY 1042\n\nTen years of code",
    ],
)
def test_a_number_that_other_words_name_is_no_code(text: str) -> None:
    assert codes(text, "") == ()


def test_words_in_capitals_are_codes_only_where_nothing_better_is_found() -> None:
    assert codes("Your code:\n\nKQPXZA", "") == ("KQPXZA",)
    assert codes("Your code:\n\nSHOP\nWELCOME\n4829", "") == ("4829",)
    assert codes("WELCOME to the SUMMER sale", "") == ()


@pytest.mark.parametrize("name", LANGUAGES)
def test_the_words_of_a_language_are_well_formed(name: str) -> None:
    for field, text in LANGUAGES[name]._asdict().items():
        phrases = text.split(", ") if text else []
        assert len(phrases) == len(set(phrases)), field
        for phrase in phrases:
            assert phrase == phrase.strip().lower(), field
            assert phrase.strip("*"), field
            assert "*" not in phrase.strip("*") or field in {"other_codes", "promotion", "numbers"}, (field, phrase)
