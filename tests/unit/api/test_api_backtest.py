"""POST /v1/rules/backtest: over the stored history, with a report, a diff, and clear bounds."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from api.routes import trials
from domain.clock import iso, to_ms
from domain.telemetry import Sample, Uplink, partition_of
from store.history_writer import HistoryWriter
from store.tables import Fault
from tests.fakes.api_house import START, House

SINCE = START - timedelta(days=2)
HOT = {"name": "hot", "product": "heatpump-x", "when": "compressor_temp > 90", "severity": "major"}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """hp-1 was hot for half an hour, twice, two hours and one day ago."""
    made = House(tmp_path)
    made.apply()
    begin = to_ms(SINCE)
    samples = [
        Sample(begin + minute * 60_000, {"compressor_temp": 95.0 if minute in HOT_MINUTES else 70.0})
        for minute in range(2880)
    ]
    entries = [Uplink("hp-1", sample.event_time, (sample,)) for sample in samples]
    made.log.append({partition_of("hp-1", 8): entries}, msg_id="1")
    writer = HistoryWriter(made.history, made.log, partition=partition_of("hp-1", 8), partitions=8)
    writer.step()
    writer.flush()
    yield made
    made.close()


HOT_MINUTES = {*range(1440, 1470), *range(2760, 2790)}


def ask(house: House, **body: Any) -> Any:
    return house.client.post("/v1/rules/backtest", json={"from": iso(SINCE), **body})


def test_a_manifest_is_tried_and_nothing_is_stored(house: House) -> None:
    answer = ask(house, rule=HOT)
    assert answer.status_code == 200, answer.text
    (row,) = answer.json()["rules"]
    assert (row["episodes"], row["devices"], row["tickets"], row["reopened"]) == (2, 1, 1, 1)
    assert (row["messages"], row["visits"], row["per_day"]["messages"]) == (4, 0, pytest.approx(2.0, abs=0.01))
    assert [one["fired"] for one in answer.json()["episodes"]] == ["2026-03-02T08:00:00Z", "2026-03-03T06:00:00Z"]
    assert [rule["name"] for rule in house.client.get("/v1/rules").json()["items"]] == ["compressor-overheat"]
    assert house.client.get("/v1/tickets").json()["items"] == []


def test_a_manifest_may_be_yaml_and_its_mistakes_have_their_line(house: House) -> None:
    assert ask(house, rule="name: hot\nwhen: compressor_temp > 90\n").json()["rules"][0]["episodes"] == 2
    problem = ask(house, rule="name: hot\nwhen: compresor_temp > 90\n").json()
    assert problem["status"] == 422
    (error,) = problem["errors"]
    assert (error["line"], error["key"]) == (2, "when")
    assert "compressor_temp" in error["cure"]


def test_a_stored_version_is_tried_against_another(house: House) -> None:
    house.client.post("/v1/rules", json={**HOT, "stage": "draft"})
    house.client.post("/v1/rules", json={**HOT, "when": "compressor_temp > 99"})
    first = ask(house, name="hot", version=1).json()
    assert (first["rules"][0]["episodes"], ask(house, name="hot").json()["rules"][0]["episodes"]) == (2, 0)
    diff = ask(house, name="hot", version=1, against=2).json()["diff"]
    assert diff["rules"] == [{"rule": "hot", "same": 0, "shifts": 0, "appears": 2, "vanishes": 0}]
    assert ask(house, rule={**HOT, "for": "5m"}, against=1).json()["diff"]["rules"][0]["shifts"] == 2


def test_verdicts_say_how_well_it_does(house: House) -> None:
    at = SINCE + timedelta(minutes=1440)
    with house.database.write() as session:
        for number, (start, verdict) in enumerate(((at, "real"), (SINCE + timedelta(hours=46), "false_alarm"))):
            session.add(
                Fault(
                    rule="hot",
                    rule_version=1,
                    stage="live",
                    device_id="hp-1",
                    episode=number,
                    state="resolved",
                    severity="major",
                    onset=start,
                    fired_at=start,
                    received_at=start,
                    detected_at=start,
                    resolved_at=start + timedelta(minutes=5),
                    verdict=verdict,
                )
            )
    (row,) = ask(house, rule=HOT).json()["rules"]
    assert row["precision"] == {"value": 0.5, "hits": 1, "n": 2}
    assert row["recall"] == {"value": 1.0, "hits": 1, "n": 1}


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        ({}, 422, "either rule"),
        ({"rule": HOT, "name": "hot"}, 422, "either rule"),
        ({"rule": HOT, "from": "2026-03-01T00:00:00"}, 422, "from"),
        ({"rule": HOT, "from": iso(START + timedelta(days=1))}, 422, "after"),
        ({"rule": HOT, "to": "2026-03-01T07:00:00Z", "from": "2026-02-28T08:00:00Z"}, 422, "no reading"),
        ({"rule": HOT, "until": "2026-03-01T08:00:00Z"}, 422, "until"),
        ({"rule": HOT, "product": "toaster"}, 404, "toaster"),
        ({"name": "nobody"}, 404, "nobody"),
        ({"name": "compressor-overheat", "version": 9}, 404, "version 9"),
    ],
)
def test_a_bad_question_is_a_problem_that_says_what_is_wrong(
    house: House, body: dict[str, Any], status: int, words: str
) -> None:
    answer = ask(house, **body)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert words in answer.text


def test_it_is_bounded_in_readings_and_in_time(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trials, "TIME_LIMIT_S", -1.0)
    assert "not done within" in ask(house, rule=HOT).json()["detail"]
    monkeypatch.setattr(trials, "AT_MOST", 100)
    assert "more than 100 readings" in ask(house, rule=HOT).json()["detail"]


def test_one_runs_at_a_time(house: House) -> None:
    with trials._alone():
        assert ask(house, rule=HOT).status_code == 409
    assert ask(house, rule=HOT).status_code == 200
