"""Whatever the order: nothing goes out once the end of a ladder is committed, and none ends in silence."""

import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from domain.messages import BAD_NEWS, MessageState, ReplyIntent, Retry
from domain.tickets import TicketState
from store.tables import Fault, Ticket
from tests.fakes.stairs import Stairs
from tickets import lifecycle, recovery, service

STATES = st.sampled_from(
    [MessageState.SENT, MessageState.DELIVERED, MessageState.UNDELIVERED, MessageState.FAILED, MessageState.ACCEPTED]
)


class Climbing(RuleBasedStateMachine):
    """One ladder, of danger or of a critical fault."""

    @initialize(severity=st.sampled_from(["critical", "safety"]))
    def tell(self, severity):
        self.folder = tempfile.TemporaryDirectory()
        self.stairs = Stairs(Path(self.folder.name), severity=severity)
        self.ended_at: int | None = None
        self.somebody_has_it = False
        self.stairs.tell(send=False)

    def end(self):
        """What was taken until now is all that is ever taken."""
        if self.ended_at is None:
            self.ended_at = len(self.stairs.calls())
        self.somebody_has_it = True

    @rule(minutes=st.sampled_from([2, 6, 11, 16]), send=st.booleans())
    def time_passes(self, minutes, send):
        self.stairs.after(minutes=minutes, send=send)

    @rule()
    def the_sender_works(self):
        self.stairs.send()

    @rule()
    def the_sender_starts_again(self):
        self.stairs.restart()

    @rule(line=st.sampled_from(["sms", "voice"]), how=st.sampled_from([Retry.SAFE, Retry.NEVER]))
    def a_provider_turns_one_down(self, line, how):
        self.stairs.lines[line].refusals.append(how)

    @rule(state=STATES, nth=st.integers(0, 5))
    def a_receipt_comes(self, state, nth):
        taken = [one for one in self.stairs.messages() if one.provider_id]
        if nth < len(taken):
            self.stairs.receipt(state, nth=nth)

    @rule(intent=st.sampled_from([ReplyIntent.ACKNOWLEDGED, ReplyIntent.UNCLEAR]))
    def alice_answers(self, intent):
        self.stairs.reply(intent)
        self.end()

    @rule()
    def an_agent_takes_it(self):
        waiting = {row.rung for row in self.stairs.messages() if row.stage in BAD_NEWS and row.state in _WAITING}
        self.stairs.do(service.assign, 1, "sam", actor="agent")
        self.somebody_has_it = True
        if 0 not in waiting:
            self.end()

    @rule()
    def the_ticket_is_closed(self):
        with self.stairs.database.write() as session:
            ticket, now = session.get_one(Ticket, 1), self.stairs.clock.now()
            if lifecycle.is_open(ticket):
                lifecycle.end(session, ticket, TicketState.CLOSED, by="agent", actor="agent", now=now, reason="done")
        self.end()

    @rule()
    def it_recovers(self):
        with self.stairs.database.write() as session:
            ticket, now = session.get_one(Ticket, 1), self.stairs.clock.now()
            fault = session.get_one(Fault, 1)
            fault.state, fault.end_reason, fault.resolved_at = "resolved", "cleared", now
            recovery.on_fault_end(session, ticket, fault, now=now)
        self.end()

    @invariant()
    def nothing_is_sent_after_the_end(self):
        if getattr(self, "ended_at", None) is not None:
            assert len(self.stairs.calls()) == self.ended_at

    @invariant()
    def each_rung_once(self):
        if hasattr(self, "stairs"):
            assert len(set(self.stairs.calls())) == len(self.stairs.calls())

    def teardown(self):
        """A day later at the latest somebody has it, and nothing more is said."""
        if not hasattr(self, "stairs"):
            return
        try:
            self.stairs.restart()
            self.stairs.after(days=1)
            self.nothing_is_sent_after_the_end()
            self.each_rung_once()
            if not self.somebody_has_it:
                assert "call_wanted" in [row.stage for row in self.stairs.messages()]
                assert self.stairs.ticket().state == TicketState.PENDING_AGENT
        finally:
            self.stairs.database.close()
            self.folder.cleanup()


_WAITING = {MessageState.HELD, MessageState.READY, MessageState.SUBMITTING}

TestClimbing = Climbing.TestCase
TestClimbing.settings = settings(max_examples=60, stateful_step_count=10, deadline=None)
