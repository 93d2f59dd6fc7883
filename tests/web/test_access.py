"""Who may open the pages: other sites, unknown hosts, missing tokens and missing keys are refused."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import Any

import httpx
import pytest

from sirrchat_testkit import MailServer
from tests.support import StartServe, connect
from tests.web.conftest import Send, Web


@contextmanager
def serving(page: str) -> Iterator[str]:
    """Serve ``page`` on another port; yield its URL."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = page.encode()
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


POSTS = ("/addresses", "/mail/delete", "/mail/selected", "/theme", "/sign-out", "/sign-in", "/mail/{}/redeliver")


@pytest.fixture
def locked() -> Iterator[Web]:
    """A visitor of a server that asks for a key."""
    with MailServer(web_auth=True) as server:
        server.make_inbox(address="ann@example.com")
        web = Web(server)
        with web.http:
            yield web


def sign_in(web: Web, key: str) -> None:
    token = web.http.get("/ui/mail").text.split('name="token" value="')[1].split('"')[0]
    got = web.http.post("/ui/sign-in", data={"token": token, "key": key, "next": "/ui/mail"})
    assert got.status_code == 303, got.text


@pytest.mark.parametrize("host", ["rebound.example", "localhost.evil.example", "10.0.0.1:80"])
def test_an_unknown_host_is_refused(web: Web, host: str) -> None:
    web.get("/mail")
    for path in ("/", "/ui/mail", "/ui/live", "/ui/static/keys.js", "/ui/sign-in"):
        got = web.http.get(path, headers={"Host": host})
        assert got.status_code == 421
        assert "ann@example.com" not in got.text


def test_a_page_of_another_site_cannot_fetch_or_open_anything(web: Web) -> None:
    for path in ("/mail", "/live", "/static/keys.js"):
        assert "ann@example.com" not in web.get(path, status=403, **{"Sec-Fetch-Site": "cross-site"})


def test_a_link_from_another_site_leads_to_a_page_with_a_link_to_itself(web: Web) -> None:
    shown = web.get("/mail", status=403, **{"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})
    assert '<a href="">Open the page</a>' in shown


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
    ],
)
@pytest.mark.parametrize("path", POSTS)
def test_a_form_of_another_site_changes_nothing(web: Web, arrive: Send, path: str, headers: dict[str, str]) -> None:
    arrive()
    message = web.message()
    token = web.get("/mail").split('name="token" value="')[1].split('"')[0]
    fields = {"token": token, "address": "evil@example.com", "expires": "never", "delivery": "x", "key": "x"}
    fields |= {"message": message, "action": "delete"}
    got = web.http.post(f"/ui{path.format(message)}", data=fields, headers=headers)
    assert got.status_code == 403
    assert "Set-Cookie" not in got.headers
    assert len(web.server.inbox_for("ann@example.com").messages) == 1
    assert "evil@" not in web.get("/mail")


@pytest.mark.parametrize("token", ["", "wrong", "é", "\0"])
@pytest.mark.parametrize("path", POSTS)
def test_a_form_without_the_token_of_the_server_changes_nothing(web: Web, arrive: Send, path: str, token: str) -> None:
    arrive()
    message = web.message()
    fields = {"address": "evil@example.com", "expires": "never", "message": message, "action": "delete"}
    web.post(path.format(message), 403, token, **fields)
    assert len(web.server.inbox_for("ann@example.com").messages) == 1
    assert "evil@" not in web.get("/mail")


def test_nothing_is_changed_by_get(web: Web, arrive: Send) -> None:
    arrive()
    for path in POSTS:
        query = f"?action=delete&message={web.message()}"
        assert web.http.get(f"/ui{path.format(web.message())}{query}").status_code in {404, 405}
    assert len(web.server.inbox_for("ann@example.com").messages) == 1


@pytest.mark.parametrize("wanted", ["https://evil.example/", "//evil.example/ui/", "javascript:alert(1)", "\\\\evil"])
def test_a_form_leads_to_no_other_site(web: Web, wanted: str) -> None:
    assert web.post("/theme", theme="dark", next=wanted).headers["Location"] == "/ui/mail"


def test_with_web_auth_every_page_asks_for_a_key(locked: Web) -> None:
    for path in ("/mail", "/mail/12a7ec89-dd5d-42cc-9aef-65125c1d95e6", "/nothing"):
        shown = locked.get(path, status=401)
        assert "asks for an API key" in shown
        assert "ann@example.com" not in shown
    locked.get("/live", status=401)
    assert httpx.get(f"{locked.server.api_url}/metrics", trust_env=False).status_code == 401


