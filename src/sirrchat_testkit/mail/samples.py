"""Messages with invented contents: what an application sends, in several languages.

1. The phrases are ours; names, companies and words come from Faker, in its locale of the language.
2. Each message is in text and HTML, and has at most one code and one link that a reader would follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from html import escape
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from faker import Faker

    from sirrchat_testkit.mail.compose import MessageFields

_SITE: Final = "https://shop.example"
_RIGHT_TO_LEFT: Final = frozenset({"ar", "he"})


class _Phrases(NamedTuple):
    """The phrases of the language ``name``, for Faker's ``locale``. ``price`` takes the units and the hundredths."""

    name: str
    locale: str
    price: str
    hello: str
    confirm_subject: str
    confirm: str
    button: str
    code: str
    ignore: str
    receipt_subject: str
    thanks: str
    total: str
    news_subject: str
    more: str
    unsubscribe: str


_PHRASES: Final[Mapping[str, _Phrases]] = {
    "ar": _Phrases(
        "العربية", "ar_AA", "{}.{:02} ر.س", "مرحبا {},", "أكد عنوان بريدك لدى {}", "يرجى تأكيد عنوان بريدك الإلكتروني:",
        "تأكيد العنوان", "أو أدخل رمز التحقق هذا: {}", "إذا لم تقم بالتسجيل فتجاهل هذه الرسالة.", "إيصالك رقم {}",
        "شكرا على طلبك.", "المجموع", "أخبار من {}", "اقرأ المزيد", "إلغاء الاشتراك",
    ),
    "cs": _Phrases(
        "Čeština", "cs_CZ", "{},{:02} Kč", "Dobrý den, {},", "Potvrďte svou adresu u {}",
        "potvrďte prosím svou e-mailovou adresu:", "Potvrdit adresu", "Nebo zadejte tento ověřovací kód: {}",
        "Pokud jste se neregistrovali, zprávu ignorujte.", "Vaše účtenka č. {}", "děkujeme za vaši objednávku.",
        "Celkem", "Novinky od {}", "Číst dále", "Odhlásit odběr",
    ),
    "de": _Phrases(
        "Deutsch", "de_DE", "{},{:02} €", "Hallo {},", "Bestätigen Sie Ihre Adresse bei {}",
        "bitte bestätigen Sie Ihre E-Mail-Adresse:", "Adresse bestätigen",
        "Oder geben Sie diesen Bestätigungscode ein: {}",
        "Wenn Sie sich nicht angemeldet haben, ignorieren Sie diese Mail.", "Ihre Quittung Nr. {}",
        "vielen Dank für Ihre Bestellung.", "Summe", "Neues von {}", "Weiterlesen", "Abmelden",
    ),
    "el": _Phrases(
        "Ελληνικά", "el_GR", "{},{:02} €", "Γεια σας {},", "Επιβεβαιώστε τη διεύθυνσή σας στο {}",
        "παρακαλούμε επιβεβαιώστε τη διεύθυνση email σας:", "Επιβεβαίωση διεύθυνσης",
        "Ή πληκτρολογήστε αυτόν τον κωδικό επαλήθευσης: {}", "Αν δεν εγγραφήκατε, αγνοήστε αυτό το μήνυμα.",
        "Η απόδειξή σας αρ. {}", "ευχαριστούμε για την παραγγελία σας.", "Σύνολο", "Νέα από {}",
        "Διαβάστε περισσότερα", "Διαγραφή",
    ),
    "en": _Phrases(
        "English", "en_US", "${}.{:02}", "Hello {},", "Confirm your address at {}",
        "please confirm your email address:", "Confirm your address", "Or enter this verification code: {}",
        "If you did not sign up, ignore this message.", "Your receipt no. {}", "thank you for your order.", "Total",
        "News from {}", "Read more", "Unsubscribe",
    ),
    "es": _Phrases(
        "Español", "es_ES", "{},{:02} €", "Hola, {}:", "Confirma tu dirección en {}",
        "por favor, confirma tu correo electrónico:", "Confirmar dirección",
        "O introduce este código de verificación: {}", "Si no te has registrado, ignora este mensaje.",
        "Tu recibo n.º {}", "gracias por tu pedido.", "Total", "Novedades de {}", "Leer más", "Darse de baja",
    ),
    "fr": _Phrases(
        "Français", "fr_FR", "{},{:02} €", "Bonjour {},", "Confirmez votre adresse chez {}",
        "veuillez confirmer votre adresse e-mail :", "Confirmer l’adresse",
        "Ou saisissez ce code de vérification : {}", "Si vous ne vous êtes pas inscrit, ignorez ce message.",
        "Votre reçu n° {}", "merci pour votre commande.", "Total", "Les nouvelles de {}", "Lire la suite",
        "Se désabonner",
    ),
    "he": _Phrases(
        "עברית", "he_IL", "{}.{:02} ₪", "שלום {},", "אישור הכתובת שלך אצל {}", "נא לאשר את כתובת הדוא״ל שלך:",
        "אישור הכתובת", "או הזינו את קוד האימות הזה: {}", "אם לא נרשמתם, התעלמו מהודעה זו.", "קבלה מספר {}",
        "תודה על ההזמנה.", "סך הכול", "חדשות מאת {}", "קראו עוד", "הסרה מרשימת התפוצה",
    ),
    "hi": _Phrases(
        "हिन्दी", "hi_IN", "₹{}.{:02}", "नमस्ते {},", "{} पर अपने पते की पुष्टि करें", "कृपया अपने ईमेल पते की पुष्टि करें:",
        "पते की पुष्टि करें", "या यह सत्यापन कोड दर्ज करें: {}",
        "यदि आपने पंजीकरण नहीं किया है, तो इस संदेश को अनदेखा करें।", "आपकी रसीद सं. {}",
        "आपके ऑर्डर के लिए धन्यवाद।", "कुल", "{} से समाचार", "और पढ़ें", "सदस्यता समाप्त करें",
    ),
    "it": _Phrases(
        "Italiano", "it_IT", "{},{:02} €", "Ciao {},", "Conferma il tuo indirizzo presso {}",
        "conferma il tuo indirizzo email:", "Conferma l’indirizzo",
        "Oppure inserisci questo codice di verifica: {}", "Se non ti sei registrato, ignora questo messaggio.",
        "La tua ricevuta n. {}", "grazie per il tuo ordine.", "Totale", "Novità da {}", "Leggi di più",
        "Annulla l’iscrizione",
    ),
    "ja": _Phrases(
        "日本語", "ja_JP", "¥{}", "{} 様", "{} メールアドレスの確認", "メールアドレスを確認してください。",
        "メールアドレスを確認する", "または、次の認証コードを入力してください：{}",
        "お心当たりのない場合は、このメールを無視してください。", "領収書 No. {}", "ご注文ありがとうございます。",
        "合計", "{} からのお知らせ", "続きを読む", "配信停止",
    ),
    "ko": _Phrases(
        "한국어", "ko_KR", "₩{}", "{}님, 안녕하세요.", "{} 이메일 주소 확인", "이메일 주소를 확인해 주세요.",
        "이메일 주소 확인하기", "또는 다음 인증 코드를 입력하세요: {}", "가입하지 않으셨다면 이 메일을 무시하세요.",
        "영수증 번호 {}", "주문해 주셔서 감사합니다.", "합계", "{} 소식", "더 읽기", "수신 거부",
    ),
    "nl": _Phrases(
        "Nederlands", "nl_NL", "€ {},{:02}", "Hallo {},", "Bevestig je adres bij {}", "bevestig je e-mailadres:",
        "Adres bevestigen", "Of voer deze verificatiecode in: {}",
        "Heb je je niet aangemeld, negeer dan dit bericht.", "Je bon nr. {}", "bedankt voor je bestelling.",
        "Totaal", "Nieuws van {}", "Lees verder", "Afmelden",
    ),
    "pl": _Phrases(
        "Polski", "pl_PL", "{},{:02} zł", "Cześć {},", "Potwierdź swój adres w {}", "potwierdź swój adres e-mail:",
        "Potwierdź adres", "Lub wpisz ten kod weryfikacyjny: {}",
        "Jeśli to nie Ty się rejestrujesz, zignoruj tę wiadomość.", "Twój paragon nr {}",
        "dziękujemy za zamówienie.", "Razem", "Nowości od {}", "Czytaj dalej", "Wypisz się",
    ),
    "pt": _Phrases(
        "Português", "pt_BR", "R$ {},{:02}", "Olá, {},", "Confirme seu endereço em {}",
        "confirme seu endereço de e-mail:", "Confirmar endereço", "Ou digite este código de verificação: {}",
        "Se você não se cadastrou, ignore esta mensagem.", "Seu recibo nº {}", "obrigado pelo seu pedido.", "Total",
        "Novidades de {}", "Leia mais", "Cancelar inscrição",
    ),
    "ru": _Phrases(
        "Русский", "ru_RU", "{},{:02} ₽", "Здравствуйте, {}!", "Подтвердите свой адрес в {}",
        "Подтвердите, пожалуйста, свой адрес:", "Подтвердить адрес", "Или введите этот код подтверждения: {}",
        "Если вы не регистрировались, не обращайте внимания на это письмо.", "Ваш чек № {}",
        "Спасибо за ваш заказ.", "Итого", "Новости от {}", "Читать далее", "Отписаться",
    ),
    "sv": _Phrases(
        "Svenska", "sv_SE", "{},{:02} kr", "Hej {},", "Bekräfta din adress hos {}", "bekräfta din e-postadress:",
        "Bekräfta adressen", "Eller ange denna verifieringskod: {}",
        "Om du inte har registrerat dig kan du bortse från detta.", "Ditt kvitto nr {}",
        "tack för din beställning.", "Summa", "Nyheter från {}", "Läs mer", "Avsluta prenumerationen",
    ),
    "tr": _Phrases(
        "Türkçe", "tr_TR", "{},{:02} ₺", "Merhaba {},", "{} için adresinizi doğrulayın",
        "lütfen e-posta adresinizi doğrulayın:", "Adresi doğrula", "Ya da bu doğrulama kodunu girin: {}",
        "Kaydolmadıysanız bu iletiyi dikkate almayın.", "Makbuz no. {}", "siparişiniz için teşekkürler.", "Toplam",
        "{} haberleri", "Devamını oku", "Abonelikten çık",
    ),
    "uk": _Phrases(
        "Українська", "uk_UA", "{},{:02} ₴", "Вітаємо, {}!", "Підтвердьте свою адресу в {}",
        "Підтвердьте, будь ласка, свою адресу:", "Підтвердити адресу", "Або введіть цей код підтвердження: {}",
        "Якщо ви не реєструвалися, не зважайте на цей лист.", "Ваш чек № {}", "Дякуємо за ваше замовлення.",
        "Разом", "Новини від {}", "Читати далі", "Відписатися",
    ),
    "zh": _Phrases(
        "中文", "zh_CN", "¥{}.{:02}", "{}，您好：", "请确认您在{}的邮箱地址", "请确认您的邮箱地址：", "确认邮箱地址",
        "或者输入此验证码：{}", "如果您没有注册，请忽略这封邮件。", "您的收据 编号 {}", "感谢您的订购。", "合计",
        "{}的最新消息", "阅读更多", "退订",
    ),
}  # fmt: skip

