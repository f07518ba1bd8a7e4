"""Commands to devices: what may be asked for, and what becomes of it."""

from typing import Any

import pytest

from domain.errors import Conflict, NotFound, SourceError
from domain.tickets import CommandState
from store.tables import Command, Device, Due
from tests.fakes.desk import Desk
from tickets.service import check_args, queue_command

PROPERTIES = {
    "celsius": {"type": "number", "minimum": 40, "maximum": 90, "required": True},
    "mode": {"type": "string", "enum": ["eco", "normal"], "default": "eco"},
    "label": {"type": "string", "maxLength": 5},
    "quick": {"type": "boolean"},
    "times": {"type": "integer"},
}


def queue(desk: Desk, name: str = "restart", device: str = "hp-1", **args: Any) -> Command:
    with desk.write() as session:
        return queue_command(session, device, name, args, asked_by="agent", now=desk.now)


def test_a_command_is_queued_with_its_time_limit(desk: Desk) -> None:
    command = queue(desk)
    assert (command.state, command.idempotent, command.timeout_s) == ("queued", True, 300.0)
    (waiting,) = desk.rows(Due)
    assert (waiting.kind, waiting.ref) == ("command_timeout", command.id)
    assert "command.queued" in desk.feed()
    desk.device_answers("done", detail="ok")
    (command,) = desk.rows(Command)
    assert (command.state, command.detail, command.finished_at) == ("done", "ok", desk.now)
    assert desk.rows(Due) == []


def test_one_command_at_a_time(desk: Desk) -> None:
    queue(desk)
    with pytest.raises(Conflict, match="busy"):
        queue(desk, "set_limit", celsius=60)
    queue(desk, device="hp-2")
    desk.device_answers("failed", nth=0)
    queue(desk)


def test_only_what_the_product_declares_can_be_asked_for(desk: Desk) -> None:
    with desk.write() as session:
        session.add(Device(id="bare", registered_at=desk.now))
    for device, name in (("hp-1", "explode"), ("bare", "restart"), ("nothing", "restart")):
        with pytest.raises(NotFound):
            queue(desk, name, device)


def test_a_command_that_was_never_sent_times_out_for_good(desk: Desk) -> None:
    queue(desk)
    desk.advance(minutes=6)
    (command,) = desk.rows(Command)
    assert (command.state, command.detail) == (CommandState.TIMED_OUT, "it was never sent")


def test_an_answer_to_nothing_is_no_error(desk: Desk) -> None:
    queue(desk)
    with desk.write() as session:
        from tickets.service import on_answer

        assert on_answer(session, "unknown", status="done", detail="", now=desk.now) == []
    desk.device_answers("what?")
    assert desk.rows(Command)[0].state == "queued"


def test_good_arguments_pass_and_get_their_defaults() -> None:
    assert check_args({"celsius": 60}, PROPERTIES) == {"celsius": 60, "mode": "eco"}
    assert check_args({}, {}) == {}


@pytest.mark.parametrize(
    ("args", "key", "hint"),
    [
        ({"celsius": "hot"}, "args.celsius", "number"),
        ({"celsius": True}, "args.celsius", "number"),
        ({"celsius": 20}, "args.celsius", "at least 40"),
        ({"celsius": 95}, "args.celsius", "at most 90"),
        ({}, "args.celsius", "required"),
        ({"celsius": 60, "mode": "boost"}, "args.mode", "eco, normal"),
        ({"celsius": 60, "label": "too long"}, "args.label", "5 characters"),
        ({"celsius": 60, "times": 1.5}, "args.times", "integer"),
        ({"celsius": 60, "quick": 1}, "args.quick", "boolean"),
        ({"celcius": 60}, "args.celcius", "did you mean celsius"),
    ],
)
def test_wrong_arguments_say_what_would_be_right(args: dict[str, Any], key: str, hint: str) -> None:
    with pytest.raises(SourceError) as wrong:
        check_args(args, PROPERTIES)
    assert wrong.value.key == key
    assert hint in str(wrong.value)
