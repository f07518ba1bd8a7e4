"""Mail that comes in: whose words they are, which are theirs, and what a machine wrote."""

import time
from email.message import EmailMessage

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.messages import ReplyIntent
from domain.outbox import Content
from notify.channels.email_message import WIRE, Letterhead, compose
from notify.received_mail import MAX_TEXT, newly_written, read
from notify.replies import understand
from tests.fakes.briefs import NOW
from tests.fakes.mails import mail, report

OURS = """Your heat pump stops too often

It told us so itself, just now.

Tell us what suits you:
https://prv.nt/c/1.abc

--
You receive this because Thermia looks after your heat pump. A person reads your answers; STOP ends these messages.

Stop these e-mails: https://prv.nt/u/1.abc
"""
NOTRE = "Vous recevez ceci car Thermia suit votre pompe.\nTapez STOP pour ne plus recevoir de messages.\n"


def quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.splitlines())


WROTE = "On Tue, 3 Mar 2026 at 14:20, Thermia <care@thermia.example> wrote:"
ECRIT = "Le mar. 3 mars 2026 à 14:20, Thermia <care@thermia.example> a écrit :"
SENT = "From: Thermia <care@thermia.example>\nSent: Tuesday, March 3, 2026 2:20 PM\nTo: Alice\nSubject: Your pump"
ENVOYE = "De : Thermia <care@thermia.example>\nEnvoyé : mardi 3 mars 2026 14:20\nÀ : Alice\nObjet : Votre pompe"
ANSWERS = {
    "gmail": f"2\n\n{WROTE}\n\n{quoted(OURS)}\n",
    "gmail, French": f"2\n\n{ECRIT}\n\n{quoted(OURS)}\n",
    "apple": f"2\n\nSent from my iPhone\n\n> {WROTE}\n>\n{quoted(OURS)}",
    "outlook": f"2\n\n{SENT}\n\n{OURS}",
    "outlook, French": f"2\n\n________________________________\n{ENVOYE}\n\n{OURS}",
    "no mark at all": f"2\n\n{OURS}",
    "below the quote": f"{WROTE}\n{quoted(OURS)}\n\n2\n",
    "below a bare quote": f"{quoted(OURS)}\n\n2\n",
}


@pytest.mark.parametrize("program", list(ANSWERS))
def test_what_was_written_is_told_from_what_was_quoted(program: str) -> None:
    assert newly_written(ANSWERS[program], quoting=OURS) == "2"


def test_our_own_footer_is_nobody_s_wish() -> None:
    answer = f"Le filtre est propre.\n\nThermia a dit:\n{NOTRE}"
    assert understand(newly_written(answer, quoting=NOTRE)) is not ReplyIntent.STOP
    assert understand(newly_written(answer)) is not ReplyIntent.STOP  # nor where what we sent is not known
    assert NOTRE.splitlines()[0] not in newly_written(answer, quoting=NOTRE)


def test_a_long_mail_is_kept_whole() -> None:
    text = "\n".join(f"and thing number {n} is not right either" for n in range(400))
    assert newly_written(text) == text


def test_who_wrote_what_to_whom() -> None:
    got = read(mail("Bonjour é", From="=?utf-8?q?Al=C3=A9?= <Alice@Example.net>", Cc="b@x.example, c@x.example"))
    assert (got.sender, got.message_id, got.text) == ("alice@example.net", "<1@example.net>", "Bonjour é")
    assert got.sent_to == ("care@thermia.example", "b@x.example", "c@x.example")
    assert (got.automatic, got.bounces, got.images) == (False, (), ())


@pytest.mark.parametrize(
    "mark",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Auto_Submitted": "auto-generated (vacation)"},
        {"Precedence": "bulk"},
        {"Precedence": "auto_reply"},
        {"X_Auto_Response_Suppress": "All"},
        {"X_Autoreply": "yes"},
        {"List_Id": "<all.example.net>"},
        {"Return_Path": "<>"},
        {"Subject": "Automatic reply: Your heat pump"},
        {"Subject": "=?utf-8?q?R=C3=A9ponse_automatique_=3A_Votre_pompe?="},
        {"From": "MAILER-DAEMON@relay.example"},
    ],
    ids=str,
)
def test_a_machine_is_known_by_its_marks(mark: dict[str, str]) -> None:
    assert read(mail("I am away until Monday.", **mark)).automatic


