"""The conversation on PostgreSQL: one thread out of two tables, pictures as bytes, a question back and its answer."""

from collections.abc import Iterator

import pytest
from sqlalchemy import select

from api.inbound import receive
from domain.messages import Channel, MessageStage, RecipientKind
from store import pictures, threads
from store.database import Database
from store.pictures import Picture
from store.tables import Attachment, Base, Device, Inbound, Message
from tests.fakes.desk import Desk
from tests.fakes.postgres import postgres

PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256))


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    with postgres() as url:
        database = Database(url)
        Base.metadata.create_all(database.engine)
        yield Desk(database)
        database.close()


def writes(desk: Desk, text: str, *, shots: tuple[Picture, ...] = ()) -> Inbound:
    with desk.write() as session:
        number = len(session.scalars(select(Inbound.id)).all())
        facts = {"channel": Channel.SMS, "address": "+33612345678", "provider_id": f"SM{number}", "now": desk.now}
        desk.hand_on(session, receive(session, text=text, attachments=shots, **facts))
    return desk.rows(Inbound)[-1]


def reach(desk: Desk) -> None:
    desk.deliver()
    with desk.write() as session:
        for message in session.scalars(select(Message).where(Message.channel.is_(None))):
            message.channel, message.body = "sms", f"the text of {message.stage}"


def test_a_question_back_a_picture_and_a_thread_read_page_by_page(desk: Desk) -> None:
    with desk.write() as session:
        session.add(Device(id="hp-9", product="heatpump", customer_id="c-1", registered_at=desk.now))
    for device in ("hp-1", "hp-9"):
        desk.fires(device=device)
    reach(desk)
    desk.advance(minutes=1)
    assert writes(desk, "2").ticket_id is None
    assert desk.stages()[-1] is MessageStage.WHICH_ONE
    reach(desk)
    desk.advance(minutes=1)
    ticket = desk.tickets()[1]
    assert writes(desk, "1").ticket_id == ticket.id, "the newest is offered first"
    desk.advance(minutes=1)
    heard = writes(desk, "", shots=(Picture(PNG),))
    with desk.write() as session:
        (kept,) = pictures.of_ticket(session, heard.ticket_id or 0)
        assert session.get_one(Attachment, kept.id).content == PNG
        whole = threads.of_person(session, RecipientKind.CUSTOMER, "c-1")
        pages, before = [], None
        while page := threads.of_person(session, RecipientKind.CUSTOMER, "c-1", limit=2, before=before):
            pages, before = [*page, *pages], page[0][0]
    assert [one.text for _, one in whole][-4:] == ["2", "the text of which_one", "1", ""]
    assert [one.id for _, one in pages] == [one.id for _, one in whole]
