"""What public signatures mention can be imported from the package; settings have the types of their records."""

from __future__ import annotations

import ast
import builtins
import dis
import importlib
import inspect
import re
import typing
from collections.abc import Iterator
from functools import cache, cached_property
from typing import Any, NamedTuple, TypeVar, get_args, get_origin, get_type_hints

import pytest

import sirrchat_testkit
from sirrchat_testkit import RuntimeChanges, Settings, SettingsChanges, WebhookEvent, webhook_schema
from sirrchat_testkit.schemas.webhooks import SHAPES
from sirrchat_testkit.settings import ROWS
from tests.pages import DOCS

PACKAGE = "sirrchat_testkit"

PAGES = "".join(page.read_text("utf-8") for page in sorted((DOCS / "api").glob("*.md")))
DEEPER = re.findall(r"^::: sirrchat_testkit\.(\w+\.[\w.]+)$", PAGES, re.MULTILINE)
"""Public names that are imported from a module of the package: the resources of clients, and their answers."""

NAMES = [*sirrchat_testkit.__all__, *DEEPER]

MADE_BY_USERS = {
    "AsyncClient",
    "AsyncControlClient",
    "AsyncTempMailClient",
    "Client",
    "ControlClient",
    "MailServer",
    "Settings",
    "TempMailClient",
    "WebhookSink",
}
"""Classes whose constructor is public; the others are made by the package."""

INTERNAL = {"Envelope.to_doc", "Fault.action", "Fault.match", "Fault.protocol", "Session.log"}
"""Members of public classes that only the package uses."""

WANTED = {"Flag", "Number", "Text", "Time"}
"""Aliases of what a condition takes; their unions end in Any, so annotating with them would say nothing."""

EXCHANGES = {"Call", "EventSource", "Pages"}
"""What a method of a client is made of; ``help`` shows only the type of the answer."""

WIDER = {
    *("allowed_hosts", "data", "domains", "hide_extensions", "oauth_tokens", "strict", "webhook_hosts"),
    *("idle_timeout", "session_timeout", "max_message_size", "max_bytes", "max_age"),
}
"""Settings that accept more types than their record keeps, such as a list for a tuple."""


class Mention(NamedTuple):
    """An annotation, with the module whose names it uses."""

    where: str
    annotation: str
    module: str


@cache
def namespace(module: str) -> dict[str, Any]:
    """Return the names that annotations in a module can use, those that only type checkers import included."""
    loaded = importlib.import_module(module)
    names = dict(vars(loaded))
    for node in ast.parse(inspect.getsource(loaded)).body:
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            exec(compile(ast.Module(node.body, []), module, "exec"), names)
    return names


def is_own(value: object) -> bool:
    return isinstance(value, type) and value.__module__.split(".")[0] == PACKAGE


def own_types(mention: Mention) -> Iterator[tuple[str, object]]:
    """Return the package's own classes and aliases in an annotation."""
    for word in re.findall(r"[A-Za-z_][\w.]*", re.sub(r"\"[^\"]*\"|'[^']*'", "", mention.annotation)):
        value = eval(word, namespace(mention.module))
        is_alias = not (isinstance(value, type | TypeVar) or hasattr(typing, word) or word in {"None", *dir(builtins)})
        if word not in EXCHANGES and (is_own(value) or (is_alias and not word.startswith("_") and word not in WANTED)):
            yield word.rpartition(".")[2], value


def public(name: str) -> Any:
    """Return the value of a public name, such as ``Client`` or ``schemas.sirrchat.User``."""
    module, _, last = f"{PACKAGE}.{name}".rpartition(".")
    return getattr(importlib.import_module(module), last)


def functions(value: object) -> list[Any]:
    if isinstance(value, property):
        return [each for each in (value.fget, value.fset) if each]
    if isinstance(value, cached_property):
        return [value.func]
    if isinstance(value, classmethod | staticmethod):
        return [value.__func__]
    return [value] if inspect.isfunction(value) else []


def of_function(where: str, function: Any) -> Iterator[Mention]:
    for name, annotation in function.__annotations__.items():
        if not name.startswith("_") and isinstance(annotation, str):
            yield Mention(where, annotation, function.__module__)


