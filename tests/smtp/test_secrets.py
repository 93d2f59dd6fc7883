"""Whatever a client does with AUTH, no transcript, log, event or repr shows its credentials."""

from __future__ import annotations

import asyncio
import base64
import io
import itertools
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sirrchat_testkit.domain.auth import Credentials
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.settings import Settings
from sirrchat_testkit.smtp import commands, paths
from sirrchat_testkit.smtp.listener import serve_smtp
from sirrchat_testkit.storage.store import TinyStore

USER, SECRET = "user@example.com", "s3cret-passw0rd"


def b64(text: str) -> str:
    return base64.b64encode(text.encode()).decode()


PROOFS = [
    b64(f"\0{USER}\0{SECRET}"),
    b64(f"{USER}\0{USER}\0{SECRET}"),
    b64(f"{USER}\0{SECRET}"),  # without the authorization identity
    b64(f"{USER}\0{SECRET}\0"),  # in the wrong order
    b64(SECRET),
    b64(f"user={USER}\x01auth=Bearer {SECRET}\x01\x01"),
    b64(f"user={USER}\x01auth={SECRET}\x01\x01"),
    b64(f"auth=Bearer {SECRET}"),
    f"{USER} {SECRET}",
    SECRET,
]
HIDDEN = [SECRET, *(proof.rstrip("=") for proof in PROOFS if SECRET not in proof)]

AUTH = st.sampled_from(
    ["AUTH", "auth", "Auth", "aUtH", " AUTH", "\tAUTH", "XAUTH", "SMTP AUTH", "please do AUTH", "AUTH="]
)
GAP = st.sampled_from([" ", "  ", "\t", " \t ", "=", "   "])
MECHANISM = st.sampled_from(["PLAIN", "plain", "LOGIN", "Login", "XOAUTH2", "CRAM-MD5", "DIGEST-MD5", "NTLM", ""])
PROOF = st.sampled_from(
    [*PROOFS, *(f"{proof[:9]} {proof[9:]}" for proof in PROOFS[:5]), f"{PROOFS[0]}!", f" {PROOFS[0]}"]
)
END = st.sampled_from(["\r\n"] * 6 + ["\n", " \r\n", "\r\r\n", "\0\r\n"])
LINES = st.one_of(
    st.tuples(AUTH, GAP, MECHANISM, GAP, PROOF).map("".join),
    st.tuples(AUTH, GAP, MECHANISM).map("".join),
    st.tuples(AUTH, GAP, MECHANISM, GAP, st.just("=")).map("".join),
    AUTH,
    st.sampled_from(
        ["EHLO client.example", "HELO x", "*", "=", "", "RSET", "NOOP", "WHAT", "MAIL FROM:<a@example.net>"]
    ),
    st.sampled_from([b64(USER), b64(""), "x" * 13_000]),
)
DIALOGUES = st.lists(st.tuples(LINES, st.lists(PROOF, max_size=3)), max_size=6)


@st.composite
def packets(draw: st.DrawFn) -> list[bytes]:
    """Lines with AUTH, each followed by credentials, in packets of any number of lines or parts of lines.

    Credentials alone come only after an AUTH: a password in the place of any other command is shown.
    """
    stream, begun = "", False
    for line, proofs in draw(DIALOGUES):
        begun = begun or "AUTH" in line.upper()
        if begun or not any(each in line for each in HIDDEN):
            stream += line + draw(END)
        for proof in proofs if begun else ():
            stream += proof + draw(END)
    data = stream.encode()
    cuts = sorted({0, len(data), *draw(st.lists(st.integers(0, len(data)), max_size=5))})
    return [data[start:end] for start, end in itertools.pairwise(cuts)]


@pytest.fixture(scope="module")
def log() -> Iterator[io.StringIO]:
    """Everything that is logged, in any logger."""
    handler = logging.StreamHandler(io.StringIO())
    root, level = logging.getLogger(), logging.getLogger().level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    yield handler.stream
    root.setLevel(level)
    root.removeHandler(handler)


async def shown_after(chunks: list[bytes], **changes: Any) -> str:
    """Return everything that a server shows after ``chunks``."""
    store = TinyStore()
    services = Services.build(
        Settings(max_unknown_commands=0, max_failed_logins=0).replace(**changes), store, asyncio.get_running_loop()
    )
    await services.set_up()
    await services.accounts.add(USER, password=SECRET)
    async with serve_smtp(services) as listener:
        reader, writer = await asyncio.open_connection(*listener.address)
        for chunk in chunks:
            writer.write(chunk)
            await asyncio.sleep(0)
        writer.write_eof()
        replies = await reader.read()
        writer.close()
    [session] = services.sessions.known()
    shown = [session.transcript, session, services, listener, [*services.events.after()], commands._cache, paths._plain]
    text = "\n".join(f"{each}\n{each!r}" for each in shown)
    assert replies.startswith(b"220 ")
    services.clock.close()
    await services.close()
    await store.close()
    return text


def leaks(text: str) -> list[str]:
    return [each for each in HIDDEN if each in text]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(chunks=packets(), hide=st.sampled_from([(), ("PIPELINING",), ("AUTH",), ("PLAIN", "LOGIN")]))
@example(chunks=[f"AUTH LOGIN\n{b64(USER)}\n{b64(SECRET)}\r\n".encode()], hide=())
@example(chunks=[b"EHLO x\r\n", b"AUTH PLAIN " + b"x" * 13_000 + b"\r\n", f"{PROOFS[0]}\r\n".encode()], hide=())
@example(chunks=[f"please do AUTH PLAIN {PROOFS[0]}\r\n".encode()], hide=())
@example(chunks=[b"EHLO x\r\n", f"AUTH PLAIN {PROOFS[3]}\r\n".encode()], hide=())
def test_credentials_are_shown_nowhere(log: io.StringIO, chunks: list[bytes], hide: tuple[str, ...]) -> None:
    log.seek(0)
    log.truncate()
    text = asyncio.run(shown_after(chunks, hide_extensions=hide, oauth_tokens={USER: "another"}))
    assert leaks(text + log.getvalue()) == []


def test_the_repr_of_credentials_shows_no_proof() -> None:
    assert leaks(repr(Credentials("PLAIN", USER, password=SECRET, token=SECRET, digest=SECRET))) == []
