"""The consent ledger: the newest word counts, and one about an address lapses with it."""

import pytest

from domain.messages import Channel, Purpose, RecipientKind
from store import consent, people
from store.consent import Source
from store.tables import Consent, Customer
from tests.fakes.outbox_rows import START, House

SMS, EMAIL = Channel.SMS, Channel.EMAIL


@pytest.fixture
def house(tmp_path):
    built = House(tmp_path)
    yield built
    built.database.close()


def say(house, *, granted, source, channels=(SMS,), **rest):
    with house.database.write() as session:
        consent.record(
            session,
            RecipientKind.CUSTOMER,
            "c-1",
            channels=channels,
            granted=granted,
            source=source,
            actor="test",
            now=START,
            **rest,
        )


def refused(house):
    with house.database.read() as session:
        return people.customer(session, "c-1").refused


def test_who_never_said_anything_refuses_nothing(house):
    assert refused(house) == {}


def test_the_newest_word_counts_and_every_word_stays(house):
    say(house, granted=False, source=Source.STOP, evidence="stop please")
    assert set(refused(house)) == {(SMS, purpose) for purpose in Purpose}
    say(house, granted=True, source=Source.START)
    assert refused(house) == {}
    with house.database.read() as session:
        assert [entry.source for entry in session.query(Consent)] == ["stop", "start"]


def test_one_purpose_may_be_refused_alone(house):
    say(house, granted=False, source=Source.UNSUBSCRIBE, channels=[EMAIL], purposes=[Purpose.SERVICE])
    assert refused(house) == {(EMAIL, Purpose.SERVICE): "unsubscribe"}


def test_a_dead_number_is_forgotten_with_the_number(house):
    say(house, granted=False, source=Source.DEAD_NUMBER, address="+33612345678")
    assert refused(house)[SMS, Purpose.SERVICE] == "dead_number"
    house.change(Customer, "c-1", phone="+33699999999")
    assert refused(house) == {}
    house.change(Customer, "c-1", phone="+33612345678")
    assert refused(house)[SMS, Purpose.SERVICE] == "dead_number"


def test_a_start_also_says_that_the_number_works_again(house):
    say(house, granted=False, source=Source.DEAD_NUMBER, address="+33612345678")
    say(house, granted=True, source=Source.START)
    assert refused(house) == {}
