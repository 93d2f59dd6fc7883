"""The same dialogues with aiosmtpd as it comes: the same codes and the same stored bytes, but for named differences."""

from __future__ import annotations

import asyncio
import base64
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from hypothesis import given, settings
from hypothesis import strategies as st

from sirrchat_testkit.domain.events import Crashed
from sirrchat_testkit.domain.models import Envelope
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.settings import Settings
from sirrchat_testkit.smtp.listener import serve_smtp
from sirrchat_testkit.storage.store import TinyStore


@dataclass(frozen=True)
class Difference:
    """A command of this pattern is answered ``stock`` by aiosmtpd and ``ours`` here; why; a dialogue that ends so.

    The response to a challenge of AUTH has ``334`` before it.
    """

    command: str
    stock: str
    ours: str
    reason: str
    shown_by: tuple[str, ...]


def b64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


USER, PASSWORD = b"user@example.com", b"secret"
RIGHT = b"\0%b\0%b" % (USER, PASSWORD)
NOT_UTF8 = b"\0%b\0\xff" % USER
FOR_ANOTHER = b"other@example.com" + RIGHT

EHLO, MAIL, RCPT = "EHLO x\r\n", "MAIL FROM:<a@far.example>\r\n", "RCPT TO:<user@example.com>\r\n"
PATH = r"(MAIL|RCPT) (FROM|TO): *"

DIFFERENCES = [  # numbers alone are sections of RFC 5321
    Difference(r".*\n", ".*", "500", "a bare LF ends no command (2.3.8)", ("NOOP\n",)),
    Difference(r"HELP.*", "250", "214", "214 is the reply to HELP (4.2.3)", ("HELP\r\n",)),
    Difference(r"HELP .*", "501", "504", "the syntax is right, the topic is unknown", ("HELP X\r\n",)),
    Difference(r"BDAT.*", "50[02]", "250|50[13]", "CHUNKING is not in aiosmtpd: test_chunking compares it with DATA",
               (EHLO, MAIL, RCPT, "BDAT 0\r\n")),
    Difference(r"MAIL .* BODY=BINARYMIME", "501", "250", "nor is BINARYMIME (RFC 3030 section 3)",
               (EHLO, MAIL[:-2] + " BODY=BINARYMIME\r\n")),
    Difference(r"MAIL .* AUTH=.*", "555", "250", "it is a parameter of MAIL (RFC 4954 section 5)",
               (EHLO, MAIL[:-2] + " AUTH=<>\r\n")),
    Difference(r"AUTH.*", "500", "503", "AUTH is known, and wants EHLO", ("HELO x\r\n", "AUTH PLAIN\r\n")),
    Difference(r"AUTH.*", "334|235|50[14]|535", "503", "no login in a transaction (RFC 4954 section 4)",
               (EHLO, MAIL, "AUTH PLAIN\r\n")),
    Difference(r"auth (plain|login).*", "504", "...", "names of mechanisms are in any case (RFC 4422 section 3.1)",
               (EHLO, "auth plain\r\n")),
    Difference(r"AUTH CRAM-MD5", "504", "334", "it is not in aiosmtpd", (EHLO, "AUTH CRAM-MD5\r\n")),
    Difference(r"AUTH LOGIN =", "501", "334", "an empty initial response (RFC 4954 section 4)",
               (EHLO, "AUTH LOGIN =\r\n")),
    Difference(r"(AUTH|334) .*", "535", "501", "credentials are UTF-8 (RFC 4616 section 2)",
               (EHLO, f"AUTH PLAIN {b64(NOT_UTF8)}\r\n")),
    Difference(rf"(AUTH PLAIN|334) {re.escape(b64(FOR_ANOTHER))}", "235", "535", "nobody acts for somebody else",
               (EHLO, f"AUTH PLAIN {b64(FOR_ANOTHER)}\r\n")),
    Difference(r"STARTTLS", "454", "502", "it is not offered, so a client need not try again", (EHLO, "STARTTLS\r\n")),
    Difference(r"NOOP .*\x00.*", "250", "501", "a NUL is no part of a command (4.1.2)", ("NOOP \0\r\n",)),
    Difference(r"(NOOP|EHLO|AUTH) .*ü.*", "250|50[0134]", "501", "only addresses are UTF-8 (RFC 6531)",
               ("NOOP ü\r\n",)),
    Difference(r"DATA .*", "503", "501", "two faults, of which each server names another", (EHLO, MAIL, "DATA x\r\n")),
    Difference(r"MAIL.*", "501|553", "503", "two faults: the state is looked at first", (EHLO, MAIL, "MAIL FROM:\r\n")),
    Difference(rf"{PATH}<[^>]*", "250", "501", "a bracket that is open must be closed", (EHLO, "MAIL FROM:<a@b\r\n")),
    Difference(rf"{PATH}[^< ].*", "250", "501", "a path has angle brackets (4.1.2)", (EHLO, "MAIL FROM:a@b.c\r\n")),
    Difference(rf"{PATH}<<.*", "553", "501", "two brackets are no path", (EHLO, "MAIL FROM:<<a@b.c>>\r\n")),
    Difference(rf"{PATH}<.*>x", "555", "501", "a blank comes before parameters", (EHLO, "MAIL FROM:<a@b.c>x\r\n")),
    Difference(r"RCPT TO: ?<[^@]+>", "250", "553", "a recipient has a domain (4.1.2)", (EHLO, MAIL, "RCPT TO:<a>\r\n")),
    Difference(r"RCPT TO:<>", "250", "553", "nobody is the null path", (EHLO, MAIL, "RCPT TO:<>\r\n")),
    Difference(rf"{PATH}<a\.\.b@.*", "250", "553", "no atom is empty (4.1.2)", (EHLO, "MAIL FROM:<a..b@c.d>\r\n")),
    Difference(rf"{PATH}<a b@.*", "250", "553", "a blank is quoted (4.1.2)", (EHLO, "MAIL FROM:<a b@c.d>\r\n")),
    Difference(rf"{PATH}<.*\(.*", "250", "553", "comments are of RFC 5322", (EHLO, "MAIL FROM:<a(b)@c.d>\r\n")),
    Difference(rf"{PATH}<a@-.*", "250", "553", "no label begins with a hyphen", (EHLO, "MAIL FROM:<a@-b.c>\r\n")),
    Difference(rf"{PATH}<.*ü.*", "250", "553", "it needs SMTPUTF8 (RFC 6531)", (EHLO, "MAIL FROM:<ü@b.c>\r\n")),
    Difference(r"RCPT TO:<postmaster>", "250", "550", "it is the first domain's, where it is unknown (4.5.1)",
               (EHLO, MAIL, "RCPT TO:<postmaster>\r\n")),
    Difference(r"(MAIL|RCPT) .*[\x00\ufffd].*", "250|503", "501", "NUL and bytes that are not UTF-8 are no text",
               (EHLO, "MAIL FROM:<\udcff@b.c>\r\n")),
    Difference(r"MAIL .* SIZE=1 SIZE=2", "250", "501", "a parameter is given once",
               (EHLO, MAIL[:-2] + " SIZE=1 SIZE=2\r\n")),
    Difference(r"(MAIL|RCPT) .*> .*", "501", "555", "after HELO every parameter is unknown (4.1.1.11)",
               ("HELO x\r\n", MAIL[:-2] + " SIZE=10\r\n")),
    Difference(r".*", "502", "500", "aiosmtpd gives up at the fifth unknown command", ("WHAT\r\n",) * 5),
    Difference(r".*", "", "...", "aiosmtpd gave up at the fifth unknown command", (*("WHAT\r\n",) * 5, "NOOP\r\n")),
]  # fmt: skip


