"""Flask in pytest inside pytest: ``mailserver_flask(app)``, with the real Flask-Mail and Flask-Mailman."""

import pytest

pytest.importorskip("flask_mail")
pytest.importorskip("flask_mailman")

SHOP = """
    import flask, flask_mail, flask_mailman

    def make_app(extension, **config):
        app = flask.Flask("shop")
        app.config.update({"TESTING": True, "MAIL_DEFAULT_SENDER": "shop@shop.example", **config})
        mail = flask_mail.Mail() if extension == "mail" else flask_mailman.Mail()
        mail.init_app(app)

        @app.post("/sign-up")
        def sign_up():
            to = [flask.request.form["email"]]
            if extension == "mail":
                mail.send(flask_mail.Message("Welcome", recipients=to, body="Hello"))
            else:
                flask_mailman.EmailMessage("Welcome", "Hello", to=to).send()
            return "sent"

        return app

    def sign_up(app, inbox):
        assert app.test_client().post("/sign-up", data={"email": inbox}).status_code == 200
"""


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    project.makepyfile(shop=SHOP)
    return project.runpytest_subprocess("-p", "no:cacheprovider", "-W", "error", *arguments)


@pytest.mark.parametrize("extension", ["mail", "mailman"])
def test_the_application_sends_its_mail_to_the_server_until_the_test_ends(
    project: pytest.Pytester, extension: str
) -> None:
    project.makepyfile(
        f"""
        import pytest
        from shop import make_app, sign_up

        @pytest.fixture(scope="session")
        def app():
            return make_app({extension!r}, MAIL_SERVER="mail.shop.example", MAIL_USERNAME="shop")

        @pytest.fixture(scope="session")
        def before(app):
            return dict(app.config), dict(vars(app.extensions[{extension!r}]))

        def test_one(app, before, mailserver_flask, mailserver, inbox):
            mailserver_flask(app)
            sign_up(app, inbox)
            message = inbox.receive(timeout=0, subject="Welcome")
            assert message.sender == "shop@shop.example"
            assert message.envelope.login == mailserver.smtp_username
            assert app.config["MAIL_PORT"] == mailserver.smtp_port

        def test_two(app, before, inbox):
            assert (dict(app.config), dict(vars(app.extensions[{extension!r}]))) == before
            sign_up(app, inbox)
            assert inbox.messages == []
        """
    )
    run(project, "-p", "no:randomly").assert_outcomes(passed=2)


@pytest.mark.parametrize("extension", ["mail", "mailman"])
def test_the_application_uses_the_tls_of_the_server(project: pytest.Pytester, extension: str) -> None:
    project.makepyfile(
        f"""
        import pytest
        from shop import make_app, sign_up
        from sirrchat_testkit import MailServer, connect_flask

        @pytest.mark.parametrize("settings", [{{"starttls": True, "tls_required": True}}, {{"smtps_port": 0}}])
        def test_it(settings):
            app = make_app({extension!r})
            named = {{"host": "0.0.0.0", "advertise": "shop.docker.internal"}}
            with MailServer(auth="required", **named, **settings) as server, connect_flask(server, app):
                inbox = server.make_inbox()
                sign_up(app, inbox)
                assert inbox.receive(timeout=0).envelope.tls

        def test_no_login_where_none_is_offered():
            app = make_app({extension!r}, MAIL_USERNAME="shop", MAIL_PASSWORD="x")
            with MailServer(hide_extensions=["AUTH"]) as server, connect_flask(server, app):
                inbox = server.make_inbox()
                sign_up(app, inbox)
                inbox.receive(timeout=0)
        """
    )
    run(project).assert_outcomes(passed=3)


def test_the_preset_of_the_environment_configures_the_application(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from shop import make_app, sign_up

        @pytest.mark.parametrize("extension", ["mail", "mailman"])
        def test_it(extension, mailserver, inbox):
            app = make_app(extension, MAIL_SUPPRESS_SEND=False, MAIL_BACKEND="smtp", **mailserver.env("flask"))
            sign_up(app, inbox)
            inbox.receive(timeout=0)
        """
    )
    run(project).assert_outcomes(passed=2)


def test_mail_that_was_not_sent_is_the_finding(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from shop import make_app, sign_up

        def test_1_flask_mailman(inbox):
            app = make_app("mailman")
            sign_up(app, inbox)
            inbox.receive(timeout=0)

        def test_2_flask_mail(inbox):
            app = make_app("mail")
            sign_up(app, inbox)
            inbox.receive(timeout=0)
        """
    )
    result = run(project, "-p", "no:randomly")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            (
                "E *1 message for *@example.com is in the outbox of Flask-Mailman: it keeps mail in memory while "
                "TESTING is true; use mailserver_flask(app). Waited 0.0 s for *"
            ),
            "E *  'Welcome' to *@example.com",
            (
                "E *1 message for *@example.com was dropped by Flask-Mail: it drops mail while TESTING is true "
                "(MAIL_SUPPRESS_SEND); use mailserver_flask(app). Waited 0.0 s for *"
            ),
        ]
    )
    result.stdout.no_fnmatch_line("Flask-Mail*")  # the report does not repeat the reason


