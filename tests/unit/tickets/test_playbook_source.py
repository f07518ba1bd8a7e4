"""Playbooks as manifests write them, and the mistakes people make in them."""

from typing import Any

import pytest

from domain.errors import SourceError
from tickets.playbooks import CommandStep, MessageStep, Playbook, VerifyStep, VisitPlan, VisitStep, parse_playbook


def test_a_whole_playbook() -> None:
    playbook = parse_playbook(
        {
            "kind": "playbook",
            "name": "restart-then-ask",
            "healthy_for": "10m",
            "close_after": "20m",
            "steps": [
                {"command": {"name": "restart", "args": {"soft": True}, "timeout": "5m"}},
                {"verify": {"for": "15m"}},
                {"message": "customer"},
                {"visit": {"skill": "refrigerant"}},
            ],
            "visit": {"skill": "refrigerant", "duration": "45m", "after": "12h", "answer_within": "10m"},
            "notice": {"en": "It may be cold.", "fr": "Il peut faire froid."},
            "instruction": {"en": "Get out", "fr": "Sortez"},
        }
    )
    assert playbook == Playbook(
        name="restart-then-ask",
        steps=(
            CommandStep("restart", {"soft": True}, 300.0),
            VerifyStep(900.0),
            MessageStep(),
            VisitStep("refrigerant"),
        ),
        healthy_for_s=600.0,
        close_after_s=1200.0,
        visit=VisitPlan("refrigerant", 2700.0, 43_200.0, 600.0),
        notice={"en": "It may be cold.", "fr": "Il peut faire froid."},
        instruction={"en": "Get out", "fr": "Sortez"},
    )


def test_what_is_left_out_has_the_default() -> None:
    assert parse_playbook({"name": "plain"}) == Playbook(name="plain")
    assert Playbook().steps == (MessageStep(),)
    assert (Playbook().healthy_for_s, Playbook().close_after_s, Playbook().visit.after_s) == (0.0, 86_400.0, 86_400.0)


def test_short_forms() -> None:
    steps = [{"command": "restart"}, {"verify": "2m"}, {"message": {"to": "customer", "wait": "2h"}}, {"visit": None}]
    playbook = parse_playbook({"name": "short", "steps": steps})
    assert playbook.steps == (CommandStep("restart"), VerifyStep(120.0), MessageStep(7200.0), VisitStep(None))
    assert playbook.first_hand() == 2


@pytest.mark.parametrize(
    ("body", "key", "hint"),
    [
        ({"heathy_for": "10m"}, "heathy_for", "did you mean healthy_for"),
        ({"name": ""}, "name", "write text"),
        ({"healthy_for": 10}, "healthy_for", "30s"),
        ({"close_after": "soon"}, "close_after", "30s"),
        ({"steps": []}, "steps", "message: customer"),
        ({"steps": "restart"}, "steps", "message: customer"),
        ({"steps": ["restart"]}, "steps.0", "command, verify, message, visit"),
        ({"steps": [{"command": "a", "verify": "2m"}]}, "steps.0", "write one of"),
        ({"steps": [{"mesage": "customer"}]}, "steps.0.mesage", "did you mean message"),
        ({"steps": [{"command": {"args": {}}}]}, "steps.0.command.name", "product's commands"),
        ({"steps": [{"command": {"name": "a", "args": 3}}]}, "steps.0.command.args", "name: value"),
        ({"steps": [{"command": {"name": "a", "timeout": 5}}]}, "steps.0.command.timeout", "30s"),
        ({"steps": [{"command": {"name": "a", "time_out": "5m"}}]}, "steps.0.command.time_out", "timeout"),
        ({"steps": [{"verify": {}}]}, "steps.0.verify.for", "15m"),
        ({"steps": [{"message": "neighbour"}]}, "steps.0.message", "customer"),
        ({"steps": [{"visit": {"skil": "x"}}]}, "steps.0.visit.skil", "did you mean skill"),
        ({"steps": [{"visit": {"skill": 4}}]}, "steps.0.visit.skill", "anybody"),
        ({"visit": {"duration": "0s"}}, "visit.duration", "45m"),
        ({"visit": {"duration": "2d"}}, "visit.duration", "45m"),
        ({"visit": "tomorrow"}, "visit", "skill: refrigerant"),
        ({"notice": {"en": 3}}, "notice", "{en"),
        ({"instruction": "Get out"}, "instruction", "{en"),
    ],
)
def test_mistakes_name_the_key_and_the_cure(body: dict[str, Any], key: str, hint: str) -> None:
    with pytest.raises(SourceError) as wrong:
        parse_playbook({"name": "p", **body})
    assert wrong.value.key == key
    assert hint in str(wrong.value)
