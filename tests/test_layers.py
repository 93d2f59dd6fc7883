"""Imports point one way: the order of the parts is the design, and the code is held against it."""

import ast
import importlib
import pickle
from pathlib import Path

import pytest

import sirrchat_testkit

ROOT = Path(sirrchat_testkit.__file__).parent
PACKAGE = "sirrchat_testkit"

ADAPTERS = {"smtp", "http", "webhooks", "storage"}
LEVELS: list[set[str]] = [
    {"awaiting", "errors", "formatting", "suggestions", "records", "comparing", "extras"},
    {"threads", "net", "signing", "durations", "sizes"},
    {"mail"},
    {"hints"},
    {"matching", "settings", "schemas"},
    {"search"},
    {"faults.engine"},
    {"domain"},
    {"faults"},
    ADAPTERS,
    {"handles"},
    {"sink", "control"},
    {"web"},
    {"client"},
    {"assembly"},
    {"server"},
    {"attached"},
    {"frameworks"},
    {"fixture_types", "reports"},
    {"__init__"},
    {"pytest_plugin", "cli"},
    {"__main__"},
]
"""The parts from the bottom up. A part may import those of lower levels, and itself."""

NARROWER = {"handles": ADAPTERS, "sink": ADAPTERS}
"""What a part does not import although it is lower."""

ONLY = {
    "cli": {
        *("domain", "storage", "handles", "net", "mail", PACKAGE),
        *("errors", "extras", "formatting", "suggestions", "settings", "durations", "sizes"),
    },
    "client": {"schemas", "errors", "mail", "settings", "durations"},
}
"""What a part imports and nothing else: a command uses a server over HTTP and SMTP, or reads a data folder."""

HEAVY = {"aiohttp", "aiosmtpd", "httpx", "jinja2", "nh3", "pydantic", "tinydb"}
THEIRS: dict[str, set[str]] = {
    "schemas": {"pydantic"},
    "storage": {"tinydb"},
    "smtp": {"aiosmtpd"},
    "http": {"aiohttp", "pydantic"},
    "control": {"aiohttp", "pydantic"},
    "web": {"aiohttp", "jinja2", "nh3"},
    "webhooks": {"aiohttp"},
    "client": {"httpx", "pydantic"},
}
"""Which of the heavy libraries each part may import."""

ALONE = {"sink/listener.py": {"aiohttp"}}
"""Single files that import more than their part may."""

FILES = sorted(ROOT.rglob("*.py"))


def imported(file: Path) -> set[str]:
    """Return the modules that ``file`` imports, those for type checkers too."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: imports are absolute"
            module = node.module or ""
            names = {f"{module}.{alias.name}" for alias in node.names}
            modules = {name for name in names if (ROOT.parent / name.replace(".", "/")).with_suffix(".py").exists()}
            found |= modules or {module}
    return found


def part_of(module: str) -> str:
    """Return the part of a module of the package, given with its dots."""
    names = module.removeprefix(f"{PACKAGE}.").split(".")
    if names[:2] == ["faults", "engine"]:
        return "faults.engine"
    return names[0]


def module_of(file: Path) -> str:
    return ".".join(file.relative_to(ROOT.parent).with_suffix("").parts)


def level(part: str) -> int:
    part = "__init__" if part == PACKAGE else part
    return next(number for number, parts in enumerate(LEVELS) if part in parts)


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_part_imports_only_what_lies_below_it(file: Path) -> None:
    mine = part_of(module_of(file))
    ours = {part_of(module) for module in imported(file) if module.split(".")[0] == PACKAGE} - {mine}
    assert {part for part in ours if level(part) >= level(mine)} == set()
    assert ours & NARROWER.get(mine, set()) == set()
    assert ours <= ONLY.get(mine, ours)
    theirs = {module.split(".")[0] for module in imported(file)} & HEAVY
    assert theirs <= THEIRS.get(mine, set()) | ALONE.get(str(file.relative_to(ROOT)), set())


def test_the_fault_engine_knows_no_protocol_and_nothing_of_the_domain() -> None:
    ours = {module for module in imported(ROOT / "faults/engine.py") if module.startswith(PACKAGE)}
    assert ours == {f"{PACKAGE}.matching", f"{PACKAGE}.formatting"}


def test_the_domain_imports_the_fault_engine_and_nothing_else_of_faults() -> None:
    files = [file for file in FILES if part_of(module_of(file)) == "domain"]
    found = {module for file in files for module in imported(file) if "faults" in module}
    assert found == {f"{PACKAGE}.faults.engine"}


@pytest.mark.parametrize(
    ("library", "home"),
    [
        (
            "email",
            {
                "mime.py",
                "message.py",
                "compose.py",
                "control.py",
                "inbox.py",
                "messages.py",
                "reports.py",
                "sendmail.py",
                "samples.py",
            },
        ),
        ("tinydb", None),
    ],
)
def test_a_library_has_one_home(library: str, home: set[str] | None) -> None:
    users = {file for file in FILES if library in {module.split(".")[0] for module in imported(file)}}
    assert users
    for file in users:
        assert file.name in home if home else part_of(module_of(file)) == "storage"


@pytest.mark.parametrize("name", sirrchat_testkit.__all__)
def test_a_public_failure_shows_where_it_is_imported_from(name: str) -> None:
    importlib.import_module("sirrchat_testkit.server")  # what raises it
    found = getattr(sirrchat_testkit, name)
    if isinstance(found, type) and issubclass(found, BaseException):
        assert f"{found.__module__}.{found.__qualname__}" == f"sirrchat_testkit.{name}"
        assert pickle.loads(pickle.dumps(found)) is found
