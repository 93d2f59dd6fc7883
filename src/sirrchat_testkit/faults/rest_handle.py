"""The handle that plans faults of the REST APIs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar, TypedDict, Unpack

from sirrchat_testkit.comparing import Text
from sirrchat_testkit.faults.engine import Always, Fault
from sirrchat_testkit.faults.handle import PlannedFaults, seconds_of, whole_number
from sirrchat_testkit.faults.rest import REST, Damage, RequestContext, RestDecision, RestFaultStage, RestRefusal

__tracebackhide__ = True


class RestFaultConditions(TypedDict, total=False):
    """Conditions of a fault of the REST APIs.

    A ``str`` must be equal, ignoring case; ``*`` and ``?`` are wildcards, and ``*`` also matches ``/``. Other values
    are compared as for ``MailConditions``.

    Attributes:
        method: The HTTP method.
        path: The path of the request, from ``/api`` on and without the query, such as ``/api/v1/users/*``.
        account: The address or the id of the account that the API key belongs to, or the account itself.
    """

    method: Text
    path: Text
    account: Text


class RestFaults(PlannedFaults[RequestContext, RestDecision]):
    """REST faults, ``mailserver.rest_faults``: planned misbehavior of both REST APIs, until the test or the scope ends.

    Faults act like a failing proxy in front of the APIs. Every verb returns the planned ``Fault``. Its common arguments
    are:

    - ``stage``: ``request`` (the default) is before the API sees the request, which has no effect unless it is only
      delayed; ``response`` is after the API has carried it out, and only the answer is lost or late.
    - ``times``: how many times the fault fires; the default, None, means every time.
    - conditions (see ``RestFaultConditions``): ``method``, ``path`` and ``account``.

    Of several faults that match, the first that is not used up fires, so faults planned one after another form a
    sequence; a delay is combined with the next fault. A fault that never fires fails the test.

    Routes outside ``/api``, such as ``/healthz``, are affected only by a fault whose ``path`` is a string that begins
    with their first segment, such as ``path="/healthz"`` or ``path="/docs*"``.

    Example:
        def test_the_shop_survives_an_outage(mailserver, shop):
            mailserver.rest_faults.refuse(503, retry_after=1, times=2, path="/api/v1/users*")
            shop.register("ann@example.com")

    Raises:
        ValueError: A value is out of range.
        TypeError: A condition is unknown; the error suggests the nearest one.
    """

    _protocol = REST
    _owners = ("account",)
    _guesses: ClassVar[Mapping[str, str]] = {
        "reject": "refuse",
        "fail": "refuse",
        "error": "refuse",
        "answer": "refuse",
        "respond": "refuse",
        "unavailable": "refuse",
        "slow": "delay",
        "sleep": "delay",
        "timeout": "delay",
        "disconnect": "drop",
        "close": "drop",
        "abort": "drop",
        "invalid_json": "malformed_json",
        "truncate": "malformed_json",
        "content_type": "wrong_content_type",
        "reset": "clear",
        "remove": "clear",
    }

    def refuse(
        self,
        status: int = 503,
        *,
        text: str = "refused by a fault",
        retry_after: int | None = None,
        stage: RestFaultStage = "request",
        times: int | None = None,
        **match: Unpack[RestFaultConditions],
    ) -> Fault:
        """Answer with an error, in the documented shape of the API that the path belongs to.

        429 has the body and the headers of the real rate limit; it always has ``Retry-After``, by default until the
        next full hour of the server's clock.

        Args:
            status: The HTTP status, 400 to 599.
            text: The message of the error.
            retry_after: The seconds of the header ``Retry-After``, 0 or more. Default: no such header.
            stage: When: ``request`` or ``response``.
            times: How many times the fault fires; None for every time.
            match: Conditions.

        Raises:
            ValueError: ``status``, ``retry_after`` or ``times`` is out of range.
            TypeError: A condition is unknown; the error suggests the nearest one.
        """
        if type(status) is not int or not 400 <= status <= 599:  # noqa: PLR2004 - RFC 9110 section 15
            raise ValueError(f"status must be a whole number from 400 to 599, not {status!r}")
        if not isinstance(text, str):
            raise ValueError(f"text must be a string, not {text!r}")
        if retry_after is not None:
            whole_number("retry_after", retry_after, 0)
        return self._always(
            self.refuse, RestDecision(refusal=RestRefusal(status, text, retry_after)), stage, times, match
        )

    def delay(
        self,
        seconds: float,
        *,
        stage: RestFaultStage = "request",
        times: int | None = None,
        **match: Unpack[RestFaultConditions],
    ) -> Fault:
        """Wait before the API sees the request, or before its answer is sent. Other requests are not delayed.

        If the client closes the connection during a delay at ``request``, the request has no effect.

        Args:
            seconds: Seconds of real time, more than 0.
            stage: When: ``request`` or ``response``.
            times: How many times the fault fires; None for every time.
            match: Conditions.
        """
        return self._always(
            self.delay, RestDecision(delay=seconds_of("seconds", seconds, zero=False)), stage, times, match
        )

    def drop(
        self,
        *,
        reset: bool = False,
        stage: RestFaultStage = "request",
        times: int | None = None,
        **match: Unpack[RestFaultConditions],
    ) -> Fault:
        """Close the connection without an answer.

        Example:
            mailserver.rest_faults.drop(stage="response", method="POST", times=1)  # done, but the client does not know

        Args:
            reset: Whether to reset the connection (TCP RST), as a crashed server does, instead of closing it.
            stage: When: ``request`` or ``response``.
            times: How many times the fault fires; None for every time.
            match: Conditions.
        """
        return self._always(self.drop, RestDecision(drop="rst" if reset else "fin"), stage, times, match)

    def malformed_json(self, *, times: int | None = None, **match: Unpack[RestFaultConditions]) -> Fault:
        """Send only the first half of the answer's JSON, with the ``Content-Length`` of that half.

        The request has its effect, and the status stays. Answers without JSON, such as 204, are not affected.
        """
        return self._damage(self.malformed_json, RestDecision(damage="json"), times, match)

    def wrong_content_type(self, *, times: int | None = None, **match: Unpack[RestFaultConditions]) -> Fault:
        """Send the answer's JSON with the content type ``text/plain``.

        The request has its effect, and the status stays. Answers without JSON, such as 204, are not affected.
        """
        return self._damage(self.wrong_content_type, RestDecision(damage="content_type"), times, match)

    def _always(
        self,
        verb: Callable[..., Fault],
        decision: RestDecision,
        stage: RestFaultStage,
        times: int | None,
        conditions: Mapping[str, Any],
    ) -> Fault:
        return self._plan(verb, (REST.stage(stage),), Always(decision, str(decision)), times, conditions)

    def _damage(
        self, verb: Callable[..., Fault], decision: RestDecision, times: int | None, conditions: Mapping[str, Any]
    ) -> Fault:
        return self._plan(verb, ("response",), Damage(decision, str(decision)), times, conditions)
