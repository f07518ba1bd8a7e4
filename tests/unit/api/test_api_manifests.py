"""Manifests: everything is checked together, all of it is written or nothing, and a second time changes nothing."""

import pytest
from sqlalchemy import func, select

from api.manifests import Applied, apply
from domain.errors import SourceError
from domain.telemetry import DeviceChanged, DeviceDeleted, RuleActivated, RuleRetired
from rules.documents import parse_documents
from store import control
from store.tables import Customer, Device, Rule, RuleVersion
from tests.fakes.api_house import FLEET, START, House


def declare(house: House, text: str, *, dry_run: bool = False) -> list[Applied]:
    with house.database.write() as session:
        return apply(session, parse_documents(text, file="fleet.yaml"), now=START, dry_run=dry_run)


def mistakes(house: House, text: str) -> list[SourceError]:
    try:
        declare(house, text)
    except SourceError as exc:
        return [exc]
    except ExceptionGroup as group:
        return list(group.exceptions)
    return []


def told(house: House) -> list[object]:
    with house.database.read() as session:
        return [item.entry for item in control.waiting(session)]


def test_a_second_time_changes_nothing(house: House) -> None:
    before = told(house)
    assert {applied.outcome for applied in declare(house, FLEET)} == {"unchanged"}
    assert told(house) == before


def test_the_order_of_documents_does_not_matter(empty: House) -> None:
    backwards = "\n---\n".join(reversed(FLEET.split("---")))
    assert {applied.outcome for applied in declare(empty, backwards)} == {"created"}


def test_the_engines_hear_of_the_device_and_the_rule(house: House) -> None:
    changed, activated = told(house)
    assert isinstance(changed, DeviceChanged)
    assert changed.device_id == "hp-1"
    assert changed.product == "heatpump-x"
    site = {"site": "1 rue de la Paix", "site.lat": 48.869, "site.lon": 2.331, "timezone": "Europe/Paris"}
    assert changed.attributes == {"max_temp": 90.0, "firmware": "1.4.2", **site}
    assert isinstance(activated, RuleActivated)
    assert (activated.name, activated.version, activated.stage) == ("compressor-overheat", 1, "live")
    assert activated.body["for"] == "5m"


def test_a_dry_run_says_what_would_be_and_does_nothing(empty: House) -> None:
    assert {applied.outcome for applied in declare(empty, FLEET, dry_run=True)} == {"created"}
    with empty.database.read() as session:
        assert session.scalar(select(func.count(Device.id))) == 0
    assert told(empty) == []


def test_one_mistake_keeps_everything_out(empty: House) -> None:
    wrong = FLEET.replace("for: 5m", "for: 5")
    (mistake,) = mistakes(empty, wrong)
    assert (mistake.file, mistake.key) == ("fleet.yaml", "for")
    with empty.database.read() as session:
        assert session.scalar(select(func.count(Customer.id))) == 0


def test_all_mistakes_are_told_together(empty: House) -> None:
    text = """
kind: device
id: hp 1
colour: red
---
kind: customer
id: c-9
name: X
phone: "12"
chanels: [sms]
---
kind: rules
"""
    found = {(error.line, error.key): error for error in mistakes(empty, text)}
    assert set(found) == {(3, "id"), (4, "colour"), (9, "phone"), (10, "chanels"), (12, "kind")}
    assert "did you mean channels?" in found[10, "chanels"].cure
    assert "did you mean rule?" in found[12, "kind"].cure


