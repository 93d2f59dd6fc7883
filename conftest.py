"""What all tests share."""

from typing import Any

import pytest

pytest_plugins = ["pytester"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that runs tests of the fixtures and handles with a server that others use too."""
    parser.addoption(
        "--server-mode",
        choices=["own", "attached", "shared"],
        default="own",
        help="the mail server of tests/plugin and tests/flows: their own, one elsewhere, or one of all workers",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Have the fixtures use a server as ``--server-mode`` says."""
    place = getattr(config, "workerinput", {}).get("place")
    if config.getoption("--server-mode") == "shared":
        config.option.mailserver_shared = True
    elif config.getoption("--server-mode") == "attached" and place is None:
        from sirrchat_testkit import MailServer

        server = MailServer().start()
        config.add_cleanup(server.stop)
        place = (server.api_url, server.api_key)
    if place is not None:
        config.option.mailserver_url, config.option.mailserver_key = place


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a worker of pytest-xdist where the server is: changed options do not reach it."""
    if node.config.getoption("--server-mode") == "attached":
        node.workerinput["place"] = (node.config.option.mailserver_url, node.config.option.mailserver_key)