@dataclass
class Stock:
    """aiosmtpd's handler: it keeps what it is given."""

    contents: list[bytes] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: ARG002, N802
        self.contents.append(envelope.content)
        return "250 OK"


def knows(_server: Any, _session: Any, _envelope: Any, _mechanism: str, claim: LoginPassword) -> AuthResult:
    """Be aiosmtpd's authenticator; as here, the case of a user does not matter."""
    return AuthResult(success=(claim.login.lower(), claim.password) == (USER, PASSWORD), handled=False)


class Client:
    """One connection that sends a command and returns the code of its reply, empty at the end of all."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    async def code(self, command: bytes = b"") -> str:
        self.writer.write(command)
        try:
            while (line := await self._reader.readline())[3:4] == b"-":
                pass
        except ConnectionError:  # the end of all, and this command came behind it
            return ""
        return line[:3].decode()


class Both:
    """Both servers, on one loop for all examples of a test."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._exits = AsyncExitStack()
        self._stock = Stock()
        self._runner.run(self._start())

    async def _start(self) -> None:
        loop = asyncio.get_running_loop()
        store = TinyStore()
        self._exits.push_async_callback(store.close)
        self._services = Services.build(Settings(max_failed_logins=0), store, loop)
        await self._services.set_up()
        self._exits.callback(self._services.clock.close)
        await self._services.accounts.add(USER.decode(), password=PASSWORD.decode())
        ours = await self._exits.enter_async_context(serve_smtp(self._services))
        theirs = await loop.create_server(
            lambda: SMTP(
                self._stock,
                hostname="example.com",
                enable_SMTPUTF8=True,
                loop=loop,
                authenticator=knows,
                auth_require_tls=False,
            ),
            "127.0.0.1",
            0,
        )
        self._exits.callback(theirs.close)
        self._addresses = [ours.address, theirs.sockets[0].getsockname()]

    def close(self) -> None:
        self._runner.run(self._exits.aclose())
        self._runner.close()

    def compare(self, dialogue: list[bytes]) -> list[Difference]:
        """Have the dialogue with both; return where they differed. Fails where they do without a reason."""
        return self._runner.run(self._compare(dialogue))

    def codes(self, dialogue: list[bytes]) -> list[str]:
        """Have the dialogue with both; return the last code of each."""
        return self._runner.run(self._codes(dialogue))

    async def _codes(self, dialogue: list[bytes]) -> list[str]:
        clients = await self._clients()
        said: list[str] = []
        for command in [b"", *dialogue]:
            said = [await client.code(command) for client in clients]
        for client in clients:
            client.writer.close()
        return said

    async def _clients(self) -> list[Client]:
        return [Client(*await asyncio.open_connection(*address)) for address in self._addresses]

    async def _compare(self, dialogue: list[bytes]) -> list[Difference]:
        self._stock.contents.clear()
        kept = await self._services.store.count(Envelope)
        clients = await self._clients()
        found: list[Difference] = []
        asked = False
        for command in [b"", *dialogue]:
            ours, stock = [await client.code(command) for client in clients]
            if ours == stock == "354":
                text = TEXTS[len(command) % len(TEXTS)]
                assert [await client.code(text) for client in clients] == ["250", "250"]
            elif ours != stock:
                found.append(explained(b"334 " + command if asked else command, stock, ours, dialogue))
                if not stock or (ours[:1] in "23") != (stock[:1] in "23"):
                    break  # from here on they are in different states
            asked = ours == stock == "334"
        for client in clients:
            client.writer.close()
        envelopes = (await self._services.delivery.envelopes())[kept:]
        assert [await self._services.delivery.raw(each) for each in envelopes] == self._stock.contents
        assert not [event for event in self._services.events.after() if isinstance(event, Crashed)]
        return found