@pytest.mark.parametrize(
    "mark",
    [
        {"Auto_Submitted": "no"},
        {"Precedence": "normal"},
        {"Return_Path": "<a@b.example>"},
        {"Subject": "Re: the automatic reply"},
    ],
)
def test_a_person_is_no_machine(mark: dict[str, str]) -> None:
    assert not read(mail(**mark)).automatic


def test_a_report_is_automatic_and_read() -> None:
    got = read(report())
    assert got.automatic
    assert [bounce.status for bounce in got.bounces] == ["5.1.1"]


def test_our_own_mail_sent_back_to_us_is_a_machine_s() -> None:
    head = Letterhead("Thermia <care@thermia.example>")
    wire = compose(head, "care@thermia.example", Content(text="STOP"), reference="1-a", now=NOW).as_bytes(policy=WIRE)
    assert read(wire).automatic


def photo(kind: str = "jpeg", size: int = 10) -> EmailMessage:
    letter = EmailMessage()
    letter["From"], letter["To"], letter["Message-ID"] = "alice@example.net", "care@thermia.example", "<p@x>"
    letter.set_content("Voilà")
    letter.add_attachment(b"\xff" * size, maintype="image", subtype=kind, filename="filtre.jpg")
    return letter


def test_photos_are_kept_and_other_things_left() -> None:
    letter = photo()
    letter.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="a.pdf")
    letter.add_attachment("not the text", filename="notes.txt")
    (image,) = read(letter.as_bytes()).images
    assert (image.name, image.media_type, image.content) == ("filtre.jpg", "image/jpeg", b"\xff" * 10)
    assert read(letter.as_bytes()).text.strip() == "Voilà"
    assert read(photo("svg+xml").as_bytes()).images == ()
    assert read(photo(size=10_000_001).as_bytes()).images == ()


def test_html_alone_is_read_as_text_and_a_mail_attached_is_not_theirs() -> None:
    got = read(mail("<style>p{}</style><p>Please <b>call</b> me</p>", Content_Type="text/html; charset=utf-8"))
    assert got.text.strip() == "Please call me"
    letter, inner = EmailMessage(), EmailMessage()
    inner.set_content("STOP")
    letter.add_attachment(inner)
    assert read(letter.as_bytes()).text == ""


def test_latin_letters_of_an_old_program_are_read() -> None:
    raw = mail("x", Content_Type="text/plain; charset=iso-8859-1").replace(b"\r\n\r\nx", b"\r\n\r\nr\xe9par\xe9")
    assert read(raw).text == "réparé"


@given(st.binary(max_size=300), st.integers(0, 1200), st.integers(0, 80))
def test_any_bytes_make_a_mail_that_a_database_takes(noise: bytes, at: int, cut: int) -> None:
    for whole in (report(), mail(Subject="=?utf-8?q?=C3=A9?=")):
        got = read(whole[:at] + noise + whole[at + cut :])
        told = [got.message_id, got.sender, got.subject, got.text, *got.sent_to]
        for text in (*told, *(bounce.diagnostic for bounce in got.bounces)):
            assert "\0" not in text
            text.encode()
        assert got.message_id
        assert len(got.text) <= MAX_TEXT


@pytest.mark.parametrize("piece", ["On ", "Le ", " \n", "> ", "_", "-", "From: ", "\n", "Best regards ", "a\n"])
def test_a_mail_made_to_be_slow_is_read_in_time(piece: str) -> None:
    text = (piece * MAX_TEXT)[:MAX_TEXT]
    started = time.process_time()
    newly_written(text, quoting=OURS)
    assert time.process_time() - started < 3
