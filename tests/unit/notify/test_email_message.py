"""What a mail carries: headers that survive the way, addresses of its own, a signature over what matters."""

from dataclasses import replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import dkim
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import ConfigError, DeliveryError
from domain.links import LinkSigner, Purpose
from domain.messages import Channel, MessageStage, Refusal
from domain.outbox import Content, MailThread
from notify import return_address
from notify.channels.email_dkim import SIGNED, DkimSigner, signer_of
from notify.channels.email_message import WIRE, Letterhead, compose
from notify.render import Renderer
from tests.fakes.briefs import NOW, brief
from tests.fakes.dkim_key import PRIVATE_KEY, dns_record

SIGNER = LinkSigner(b"k" * 32, "https://customer-service.a-maker-with-a-long-name.example")
HEAD = Letterhead("Thermia <care@customer-service.a-maker-with-a-long-name.example>", returns=SIGNER)
CONTENT = Content(
    text="Bonjour,\n\nvotre pompe à chaleur se coupe trop souvent.\n",
    subject="Votre pompe à chaleur se coupe trop souvent, et il fait déjà froid chez vous depuis ce matin très tôt",
    html="<p>é" + "x" * 1200 + "</p>",
    sender="Thermia",
    unsubscribe=SIGNER.link(Purpose.UNSUBSCRIBE, 42),
    in_reply_to="<prevenant.41-19cb6ab3f00@customer-service.a-maker-with-a-long-name.example>",
)


def sent(
    content: Content = CONTENT, head: Letterhead = HEAD, *, reference: str = "42-19cb"
) -> tuple[bytes, EmailMessage]:
    wire = compose(head, "alice@example.net", content, reference=reference, now=NOW).as_bytes(policy=WIRE)
    mail = message_from_bytes(wire, policy=policy.default)
    assert isinstance(mail, EmailMessage)
    return wire, mail


def test_long_addresses_are_not_turned_into_encoded_words() -> None:
    wire, mail = sent()
    assert f"List-Unsubscribe: <{CONTENT.unsubscribe}>,\r\n <mailto:care+u.".encode() in wire
    assert mail["References"] == mail["In-Reply-To"] == CONTENT.in_reply_to
    assert mail["Subject"] == CONTENT.subject
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"


def test_the_wire_is_seven_bits_with_short_lines() -> None:
    wire, _ = sent()
    assert wire.isascii()
    assert b"\n" not in wire.replace(b"\r\n", b"")
    assert max(len(line) for line in wire.split(b"\r\n")) <= 998


def test_a_machine_says_that_it_is_one_and_wants_no_machine_s_answer() -> None:
    _, mail = sent()
    assert mail["Auto-Submitted"] == "auto-generated"
    assert "OOF" in mail["X-Auto-Response-Suppress"]
    assert "DR" not in str(mail["X-Auto-Response-Suppress"]).replace(" ", "").split(",")


def test_what_nobody_may_refuse_by_a_click_offers_none() -> None:
    _, mail = sent(Content(text="x", subject="GET OUT NOW"))
    assert mail["List-Unsubscribe"] is None
    assert mail["List-Unsubscribe-Post"] is None
    assert mail["References"] is None


def test_each_mail_has_addresses_of_its_own_for_what_comes_back() -> None:
    _, mail = sent()
    for purpose, address in (
        (Purpose.REPLY, mail["Reply-To"].addresses[0].addr_spec),
        (Purpose.BOUNCE, HEAD.envelope_sender("42-19cb")),
        (Purpose.UNSUBSCRIBE, HEAD.unsubscribe("42-19cb")),
    ):
        local, _, domain = address.rpartition("@")
        assert len(local) <= 64  # RFC 5321
        assert f"{local.partition('+')[0]}@{domain}" == HEAD.address
        assert return_address.opened(SIGNER, address) == (purpose, 42)
        assert return_address.opened(SIGNER, address.upper()) == (purpose, 42)


@given(st.text(max_size=40), st.sampled_from("burcv"))
def test_nobody_can_make_such_an_address(text: str, letter: str) -> None:
    assert return_address.opened(SIGNER, f"care+{letter}.{text}@x.example") is None
    assert return_address.opened(SIGNER, text) is None


def test_another_house_s_addresses_and_other_purposes_open_nothing() -> None:
    other = LinkSigner(b"x" * 32, "https://prv.nt")
    address = return_address.made(other, Purpose.BOUNCE, 42, mailbox="care@x.example")
    assert return_address.opened(SIGNER, address) is None
    ours = return_address.made(SIGNER, Purpose.BOUNCE, 42, mailbox="care@x.example")
    assert return_address.opened(SIGNER, ours.replace("+b.", "+r.")) is None
    assert return_address.opened(SIGNER, ours.replace("+b.", "+u.")) is None


def test_where_nobody_reads_what_comes_back_the_plain_mailbox_stands() -> None:
    head = Letterhead("Thermia <care@thermia.example>", reply_to="Help <help@thermia.example>")
    _, mail = sent(head=head)
    assert mail["Reply-To"] == "Help <help@thermia.example>"
    assert head.envelope_sender("42-19cb") == "care@thermia.example"
    assert mail["List-Unsubscribe"] == f"<{CONTENT.unsubscribe}>"


def test_a_maker_with_an_address_of_its_own_writes_from_there() -> None:
    own = replace(CONTENT, sender="Thermia", origin="care@thermia.example")
    assert compose(HEAD, "alice@example.net", own, reference="1-a", now=NOW)["From"] == "Thermia <care@thermia.example>"


