"""An answer, the next rung and two senders at the same moment, each in a process's place, on both databases."""

import threading
from collections.abc import Iterator

import pytest

from app import pipeline
from domain.errors import StoreUnavailable
from domain.messages import MessageState
from store import due
from store.database import Database
from store.tables import Base
from tests.fakes.postgres import postgres
from tests.fakes.stairs import Stairs

ROUNDS = 5


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres() as url:
        yield url


def _houses(tmp_path, url):
    for number in range(ROUNDS):
        folder = tmp_path / str(number)
        folder.mkdir()
        if url:
            database = Database(url)
            Base.metadata.drop_all(database.engine)
            database.close()
        house = Stairs(folder, url=url)
        house.tell()
        house.clock.advance(minutes=11)
        house.wall.advance(660)
        yield house
        house.database.close()


def _at_once(*acts, locks_all):
    gate, raised = threading.Barrier(len(acts)), []

    def run(act):
        gate.wait()
        for _ in range(20):
            try:
                act()
            except StoreUnavailable as exc:
                if locks_all:
                    continue  # SQLite has one lock: a worker's loop tries again
                raised.append(exc)
            except Exception as exc:  # noqa: BLE001
                raised.append(exc)
            return

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert raised == []


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
@pytest.mark.parametrize("planned", [False, True], ids=["while it is planned", "while it is claimed"])
def test_once_an_answer_is_committed_no_rung_goes_out(tmp_path, request, kind, planned):
    url = request.getfixturevalue("server") if kind == "postgresql" else ""
    for house in _houses(tmp_path, url):
        _one_round(house, planned=planned, sqlite=kind == "sqlite")


def _one_round(house, *, planned, sqlite):
    with house.database.read() as session:
        rung = due.oldest(session, now=house.clock.now()).id

    def climb():
        with house.database.write() as session:
            pipeline.on_due(session, rung, now=house.clock.now())

    def work():
        house.restart()
        while house.sender.step():
            pass

    if planned:
        climb()
        _at_once(house.reply, work, locks_all=sqlite)
    else:
        _at_once(climb, house.reply, locks_all=sqlite)
    before = len(house.calls())
    house.wall.advance(3600)
    house.after(hours=5)
    assert len(house.calls()) == before
    calls = [one for one in house.messages() if one.stage == "opening"][1:]
    assert all(one.state in {MessageState.SUPERSEDED, MessageState.ACCEPTED} for one in calls)
    assert all(one.ladder_over for one in house.messages() if one.stage == "opening")
