"""The environment variables of ``env``: presets, placeholders, and the host that applications connect to."""

import http.client
import smtplib
import ssl
import urllib.parse
from typing import Any

import pytest

from sirrchat_testkit import MailServer
from sirrchat_testkit.handles.environment import PRESETS, Connection

PLAIN = Connection("127.0.0.1", 2525, "", "ann@example.com", "p:w/d")
STARTTLS = PLAIN._replace(tls="starttls", ca_file="/ca.pem")
IMPLICIT = PLAIN._replace(tls="implicit", ca_file="/ca.pem", port=4650)
NO_LOGIN = Connection("::1", 2525)


@pytest.mark.parametrize(
    ("preset", "connection", "expected"),
    [
        ("django", PLAIN, {"EMAIL_PORT": "2525", "EMAIL_HOST_USER": "ann@example.com", "EMAIL_USE_TLS": ""}),
        ("django", PLAIN, {"EMAIL_URL": "smtp://ann%40example.com:p%3Aw%2Fd@127.0.0.1:2525", "EMAIL_USE_SSL": ""}),
        ("django", STARTTLS, {"EMAIL_USE_TLS": "True", "SSL_CERT_FILE": "/ca.pem"}),
        ("django", STARTTLS, {"EMAIL_URL": "smtp+tls://ann%40example.com:p%3Aw%2Fd@127.0.0.1:2525"}),
        ("django", IMPLICIT, {"EMAIL_USE_TLS": "", "EMAIL_USE_SSL": "True", "EMAIL_PORT": "4650"}),
        ("django", NO_LOGIN, {"EMAIL_HOST_USER": "", "EMAIL_HOST_PASSWORD": "", "EMAIL_URL": "smtp://[::1]:2525"}),
        ("flask", STARTTLS, {"MAIL_SERVER": "127.0.0.1", "MAIL_USE_TLS": "True", "MAIL_USE_SSL": ""}),
        ("fastapi-mail", PLAIN, {"USE_CREDENTIALS": "true", "MAIL_STARTTLS": "false", "MAIL_SSL_TLS": "false"}),
        ("fastapi-mail", NO_LOGIN, {"USE_CREDENTIALS": "false"}),
        ("laravel", IMPLICIT, {"MAIL_MAILER": "smtp", "MAIL_SCHEME": "smtps", "MAIL_ENCRYPTION": "tls"}),
        ("laravel", PLAIN, {"MAIL_SCHEME": "smtp", "MAIL_ENCRYPTION": "", "MAIL_URL": "null"}),
        ("nodemailer", IMPLICIT, {"SMTP_SECURE": "true", "NODE_EXTRA_CA_CERTS": "/ca.pem"}),
        ("nodemailer", PLAIN, {"SMTP_URL": "smtp://ann%40example.com:p%3Aw%2Fd@127.0.0.1:2525", "SMTP_USER": PLAIN[3]}),
        ("rails", PLAIN, {"SMTP_ADDRESS": "127.0.0.1", "SMTP_USERNAME": "ann@example.com"}),
        ("spring", PLAIN, {"SPRING_MAIL_HOST": "127.0.0.1", "SPRING_MAIL_PROPERTIES_MAIL_SMTP_AUTH": "true"}),
        ("spring", STARTTLS, {"SPRING_MAIL_PROPERTIES_MAIL_SMTP_STARTTLS_ENABLE": "true"}),
        ("symfony", IMPLICIT, {"MAILER_DSN": "smtps://ann%40example.com:p%3Aw%2Fd@127.0.0.1:4650"}),
    ],
)
def test_a_preset_has_the_variables_of_its_framework(
    preset: str, connection: Connection, expected: dict[str, str]
) -> None:
    assert PRESETS[preset](connection).items() >= expected.items()


@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_has_the_same_variables_with_and_without_a_login(preset: str) -> None:
    assert PRESETS[preset](PLAIN).keys() == PRESETS[preset](NO_LOGIN).keys()


def test_the_login_of_a_preset_works_over_the_tls_that_the_server_offers() -> None:
    with MailServer(starttls=True, auth="required") as server:
        found = server.env("django")
        with smtplib.SMTP(found["EMAIL_HOST"], int(found["EMAIL_PORT"]), timeout=10) as smtp:
            assert found["EMAIL_USE_TLS"]
            smtp.starttls(context=ssl.create_default_context(cafile=found["SSL_CERT_FILE"]))
            smtp.login(found["EMAIL_HOST_USER"], found["EMAIL_HOST_PASSWORD"])


def test_tls_on_a_port_of_its_own_is_used_where_it_is_the_only_tls() -> None:
    with MailServer(smtps_port=0) as server:
        assert server.env("flask").items() >= {"MAIL_PORT": str(server.smtps_port), "MAIL_USE_SSL": "True"}.items()
    with MailServer(smtps_port=0, starttls=True, hide_extensions=["STARTTLS"]) as server:
        assert server.env("flask")["MAIL_USE_TLS"] == ""


