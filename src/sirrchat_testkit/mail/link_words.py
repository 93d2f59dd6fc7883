"""The words and addresses, in many languages, from which a reader knows what a link is for.

1. ``PURPOSES`` are words of links that a message has beside the one that it was sent for; ``LESSER`` are words of links
   that a reader follows only if there is no other.
2. They are patterns in lower case, searched in the text of a link, or in the words that introduce it, in lower case:
   that is several times faster than ignoring case.
3. These are only words; ``links`` decides what a link with one is.
"""

from __future__ import annotations

import re
from typing import Final


def _any(*patterns: str) -> re.Pattern[str]:
    return re.compile("|".join(patterns))


def _whole(*patterns: str) -> re.Pattern[str]:
    return re.compile(rf"\W*(?:{'|'.join(patterns)})\W*")


UNSUBSCRIBE: Final = _any(
    r"unsubscri|opt[ -]?out|(e-?mail|notification|subscription|communication)s? (preferences|settings)"
    r"|manage( all)?( your| my)? (preferences|((e-?mail|mailing) )?(notifications|subscriptions|alerts))"
    r"|(update|change|edit|set)( your| my)? ((e-?mail|subscription|communication) )?preferences",
    r"stop receiving|no longer (wish|want) to receive|abmeld|abbestell|austragen|keine e-?mails mehr",
    r"désabonn|désinscri|ne plus recevoir|darse de baja|dejar de recibir"
    r"|cancelar (la |a )?(suscripción|subscrição|inscrição)",
    r"descadastr|não receber mais|cancellati|disiscri|annulla l.iscrizione|donar-se de baixa|cancel·la",
    r"uitschrijv|afmeld|niet meer ontvangen|avregistrera|avsluta prenumeration|avmeld|meld deg av|frameld",
    r"peruuta (tilaus|uutiskirje)|poistu (posti|listal)|loobu|atteikties|atsisaky|wypisz"
    r"|rezygn|odhlás|leiratkoz|dezabon",
    r"διαγραφή|απεγγραφή|κατάργηση εγγραφής|abonelikten|listeden çık|отпис|відпис|odjav|одјав",
    r"إلغاء الاشتراك|لغو (اشتراک|عضویت)|הסרה|להסיר|ביטול הרשמה|सदस्यता (समाप्त|रद्द)|अनसब्सक्राइब|আনসাবস্ক্রাইব",
    r"ยกเลิกการ(สมัคร|รับ)|hủy (đăng ký|nhận|theo dõi)|huỷ đăng ký|berhenti berlangganan|nyahlanggan",
    r"退订|取消订阅|退訂|取消訂閱|配信停止|配信解除|購読解除|登録解除|メルマガ解除|수신\s?거부|구독\s?(취소|해지)",
)
LEGAL: Final = _any(
    r"privacy|terms (of|&|and conditions)|^terms$|imprint|legal notice|cookie policy|impressum|datenschutz|\bagb\b",
    r"nutzungsbedingungen|mentions légales|confidentialité"
    r"|conditions (générales|d'utilisation)|privacidad|aviso legal",
    r"términos|termos de|condizioni|informativa|note legali|algemene voorwaarden|integritetspolicy|användarvillkor",
    r"personvern|privatlivspolitik|vilkår|tietosuoja|käyttöehdot|prywatności|regulamin|osobn(ích|ých) údaj",
    r"obchod(ní|né) podmínky|adatvédel|confidențialitate|termeni și|απορρήτου|όροι χρήσης"
    r"|gizlilik|kullanım koşulları",
    r"конфиденциальност|конфіденційн|поверителност|условия|умови (вик|кор)|privatnosti"
    r"|الخصوصية|الشروط|شروط الاستخدام",
    r"حریم خصوصی|פרטיות|תנאי שימוש|गोपनीयता|सेवा की शर्तें|ความเป็นส่วนตัว"
    r"|chính sách bảo mật|điều khoản|privasi|syarat dan",
    r"隐私|隱私|服务条款|使用条款|プライバシー|利用規約|特定商取引|개인정보|이용\s?약관",
)
SOCIAL: Final = _whole(
    "facebook|instagram|twitter|x|youtube|linkedin|tiktok|pinterest|whatsapp|telegram|mastodon|bluesky|threads|discord",
    "вконтакте|weibo|微博|微信|xing|snapchat|reddit",
)
FOLLOW: Final = _any(
    r"follow us|connect with us|folge[nt]? (sie )?uns|suivez-nous|s[ií]guenos|siga-nos|seguici|volg ons",
    r"följ oss|følg os|seuraa meitä|obserwuj nas|sleduj(te)? nás|kövess minket|urmărește-ne|ακολουθήστε μας",
    r"bizi takip edin",
    r"мы в соцсетях|подписывайтесь на нас|ми в соцмережах|تابعنا|עקבו אחרינו|关注我们|關注我們|フォローする|팔로우",
)
"""Words that introduce a profile at a social network, whatever its host."""

