"""Faults explain themselves, people judge them, rules are trusted accordingly: over REST and on the pages."""

import pytest

from app.freezing import Freezer
from app.pipeline import on_transitions
from domain.faults import EndReason, Severity, Transition, TransitionState
from tests.fakes.api_house import House
from tests.fakes.api_story import Story
from tests.unit.api.test_api_pages import customer, technician, timeline

NBSP = "\u00a0"
SHADOW = """
kind: rule
name: early-warning
product: heatpump-x
title: {en: Pressure falls early}
when: pressure < 1.4
stage: shadow
playbook: restart-then-ask
"""


def fault(story: Story, rule: str = "compressor-overheat", device: str = "hp-camille") -> dict[str, object]:
    found = story.house.client.get(f"/v1/faults?rule={rule}&device_id={device}").json()["items"]
    (only,) = found
    shown: dict[str, object] = only
    return shown


def episodes(house: House, rule: str, count: int, *, verdict: str = "") -> None:
    """So many episodes an hour apart, each judged by an agent."""
    for number in range(1, count + 1):
        for state in (TransitionState.FIRING, TransitionState.RESOLVED):
            now = house.clock.now()
            reason = EndReason.CLEARED if state is TransitionState.RESOLVED else None
            facts = {"onset": now, "severity": Severity.MINOR, "received_at": now, "reason": reason}
            step = Transition(rule, 1, "hp-1", number, state, now, evidence={"pressure": 0.5}, **facts)  # type: ignore[arg-type]
            with house.database.write() as session:
                on_transitions(session, [step], now=now)
            house.clock.advance(minutes=30)
        if verdict:
            newest = house.client.get(f"/v1/faults?rule={rule}&limit=1").json()["items"][0]
            house.client.post(f"/v1/faults/{newest['id']}/verdict", json={"verdict": verdict})


def test_a_fault_says_why_it_fired_with_the_values_of_both_sides(story: Story) -> None:
    found = fault(story)
    why = found["why"]
    assert isinstance(why, dict)
    assert why["en"].replace(NBSP, " ") == "Compressor was 96.3 °C, above its limit of 90 °C (max_temp), for 6 min."
    assert why["fr"].replace(NBSP, " ").startswith("Compresseur : 96,3 °C, au-dessus de la limite de 90 °C")
    evidence = found["evidence"]
    assert isinstance(evidence, dict)
    assert evidence["values"] == {"compressor_temp": 96.3, "max_temp": 90.0}
    assert evidence["attributes"] == ["max_temp"]
    assert evidence["comparisons"] == [
        {
            "left": {"text": "compressor_temp", "value": 96.3, "name": "compressor_temp", "source": "metric"},
            "operator": ">",
            "right": {"text": "COALESCE(max_temp, 95)", "value": 90.0, "name": "max_temp", "source": "attribute"},
            "holds": True,
        }
    ]
    assert (evidence["rule"]["version"], evidence["rule"]["for"]) == (1, "5m")
    (listed,) = story.house.client.get("/v1/faults?device_id=hp-camille").json()["items"]
    assert listed == story.house.client.get(f"/v1/faults/{found['id']}").json() == found


def test_a_new_version_or_another_limit_changes_nothing_about_an_old_fault(story: Story) -> None:
    before = fault(story)
    house = story.house
    changed = {"kind": "rule", "name": "compressor-overheat", "product": "heatpump-x", "when": "pressure < 0"}
    assert house.client.post("/v1/rules", json=changed).json()["version"] == 2
    house.client.patch("/v1/devices/hp-camille", json={"attributes": {"max_temp": 200}})
    assert fault(story) == before
    page = house.browser(signed_in=False).get(technician(story, 1)).text
    assert f">90{NBSP}°C</text>" in page, "the chart shows the limit that was in force"


def test_the_readings_around_a_fault_are_shown_and_outlive_the_log(story: Story) -> None:
    house = story.house
    partitions = house.services.partitions
    Freezer(house.database, house.clock, house.log, partitions=partitions, owner="clock@here:1").work()
    evidence = fault(story)["evidence"]
    assert isinstance(evidence, dict)
    line = evidence["samples"]["compressor_temp"]
    assert 0 < len(line) <= 100
    assert line[0].keys() == {"at", "value"}
    assert [point["at"] for point in line] == sorted(point["at"] for point in line)
    house.log.down = True
    page = house.browser(signed_in=False).get(technician(story, 1)).text
    assert '<path class="serie"' in page