LANGUAGES: Final = {language: phrases.name for language, phrases in _PHRASES.items()}
"""The languages, each with its name for itself."""


def sample(kind: str, language: str) -> MessageFields:
    """Return the fields of a new message of a ``kind`` of ``KINDS``, in a language of ``LANGUAGES``."""
    from email.headerregistry import Address

    from faker import Faker

    phrases = _PHRASES[language]
    faker = Faker(phrases.locale)
    shop = faker.company()
    subject, parts = _SAMPLES[kind](phrases, faker, shop)
    parts = [(phrases.hello.format(faker.first_name()), ""), *parts]
    direction = ' dir="rtl"' if language in _RIGHT_TO_LEFT else ""
    fields: MessageFields = {
        "sender": str(Address(shop, addr_spec="no-reply@shop.example")),
        "subject": subject,
        "text": "\n\n".join(f"{text} {url}".strip() for text, url in parts) + "\n",
        "html": f'<html lang="{language}"{direction}><body>\n{"".join(map(_paragraph, parts))}</body></html>\n',
    }
    if kind == "newsletter":
        fields["headers"] = {"List-Unsubscribe": f"<{parts[-1][1]}>"}
    return fields


_Part = tuple[str, str]
"""A paragraph, and the URL to which it leads or an empty string."""