BROWSER: Final = _any(
    r"(view|read|open|see|show)( this)?( (e-?mail|message|newsletter))? (it )?(online|on the web)",
    r"(view|read|open|see|show)( this)?( (e-?mail|message|newsletter))? (it )?(in|on) (your |the |a )?(web )?browser",
    r"(online|web) version|trouble (viewing|reading)|im browser|online ansehen"
    r"|version en ligne|dans (votre|le) navigateur",
    r"navegador|versión (web|online)|versão (web|online)|nel browser|versione online"
    r"|in (je|uw|de) browser|bekijk online",
    r"webbläsare|i (din )?browser|i nettleser|selaime|w przeglądarce|v prohlížeči|v prehliadači|böngésző|în browser",
    r"πρόγραμμα περιήγησης|tarayıcı|в браузер[еі]|у браузері|בדפדפן|المتصفح|مرورگر|ब्राउज़र"
    r"|เบราว์เซอร์|trình duyệt|di browser",
    r"ブラウザ|浏览器|瀏覽器|브라우저|웹에서 보기",
)
APP: Final = _whole(
    r"((download|get it|available) (on|from|in) the )?(app store|google play|play store)"
    r"|get (it on google play|the app)",
    r"(download|hol dir|télécharge[rz]?|descarga|scarica|baixe) (the|our|die|l'|la|o) ?app.*",
)
HELP: Final = _whole(
    r"(get|need|visit( our)?|contact)?\s*(help|support)(\s(center|centre|site|page|team|& contact))?|faq",
    r"contact( us| support)?|about( us)?|über uns|à propos( de nous)?|sobre( nosotros| nós)?|chi siamo|over ons|om oss",
    r"hilfe( & (kontakt|kundenservice))?|kontakt|aide|centre d'aide"
    r"|(nous )?contacte[rz]?( nous)?|ayuda|contacto|ajuda",
    r"central de ajuda|fale conosco|aiuto|assistenza|contatti|hulp|klantenservice|hjälp"
    r"|kundtjänst|kontakta oss|hjælp|hjelp",
    r"apua|pomoc|nápověda|súgó|ajutor|βοήθεια|yardım( merkezi)?|bize ulaşın|помощь|допомога|довідка|помощ",
    r"المساعدة|مركز المساعدة|اتصل بنا|راهنما|עזרה|צור קשר|सहायता( केंद्र)?|मदद|সাহায্য"
    r"|ช่วยเหลือ|(trung tâm )?trợ giúp|hỗ trợ",
    r"(pusat )?bantuan|hubungi kami|帮助(中心)?|幫助(中心)?|联系我们|聯絡我們|客服中心|ヘルプ|お問い合わせ",
    r"도움말|고객센터|문의하기",
)
UNDO: Final = _any(
    r"\b(was|is)(n.?t| not) (me|you)\b|\bnot (me|you)\b|\blet us know\b"
    r"|\breport (it|this)\b|(did.?n.t|did not|have not|never) "
    r"(you )?(request|make|ask|sign up|recogni[sz]e|create|register)"
    r"|nicht (von )?(ihnen|dir|sie)\b|(sie|du) (das )?nicht\b",
    r"ce n.était pas|n.êtes pas à l.origine|n.avez pas demandé"
    r"|no (has|ha|fuiste|fue|solicit)|avísanos|não (foi você|fui eu|solicit)",
    r"non (sei|è) stat[oa]|non hai richiesto|niet jij|niet aangevraagd|var (det )?inte du"
    r"|ikke deg|var det ikke dig|to nie (ty|pan)",
    r"nebyl[ai]? jste to|nem ön|не вы\b|не ви\b|siz değil|心当たり|不是您|非本人|본인이 아",
    r"(secure|protect) (my|your) account|konto (schützen|sichern)|(sécurise|protége)[rz]? (mon|votre|ton) compte"
    r"|(proteger|proteja|protege) (mi|tu|su|minha|sua|a) c(uen|on)ta|(proteggi|metti al sicuro) il (mio|tuo) account",
)
COPY: Final = _any(
    r"copy|paste|not work|doesn.t work|trouble|kopier|einfüg|funktioniert nicht|copier"
    r"|coller|copi[ae]|pega|incolla|cola[re]",
    r"plak|klistr|liimaa|skopiuj|wklej|zkop|vlož|másol|lipi|αντιγρ|kopyala|скопир|встав"
    r"|копіюй|コピー|复制|複製|복사|نسخ|העתק",
)
GENERIC: Final = _whole(
    r"(click|tap|press|go)?\s*here|this( link)?|link|klick(en sie)? hier|hier( klicken)?"
    r"|(cliquez )?ici|aqu[ií]|clic aquí",
    r"qui|clicca qui|clique aqui|klik hier|klicka här|här|her|klik her|tästä|tutaj"
    r"|kliknij tutaj|zde|tu|itt|aici|εδώ|buraya",
    r"(нажмите )?(здесь|сюда)|тут|هنا|כאן|यहाँ|这里|此处|點此|こちら|여기",
)
SOCIAL_HOST: Final = re.compile(
    r"https?://([a-z0-9-]+\.)*(facebook\.com|fb\.com|twitter\.com|x\.com|instagram\.com|linkedin\.com|youtube\.com|youtu\.be"
    r"|tiktok\.com|pinterest\.[a-z.]+|t\.me|wa\.me|weibo\.com|discord\.(?:gg|com)"
    r"|mastodon\.social|threads\.net|bsky\.app"
    r"|vk\.com|line\.me|reddit\.com|snapchat\.com|xing\.com)(?::\d+)?(?P<path>/[^?#]*)?(?:[?#]|$)",
    re.IGNORECASE,
)
PROFILE: Final = re.compile(
    r"/?[^/]*/?|/(company|in|channel|c|user|pages|people|profile|r|groups|invite)/[^/]+/?", re.IGNORECASE
)
"""The path of a profile at a social network, of which a sender has one."""

