"""How deliveries end that no provider brought to an end: receipts that say no, and what a person decides."""

from datetime import timedelta

import pytest

from domain.delivery import Accepted, ChannelRefused, Ended, InDoubt, Submitting
from domain.errors import Conflict, NotFound
from domain.lines import Line
from domain.messages import Channel, MessageStage, MessageState, Refusal
from domain.outbox import Content, Receipt
from store import lines, receipts, settling
from store.tables import Customer, Ticket
from tests.fakes.outbox_rows import START, House

LINE = Line("twilio", "+33700000000", "FR")


@pytest.fixture
def house(tmp_path):
    built = House(tmp_path)
    yield built
    built.database.close()


def take(box):
    return next(iter(box.take(1)), None)


def accepted(house, provider_id="SM1"):
    box = house.outbox()
    pending = take(box)
    box.write([(pending, Submitting(Channel.SMS, "+33612345678", Content("hello"), LINE, patience_s=10))])
    box.write([(pending, Accepted(Receipt(provider_id, MessageState.ACCEPTED), attempt=pending.attempt + 1))])


def undelivered(house, refusal, *, provider_id="SM1"):
    told = Receipt(
        provider_id, MessageState.UNDELIVERED, code="3000x", detail="the carrier says 3000x", refusal=refusal
    )
    with house.database.write() as session:
        return receipts.receipt(session, told, now=house.clock.now(), message_id=1)


def test_a_phone_that_is_off_is_tried_three_times_more_and_then_another_channel(house):
    house.plan()
    for number, pause_s in enumerate((60, 600, 3600), start=1):
        accepted(house, f"SM{number}")
        assert undelivered(house, Refusal.UNREACHABLE, provider_id=f"SM{number}")
        wait_s = (house.message().not_before - house.clock.now()).total_seconds()
        assert 0.9 * pause_s <= wait_s <= 1.1 * pause_s
        assert take(house.outbox()) is None
        house.clock.advance(seconds=wait_s)
    accepted(house, "SM4")
    undelivered(house, Refusal.UNREACHABLE, provider_id="SM4")
    again = take(house.outbox())
    assert again.refused == {Channel.SMS}
    assert again.brief.recipient.refused == {}  # the number may well be right


def test_a_text_that_arrived_after_all_is_not_sent_again(house):
    house.plan()
    accepted(house)
    undelivered(house, Refusal.UNREACHABLE)
    with house.database.write() as session:
        receipts.receipt(session, Receipt("SM1", MessageState.DELIVERED), now=house.clock.now(), message_id=1)
    house.clock.advance(hours=2)
    assert house.message().state == MessageState.DELIVERED
    assert take(house.outbox()) is None


def test_a_look_up_that_finds_it_undelivered_goes_on_as_a_receipt_does(house):
    house.plan()
    box = house.outbox()
    pending = take(box)
    box.write([(pending, Submitting(Channel.SMS, "+33612345678", Content("hello"), LINE, patience_s=10))])
    told = Receipt("SM1", MessageState.UNDELIVERED, code="30006", refusal=Refusal.BAD_ADDRESS)
    box.write([(pending, Accepted(told, attempt=1, by_look_up=True))])
    assert house.message().state == MessageState.READY
    again = take(house.outbox())
    assert (again.channel, again.refused) == (None, {Channel.SMS})


@pytest.mark.parametrize("again", [False, True])
def test_an_old_receipt_that_comes_late_does_not_stand_for_the_next_try(house, again):
    house.plan()
    accepted(house)
    undelivered(house, Refusal.UNREACHABLE)
    if again:
        house.clock.advance(seconds=70)
        box = house.outbox()
        box.write([(take(box), Submitting(Channel.SMS, "+33612345678", Content("hello"), LINE, patience_s=10))])
    with house.database.write() as session:
        assert receipts.receipt(session, Receipt("SM1", MessageState.SENT), now=house.clock.now(), message_id=1)
    assert house.message().state == (MessageState.SUBMITTING if again else MessageState.READY)
    assert house.message().provider_id is None


