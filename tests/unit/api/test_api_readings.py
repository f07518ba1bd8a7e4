"""GET /v1/devices/{id}/readings: the history and the tail of the log as one, thinned, with clear errors."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from domain.clock import to_ms
from domain.errors import HistoryUnavailable
from domain.telemetry import Sample, Uplink, Value, partition_of
from store.history_writer import HistoryWriter
from tests.fakes.api_house import START, House

HOUR = 3_600_000


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    made.apply()
    yield made
    made.close()


def send(house: House, number: int, ms: int, **values: Value) -> None:
    """One uplink of hp-1, received when it was measured."""
    at = to_ms(START) + ms
    entry = Uplink("hp-1", at, (Sample(at, values),))
    house.log.append({partition_of("hp-1", 8): [entry]}, msg_id=f"{number}")


def write_history(house: House) -> None:
    writer = HistoryWriter(house.history, house.log, partition=partition_of("hp-1", 8), partitions=8)
    writer.step()
    writer.flush()


def ask(house: House, **query: Any) -> Any:
    return house.client.get("/v1/devices/hp-1/readings", params=query).json()


def values_of(answer: Any) -> list[Any]:
    return [item["value"] for item in answer["items"]]


def test_what_is_in_the_history_and_what_is_not_yet_are_one_series(house: House) -> None:
    for number in range(3):
        send(house, number, -2 * HOUR + number, t=float(number))
    write_history(house)
    send(house, 3, -1000, t=3.0)
    answer = ask(house, metric="t")
    assert values_of(answer) == [0.0, 1.0, 2.0, 3.0]
    assert (answer["total"], answer["complete"]) == (4, True)


def test_the_same_reading_twice_counts_once_and_the_first_stays_wherever_it_is(house: House) -> None:
    send(house, 0, -5000, t=1.0)
    send(house, 1, -5000, t=2.0)
    write_history(house)
    send(house, 2, -5000, t=3.0)
    assert values_of(ask(house, metric="t")) == [1.0]


def test_several_metrics_are_several_series_in_the_order_asked(house: House) -> None:
    send(house, 0, -5000, t=1.0, mode="eco", on=True)
    answer = ask(house, metric=["on", "mode", "missing"])
    assert [(series["metric"], values_of(series), series["total"]) for series in answer["series"]] == [
        ("on", [True], 1),
        ("mode", ["eco"], 1),
        ("missing", [], 0),
    ]


def test_a_metric_that_was_once_text_is_thinned_all_the_same(house: House) -> None:
    for number in range(30):
        send(house, number, -60_000 + number, t="n/a" if number == 3 else 1.0)
    assert values_of(ask(house, metric="t", max_points=5)) == [1.0, "n/a", 1.0]


def test_while_the_log_is_away_the_history_answers_and_says_that_something_is_missing(house: House) -> None:
    send(house, 0, -5000, t=1.0)
    write_history(house)
    send(house, 1, -4000, t=2.0)
    house.log.down = True
    answer = ask(house, metric="t")
    assert (values_of(answer), answer["complete"]) == ([1.0], False)


def test_a_history_that_does_not_answer_is_503(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object, **__: object) -> None:
        raise HistoryUnavailable("no such bucket")

    monkeypatch.setattr(house.history, "readings", away)
    answer = house.client.get("/v1/devices/hp-1/readings", params={"metric": "t"})
    assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")


def test_too_much_to_look_through_names_the_way_out(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    send(house, 0, -5000, t=1.0)
    send(house, 1, -4000, t=1.0)
    write_history(house)
    monkeypatch.setattr("api.history.AT_MOST", 1)
    problem = ask(house, metric="t")
    assert problem["status"] == 422
    assert "shorter time" in problem["detail"]


@pytest.mark.parametrize(
    ("query", "key"),
    [
        ({}, "metric"),
        ({"metric": "t", "max_points": 1}, "max_points"),
        ({"metric": "t", "max_points": "many"}, "max_points"),
        ({"metric": "t", "from": "yesterday"}, "from"),
        ({"metric": "t", "from": (START + timedelta(hours=1)).isoformat()}, "from"),
        ({"metric": "t", "to": "2026-03-03T05:00:00"}, "to"),
    ],
)
def test_a_bad_question_is_a_problem_that_names_the_key(house: House, query: dict[str, Any], key: str) -> None:
    answer = house.client.get("/v1/devices/hp-1/readings", params=query)
    assert (answer.status_code, answer.headers["content-type"]) == (422, "application/problem+json")
    assert answer.json()["errors"][0]["key"] == key


def test_an_unknown_device_is_404(house: House) -> None:
    assert house.client.get("/v1/devices/nobody/readings", params={"metric": "t"}).status_code == 404


def test_the_shape_stands_in_the_openapi_document(house: House) -> None:
    document = house.client.get("/openapi.json").json()
    shape = document["paths"]["/v1/devices/{device_id}/readings"]["get"]["responses"]["200"]
    names = [part["$ref"].rsplit("/", 1)[1] for part in shape["content"]["application/json"]["schema"]["anyOf"]]
    assert names == ["ReadingsOut", "ManyReadingsOut"]
