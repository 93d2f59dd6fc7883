"""What all tests share."""

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
    """Have the fixtures use a server as ``--server-mode`` says; pytest-xdist passes the options to its workers."""
    if config.getoption("--server-mode") == "own" or hasattr(config, "workerinput"):
        return
    config.option.mailserver_shared = config.getoption("--server-mode") == "shared"
    if not config.option.mailserver_shared:
        from sirrchat_testkit import MailServer

        server = MailServer().start()
        config.add_cleanup(server.stop)
        config.option.mailserver_url, config.option.mailserver_key = server.api_url, server.api_key
