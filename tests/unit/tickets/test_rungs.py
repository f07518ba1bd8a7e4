"""A playbook's own ladder: what can be written, and what a mistake is told."""

import pytest

from domain.errors import SourceError
from domain.ladders import Ladder, Rung, Until, Whom
from domain.messages import Channel
from tickets.playbooks import parse_playbook


def test_a_ladder_is_read_from_the_bottom_up():
    raw = [{"on": ["sms", "voice"], "wait": "5m"}, {"to": "contact", "wait": "1h", "until": "delivered"}, "human"]
    assert parse_playbook({"ladder": raw}).ladder == Ladder(
        (Rung(300.0, channels=(Channel.SMS, Channel.VOICE)), Rung(3600.0, Until.DELIVERED, whom=Whom.CONTACT)),
        human=True,
    )
    assert parse_playbook({"ladder": [{"on": "email"}]}).ladder == Ladder((Rung(1800.0, channels=(Channel.EMAIL,)),))
    assert parse_playbook({}).ladder is None


@pytest.mark.parametrize(
    ("ladder", "key", "words"),
    [
        ([], "ladder", "at least one rung"),
        (["human"], "ladder", "at least one rung"),
        (["human", {"on": ["sms"]}], "ladder.0", "a person is the last rung"),
        (["sms"], "ladder.0", "'sms' is no rung"),
        ([{"on": ["telex"]}], "ladder.0.on", "'telex' is not known here"),
        ([{"on": {"sms": 1}}], "ladder.0.on", "is no list of channels"),
        ([{"to": "boss"}], "ladder.0.to", "'boss' is not known here"),
        ([{"until": "read"}], "ladder.0.until", "'read' is not known here"),
        ([{"wait": "0s"}], "ladder.0.wait", "needs some time"),
        ([{"wait": "soon"}], "ladder.0.wait", "soon"),
        ([{"via": "sms"}], "ladder.0.via", "unknown key"),
    ],
)
def test_a_mistake_is_told_with_its_key_and_what_would_be_right(ladder, key, words):
    with pytest.raises(SourceError) as told:
        parse_playbook({"ladder": ladder})
    assert told.value.key == key
    assert words in str(told.value)
