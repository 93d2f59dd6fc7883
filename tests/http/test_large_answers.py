"""Large answers hold up nobody: they are encoded and written piece by piece."""

from __future__ import annotations

import pytest
from aiohttp.http_writer import StreamWriter

from sirrchat_testkit import Inbox, MailServer
from tests.support import call_api

MEBIBYTE = 1 << 20


@pytest.mark.parametrize("path", ["/testkit/v1/messages", "/api/v1/users/{user}/messages/{uid}"])
def test_a_large_answer_is_written_in_pieces(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes: list[int] = []
    write = StreamWriter.write

    async def noted(self: StreamWriter, chunk: bytes, **options: bool) -> None:
        sizes.append(len(chunk))
        await write(self, chunk, **options)

    with MailServer() as server:
        user = server.add_account("ann@example.com")
        inbox: Inbox = server.inbox_for("ann@example.com")
        message = inbox.deliver(b"Subject: x\r\n\r\n" + b"\0" * MEBIBYTE)
        monkeypatch.setattr(StreamWriter, "write", noted)
        found = call_api(server, "GET", path.format(user=user.id, uid=message.uid))
    text = found.json["data"][0]["text"] if "data" in found.json else found.json["text"]
    assert text == "\0" * MEBIBYTE
    assert int(found.headers["Content-Length"]) > 6 * MEBIBYTE
    assert sum(sizes) > 6 * MEBIBYTE
    assert max(sizes) <= 262_144
