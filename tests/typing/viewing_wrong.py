"""Wrong uses of what shows a message: every type checker refuses each line marked ``# error``."""

from __future__ import annotations

from sirrchat_testkit import AsyncPlaywrightPage, PlaywrightPage, ReceivedMessage, SeleniumDriver


def shows(message: ReceivedMessage, page: PlaywrightPage, waiting: AsyncPlaywrightPage, driver: SeleniumDriver) -> None:
    message.show()  # error
    message.open("x")  # error
    message.screenshot()  # error
    message.screenshot(driver)  # error
    message.screenshot(page, widht=1)  # error
    message.screenshot(page, width="1")  # error
    message.screenshot(waiting).hex()  # error
    message.save()  # error
    message.save(b"x", 1)  # error
