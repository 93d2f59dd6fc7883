"""A message is saved, opened in real Chromium by Playwright and Selenium, and photographed."""

from __future__ import annotations

import asyncio
import http.server
import os
import shutil
import struct
import threading
import webbrowser
import zlib
from collections.abc import Iterator
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest

from sirrchat_testkit import Inbox, ReceivedMessage

FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]


def png(width: int, height: int) -> bytes:
    """Return a picture in one color."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = zlib.compress((b"\0" + b"\xff\0\0" * width) * height)
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


@pytest.fixture
def remote() -> Iterator[tuple[str, list[str]]]:
    """A web server: its URL, and the paths that were requested."""
    requested: list[str] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            requested.append(self.path)
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(b"<title>Confirmed</title>")

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", requested
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def message(inbox: Inbox, remote: tuple[str, list[str]]) -> ReceivedMessage:
    url, _ = remote
    mail = EmailMessage()
    mail["Subject"], mail["From"], mail["To"] = "Welcome, Ann!", "shop@shop.example", inbox.address
    mail.set_content("Hello")
    mail.add_alternative(
        f"""<!doctype html><html><head>
        <meta http-equiv="refresh" content="0; url={url}/refresh">
        <link rel="stylesheet" href="{url}/style.css"><link rel="preload" as="image" href="{url}/preload.png">
        <style>@import "{url}/import.css"; body {{ margin: 0; background: white }}
        @media (prefers-color-scheme: dark) {{ body {{ background: black }} }}</style></head>
        <body><img id="logo" src="cid:logo"><img id="pixel" src="{url}/pixel.png">
        <p style="background: url({url}/background.png)">Hello Ann <a id="confirm" href="{url}/confirm">Confirm</a></p>
        <iframe src="{url}/frame"></iframe><script>document.title = "scripted"; fetch("{url}/script")</script>
        <div style="height: 2000px"></div></body></html>""",
        subtype="html",
    )
    mail.get_payload()[1].add_related(png(40, 20), "image", "png", cid="<logo>")  # type: ignore[index, union-attr]
    return inbox.deliver(mail)


@pytest.fixture
def page(chromium: str) -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api")
    with playwright.sync_playwright() as started:
        browser = started.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser.new_page(viewport={"width": 500, "height": 400})
        browser.close()


def size(picture: bytes) -> tuple[int, int]:
    assert picture.startswith(b"\x89PNG")
    width, height = struct.unpack(">II", picture[16:24])
    return width, height


def corner(picture: bytes) -> int:
    """Return the red value of the last pixel of the first row of a PNG with filters, by its own decoder."""
    width, _ = size(picture)
    position, data = 8, b""
    while position < len(picture):
        (length,) = struct.unpack(">I", picture[position : position + 4])
        if picture[position + 4 : position + 8] == b"IDAT":
            data += picture[position + 8 : position + 8 + length]
        position += length + 12
    channels = {2: 3, 6: 4}[picture[25]]
    row = bytearray(zlib.decompress(data)[: width * channels + 1])
    assert row[0] in {0, 1, 2, 4}  # the filters, of which 1 and 4 are the same in the first row
    for at in range(1 + channels, len(row)) if row[0] in {1, 4} else ():
        row[at] = (row[at] + row[at - channels]) % 256
    return row[-channels]


def test_playwright_shows_images_blocks_the_rest_and_follows_links(
    message: ReceivedMessage, page: Any, remote: tuple[str, list[str]]
) -> None:
    url, requested = remote
    page.goto(f"{url}/app")
    message.open(page)
    assert page.url == "about:blank"
    assert page.evaluate("document.getElementById('logo').naturalWidth") == 40
    assert page.evaluate("document.getElementById('pixel').naturalWidth") == 0
    assert page.evaluate("document.compatMode") == "CSS1Compat"
    assert page.title() == ""
    page.wait_for_timeout(300)
    assert set(requested) <= {"/app", "/favicon.ico"}
    page.get_by_role("link", name="Confirm").click()
    page.wait_for_url(f"{url}/confirm")
    assert page.title() == "Confirmed"


def test_async_playwright_is_awaited(message: ReceivedMessage, chromium: str, remote: tuple[str, list[str]]) -> None:
    playwright = pytest.importorskip("playwright.async_api")
    _, requested = remote

    async def show() -> None:
        async with playwright.async_playwright() as started:
            browser = await started.chromium.launch(executable_path=chromium, args=FLAGS)
            page = await browser.new_page()
            await message.open(page)
            assert await page.evaluate("document.getElementById('logo').naturalWidth") == 40
            assert size(await message.screenshot(page, width=375))[0] == 375
            await browser.close()

    asyncio.run(show())
    assert requested == []


@pytest.fixture
def driver(chromium: str) -> Iterator[Any]:
    selenium = pytest.importorskip("selenium.webdriver")
    driver_path = shutil.which("chromedriver")
    if driver_path is None:
        if os.environ.get("CI"):
            pytest.fail("CI installs chromedriver")
        pytest.skip("chromedriver is not installed")
    options = selenium.ChromeOptions()
    options.binary_location = chromium
    for flag in ["--headless", *FLAGS]:
        options.add_argument(flag)
    driver = selenium.Chrome(options=options, service=selenium.ChromeService(driver_path))
    yield driver
    driver.quit()


def test_selenium_shows_images_and_blocks_the_rest(
    message: ReceivedMessage, driver: Any, remote: tuple[str, list[str]]
) -> None:
    message.open(driver)
    loaded = "return document.getElementById(arguments[0]).naturalWidth"
    waits = pytest.importorskip("selenium.webdriver.support.ui").WebDriverWait(driver, 20)
    waits.until(lambda each: each.execute_script("return document.readyState") == "complete")
    assert driver.execute_script(loaded, "logo") == 40
    assert driver.execute_script(loaded, "pixel") == 0
    assert driver.find_element("id", "confirm").text == "Confirm"
    assert remote[1] == []


def test_selenium_takes_the_same_picture_in_another_tab(
    message: ReceivedMessage, driver: Any, page: Any, remote: tuple[str, list[str]]
) -> None:
    driver.execute_script("document.title = 'Mine'")
    light, dark = message.screenshot(driver, width=375), message.screenshot(driver, width=375, dark=True)
    assert size(light) == size(message.screenshot(page, width=375))
    assert (corner(light), corner(dark)) == (255, 0)
    assert driver.title == "Mine"
    assert len(driver.window_handles) == 1
    assert remote[1] == []


def test_a_picture_has_the_width_the_whole_height_and_the_colors(
    message: ReceivedMessage, page: Any, remote: tuple[str, list[str]]
) -> None:
    page.set_content("<title>Mine</title>")
    light, dark = message.screenshot(page, width=375), message.screenshot(page, width=375, dark=True)
    assert size(light)[0] == 375
    assert size(light)[1] > 2000
    assert (corner(light), corner(dark)) == (255, 0)
    assert size(message.screenshot(page))[0] == 800
    assert page.title() == "Mine"
    assert page.viewport_size == {"width": 500, "height": 400}
    assert len(page.context.browser.contexts) == 1
    assert remote[1] == []


def test_the_default_browser_opens_a_file(message: ReceivedMessage, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []

    def note(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr(webbrowser, "open", note)
    message.open()
    [url] = opened
    file = Path(url.removeprefix("file://"))
    assert file.name == "welcome-ann.html"
    assert "data:image/png;base64," in file.read_text("utf-8")
    shutil.rmtree(file.parent)


def test_without_a_default_browser_the_error_names_the_file(
    message: ReceivedMessage, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(webbrowser, "open", lambda _: False)
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    with pytest.raises(RuntimeError, match=r"no browser could be started; open /.*/welcome-ann.html yourself"):
        message.open()


def test_something_else_is_no_page(message: ReceivedMessage) -> None:
    with pytest.raises(TypeError, match="page must be a page of Playwright or a driver of Selenium, not 'x'"):
        message.open("x")  # type: ignore[call-overload]
    with pytest.raises(TypeError, match="page must be a page of Playwright, or a Chromium driver of Selenium, not 'x'"):
        message.screenshot("x")  # type: ignore[call-overload]
    with pytest.raises(ValueError, match="width must be a whole number of pixels, at least 1, not 0"):
        message.screenshot("x", width=0)  # type: ignore[call-overload]


def test_a_message_is_saved_raw_or_as_a_page(message: ReceivedMessage, tmp_path: Path) -> None:
    assert message.save(tmp_path / "new" / "welcome.eml").read_bytes() == message.raw
    assert message.save(str(tmp_path / "plain")) == tmp_path / "plain"
    page = message.save(tmp_path / "welcome.html").read_text("utf-8")
    assert "Content-Security-Policy" in page
    assert "data:image/png;base64," in page
    assert message.save(tmp_path) == tmp_path / "welcome-ann.eml"
