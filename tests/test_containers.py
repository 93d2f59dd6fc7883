"""The container example and the recipes name variables, ports and commands that exist."""

import re

import pytest

from sirrchat_testkit.cli import main
from sirrchat_testkit.cli.options import OPTIONS
from tests.pages import DOCS, PROJECT

FOLDER = PROJECT / "examples" / "docker"
DOCKERFILE = (FOLDER / "Dockerfile").read_text("utf-8")
COMPOSE = (FOLDER / "compose.yaml").read_text("utf-8")
PAGE = (DOCS / "containers.md").read_text("utf-8")
KNOWN = {name for each in OPTIONS for name in each.variables} | {"SIRRCHAT_TESTKIT_URL"}


@pytest.mark.parametrize("text", [DOCKERFILE, COMPOSE, PAGE], ids=["Dockerfile", "compose.yaml", "containers.md"])
def test_every_variable_exists(text: str) -> None:
    found = set(re.findall(r"\bSIRRCHAT_TESTKIT_\w+", text))
    assert found
    assert found <= KNOWN


def test_the_image_exposes_the_default_ports() -> None:
    served = {each.row.name: each.row.served for each in OPTIONS}
    assert re.findall(r"^EXPOSE (\d+) (\d+)$", DOCKERFILE, re.MULTILINE) == [
        (str(served["smtp_port"]), str(served["http_port"]))
    ]


def test_the_image_runs_as_another_user_than_root() -> None:
    assert re.findall(r"^USER (\d+)$", DOCKERFILE, re.MULTILINE) == ["10001"]


def test_what_the_image_copies_exists_and_is_sent_to_the_build() -> None:
    sent = (FOLDER / "Dockerfile.dockerignore").read_text("utf-8").splitlines()
    copied = [name for line in re.findall(r"^COPY (?!--)(.*) \S+$", DOCKERFILE, re.MULTILINE) for name in line.split()]
    assert copied == ["pyproject.toml", "README.md", "LICENSE", "src"]
    for name in copied:
        assert (PROJECT / name).exists()
        assert f"!{name}" in sent


@pytest.mark.parametrize("command", ["serve", "ready"])
def test_the_commands_of_the_image_exist(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert f'"{command}"' in DOCKERFILE
    with pytest.raises(SystemExit, match="0"):
        main([command, "--help"])
    assert command in capsys.readouterr().out


def test_ports_are_published_for_this_machine_alone() -> None:
    for text in (COMPOSE, PAGE):
        ports = re.findall(r"\S*\b(?:1025|8080):(?:1025|8080)\b", re.sub(r"ports: \[.*\]", "", text))
        assert ports
        assert all(each.startswith("127.0.0.1:") for each in ports)