@pytest.mark.parametrize(
    ("text", "key", "problem"),
    [
        ("kind: site\nid: s", "kind", "not available yet"),
        ("kind: article\nid: a", "kind", "not available yet"),
        ("name: x", "kind", "is missing"),
        ("kind: customer\nid: c", "name", "is missing"),
        ("kind: customer\nid: c\nname: C\nlanguage: de", "language", "input should be 'en' or 'fr'"),
        ("kind: customer\nid: c\nname: C\ntimezone: Paris", "timezone", "is not a time zone"),
        ("kind: customer\nid: c\nname: C\nemail: at home", "email", "is not an e-mail address"),
        ('kind: customer\nid: c\nname: C\nquiet_hours: {from: 25, to: "08:00"}', "quiet_hours.from", "valid string"),
        ("kind: customer\nid: c\nname: C\nchannels: [pigeon]", "channels.0", "input should be 'sms', 'email'"),
        ("kind: device\nid: d\nproduct: heatpump-y", "product", "no product 'heatpump-y'"),
        ("kind: device\nid: d\ncustomer: c-2", "customer", "no customer 'c-2'"),
        ("kind: device\nid: d\ncontacts: [{customer: c-2}]", "contacts.0.customer", "no customer 'c-2'"),
        ("kind: device\nid: d\nsite: {lat: 95}", "site.lat", "less than or equal to 90"),
        ("kind: device\nid: d\nsite: {lattitude: 1}", "site.lattitude", "unknown key"),
        ("kind: device\nid: d\nattributes: {tags: [a]}", "attributes.tags", "a number, a boolean or text"),
        (f"kind: device\nid: d\nattributes: {{n: {10**400}}}", "attributes.n", "cannot be counted with"),
        (
            (
                "kind: playbook\nname: p\nsteps: [command: restrat]\n---\n"
                "kind: rule\nname: r\nproduct: heatpump-x\nwhen: pressure > 1\nplaybook: p"
            ),
            "playbook",
            "sends command 'restrat', which product 'heatpump-x' does not declare",
        ),
        ("kind: product\nname: p\nmaker: nobody", "maker", "no maker 'nobody'"),
        ("kind: product\nname: p\nmetrics: {t: {kind: float}}", "metrics.t.kind", "input should be"),
        ("kind: technician\nid: t\nname: T\nshifts: {mon: [8-12]}", "shifts.mon.0", "is no shift"),
        ('kind: technician\nid: t\nname: T\nshifts: {someday: ["08:00-12:00"]}', "shifts.someday", "names no days"),
        ("kind: playbook\nname: p\nsteps: [{comand: restart}]", "steps.0.comand", "unknown key"),
        ("kind: playbook\nsteps: [message: customer]", "name", "is missing"),
        ("kind: mute\ndevice: hp-1", "", "until"),
        ("kind: mute\ndevice: hp-9\nfor: 2h", "device", "no device 'hp-9'"),
        ("kind: rule\nname: r\nwhen: t > 1", "product", "is missing"),
        ("kind: rule\nname: r\nproduct: heatpump-x\nwhen: presure > 1", "when", "unknown name"),
        (
            "kind: rule\nname: r\nproduct: heatpump-x\nwhen: pressure > 1\nplaybook: nap",
            "playbook",
            "no playbook 'nap'",
        ),
        ("kind: rule\nname: r\nproduct: nothing\nwhen: pressure > 1", "product", "no product 'nothing'"),
        ("kind: rule\nname: r\nproduct: heatpump-x\nwhen: pressure > 1\nstage: alive", "stage", "alive"),
        ("kind: device\nid: twin\n---\nkind: device\nid: twin", "id", "declared twice"),
    ],
)
def test_a_mistake_names_its_key(settled: House, text: str, key: str, problem: str) -> None:
    found = mistakes(settled, text)
    assert [(error.key, problem in error.problem) for error in found] == [(key, True)], found
    assert found[0].file == "fleet.yaml"
    assert found[0].line


def test_a_suggestion_knows_what_is_declared(settled: House) -> None:
    (mistake,) = mistakes(settled, "kind: device\nid: d\nproduct: heatpump-y")
    assert "heatpump-x" in mistake.cure


def test_a_mistake_in_a_product_is_told_once(empty: House) -> None:
    text = "kind: product\nname: p\ncolour: red\n---\nkind: device\nid: d\nproduct: p"
    assert [error.key for error in mistakes(empty, text)] == ["colour"]


