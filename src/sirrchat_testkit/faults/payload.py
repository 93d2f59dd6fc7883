"""The fields of a webhook call, and the conditions on them: for the waits of a sink, and for faults of the sender.

1. The two APIs name the fields of a body differently; ``WebhookPayload`` reads ``subject``, ``sender`` and
   ``recipient`` from either.
2. Where a body is not JSON or lacks a field, the field is empty. Nothing here raises.
3. Values are compared by the rules of ``matching``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from operator import attrgetter
from types import MappingProxyType
from typing import Any, ClassVar, Final

from sirrchat_testkit.comparing import CONTAINED, LIKE
from sirrchat_testkit.matching import WHERE, Condition, Match

__tracebackhide__ = True

_NOTHING: Final[Mapping[str, Any]] = MappingProxyType({})


class WebhookPayload:
    """The fields of a call. A subclass brings its ``headers`` and its ``body``."""

    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        """The body as JSON, or None if it is not JSON."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return None

    @property
    def event(self) -> str:
        """The event: the header X-Webhook-Event, else the body's ``event`` or ``type``."""
        named = next((value for name, value in self.headers.items() if name.lower() == "x-webhook-event"), "")
        return named or self._first("event", "type")

    @property
    def subject(self) -> str:
        """The mail's subject."""
        return self._first("subject")

    @property
    def sender(self) -> str:
        """The mail's sender."""
        return self._first("from", "fromAddress", "from_address")

    @property
    def recipient(self) -> str:
        """The address whose mail it is."""
        return self._first("user", "toAddress", "to_address")

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")

    def _first(self, *names: str) -> str:
        body = self.json
        whole = body if isinstance(body, dict) else _NOTHING
        inner = whole.get("data")
        for part in (inner if isinstance(inner, dict) else _NOTHING, whole):
            for name in names:
                if isinstance(part.get(name), str):
                    return str(part[name])
        return ""


class CallMatch(Match):
    """Keyword conditions on a webhook call. All of them must be met.

    ``event``, ``subject``, ``method`` and ``path`` are equal; ``sender``, ``recipient`` and ``url`` equal without case,
    ``*`` and ``?`` allowed; ``text`` is contained in the body; ``json`` is ``==`` or a function of it; ``header`` maps
    names to what is wanted of them; ``attempt`` counts from 1; ``where`` is a function of the whole call.
    """

    table: ClassVar[Mapping[str, Condition]] = MappingProxyType(
        {
            "event": Condition(attrgetter("event")),
            "attempt": Condition(attrgetter("attempt")),
            "method": Condition(attrgetter("method")),
            "path": Condition(attrgetter("path")),
            "url": Condition(attrgetter("url"), LIKE),
            "subject": Condition(attrgetter("subject")),
            "sender": Condition(attrgetter("sender"), LIKE),
            "recipient": Condition(attrgetter("recipient"), LIKE),
            "verified": Condition(attrgetter("verified")),
            "header": Condition(
                lambda call, name: [value for each, value in call.headers.items() if each.lower() == name.lower()],
                many=True,
                keyed=True,
            ),
            "text": Condition(attrgetter("text"), CONTAINED),
            "json": Condition(attrgetter("json")),
            "where": WHERE,
        }
    )