_Sample = tuple[str, list[_Part]]
"""A subject and the paragraphs."""


def _paragraph(part: _Part) -> str:
    text, url = map(escape, part)
    shown = "<br>\n".join(text.split("\n"))
    return f'<p><a href="{url}">{shown}</a></p>\n' if url else f"<p>{shown}</p>\n"


def _sign_up(phrases: _Phrases, _faker: Faker, shop: str) -> _Sample:
    import secrets

    return phrases.confirm_subject.format(shop), [
        (phrases.confirm, ""),
        (phrases.button, f"{_SITE}/confirm?token={secrets.token_hex(8)}"),
        (phrases.code.format(f"{secrets.randbelow(900_000) + 100_000}"), ""),
        (phrases.ignore, ""),
    ]


def _receipt(phrases: _Phrases, faker: Faker, _shop: str) -> _Sample:
    prices = [faker.random_int(100, 9_999) for _ in range(3)]
    items = [f"1 x {_words(faker, 2)}: {_price(phrases, price)}" for price in prices]
    lines = "\n".join([*items, f"{phrases.total}: {_price(phrases, sum(prices))}"])
    number = f"{faker.random_int(2020, 2029)}-{faker.random_int(1_000, 9_999)}"
    return phrases.receipt_subject.format(number), [(phrases.thanks, ""), (lines, "")]


def _newsletter(phrases: _Phrases, faker: Faker, shop: str) -> _Sample:
    import secrets

    stories = [part for number in range(1, 4) for part in _story(phrases, faker, number)]
    unsubscribe = f"{_SITE}/unsubscribe?list={secrets.token_hex(8)}"
    return phrases.news_subject.format(shop), [*stories, (phrases.unsubscribe, unsubscribe)]


def _story(phrases: _Phrases, faker: Faker, number: int) -> Iterator[_Part]:
    yield _words(faker, 4), ""
    yield faker.paragraph(), ""
    yield phrases.more, f"{_SITE}/news/{number}"


def _words(faker: Faker, count: int) -> str:
    return " ".join(faker.words(count)).capitalize()


def _price(phrases: _Phrases, hundredths: int) -> str:
    return phrases.price.format(*divmod(hundredths, 100))


_SAMPLES: Final[Mapping[str, Callable[[_Phrases, Faker, str], _Sample]]] = {
    "sign-up": _sign_up,
    "receipt": _receipt,
    "newsletter": _newsletter,
}

KINDS: Final = tuple(_SAMPLES)