def test_nothing_is_asserted_while_flask_mailman_keeps_the_mail_in_memory(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from shop import make_app, sign_up

        @pytest.fixture(scope="session")
        def app():
            return make_app("mailman")

        @pytest.fixture
        def sent(app, inbox):
            sign_up(app, inbox)

        def test_1_nothing(sent, inbox):
            inbox.assert_nothing()

        def test_2_all(sent, inbox):
            inbox.receive_all()

        def test_3_subject(sent, inbox):
            inbox.assert_nothing(subject="Welcome")

        def test_nothing_for_others(sent, make_inbox):
            make_inbox().assert_nothing()

        def test_no_other_subject(sent, inbox):
            inbox.assert_nothing(subject="Goodbye")

        def test_the_outbox_has_mail_of_other_tests(app, mailserver):
            sign_up(app, "ann@example.com")
            mailserver.assert_nothing()

        def test_connected_now(app, mailserver_flask, make_inbox):
            inbox = make_inbox(address="ann@example.com")
            sign_up(app, inbox)
            mailserver_flask(app)
            inbox.assert_nothing()
        """
    )
    result = run(project, "-p", "no:randomly")
    result.assert_outcomes(passed=4, failed=3)
    result.stdout.fnmatch_lines(
        [
            (
                "E *UnexpectedMail: Nothing arrived for *@example.com, but 1 message for * is in the outbox of "
                "Flask-Mailman: it keeps mail in memory while TESTING is true; use mailserver_flask(app)"
            )
        ]
    )


def test_nothing_is_not_asserted_while_flask_mail_drops_the_mail(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        from shop import make_app, sign_up

        app = make_app("mail")

        def test_1_nothing(inbox):
            sign_up(app, inbox)
            inbox.assert_nothing()

        def test_2_of_another_test(inbox, mailserver):
            inbox.assert_nothing()
            mailserver.assert_nothing()

        def test_3_for_others(inbox, make_inbox):
            sign_up(app, make_inbox())
            inbox.assert_nothing()

        def test_4_connected(mailserver_flask, make_inbox):
            mailserver_flask(app)
            sign_up(app, inbox := make_inbox())
            inbox.receive(timeout=0)
            inbox.assert_nothing()
        """
    )
    result = run(project, "-p", "no:randomly")
    result.assert_outcomes(passed=3, failed=1)
    result.stdout.fnmatch_lines(
        ["E *UnexpectedMail: Nothing arrived for *, but 1 message for * was dropped by Flask-Mail: *(app)"]
    )


def test_the_mail_settings_of_flask_explain_that_no_client_connected(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from shop import make_app
        from sirrchat_testkit import MailServer

        @pytest.mark.parametrize("extension", ["mail", "mailman"])
        class Test:
            def test_1_elsewhere(self, extension, inbox):
                sends = {"MAIL_SUPPRESS_SEND": False, "MAIL_BACKEND": "smtp"}
                app = make_app(extension, MAIL_SERVER="mail.shop.example", **sends)
                inbox.receive(timeout=0)

            def test_2_here(self, extension, mailserver_flask, inbox):
                mailserver_flask(app := make_app(extension))
                inbox.receive(timeout=0)

        def test_3_in_memory(inbox):
            app = make_app("mailman")
            inbox.receive(timeout=0)

        def test_4_not_by_smtp():
            app = make_app("mailman", TESTING=False, MAIL_BACKEND="console")
            with MailServer() as server:
                server.receive(timeout=0)

        def test_5_unknown_which(inbox):
            apps = [make_app("mail", MAIL_SERVER=each, MAIL_SUPPRESS_SEND=False) for each in ("a.example", "b.example")]
            inbox.receive(timeout=0)
        """
    )
    result = run(project, "-p", "no:randomly")
    result.assert_outcomes(failed=7)
    none, remedy = "E *No client connected to 127.0.0.1:*[0-9]: Flask", "; use mailserver_flask(app). Waited *"
    result.stdout.fnmatch_lines(
        [
            f"{none}-Mail sends its mail to mail.shop.example:25 (MAIL_SERVER, MAIL_PORT){remedy}",
            f"{none}-Mailman sends its mail to mail.shop.example:25 (MAIL_SERVER, MAIL_PORT){remedy}",
            f"{none}-Mail is configured to send its mail there, but has sent none. Waited *",
            f"{none}-Mailman is configured to send its mail there, but has sent none. Waited *",
            f"{none}-Mailman keeps mail in memory while TESTING is true{remedy}",
            f"{none}-Mailman's MAIL_BACKEND is 'console', not 'smtp'; use *with connect_flask(server, app):*. Waited *",
            "E *No client connected to 127.0.0.1:*[0-9]: is the application configured to send its mail there? *",
        ]
    )


def test_flask_mail_that_was_used_in_another_test_only_is_not_the_finding(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import pytest
        from shop import make_app, sign_up

        app = make_app("mail")

        def test_1_uses_it(inbox):
            sign_up(app, inbox)

        def test_2_does_not(inbox):
            inbox.receive(timeout=0)

        def test_3_uses_it_again(inbox):
            sign_up(app, inbox)
            inbox.receive(timeout=0)
        """
    )
    result = run(project, "-p", "no:randomly")
    result.assert_outcomes(passed=1, failed=2)
    none = "E *No client connected to 127.0.0.1:*[0-9]"
    dropped = "E *1 message for * was dropped by Flask-Mail: it drops mail while TESTING is true *"
    result.stdout.fnmatch_lines([f"{none}: is the application *", dropped])


