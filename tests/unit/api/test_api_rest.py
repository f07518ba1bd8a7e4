"""REST: shapes, paging, errors, as CONTRACT section 6 has them."""

from base64 import urlsafe_b64encode
from datetime import timedelta

import pytest
from sqlalchemy import text

from domain.errors import LogUnavailable
from store.tables import Device
from tests.fakes.api_house import START, TOKEN, House


def test_a_thing_lives_from_post_to_delete(house: House) -> None:
    said = {"id": "c-7", "name": "Bob", "phone": "+447400123456", "quiet_hours": {"from": "22:00", "to": "07:00"}}
    created = house.client.post("/v1/customers", json=said)
    assert created.status_code == 201
    assert created.json()["quiet_hours"] == {"from": "22:00", "to": "07:00"}
    changed = house.client.patch("/v1/customers/c-7", json={"language": "fr"})
    assert (changed.json()["language"], changed.json()["phone"]) == ("fr", "+447400123456")
    assert house.client.get("/v1/customers/c-7").json() == changed.json()
    assert house.client.delete("/v1/customers/c-7").status_code == 204
    assert house.client.get("/v1/customers/c-7").status_code == 404


def test_what_exists_cannot_be_created_again(house: House) -> None:
    answer = house.client.post("/v1/makers", json={"id": "thermia", "name": "Other"})
    assert answer.status_code == 409
    assert answer.headers["content-type"] == "application/problem+json"


def test_what_is_needed_cannot_be_deleted(house: House) -> None:
    answer = house.client.delete("/v1/products/heatpump-x")
    assert answer.status_code == 409
    assert "device 'hp-1'" in answer.json()["detail"]