def test_the_sender_is_who_the_person_knows() -> None:
    assert sent(head=Letterhead("care@thermia.example"))[1]["From"] == "Thermia <care@thermia.example>"
    named = Letterhead("Maison Dupont <care@thermia.example>")
    assert sent(head=named)[1]["From"] == "Maison Dupont <care@thermia.example>"


@pytest.mark.parametrize("wrong", ["", "Thermia", "Thermia <>"])
def test_a_letterhead_needs_an_address(wrong: str) -> None:
    with pytest.raises(ConfigError, match="PREVENANT_MAIL_FROM holds no e-mail address"):
        Letterhead(wrong)
    if wrong:
        with pytest.raises(ConfigError, match="PREVENANT_MAIL_REPLY_TO holds no e-mail address"):
            Letterhead("care@thermia.example", reply_to=wrong)


def test_what_is_no_address_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(DeliveryError) as caught:
        compose(HEAD, "nobody", CONTENT, reference="1-a", now=NOW)
    assert caught.value.refusal is Refusal.BAD_ADDRESS


THERMIA = DkimSigner("2026", "thermia.example", PRIVATE_KEY)


def test_the_signature_covers_every_header_that_means_something_and_no_second_one_fits() -> None:
    wire, mail = sent()
    signed = THERMIA.sign(wire)
    assert dkim.verify(signed, dnsfunc=dns_record)
    for name in (one.decode() for one in SIGNED):
        assert mail[name] is not None, name
        assert not dkim.verify(f"{name}: <forged@x.example>\r\n".encode() + signed, dnsfunc=dns_record), name
    assert not dkim.verify(signed.replace(b"pompe", b"pomme", 1), dnsfunc=dns_record)
    assert not dkim.verify(signed + b"and buy this\r\n", dnsfunc=dns_record)


def test_a_relay_that_folds_headers_anew_leaves_the_signature_whole() -> None:
    signed = THERMIA.sign(sent()[0])
    refolded = signed.replace(b",\r\n <mailto", b", <mailto").replace(b"Subject: ", b"Subject:   ")
    assert refolded != signed
    assert dkim.verify(refolded, dnsfunc=dns_record)


def test_a_key_that_signs_nothing_is_said_at_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="PREVENANT_DKIM_KEY_FILE cannot be read: No such file"):
        signer_of(selector="2026", domain="thermia.example", key_file=str(tmp_path / "none.pem"))
    (tmp_path / "bad.pem").write_text("-----BEGIN NOTHING-----")
    with pytest.raises(ConfigError, match="PREVENANT_DKIM_KEY_FILE holds no RSA key"):
        signer_of(selector="2026", domain="thermia.example", key_file=str(tmp_path / "bad.pem"))
    assert "PRIVATE" not in repr(THERMIA)


THREAD = MailThread("<prevenant.1-a@thermia.example>", "Your heat pump stops too often")


def render(stage: MessageStage, *, language: str = "en", **changes: object) -> Content:
    told = brief(stage, language=language, **changes)
    return Renderer().render(stage, told, channel=Channel.EMAIL, now=NOW).content


def test_what_follows_a_mail_is_in_its_thread_and_the_news_comes_first() -> None:
    content = render(MessageStage.RESOLVED, thread=THREAD)
    assert content.subject == "Re: Your heat pump stops too often"
    assert content.in_reply_to == THREAD.message_id
    alone = render(MessageStage.RESOLVED)
    assert (alone.in_reply_to, alone.subject[:4] != "Re: ") == ("", True)
    hidden = content.html.partition("opacity:0")[2].partition("</div>")[0]
    headline = content.html.partition("<h1>")[2].partition("</h1>")[0]
    assert headline
    assert headline in hidden
    opening = render(MessageStage.OPENING).html
    assert opening.partition("opacity:0")[2].partition("</div>")[0].count("stops too often") == 0


def test_danger_stands_in_the_subject_whatever_was_written_before() -> None:
    from domain.faults import Severity

    content = render(MessageStage.RELAPSED, severity=Severity.SAFETY, thread=THREAD)
    assert content.subject == render(MessageStage.OPENING, severity=Severity.SAFETY).subject
    assert content.in_reply_to == ""


@pytest.mark.parametrize("language", ["en", "fr"])
def test_the_layout_fetches_nothing_from_elsewhere_and_knows_the_dark(language: str) -> None:
    link = "https://prv.nt/u/1.abc?a=1&b=2"
    content = render(MessageStage.OPENING, language=language, unsubscribe=link)
    addresses = [part.partition('"')[0] for part in content.html.split('="http')[1:]]
    ours = {"s://prv.nt/c/7k.q7WkZp3xY-aB", "s://prv.nt/u/1.abc?a=1&amp;b=2", "://www.w3.org/1999/xhtml"}
    assert set(addresses) == ours
    for remote in ("<img", "<link", "@import", "url(", "<script", "{{", "{%"):
        assert remote not in content.html, remote
    assert "prefers-color-scheme: dark" in content.html
    assert f'<html lang="{language}"' in content.html
    assert content.text.rstrip().endswith(link)


def test_words_from_outside_are_no_html() -> None:
    content = render(MessageStage.OPENING, says={"en": '<script>alert("x")</script> {{ 7*7 }}'}, sender='<b>"M"</b>')
    assert "<script>" not in content.html
    assert "<b>" not in content.html
    assert "{{ 7*7 }}" in content.html
