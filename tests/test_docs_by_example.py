"""Failures are shown as they are printed, and the migration from other tools passes before and after."""

import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.pages import DOCS, PROJECT, Block, blocks, failures, normalized, run, write

TOOLS = {"smtpdfix": "smtpdfix", "pytest-localserver": "pytest_localserver", "django": "django"}
FRAMEWORKS = {"django": "django", "fastapi-mail": "fastapi_mail"}
SERVED = {"Mailpit", "pytest-mailpit"}  # they need a server that runs elsewhere


def python(page: str) -> list[Block]:
    return [block for block in blocks(DOCS / page) if block.language == "python"]


def tool(block: Block) -> str:
    """Return the tool that a block of the migration needs, from its first line: ``# before, with django``."""
    named = re.match(r"# (?:before, )?with ([\w-]+)\n", block.code)
    return named[1] if named else ""


def is_installed(name: str) -> bool:
    return find_spec({**TOOLS, **FRAMEWORKS}.get(name, "absent")) is not None


@pytest.fixture(scope="module")
def printed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The failures of the examples, by file."""
    folder = tmp_path_factory.mktemp("examples")
    first, *_ = blocks(PROJECT / "README.md")
    readme = first._replace(code=first.code.replace('(subject="Welcome Ann")', '(subject="Welcome, Ann")'))
    tutorial = [
        block._replace(code=block.code.replace('(subject="Please confirm")', '(subject="Please confirm your address")'))
        for block in python("tutorial.md")
    ]
    write(folder, [readme, *tutorial, *(block for block in python("failures.md") if not tool(block))])
    found = failures(folder, "-W", "error::sirrchat_testkit.LateMailWarning")
    if is_installed("django"):  # in a process of its own, because failures tell what frameworks do that are in use
        folder = tmp_path_factory.mktemp("django")
        write(folder, [block for block in python("failures.md") if tool(block) == "django"])
        write_django_settings(folder)
        found |= failures(folder, DJANGO_SETTINGS_MODULE="shop_settings")
    return found


def write_django_settings(folder: Path) -> None:
    """Write ``shop_settings.py``, in which mail goes to the outbox, as in the tests of a Django project."""
    backend = "django.core.mail.backends.locmem.EmailBackend"
    (folder / "shop_settings.py").write_text(f"EMAIL_BACKEND = {backend!r}\n", "utf-8")


@pytest.mark.parametrize(
    ("page", "file"),
    [(PROJECT / "README.md", "test_README_1.py"), (DOCS / "tutorial.md", "test_shop.py")],
    ids=["README", "tutorial"],
)
def test_the_only_failure_of_a_page_is_shown_as_it_is_printed(page: Path, file: str, printed: dict[str, str]) -> None:
    [shown] = [block.code for block in blocks(page) if block.language == "text"]
    assert normalized(printed[file]) == normalized(shown)


EXAMPLES = [block for block in blocks(DOCS / "failures.md") if block.file != "application.py"]


@pytest.mark.parametrize("number", range(0, len(EXAMPLES), 2), ids=lambda number: EXAMPLES[number].name)
def test_a_failure_is_shown_as_it_is_printed(number: int, printed: dict[str, str]) -> None:
    example, shown = EXAMPLES[number : number + 2]
    assert (example.language, shown.language) == ("python", "text")
    if tool(example) and not is_installed(tool(example)):
        pytest.skip(f"{tool(example)} is not installed")
    assert normalized(printed[example.file]) == normalized(shown.code)


def test_the_migration_passes_before_and_after(tmp_path: Path) -> None:
    given = python("migration.md")
    assert {tool(block) for block in given} == {"", *TOOLS, *SERVED}
    given += [block for page in ("django.md", "fastapi.md") for block in python(page) if tool(block)]
    write(tmp_path, [block for block in given if not tool(block) or is_installed(tool(block))])
    write_django_settings(tmp_path)
    if find_spec("django"):
        (tmp_path / "conftest.py").write_text("import django\n\ndjango.setup()\n", "utf-8")
    done = run(tmp_path, "-m", "pytest", DJANGO_SETTINGS_MODULE="shop_settings")
    assert done.returncode == 0, done.stdout
