"""What a mail needs to know of those before it: the thread it belongs to, and whether it may be refused."""

from pathlib import Path

import pytest

from domain.links import Purpose as LinkPurpose
from domain.messages import Channel, MessageStage, MessageState, Purpose
from domain.outbox import Brief, MailThread
from store.briefs import BriefWriter
from store.tables import Message
from tests.fakes.outbox_rows import DISPATCHER, House


@pytest.fixture
def house(tmp_path: Path):
    built = House(tmp_path)
    yield built
    built.database.close()


def brief(house: House, number: int) -> Brief:
    with house.database.read() as session:
        message = session.get_one(Message, number)
        return BriefWriter(house.signer, DISPATCHER).write(session, message, now=house.clock.now())


def mailed(house: House, number: int, subject: str, **changes) -> None:
    usual = {"channel": Channel.EMAIL, "state": MessageState.ACCEPTED, "provider_id": f"<{number}@thermia.example>"}
    house.change(Message, number, **{**usual, "accepted_at": house.clock.now(), "subject": subject, **changes})


def test_what_follows_answers_the_first_mail_that_went_out(house):
    (opening,) = house.plan()
    assert brief(house, opening).thread is None
    mailed(house, opening, "Your pump stops")
    (second,) = house.plan(MessageStage.CALL_PROMISED)
    assert brief(house, second).thread == MailThread(f"<{opening}@thermia.example>", "Your pump stops")
    house.clock.advance(seconds=60)
    mailed(house, second, "Re: Your pump stops")
    (third,) = house.plan(MessageStage.RELAPSED, "2")
    assert brief(house, third).thread == MailThread(f"<{opening}@thermia.example>", "Your pump stops")


@pytest.mark.parametrize("change", [{"channel": Channel.SMS}, {"state": MessageState.FAILED}, {"recipient_id": "c-2"}])
def test_what_did_not_reach_this_person_by_mail_starts_no_thread(house, change):
    (opening,) = house.plan()
    mailed(house, opening, "Your pump stops", **change)
    (second,) = house.plan(MessageStage.CALL_PROMISED)
    assert brief(house, second).thread is None


def test_a_customer_may_refuse_what_is_no_danger_and_who_works_here_does_not_subscribe(house):
    (opening,) = house.plan()
    link = brief(house, opening).unsubscribe
    assert house.signer.open(LinkPurpose.UNSUBSCRIBE, link.rpartition("/")[2]) == opening
    house.change(Message, opening, purpose=Purpose.SAFETY)
    assert brief(house, opening).unsubscribe == ""
    (call,) = house.plan(MessageStage.CALL_WANTED)
    assert brief(house, call).unsubscribe == ""
