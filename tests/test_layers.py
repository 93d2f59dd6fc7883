"""Imports point one way: the table is the design, and the code is held against it."""

import ast
import importlib
import pickle
from pathlib import Path

import pytest

import sirrchat_testkit

ROOT = Path(sirrchat_testkit.__file__).parent
PACKAGE = "sirrchat_testkit"

OURS = {
    "core": {"core", "faults"},
    "faults": {"faults", "core", "loopthread"},
    "wire": {"wire"},
    "store": {"store", "core"},
    "smtp": {"smtp", "core", "faults", "sockets"},
    "rest": {"rest", "core", "wire", "sockets", "imports"},
    "webhooks": {"webhooks", "core", "faults", "wire", "imports"},
    "imports": set(),
    "signals": set(),
    "certificates": set(),
    "sockets": set(),
    "loopthread": {"signals", "core"},
    "fixture_types": {"testing"},
    "testing": {"testing", "core", "faults", "wire", "loopthread", "signals", "sockets"},
    "assembly": {"certificates", "testing", "smtp", "rest", "webhooks", "store", "core", "loopthread"},
    "server": {"server", "assembly", "testing", "webhooks", "core", "faults", "loopthread"},
    "client": {"client", "wire"},
    "cli": {"cli", "sirrchat_testkit", "client", "core", "store", "wire"},
    "pytest_plugin": {"sirrchat_testkit"},
    "__main__": {"cli"},
    "__init__": {"fixture_types", "client", "core", "faults", "server", "testing", "webhooks", "wire"},
}
"""What each part may import of the package; ``sirrchat_testkit`` is its public face."""

HEAVY = {"aiohttp", "aiosmtpd", "httpx", "pydantic", "tinydb"}
THEIRS = {
    "core": set(),
    "faults": set(),
    "testing": set(),
    "loopthread": set(),
    "signals": set(),
    "wire": {"pydantic"},
    "store": {"tinydb"},
    "smtp": {"aiosmtpd"},
    "rest": {"aiohttp", "pydantic"},
    "webhooks": {"aiohttp"},
    "assembly": set(),
    "server": set(),
    "client": {"httpx", "pydantic"},
    "cli": set(),
    "pytest_plugin": set(),
}
"""Which of the heavy libraries each part may import."""

ALONE = {"testing/sinklistener.py": {"aiohttp"}}
"""Single files that import more than their part may."""

FILES = sorted(ROOT.rglob("*.py"))


def imported(file: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            found.add(node.module or "")
    return found


def part(file: Path) -> str:
    return file.relative_to(ROOT).parts[0].removesuffix(".py")


def part_of(module: str) -> str:
    return module.split(".")[1] if "." in module else PACKAGE


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_part_imports_only_what_lies_below_it(file: Path) -> None:
    ours = {part_of(module) for module in imported(file) if module.split(".")[0] == PACKAGE}
    theirs = {module.split(".")[0] for module in imported(file)} & HEAVY
    assert ours <= OURS[part(file)]
    assert theirs <= THEIRS.get(part(file), set()) | ALONE.get(str(file.relative_to(ROOT)), set())


def test_the_fault_engine_knows_no_protocol_and_nothing_of_the_domain() -> None:
    ours = {module for module in imported(ROOT / "faults/engine.py") if module.startswith(PACKAGE)}
    assert ours == {f"{PACKAGE}.core.matching", f"{PACKAGE}.core.wording"}


def test_the_domain_imports_the_fault_engine_and_nothing_else_of_faults() -> None:
    found = {module for file in FILES if part(file) == "core" for module in imported(file) if "faults" in module}
    assert found == {f"{PACKAGE}.faults.engine"}


@pytest.mark.parametrize(
    ("library", "home"), [("email", {"mime.py", "message.py", "compose.py", "desk.py", "inbox.py"}), ("tinydb", None)]
)
def test_a_library_has_one_home(library: str, home: set[str] | None) -> None:
    users = {file for file in FILES if library in {module.split(".")[0] for module in imported(file)}}
    assert users
    for file in users:
        assert file.name in home if home else part(file) == "store"


@pytest.mark.parametrize("name", sirrchat_testkit.__all__)
def test_a_public_failure_shows_where_it_is_imported_from(name: str) -> None:
    importlib.import_module("sirrchat_testkit.server")  # what raises it
    found = getattr(sirrchat_testkit, name)
    if isinstance(found, type) and issubclass(found, BaseException):
        assert f"{found.__module__}.{found.__qualname__}" == f"sirrchat_testkit.{name}"
        assert pickle.loads(pickle.dumps(found)) is found
