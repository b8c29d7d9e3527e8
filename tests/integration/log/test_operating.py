"""What operators and their tools see: readiness, metrics, the status page, the description of the interface."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from tests.integration.log.actors import receipt
from tests.integration.log.conftest import Service
from tests.waiting import until
from trustlog.log.offer import Problem
from trustlog.service.metrics import HELP
from trustlog.service.openapi import PATHS, RESPONSES
from trustlog.service.problems import STATUS
from trustlog.storage.connection import StorageFailed


async def test_a_log_in_trouble_is_not_ready_until_it_is_over(service: Service) -> None:
    path = service.log.directory.log_path
    away = path.with_name("elsewhere")
    path.rename(away)
    await until(lambda: service.log.trouble is not None)
    answer = await service.get("/readyz")
    assert (answer.status, answer.json()["code"], answer.headers["Retry-After"]) == (503, "STORAGE_FAILED", "1")
    assert "takes no entries at the moment" in (await service.get("/")).body.decode()
    assert "\ntrustlog_ready 0\n" in (await service.get("/metrics")).body.decode()
    assert (await service.get("/healthz")).status == 200
    assert (await service.get("/checkpoint")).status == 200
    away.rename(path)
    await until(lambda: service.log.trouble is None)
    assert (await service.get("/readyz")).status == 200
    assert "\ntrustlog_ready 1\n" in (await service.get("/metrics")).body.decode()


async def test_a_log_that_stops_is_not_ready(service: Service) -> None:
    service.log.link.stopping.set_result(None)
    answer = await service.get("/readyz")
    assert (answer.status, answer.json()["code"], answer.json()["detail"]) == (503, "UNAVAILABLE", "the log is stopping")


@pytest.mark.parametrize("code", ["STORAGE_FAILED", "LOG_CORRUPT"])
def test_whatever_the_store_can_fail_with_is_503(code: str) -> None:
    assert STATUS[Problem.of(StorageFailed(code, "test")).error().code] == 503


async def test_metrics_are_in_the_text_format_and_say_what_happened(service: Service) -> None:
    await service.post_lines([receipt(f"r-{i}") for i in range(30)])
    await service.post(receipt("r-0"))
    await service.post(receipt("single"))
    await service.get("/nothing")
    text = (await service.get("/metrics")).body.decode()
    samples = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert samples['trustlog_entries_answered_total{result="new"}'] == "31"
    assert samples['trustlog_entries_answered_total{result="already_logged"}'] == "1"
    assert samples['trustlog_requests_total{route="unknown",method="GET",status="404"}'] == "1"
    assert samples['trustlog_request_seconds_count{route="/v1/entries",method="POST"}'] == "2"
    assert samples["trustlog_checkpoint_entries_sum"] == "31"
    assert samples["trustlog_batch_lines_sum"] == "30"
    assert samples['trustlog_batch_lines_bucket{le="10"}'] == "0"
    assert samples['trustlog_batch_lines_bucket{le="100"}'] == "1"
    assert samples["trustlog_queue_length"] == "0"
    for line in text.splitlines():
        assert re.fullmatch(r'(# (HELP|TYPE) \w+ .+)|(\w+(\{(\w+="[^"\\]*",?)+\})? [0-9.e+-]+)', line), line
    assert set(re.findall(r"^# HELP (\w+)", text, re.MULTILINE)) <= set(HELP)


async def test_histograms_only_grow_with_their_bounds(service: Service) -> None:
    for i in range(5):
        await service.post(receipt(f"r-{i}"))
    text = (await service.get("/metrics")).body.decode()
    bucket = r'^trustlog_request_seconds_bucket\{route="/v1/entries",method="POST",le="([^"]+)"\} (\d+)$'
    series = re.findall(bucket, text, re.MULTILINE)
    counts = [int(count) for _, count in series]
    assert series[-1] == ("+Inf", "5")
    assert counts == sorted(counts)


class _Links(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.links: list[str] = []
        self.metas: list[str | None] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "a":
            self.links.append(dict(attrs)["href"] or "")
        if tag == "meta":
            self.metas.append(dict(attrs).get("name"))


async def test_every_link_of_the_status_page_leads_somewhere(service: Service) -> None:
    page = await service.get("/")
    parser = _Links()
    parser.feed(page.body.decode())
    assert {"/checkpoint", "/metrics", "/openapi.json", "/v1/entries"} <= set(parser.links)
    for link in parser.links:
        assert (await service.get(link)).status == 200, link
    assert "viewport" in parser.metas
    assert "prefers-color-scheme:dark" in page.body.decode()


async def test_the_description_resolves_and_names_real_statuses(service: Service) -> None:
    document = (await service.get("/openapi.json")).json()

    def references(value: object) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
            return own.union(*map(references, value.values()))
        return set[str]().union(*map(references, value)) if isinstance(value, list) else set()

    for reference in references(document):
        part = document
        for name in reference.removeprefix("#/").split("/"):
            part = part[name]
        assert part
    assert {int(status) for status in RESPONSES} <= set(STATUS.values())
    assert "Retry-After" in RESPONSES["503"]["headers"]
    assert {"200", "201", "408", "409", "503", "default"} <= PATHS["/v1/entries"]["post"]["responses"].keys()
