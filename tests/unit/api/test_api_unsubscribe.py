"""One click ends a kind of e-mail, at once and without a login; looking ends nothing, and it can be taken back."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from domain.links import Purpose as LinkPurpose
from domain.messages import Channel, Purpose, RecipientKind
from store import consent, people
from store.tables import Consent, Customer, Message
from tests.fakes.api_house import House
from tests.fakes.api_story import Story

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


@pytest.fixture
def house(told: Story, tmp_path: Path) -> Iterator[House]:
    house = told.house.copy(tmp_path)
    yield house
    house.close()


def number(house: House, **values: str) -> int:
    """A message to Sophie, who speaks French; changed by `values`."""
    with house.database.write() as session:
        message = session.scalars(select(Message).where(Message.recipient_id == "c-sophie")).first()
        assert message is not None
        for name, value in values.items():
            setattr(message, name, value)
        return message.id


def link(house: House, message: int) -> str:
    return f"/u/{house.signer.token(LinkPurpose.UNSUBSCRIBE, message)}"


def refused(house: House) -> dict[tuple[Channel, Purpose], str]:
    with house.database.read() as session:
        return dict(people.customer(session, "c-sophie").refused)


def entries(house: House) -> int:
    with house.database.read() as session:
        return len(session.scalars(select(Consent)).all())


def timeline(house: House) -> list[str]:
    """What an agent reads on Sophie's ticket."""
    (ticket,) = house.client.get("/v1/tickets?customer_id=c-sophie").json()["items"]
    return [entry["kind"] for entry in house.client.get(f"/v1/tickets/{ticket['id']}").json()["timeline"]]


def test_from_there_it_is_one_tap_to_all_that_can_be_chosen(house: House) -> None:
    stranger = house.browser(signed_in=False)
    for path in ("", "/undo"):
        page = stranger.post(f"{link(house, number(house))}{path}", data=ONE_CLICK).text
        (there,) = re.findall(r'href="(/p/[^"]+)"', page)
        assert "Lave-linge" in stranger.get(there).text


def test_a_scanner_that_looks_ends_nothing(house: House) -> None:
    page = house.browser(signed_in=False).get(link(house, number(house)))
    assert page.status_code == 200
    assert "Ne plus recevoir d&#39;e-mails sur vos appareils ?" in page.text
    assert "par SMS" in page.text
    assert page.headers["cache-control"] == "no-store"
    assert refused(house) == {}


def test_one_click_of_a_mail_program_acts_at_once_and_twice_counts_once(house: House) -> None:
    client = house.browser(signed_in=False)
    address = link(house, number(house))
    for _ in range(2):
        # As Gmail does: no cookie, no origin, no redirect followed.
        answer = client.post(address, data=ONE_CLICK)
        assert answer.status_code == 200
    assert refused(house) == {(Channel.EMAIL, Purpose.SERVICE): consent.Source.UNSUBSCRIBE}
    assert entries(house) == 1
    assert timeline(house).count("opted_out") == 1
    assert client.post(address, files={"List-Unsubscribe": (None, "One-Click")}).status_code == 200


def test_only_what_the_mail_was_for_is_refused(house: House) -> None:
    client = house.browser(signed_in=False)
    address = link(house, number(house, purpose=Purpose.APPOINTMENT))
    assert "sur les visites" in client.get(address).text
    client.post(address, data=ONE_CLICK)
    assert set(refused(house)) == {(Channel.EMAIL, Purpose.APPOINTMENT)}


def test_it_can_be_taken_back_and_the_ledger_keeps_both(house: House) -> None:
    client = house.browser(signed_in=False)
    address = link(house, number(house))
    assert "Continuer à les recevoir" in client.post(address, data=ONE_CLICK).text
    assert "comme avant" in client.post(f"{address}/undo").text
    assert (refused(house), entries(house)) == ({}, 2)
    client.post(f"{address}/undo")
    assert entries(house) == 2


def test_taking_back_a_click_takes_back_no_stop_and_no_bounce(house: House) -> None:
    address, client = link(house, number(house)), house.browser(signed_in=False)
    with house.database.write() as session:
        consent.record(
            session,
            RecipientKind.CUSTOMER,
            "c-sophie",
            channels=[Channel.EMAIL],
            granted=False,
            source=consent.Source.STOP,
            actor="customer:c-sophie",
            now=house.clock.now(),
        )
    assert "Vous ne recevez pas ces e-mails" in client.get(address).text
    client.post(f"{address}/undo")
    assert refused(house)[Channel.EMAIL, Purpose.SERVICE] == consent.Source.STOP


def test_danger_is_not_refused_by_a_click_and_who_works_here_does_not_subscribe(house: House) -> None:
    client = house.browser(signed_in=False)
    address = link(house, number(house, purpose=Purpose.SAFETY))
    assert (client.get(address).status_code, client.post(address, data=ONE_CLICK).status_code) == (404, 404)
    number(house, purpose=Purpose.SERVICE, recipient_kind=RecipientKind.TECHNICIAN)
    assert client.post(address, data=ONE_CLICK).status_code == 404
    assert refused(house) == {}


def test_no_other_link_opens_it(house: House) -> None:
    client, message = house.browser(signed_in=False), number(house)
    for token in (
        house.signer.token(LinkPurpose.CUSTOMER, message),
        house.signer.token(LinkPurpose.REPLY, message),
        house.signer.token(LinkPurpose.UNSUBSCRIBE, message)[:-1],
        "1.aaaaaaaaaaaaaaaa",
    ):
        assert client.post(f"/u/{token}", data=ONE_CLICK).status_code == 403
    assert refused(house) == {}


def test_who_has_no_other_way_is_told_so(house: House) -> None:
    message = number(house)
    with house.database.write() as session:
        owner = session.get_one(Customer, "c-sophie")
        owner.language, owner.phone = "en", None
    page = house.browser(signed_in=False).get(link(house, message)).text
    assert "Stop e-mails about your products?" in page
    assert "no other way" in page
