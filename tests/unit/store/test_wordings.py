"""Makers' own words at rest: versions, what is in force, and the mark by which others see a change."""

import pytest

from domain.messages import Channel
from domain.wordings import Override
from store import wordings
from store.tables import Event
from store.wordings import SqlWordings
from tests.fakes.outbox_rows import START, House


@pytest.fixture
def house(tmp_path):
    built = House(tmp_path)
    yield built
    built.database.close()


def own(text, maker="thermia"):
    return Override(maker, "opening", Channel.SMS, 0, {"en": {"text": text}})


def put(house, override):
    with house.database.write() as session:
        return wordings.put(session, override, now=START).version


def test_nothing_is_read_while_nothing_changed(house):
    source = SqlWordings(house.database)
    assert source.changed(0) is None
    put(house, own("a"))
    mark, (found,) = source.changed(0)
    assert found == Override("thermia", "opening", Channel.SMS, 1, {"en": {"text": "a"}})
    assert source.changed(mark) is None


def test_the_newest_version_of_each_name_is_in_force(house):
    assert [put(house, own("a")), put(house, own("b")), put(house, own("c", maker=""))] == [1, 2, 1]
    _, found = SqlWordings(house.database).changed(0)
    assert {(one.name, one.version, one.words["en"]["text"]) for one in found} == {
        ("thermia.opening.sms", 2, "b"),
        ("opening.sms", 1, "c"),
    }


def test_withdrawing_is_a_change_too_and_keeps_the_history(house):
    put(house, own("a"))
    mark, _ = SqlWordings(house.database).changed(0)
    with house.database.write() as session:
        wordings.withdraw(session, wordings.current(session, "thermia.opening.sms"), now=START)
    assert SqlWordings(house.database).changed(mark) == (mark + 1, [])
    assert put(house, own("a")) == 3
    with house.database.read() as session:
        kinds = [event.kind for event in session.query(Event).order_by(Event.id) if event.kind.startswith("template")]
    assert kinds == ["template.changed", "template.withdrawn", "template.changed"]
