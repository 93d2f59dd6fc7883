"""Tests of fixtures and handles in three modes: with an own server, with one elsewhere, with one of all workers.

``python -m pytest tests/flows --server-mode attached``, and ``-n 1 --server-mode shared``: one worker, because these
tests make accounts with fixed names; ``tests/attached`` and ``tests/plugin/test_attached.py`` have several users at a
time. A test that is refused what would affect others is skipped, with the text of the refusal as the reason:
``tests/attached`` has the tests of refusals. ``EXCLUDED`` are the other tests that need a server of their own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from sirrchat_testkit import MailServer

FIXTURES = frozenset({"mailserver_session", "mode"})
"""The fixtures that depend on the mode. Tests without them start servers of their own, in every mode."""

EXCLUDED = {
    "test_attached": "it tests the modes themselves",
    "test_the_server_stays_unstarted": "a server elsewhere is asked first, which loads the package",
    "test_reports_and_artifacts_load_nothing": "a server elsewhere is asked first, which loads the package",
    "test_a_test_s_addresses_are_the_same_in_a_worker": "it compares runs with workers and without",
    "test_a_server_that_does_not_start_shows_its_error_alone[Settings": "a server elsewhere runs already",
    "test_what_the_failure_": "the refusal of an unknown address may be of others",
    "test_a_wider_fixture_that_fails": "the refusal of an unknown address may be of others",
    "test_scope_end": "open transactions and requests of others are not broken off",
    "test_figures": "the figures count the mail of others too",
    "test_wait_costs": "it counts calls into a server of this process",
    "test_an_address_that_is_not_near_is_not_suggested": "the refusal of an unknown address may be of others",
    "test_an_unknown_address_is_named_with_its_remedy": "the refusal of an unknown address may be of others",
    "test_a_user_that_does_not_exist_is_told_apart_for_the_test_alone": "the login of an unknown user is of nobody",
    "test_a_login_submits": "it reads the records of the server",
    "test_a_session_has_all_of_it_and_who_connected": "a connection that names nobody may be of others",
    "test_sessions_are_those_of_the_scope": "a connection that names nobody may be of others",
    "test_the_server_receives_for_everybody_and_what_leaves": "mail to elsewhere without a login is of nobody",
    "test_a_subject_is_refused_at_the_end_of_data": "a pattern cannot be sent to the server",
    "test_a_condition_of_the_user": "a function cannot be sent to the server",
    "test_what_a_condition_raises_is_500_and_fails_the_test": "a function cannot be sent to the server",
    "test_the_fifth_failed_login_ends_the_session": "the login of an unknown user is of nobody",
    "test_faults_select_by_method_path_and_account": "accounts that earlier tests made by REST stay, with its names",
    "test_a_page_cannot_send_mail": "a connection that names nobody may be of others",
    "test_a_certificate_that_is_not_trusted_is_reported": "a connection that names nobody may be of others",
    "test_what_follows_a_refusal_that_is_told": "a connection that names unknown recipients may be of others",
    "test_an_inbox_whose_address_was_deleted_says_so": "it deletes records of the server",
    "test_messages_of_a_deleted_": "it deletes records of the server",
    "test_draining_takes_every_message_once_in_order": "it takes thousands of messages, each with a request",
}
"""Modules and tests that use these fixtures and need a server of their own, each with the reason."""


def reason_against(nodeid: str) -> str:
    """Return why a test does not run with a server that others use too; empty if it does."""
    return next((reason for name, reason in EXCLUDED.items() if f"/{name}.py" in nodeid or f"::{name}" in nodeid), "")


@contextlib.contextmanager
def serving(mode: str, **settings: Any) -> Iterator[MailServer]:
    """Start a server with ``settings``, and yield a handle of it that is used as ``mode`` says."""
    with MailServer(**settings, shared=mode == "shared") as server:
        if mode == "own":
            yield server
            return
        from sirrchat_testkit.attached.server import AttachedServer

        with AttachedServer(server.api_url, server.api_key) as attached:
            yield attached
