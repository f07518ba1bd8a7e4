"""Who says whether a fault was real, whose word counts, and what a false alarm ends."""

import pytest

from dispatch import service as dispatching
from domain.errors import SourceError
from domain.faults import Severity
from domain.messages import MessageStage, ReplyIntent
from domain.tickets import TicketState
from domain.verdicts import ClosingCode
from store.tables import Fault, Verdict, Visit
from tests.fakes.desk import Desk
from tickets import service

FALSE_ALARM, REAL = "false_alarm", "real"
WRONG = ReplyIntent.FALSE_ALARM


def says(desk: Desk, actor: str, word: str, *, nth: int = -1) -> None:
    desk.do(service.verdict, desk.rows(Fault)[nth].id, word, actor=actor)


def in_force(desk: Desk, nth: int = -1) -> tuple[str, str]:
    fault = desk.rows(Fault)[nth]
    return fault.verdict, fault.verdict_by


def visited(desk: Desk) -> None:
    """A technician is on site."""
    desk.technician("t-1", skills=())
    desk.fires()
    desk.deliver()
    desk.reply(ReplyIntent.SEND_SOMEONE)
    for move in (dispatching.accept, dispatching.en_route, dispatching.arrive):
        desk.visit_move(move)


def test_the_weightier_word_counts_whatever_comes_later(desk: Desk) -> None:
    desk.fires()
    for actor, word, counts in (
        ("customer:c-1", FALSE_ALARM, (FALSE_ALARM, "customer:c-1")),
        ("technician:t-1", REAL, (REAL, "technician:t-1")),
        ("customer:c-1", REAL, (REAL, "technician:t-1")),
        ("customer:c-1", FALSE_ALARM, (REAL, "technician:t-1")),
        ("agent", FALSE_ALARM, (FALSE_ALARM, "agent")),
        ("technician:t-1", FALSE_ALARM, (FALSE_ALARM, "agent")),
        ("agent", REAL, (REAL, "agent")),
    ):
        says(desk, actor, word)
        assert in_force(desk) == counts
    assert [(one.source, one.verdict) for one in desk.rows(Verdict)] == [
        ("customer", FALSE_ALARM), ("technician", REAL), ("customer", REAL), ("customer", FALSE_ALARM),
        ("agent", FALSE_ALARM), ("technician", FALSE_ALARM), ("agent", REAL),
    ]  # fmt: skip


def test_the_same_word_twice_counts_once(desk: Desk) -> None:
    desk.fires()
    for _ in range(3):
        says(desk, "agent", REAL)
    assert len(desk.rows(Verdict)) == desk.story().count("verdict") == desk.feed().count("fault.verdict") == 1


def test_a_customers_false_alarm_ends_the_ticket_and_says_sorry(desk: Desk) -> None:
    desk.technician("t-1", skills=())
    desk.fires()
    desk.deliver()
    desk.reply(ReplyIntent.SEND_SOMEONE)
    desk.visit_move(dispatching.accept)
    desk.reply(WRONG, text="false alarm")
    assert (desk.state, desk.ticket.closed_by) == (TicketState.RESOLVED, "customer")
    assert in_force(desk) == (FALSE_ALARM, "customer:c-1")
    assert MessageStage.FALSE_ALARM in desk.stages()
    assert desk.rows(Visit)[-1].state == "cancelled"
    assert desk.rows(Verdict)[0].note == "false alarm"
    desk.clears()
    assert MessageStage.RESOLVED not in desk.stages(), "what was no fault is not announced as fixed"


