"""Nobody reachable: an agent is told once, and only if really nobody was, or is about to be, told."""

from domain.messages import MessageStage, MessageState
from domain.tickets import TicketState
from store.tables import Message
from tickets.unreached import on_unreached


def silence(desk, *, but=0):
    with desk.write() as session:
        for message in session.query(Message).where(Message.id != but, Message.recipient_kind == "customer"):
            message.state, message.reason = MessageState.SUPPRESSED, "this number cannot be reached"


def test_an_agent_is_told_once_and_why(desk):
    desk.fires()
    silence(desk)
    for _ in range(2):
        desk.do(on_unreached, desk.ticket.id)
    assert desk.stages().count(MessageStage.NOBODY_REACHABLE) == 1
    assert desk.state is TicketState.PENDING_AGENT
    (note,) = [entry for entry in desk.entries() if entry.kind == "nobody_reachable"]
    assert note.detail["reason"] == "nobody can be reached: this number cannot be reached"
    told = [one for one in desk.rows(Message) if one.stage == MessageStage.NOBODY_REACHABLE]
    assert [one.recipient_kind for one in told] == ["dispatcher"]


def test_nobody_is_told_while_a_message_is_under_way_or_was_heard_or_the_ticket_is_over(desk):
    desk.fires()
    desk.do(on_unreached, desk.ticket.id)
    desk.deliver()
    desk.do(on_unreached, desk.ticket.id)
    assert MessageStage.NOBODY_REACHABLE not in desk.stages()
    desk.clears()
    silence(desk)
    desk.advance(hours=1)
    desk.do(on_unreached, desk.ticket.id)
    assert MessageStage.NOBODY_REACHABLE not in desk.stages()


def test_who_was_told_in_a_summary_was_told(desk):
    desk.fires()
    with desk.write() as session:
        summary = Message(
            stage="digest",
            recipient_kind="customer",
            recipient_id="c-1",
            state=MessageState.DELIVERED,
            not_before=desk.now,
            created_at=desk.now,
        )
        session.add(summary)
        session.flush()
        for message in session.query(Message).where(Message.stage == "opening"):
            message.state, message.folded_into = MessageState.SUPPRESSED, summary.id
    desk.do(on_unreached, desk.ticket.id)
    assert MessageStage.NOBODY_REACHABLE not in desk.stages()
    desk.clears()
    desk.advance(hours=1)
    assert MessageStage.RESOLVED in desk.stages()
