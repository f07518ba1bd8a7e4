"""What the digits of a message mean: one table beside the texts that offer them, and a test that holds them together.

Pure. A digit answers the last message on the thread that offered any; before the first one it is an opening's.
"""

from collections.abc import Mapping

from domain.messages import MessageStage, ReplyIntent

Choices = Mapping[str, ReplyIntent]
"""By what is answered: a digit that the text offers, or "yes" and "no" where it can be answered so."""

_FAULT: Choices = {"1": ReplyIntent.FIXED, "2": ReplyIntent.SEND_SOMEONE, "3": ReplyIntent.CALL_ME}
CHOICES: Mapping[MessageStage, Choices] = {
    MessageStage.OPENING: _FAULT,
    MessageStage.OPENING_AFTER_REMOTE_TRY: _FAULT,
    MessageStage.RELAPSED: _FAULT,
    MessageStage.UNSTABLE: {"2": ReplyIntent.SEND_SOMEONE},
    MessageStage.VISIT_CONFIRMED: {"3": ReplyIntent.CALL_ME, "yes": ReplyIntent.ACKNOWLEDGED},
    MessageStage.VISIT_TIME: {"2": ReplyIntent.SEND_SOMEONE, "3": ReplyIntent.CALL_ME},
    MessageStage.HELP: {"3": ReplyIntent.CALL_ME},
}
ASKING = frozenset(CHOICES) | {MessageStage.WHICH_ONE}
"""The stages whose text offers digits; those of `which_one` are the things that it lists."""


def choices_of(asked: MessageStage | None) -> Choices:
    """What can be answered to that question."""
    return CHOICES.get(asked or MessageStage.OPENING, {})
