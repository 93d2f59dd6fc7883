"""What all tests share."""

import pytest

pytest_plugins = ["pytester"]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that runs tests of the fixtures and handles against a server that others use too."""
    parser.addoption(
        "--server-mode",
        choices=["own", "attached", "shared"],
        default="own",
        help="the mail server of tests/plugin and tests/flows: their own, one elsewhere, or one of all workers",
    )