def explained(command: bytes, stock: str, ours: str, dialogue: list[bytes]) -> Difference:
    text = command.decode("utf-8", "replace").removesuffix("\r\n")
    for each in DIFFERENCES:
        said = re.fullmatch(each.command, text, re.IGNORECASE | re.DOTALL)
        if said and re.fullmatch(each.stock, stock) and re.fullmatch(each.ours, ours):
            return each
    pytest.fail(f"{command!r} is answered {stock!r} by aiosmtpd and {ours!r} here, in {dialogue}")


TEXTS = [
    b".\r\n",
    b"Subject: x\r\n\r\nbody\r\n.\r\n",
    b"..\r\n..a\r\n...\r\n.b\r\n.\r\n",
    b"\xff\x00\r\n\r\r\n.\r\n",
    b"bare\n.\nand\r.\rend\r\n.\r\n",
    b"x" * 900 + b"\r\n" + b"y" * 998 + b"\r\n.\r\n",
]
"""What is sent after 354. Lines longer than 1000 bytes are taken here and not by aiosmtpd; they are not compared."""

GOOD = st.sampled_from([
    "<a@far.example>", " <a@far.example>", "<user@example.com>", "<a@[127.0.0.1]>", '<"a b"@far.example>',
    "<A.B+c=d@FAR.example>", "<@relay.example:a@far.example>", "<a@localhost>",
])  # fmt: skip
WRONG = st.sampled_from([
    "<>", "<a@b", "a@b.example", "<a>", "<a..b@far.example>", "<a b@far.example>", "<ü@b.example>", "<postmaster>", "",
    "<a@far.example>x", "<<a@far.example>>", "<a@b@far.example>", "<a(note)@far.example>", "<a@far.example.>",
    "<a@-b.example>", "<\udcff@b.example>", "<a\0@b.c>", " SIZE=10",
])  # fmt: skip
PARAMETERS = st.sampled_from([
    "", "", "", " ", " SIZE=10", " SIZE=99999999", " SIZE=x", " SIZE", " BODY=8BITMIME", " BODY=7BIT", " BODY=X",
    " SMTPUTF8", " SMTPUTF8=1", " X=1", " NOTIFY=NEVER", " RET=FULL", " AUTH=<>", " BODY=BINARYMIME", " SIZE=1 SIZE=2",
    " =", " a b",
])  # fmt: skip
PATHS = st.tuples(GOOD, PARAMETERS).map("".join) | WRONG
MAILS = st.tuples(st.sampled_from(["MAIL FROM:", "MAIL FROM:", "mail from:", "MAIL FROM"]), PATHS).map("".join)
RCPTS = st.tuples(st.sampled_from(["RCPT TO:", "RCPT TO:", "rcpt to:", "RCPT TO"]), PATHS).map("".join)
PLAIN = st.sampled_from([
    "HELO x", "EHLO x", "EHLO", "EHLO ü", "EHLO a b", "HELO", "MAIL FROM:<a@far.example>", "RCPT TO:<user@example.com>",
    "DATA x", "RSET", "RSET x", "NOOP", "NOOP x", "NOOP ü", "NOOP \0", "QUIT x", "QUIT", "HELP",
    "HELP MAIL", "HELP X", "VRFY x@y.example", "VRFY", "EXPN x", "AUTH", "STARTTLS", "BDAT 0", "BDAT x",
    "AUTH PLAIN", "auth login", "AUTH LOGIN =", "AUTH CRAM-MD5", "AUTH X", "AUTH PLAIN a b",
    "WHAT", "", " ", "\udcff\udcfe", "\0", "handle_DATA", "MAIL\tFROM:<a@b>", "x" * 600, "NOOP " + "y" * 1500,
])  # fmt: skip
DATAS = st.sampled_from(["DATA" + " " * n for n in range(len(TEXTS))])
LINES = st.tuples(MAILS | RCPTS | PLAIN | DATAS, st.sampled_from(["\r\n"] * 9 + ["\n"])).map("".join)
RESPONSES = st.sampled_from([RIGHT, USER + RIGHT, FOR_ANOTHER, NOT_UTF8, RIGHT + b"x", b"\0nobody\0x", USER, b""]).map(
    b64
)
CREDENTIALS = st.sampled_from([USER, USER, PASSWORD, PASSWORD, b"", b"\xff", USER.upper(), b"nobody"]).map(b64)
SPOILT = st.sampled_from(["*", "=", "!", "AGE", "ü"])
LOGINS = (
    st.tuples((RESPONSES | SPOILT).map("AUTH PLAIN {}".format))
    | st.tuples(st.just("AUTH PLAIN"), RESPONSES | SPOILT)
    | st.tuples(st.just("AUTH LOGIN"), CREDENTIALS | SPOILT, CREDENTIALS | SPOILT)
    | st.tuples((CREDENTIALS | SPOILT).map("AUTH LOGIN {}".format), CREDENTIALS | SPOILT)
).map(lambda lines: [f"{line}\r\n" for line in lines])
WHOLE = DATAS.map(lambda data: [MAIL, RCPT, data + "\r\n"])
DIALOGUES = st.tuples(
    st.integers(0, 3).map(lambda count: [EHLO, MAIL, RCPT][:count]),
    st.lists(LINES.map(lambda line: [line]) | WHOLE | LOGINS, max_size=8).map(lambda parts: list(chain(*parts))),
).map(lambda parts: encoded(*parts[0], *parts[1]))