def test_signing_in_sets_a_cookie_that_scripts_and_other_sites_cannot_use(locked: Web) -> None:
    token = locked.get("/mail", status=401).split('name="token" value="')[1].split('"')[0]
    fields = {"token": token, "next": "/ui/mail?to=ann@example.com"}
    assert "wrong, revoked or expired" in locked.http.post("/ui/sign-in", data={**fields, "key": "no"}).text
    got = locked.http.post("/ui/sign-in", data={**fields, "key": locked.server.api_key})
    assert (got.status_code, got.headers["Location"]) == (303, "/ui/mail?to=ann@example.com")
    cookie = got.headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert locked.server.api_key not in cookie
    assert "ann" in locked.get("/mail")
    assert "Sign out" in locked.get("/mail")


def test_the_link_of_a_server_that_listens_everywhere_can_be_opened_at_this_machine() -> None:
    with MailServer(host="0.0.0.0") as server, httpx.Client() as client:
        link = server.web_url
        assert link.startswith("http://127.0.0.1:")
        assert client.get(link).status_code == 303


def test_the_link_of_a_server_that_asks_for_a_key_signs_in_once(locked: Web) -> None:
    server = locked.server
    link = server.web_url
    assert server.web_url == link
    assert locked.http.head(link).status_code != 303
    got = locked.http.get(link)
    assert (got.status_code, got.headers["Location"]) == (303, "/ui/mail")
    assert "HttpOnly" in got.headers["Set-Cookie"]
    assert "SameSite=Strict" in got.headers["Set-Cookie"]
    assert "ann" in locked.get("/mail")
    assert locked.http.get(link).headers["Location"] == "/ui/mail"  # a bookmark of one who has signed in
    with Web(server).http as other:
        again = other.get(link)
        assert again.status_code == 401
        assert "This link was used before" in again.text
        assert "Set-Cookie" not in again.headers
        assert other.get("/ui/sign-in/wrong").status_code == 401
        assert server.web_url not in ("", link)
        assert other.get(server.web_url, headers={"Sec-Fetch-Site": "cross-site"}).status_code == 403
        assert other.get(server.web_url).status_code == 303


def test_a_server_that_asks_for_no_key_has_a_link_without_a_token(web: Web) -> None:
    assert web.server.web_url == f"{web.server.api_url}/"
    assert web.http.get("/ui/sign-in/any").headers["Location"] == "/ui/mail"


def test_signing_out_ends_the_session(locked: Web) -> None:
    sign_in(locked, locked.server.api_key)
    cookies = dict(locked.http.cookies)
    locked.post("/sign-out")
    locked.http.cookies.update(cookies)
    locked.get("/mail", status=401)


def test_a_server_that_others_reach_asks_for_a_key() -> None:
    with MailServer(host="0.0.0.0") as server:
        assert (
            httpx.get(f"{server.api_url}/ui/mail".replace("0.0.0.0", "127.0.0.1"), trust_env=False).status_code == 401
        )


def test_behind_a_proxy_a_server_on_loopback_asks_for_a_key() -> None:
    with MailServer(allowed_hosts=["mail.example.com"]) as server:
        got = httpx.get(f"{server.api_url}/ui/mail", headers={"Host": "mail.example.com"}, trust_env=False)
        assert got.status_code == 401


