"""Charsets: the labels of the Encoding standard, and what mail programs read beside them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sirrchat_testkit.mail import charsets
from sirrchat_testkit.mail.encoded_words import decode_bytes, decode_header

SAMPLES = {
    "utf-8": "grün",
    "ibm866": "привет",
    "iso-8859-2": "žluťoučký",
    "iso-8859-5": "привет",
    "iso-8859-6": "مرحبا",
    "iso-8859-7": "γειά",
    "iso-8859-8": "שלום",
    "iso-8859-8-i": "שלום",
    "iso-8859-8-e": "שלום",
    "logical": "שלום",
    "iso-8859-15": "5 €",
    "koi8-r": "привет",
    "koi8-u": "привіт",
    "macintosh": "café",
    "x-mac-roman": "café",
    "x-mac-cyrillic": "привет",
    "windows-874": "สวัสดี",
    "tis-620": "สวัสดี",
    "windows-1250": "žluťoučký",
    "windows-1251": "привет",
    "windows-1252": "It’s ready… 5 €",
    "iso-8859-1": "It’s ready… 5 €",
    "latin1": "It’s ready… 5 €",
    "us-ascii": "It’s ready… 5 €",
    "iso-8859-9": "şifre… 5 €",
    "windows-1254": "şifre",
    "windows-1255": "שלום",
    "windows-1256": "مرحبا",
    "windows-1257": "ačiū",
    "windows-1258": "đồng",
    "gb2312": "验证码：镕",
    "gbk": "验证码",
    "chinese": "验证码",
    "gb18030": "验证码",
    "big5": "驗證碼",
    "cn-big5": "驗證碼",
    "euc-jp": "認証番号",
    "x-euc-jp": "認証番号",
    "shift_jis": "認証番号①㈱",
    "windows-31j": "認証番号①㈱",
    "x-sjis": "認証番号",
    "euc-kr": "인증번호 똠",
    "windows-949": "인증번호",
    "ks_c_5601-1987": "인증번호",
    "korean": "인증번호",
}
ENCODED_BY = {
    "iso-8859-1": "cp1252", "latin1": "cp1252", "us-ascii": "cp1252", "iso-8859-9": "cp1254", "gb2312": "gbk",
    "chinese": "gbk", "shift_jis": "cp932", "windows-31j": "cp932", "x-sjis": "cp932", "euc-kr": "cp949",
    "windows-949": "cp949", "ks_c_5601-1987": "cp949", "korean": "cp949", "macintosh": "mac-roman",
    "x-mac-roman": "mac-roman", "x-mac-cyrillic": "mac-cyrillic", "iso-8859-8-i": "iso8859-8",
    "iso-8859-8-e": "iso8859-8", "logical": "iso8859-8", "windows-874": "cp874", "tis-620": "cp874",
    "cn-big5": "big5", "x-euc-jp": "euc_jp", "windows-1258": "cp1258",
}  # fmt: skip


@pytest.mark.parametrize("label", SAMPLES)
def test_a_label_of_the_encoding_standard_is_read_as_mail_programs_do(label: str) -> None:
    data = SAMPLES[label].encode(ENCODED_BY.get(label, label), "ignore" if label == "windows-1258" else "strict")
    expected = data.decode(ENCODED_BY.get(label, label))
    assert decode_bytes(data, label) == expected
    assert decode_bytes(data, f' "{label.upper()}" ') == expected


def test_every_label_has_a_codec_that_exists() -> None:
    for label in charsets._CODECS:
        assert decode_bytes(b"plain text", label)
        for codec in charsets.codecs_of(label):
            assert isinstance(charsets.decode(b"", codec), str)


def test_iso_2022_jp_has_the_characters_of_nec_and_half_width_ones() -> None:
    assert decode_bytes(b"\x1b$B3NG'\x1b(B \x1b$B-!-j\x1b(B 482913", "iso-2022-jp") == "確認 ①㈱ 482913"
    assert decode_bytes(b"\x1b(I1234\x1b(B", "iso-2022-jp") == "ｱｲｳｴ"


def test_text_with_escape_sequences_is_never_read_as_utf_8() -> None:
    assert decode_bytes(b"\x1b$B3NG'\x1b(B caf\xc3\xa9", "iso-2022-jp") == "確認 caf\ufffd\ufffd"
    assert decode_bytes("確認 café".encode(), "iso-2022-jp") == "確認 café"


@pytest.mark.parametrize(
    ("label", "data", "text"),
    [
        ("iso-2022-jp", b"\x1b(J\\100\x1b(B", "¥100"),
        ("iso-2022-jp", b"\x1b$(DBn\x1b(B", "朅"),
        ("euc-jp", b"10\xbb\xfe\xa1\xc1\xad\xa1 \x8e\xb1", "10時～① ｱ"),
        ("euc-jp", "03−1234".encode("euc_jp"), "03－1234"),
        ("eucjp-win", b"\xad\xea", "㈱"),
        ("gbk", b"\x805 \xd1\xe9\x80", "€5 验€"),
        ("gbk", b"\x80\xff", "€\ufffd"),
        ("gb18030", b"\xa8\xbc", "\u1e3f"),
        ("big5", b"\xa3\xe1 \xa1\xe3 \xa2\x44", "€ ～ ￥"),
        ("big5", b"\xc5\xe7\xc3\xd2 \x9e\x52", "驗證 冚"),
        ("windows-1252", b"\x81\x80", "\x81€"),
        ("windows-1255", b"\xca\xd9", "\u05ba\ufffd"),
        ("koi8-u", b"\xae", "ў"),
        ("utf-16", b"\xfe\xff\x00a", "a"),
        ("utf-16", b"\xff\xfea\x00", "a"),
        ("utf-16be", b"\x00a", "a"),
        ("iso8859_1", b"\x80", "€"),
        ("latin-1", b"\x80", "€"),
        ("ISO_8859-9", b"\x80", "€"),
        ("shiftjis", b"\x87\x40", "①"),
        ("EUC_KR", "똠".encode("cp949"), "똠"),
        ("utf-8;", "é".encode(), "é"),
        ("windows-936", "验".encode("gbk"), "验"),
        ("sjis-win", b"\x87\x40", "①"),
        ("x-mac-ce", b"\x87", "á"),
    ],
)
def test_what_pythons_codecs_read_otherwise(label: str, data: bytes, text: str) -> None:
    assert decode_bytes(data, label) == text


@pytest.mark.parametrize("text", ["確認番号 482913", "ひらがなカタカナ", "一 二 三", "a\n漢字\nb", "〒100-0001"])
def test_iso_2022_jp_is_read_as_python_reads_it(text: str) -> None:
    assert decode_bytes(text.encode("iso2022_jp"), "ISO-2022-JP") == text


@given(data=st.binary(max_size=60), label=st.sampled_from(sorted({*charsets._CODECS, "hz", "no-such", "", "idna"})))
def test_no_bytes_make_it_raise_or_leave_a_surrogate(data: bytes, label: str) -> None:
    assert decode_bytes(data, label).encode() == b"" or data


def test_bytes_declared_as_ascii_are_utf_8_if_they_can_be() -> None:
    assert decode_bytes("grün".encode(), "us-ascii") == "grün"


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("=?utf-8?B ?Z3LDvG4=?=", "grün"),
        ("=?utf-8?Q(comment)?gr=C3=BCn?=", "grün"),
        ("=?utf-8?Q?gr=C3?= =?utf-8?Q?=BCn?=", "grün"),
        ("=?utf-8?B?Z3LD?= =?utf-8?B?vG4=?=", "grün"),
        ("=?iso-8859-8-i?B?+ezl7Q==?=", "שלום"),
    ],
)
def test_encoded_words_as_careless_clients_write_them(field: str, text: str) -> None:
    assert decode_header(field) == text