def encoded(*lines: str) -> list[bytes]:
    return [line.encode("utf-8", "surrogateescape") for line in lines]


@pytest.fixture(scope="module")
def both() -> Iterator[Both]:
    servers = Both()
    yield servers
    servers.close()


@settings(max_examples=200, deadline=None)
@given(login=LOGINS, more=st.lists(LOGINS | WHOLE, max_size=2))
def test_both_let_the_same_clients_in(both: Both, login: list[str], more: list[list[str]]) -> None:
    both.compare(encoded(EHLO, *login, *chain(*more)))


@pytest.mark.parametrize(
    ("login", "code"),
    [
        (("AUTH PLAIN " + b64(RIGHT),), "235"),
        (("AUTH PLAIN", b64(RIGHT)), "235"),
        (("AUTH LOGIN", b64(USER), b64(PASSWORD)), "235"),
        (("AUTH LOGIN " + b64(USER), b64(PASSWORD)), "235"),
        (("AUTH PLAIN " + b64(RIGHT + b"x"),), "535"),
        (("AUTH LOGIN", b64(USER), b64(USER)), "535"),
    ],
)
def test_both_know_right_credentials_from_wrong_ones(both: Both, login: tuple[str, ...], code: str) -> None:
    assert both.codes(encoded(EHLO, *(f"{line}\r\n" for line in login))) == [code, code]


@settings(max_examples=300, deadline=None)
@given(dialogue=DIALOGUES)
def test_both_answer_alike(both: Both, dialogue: list[bytes]) -> None:
    both.compare(dialogue)


@pytest.mark.parametrize("difference", DIFFERENCES, ids=lambda each: each.reason)
def test_every_difference_is_still_one(both: Both, difference: Difference) -> None:
    *_, last = both.compare(encoded(*difference.shown_by))
    assert last is difference
