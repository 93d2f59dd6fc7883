"""Show a message as a person would see it: save it, open it in a browser, take a picture of it.

1. A browser gets the message as one page (``mail.page``): its images are in it, everything remote is blocked.
2. Playwright and Selenium are not imported. A page or a driver is known by its methods; the methods of an asynchronous
   Playwright page return awaitables, and so do the functions here.
3. A picture is taken in another page of the same browser, so the caller's page stays as it is.
"""

from __future__ import annotations

import base64
import inspect
import os
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from sirrchat_testkit.formatting import file_name
from sirrchat_testkit.mail.page import page as page_for

if TYPE_CHECKING:
    from sirrchat_testkit.handles.message import ReceivedMessage

__tracebackhide__ = True

BLANK: Final = "about:blank"

HEIGHT: Final = 800
"""Pixels of the window for a picture, which shows the whole message even if it is longer."""

_WRITE: Final = "document.open(); document.write(arguments[0]); document.close();"
_LOADED: Final = "document.readyState === 'complete' ? arguments[0]() : addEventListener('load', arguments[0]);"


class PlaywrightPage(Protocol):
    """The methods of a page of Playwright's synchronous API that are used here."""

    @property
    def context(self) -> Any:
        """The browser context of the page."""

    def goto(self, url: str) -> Any:
        """Open ``url``."""

    def set_content(self, html: str) -> None:
        """Show ``html``."""


class AsyncPlaywrightPage(Protocol):
    """The methods of a page of Playwright's asynchronous API that are used here."""

    @property
    def context(self) -> Any:
        """The browser context of the page."""

    def goto(self, url: str) -> Any:
        """Open ``url``."""

    def set_content(self, html: str) -> Coroutine[Any, Any, None]:
        """Show ``html``."""
        ...


class SeleniumDriver(Protocol):
    """The methods of a driver of Selenium that are used here."""

    def get(self, url: str) -> None:
        """Open ``url``."""

    def execute_script(self, script: str, *args: Any) -> Any:
        """Run ``script`` in the page."""


class ChromiumDriver(SeleniumDriver, Protocol):
    """The methods that a driver of Chrome, Chromium or Edge has in addition, for a picture."""

    @property
    def current_window_handle(self) -> str:
        """The name of the current tab."""
        ...

    @property
    def switch_to(self) -> Any:
        """What opens and selects tabs."""

    def close(self) -> None:
        """Close the current tab."""

    def execute_async_script(self, script: str, *args: Any) -> Any:
        """Run ``script`` in the page, and wait until it calls its last argument."""

    def execute_cdp_cmd(self, cmd: str, cmd_args: dict[str, Any]) -> dict[str, Any]:
        """Send a command of the Chrome DevTools Protocol."""
        ...


def page_of(message: ReceivedMessage) -> str:
    """Return ``message`` as one HTML page, with its images in place and everything remote blocked."""
    return page_for(message.text, message.html, [*message.inline, *message.attachments], message.subject)


def stem(message: ReceivedMessage) -> str:
    """Return the first part of a file name that is like the subject."""
    return file_name(message.subject.lower())[:40].rstrip("-") or "message"


def save(message: ReceivedMessage, path: str | os.PathLike[str]) -> Path:
    """Write ``message`` to ``path``, as HTML if its suffix says so; return the path of the file."""
    file = Path(path)
    if file.is_dir():
        file /= f"{stem(message)}.eml"
    content = page_of(message).encode("utf-8", "replace") if file.suffix in {".html", ".htm"} else message.raw
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
    return file


def open_in(message: ReceivedMessage, page: Any) -> Any:
    """Open ``message`` in ``page``, or in the default browser if that is None."""
    if page is None:
        return _open_in_default_browser(message)
    if hasattr(page, "set_content"):
        return _show(page, page_of(message))
    if hasattr(page, "execute_script"):
        page.get(BLANK)
        page.execute_script(_WRITE, page_of(message))
        return None
    raise TypeError(f"page must be a page of Playwright or a driver of Selenium, not {page!r}")


def screenshot(message: ReceivedMessage, page: Any, width: int, *, dark: bool) -> Any:
    """Return a picture of ``message`` as PNG, or an awaitable of it if ``page`` is asynchronous."""
    if type(width) is not int or width < 1:
        raise ValueError(f"width must be a whole number of pixels, at least 1, not {width!r}")
    content, viewport, scheme = page_of(message), {"width": width, "height": HEIGHT}, "dark" if dark else "light"
    if hasattr(page, "execute_cdp_cmd"):
        return _picture_of_chromium(page, content, viewport, scheme)
    if not hasattr(page, "set_content"):
        raise TypeError(f"page must be a page of Playwright, or a Chromium driver of Selenium, not {page!r}")
    # The context of browser.new_page() cannot open another page; a persistent context has no browser.
    other = (page.context.browser or page.context).new_page()
    if inspect.isawaitable(other):
        return _apicture(other, content, viewport, scheme)
    try:
        other.set_viewport_size(viewport)
        other.emulate_media(color_scheme=scheme)
        other.set_content(content)
        return other.screenshot(full_page=True, animations="disabled")
    finally:
        other.close()


async def _apicture(opening: Any, content: str, viewport: dict[str, int], scheme: str) -> Any:
    other = await opening
    try:
        await other.set_viewport_size(viewport)
        await other.emulate_media(color_scheme=scheme)
        await other.set_content(content)
        return await other.screenshot(full_page=True, animations="disabled")
    finally:
        await other.close()


def _picture_of_chromium(driver: ChromiumDriver, content: str, viewport: dict[str, int], scheme: str) -> bytes:
    before = driver.current_window_handle
    driver.switch_to.new_window("tab")
    try:
        screen = {**viewport, "deviceScaleFactor": 1, "mobile": False}
        driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", screen)
        driver.execute_cdp_cmd("Emulation.setScrollbarsHidden", {"hidden": True})
        media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
        driver.execute_script(_WRITE, content)
        driver.execute_async_script(_LOADED)
        whole = {**driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"], "scale": 1}
        taken = driver.execute_cdp_cmd("Page.captureScreenshot", {"clip": whole, "captureBeyondViewport": True})
        return base64.b64decode(taken["data"])
    finally:
        driver.close()
        driver.switch_to.window(before)


def _show(page: Any, content: str) -> Any:
    opening = page.goto(BLANK)  # or the message would have the URL of the page that was open before
    if inspect.isawaitable(opening):
        return _ashow(page, opening, content)
    page.set_content(content)
    return None


async def _ashow(page: Any, opening: Any, content: str) -> None:
    await opening
    await page.set_content(content)


def _open_in_default_browser(message: ReceivedMessage) -> None:
    import tempfile
    import webbrowser

    file = save(message, Path(tempfile.mkdtemp(prefix="sirrchat-testkit-"), f"{stem(message)}.html"))
    if not webbrowser.open(file.as_uri()):
        raise RuntimeError(f"no browser could be started; open {file} yourself, or pass a page of Playwright")
