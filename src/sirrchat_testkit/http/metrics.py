"""``/metrics``: the figures of the server for Prometheus, in version 0.0.4 of its text format.

1. The figures are those of the statistics (``domain.counters``), read from the same counters and indexes. A scrape
   costs the same however much mail is stored.
2. When a scope ends, counters go back to their values before it. Prometheus treats that as a restart.
3. If the server listens on a loopback address and ``web_auth`` is not set, no API key is needed; otherwise an admin's
   is, in the header of either API. No rate limit applies.
"""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from importlib import metadata
from typing import Final, Literal, NamedTuple

from aiohttp import web

from sirrchat_testkit.domain.counters import BOUNDS, WaitTimes
from sirrchat_testkit.domain.models import Delivery
from sirrchat_testkit.domain.services import Services
from sirrchat_testkit.http.hosts import host_name
from sirrchat_testkit.http.middleware import admit
from sirrchat_testkit.http.operations import ADMIN
from sirrchat_testkit.http.style import either_key
from sirrchat_testkit.net import is_loopback
from sirrchat_testkit.schemas.webhook_events import CANCELLED, DELIVERED, FAILED, PENDING

MEDIA: Final = "text/plain; version=0.0.4; charset=utf-8"
"""The media type of the format."""

_PREFIX: Final = "sirrchat_testkit_"


class Sample(NamedTuple):
    """A line with a value; ``suffix`` is appended to the name of its metric."""

    value: float
    labels: Mapping[str, str] = {}
    suffix: str = ""


class Metric(NamedTuple):
    """A metric; ``name`` is without the prefix of all names."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    text: str
    samples: Sequence[Sample]


class MetricsViews:
    """The route of the metrics."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def get_metrics(self, request: web.Request) -> web.StreamResponse:
        """Return the figures of the server for Prometheus."""
        settings = self._services.settings.value
        if is_loopback(host_name(settings.host)) and not settings.web_auth:
            return await self._answer(request)
        admit(await self._services.keys.find(either_key(request)))
        return await ADMIN.guard(self._answer)(request)

    async def _answer(self, _request: web.Request) -> web.Response:
        text = exposition(await read(self._services))
        return web.Response(body=text.encode(), headers={"Content-Type": MEDIA})


async def read(services: Services) -> list[Metric]:
    """Return the current figures."""
    stats = await services.stats.server()
    stored = (await services.stats.stored()).count
    deliveries = [
        Sample(await services.store.count(Delivery, status=status), {"status": status})
        for status in (PENDING, DELIVERED, FAILED, CANCELLED)
    ]
    return [
        Metric("build_info", "gauge", "Always 1; the labels are the versions.", [Sample(1, _versions())]),
        _counter("messages_received", "Copies stored for recipients at the served domains.", stats.smtp.received),
        _counter("messages_sent", "Messages sent with a login, or to a domain not served.", stats.smtp.sent),
        _counter("recipients_refused", "Refused recipients.", stats.smtp.rejected),
        _gauge("stored_messages", "Stored copies, those in Sent folders and of foreign recipients included.", stored),
        _gauge("stored_bytes", "Bytes of the stored copies.", stats.storage_used),
        _gauge("smtp_sessions_open", "Open SMTP connections.", stats.sessions_active),
        _counter("smtp_sessions_opened", "SMTP connections since the start.", services.sessions.opened),
        Metric("webhook_deliveries", "gauge", "Stored webhook deliveries, by status.", deliveries),
        _histogram("wait_seconds", "How long tests and long polls waited for mail.", services.waits.read()),
        _gauge("store_read_only", "1 if the last write failed, else 0.", int(services.store.write_error is not None)),
    ]


def exposition(metrics: Iterable[Metric]) -> str:
    """Return ``metrics`` in the text format."""
    return "".join(line for each in metrics for line in _lines(each))


def _lines(metric: Metric) -> Iterable[str]:
    name = _PREFIX + metric.name
    yield f"# HELP {name} {metric.text}\n"
    yield f"# TYPE {name} {metric.kind}\n"
    for each in metric.samples:
        labels = ",".join(f'{label}="{_escaped(value)}"' for label, value in each.labels.items())
        yield f"{name}{each.suffix}{f'{{{labels}}}' if labels else ''} {each.value}\n"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _counter(name: str, text: str, value: int) -> Metric:
    return Metric(f"{name}_total", "counter", text, [Sample(value)])


def _gauge(name: str, text: str, value: int) -> Metric:
    return Metric(name, "gauge", text, [Sample(value)])


def _histogram(name: str, text: str, times: WaitTimes) -> Metric:
    bounds = [*map(str, BOUNDS[:-1]), "+Inf"]
    buckets = [Sample(count, {"le": bound}, "_bucket") for bound, count in zip(bounds, times.at_most, strict=True)]
    totals = [Sample(times.seconds, suffix="_sum"), Sample(times.at_most[-1], suffix="_count")]
    return Metric(name, "histogram", text, [*buckets, *totals])


@lru_cache
def _versions() -> Mapping[str, str]:
    return {"version": metadata.version("sirrchat-testkit"), "python": platform.python_version()}