def test_a_patch_is_checked_like_a_whole(house: House) -> None:
    answer = house.client.patch("/v1/devices/hp-1", json={"product": "nothing"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["key"] == "product"


def test_a_patch_gives_no_other_name(house: House) -> None:
    answer = house.client.patch("/v1/makers/thermia", json={"id": "other", "name": "Other"})
    assert (answer.status_code, answer.json()["errors"][0]["key"]) == (422, "id")
    assert house.client.patch("/v1/makers/thermia", json={"id": "thermia", "name": "New"}).status_code == 200


@pytest.mark.parametrize("number", [2**31, 2**63, 10**30, -1])
def test_numbers_that_no_row_has_are_answered(settled: House, number: int) -> None:
    for path in ("tickets", "faults", "messages", "visits"):
        assert settled.client.get(f"/v1/{path}/{number}").status_code == 404, path
    assert settled.client.post(f"/v1/visits/{number}/accept").status_code == 404
    assert settled.client.post(f"/v1/tickets/{number}/comments", json={"text": "?"}).status_code == 404
    for path in ("work-orders", "faults", "messages", "visits"):
        assert settled.client.get(f"/v1/{path}?ticket_id={number}").status_code == 422, path
    command = {"name": "restart", "ticket_id": number}
    assert settled.client.post("/v1/devices/hp-1/commands", json=command).status_code == 422
    assert settled.browser().get(f"/tickets/{number}").status_code == 404
    cursor = urlsafe_b64encode(f"[{number}]".encode()).decode()
    assert settled.client.get("/v1/tickets", params={"cursor": cursor}).status_code == 422


def test_a_wrong_body_names_each_field(house: House) -> None:
    answer = house.client.post("/v1/customers", json={"id": "c 1", "name": "B", "colour": 1})
    assert answer.status_code == 422
    errors = {error["key"]: error["problem"] for error in answer.json()["errors"]}
    assert set(errors) == {"id", "colour"}
    assert errors["colour"] == "unknown key"


def test_lists_come_in_pages_without_gaps_or_repeats(house: House) -> None:
    for number in range(7):
        house.client.post("/v1/makers", json={"id": f"m-{number}", "name": str(number)})
    seen, cursor = [], None
    while True:
        page = house.client.get("/v1/makers", params={"limit": 3, **({"cursor": cursor} if cursor else {})}).json()
        seen += [item["id"] for item in page["items"]]
        assert len(page["items"]) <= 3
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == [f"m-{n}" for n in range(7)] + ["thermia"]


def test_commands_are_listed_by_time_and_not_by_their_random_ids(house: House) -> None:
    for _ in range(5):
        house.client.post("/v1/devices/hp-1/commands", json={"name": "restart"})
        with house.database.write() as session:
            from store.tables import Command

            for row in session.query(Command):
                row.state = "done"
        house.clock.advance(minutes=1)
    seen, cursor = [], None
    while True:
        query = {"limit": 2, **({"cursor": cursor} if cursor else {})}
        page = house.client.get("/v1/devices/hp-1/commands", params=query).json()
        seen += [item["created_at"] for item in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == sorted(seen, reverse=True)
    assert len(seen) == 5


@pytest.mark.parametrize("cursor", ["x", "bm8=", "WzEsMl0=", "WzFd"])
def test_a_strange_cursor_is_an_error_and_no_crash(house: House, cursor: str) -> None:
    assert house.client.get("/v1/makers", params={"cursor": cursor}).status_code == 422


def test_an_unknown_route_and_a_wrong_method_are_problems_too(empty: House) -> None:
    for answer, status in ((empty.client.get("/v1/nothing"), 404), (empty.client.put("/v1/makers"), 405)):
        assert answer.status_code == status
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["status"] == status


def test_a_locked_database_is_503_with_a_time_to_come_back(house: House) -> None:
    with house.database.write() as session:
        session.execute(text("SELECT 1"))
        answer = house.client.post("/v1/makers", json={"id": "m", "name": "M"})
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0
    assert house.client.post("/v1/makers", json={"id": "m", "name": "M"}).status_code == 201


def test_too_large_a_body_is_refused(empty: House) -> None:
    answer = empty.client.post("/v1/apply", content=b"#" * (17 * 1024 * 1024))
    assert answer.status_code == 413
    assert answer.headers["content-type"] == "application/problem+json"


def test_apply_answers_what_became_of_each_thing(empty: House) -> None:
    answer = empty.client.post("/v1/apply", params={"dry_run": True}, content="kind: maker\nid: m\nname: M")
    assert answer.json() == {
        "items": [{"kind": "maker", "name": "m", "outcome": "created", "version": None}],
        "dry_run": True,
    }
    assert empty.client.get("/v1/makers").json()["items"] == []


def test_apply_tells_line_and_key(empty: House) -> None:
    answer = empty.client.post("/v1/apply", content="kind: maker\nid: m\nname: M\ncolor: red")
    assert answer.status_code == 422
    known = "known are: id, name, sms_sender, mail_from, quiet_hours, daily_caps"
    assert answer.json()["errors"] == [
        {"problem": "unknown key", "cure": known, "line": 4, "column": 1, "key": "color"}
    ]


def test_a_rule_is_validated_without_being_stored(house: House) -> None:
    wrong = house.client.post("/v1/rules/validate", json={"name": "r", "product": "heatpump-x", "when": "presure > 1"})
    assert wrong.status_code == 200
    assert wrong.json()["valid"] is False
    assert wrong.json()["errors"][0]["cure"] == "did you mean pressure?"
    right = house.client.post("/v1/rules/validate", content="name: r\nproduct: heatpump-x\nwhen: pressure > 1")
    assert right.json() == {"valid": True, "errors": []}
    assert [rule["name"] for rule in house.client.get("/v1/rules").json()["items"]] == ["compressor-overheat"]


def test_a_rule_has_versions_and_a_stage(house: House) -> None:
    said = {"name": "low", "product": "heatpump-x", "when": "pressure < 1", "stage": "shadow"}
    assert house.client.post("/v1/rules", json=said).json()["version"] == 1
    assert house.client.post("/v1/rules", json={**said, "for": "1m"}).json()["version"] == 2
    versions = house.client.get("/v1/rules/low/versions").json()["items"]
    assert [row["version"] for row in versions] == [2, 1]
    moved = house.client.post("/v1/rules/low/stage", json={"stage": "live"})
    assert (moved.json()["stage"], moved.json()["version"]) == ("live", 2)
    assert house.client.post("/v1/rules/nothing/stage", json={"stage": "live"}).status_code == 404


def admit(house: House) -> None:
    with house.database.write() as session:
        device = session.get_one(Device, "hp-1")
        device.announced = device.admitted = True


def test_readings_over_http_enter_the_log_and_show_on_the_device(house: House) -> None:
    admit(house)
    answer = house.client.post("/v1/devices/hp-1/telemetry", json={"compressor_temp": 71.5, "pressure": None})
    assert answer.json() == {"readings": 1, "refused": []}
    device = house.client.get("/v1/devices/hp-1").json()
    assert device["last_seen"] == "2026-03-03T08:00:00Z"
    assert device["values"]["compressor_temp"] == {"value": 71.5, "event_time": "2026-03-03T08:00:00Z"}
    history = house.client.get("/v1/devices/hp-1/readings", params={"metric": "compressor_temp"}).json()
    assert history["items"] == [{"ts": "2026-03-03T08:00:00Z", "value": 71.5}]


def test_the_good_beside_the_bad_counts(house: House) -> None:
    admit(house)
    answer = house.client.post("/v1/devices/hp-1/telemetry", content=b'{"pressure": NaN, "compressor_temp": 70}')
    assert answer.status_code == 202
    assert answer.json()["readings"] == 1
    assert answer.json()["refused"][0]["reason"] == "not_finite"
    (letter,) = house.client.get("/v1/dead-letters").json()["items"]
    assert (letter["device_id"], letter["reason"], letter["count"]) == ("hp-1", "not_finite", 1)


def test_only_bad_input_is_422_and_a_dead_letter(house: House) -> None:
    answer = house.client.post("/v1/devices/hp-1/telemetry", content=b"{oops")
    assert answer.status_code == 422
    assert house.client.get("/v1/dead-letters").json()["items"][0]["payload"] == "{oops"


def test_a_stranger_is_404(house: House) -> None:
    assert house.client.post("/v1/devices/nobody/telemetry", json={"t": 1}).status_code == 404


def test_what_comes_before_the_registration_is_in_the_log_is_kept_for_it(house: House) -> None:
    answer = house.client.post("/v1/devices/hp-1/telemetry", json={"pressure": 1.5})
    assert answer.json()["readings"] == 1
    kept, _ = house.log.unknown_of("hp-1")
    assert [message.payload for message in kept] == [b'{"pressure":1.5}']


def test_a_log_that_is_down_takes_nothing_and_says_so(house: House) -> None:
    admit(house)
    house.log.down = True
    answer = house.client.post("/v1/devices/hp-1/telemetry", json={"pressure": 1.5})
    assert answer.status_code == 503
    assert house.client.get("/v1/devices/hp-1").json()["last_seen"] is None
    with pytest.raises(LogUnavailable):
        house.log.end(0)


def test_history_is_thinned_and_keeps_its_extremes(house: House) -> None:
    admit(house)
    start = int((START - timedelta(hours=2)).timestamp() * 1000)
    records = [{"ts": start + n * 1000, "pressure": 1.0 + (n == 700) - (n == 701)} for n in range(2000)]
    house.client.post("/v1/devices/hp-1/telemetry", json=records)
    query = {"metric": "pressure", "max_points": 50, "from": "2026-03-03T05:00:00Z"}
    history = house.client.get("/v1/devices/hp-1/readings", params=query).json()
    assert history["total"] == 2000
    assert len(history["items"]) <= 50
    assert {0.0, 2.0} <= {item["value"] for item in history["items"]}


def test_a_time_without_a_zone_is_an_error(house: House) -> None:
    query = {"metric": "pressure", "from": "2026-03-03T05:00:00"}
    assert house.client.get("/v1/devices/hp-1/readings", params=query).status_code == 422


def test_a_mute_has_one_end(house: House) -> None:
    both = house.client.post("/v1/devices/hp-1/mute", json={"for": "2h", "until": "2026-03-03T10:00:00Z"})
    assert both.status_code == 422
    muted = house.client.post("/v1/devices/hp-1/mute", json={"for": "2h", "reason": "works"}).json()
    assert (muted["muted_until"], muted["muted_reason"]) == ("2026-03-03T10:00:00Z", "works")
    assert house.client.delete("/v1/devices/hp-1/mute").json()["muted_until"] is None


def test_ready_says_what_it_waits_for(empty: House) -> None:
    assert empty.client.get("/readyz").json() == {"status": "ready", "waiting": []}
    empty.status |= {"ready": False, "trouble": ["rules: not running"]}
    answer = empty.client.get("/readyz")
    assert (answer.status_code, answer.json()["waiting"]) == (503, ["rules: not running"])
    assert empty.client.get("/healthz").status_code == 200


def test_metrics_have_the_names_of_the_contract(house: House) -> None:
    house.status["roles"] = [{"role": "ingest", "instance": "ingest@host:1", "uplinks": 7, "readings": 9}]
    house.status["partitions"] = [{"partition": 3, "lag": 2}]
    house.client.post("/v1/tickets", json={"device_id": "hp-1", "title": "It hums"})
    text = house.client.get("/metrics").text
    for line in (
        'prevenant_uplinks_total{listener="ingest@host:1",outcome="accepted"} 7.0',
        "prevenant_readings_total 9.0",
        'prevenant_tickets_total{cause="agent"} 1.0',
        'prevenant_log_lag{partition="3"} 2.0',
        'prevenant_fault_transitions_total{state="firing"} 0.0',
        'prevenant_detection_seconds_bucket{le="+Inf"} 0.0',
        "prevenant_notification_seconds_count 0.0",
    ):
        assert line in text.splitlines(), text


def test_the_openapi_document_is_whole_and_asks_for_the_token(empty: House) -> None:
    document = empty.client.get("/openapi.json").json()
    assert {"/v1/devices/{device_id}/readings", "/v1/tickets/{ticket_id}/transitions", "/v1/apply"} <= set(
        document["paths"]
    )
    assert document["components"]["securitySchemes"]["admin token"]["scheme"] == "bearer"
    summaries = [operation.get("summary") for path in document["paths"].values() for operation in path.values()]
    assert all(summaries)
    assert TOKEN not in empty.client.get("/openapi.json").text