def test_the_ticket_page_says_why_and_takes_a_verdict(story: Story) -> None:
    desk = story.house.browser()
    page = desk.get("/tickets/2").text
    assert f"Compressor was 96.3{NBSP}°C, above its limit of 90{NBSP}°C (max_temp), for 6{NBSP}min" in page
    assert "Was it a fault?" in page
    assert desk.post("/tickets/2/verdict", data={"verdict": "real"}).status_code == 303
    page = desk.get("/tickets/2").text
    assert "Judged <b>a real fault</b>" in page
    assert "Agent said that it was real" in page
    assert fault(story)["verdict"] == "real"
    device = desk.get("/devices/hp-camille").text
    assert f"above its limit of 90{NBSP}°C (max_temp), for 6{NBSP}min." in device
    assert "judged real" in device


def test_a_technician_closes_with_one_tap(story: Story) -> None:
    client = story.house.browser(signed_in=False)
    client.post(f"{technician(story, 1)}/arrive")
    page = client.get(technician(story, 1)).text
    assert 'name="closing_code" value="not_found"' in page
    assert 'name="closing_code" value="fixed"' in page
    done = client.post(f"{technician(story, 1)}/complete", data={"closing_code": "not_found", "note": "Rien"})
    assert done.status_code == 303
    found = fault(story)
    assert (found["verdict"], found["verdict_by"]) == ("false_alarm", "technician:t-karim")
    (said,) = found["verdicts"]  # type: ignore[misc]
    assert (said["source"], said["code"], said["note"]) == ("technician", "not_found", "Rien")
    assert story.house.client.get("/v1/tickets/2").json()["state"] == "resolved"
    assert "found no fault" in story.house.browser().get("/tickets/2").text


@pytest.mark.parametrize(
    ("code", "verdict"), [("fixed", "real"), ("other_cause", "real"), ("not_found", "false_alarm")]
)
def test_a_closing_code_over_rest(story: Story, code: str, verdict: str) -> None:
    story.visit(1, "arrive")
    contrary = {"closing_code": code, "verdict": "real" if verdict == "false_alarm" else "false_alarm"}
    assert story.house.client.post("/v1/visits/1/complete", json=contrary).status_code == 422
    story.visit(1, "complete", closing_code=code)
    assert fault(story)["verdict"] == verdict
    assert story.house.client.post("/v1/visits/1/complete", json={"closing_code": "perhaps"}).status_code == 422


def test_the_customer_says_that_nothing_is_wrong_with_one_tap(story: Story) -> None:
    client = story.house.browser(signed_in=False)
    page = client.get(customer(story, 4) + "?lang=en").text
    assert "Nothing wrong at your place?" in page
    for _ in range(2):
        client.post(f"{customer(story, 4)}/false-alarm", data={"once": "f1", "lang": "en"})
    found = fault(story, "drain-blocked", "wm-sophie")
    assert (found["verdict"], found["verdict_by"]) == ("false_alarm", "customer:c-sophie")
    assert len(found["verdicts"]) == 1  # type: ignore[arg-type]
    page = client.get(customer(story, 4) + "?lang=en").text
    assert "Your washing machine is fine: our sensor misled us" in page
    assert "We are sorry for the worry." in page
    assert "You told us that nothing is wrong" in page
    assert "false-alarm" not in page, "it is said already"


def test_the_customer_says_so_by_reply(story: Story) -> None:
    story.answers("c-sophie", "Bonjour, c'était une fausse alerte, merci")
    assert fault(story, "drain-blocked", "wm-sophie")["verdict"] == "false_alarm"
    assert story.house.client.get("/v1/tickets/4").json()["state"] == "resolved"
    stages = [m["stage"] for m in story.house.client.get("/v1/messages?customer_id=c-sophie").json()["items"]]
    assert stages.count("false_alarm") == 1
    assert timeline(story, 4).count("verdict") == 1


def test_who_was_not_believed_is_called(story: Story) -> None:
    found = fault(story, "drain-blocked", "wm-sophie")
    story.house.client.post(f"/v1/faults/{found['id']}/verdict", json={"verdict": "real"})
    story.answers("c-sophie", "Fausse alerte !")
    assert story.house.client.get("/v1/tickets/4").json()["state"] == "pending_agent"
    page = story.house.browser().get("/tickets/4").text
    assert "Call Sophie Marchand" in page
    assert "“Fausse alerte !”" in page
    assert "a weightier word counts" in page
    assert fault(story, "drain-blocked", "wm-sophie")["verdict"] == "real"