def test_a_receipt_of_a_text_given_up_in_doubt_is_none_of_the_mail_that_followed(house):
    house.plan()
    box = house.outbox()
    pending = take(box)
    box.write([(pending, Submitting(Channel.SMS, "+33612345678", Content("hello"), LINE, patience_s=10))])
    box.write([(pending, ChannelRefused(Refusal.UNKNOWN_OUTCOME, "nobody knows"))])
    relay = Line("smtp", "care@thermia.example")
    box.write([(take(box), Submitting(Channel.EMAIL, "alice@example.net", Content("hello"), relay, patience_s=10))])
    with house.database.write() as session:
        late = Receipt("SM1", MessageState.SENT)
        assert not receipts.receipt(session, late, now=house.clock.now(), message_id=1, provider="twilio")
    assert (house.message().state, house.message().provider_id) == (MessageState.SUBMITTING, None)


def test_what_lay_in_a_queue_for_too_long_is_sent_again_if_it_is_still_true(house):
    house.plan()
    accepted(house)
    undelivered(house, Refusal.EXPIRED)
    house.change(Ticket, 1, state="resolved")
    again = take(house.outbox())
    assert (again.refused, again.brief.ticket_open) == (frozenset(), False)


def test_texts_that_carriers_filter_break_the_line_and_take_another_channel(house):
    house.plan()
    accepted(house)
    undelivered(house, Refusal.MISCONFIGURED)
    assert take(house.outbox()).refused == {Channel.SMS}
    with house.database.read() as session:
        (breaker,) = lines.breakers(session)
    assert (breaker.line, breaker.reason) == (LINE, "the carrier says 3000x")


def in_doubt(house):
    house.plan()
    box = house.outbox()
    pending = take(box)
    box.write([(pending, Submitting(Channel.SMS, "+33612345678", Content("hello"), LINE, patience_s=10))])
    box.write([(pending, InDoubt("nobody knows"))])


def decide(house, what, *args, **kwargs):
    with house.database.write() as session:
        what(session, *args, actor="agent", now=house.clock.now(), **kwargs)


def test_a_person_knows_that_it_arrived(house):
    in_doubt(house)
    decide(house, settling.settle, 1, arrived=True)
    assert (house.message().state, house.message().reason) == (MessageState.DELIVERED, "agent says that it arrived")
    assert house.message().accepted_at == START
    with pytest.raises(Conflict, match="message 1 is delivered; this is for one that is in_doubt"):
        decide(house, settling.settle, 1, arrived=False)


def test_a_person_has_it_sent_again(house):
    in_doubt(house)
    decide(house, settling.settle, 1, arrived=False)
    again = take(house.outbox())
    assert (again.state, again.attempt, again.tries) == (MessageState.READY, 1, 0)
    assert house.timeline()[-1] == "message_redriven"


def test_what_failed_is_sent_to_the_mended_address(house):
    house.plan(MessageStage.ON_THE_WAY)
    box = house.outbox()
    pending = take(box)
    box.write([(pending, Submitting(Channel.SMS, "+33612345678", Content("hello"), LINE, patience_s=10))])
    box.write([(pending, Ended(MessageState.FAILED, Refusal.BAD_ADDRESS, "no such number"))])
    house.change(Customer, "c-1", phone="+33699999999")
    house.clock.advance(hours=5)
    decide(house, settling.redrive, 1)
    again = take(house.outbox())
    assert again.brief.recipient.address(Channel.SMS) == "+33699999999"
    assert (again.refused, again.tries) == (frozenset(), 0)
    assert again.expires_at == house.clock.now() + timedelta(hours=2)
    with pytest.raises(Conflict):
        decide(house, settling.redrive, 1)
    with pytest.raises(NotFound):
        decide(house, settling.redrive, 99)


def test_messages_that_wait_for_a_person_are_counted(house):
    in_doubt(house)
    with house.database.read() as session:
        assert settling.stuck(session) == {"in_doubt": 1}
