"""Right uses of what shows a message: every type checker accepts each line."""

# pyright: strict

from __future__ import annotations

from pathlib import Path
from typing import Any, assert_type

from sirrchat_testkit import AsyncPlaywrightPage, ChromiumDriver, PlaywrightPage, ReceivedMessage, SeleniumDriver


class Page:
    """A page with some methods of Playwright's synchronous one, which has more parameters."""

    @property
    def context(self) -> object:
        return self

    def goto(self, url: str, *, referer: str | None = None) -> object | None: ...

    def set_content(self, html: str, *, wait_until: str | None = None) -> None: ...


class AsyncPage:
    """The same for the asynchronous one."""

    @property
    def context(self) -> object:
        return self

    async def goto(self, url: str, *, referer: str | None = None) -> object | None: ...

    async def set_content(self, html: str, *, wait_until: str | None = None) -> None: ...


class Driver:
    """A driver with some methods of Selenium's."""

    def get(self, url: str) -> None: ...

    def execute_script(self, script: str, *args: Any) -> Any: ...


class Chrome(Driver):
    """The same for that of Chromium."""

    @property
    def current_window_handle(self) -> str:
        return ""

    @property
    def switch_to(self) -> object: ...

    def close(self) -> None: ...

    def execute_async_script(self, script: str, *args: Any) -> Any: ...

    def execute_cdp_cmd(self, cmd: str, cmd_args: dict[str, Any]) -> Any: ...


def shows(message: ReceivedMessage, page: Page, driver: Driver, chrome: Chrome, path: Path) -> None:
    sync: PlaywrightPage = page
    selenium: SeleniumDriver = driver
    assert_type(message.open(), None)
    assert_type(message.open(sync), None)
    assert_type(message.open(selenium), None)
    assert_type(message.screenshot(page, width=375, dark=True), bytes)
    chromium: ChromiumDriver = chrome
    assert_type(message.screenshot(chromium, dark=True), bytes)
    assert_type(message.save(path), Path)
    assert_type(message.save("welcome.html"), Path)


async def ashows(message: ReceivedMessage, page: AsyncPage) -> None:
    waiting: AsyncPlaywrightPage = page
    await message.open(waiting)
    assert_type(await message.screenshot(page), bytes)
