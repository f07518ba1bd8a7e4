"""Feed and outbox on PostgreSQL, where transactions overlap."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from domain.delivery import Accepted, Submitting
from domain.lines import Line
from domain.messages import Channel, MessageStage, MessageState
from domain.outbox import Content, Receipt
from domain.wordings import Override
from store import events, receipts, template_alerts, wordings
from store.database import Database
from store.tables import Base, Event, Message
from tests.fakes.outbox_rows import START, House
from tests.fakes.postgres import postgres


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


@pytest.fixture
def house(server: str, tmp_path: Path) -> Iterator[House]:
    cleared = Database(server)
    Base.metadata.drop_all(cleared.engine)
    cleared.close()
    built = House(tmp_path, url=server)
    yield built
    built.database.close()


def told(house: House, last: int = 0) -> list[tuple[int, str]]:
    with house.database.read() as session:
        return [(one.id, one.kind) for one in events.after(session, last)]


def test_what_commits_later_stands_later_in_the_feed(house: House) -> None:
    with house.database.write() as slow:
        events.publish(slow, "slow.news", at=START)
        slow.flush()
        with house.database.write() as fast:
            events.publish(fast, "fast.news", at=START)
        ((seen, _),) = told(house)
    assert [kind for _, kind in told(house, seen)] == ["slow.news"]


def test_nobody_who_follows_misses_anything(house: House) -> None:
    writers, each = 4, 25

    def write(number: int) -> None:
        for n in range(each):
            with house.database.write() as session:
                events.publish(session, f"w{number}.{n}", at=START)
                session.flush()
                events.publish(session, f"w{number}.{n}b", at=START)

    threads = [threading.Thread(target=write, args=(number,)) for number in range(writers)]
    for thread in threads:
        thread.start()
    seen: list[tuple[int, str]] = []
    while any(thread.is_alive() for thread in threads):
        seen += told(house, seen[-1][0] if seen else 0)
    seen += told(house, seen[-1][0] if seen else 0)
    assert len(seen) == writers * each * 2
    for number in range(writers):
        mine = [kind for _, kind in seen if kind.startswith(f"w{number}.")]
        assert mine == [f"w{number}.{n}{tail}" for n in range(each) for tail in ("", "b")]


def test_what_is_taken_back_is_not_told(house: House) -> None:
    with house.database.write() as session:
        events.publish(session, "before", at=START)
        outer = session.begin_nested()
        events.publish(session, "outer", at=START)
        with session.begin_nested():
            events.publish(session, "inner", at=START)
        outer.rollback()
        with session.begin_nested():
            events.publish(session, "kept", at=START)
        events.publish(session, "after", at=START)
    with house.database.write() as session:
        events.publish(session, "never", at=START)
        session.rollback()
    assert [kind for _, kind in told(house)] == ["before", "kept", "after"]
    with house.database.read() as session:
        assert session.query(Event).count() == 3


def test_of_senders_that_fail_with_one_template_at_once_one_tells_the_dispatcher(house: House) -> None:
    house.plan()
    message_id = house.message().id

    def fail() -> None:
        with house.database.write() as session:
            message = session.get_one(Message, message_id)
            template_alerts.alert(session, message, template="sms/opening.en.txt", problem="broken", now=START)

    threads = [threading.Thread(target=fail) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
    with house.database.read() as session:
        assert session.query(Message).filter_by(stage=MessageStage.TEMPLATE_BROKEN).count() == 1


def test_own_words_are_found_again_in_their_newest_version(house: House) -> None:
    for text in ("a", "b"):
        own = Override("thermia", "opening", Channel.SMS, 0, {"en": {"text": text}})
        with house.database.write() as session:
            wordings.put(session, own, now=START)
    news = wordings.SqlWordings(house.database).changed(0)
    assert news is not None
    assert [(one.version, one.words) for one in news[1]] == [(2, {"en": {"text": "b"}})]


def test_two_receipts_at_once_do_not_go_backwards(house: House) -> None:
    house.plan()
    box = house.outbox()
    (pending,) = box.take(1)
    line = Line("twilio", "+33700000000", "FR")
    box.write([(pending, Submitting(Channel.SMS, "+336", Content("hello"), line, 10.0))])
    box.write([(pending, Accepted(Receipt("SM1", MessageState.ACCEPTED), 1))])

    def late() -> None:
        with house.database.write() as session:
            receipts.receipt(session, Receipt("SM1", MessageState.SENT), now=START)

    thread = threading.Thread(target=late)
    with house.database.write() as session:
        receipts.receipt(session, Receipt("SM1", MessageState.DELIVERED), now=START)
        session.flush()
        thread.start()
        thread.join(0.5)  # it has read by now, or waits
    thread.join(10)
    assert house.message().state == MessageState.DELIVERED
