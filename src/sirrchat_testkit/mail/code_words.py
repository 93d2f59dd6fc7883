"""The words, by language, from which a reader knows that a number is a one-time code, or that it is another number.

1. Words are separated by commas and written in lower case. ``*`` stands for any letters: ``*kod*`` finds
   "engångskoden". Scripts that join words have a ``*`` on both sides. In ``other_codes`` and ``promotion`` a blank also
   matches a hyphen, and nothing: "zip code", "zipcode".
2. To add a language, add an entry here, and mails to ``tests/mail/corpus``.
3. These are only words; ``codes`` decides what a number beside them is.
"""

from __future__ import annotations

from typing import Final, NamedTuple


class Language(NamedTuple):
    """The words of one language.

    Attributes:
        code: Words that name a code that one types.
        secret: Words for a password or a verification: a number directly after them is a code.
        reason: Words for what a code is sent for, such as "sign in": a number alone on its line near them is a code.
        verbs: What a reader is asked to do with a code, as it stands before the code: "enter", "use".
        verbs_after: The same, as it stands after the code.
        copulas: Words between the name of a code and the code: "is".
        other_codes: Codes that one does not type to sign in: "postal code", "barcode", "promo code".
        numbers: What other numbers are: "order", "invoice", "phone".
        numbers_after: The same, as it stands after the number.
        promotion: Words that are near promotion codes.
    """

    code: str
    secret: str = ""
    reason: str = ""
    verbs: str = ""
    verbs_after: str = ""
    copulas: str = ""
    other_codes: str = ""
    numbers: str = ""
    numbers_after: str = ""
    promotion: str = ""


