"""Patterns of codes, and of the words and numbers in many languages that distinguish them from other numbers.

1. These are only patterns; ``codes`` decides what a match means.
2. The patterns expect text with full-width characters, dashes and spaces folded.
"""

from __future__ import annotations

import re

SHAPE = re.compile(
    r"""(?<![A-Za-z0-9_])(?:
        (?P<apart>\d(?:[ ]\d){3,8})                                     # 1 2 3 4 5 6
      | (?P<dashed>[A-Z0-9]{1,8}(?:-[A-Z0-9]{2,8}){1,3})                # ABC-123, 123-456, G-123456
      | (?P<spaced>\d{2}(?:[ ]\d{2}){1,3}(?![ ]\d{2}\b)
          |\d{3}(?:[ ]\d{3}){1,2}(?![ ]\d{3}\b)
          |(?=[A-Z ]{0,6}\d)[A-Z0-9]{3}[ ][A-Z0-9]{3}(?![ ][A-Z0-9]{3}\b)
          |(?=[A-Z ]{0,8}\d)[A-Z0-9]{4}[ ][A-Z0-9]{4}(?![ ][A-Z0-9]{4}\b))
      | (?P<plain>\d{4,})
    )(?![A-Za-z0-9_])""",
    re.VERBOSE,
)
KEYWORD = re.compile(
    r"(?<!zip )(?<!postal )(?<!area )(?<!country )(?<!promo )(?<!discount )(?<!voucher )(?<!coupon )(?<!gift )"
    r"(?<!source )(?<!bar)(?<!qr )(?<!qr-)(?<!post)(?<!en)(?<!de)(?<!uni)code(?!c)"
    r"|\botp\b|\bpin\b|\b2fa\b|\btan\b|one[- ]time|\bpass(word|phrase|key)\b|\btoken\b|verif|authenti|bestätigung"
    r"|kennwort|passwort|einmal|vérif|código|clave|contraseña|codice|verificaç|senha|\bkod\b|\bkoodi|kode\b|wachtwoord|lösenord"
    r"|doğrulama|şifre|mã xác|验证码|驗證碼|校验码|动态码|動態碼"
    r"|确认码|確認碼|认证码|認證碼|安全码|口令|代码|代碼|动态密码|コード|暗証番号"
    r"|認証番号|確認番号|ワンタイム|パスワード|인증\s?(코드|번호)|확인\s?(코드|번호)|보안\s?코드|일회용|비밀번호|\bкод|парол|подтвержд"
    r"|رمز|كود|कोड|รหัส",
    re.IGNORECASE,
)
INTRODUCED = re.compile(
    r"[\s#:：=\-]*(?:(?:is|ist|lautet|est|es|è|é|are|是|为|為|は|:)[\s:：]*)?(?:number|番号|번호)?[\s:：*_\"'«「【\[(]*"
)
URLS = re.compile(r"(?:https?://|www\.)[^\s<>\"]+|(?<![\w.+%-])[\w.+%-]{1,64}@[\w-]+(?:\.[\w-]+)+", re.IGNORECASE)
_MONTH = (
    r"(?:jan|feb|f[ée]v|m[aä]r|apr|avr|abr|ma[iy]|jun|juin|jul|juil|aug|ao[uû]|ago|sep|set|o[ck]t|out|nov|de[czs]|d[ée]c|"
    r"ene|gen|mag|giu|lug|ott|dic|янв|фев|мар|апр|мая|июн|июл|авг|сен|окт|ноя|дек)\w{0,9}\.?"
)
DATES = re.compile(
    rf"\b\d{{4}}[-/.] ?\d{{1,2}}[-/.] ?\d{{1,2}}\b|\b\d{{1,2}}[-/.] ?\d{{1,2}}[-/.] ?\d{{2,4}}\b"
    rf"|\b\d{{1,2}}\.? (?:de |of )?{_MONTH},? (?:de )?\d{{4}}\b|\b{_MONTH} \d{{1,2}}(?:st|nd|rd|th)?,? \d{{4}}\b"
    rf"|\b{_MONTH} \d{{4}}\b|\b\d{{1,2}}:\d{{2}}(?::\d{{2}})?\b|\b(?:19|20)\d\d ?[-/] ?(?:19|20)?\d\d\b",
    re.IGNORECASE,
)
YEAR = re.compile(r"(?:19|20)\d\d|20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])")
_CURRENCY = r"(?:[$€£¥￥₹₽₩]|\b(?:USD|EUR|GBP|CHF|JPY|CNY|RMB|KRW|RUB|INR|BRL|Rs\.?|kr|zł)(?![a-z])|[元円원]|руб)"
PRICES = re.compile(
    rf"{_CURRENCY} ?\d[\d.,']*|(?<!\d)\d+(?:[ .,']\d{{3}})*(?:[.,]\d{{1,2}})? ?{_CURRENCY}"
    rf"|(?<!\d)\d+[.,']\d+|(?<!\d)\d+ ?%",
    re.IGNORECASE,
)
PHONES = re.compile(
    r"\+\d[\d ().-]{5,}\d|\(0?\d+\) ?[\d -]{4,}\d"
    r"|(?<![\w.-])(?!\d{4}-\d\d-\d\d|\d\d?\.\d\d?\.\d{4})\d(?:[ ().-]{0,2}\d){9,}(?![\w-])"
    r"|(?:\b(?:tel|phone|call|fax|mobile|hotline|telefon\w*|téléphone|teléfono|telefono|appel\w*|anruf\w*|llame|ring)\b"
    r"|电话|電話|传真|手机|전화|тел)[^\d\n]{0,12}[\d(+][\d ().-]{3,}\d",
    re.IGNORECASE,
)
_NUMBER = (
    r"[ :：#.(\-]*(?:number|numero|número|numéro|nummer|num|no|nr|nº|n°|id|code|号码|编号|編號|番号|번호|号|號|№|номер)"
)
_THINGS = (
    r"\b(?:order|invoice|ticket|booking|reference|tracking|shipment|bestell|auftrags|rechnungs|vorgangs|commande|facture"
    r"|pedido|factura|ordine|fattura|encomenda|fatura|kundennummer|kontonummer|zip|plz|iban|sku)\w*"
    r"|订单|訂單|单号|發票|发票|运单|注文|受注|請求|주문|송장|заказ\w*|сч[её]т\w*|договор\w*"
)
_PARTIES = (
    r"\b(?:customer|client|account|case|item|article|vat|kunden|konto|postal|product)\w*"
    r"|客户|客戶|账号|お客様|会員|고객|клиент\w*"
)
NUMBERED = re.compile(
    rf"(?:(?:{_THINGS})[ :：.(\-]*"
    rf"|(?:{_THINGS}|{_PARTIES}){_NUMBER}[\s:：#.()\-]*(?:is|ist|est|es|è|是|は)?\s*"
    rf"|[#№] ?)#?$",
    re.IGNORECASE,
)