APP_HOST: Final = re.compile(
    r"https?://(apps|itunes)\.apple\.com|https?://(play\.google|appgallery\.huawei)\.com", re.IGNORECASE
)
HELP_PAGE: Final = re.compile(
    r"https?://[^/]*/([a-z]{2}/)?(help|support|faq|contact|about|hilfe|aide|ayuda|bantuan|hc|smarthelp)/?([?#]|$)"
    r"|https?://[^/]*/(help|support|hc|faq)/([a-z]{2}(-[a-z]{2})?/)?(articles?|categories|sections|topics?|answers?)/"
    r"|https?://(help|support|faq|hilfe|aide|ayuda)\.[^/]*/?([a-z]{2}(-[a-z]{2})?/?)?(hc/?)?([?#]|$)"
    r"|https?://(help|support|faq|hilfe|aide|ayuda)\.[^/]*/([a-z]{2}(-[a-z]{2})?/)?(hc|articles?|answers?|topics?)/",
    re.IGNORECASE,
)
SETTINGS: Final = _whole(
    r"([a-z]+ ){0,3}(settings|preferences)|([^\W\d_]+[- ]){0,2}([^\W\d_]*einstellungen|paramètres|préférences|ajustes)",
    r"configuraci[óo]n|configurações|impostazioni|instellingen|inställningar|innstillinger|indstillinger|asetukset",
    r"ustawienia|nastavení|nastavenia|beállítások|setări|ρυθμίσεις|ayarlar|настройки|налаштування|הגדרות|الإعدادات",
    r"设置|設定|설정",
)
LOGIN_PAGE: Final = re.compile(
    r"https?://[^/]*/((users?|accounts?|auth|session)s?/)?(login|log-in|signin|sign-in|sign_in)/?$", re.IGNORECASE
)
UNDO_PAGE: Final = re.compile(r"/(cancel|revoke|report|deny|undo|not-?me)/?([?#]|$)", re.IGNORECASE)
PATHS: Final = {
    "unsubscribe": re.compile(
        r"unsub(scribe)?\b|unsubscri|opt[-_]?out|list-manage|abmelde|desinscri|desabonn"
        r"|/(e-?mail|notification|subscription)s?[-_/](settings|preferences)\b",
        re.IGNORECASE,
    ),
    "tracking": re.compile(
        r"[/._-](open|pixel|beacon)\.(gif|png)|/(track|pixel|beacon)/open|/wf/open\b", re.IGNORECASE
    ),
    "legal": re.compile(
        r"/(legal/)?([a-z]+-)?(privacy|terms|legal|imprint|impressum|datenschutz|agb|tos|cookies)([-_][a-z-]+)?(\.html?)?/?$",
        re.IGNORECASE,
    ),
}
IMAGE_FILE: Final = re.compile(r"\.(png|jpe?g|gif|webp|svg|bmp|ico)$", re.IGNORECASE)