def test_the_wall_tells_shadow_from_light(house: House) -> None:
    house.apply(SHADOW)
    episodes(house, "early-warning", 1, verdict="false_alarm")
    wall = house.browser().get("/").text
    for words in ("Noticed in shadow", "Judged a false alarm", "Rule runs in shadow", 'href="/rules/early-warning"'):
        assert words in wall
    assert "Fault noticed" not in wall


def test_a_rule_shows_its_precision_and_its_noise(house: House) -> None:
    quiet = house.client.get("/v1/rules/compressor-overheat").json()
    assert quiet["precision"] == {
        "n_real": 0, "n_false": 0, "n_unknown": 0, "precision": None, "low": 0.0, "high": 1.0, "days": 90,
    }  # fmt: skip
    assert quiet["noisy"] is None
    episodes(house, "compressor-overheat", 5, verdict="false_alarm")
    (listed,) = house.client.get("/v1/rules").json()["items"]
    assert (listed["precision"]["n_false"], listed["precision"]["precision"], listed["episodes_7d"]) == (5, 0.0, 5)
    assert listed["precision"]["high"] == pytest.approx(0.4345, abs=1e-4)
    assert listed["noisy"]["reason"] == "5 of 5 judged faults were false alarms"
    metrics = house.client.get("/metrics").text
    assert 'prevenant_rule_noisy{rule="compressor-overheat"} 1.0' in metrics
    assert 'prevenant_rule_verdicts{rule="compressor-overheat",verdict="false_alarm"} 5.0' in metrics
    desk = house.browser()
    for path in ("/", "/rules", "/rules/compressor-overheat"):
        assert "5 of 5 judged faults were false alarms" in desk.get(path).text
    house.client.post("/v1/rules/compressor-overheat/stage", json={"stage": "retired"})
    assert house.client.get("/v1/rules/compressor-overheat").json()["noisy"] is None, "what is off makes no noise"


def test_the_life_of_a_rule_is_on_record(house: House) -> None:
    house.apply(SHADOW)
    house.clock.advance(hours=1)
    desk = house.browser()
    assert desk.post("/rules/early-warning/stage", data={"stage": "live"}).status_code == 303
    refused = house.client.post("/v1/rules/early-warning/stage", json={"stage": "draft"})
    assert (refused.status_code, refused.json()["legal"]) == (409, ["agents_only", "shadow", "retired"])
    house.apply(SHADOW.replace("1.4", "1.3"))
    found = house.client.get("/v1/rules/early-warning").json()
    assert [(m["was"], m["stage"], m["by"], m["version"]) for m in found["moves"]] == [
        ("live", "shadow", "manifest", 2),
        ("shadow", "live", "agent", 1),
        (None, "shadow", "manifest", 1),
    ]
    assert found["moves"][0]["at"] == "2026-03-03T09:00:00Z"
    page = desk.get("/rules/early-warning").text
    for words in (
        "live → shadow",
        "by agent",
        "Version 1",
        "pressure &lt; 1.3",
        "Move to agents only",
        "nobody hears of it",
    ):
        assert words in page
    assert desk.post("/rules/early-warning/stage", data={"stage": "alive"}).status_code == 422
    assert desk.get("/rules/nothing").status_code == 404


def test_a_shadow_rule_s_page_tells_what_it_would_have_done(house: House) -> None:
    house.apply(SHADOW)
    episodes(house, "early-warning", 1)
    (found,) = house.client.get("/v1/faults?rule=early-warning").json()["items"]
    assert (found["stage"], found["ticket_id"], found["would"]["command"]) == ("shadow", None, "restart")
    page = house.browser().get("/rules/early-warning").text
    assert (
        "Would have opened a ticket, sent restart, told Alice Martin by SMS if the steps before had not helped." in page
    )
    assert f"pressure was 0.5{NBSP}bar, below its limit of 1.4{NBSP}bar." in page


def test_a_fault_whose_rule_cannot_be_read_is_still_shown(house: House) -> None:
    episodes(house, "a-rule-that-is-gone", 1)
    (found,) = house.client.get("/v1/faults").json()["items"]
    assert (found["why"], found["evidence"]["comparisons"]) == ({"en": "", "fr": ""}, [])