def test_a_command_that_a_product_lacks_is_shown_where_the_rule_names_its_playbook(house: House) -> None:
    bare = "kind: product\nname: bare\nmetrics: {t: {}}\n---\n"
    rule = "kind: rule\nname: r\nproduct: bare\nwhen: t > 1\nplaybook: restart-then-ask"
    (mistake,) = mistakes(house, bare + rule)
    assert (mistake.file, mistake.line, mistake.key) == ("fleet.yaml", 9, "playbook")
    assert mistakes(house, bare.replace("metrics", "commands: {restart: {}}\nmetrics") + rule) == []


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("kind: playbook\nname: restart-then-ask\nsteps: [{message: customer}, {command: defrost}]", "steps.1.command"),
        (
            "kind: product\nname: heatpump-x\nmetrics: {compressor_temp: {}}\ncommands: {defrost: {}}",
            "commands",
        ),
    ],
)
def test_a_change_may_not_take_a_command_from_a_rule_that_stands(house: House, text: str, key: str) -> None:
    (mistake,) = mistakes(house, text)
    assert mistake.key == key
    assert "compressor-overheat" in mistake.problem
    declare(house, RULE.replace("stage: live", "stage: retired"))
    assert mistakes(house, text) == []


def test_phone_numbers_become_e164(house: House) -> None:
    declare(house, 'kind: customer\nid: c-5\nname: E\nphone: "+33 6 12 34 56 78"')
    with house.database.read() as session:
        assert session.get_one(Customer, "c-5").phone == "+33612345678"


def test_quiet_hours_can_be_switched_off(house: House) -> None:
    declare(house, "kind: customer\nid: c-5\nname: E\nquiet_hours: null")
    with house.database.read() as session:
        row = session.get_one(Customer, "c-5")
        assert (row.quiet_from, row.quiet_to) == (None, None)
        assert (session.get_one(Customer, "c-1").quiet_from, session.get_one(Customer, "c-1").quiet_to) == (
            "21:00",
            "08:00",
        )


RULE = FLEET.split("---")[-1]


def test_another_body_is_another_version(house: House) -> None:
    (applied,) = declare(house, RULE.replace("for: 5m", "for: 6m"))
    assert (applied.outcome, applied.version) == ("changed", 2)
    assert [e.version for e in told(house) if isinstance(e, RuleActivated)] == [1, 2]
    with house.database.read() as session:
        assert session.get_one(RuleVersion, ("compressor-overheat", 1)).body["for"] == "5m"


def test_a_stage_alone_is_no_version(house: House) -> None:
    (applied,) = declare(house, RULE.replace("stage: live", "stage: retired"))
    assert (applied.outcome, applied.version) == ("changed", 1)
    assert told(house)[-1] == RuleRetired("compressor-overheat")


def test_a_rule_without_a_stage_is_a_draft_and_stays_what_it_is(house: House) -> None:
    declare(house, RULE.replace("compressor-overheat", "other").replace("stage: live\n", ""))
    declare(house, RULE.replace("stage: live\n", ""))
    with house.database.read() as session:
        assert {row.name: row.stage for row in session.scalars(select(Rule))} == {
            "compressor-overheat": "live",
            "other": "draft",
        }
    assert [e.name for e in told(house) if isinstance(e, RuleActivated)] == ["compressor-overheat"]


def test_what_a_device_reported_is_overlaid_by_what_was_declared(house: House) -> None:
    with house.database.write() as session:
        session.get_one(Device, "hp-1").reported = {"firmware": "9", "rssi": -60}
    declare(house, "kind: device\nid: hp-1\nproduct: heatpump-x\nattributes: {max_temp: 80}")
    last = told(house)[-1]
    assert isinstance(last, DeviceChanged)
    assert last.attributes == {"firmware": "9", "rssi": -60.0, "max_temp": 80.0}


def test_a_new_owner_is_no_news_for_the_engines(house: House) -> None:
    before = len(told(house))
    device = next(part for part in FLEET.split("---") if "kind: device" in part)
    declare(house, device.replace("customer: c-1\n", ""))
    assert len(told(house)) == before


def test_a_mute_for_a_while_is_not_made_longer_by_a_second_time(house: House) -> None:
    mute = "kind: mute\ndevice: hp-1\nfor: 2h\nreason: works"
    assert [a.outcome for a in declare(house, mute)] == ["created"]
    assert [a.outcome for a in declare(house, mute)] == ["unchanged"]


def test_a_deleted_device_is_told_to_the_engines(house: House) -> None:
    assert house.client.delete("/v1/devices/hp-1").status_code == 204
    assert told(house)[-1] == DeviceDeleted("hp-1")
