"""Faults of the REST APIs in pytest inside pytest: they end with their test, which fails if one never fired."""

import pytest


def test_faults_end_with_their_test_and_must_fire(project: pytest.Pytester) -> None:
    project.makepyfile(
        """
        import httpx

        def status(mailserver, path="/api/emails"):
            return httpx.get(mailserver.api_url + path, headers={"X-API-Key": mailserver.api_key}).status_code

        def test_outage(mailserver):
            mailserver.rest_faults.refuse(503, path="/api/*")
            assert status(mailserver) == 503

        def test_recovery(mailserver):
            assert status(mailserver) == 200

        def test_typo(mailserver):
            mailserver.rest_faults.drop(path="/api/mails", times=2)
            assert status(mailserver) == 200

        def test_cleared(mailserver):
            mailserver.rest_faults.clear(mailserver.rest_faults.delay(60))
            assert status(mailserver) == 200

        def test_report(mailserver):
            mailserver.rest_faults.refuse(500)
            assert status(mailserver, "/api/config") == 200
        """
    )
    result = project.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:randomly")
    result.assert_outcomes(passed=3, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*_ test_typo _*",
            "FaultNeverFired: 1 planned fault never fired: drop at REST REQUEST for path='/api/mails'",
            "*_ test_report _*",
            "  refuse 500 at REST REQUEST: fired 1 time",
            "  refuse 500 at REST REQUEST: GET /api/config",
        ]
    )