def test_a_preset_can_be_added_to() -> None:
    with MailServer() as server:
        found = server.env("rails", APP_MAIL_API="{api_url}", SMTP_PORT="1")
        assert (found["APP_MAIL_API"], found["SMTP_PORT"]) == (server.api_url, "1")
        assert found["SMTP_ADDRESS"] == server.smtp_host


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("djanga", "env() has no preset 'djanga'; did you mean 'django'?"),
        ("Django", "env() has no preset 'Django'; did you mean 'django'?"),
        (
            "cobol",
            (
                "env() has no preset 'cobol'; there are django, fastapi-mail, flask, laravel, nodemailer, rails, "
                "spring, symfony"
            ),
        ),
        (
            5,
            "env() has no preset 5; there are django, fastapi-mail, flask, laravel, nodemailer, rails, spring, symfony",
        ),
    ],
)
def test_an_unknown_preset_is_answered_with_the_known_ones(name: Any, text: str) -> None:
    with MailServer() as server, pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        server.env(name)
    assert str(caught.value) == text


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{smtp_hots}", "there is no {smtp_hots}; did you mean {smtp_host}?"),
        (
            "{user}",
            (
                "there is no {user}; there are {smtp_host}, {smtp_port}, {smtp_url}, {api_url}, {api_key}, "
                "{smtp_username}, {smtp_password}"
            ),
        ),
        ("{}", "there is no {}; there are {smtp_host}, "),
        ("{smtps_port}", "there is no {smtps_port}, because the server has no port for SMTP over TLS: set smtps_port="),
        ("{smtp_ca_file}", "there is no {smtp_ca_file}, because the server has no TLS: set starttls=True or smtps_po"),
        ('{"port": {smtp_port}}', "there is no {"),
        ("{smtp_port", "expected '}' before end of string; write a literal brace twice, as {{"),
    ],
)
def test_an_unknown_placeholder_is_answered_with_the_known_ones(template: str, text: str) -> None:
    with MailServer() as server, pytest.raises(ValueError) as caught:  # noqa: PT011 - the whole text is compared
        server.env(MAIL_URL=template)
    assert str(caught.value).startswith(f"env(MAIL_URL={template!r}): {text}")


def test_a_placeholder_of_a_login_needs_auth() -> None:
    with MailServer(hide_extensions=["AUTH"]) as server:
        assert "SMTP_USERNAME" not in server.env()
        assert server.env("django")["EMAIL_HOST_USER"] == ""
        with pytest.raises(
            ValueError, match=r"no \{smtp_password\}, because the server does not offer AUTH; see hide_ext"
        ):
            server.env(P="{smtp_password}")


def test_a_login_that_needs_tls_is_left_out_without_tls() -> None:
    with MailServer(auth="tls") as server:
        assert "SMTP_USERNAME" not in server.env()
    with MailServer(auth="tls", starttls=True) as server:
        assert "@" in server.env()["SMTP_USERNAME"]


def test_a_template_is_a_text() -> None:
    with MailServer() as server, pytest.raises(TypeError, match=r"env\(PORT=...\) takes a text with placeholders"):
        server.env(PORT=25)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "host"),
    [
        ({"host": "0.0.0.0"}, "127.0.0.1"),
        ({"host": "::"}, "[::1]"),
        ({"host": "localhost"}, "127.0.0.1"),
        ({"host": "0.0.0.0", "advertise": "host.docker.internal"}, "host.docker.internal"),
        ({"advertise": "[fd00::1]"}, "[fd00::1]"),
    ],
)
def test_env_names_a_host_that_can_be_connected_to(changes: Any, host: str) -> None:
    with MailServer(starttls=True, **changes) as server:
        found = server.env()
        assert found["SMTP_HOST"] == host.strip("[]")
        assert found["SMTP_URL"] == f"smtp://{host}:{server.smtp_port}"
        assert urllib.parse.urlsplit(found["MAIL_API_URL"]).netloc.startswith(f"{host}:")
        for preset in PRESETS:
            assert "0.0.0.0" not in str(server.env(preset))  # type: ignore[arg-type]


def test_an_advertised_host_is_in_the_certificate_and_may_be_named_in_requests() -> None:
    with MailServer(starttls=True, advertise="mail.internal") as server:
        with smtplib.SMTP(server.smtp_host, server.smtp_port, timeout=10) as smtp:
            smtp._host = "mail.internal"  # type: ignore[attr-defined]  # the name that the certificate must have
            smtp.starttls(context=server.tls.ssl_context())
        [host, port] = server.api_url.removeprefix("http://").split(":")
        for name, status in (("mail.internal", 200), ("other.internal", 421)):
            connection = http.client.HTTPConnection(host, int(port), timeout=10)
            connection.request("GET", "/api/emails", headers={"Host": name, "X-API-Key": server.api_key})
            assert connection.getresponse().status == status
            connection.close()