def test_a_users_key_shows_only_the_mail_of_that_user(locked: Web) -> None:
    server = locked.server
    shop, other = server.add_account("shop@example.com"), server.add_account("other@example.com")
    for inbox, subject in ((shop.inbox, "Mine"), (other.inbox, "Theirs"), (server.inbox_for("x@corp.example"), "Out")):
        inbox.deliver(subject=subject, text="code 418203")
    theirs = other.inbox.messages[0].id
    sign_in(locked, shop.api_key)
    for path in ("/mail", "/mail?to=other@example.com", "/mail?box=outgoing", "/mail?q=theirs", "/mail?q=418203"):
        shown = locked.get(path)
        assert "Theirs" not in shown
        assert ">Out<" not in shown
        assert "ann<" not in shown
    with connect(server) as smtp:
        smtp.login(shop.address, shop.password)
        smtp.sendmail(shop.address, ["x@corp.example"], "Subject: Sent\r\n\r\nx\r\n")
    assert "Mine" in locked.get("/mail")
    assert '<span class="count">1<' in locked.get("/mail")
    assert '<span class="count">0<' in locked.get("/mail?to=other@example.com")
    for path in ("", "/html", "/source", "/body", "/raw", "/files/0", "/summary"):
        locked.get(f"/mail/{theirs}{path}", status=404)
    locked.post(f"/mail/{theirs}/redeliver", 404, delivery="x")
    for action in ("delete", "read", "unread"):
        locked.post("/mail/selected", action=action, message=theirs)
    locked.post("/mail/selected", 404, action="download", message=theirs)
    assert other.inbox.messages[0].flags == ()
    locked.post("/mail/delete?to=other@example.com")
    assert len(other.inbox.messages) == 1
    assert len(shop.inbox.messages) == 1
    locked.post("/mail/delete")
    assert len(other.inbox.messages) == 1
    assert len(shop.inbox.messages) == 0


def test_a_revoked_key_ends_the_session(locked: Web) -> None:
    account = locked.server.add_account("shop@example.com")
    sign_in(locked, account.api_key)
    locked.get("/mail")
    headers = {"Authorization": f"Bearer {locked.server.api_key}"}
    with httpx.Client(base_url=f"{locked.server.api_url}/api/v1", headers=headers, trust_env=False) as api:
        keys: list[dict[str, Any]] = api.get("/api-keys").json()["data"]
        for each in keys:
            if each["user"] == "shop@example.com":
                api.delete(f"/api-keys/{each['id']}")
    locked.get("/mail", status=401)


def test_a_page_of_another_port_of_this_machine_cannot_frame_or_change_anything(
    browser: Any, web: Web, arrive: Send
) -> None:
    """Other ports are the same site to a browser, which sends cookies and calls such requests ``same-site``."""
    arrive("Secret")
    message = web.message()
    token = web.get("/mail").split('name="token" value="')[1].split('"')[0]
    page = (
        f'<iframe src="{web.server.api_url}/ui/mail"></iframe><iframe name=answer></iframe>'
        f'<form method=post target=answer action="{web.server.api_url}/ui/mail/selected">'
        f"<input name=token value={token}><input name=message value={message}><input name=action value=delete>"
        "<button>Go</button></form>"
    )
    with serving(page) as url:
        context = browser.new_context()
        opened = context.new_page()
        opened.goto(url)
        with opened.expect_response("**/ui/mail/selected") as answer:
            opened.get_by_role("button", name="Go").click()
        assert answer.value.status == 403
        assert "Secret" not in "".join(each.content() for each in opened.frames)
        context.close()
    assert len(web.server.inbox_for("ann@example.com").messages) == 1


def test_a_stream_ends_when_its_visitor_signs_out(locked: Web) -> None:
    inbox = locked.server.inbox_for("ann@example.com")
    sign_in(locked, locked.server.api_key)
    with Web(locked.server).http as other:
        other.cookies.update(dict(locked.http.cookies))
        with other.stream("GET", "/ui/live?page=mail") as stream:
            parts = stream.iter_raw()
            assert next(parts) == b": live\n\n"
            next(parts)  # the list as it is
            inbox.deliver(subject="Seen")
            assert b"Seen" in next(parts)
            locked.post("/sign-out")
            inbox.deliver(subject="Not seen")
            assert b"".join(parts) == b""


def test_nothing_of_the_pages_is_imported_until_one_is_opened(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import sys
        import urllib.request

        def loaded():
            return [each for each in sys.modules if each == "nh3" or f"{each}.".startswith("sirrchat_testkit.web.")]

        def test_it(mailserver):
            assert mailserver.web_url
            urllib.request.urlopen(f"{mailserver.api_url}/healthz").read()
            assert loaded() == []
            assert b"All mail" in urllib.request.urlopen(mailserver.web_url).read()
            assert "sirrchat_testkit.web.site" in loaded()
        """
    )
    pytester.runpytest_subprocess("-p", "no:cacheprovider").assert_outcomes(passed=1)


def test_serve_imports_the_pages_as_soon_as_it_is_ready(serve: StartServe) -> None:
    files = Path(f"/proc/{serve().process.pid}/maps")
    deadline = monotonic() + 60
    while "nh3" not in files.read_text():
        assert monotonic() < deadline, "without a request, the pages are not imported"