LANGUAGES: Final = {
    "English": Language(
        code=(
            "*code, *codes, otp, otps, pin, pins, pin-*, tan, mtan, following digits, digits below, digit number, "
            "verification number, authentication number, access number, security number, login number, "
            "sign-in number, one-time number, secret number, sign-in key, security key, activation key, access key, "
            "login key, one-time key, voting key, recovery key, verification key, confirmation key"
        ),
        secret="password, passphrase, passkey, token, verification, confirmation, 2fa, mfa, one-time password",
        reason=(
            "sign in, sign-in, signing in, signing-in, log in, login, logging in, log-in, verify*, verifying, "
            "confirm, confirming, authenticat*, two-factor, two-step, 2fa, mfa, one-time, one time, identity, unlock, "
            "recover*, activate, activating, account access"
        ),
        verbs=(
            "use, enter, type, type in, input, insert, provide, quote, key in, submit, give, punch in, paste, "
            "fill in, reply with, respond with, answer with, put in, enter the number, enter the digits, here you go, "
            "it's, it’s, here it is, here is, here you are, here, there you go, use this one instead, "
            "use this instead, use this one"
        ),
        copulas="is, are, was, be",
        other_codes=(
            "zip code, postal code, post code, postcode, area code, country code, dial* code, promo* code, "
            "discount code, voucher code, coupon code, gift* code, gift card code, source code, qr code*, bar code*, "
            "barcode*, error code*, status code*, exit code*, return code*, response code*, sort code*, swift code*, "
            "bic code*, bank code*, branch code*, tax code*, product code*, item code*, order code*, dress code*, "
            "color code*, colour code*, color-code*, hex code*, morse code, penal code, civil code, criminal code, "
            "labor code, labour code, building code*, referral code*, affiliate code*, student code*, customer code*, "
            "company code*, job code*, vat code*, ticket code*, machine code, byte code, bytecode, currency code*, "
            "language code*, reason code*, merchant code*, offer code*, campaign code*, reward code*, airport code*, "
            "http code*, course code*, stock code*, legacy code, dead code, clean code, national code, "
            "your source code, *decode*, *encode*, unicode, geocode*, opcode*, shortcode*, codec*, coder*, codebase*, "
            "codepen, codeshare*, codeine, code review*, code scanner*, code reader*, code coverage, code size, hash "
            "code*, otp error*, otp rate*, "
            "otp service, code section*, commercial code, professions code, business code, code article*, "
            "tracking code*, code base*, code of conduct, code freeze*, code quality, code snippet*, code sample*, "
            "code example*, code block*, code style, code editor*, code change*, code owner*, code signing, "
            "code scanning, code search, code hosting, code line*, code red, codeword*, vscode, vs code, "
            "pin code area, invite code*, invitation code*, unlock code for sale, employee code*, member* code*, "
            "agent code*, partner code*, dealer code*, vendor code*, supplier code*, store code*, site code*, "
            "project code*, batch code*, lot code*, part code*, sku code*, style code*, hs code*, goods code*, "
            "commodity code*, sic code*, naics code*, icd code*, cpt code*, ifsc code*, result code*, fault code*, "
            "cost code*, charge code*, fare code*, rate code*, location code*, station code*, property code*, "
            "department code*, budget code*, ledger code*, gl code*, billing code*, procedure code*, diagnosis code*, "
            "catalog code*, catalogue code*, model code*, engine code*, trouble code*, state code*, city code*, "
            "region code*, province code*, county code*, service code*, "
            "diagnostic code*, reference code*, request code*, transaction code*, payment code*, shipment code*, "
            "booking code*, reservation code*, user code*, session code*, paper code*, class code*, mailing code*, "
            "old code*, previous code*, expired code*, less code, more code, cleaner code, better code, code weekly, "
            "user pin code, token balance, token lifetime, internal revenue code"
        ),
        numbers=(
            "order*, invoice*, ticket*, booking*, reservation*, reference*, ref, tracking*, shipment*, parcel*, "
            "receipt*, request*, case, item*, article*, vat, tax, account*, acct, a/c, customer*, client*, member*, "
            "company, registration, reg, registered, policy, contract*, product*, sku, serial*, model, flight*, "
            "seat*, gate*, room*, suite, floor, unit, apt, po box, p.o. box, zip, zip code, postcode, postal code, "
            "iban, bic, card*, ending, ending in, ending with, ends in, ends with, transaction*, txn*, trx, payment*, "
            "transfer*, amount*, total*, balance, price*, sum, fee, issue*, version*, ver, v, build*, release*, "
            "commit*, pull request*, pr, bug*, line*, page*, section*, chapter*, port*, error*, status, rfc, iso, "
            "http, id, uid, device*, session*, process, pid, job*, run, task*, phone*, tel, telephone, fax, mobile, "
            "hotline, call, dial, sms, whatsapp, helpline, extension, ext, number, no, nr, num, year, since, "
            "copyright, copr, chrome, firefox, safari, edge, windows, android, ios, macos, mac os, mac os x, linux, "
            "opera, edition, vol, volume, batch*, lot, license*, licence*, vehicle, plate, student*, employee*, "
            "claim*, patient*, january, february, march, april, may, june, july, august, september, october, "
            "november, december, jan, feb, mar, apr, jun, jul, aug, sep, sept, oct, nov, dec, spring, summer, autumn, "
            "fall, winter, in, from, until, till, by, of, over, about, nearly, almost, than, hs, awb, pnr, terminal, "
            "trip*, route, platform, track, exit code*, status code*, error code*, call us, us, at box, user, "
            "lifetime, expires"
        ),
        promotion=(
            "discount, coupon, voucher, promo*, gift card, checkout, % off, cashback, at the till, invite friends, "
            "refer a friend, referral"
        ),
    ),
    "German": Language(
        code=(
            "*code, *codes, *kennung, freischaltschlüssel, aktivierungsschlüssel, sicherheitsschlüssel, *ziffern, "
            "ziffernfolge, zahlenfolge, tan, mtan, itan, pushtan, smstan, chiptan, phototan, pin, *-pin, *-tan, "
            "einmalkennwort, einmalpasswort, zugangsnummer, "
            "sicherheitsnummer"
        ),
        secret="passwort, kennwort, *bestätigung*, *bestaetigung*, *verifizierung*",
        reason=(
            "*anmeld*, *einlog*, *zugriff*, *zugang, *einmal*, *bestätigen*, *authentifi*, freigabe, freigeben, "
            "identität*, *anzumeld*"
        ),
        verbs=(
            "geben sie, geben sie bitte, gib, gib bitte, nutzen sie, nutze, verwenden sie, verwende, tippen sie, "
            "hier, hier bitte, hier ist er, bitte, bitte sehr, voilà, tippe"
        ),
        verbs_after="eingeben",
        copulas="ist, lautet, heißt, sind",
        other_codes=(
            "rabatt* code, gutschein* code, aktions* code, promo* code, quell* code*, strich* code*, fehler* code*, "
            "farb* code*, länder* code*, artikel* code*, kunden* code*, bankleitzahl, codier*, kodier*, "
            "buchungs* code*, gegentan, status* code*, tracking* code*, sendungs* code*, produkt* code*, "
            "filial* code*, kassenkennung, länderkennung, *fahrzeugkennung"
        ),
        numbers=(
            "bestell*, auftrag*, *auftragsnummer, rechnung*, *rechnungsnummer, vorgang*, *kundennummer, kunden*, "
            "konto*, *konto, vertrag*, sendung*, sendungsnummer, steuer*, ust-id*, ustid*, hrb, hra, "
            "handelsregister*, karte*, kartenendung, endend auf, endet auf, endziffern, telefon*, postfach, plz, "
            "betrag, summe, über, anruf*, *nummer, nummer, artikel*, ticket*, referenz*, *hotline, *nr, januar, "
            "februar, märz, mai, juni, juli, oktober, dezember, jahr, seit, straße, str, aktenzeichen, az, raum, "
            "zimmer, stand"
        ),
        numbers_after="endend*, endet",
        promotion="rabatt*, gutschein*, warenkorb, kasse",
    ),
    "French": Language(
        code=(
            "code, codes, code à usage unique, mot de passe à usage unique, clé de connexion, clé d'accès, "
            "clé de sécurité, clé d'activation, numéro d'accès, chiffres"
        ),
        secret="mot de passe, *vérification, confirmation",
        reason="connexion, connecter, identifi*, authentifi*, valider, confirmer, vérifier, usage unique",
        verbs=(
            "saisissez, entrez, utilisez, tapez, saisis, saisir, entrer, utilise, entre, renseignez, indiquez, voici, "
            "voilà, le voici, le voilà"
        ),
        copulas="est, sont",
        other_codes=(
            "code* postal*, code* postaux, code* promo*, code* de réduction, code* réduction, code* de remise, "
            "code* pénal, code* civil, code* de la route, code* du travail, code* source*, code* barre*, "
            "code* à barre*, code* de parrainage, code* parrain*, code* pays, code* avantage*, code* cadeau*, "
            "code* d'erreur, code* erreur, code* article*, code* client*, code* qr, code* swift, code* bic, "
            "code* naf, code* ape, code* de bonne conduite, code* produit*, code* monétaire, code* de commerce, "
            "code* de la consommation, code* de suivi, code* de la santé, code* général*, code* réservation, "
            "code* de réservation, code* banque, code* guichet, code* agence, code* d'agence"
        ),
        numbers=(
            "commande*, facture*, dossier*, compte*, client*, carte*, siret, siren, rcs, téléphone, tél, appelez, "
            "montant, boîte postale, bp, cs, se terminant par, finissant par, numéro*, n°, nº, référence*, réf, "
            "billet*, colis, suivi, demande*, tva, adhérent*, janvier, février, mars, avril, mai, juin, juillet, "
            "août, septembre, octobre, novembre, décembre, depuis, année, en, dès, commande n, rue, cedex, "
            "capital de, capital, poste, service client, transaction, virement"
        ),
        promotion="remise*, réduction*, panier, promo*, soldes, boutique en ligne",
    ),
    "Spanish": Language(
        code=(
            "código*, codigo*, contraseña de un solo uso, clave de un solo uso, cifras, número de acceso, "
            "llave de seguridad, dígitos"
        ),
        secret="contraseña, contrasena, clave*, verificación, verificacion, confirmación, confirmacion",
        reason=(
            "iniciar sesión, inicia sesión, inicio de sesión, inicie sesión, acceder, acceso, verifica*, confirmar, "
            "confirma, identidad, autentica*, un solo uso"
        ),
        verbs=(
            "introduce, introduzca, ingresa, ingrese, usa, use, utiliza, utilice, escribe, escriba, pon, digite, "
            "digita, teclea, teclee, introducir, ingresar, aquí tienes, aquí está, aquí lo tienes, aquí"
        ),
        copulas="es, son",
        other_codes=(
            "código* posta*, código* promo*, código* de descuento, código* descuento, código* de barra*, código* qr, "
            "código* fuente, código* penal, código* civil, código* de error, código* error, código* de área, "
            "código* de país, código* de conducta, código* de producto, código* de cliente, código* swift, "
            "código* de regalo, código* de referido*, código* fiscal, cupón, código* de reserva, "
            "código* de seguimiento, código* de rastreo, código* de comercio, código* de artículo, "
            "código* de sucursal, código* del artículo"
        ),
        numbers=(
            "pedido*, factura*, cuenta*, cliente*, tarjeta*, teléfono*, llame, llama, llamando, importe*, monto, "
            "apartado, terminada en, que termina en, terminado en, acabada en, solicitud*, referencia*, trámite*, "
            "expediente*, nif, cif, rut, cuit, rfc, número*, núm, envío*, guía, ticket, boleto, reserva, cp, c.p, "
            "enero, febrero, abril, mayo, junio, julio, agosto, septiembre, octubre, noviembre, diciembre, de, desde, "
            "año, hasta, calle, línea, avenida, operación, transacción, versión, por"
        ),
        promotion="descuento*, cupón*, carrito, oferta*, rebaja*",
    ),
    "Portuguese": Language(
        code="código*, codigo*, senha de uso único, chave de segurança, chave de acesso, dígitos",
        secret="senha*, palavra-passe, *verificação, *verificacao, confirmação, confirmacao, token",
        reason=(
            "iniciar sessão, início de sessão, fazer login, login, entrar, acesso, acessar, aceder, verifica*, "
            "confirmar, identidade, autentica*, uso único"
        ),
        verbs=(
            "digite, digita, insira, use, utilize, informe, introduza, usar, inserir, escreva, coloque, aqui está, "
            "aqui, eis"
        ),
        copulas="é, são",
        other_codes=(
            "código* posta*, código* promo*, código* de desconto, código* desconto, código* de barra*, código* fonte, "
            "código-fonte, código* de erro, código* penal, código* civil, código* de área, código* do país, "
            "código* de conduta, código* de rastre*, código* de rastreamento, código* do produto, cep, "
            "código* do cliente, código* do banco, código* da agência"
        ),
        numbers=(
            "encomenda*, fatura*, conta*, cartão*, telefone*, valor*, protocolo*, cnpj, cpf, nif, nipc, final, "
            "terminado em, terminada em, solicitação*, nota fiscal, agência, ligue, ligar, central, pedido*, "
            "referência*, cep, rua, janeiro, fevereiro, março, abril, maio, junho, julho, setembro, outubro, "
            "novembro, dezembro, desde, ano, registo, matrícula, contribuinte, número*, processo"
        ),
        promotion="desconto*, cupom*, cupão, carrinho, oferta*",
    ),
    "Italian": Language(
        code="codice, codici, cifre, chiave di accesso, password monouso",
        secret="*verifica, conferma, password",
        reason="acced*, accesso, accessi, login, autentica*, identità, confermare, verificare, monouso",
        verbs=(
            "inserisci, inserisca, inserire, digita, digiti, usa, usi, utilizza, utilizzi, immetti, immettere, "
            "scrivi, ecco, eccolo"
        ),
        copulas="è, e', sono",
        other_codes=(
            "codice fiscale, codici fiscali, codice sconto, codice di sconto, codice promo*, codice a barre, "
            "codici a barre, codice qr, codice sorgente, codice penale, codice civile, codice di avviamento postale, "
            "codice postale, codice errore, codice di errore, codice cliente, codice prodotto, codice articolo, "
            "codice iban, codice regalo, codice amico, codice di condotta, codice univoco, codice cir, codice cin, "
            "codice sdi, codice destinatario, codice di tracciamento, codice tracking, codice di spedizione, "
            "codice di prenotazione, codice ordine, codice della strada, codice del consumo, codice filiale, "
            "codice abi, codice cab"
        ),
        numbers=(
            "ordine*, fattura*, conto*, carta*, telefono*, importo*, pratica*, p.iva, p. iva, partita iva, rea, "
            "che termina con, n., num, numero*, spedizione*, tracking, cap, via, cliente, chiama*, chiamaci, "
            "prenotazione*, richiesta*, gennaio, febbraio, marzo, aprile, maggio, giugno, luglio, agosto, settembre, "
            "ottobre, novembre, dicembre, dal, del, anno, capitale sociale, operazione"
        ),
        promotion="sconto, sconti, buono, carrello, offerta, offerte",
    ),
    "Catalan": Language(
        code="codi, codis",
        secret="contrasenya, verificació, confirmació",
        reason=(
            "iniciar sessió, inicia sessió, inici de sessió, inicieu sessió, accedir, accés, verificar, identitat, "
            "un sol ús"
        ),
        verbs="introdueix, introduïu, utilitza, utilitzeu, escriu, escriviu, feu servir, fes servir, entreu",
        copulas="és, es, són",
        other_codes=(
            "codi postal, codi promo*, codi de descompte, codi de barres, codi font, codi d'error, codi qr, "
            "codi de reserva"
        ),
        numbers=(
            "comanda*, factura*, compte*, client*, targeta*, telèfon*, import, número*, referència*, núm, acabada en, "
            "des de, gener, febrer, març, abril, maig, juny, juliol, agost, setembre, octubre, novembre, desembre, "
            "expedient*, carrer, sol·licitud*"
        ),
        promotion="descompte*, cistella",
    ),
    "Galician, Basque": Language(
        code="kodea, kode, código",
        secret="contrasinal, pasahitza",
        verbs="introduce, sartu, erabili",
        copulas="é, da",
    ),
    "Romanian": Language(
        code="parola de unică folosință, cod, codul, codului, coduri, codurile",
        secret="parol*, verificare*, confirmare*",
        reason="autentific*, conecta*, conectare*, confirmați, identit*, unică folosință",
        verbs=(
            "introduceți, introduceţi, introdu, folosiți, folosiţi, utilizați, utilizaţi, folosește, foloseşte, "
            "tastați, utilizează"
        ),
        copulas="este, e, sunt",
        other_codes=(
            "cod* poștal*, cod* postal*, cod* promo*, cod* de reducere, cod* reducere, cod* de bare, cod* qr, "
            "cod* sursă, cod* eroare, cod* de eroare, cod* numeric personal, cod* fiscal*, cod* client*, cod* loc*, "
            "cod* produs*, cod* de identificare fiscală, cod* țării, cod* de urmărire, cod* awb"
        ),
        numbers=(
            "comand*, factur*, client*, cont*, cui, cif, sum*, număr*, nr, cerer*, card*, telefon*, apela*, sun*, "
            "colet*, awb, referinț*, ianuarie, februarie, martie, aprilie, mai, iunie, iulie, august, septembrie, "
            "octombrie, noiembrie, decembrie, din, anul, strada, str, terminat în, care se termină în, dosar*, "
            "tranzacți*"
        ),
        promotion="reducer*, coș*, voucher*",
    ),
    "Dutch": Language(
        code="*code*, pin, tan, cijfers, toegangsnummer",
        secret="*wachtwoord, *verificatie, *bevestiging",
        reason="*inlog*, *aanmeld*, bevestigen, verifiëren, eenmalig*, identiteit, in te loggen",
        verbs="voer, gebruik, vul, typ, toets, geef, hier, hier is hij, alsjeblieft",
        copulas="is, luidt, zijn",
        other_codes=(
            "kortings* code*, actie* code*, streepjes* code*, bron* code*, fout* code*, land* code*, product* code*, "
            "cadeau* code*, postcode*, klant* code*, vouchercode*, boekings* code*, filiaalcode*"
        ),
        numbers=(
            "bestelling*, bestelnummer*, factuur*, klant*, rekening*, kvk*, btw*, postbus, bedrag*, telefoon*, "
            "eindigend op, *nummer, bel, pakket*, zending*, dossier*, zaak*, januari, februari, maart, mei, juni, "
            "juli, augustus, oktober, december, sinds, jaar, van, kenmerk, kaart*, order*, referentie*, transactie*"
        ),
        promotion="korting*, winkelmand*, cadeaubon*",
    ),
    "Swedish": Language(
        code="*kod, *koden, *koder, *kods, *koderna, säkerhetsnyckel*, siffrorna",
        secret="*lösenord*, *verifiering*, *bekräftelse*",
        reason="logga in, *inlogg*, engångs*, bekräfta*, identitet*, verifiera*, legitimera*",
        verbs="ange, använd, skriv, skriv in, mata in, fyll i, knappa in, här, här är den, här kommer den",
        copulas="är, lyder",
        other_codes=(
            "*rabattkod*, *streckkod*, *källkod*, *felkod*, *kampanjkod*, *presentkortskod*, *landskod*, *kupongkod*, "
            "*färgkod*, kodak, *erbjudandekod*, *artikelkod*, *värdekod*, *bokningskod*, *postkod*, kodgranskning*, "
            "*kundkod*, *spårningskod*, *produktkod*, *varukod*"
        ),
        numbers=(
            "beställning*, order*, faktura*, kund*, kort*, belopp*, *nummer, *numret, nr, telefon*, ring, org.nr, "
            "ärende*, paket*, referens*, januari, februari, mars, maj, juni, juli, augusti, oktober, sedan, år, från, "
            "*konto, slutar på, som slutar på, transaktion*"
        ),
        promotion="rabatt*, kassan, kupong*, erbjudande*",
    ),
    "Norwegian, Danish": Language(
        code="*kode, *koden, *koder, *kodene, *kodeord, kodeviser*, tallene, sifrene",
        secret="*passord*, *adgangskode*, *bekreftelse*, *bekræftelse*, *verifisering*, *verificering*",
        reason=(
            "logge inn, logg inn, *innlogg*, log ind, logge ind, *login*, engangs*, bekreft*, bekræft*, identitet*, "
            "godkend*, godkjenn*"
        ),
        verbs=(
            "bruk, brug, tast, tast inn, tast ind, indtast, skriv, skriv inn, skriv ind, oppgi, angi, angiv, anvend, "
            "benytt, her, her er den"
        ),
        copulas="er, lyder",
        other_codes=(
            "*rabatkode*, *rabattkode*, *strekkode*, *stregkode*, *kildekode*, *feilkode*, *fejlkode*, "
            "*kampanjekode*, *kampagnekode*, *gavekode*, *gavekortkode*, *landkode*, *landekode*, *kupongkode*, "
            "*kuponkode*, *postkode*, *farvekode*, *tilbudskode*, *varekode*, *bookingkode*, *bestillingskode*, "
            "*sporingskode*, *trackingkode*"
        ),
        numbers=(
            "ordre*, bestilling*, faktura*, kunde*, kort*, beløp*, *nummer, *nummeret, nr, telefon*, tlf, ring, "
            "org.nr, cvr*, sag*, sak*, pakke*, januar, februar, marts, maj, mai, juni, juli, oktober, desember, "
            "december, siden, år, fra, *konto*, postboks, som ender på, slutter på, transaksjon*, transaktion*, "
            "referanse*"
        ),
        promotion="rabat*, handlekurv, indkøbskurv, kassen, tilbud*",
    ),
    "Icelandic": Language(
        code="*kóði*, *kóða*, *kóðinn*",
        secret="lykilorð*, staðfesting*",
        reason="innskráning*, skrá þig inn",
        verbs="notaðu, sláðu inn, settu inn",
        copulas="er",
        other_codes="afsláttarkóð*, strikamerki*",
        numbers="pöntun*, reikning*, sími, kennitala",
        promotion="afslátt*",
    ),
    "Finnish": Language(
        code="*koodi*, *tunnusluku*, *koodin*",
        secret="*salasana*, *vahvistus*",
        reason="kirjaud*, *kirjautumi*, kertakäyt*, vahvista*, tunnist*, kirjautu*",
        verbs="syötä, anna koodi, käytä, kirjoita, näppäile",
        copulas="on",
        other_codes=(
            "*alennuskoodi*, *viivakoodi*, *tarjouskoodi*, *virhekoodi*, *lähdekoodi*, *qr-koodi*, "
            "*lahjakorttikoodi*, *kampanjakoodi*, *maakoodi*, *tuotekoodi*, *kuponkikoodi*, *etukoodi*, "
            "*varauskoodi*, *seurantakoodi*"
        ),
        numbers=(
            "tilau*, lasku*, asiaka*, y-tunnus, puhelin*, puh, summa*, viite*, tili*, *numero, nro, kortti*, lähety*, "
            "paketti*, soita, tammikuu*, helmikuu*, maaliskuu*, huhtikuu*, toukokuu*, kesäkuu*, heinäkuu*, elokuu*, "
            "syyskuu*, lokakuu*, marraskuu*, joulukuu*, vuodesta, vuonna, päättyy, pl, hakemu*"
        ),
        numbers_after="päättyv*, -päättyv*, loppuv*",
        promotion="alennu*, ostoskori*, kassalla",
    ),
    "Estonian": Language(
        code="*kood, *koodi, *koodid",
        secret="parool*, *kinnitus*",
        reason="sisse logi*, *sisselogi*",
        verbs="sisesta, sisestage, kasuta, kasutage",
        copulas="on",
        other_codes=(
            "*sooduskood*, *vöötkood*, *allahindluskood*, *registrikood*, *isikukood*, *kliendikood*, *lähtekood*, "
            "*veakood*, *tootekood*"
        ),
        numbers="tellimu*, arve*, klien*, telefon*, summa, number",
        numbers_after="lõppev*",
        promotion="soodus*, allahindlus*",
    ),
    "Latvian, Lithuanian": Language(
        code="kods, kodu, koda, kodas, kodą, kodo, kodai, *kods",
        secret="parole*, slaptažod*, *apstiprināj*, *patvirtinimo",
        reason="pieslēg*, prisijung*",
        verbs="ievadiet, ievadi, izmantojiet, įveskite, įvesk, naudokite",
        copulas="ir, yra",
        other_codes=(
            "atlaides kod*, nuolaidos kod*, pasta kod*, pašto kod*, svītrkod*, brūkšnin* kod*, įmonės kod*, "
            "pvm mokėtojo kod*, preces kod*, kļūdas kod*, prekės kod*, klaidos kod*"
        ),
        numbers="pasūtīj*, rēķin*, užsakym*, sąskait*, klient*, tālr*, tel, telefon*, numur*, numer*, nr",
        promotion="atlaid*, nuolaid*",
    ),
    "Polish": Language(
        code="kod, kodu, kodem, kody, kodów, kodzie",
        secret="hasło, hasła, haslo, hasla, *weryfikac*, *potwierdze*",
        reason="*zalog*, logow*, jednorazow*, potwierdź, tożsamoś*, zweryfik*",
        verbs="wpisz, podaj, użyj, wprowadź, przepisz, wpisać, podać, proszę, oto",
        copulas="to, jest, brzmi",
        other_codes=(
            "kod* pocztow*, kod* rabatow*, kod* kreskow*, kod* promocyjn*, kod* źródłow*, kod* błęd*, kod* qr, "
            "kod* swift, kod* produkt*, kod* kierunkow*, kod* zniżkow*, kod* kuponu, kod* kraju, kodeks*, szkod*, "
            "kodow*, kod* podarunkow*, kod* polecając*, kod* śledzenia, kod* towaru, kod* magazyn*"
        ),
        numbers=(
            "zamówie*, faktur*, klien*, konto, konta, rachun*, kart*, nip, regon, krs, kwot*, tel, telefon*, "
            "zgłosze*, numer*, nr, paczk*, przesyłk*, zadzwoń, infolini*, stycznia, lutego, marca, kwietnia, maja, "
            "czerwca, lipca, sierpnia, września, października, listopada, grudnia, od, roku, ul, kończąc* się na, "
            "transakc*, wnios*, spraw*"
        ),
        promotion="rabat*, zniżk*, koszyk*, kupon*",
    ),
    "Czech": Language(
        code="*kód, *kódu, *kódem, *kódy, *kódů, *kódom, přihlašovací klíč, bezpečnostní klíč",
        secret="hesl*, *ověř*, *potvrz*",
        reason="přihlá*, přihlaš*, jednorázov*, totožnost*",
        verbs="zadejte, použijte, opište, zadej, vložte, napište, použij",
        copulas="je, zní, jsou",
        other_codes=(
            "slevov* kód*, čárov* kód*, zdrojov* kód*, kód* chyby, chybov* kód*, kód* produktu, kód* zboží, "
            "promo kód*, qr kód*, kód* země, kód* kupónu, sledovac* kód*, poštovní směrovací číslo, kódov*, "
            "dárkov* kód*"
        ),
        numbers=(
            "objednávk*, faktur*, zákazn*, účt*, účet, ičo, dič, částk*, číslo, čísla, č, karty, kartu, končící, tel, "
            "telefon*, volejte, zásilk*, balík*, psč, ledna, února, března, dubna, května, června, července, srpna, "
            "září, října, listopadu, prosince, od, roku, žádost*, smlouv*"
        ),
        promotion="slev*, košík*, kupon*, kupón*",
    ),
    "Slovak": Language(
        code="*kód, *kódu, *kódom, *kódy",
        secret="hesl*, *overen*, *overovac*, *potvrd*",
        reason="prihlás*, prihlas*, jednorazov*, totožnos*",
        verbs="zadajte, použite, opíšte, zadaj, vložte, napíšte",
        copulas="je, znie, sú",
        other_codes=(
            "zľavov* kód*, čiarov* kód*, zdrojov* kód*, kód* chyby, chybov* kód*, kód* produktu, promo kód*, "
            "kód* krajiny, kód* tovaru, poštové smerovacie číslo"
        ),
        numbers=(
            "objednávk*, faktúr*, zákazníck*, účt*, účet, ičo, dič, ič dph, sum*, číslo, čísla, č, karty, kartu, "
            "končiac*, tel, telefón*, volajte, zásielk*, balík*, psč, januára, februára, apríla, mája, júna, júla, "
            "augusta, septembra, októbra, novembra, decembra, roku, žiadosť*"
        ),
        promotion="zľav*, košík*, kupón*",
    ),
    "Hungarian": Language(
        code="*kód*",
        secret="*jelsz*, *ellenőrz*, *ellenorz*, *megerősít*, *megerosit*",
        reason="*bejelentkez*, *belép*, egyszeri, egyszer használatos, azonosít*, hitelesít*",
        verbs="írja be, adja meg, használja, add meg, írd be, használd, gépelje be",
        copulas="a, az",
        other_codes=(
            "*kedvezménykód*, *kuponkód*, *promóciós kód*, *vonalkód*, *forráskód*, *hibakód*, *qr-kód*, *országkód*, "
            "*termékkód*, kódol*, *ajándékkód*, *ajánlókód*, *vevőkód*, *ügyfélkód*, *követési kód*, "
            "*nyomkövetési kód*, *foglalási kód*"
        ),
        numbers=(
            "*rendelés*, *számla*, *számlaszám*, *ügyfél*, *ügyszám*, *adószám*, *cégjegyzékszám*, *összeg*, *szám, "
            "*száma, *telefon*, hívja, *kártya*, *kártyá*, végződő, csomag*, irányítószám, január*, február*, "
            "március*, április*, május*, június*, július*, augusztus*, szeptember*, október*, november*, december*, "
            "óta, év*, kérelem*, tranzakció*, azonosító, azonosítója, hivatkozás*"
        ),
        numbers_after="végű, -re végződő, -ra végződő, számú kárty*, számú rendel*, számú számla*, számú ügy*",
        promotion="kedvezmény, kedvezményes*, kedvezményt, kosár*, kupon*",
    ),
    "Croatian, Serbian, Slovene, Bosnian": Language(
        code="kod, koda, kodu, kodom, kodovi, kodo, kode, кôд, *kod",
        secret="lozink*, gesl*, *potvrd*, *verifikac*, *potrditven*, zapork*",
        reason="prijav*, jednokrat*, enkratn*, identitet*, potvrdi*, provjer*",
        verbs="unesite, upišite, koristite, ukucajte, vnesite, uporabite, upotrijebite, iskoristite",
        copulas="je, glasi, su",
        other_codes=(
            "kod* za popust, promo kod*, poštansk* broj*, bar kod*, qr kod*, izvorn* kod*, kod* greške, kod* kupona, "
            "kod* proizvoda, kod* pogreške, barkod*, poklon kod*, koda izdelka, koda napake"
        ),
        numbers=(
            "narudžb*, naročil*, račun*, korisni*, kup*, oib, pib, mb, mbs, iznos*, znesek, broj*, štev*, tel, "
            "telefon*, nazovite, pozovite, pošiljk*, paket*, kartic*, završava na, siječnja, veljače, ožujka, "
            "travnja, svibnja, lipnja, srpnja, kolovoza, rujna, listopada, studenoga, prosinca, januara, februara, "
            "marta, aprila, maja, juna, jula, avgusta, septembra, oktobra, novembra, decembra, od, godine, zahtjev*, "
            "zahtev*, ul"
        ),
        promotion="popust*, košaric*, kupon*, korp*",
    ),
    "Serbian": Language(
        code="код, кода, коду, кодом, ко̂д",
        secret="лозинк*, *потврд*, *верификац*",
        reason="пријав*, једнократ*, идентитет*",
        verbs="унесите, унеси, упишите, користите, укуцајте",
        copulas="је, гласи",
        other_codes="код* за попуст, промо код*, бар код*, баркод*, qr код*, изворни код*, код* грешке",
        numbers=(
            "наруџбин*, поруџбин*, рачун*, корисни*, пиб, мб, износ*, број*, тел, телефон*, позовите, пошиљк*, "
            "пакет*, картиц*, завршава на, године"
        ),
        promotion="попуст*, корп*",
    ),
    "Albanian": Language(
        code="kodi, kod, kodin",
        secret="fjalëkalim*, verifikim*",
        reason="hyrje, kyç*",
        verbs="përdorni, vendosni, shkruani",
        copulas="është",
    ),
    "Turkish": Language(
        code=(
            "*kod, *kodu, *kodun*, *kodum*, *kodlar*, *kodla, *koduyla, *kodunu, onay numarası, onay numaranız, "
            "güvenlik numarası"
        ),
        secret="şifre*, sifre*, parola*, *doğrulama*, *dogrulama*, onay*",
        reason="giriş*, oturum*, tek kullanımlık, kimlik*, doğrula*",
        verbs_after="girin, giriniz, kullanın, kullanınız, yazın, yazınız, kodunu, numaralı, şifresini",
        other_codes=(
            "indirim kod*, promosyon kod*, posta kod*, kupon kod*, hediye kod*, ülke kod*, alan kod*, hata kod*, "
            "kaynak kod*, ürün kod*, bar kod*, barkod*, karekod*, qr kod*, kampanya kod*, şube kod*, kodlama*, "
            "davet kod*, müşteri kod*, takip kod*"
        ),
        numbers=(
            "sipariş*, fatura*, hesa*, müşteri*, vergi*, mersis*, tutar*, kart*, numara*, no, talep*, tel, telefon*, "
            "arayın, kargo*, takip*, işlem*, referans*, ocak, şubat, mart, nisan, mayıs, haziran, temmuz, "
            "ağustos, eylül, ekim, kasım, aralık, yılı*, yılından"
        ),
        numbers_after=(
            "ile biten, 'le biten, 'la biten, numaralı sipariş*, numaralı kart*, numaralı hesa*, nolu sipariş*, nolu "
            "hesa*"
        ),
        promotion="indirim*, sepet*, kupon*, kampanya*",
    ),
    "Azerbaijani, Uzbek, Kazakh": Language(
        code="kod*, код*",
        secret="parol*, пароль*, təsdiq*, tasdiq*, растау",
        reason="giriş*, kirish*, кіру*",
        verbs_after="daxil, kiriting, енгізіңіз",
        numbers="sifariş*, buyurtma*, тапсырыс*",
        numbers_after="ilə bitən, bilan tugaydigan",
    ),
    "Greek": Language(
        code="κωδικό*, κωδικοί, κωδικού, κωδικών, otp, pin",
        secret="κωδικός πρόσβασης, *επαλήθευσ*, *επιβεβαίωσ*, συνθηματικ*",
        reason="σύνδεσ*, συνδεθ*, είσοδο*, ταυτότητ*, μίας χρήσης",
        verbs="εισαγάγετε, εισάγετε, πληκτρολογήστε, χρησιμοποιήστε, χρησιμοποίησε, πληκτρολόγησε, γράψτε",
        copulas="είναι",
        other_codes=(
            "ταχυδρομικ* κωδικ*, κωδικ* προσφορ*, εκπτωτικ* κωδικ*, κωδικ* έκπτωσης, κωδικ* χώρας, κωδικ* προϊόντος, "
            "κωδικ* παραγγελίας, κωδικ* σφάλματος, πηγαί* κώδικ*, γραμμωτ* κώδικ*, κώδικ*, κωδικ* πελάτη, "
            "κωδικ* κουπονιού, κωδικ* αποστολής, κωδικ* κράτησης"
        ),
        numbers=(
            "παραγγελί*, τιμολόγι*, λογαριασμ*, αφμ, α.φ.μ, τηλ*, ποσό*, κάρτα*, κάρτας, αριθμ*, αρ, αίτησ*, πελάτη*, "
            "τκ, τ.κ, αποστολή*, δέμα*, καλέστε, λήγει σε, που λήγει σε, ιανουαρίου, φεβρουαρίου, μαρτίου, απριλίου, "
            "μαΐου, ιουνίου, ιουλίου, αυγούστου, σεπτεμβρίου, οκτωβρίου, νοεμβρίου, δεκεμβρίου, από, έτος, συναλλαγ*, "
            "γεμη, αναφορά*"
        ),
        promotion="έκπτωσ*, εκπτώσ*, καλάθι*, κουπόνι*, προσφορ*",
    ),
    "Russian": Language(
        code="код, кода, коду, кодом, коде, коды, кодов, *-код, пин-код, *пароль из смс, ключ доступа, цифры",
        secret="пароль*, пароля, паролем, *подтвержд*, *верификац*, *проверки, *проверочн*",
        reason="вход*, войти, войдите, одноразов*, авторизац*, аутентификац*, личност*, подтверд*",
        verbs="введите, используйте, укажите, введи, используй, вводите, сообщите, вот, вот он",
        copulas="это",
        other_codes=(
            "промокод*, промо-код*, штрих код*, qr код*, qr-код*, исходн* код*, код* города, код* товара, "
            "код* ошибки, код* страны, код* заказа, код* скидки, код* купона, кодекс*, кодиров*, почтов* код*, "
            "код* региона, код* подразделения, код* ревью, код-ревью, ревью код*, код* отслеживания, трек код*, "
            "код* продукта, код* организации"
        ),
        numbers=(
            "заказ*, счет*, счёт*, договор*, карт*, телефон*, тел, инн, огрн, кпп, сумм*, заявк*, номер*, клиент*, "
            "обращени*, индекс, версия, версии, посылк*, отправлени*, звоните, позвоните, горячей линии, трек*, "
            "бронир*, операци*, января, февраля, марта, апреля, мая, июня, июля, августа, сентября, октября, ноября, "
            "декабря, году, года, с, ул, д, дом, оканчивающ*, последние цифры, лицензи*, чек*, приложение*"
        ),
        promotion="скидк*, промо*, корзин*, купон*, акци*",
    ),
    "Ukrainian, Belarusian": Language(
        code="код, коду, кодом, коди, кодів, кода, пін-код, цифри",
        secret="парол*, *підтверд*, *верифікац*, *перевірки, *пацвярд*",
        reason="вхід, входу, увійти, увійдіть, одноразов*, авторизац*, автентифікац*, аднаразов*",
        verbs="введіть, використайте, використовуйте, вкажіть, уведіть, скористайтеся, увядзіце",
        copulas="це, є",
        other_codes=(
            "штрих код*, код* міста, код* товару, код* помилки, код* країни, вихідн* код*, код* єдрпоу, поштов* код*, "
            "код* знижки, код* замовлення, qr-код*"
        ),
        numbers=(
            "замовлен*, рахун*, картк*, карт*, єдрпоу, іпн, сум*, номер*, телефон*, тел, звернен*, договор*, посилк*, "
            "індекс, клієнт*, січня, лютого, березня, квітня, травня, червня, липня, серпня, вересня, жовтня, "
            "листопада, грудня, року, році, з, вул, буд, дзвоніть, телефонуйте, ттн, операці*"
        ),
        promotion="знижк*, кошик*, купон*, промо*",
    ),
    "Bulgarian, Macedonian": Language(
        code="код, кодът, кода, кодове, кодот, пин",
        secret="парол*, лозинк*, *потвържд*, *потвърд*, *верифик*, *проверка*",
        reason="влизане, вход, влезете, еднократ*, впис*, самоличност*, најав*",
        verbs="въведете, използвайте, впишете, внесете, користете, въведи, използвай",
        copulas="е",
        other_codes=(
            "код* за отстъпка, промо код*, пощенск* код*, баркод*, код* на държавата, код* за грешка, изходен код, "
            "код* на купон*, код* на продукт*"
        ),
        numbers=(
            "поръчк*, фактур*, сметк*, еик, сум*, номер*, №, тел, телефон*, клиент*, пратк*, карт*, обадете, "
            "завършващ*, януари, февруари, март, април, май, юни, юли, август, септември, октомври, ноември, "
            "декември, година, от, г, ул, бул, договор*, заявк*, нарачк*"
        ),
        promotion="отстъпк*, количк*, купон*, попуст*",
    ),
    "Georgian": Language(
        code="*კოდი*",
        secret="*პაროლი*, *დადასტურებ*",
        reason="*შესვლ*",
        verbs="შეიყვანეთ, გამოიყენეთ",
        copulas="არის",
        other_codes="პროდუქტის კოდი*",
    ),
    "Armenian": Language(
        code="*կոդ*",
        secret="*գաղտնաբառ*, *հաստատ*",
        reason="*մուտք*",
        verbs="մուտքագրեք, օգտագործեք",
        copulas="է",
        other_codes="ապրանքի կոդ*",
    ),
    "Arabic": Language(
        code="*رمز*, *كود*, رقم التحقق, الرقم السري",
        secret="كلمة المرور, كلمة مرور, كلمة السر, *التحقق*, *تأكيد*",
        reason="تسجيل الدخول, لتسجيل, الدخول, لمرة واحدة, هويتك, *التوثيق*",
        verbs="أدخل, ادخل, استخدم, أدخلي, استخدمي, إدخال, يرجى إدخال, الرجاء إدخال, اكتب, أدخل الرقم",
        copulas="هو, هي",
        other_codes=(
            "*رمز* البريدي*, رمز بريدي, *رمز* الخصم, رمز خصم, *رمز* ترويجي*, *رمز* الترويجي*, *كود* الخصم, كود خصم, "
            "*رمز* المنطقة, *رمز* المنتج, *رمز* الاستجابة*, *رمز* الدولة, *رمز* الخطأ, رموز بريدية, *رمز* القسيمة"
        ),
        numbers=(
            "طلب*, الطلب*, فاتورة*, الفاتورة*, حساب*, الحساب*, بطاقة*, البطاقة*, بطاقتك*, هاتف*, الهاتف*, رقم*, "
            "الرقم*, المبلغ, مبلغ, بمبلغ, ص.ب, الشحنة*, شحنة*, اتصل*, الاتصال, المنتهية ب, تنتهي ب, ينتهي ب, الإصدار, "
            "مرجع*, المرجع*, العملية*, لعام, عام, سنة, يناير, فبراير, مارس, أبريل, مايو, يونيو, يوليو, أغسطس, سبتمبر, "
            "أكتوبر, نوفمبر, ديسمبر, السجل*, الضريبي*"
        ),
        promotion="خصم*, الخصم*, قسيمة*, سلة*",
    ),
    "Persian, Urdu": Language(
        code="*کد, کدی, *کدتان, *رمز*, کوڈ*",
        secret="گذرواژه*, کلمه عبور, *تأیید*, *تایید*, تصدیق*, پاس ورڈ*",
        reason="ورود*, وارد شو*, یکبار مصرف, لاگ ان, هویت*, سائن ان",
        verbs_after="را وارد, را در, درج کریں, استعمال کریں, درج",
        copulas="است, ہے",
        other_codes=(
            "کد پستی, کدپستی, کد تخفیف, کد ملی, کد سفارش, کد رهگیری, کد پیگیری, کد مرسوله, کد کالا, کد محصول, کد خطا, "
            "کد منبع, بارکد*, کد کشور, کد شهر, پوسٹل کوڈ, پرومو کوڈ, ڈسکاؤنٹ کوڈ, کد اقتصادی, کد معرف"
        ),
        numbers=(
            "سفارش*, فاکتور*, حساب*, کارت*, تلفن*, شماره*, مبلغ*, آرڈر*, فون*, نمبر*, رقم*, رهگیری, پیگیری, پلاک, "
            "سال, فروردین, اردیبهشت, خرداد, تیر, مرداد, شهریور, مهر, آبان, آذر, دی, بهمن, اسفند, صندوق پستی, "
            "منتهی به, درخواست*, تماس*, نسخه"
        ),
        promotion="تخفیف*, سبد*, رعایت*",
    ),
    "Hebrew": Language(
        code="קוד, הקוד, קודי, בקוד, לקוד, שהקוד, וקוד, קודים",
        secret="סיסמ*, הסיסמ*, *אימות*",
        reason="התחבר*, להתחבר*, כניסה*, הכניסה*, להיכנס*, לכניסה, חד פעמי*, חד-פעמי*, זהות*, להזדהות, הזדהות",
        verbs="הזן, הזינו, הקלד, הקישו, הקלידו, השתמש, השתמשו, יש להזין, יש להקליד, להזין, הכנס, הכניסו, להקיש",
        copulas="הוא, הינו, היא",
        other_codes=(
            "קוד קופון, קוד הנחה, קוד מבצע, קוד מוצר, קוד מקור, קוד שגיאה, קוד הטבה, קוד מיקוד, קוד מדינה, קוד לבוש, "
            "מיקוד, ברקוד, קוד פריט"
        ),
        numbers=(
            "הזמנה*, ההזמנה*, חשבונית*, חשבון*, החשבון*, כרטיס*, הכרטיס*, טלפון*, טל, סכום*, בסכום*, מספר*, ח.פ, ת.ד, "
            "פנייה*, הפנייה*, משלוח*, חבילה*, התקשר*, המסתיים*, לקוח*, מיקוד, עסקה*, העסקה*, ינואר, פברואר, מרץ, "
            "אפריל, מאי, יוני, יולי, אוגוסט, ספטמבר, אוקטובר, נובמבר, דצמבר, שנת, אסמכתא*, גרסה, תיק, ע.מ, רחוב"
        ),
        promotion="הנחה*, קופון*, עגל*, מבצע*",
    ),
    "Hindi, Marathi, Nepali": Language(
        code="*कोड*, *ओटीपी*",
        secret="*पासवर्ड*, *सत्यापन*, *पुष्टि*",
        reason="*लॉगिन*, *लॉग इन*, *साइन इन*, *वन-टाइम*, *वन टाइम*, *पहचान*",
        verbs_after="दर्ज, डालें, का उपयोग, का इस्तेमाल, टाइप, को दर्ज, वापर",
        copulas="है, हैं, आहे, हो",
        other_codes=(
            "पिन कोड*, प्रोमो कोड*, कूपन कोड*, डिस्काउंट कोड*, छूट कोड*, सोर्स कोड*, बारकोड*, क्यूआर कोड*, "
            "एरिया कोड*, पोस्टल कोड*, त्रुटि कोड*, ड्रेस कोड*, वाउचर कोड*, उत्पाद कोड*"
        ),
        numbers=(
            "*ऑर्डर*, *खाता*, *खाते*, *कार्ड*, *फ़ोन*, *फोन*, *राशि*, *संख्या*, *नंबर*, *इनवॉइस*, *बिल*, *रसीद*, "
            "*कॉल*, *हेल्पलाइन*, *टिकट*, *आईडी*, जनवरी, फ़रवरी, फरवरी, मार्च, अप्रैल, मई, जून, जुलाई, अगस्त, सितंबर, "
            "अक्टूबर, नवंबर, दिसंबर, वर्ष, सन, पिन, *समाप्त होने वाले*, *लेनदेन*, ₹, रु"
        ),
        numbers_after="पर समाप्त*, से समाप्त*, में समाप्त*, पर खत्म*",
        promotion="*छूट*, *कूपन*, *ऑफ़र*, *डिस्काउंट*",
    ),
    "Bengali": Language(
        code="*কোড*, *ওটিপি*, *পিন*",
        secret="*পাসওয়ার্ড*, *যাচাই*, *নিশ্চিত*",
        reason="*লগইন*, *লগ ইন*, *সাইন ইন*, *পরিচয়*, *একবার*",
        verbs_after="লিখুন, দিন, ব্যবহার, প্রবেশ করান, টাইপ, কোডটি",
        copulas="হল, হলো, হচ্ছে",
        other_codes=(
            "পোস্ট কোড*, পোস্টাল কোড*, প্রোমো কোড*, কুপন কোড*, ডিসকাউন্ট কোড*, বারকোড*, কিউআর কোড*, পোস্টকোড*, "
            "সোর্স কোড*, ছাড়ের কোড*"
        ),
        numbers=(
            "*অর্ডার*, *হিসাব*, *অ্যাকাউন্ট*, *কার্ড*, *ফোন*, *নম্বর*, *নম্বরে*, *টাকা*, *পরিমাণ*, *ইনভয়েস*, *কল*, "
            "*হেল্পলাইন*, *লেনদেন*, *আইডি*, *সাল*, জানুয়ারি, ফেব্রুয়ারি, মার্চ, এপ্রিল, মে, জুন, জুলাই, আগস্ট, "
            "সেপ্টেম্বর, অক্টোবর, নভেম্বর, ডিসেম্বর"
        ),
        promotion="*ছাড়*, *কুপন*, *অফার*",
    ),
    "Gujarati, Punjabi, Tamil, Telugu, Kannada, Malayalam, Sinhala": Language(
        code=("*કોડ*, *ਕੋਡ*, *குறியீடு*, *குறியீட்டை*, *கோட்*, *కోడ్*, *ಕೋಡ್*, *കോഡ്*, *ഒടിപി*, *ஓடிபி*, *ఓటిపి*, *කේතය*, *ઓટીપી*"),
        secret="*પાસવર્ડ*, *ਪਾਸਵਰਡ*, *கடவுச்சொல்*, *పాస్వర్డ్*, *ಪಾಸ್ವರ್ಡ್*, *പാസ്വേഡ്*",
        reason="*લૉગિન*, *ਲੌਗਇਨ*, *உள்நுழை*, *లాగిన్*, *ಲಾಗಿನ್*, *ലോഗിൻ*",
        verbs_after="દાખલ, ਦਰਜ, உள்ளிடவும், నమోదు, ನಮೂದಿಸಿ, നൽകുക",
        copulas="છે, ਹੈ",
        other_codes="પિન કોડ*, அஞ்சல் குறியீடு*, పిన్ కోడ్*, ಪಿನ್ ಕೋಡ್*, പിൻ കോഡ്*",
    ),
    "Thai, Lao": Language(
        code="*รหัส*, *ລະຫັດ*, otp, *โอทีพี*",
        secret="*รหัสผ่าน*, *ยืนยัน*, *ລະຫັດຜ່ານ*",
        reason="*เข้าสู่ระบบ*, *ลงชื่อเข้าใช้*, *ตัวตน*, *ใช้ครั้งเดียว*",
        verbs="*กรอก, *ป้อน, *ใส่, *ใช้, *กรอกรหัส, *ใช้รหัส",
        copulas="*คือ",
        other_codes=(
            "*รหัสไปรษณีย์*, *รหัสสินค้า*, *รหัสส่วนลด*, *รหัสลูกค้า*, *รหัสใบสั่งซื้อ*, *รหัสคำสั่งซื้อ*, "
            "*รหัสโปรโมชั่น*, *รหัสประเทศ*, *รหัสพัสดุ*, *รหัสคูปอง*, *รหัสข้อผิดพลาด*, *รหัสการจอง*, *ซอร์สโค้ด*"
        ),
        numbers=(
            "*หมายเลข, *เลขที่, *บัญชี, *โทร, *จำนวน, *คำสั่งซื้อ, *ยอด, *บัตร, *อ้างอิง, *ใบแจ้งหนี้, *พัสดุ, "
            "*ลงท้ายด้วย, *ปี, *พ.ศ, *ค.ศ, *โทรศัพท์, ref, *เลขประจำตัวผู้เสียภาษี, *สายด่วน, *มกราคม, *กุมภาพันธ์, "
            "*มีนาคม, *เมษายน, *พฤษภาคม, *มิถุนายน, *กรกฎาคม, *สิงหาคม, *กันยายน, *ตุลาคม, *พฤศจิกายน, *ธันวาคม, "
            "*รายการ, *รุ่น, *คำขอ"
        ),
        promotion="*ส่วนลด*, *คูปอง*, *โปรโมชั่น*",
    ),
    "Khmer, Burmese, Amharic": Language(
        code="*កូដ*, *លេខកូដ*, *ကုဒ်*, *ኮድ*",
        secret="*ពាក្យសម្ងាត់*, *စကားဝှက်*, *የይለፍ ቃል*",
        copulas="*គឺ",
    ),
    "Vietnamese": Language(
        code="mã, ma otp, ma xac thuc, ma xac nhan, otp, mã otp",
        secret="mật khẩu, mat khau, *xác minh, xác thực, xác nhận",
        reason="đăng nhập, dang nhap, một lần, danh tính",
        verbs="nhập, sử dụng, dùng, hãy nhập, vui lòng nhập, điền",
        copulas="là",
        other_codes=(
            "mã đơn*, mã giảm*, mã hàng*, mã khách*, mã giao dịch, mã gd, ma gd, mã vận*, mã sản phẩm, mã số thuế, "
            "mã bưu*, mã vùng, mã quốc gia, mã hợp đồng, mã khuyến*, mã ưu đãi, mã voucher, mã thẻ, mã nguồn, "
            "mã tham chiếu, mã yêu cầu, mã vé, mã đặt*, mã chuyến*, mã màu, mã vạch, mã qr, mã số doanh nghiệp, "
            "mã lỗi, mã phiếu, mã hồ sơ, mã bệnh nhân"
        ),
        numbers=(
            "đơn hàng, hóa đơn, tài khoản, thẻ, số, mst, mã số thuế, điện thoại, hotline, tổng đài, số tiền, so tien, "
            "giao dịch, gd, ma gd, mã gd, tk, yêu cầu, năm, tháng, kết thúc bằng, đuôi, gọi, mã đơn hàng, mã đơn, "
            "mã giao dịch, mã vận đơn, phiên bản, hồ sơ, sđt, mã khách hàng, từ"
        ),
        promotion="giảm giá, khuyến mãi, giỏ hàng, ưu đãi, voucher",
    ),
    "Indonesian, Malay": Language(
        code="*kode, kodenya, kod, otp, pin, tac, *kod",
        secret="kata sandi, kata laluan, *verifikasi, *pengesahan, konfirmasi",
        reason="masuk, log masuk, login, sekali pakai, identitas",
        verbs="masukkan, gunakan, ketik, isi, sila masukkan, inputkan",
        copulas="adalah, ialah, yaitu",
        other_codes=(
            "kode pos, kod pos, poskod, kode promo*, kode diskon, kode voucher, kode booking, kode pesanan, "
            "kode produk, kode negara, kode area, kode referral, kode unik transfer, kode batang, kode kupon, "
            "kode sumber, kode kesalahan, kod diskaun, kod promosi, kod bar, kode pemesanan, kode transaksi, "
            "kode resi, kode error, kode qr, kode bank, kode galat"
        ),
        numbers=(
            "pesanan*, tagihan*, rekening*, pelanggan*, telepon*, telp, nomor*, no, npwp, kartu*, sebesar, akun, "
            "resi*, hubungi, transaksi*, referensi*, tahun, sejak, rp, januari, februari, maret, april, mei, juni, "
            "juli, agustus, september, oktober, november, desember, berakhiran, invoice, tiket*, jl, jalan, nombor*, "
            "akaun"
        ),
        promotion="diskon*, voucher, keranjang, kupon",
    ),
    "Filipino, Swahili, Zulu, Xhosa, Afrikaans, Irish, Welsh, Maltese": Language(
        code=(
            "*kode, msimbo*, cód, chód, gcód, nambari ya uthibitish*, nambari ya kuthibitish*, nambari yako ya "
            "uthibitish*, nambari yako ya kuthibitish*, nambari ya siri, "
            "nambari yako ya siri, namba ya uthibitisho, namba, ikhodi*, ikhowudi*, kodiċi"
        ),
        secret="wagwoord, nenosiri, pasfhocal, uthibitisho",
        reason="mag-log in, ingia, teken in, ngena, logáil isteach, mewngofnodi",
        verbs="ilagay, gamitin, weka, tumia, faka, sebenzisa, gebruik, is é",
        copulas="ay, ni, ithi",
        numbers="bestelling*, oda, agizo",
    ),
    "Chinese": Language(
        code="*码*, *碼*, *口令*, *位数字*, *位數字*, *动态密*, *動態密*, *一次性密*",
        secret="*密码*, *密碼*, *验证*, *驗證*, *校验*, *認證*, *认证*",
        reason="*登录*, *登陆*, *登入*, *身份*, *身分*, *注册*, *註冊*, *绑定*",
        verbs="*输入, *使用, *輸入, *填写, *填寫, *输入验证码, *凭",
        copulas="*为, *為, *是, *如下, *即",
        other_codes=(
            "*末四码*, *末四碼*, *后四码*, *後四碼*, *尾码*, *尾碼*, *邮政编码*, *邮编*, *編碼*, *编码*, *號碼*, "
            "*号码*, *二维码*, *二維碼*, *条码*, *條碼*, *条形码*, *條形碼*, *优惠码*, *優惠碼*, *折扣码*, *折扣碼*, "
            "*促销码*, *促銷碼*, *优惠代码*, *优惠券码*, *数码*, *數碼*, *源代码*, *原始碼*, *程式碼*, *代码评审*, "
            "*代码审查*, *代码库*, *代码行*, *代码仓库*, *代码覆盖*, *行代码*, *错误码*, *错误代码*, *錯誤碼*, "
            "*錯誤代碼*, *状态码*, *狀態碼*, *推荐码*, *推薦碼*, *邀请码*, *邀請碼*, *扫码*, *掃碼*, *国家代码*, "
            "*国家码*, *區碼*, *區號*, *区号*, *商品码*, *信用代码*, *税务代码*, *股票代码*, *机构代码*, *乱码*, "
            "*亂碼*, *解码*, *解碼*, *兑换码*, *兌換碼*, *郵遞區號*, *代碼審查*, *尺码*, *尺碼*, *页码*, *頁碼*, "
            "*筹码*, *起码*, *编号*, *支付码*, *款码*, *店铺代码*, *客户代码*, *客戶代碼*"
        ),
        numbers=(
            "*订单, *訂單, *单号, *單號, *订单号, *訂單編號, *发票, *發票, *运单, *運單, *编号, *編號, *号码, *號碼, "
            "*尾号, *尾号为, *末四码, *末四碼, *末四位, *末碼, *卡号, *卡號, *账号, *帳號, *账户, *帳戶, *流水, "
            "*流水号, *金额, *金額, *电话, *電話, *热线, *熱線, *专线, *專線, *致电, *致電, *拨打, *撥打, *传真, "
            "*傳真, *手机, *手機, *手机号, *客服, *分機, *备案, *备, *邮编, *郵編, *版本, *端口, *人民币, *人民幣, "
            "*新台幣, *字第, *统编, *統編, *统一編號, *統一編號, *工单, *工單, *申请, *申請, *会员, *會員, *会员号, "
            "*单, *號, *号, *第, *共, *约, *邮政编码, *郵遞區號, *元, *合计, *总计, *總計, *交易, *参考号, *快递, "
            "*包裹, *案件, ip, id, *编码, *学号, *信用代码, *代碼為"
        ),
        numbers_after="结尾*, 結尾*",
        promotion="*优惠*, *優惠*, *折扣*, *购物车*, *購物車*, *促销*, *促銷*, *满减*",
    ),
    "Japanese": Language(
        code=(
            "*コード*, *認証番号*, *確認番号*, *暗証番号*, *ワンタイム*, *認証キー*, *確認キー*, *パスコード*, "
            "*認証ナンバー*, *受取番号*, *番号をご入力*, *お確かめ番号*, *合言葉*, *桁の数字*, *確認用番号*"
        ),
        secret="*パスワード*, *認証*, *本人確認*",
        reason="*ログイン*, *サインイン*, *本人*, *登録*",
        verbs_after="を入力*, をご入力*, と入力*",
        copulas="*は, *が, *、",
        other_codes=(
            "*バーコード*, *qrコード*, *クーポンコード*, *プロモーションコード*, *プロモコード*, *割引コード*, "
            "*招待コード*, *商品コード*, *エラーコード*, *ソースコード*, *コードレビュー*, *コードリーダー*, "
            "*郵便番号*, *国コード*, *キャンペーンコード*, *レコード*, *ステータスコード*, *コードレス*, "
            "*紹介コード*, *コード行*, *行のコード*, *ギフトコード*, *優待コード*, *ドレスコード*, *コードネーム*, "
            "*空港コード*, *アスコード*, *支店コード*, *金融機関コード*, *シリアルコード*, *お客様コード*, "
            "*店舗コード*"
        ),
        numbers=(
            "*注文, *注文番号, *受注, *受注番号, *請求, *請求書番号, *伝票, *伝票番号, *会員, *会員番号, *お客様番号, "
            "*お客様, *口座, *口座番号, *番号, *電話, *電話番号, tel, *金額, *合計, *受付, *受付番号, *カード, *末尾, "
            "*下4桁, *下四桁, *郵便番号, *〒, *振込, *取引, *取引番号, *問い合わせ番号, *お問合せ番号, "
            "*お問い合わせ番号, *お問い合わせ, *予約番号, *追跡番号, *第, *約, *税込, *バージョン, *ポート, *西暦, "
            "*平成, *令和, *登録番号, *法人番号, *便名, *管理番号, *整理番号"
        ),
        numbers_after="で終わる*, で終る*",
        promotion="*割引*, *クーポン*, *カート*, *セール*, *キャンペーン*",
    ),
    "Korean": Language(
        code=(
            "*코드*, *인증번호*, *인증 번호*, *확인번호*, *확인 번호*, *일회용*, *보안번호*, *otp*, *인증키*, "
            "*임시번호*, *자리 숫자*"
        ),
        secret="*비밀번호*, *인증*, *암호*",
        reason="*로그인*, *본인*, *가입*",
        verbs_after="을 입력*, 를 입력*, 을(를) 입력*, 입력*",
        copulas="*은, *는, *이, *가",
        other_codes=(
            "*바코드*, *qr코드*, *qr 코드*, *할인코드*, *할인 코드*, *쿠폰코드*, *쿠폰 코드*, *쿠폰번호*, "
            "*프로모션 코드*, *프로모션코드*, *오류코드*, *오류 코드*, *에러 코드*, *에러코드*, *소스코드*, "
            "*소스 코드*, *코드리뷰*, *코드 리뷰*, *상품코드*, *상품 코드*, *국가코드*, *국가 코드*, *추천 코드*, "
            "*추천코드*, *초대 코드*, *초대코드*, *레코드*, *우편번호*, *드레스 코드*, *드레스코드*, *종목코드*, "
            "*은행코드*, *상태 코드*, *코드 커버리지*, *줄의 코드*, *고객코드*, *고객 코드*"
        ),
        numbers=(
            "*주문, *주문번호, *주문 번호, *송장, *송장번호, *운송장번호, *운송장 번호, *청구, *고객, *고객번호, "
            "*회원, *회원번호, *계좌, *계좌번호, *카드, *전화, *전화번호, *금액, *번호, *문의, *고객센터, *대표, "
            "*대표전화, *대표번호, *사업자, *사업자등록번호, *접수, *접수번호, *우편, *우편번호, *끝자리, *승인, "
            "*승인번호, *거래, *거래번호, *예약번호, *제, *약, *총, *버전, *포트, *통신판매업신고, *편명, *티켓, "
            "*문의번호, *호, *전화는, *번"
        ),
        numbers_after="로 끝나는*, 으로 끝나는*, 번으로 끝나는*",
        promotion="*할인*, *쿠폰*, *장바구니*, *세일*, *프로모션*",
    ),
}