@pytest.mark.parametrize("severity", [Severity.CRITICAL, Severity.SAFETY])
def test_nobody_talks_a_grave_fault_away_but_a_person_looks(desk: Desk, severity: Severity) -> None:
    desk.rule("gas", severity=severity)
    desk.fires("gas", severity=severity)
    desk.deliver()
    desk.reply(WRONG, inbound_id=1)
    assert desk.state is TicketState.PENDING_AGENT
    assert desk.stages()[-1] is MessageStage.CALL_WANTED
    assert in_force(desk) == (FALSE_ALARM, "customer:c-1"), "their word stands in the record all the same"
    says(desk, "technician:t-1", FALSE_ALARM)
    assert desk.state is TicketState.RESOLVED


def test_a_customer_does_not_overrule_an_agent_but_is_heard(desk: Desk) -> None:
    desk.fires()
    desk.deliver()
    says(desk, "agent", REAL)
    desk.reply(WRONG)
    assert in_force(desk) == (REAL, "agent")
    assert desk.state is TicketState.PENDING_AGENT
    assert MessageStage.FALSE_ALARM not in desk.stages()


def test_a_false_alarm_after_the_end_is_kept_and_opens_nothing(desk: Desk) -> None:
    desk.fires()
    desk.deliver()
    desk.clears()
    desk.reply(WRONG)
    assert desk.state is TicketState.RESOLVED
    assert in_force(desk) == (FALSE_ALARM, "customer:c-1")
    assert len(desk.tickets()) == 1


def test_nothing_wrong_ends_a_complaint_that_no_rule_found(desk: Desk) -> None:
    desk.reply(ReplyIntent.UNCLEAR, text="it drips")
    desk.reply(WRONG)
    assert (desk.state, desk.ticket.closed_by) == (TicketState.RESOLVED, "customer")


def test_faults_of_an_earlier_life_keep_their_verdict(desk: Desk) -> None:
    desk.fires()
    desk.deliver()
    says(desk, "technician:t-1", REAL)
    desk.clears()
    desk.advance(days=2)
    desk.fires()
    desk.deliver()
    assert desk.ticket.reopened == 1
    desk.do(service.judge_ticket, desk.ticket.id, FALSE_ALARM, actor="agent")
    assert [fault.verdict for fault in desk.rows(Fault)] == [REAL, FALSE_ALARM]
    assert (desk.state, desk.stages()[-1]) == (TicketState.RESOLVED, MessageStage.FALSE_ALARM)


@pytest.mark.parametrize(
    ("code", "word", "state"),
    [
        (ClosingCode.FIXED, REAL, TicketState.PENDING_DEVICE),
        (ClosingCode.OTHER_CAUSE, REAL, TicketState.PENDING_DEVICE),
        (ClosingCode.NOT_FOUND, FALSE_ALARM, TicketState.RESOLVED),
    ],
)
def test_a_closing_code_is_a_verdict(desk: Desk, code: ClosingCode, word: str, state: TicketState) -> None:
    visited(desk)
    for _ in range(2):
        desk.visit_move(dispatching.complete, code=code, note="looked at it")
    assert in_force(desk) == (word, "technician:t-1")
    (said,) = desk.rows(Verdict)
    assert (said.source, said.code, said.note, said.at) == ("technician", code, "looked at it", desk.now)
    assert desk.state is state
    assert (MessageStage.FALSE_ALARM in desk.stages()) == (word == FALSE_ALARM)


def test_a_closing_code_that_contradicts_the_verdict_is_refused(desk: Desk) -> None:
    visited(desk)
    with pytest.raises(SourceError, match="contradicts"):
        desk.visit_move(dispatching.complete, code=ClosingCode.NOT_FOUND, verdict=REAL)
    assert desk.rows(Verdict) == []
    assert desk.visit.state == "on_site"


def test_a_real_fault_taken_for_a_false_alarm_comes_back_before_people(desk: Desk) -> None:
    desk.fires()
    desk.deliver()
    says(desk, "customer:c-1", FALSE_ALARM)
    desk.advance(minutes=1)
    says(desk, "agent", REAL)
    assert desk.state not in {TicketState.RESOLVED, TicketState.CLOSED}
    assert len(desk.tickets()) == 1
