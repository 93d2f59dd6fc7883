"""Forms that no page of the server has sent: their content is malformed, or a field has a value that no page offers."""

from __future__ import annotations

from email.message import EmailMessage

import pytest

from tests.web.conftest import TOKEN, Web


def part(headers: str, content: str = "x") -> bytes:
    return f"--b\r\n{headers}\r\n\r\n{content}\r\n--b--\r\n".encode()


NAMED = 'Content-Disposition: form-data; name="token"'
MALFORMED = {
    "an unknown charset": ("application/x-www-form-urlencoded; charset=bogus", b"token=x"),
    "text in another charset": ("application/x-www-form-urlencoded; charset=utf-16", b"token=x"),
    "no boundary": ("multipart/form-data", b"x"),
    "a boundary that is too long": (f"multipart/form-data; boundary={'b' * 80}", b"x"),
    "a part without a name": ("multipart/form-data; boundary=b", part("Content-Disposition: form-data")),
    "parts within parts": ("multipart/form-data; boundary=b", part("Content-Type: multipart/mixed; boundary=c")),
    "a part in an unknown charset": (
        "multipart/form-data; boundary=b",
        part(f"{NAMED}\r\nContent-Type: text/plain; charset=bogus"),
    ),
    "a part in an unknown encoding": (
        "multipart/form-data; boundary=b",
        part(f"{NAMED}\r\nContent-Transfer-Encoding: bogus"),
    ),
    "a part that is not base64": (
        "multipart/form-data; boundary=b",
        part(f"{NAMED}\r\nContent-Transfer-Encoding: base64", "!"),
    ),
    "many headers": ("multipart/form-data; boundary=b", part("\r\n".join(["A: b"] * 2000))),
    "a long header": ("multipart/form-data; boundary=b", part(f"{NAMED}\r\nContent-Type: a/{'b' * 10_000}")),
    "a header with a control character": ("multipart/form-data; boundary=b", part(f"{NAMED}\r\nContent-Type: a/\0")),
}


@pytest.mark.parametrize("what", MALFORMED)
@pytest.mark.parametrize("path", ["/mail/selected", "/compose", "/sign-in"])
def test_a_malformed_form_is_refused(web: Web, path: str, what: str) -> None:
    media, content = MALFORMED[what]
    got = web.http.post(f"/ui{path}", content=content, headers={"Content-Type": media})
    assert got.status_code in {400, 403}, got.text
    assert "nternal" not in got.text
    web.get("/mail")


@pytest.mark.parametrize("wanted", ["/ui/\r\nX-Injected: yes", "/ui/\0", "/ui/\u2028", "/ui"])
def test_a_form_leads_only_to_urls(web: Web, wanted: str) -> None:
    for path in ("/theme", "/sign-in"):
        got = web.post(path, key=web.server.api_key, theme="dark", next=wanted)
        assert got.headers["Location"] == "/ui/mail"
        assert "X-Injected" not in got.headers


@pytest.mark.parametrize("origin", ["http://[", "null", "http://", "x", "http://127.0.0.1:99999"])
def test_an_odd_origin_is_another_site(web: Web, origin: str) -> None:
    found = TOKEN.search(web.get("/mail"))
    assert found is not None
    got = web.http.post("/ui/theme", data={"token": found[1]}, headers={"Origin": origin})
    assert got.status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:99999", "localhost:123456789", "[::1]:70000"])
@pytest.mark.parametrize("path", ["/ui/mail", "/api/emails", "/healthz"])
def test_a_host_with_an_impossible_port_is_unknown(web: Web, host: str, path: str) -> None:
    got = web.http.get(path, headers={"Host": host, "X-API-Key": web.server.api_key})
    assert got.status_code == 421


@pytest.mark.parametrize("value", ["9" * 400, "9" * 300, "99999999999999d"])
def test_the_clock_is_moved_by_300_years_at_most(web: Web, value: str) -> None:
    before = web.server.clock.now()
    assert "seconds must be 10000000000 or less" in web.post("/clock", 400, action="advance", value=value).text
    assert (web.server.clock.now() - before).days == 0


@pytest.mark.parametrize("effect", ["smtp.delay", "smtp.greylist", "smtp.trickle", "webhook.delay", "rest.delay"])
def test_a_fault_waits_300_years_at_most(web: Web, effect: str) -> None:
    for value in ("9" * 400, "9" * 300):
        assert "must be at most 10000000000 seconds" in web.post("/faults", 400, effect=effect, seconds=value).text
    assert not [*web.server.faults.planned, *web.server.webhook_faults.planned, *web.server.rest_faults.planned]


def test_a_long_name_of_a_file_is_cut_before_its_suffix(web: Web) -> None:
    message = EmailMessage()
    message.add_attachment(b"x", maintype="text", subtype="csv", filename="é" * 700 + ".csv")
    web.server.inbox_for("ann@example.com").deliver(message)
    name = web.http.get(f"/ui/mail/{web.message()}/files/0").headers["Content-Disposition"]
    assert name.endswith("%C3%A9.csv")
    assert len(name) < 1000
