"""What mail systems report: a dead address is told from a full mailbox, and a delay from a failure."""

from email import message_from_bytes

import pytest

from domain.messages import MessageState, Refusal
from notify.bounces import Bounce, bounces_in, is_dead, receipt_of
from tests.fakes.mails import mail, report


def test_a_report_says_what_became_of_which_mail_for_whom() -> None:
    (bounce,) = bounces_in(message_from_bytes(report()))
    assert bounce == Bounce(
        action="failed",
        status="5.1.1",
        recipient="alice@example.net",
        diagnostic="550 5.1.1 no such user here",
        original_id="<prevenant.1-a@thermia.example>",
    )


def test_headers_alone_name_the_mail_as_well() -> None:
    (bounce,) = bounces_in(message_from_bytes(report(returned="text/rfc822-headers", action="delayed")))
    assert (bounce.action, bounce.original_id) == ("delayed", "<prevenant.1-a@thermia.example>")


def test_a_report_about_two_recipients_is_two() -> None:
    second = (
        b"\r\n\r\nFinal-Recipient: rfc822; bob@example.net\r\nAction: delivered\r\nStatus: 2.0.0 (ok)\r\n\r\n--A975"
    )
    raw = report().replace(b"\r\n\r\n--A975C20C1B3.1795549680/relay.example\r\nContent-Description: Und", second + (
        b"C20C1B3.1795549680/relay.example\r\nContent-Description: Und"
    ))  # fmt: skip
    assert [(one.recipient, one.action, one.status) for one in bounces_in(message_from_bytes(raw))] == [
        ("alice@example.net", "failed", "5.1.1"),
        ("bob@example.net", "delivered", "2.0.0"),
    ]


def test_a_person_s_mail_is_no_report() -> None:
    assert bounces_in(message_from_bytes(mail("Final-Recipient: rfc822; a@b\nAction: failed\nStatus: 5.1.1"))) == ()


@pytest.mark.parametrize(
    ("status", "said", "refusal"),
    [
        ("5.1.1", "550 5.1.1 no such user here", Refusal.BAD_ADDRESS),
        ("5.1.10", "556 5.1.10 null MX", Refusal.BAD_ADDRESS),
        ("5.1.2", "domain has no mail", Refusal.BAD_ADDRESS),
        ("5.0.0", "550 User unknown", Refusal.BAD_ADDRESS),
        ("5.0.0", "550 Requested action not taken: mailbox unavailable", Refusal.BAD_ADDRESS),
        ("5.0.0", "550 The address you sent to does not exist", Refusal.BAD_ADDRESS),
        ("5.0.0", "554 transaction failed", Refusal.REJECTED),
        ("5.1.8", "501 5.1.8 bad sender address", Refusal.REJECTED),
        ("5.7.1", "550 5.7.1 user unknown to our spam filter", Refusal.REJECTED),
        ("5.4.4", "unable to route", Refusal.REJECTED),
        ("5.2.2", "552 5.2.2 mailbox full", Refusal.UNREACHABLE),
        ("4.4.1", "connection timed out", Refusal.UNREACHABLE),
        ("4.7.1", "451 4.7.1 come back later", Refusal.UNREACHABLE),
    ],
)
def test_only_a_dead_address_is_refused_for_good_and_all_that_failed_goes_elsewhere(status, said, refusal) -> None:
    told = receipt_of(Bounce("failed", status, "alice@example.net", said), provider_id="<1@x>")
    assert told is not None
    assert (told.state, told.refusal, told.code) == (MessageState.UNDELIVERED, refusal, status)
    assert said in told.detail


def test_what_has_arrived_and_what_is_under_way() -> None:
    states = {
        action: getattr(receipt_of(Bounce(action, "2.0.0", "a@b"), provider_id="<1@x>"), "state", None)
        for action in ("delivered", "relayed", "delayed", "expanded", "rubbish", "")
    }
    assert states == {
        "delivered": MessageState.DELIVERED,
        "relayed": MessageState.SENT,
        "delayed": None,
        "expanded": None,
        "rubbish": None,
        "": None,
    }


def test_a_failure_without_a_status_is_judged_by_its_words() -> None:
    assert is_dead("", "550 no such user")
    assert not is_dead("", "550 go away")