def public_functions(name: str) -> Iterator[tuple[str, Any]]:
    """Return a public function, or the methods and properties of a public class, each with its name."""
    value = public(name)
    yield from ((name, each) for each in functions(value))
    for base in filter(is_own, value.__mro__ if isinstance(value, type) else ()):
        for attribute, member in vars(base).items():
            made = attribute in {"__init__", "__new__"}
            if name in MADE_BY_USERS if made else attribute.startswith("__") or not attribute.startswith("_"):
                yield from ((f"{name}.{attribute}", each) for each in functions(member))


def mentions(name: str) -> Iterator[Mention]:
    for where, function in public_functions(name):
        yield from of_function(where, function)
    value = public(name)
    for base in filter(is_own, value.__mro__ if isinstance(value, type) else ()):
        for attribute, annotation in vars(base).get("__annotations__", {}).items():
            if not attribute.startswith("_") and base.__module__ != PACKAGE:
                text = getattr(annotation, "__forward_arg__", annotation)
                yield Mention(f"{name}.{attribute}", text, base.__module__)
        for generic in vars(base).get("__orig_bases__", ()):
            if not is_own(get_origin(generic)):
                for each in filter(is_own, get_args(generic)):
                    yield Mention(name, each.__name__, each.__module__)


def fixtures() -> Iterator[Mention]:
    module = importlib.import_module(f"{PACKAGE}.pytest_plugin")
    for name, value in vars(module).items():
        if hasattr(value, "__wrapped__"):  # by pytest.fixture
            yield from of_function(name, inspect.unwrap(value))


def private(found: Iterator[Mention]) -> set[str]:
    return {
        f"{mention.where}: {name}"
        for mention in found
        for name, value in own_types(mention)
        if mention.where not in INTERNAL
        and not any(public(each) is value for each in NAMES if each.rpartition(".")[2] == name)
    }


@pytest.mark.parametrize("name", NAMES)
def test_the_types_in_public_signatures_can_be_imported(name: str) -> None:
    assert private(mentions(name)) == set()


def test_the_types_of_fixtures_can_be_imported() -> None:
    assert len(list(fixtures())) >= 8
    assert private(fixtures()) == set()


@pytest.mark.parametrize("name", NAMES)
def test_the_errors_that_public_docstrings_name_can_be_imported(name: str) -> None:
    for where, function in public_functions(name):
        text = inspect.getdoc(function) or ""
        section = re.findall(r"^    (\w+): ", text.partition("Raises:")[2], re.MULTILINE)
        sentence = re.findall(r"``([A-Z]\w+)``", " ".join(re.findall(r"\bRaises ``[^.]*", text)))
        assert {*section, *sentence} <= {*sirrchat_testkit.__all__, *dir(builtins)}, where


@pytest.mark.parametrize("name", NAMES)
def test_public_attributes_are_annotated(name: str) -> None:
    kind = public(name)
    bases = [*filter(is_own, kind.__mro__ if isinstance(kind, type) else ())]
    annotated = {attribute for base in bases for attribute in vars(base).get("__annotations__", ())}
    computed = {attribute for base in bases for attribute, value in vars(base).items() if functions(value)}
    for base in bases:
        init = vars(base).get("__init__")
        code = [*dis.get_instructions(init)] if inspect.isfunction(init) and base.__module__ != PACKAGE else []
        stored = {each.argval for each in code if each.opname == "STORE_ATTR" and not each.argval.startswith("_")}
        assert stored <= annotated | computed


def test_every_setting_can_be_changed_by_name_and_type() -> None:
    changeable = {row.name for row in ROWS if row.changeable}
    for changes, names in ((RuntimeChanges, changeable), (SettingsChanges, {row.name for row in ROWS})):
        kept = {name: each for name, each in get_type_hints(Settings).items() if name in names}
        taken = get_type_hints(changes)
        assert taken.keys() == names
        assert {name for name in taken if taken[name] != kept[name]} == WIDER & taken.keys()


def test_every_webhook_event_has_a_schema() -> None:
    assert get_args(WebhookEvent) == (*SHAPES,)
    assert get_type_hints(webhook_schema)["event"] == WebhookEvent