def test_a_wrong_argument_is_refused_in_words(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import re
        import flask, pytest
        from shop import make_app

        def test_it(mailserver_flask):
            with pytest.raises(TypeError, match="not .*; did you mean client.application?"):
                mailserver_flask(make_app("mail").test_client())
            with pytest.raises(TypeError, match="app must be a Flask application, not None"):
                mailserver_flask(None)
            text = re.escape("has neither Flask-Mail nor Flask-Mailman: call mail.init_app(app) first, or make the app")
            with pytest.raises(RuntimeError, match=text):
                mailserver_flask(flask.Flask("shop"))
        """
    )
    run(project).assert_outcomes(passed=1)


def test_fastapi_mail_that_drops_mail_is_the_finding(project: pytest.Pytester) -> None:
    pytest.importorskip("fastapi_mail")
    project.makepyfile(
        """
        import os
        import pytest
        from fastapi_mail import ConnectionConfig, FastMail, MessageSchema, MessageType

        @pytest.mark.parametrize("suppress", [0, 1])
        def test_it(mailserver, inbox, monkeypatch, suppress):
            for name, value in mailserver.env("fastapi-mail", MAIL_FROM="shop@shop.example").items():
                monkeypatch.setenv(name, value)
            if suppress:
                monkeypatch.setenv("SUPPRESS_SEND", "1")
            config = ConnectionConfig()
            message = MessageSchema(subject="Hi", recipients=[inbox], body="Hello", subtype=MessageType.plain)
            import asyncio
            asyncio.run(FastMail(config).send_message(message))
            inbox.receive(timeout=0)
        """
    )
    result = project.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        ["E *fastapi-mail drops mail, because SUPPRESS_SEND is set; make its ConnectionConfig *"]
    )


def test_fastapi_mail_that_was_used_in_another_test_only_is_not_the_finding(project: pytest.Pytester) -> None:
    pytest.importorskip("fastapi_mail")
    shop = """
        import asyncio, os
        from fastapi_mail import ConnectionConfig, FastMail, MessageSchema, MessageType

        def make_config(env, **changes):
            return ConnectionConfig(**{**env("fastapi-mail", MAIL_FROM="shop@shop.example"), **changes})

        def sign_up(config, inbox):
            message = MessageSchema(subject="Hi", recipients=[inbox], body="Hello", subtype=MessageType.plain)
            asyncio.run(FastMail(config).send_message(message))
    """
    project.makepyfile(
        shop=shop,
        test_it="""
        import pytest
        from shop import make_config, sign_up

        @pytest.fixture(scope="session")
        def dropping(mailserver_session):
            return make_config(mailserver_session.env, SUPPRESS_SEND=1)

        def test_1_uses_it(dropping, inbox):
            sign_up(dropping, inbox)

        def test_2_does_not(inbox):
            inbox.receive(timeout=0)

        def test_3_uses_another(mailserver, inbox):
            config = make_config(mailserver.env)
            inbox.receive(timeout=0)

        def test_4_uses_it_again(dropping, inbox):
            sign_up(dropping, inbox)
            inbox.receive(timeout=0)
        """,
        test_that_loads_it="""
        def test_it(mailserver, inbox):
            from shop import make_config, sign_up

            config = make_config(mailserver.env, SUPPRESS_SEND=1)
            sign_up(config, inbox)
            inbox.receive(timeout=0)
        """,
    )
    none = "E *No client connected to 127.0.0.1:*[0-9]"
    drops = f"{none}: fastapi-mail drops mail, because SUPPRESS_SEND is set; make its ConnectionConfig *"
    result = project.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly", "test_it.py")
    result.assert_outcomes(passed=1, failed=3)
    result.stdout.fnmatch_lines(
        [
            f"{none}: is the application *",
            f"{none}: fastapi-mail is configured to send its mail there, but has sent none. Waited *",
            drops,
        ]
    )
    result = project.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly", "test_that_loads_it.py")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([drops])
