"""``api-key`` against a running server and against a folder; the SDK's first lines."""

import json
import re
from datetime import timedelta
from pathlib import Path

import pytest

from sirrchat_testkit import ApiError, Client, Conflict, InvalidValue, MailServer, NotFound, TestkitError
from sirrchat_testkit.cli import main
from sirrchat_testkit.client import errors

LINES = re.compile(r"API Key: (mk_live_[A-Za-z0-9]{32})\nSecret: (sk_live_[A-Za-z0-9]{32})\n")


@pytest.fixture
def user(mailserver: MailServer) -> str:
    return mailserver.add_account("ann@example.com").address


@pytest.fixture
def running(mailserver: MailServer, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    monkeypatch.delenv("SIRRCHAT_TESTKIT_URL", raising=False)
    monkeypatch.delenv("SIRRCHAT_TESTKIT_API_KEY", raising=False)
    return ["--url", mailserver.api_url, "--api-key", mailserver.api_key]


def test_create_prints_the_document_s_two_lines_and_the_id_to_stderr(
    mailserver: MailServer, user: str, running: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["api-key", "create", "--user", user, *running]) == 0
    said = capsys.readouterr()
    found = LINES.fullmatch(said.out)
    assert found
    with Client(api_key=found[1], base_url=mailserver.api_url) as client:
        assert said.err.removeprefix("Id: ").strip() in [each.id for each in client.api_keys.list()]
        assert user in [each.email for each in client.users.list()]
    with pytest.raises(errors.Unauthorized), Client(api_key=found[2], base_url=mailserver.api_url) as client:
        client.users.get("user123")


def test_a_user_key_sees_its_own_user_alone(
    mailserver: MailServer, user: str, running: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main(["api-key", "create", "--user", user, "--role", "user", "--json", *running])
    key = json.loads(capsys.readouterr().out)
    assert (key["user"], key["role"]) == (user, "user")
    account = mailserver.add_account("bob@example.com")
    with Client(api_key=key["key"], base_url=mailserver.api_url) as client, pytest.raises(errors.Forbidden) as caught:
        client.users.get(account.id)
    assert (caught.value.status, caught.value.code) == (403, "forbidden")


def test_keys_are_listed_without_their_texts_and_revoked(
    mailserver: MailServer, user: str, running: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    main(["api-key", "create", "--user", user, "--json", *running])
    made = json.loads(capsys.readouterr().out)
    assert main(["api-key", "list", "--json", *running]) == 0
    listed = capsys.readouterr().out
    assert made["id"] in [each["id"] for each in json.loads(listed)]
    assert made["key"] not in listed
    assert main(["api-key", "list", *running]) == 0
    assert f"{made['id']} admin " in capsys.readouterr().out
    assert main(["api-key", "revoke", made["id"], *running]) == 0
    assert main(["api-key", "revoke", made["id"], *running]) == 1
    assert capsys.readouterr().err == "sirrchat-testkit: no such API key\n"
    with Client(api_key=made["key"], base_url=mailserver.api_url) as client, pytest.raises(errors.Unauthorized):
        client.users.get("user123")


@pytest.mark.parametrize("where", ["running", "folder"])
def test_an_unknown_user_is_status_1(
    running: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], where: str
) -> None:
    at = running if where == "running" else ["--data", str(tmp_path)]
    assert main(["api-key", "create", "--user", "nobody@example.com", *at]) == 1
    assert capsys.readouterr().err.startswith("sirrchat-testkit: no ")


def test_a_key_made_in_a_folder_is_valid_when_it_is_served(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with MailServer(data=str(tmp_path)) as server:
        account = server.add_account("ann@example.com")
        assert main(["api-key", "list", "--data", str(tmp_path)]) == 2
        assert str(tmp_path) in capsys.readouterr().err
    assert main(["api-key", "create", "--user", "ann@example.com", "--data", str(tmp_path)]) == 0
    found = LINES.fullmatch(capsys.readouterr().out)
    assert found
    assert main(["api-key", "list", "--json", "--data", str(tmp_path)]) == 0
    listed = [each for each in json.loads(capsys.readouterr().out) if each["role"] == "admin"]
    with MailServer(data=str(tmp_path)) as server, Client(api_key=found[1], base_url=server.api_url) as client:
        assert client.users.get(account.id).email == "ann@example.com"
    assert main(["api-key", "revoke", listed[-1]["id"], "--data", str(tmp_path)]) == 0
    with (
        MailServer(data=str(tmp_path)) as server,
        Client(api_key=found[1], base_url=server.api_url) as client,
        pytest.raises(errors.Unauthorized),
    ):
        client.users.get(account.id)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ([], "an API key is missing"),
        (["--data", "/nowhere/at/all"], "there is no folder /nowhere/at/all"),
        (["--data", ".", "--url", "http://127.0.0.1:1"], "give only one of them"),
        (["--url", "127.0.0.1:8080", "--api-key", "x"], "such as http://127.0.0.1:8080; '127.0.0.1:8080' does not"),
    ],
)
def test_what_is_unclear_is_status_2(
    running: list[str], arguments: list[str], text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["api-key", "list", *arguments]) == 2
    assert text in capsys.readouterr().err


def test_the_sdk_s_pages_are_walked_to_their_end(mailserver: MailServer) -> None:
    wanted = [mailserver.add_account(f"user{number}@example.org").id for number in range(45)]
    with Client(api_key=mailserver.api_key, base_url=mailserver.api_url) as client:
        assert [each.id for each in client.users.list(domain="example.org")] == wanted
        with pytest.raises(errors.NotFound, match="404 not_found"):
            client.users.get("user123")


def test_a_key_of_the_client_expires_on_the_server_s_clock(
    mailserver: MailServer, user: str, running: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with Client(api_key=mailserver.api_key, base_url=mailserver.api_url) as client:
        made = client.api_keys.create(user, expires_in=timedelta(hours=1))
        assert made.expires_at is not None
        with pytest.raises(errors.InvalidRequest, match="expires_in_ms must be 1 or more"):
            client.api_keys.create(user, expires_in=timedelta())
    main(["api-key", "list", *running])
    assert f"{user} expires {made.expires_at:%Y-%m-%dT%H:%M:%SZ}\n" in capsys.readouterr().out
    mailserver.clock.advance(hours=1)
    with Client(api_key=made.key, base_url=mailserver.api_url) as client, pytest.raises(errors.Unauthorized):
        client.users.get("user123")


def test_errors_of_the_client_are_those_of_the_package_too(mailserver: MailServer) -> None:
    with Client(api_key=mailserver.api_key, base_url=mailserver.api_url) as client:
        with pytest.raises(NotFound) as missing:
            client.users.get("user123")
        with pytest.raises(InvalidValue) as wrong:
            client.api_keys.create("ann@example.com", role="root")  # type: ignore[arg-type]
    assert isinstance(missing.value, errors.NotFound)
    assert isinstance(wrong.value, errors.InvalidRequest)
    assert (wrong.value.field, wrong.value.value, wrong.value.status) == ("role", "root", 400)
    assert issubclass(errors.Conflict, Conflict)
    assert issubclass(ApiError, TestkitError)
