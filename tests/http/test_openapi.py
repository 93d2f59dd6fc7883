"""The OpenAPI document: valid, the same as the routes, and kept in the documentation.

``python -m tests.http.test_openapi`` writes the file in the documentation.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from openapi_spec_validator import OpenAPIV31SpecValidator

from sirrchat_testkit import MailServer
from sirrchat_testkit.control.api import control_api
from sirrchat_testkit.handles.control import ServerControl
from sirrchat_testkit.http.app import apis, application
from sirrchat_testkit.http.operations import Api
from sirrchat_testkit.threads import LoopThread

if TYPE_CHECKING:
    from tests.http.conftest import Service

FILE = Path(__file__).parents[2] / "docs" / "openapi.json"

STRICTER = {
    "POST /api/v1/users": "the domain must be served",
    "POST /api/emails/generate": "the domain must be served",
    "POST /api/v1/domains": "a name is a host name, perhaps an international one",
    "GET /api/emails": "a cursor is opaque, and only one from an earlier answer is valid",
    "GET /api/emails/{email}": "the same",
    "GET /testkit/v1/messages": "q has a grammar, since is a time, and a cursor is opaque",
    "GET /testkit/v1/deliveries": "a cursor is opaque",
    "GET /testkit/v1/envelopes": "the same",
    "PATCH /testkit/v1/settings": "the names are those of settings that can change",
    "POST /testkit/v1/addresses": "a name is a local part, and the domain must be served",
    "POST /testkit/v1/accounts": "the domain must be served",
    "POST /testkit/v1/faults": "the verbs of the protocols have their own parameters, stages and conditions",
    "POST /testkit/v1/clock": "an action needs seconds or a time",
    "DELETE /testkit/v1/messages": "as GET, and a condition is required",
}
"""Operations that answer 400 although the schema is met, each with what a schema cannot say."""

CONFIG = """\
generation.database = "none"
{}
"""
WAIT = """
[[operations]]
include-path = "/testkit/v1/wait"
parameters.timeout = 0.01
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 404]

[[operations]]
include-path = "/testkit/v1/changes"
parameters.timeout = 0.01
"""
LEFT_OUT = """
[[operations]]
include-name = "POST /testkit/v1/messages"
enabled = false

[[operations]]
include-name = "GET /testkit/v1/events"
enabled = false
"""  # it cannot make a message/rfc822, and reads an endless stream until it times out
OPERATION = """
[[operations]]
include-name = "{}"
checks.positive_data_acceptance.expected-statuses = ["2xx", 400, 403, 404, 409]
"""


def fetched(server: MailServer) -> dict[str, Any]:
    """Return the document as ``server`` serves it."""
    with httpx.Client(trust_env=False) as client:
        document: dict[str, Any] = client.get(f"{server.api_url}/openapi.json").raise_for_status().json()
    return document


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    with MailServer() as server:
        return fetched(server)


def operations(document: dict[str, Any]) -> dict[tuple[str, str], Any]:
    """Return the operations of ``document`` by method and path."""
    return {
        (method.upper(), path): operation
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }


def test_it_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert [error.message for error in OpenAPIV31SpecValidator(document).iter_errors()] == []


def test_the_file_in_the_documentation_is_current(document: dict[str, Any]) -> None:
    assert json.loads(FILE.read_text("utf-8")) == document, "python -m tests.http.test_openapi writes it"


def control_of(service: Service) -> Api:
    """Return the control API of ``service``."""
    return control_api(ServerControl(LoopThread("unused"), service.services, [("127.0.0.1", 25)]))


@pytest.mark.asyncio
async def test_routes_and_document_agree_both_ways(service: Service, document: dict[str, Any]) -> None:
    routes = application(service.services, [control_of(service)]).router.routes()
    served = {(each.method, each.resource.canonical) for each in routes if each.resource is not None}
    assert {each for each in served if each[0] != "HEAD"} == set(operations(document))


@pytest.mark.asyncio
async def test_every_operation_has_a_name_of_its_own(service: Service) -> None:
    names = [each.name for api in apis(service.services, [control_of(service)]) for each in api.operations]
    assert len(names) == len(set(names))


def test_every_operation_says_what_it_does_and_needs(document: dict[str, Any]) -> None:
    for (method, path), operation in operations(document).items():
        assert re.fullmatch(r"[A-Z][^.]*\.", operation["summary"]), (method, path)
        assert ("401" in operation["responses"]) == bool(operation["security"]), (method, path)
    create = document["paths"]["/api/v1/users"]["post"]
    assert create["operationId"] == "createUser"
    assert create["description"] == "Needs an admin's API key."


def test_bounds_of_numbers_are_published_as_json_schema_has_them(document: dict[str, Any]) -> None:
    quota = document["components"]["schemas"]["NewUser"]["properties"]["quota"]
    assert (quota["minimum"], quota["maximum"]) == (0, 2**53 - 1)
    assert not re.search(r'"(ge|le|gt|lt)":', json.dumps(document))


def test_every_reference_is_to_a_component(document: dict[str, Any]) -> None:
    refs = set(re.findall(r'"\$ref": "([^"]*)"', json.dumps(document)))
    assert refs <= {f"#/components/schemas/{name}" for name in document["components"]["schemas"]}


def test_defaults_are_in_descriptions_so_that_generated_types_have_optional_fields(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["NewUser"]["properties"]["quota"]["description"] == "Default: `5368709120`."
    assert not [name for name, each in schemas.items() if '"default"' in json.dumps(each)]


def test_fields_have_no_titles_but_the_descriptions_of_the_docstring(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    assert schemas["User"]["properties"]["quota"] == {"type": "integer", "description": "The quota in bytes."}
    assert not [name for name, each in schemas.items() if "title" in each or "``" in each.get("description", "")]


def test_a_timeout_has_near_misses_in_its_details(document: dict[str, Any]) -> None:
    details = document["components"]["schemas"]["ControlDetails"]["properties"]
    assert details["near_misses"]["items"] == {"$ref": "#/components/schemas/ControlNearMiss"}


@pytest.mark.timeout(240)
def test_schemathesis_finds_nothing(tmp_path: Path) -> None:
    config = tmp_path / "schemathesis.toml"
    config.write_text(CONFIG.format("".join([*map(OPERATION.format, STRICTER), WAIT, LEFT_OUT])), "utf-8")
    with MailServer() as server:
        keys = ["-H", f"Authorization: Bearer {server.api_key}", "-H", f"X-API-Key: {server.api_key}"]
        command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"]
        options = ["--phases", "examples,coverage,fuzzing", "--max-examples", "5", "--seed", "1"]
        done = subprocess.run(
            [*command, f"{server.api_url}/openapi.json", *options, *keys],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout + done.stderr


if __name__ == "__main__":
    with MailServer() as written:
        FILE.write_text(json.dumps(fetched(written), indent=1) + "\n", "utf-8")
