"""The metrics: the text format, who may read them, and the figures that the statistics do not have."""

from __future__ import annotations

import asyncio
from math import inf
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from sirrchat_testkit.domain.counters import BOUNDS
from sirrchat_testkit.errors import StoreFull
from sirrchat_testkit.http.metrics import MEDIA, Metric, Sample, exposition
from sirrchat_testkit.smtp.listener import serve_smtp
from sirrchat_testkit.storage.journal_file import JournalFile
from tests.support import auntil

if TYPE_CHECKING:
    from tests.http.conftest import Answer, Service

pytestmark = pytest.mark.asyncio

KINDS = {
    "build_info": "gauge",
    "messages_received": "counter",
    "messages_sent": "counter",
    "recipients_refused": "counter",
    "stored_messages": "gauge",
    "stored_bytes": "gauge",
    "smtp_sessions_open": "gauge",
    "smtp_sessions_opened": "counter",
    "webhook_deliveries": "gauge",
    "wait_seconds": "histogram",
    "store_read_only": "gauge",
}


async def scrape(service: Service, **options: Any) -> Answer:
    return await service.call("GET", "/metrics", key=None, **options)


async def figures(service: Service) -> dict[tuple[str, ...], float]:
    """Return the value of each sample by its name and the values of its labels."""
    text = (await scrape(service)).raw.decode()
    samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
    found = {(each.name.removeprefix("sirrchat_testkit_"), *each.labels.values()): each.value for each in samples}
    assert len(found) == len(samples)
    return found


async def test_the_text_is_the_format_of_prometheus(service: Service) -> None:
    got = await scrape(service)
    assert (got.status, got.headers["Content-Type"]) == (200, MEDIA)
    text = got.raw.decode()
    families = [*text_string_to_metric_families(text)]
    assert {each.name.removeprefix("sirrchat_testkit_"): each.type for each in families} == KINDS
    for each in families:
        name = f"{each.name}_total" if each.type == "counter" else each.name
        assert f"# HELP {name} {each.documentation}\n# TYPE {name} {each.type}\n{name}" in text
        assert each.documentation.endswith(".")
    assert text.endswith("\n")
    assert "\n\n" not in text


async def test_labels_are_escaped() -> None:
    value = 'a "quoted" \\ of\ntwo lines'
    text = exposition([Metric("odd", "gauge", "An odd one.", [Sample(1.5, {"is": value, "not": ""})])])
    assert text.count("\n") == 3
    [family] = text_string_to_metric_families(text)
    [sample] = family.samples
    assert (sample.labels, sample.value) == ({"is": value, "not": ""}, 1.5)


async def test_on_loopback_no_key_is_needed_and_no_request_is_counted(service: Service) -> None:
    service.services.settings.value = service.services.settings.value.replace(
        rate_limit="custom", rate_limit_key=0, rate_limit_ip=0
    )
    for host in ("127.0.0.1", "127.8.0.1", "::1", "localhost"):
        service.services.settings.value = service.services.settings.value.replace(host=host)
        got = await scrape(service)
        assert got.status == 200
        assert "X-RateLimit-Limit" not in got.headers
    assert (await service.api("GET", "/stats")).status == 429


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "mail.example"])
async def test_elsewhere_an_admin_s_key_is_needed(service: Service, host: str) -> None:
    user = await service.user()
    service.services.settings.value = service.services.settings.value.replace(host=host)
    for key, status in (("", 401), ("wrong", 401), (user, 403), (service.key, 200)):
        for headers in ({"Authorization": f"Bearer {key}"}, {"X-API-Key": key}):
            got = await scrape(service, **headers)
            assert got.status == status
            if status != 200:
                assert got.error
    assert (await scrape(service)).error == "API key missing, invalid, revoked or expired"
    assert (await scrape(service, **{"X-API-Key": user})).error == "an admin's API key is required"


async def test_pages_of_other_sites_cannot_read_them(service: Service) -> None:
    got = await scrape(service, **{"Sec-Fetch-Site": "cross-site"})
    assert (got.status, got.error) == (403, "cross-site requests are not allowed")


async def test_waits_are_counted_by_their_length(service: Service) -> None:
    lengths = (0.0, 0.001, 0.0011, 10.0, 31.5)
    for seconds in lengths:
        service.services.waits.observe(seconds)
    found = await figures(service)
    for bound in BOUNDS:
        le = "+Inf" if bound == inf else str(bound)
        assert found["wait_seconds_bucket", le] == sum(each <= bound for each in lengths), bound
    assert found["wait_seconds_count",] == 5
    assert found["wait_seconds_sum",] == pytest.approx(sum(lengths))


async def test_sessions_are_those_that_are_open_and_were_opened(service: Service) -> None:
    async with serve_smtp(service.services) as smtp:
        pairs = [await asyncio.open_connection(*smtp.address) for _ in range(3)]
        for reader, _ in pairs:
            await reader.readline()
        _, closed = pairs.pop()
        closed.close()
        await auntil(lambda: len(service.services.sessions) == 2)
        found = await figures(service)
        assert (found["smtp_sessions_open",], found["smtp_sessions_opened_total",]) == (2, 3)
        for _, writer in pairs:
            writer.close()


@pytest.mark.parametrize("service", ["folder"], indirect=True)
async def test_a_full_disk_is_shown(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> Any:
        raise OSError(28, "No space left on device")

    assert (await figures(service))["store_read_only",] == 0
    with monkeypatch.context() as patch:
        patch.setattr(JournalFile, "_write", full)
        with pytest.raises(StoreFull):
            await service.services.domains.add("shop.example")
    assert (await figures(service))["store_read_only",] == 1
