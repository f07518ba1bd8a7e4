"""What a message is decided on and written from, read afresh from the rows at the moment of its release."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from domain.clock import parse_iso
from domain.faults import Severity, Stage
from domain.links import LinkSigner, Purpose
from domain.messages import ANSWERS, BAD_NEWS, GOOD_NEWS, REACHED, Channel, MessageStage, MessageState, RecipientKind
from domain.messages import Purpose as About
from domain.messages import Purpose as MessagePurpose
from domain.outbox import Brief, MailThread, Pending
from domain.people import DAILY_CAPS, Recipient
from domain.quiet import Quiet
from domain.tickets import OPEN_STATES, VisitState
from store import caps, contacts, foresight, ownership, people, summaries
from store.foresight import COMMAND, MESSAGE, VISIT, absent, faults_of
from store.tables import (
    Command,
    Device,
    Fault,
    Inbound,
    Maker,
    Message,
    Playbook,
    Product,
    Rule,
    RuleVersion,
    Technician,
    Ticket,
    Visit,
    WorkOrder,
)

HOUSE_NAME = "Prevenant"
"""Who writes when a product names no maker."""

_UNDER_WAY = (VisitState.OFFERED, VisitState.ACCEPTED, VisitState.EN_ROUTE, VisitState.ON_SITE, VisitState.PAUSED)


QuietOf = Callable[[Session, Ticket, datetime], Quiet | None]
"""Why nobody may act on a ticket at a time; `tickets` knows, and `app` hands it in."""


def never_quiet(session: Session, ticket: Ticket, now: datetime) -> None:
    """For a house without a desk: there is nothing that asks for quiet but a mute of the device."""


@dataclass(frozen=True, slots=True)
class BriefWriter:
    """Writes briefs: the rows as they are now, links signed by `signer`, `dispatcher` as the settings name them."""

    signer: LinkSigner
    dispatcher: Recipient
    quiet: QuietOf = never_quiet
    caps: Mapping[Channel, int] = field(default_factory=lambda: DAILY_CAPS)

    def write(self, session: Session, message: Message, *, now: datetime) -> Brief:
        """The facts of `message`."""
        if message.ticket_id is None:
            return self._summary(session, message, now=now)
        brief = self._about_a_ticket(session, message, now=now)
        if message.stage in ANSWERS or message.purpose == About.APPOINTMENT:
            return brief  # no cap is about these
        today = caps.today_of(session, brief.recipient, now=now, but=message.id)
        this = (message.ticket_id, message.stage, message.occurrence)
        updated = any(on == message.ticket_id for on, _, _ in today.updates - {this})
        return replace(brief, said_today=today.said, summarised=today.summarised, updated=updated)

    def _about_a_ticket(self, session: Session, message: Message, *, now: datetime) -> Brief:
        ticket = session.get_one(Ticket, message.ticket_id)
        device = session.get(Device, ticket.device_id)
        product = session.get(Product, device.product) if device and device.product else None
        maker = session.get(Maker, product.maker) if product and product.maker else None
        visit = _visit(session, message)
        opening = _opening(session, message)
        recipient = self._recipient(session, message, device=device, maker=maker)
        return Brief(
            recipient=recipient,
            sender=sender_of(session, product),
            ticket_id=ticket.id,
            ticket_open=ticket.state in OPEN_STATES,
            link=self._link(message, visit),
            title=ticket.title,
            noun=(product.noun or product.title) if product else {},
            severity=Severity(ticket.severity),
            muted=bool(device and device.muted_until and device.muted_until > now),
            quiet=self.quiet(session, ticket, now),
            opening_state=opening[0] if opening else None,
            opening_channel=opening[1] if opening else None,
            last_inbound=_last_inbound(session, message, recipient),
            unsubscribe=self._unsubscribe(message),
            thread=_thread(session, message),
            first_contact=not _reached_before(session, message),
            in_contact=_in_contact(session, ticket, message),
            healthy_since=ticket.healthy_since or _moment(message.details.get("healthy_since")),
            place=(device.address or "") if device else "",
            device_id=ticket.device_id,
            product=device.product or "" if device else "",
            maker=product.maker or "" if product else "",
            caps=self._caps(maker),
            over=message.ladder_over or "",
            origins=_origins(maker),
            details=message.details,
            **_role_facts(session, recipient, device, ticket),
            **_rule_facts(session, ticket),
            **_fault_facts(session, ticket),
            **_visit_facts(session, visit, message),
            **_customer_facts(session, ticket, recipient),
        )

    def _summary(self, session: Session, message: Message, *, now: datetime) -> Brief:
        """Of several messages at once: what they have in common is as the first of them has it."""
        parts = tuple(self._part(session, part, now=now) for part in summaries.parts_of(session, message))
        recipient = parts[0].brief.recipient if parts else self._recipient(session, message, device=None, maker=None)
        today = caps.today_of(session, recipient, now=now, but=message.id)
        first = parts[0].brief if parts else None
        return Brief(
            recipient=recipient,
            sender=first.sender if first else HOUSE_NAME,
            ticket_id=0,
            ticket_open=True,
            link=self.signer.link_to(Purpose.PERSON, recipient.id),
            title={},
            noun=first.noun if first else {},
            said_today=today.said,
            summarised=today.summarised,
            caps=first.caps if first else self.caps,
            origins=first.origins if first else {},
            parts=parts,
            details=message.details,
        )

    def _part(self, session: Session, message: Message, *, now: datetime) -> Pending:
        return Pending(
            id=message.id,
            stage=MessageStage(message.stage),
            state=MessageState(message.state),
            channel=None,
            attempt=message.attempts,
            created_at=message.created_at,
            lease=message.lease,
            brief=self._about_a_ticket(session, message, now=now),
        )

    def _caps(self, maker: Maker | None) -> Mapping[Channel, int]:
        own: Mapping[str, int] = (maker.body.get("daily_caps") if maker else None) or {}
        return {**self.caps, **{Channel(name): cap for name, cap in own.items()}} if own else self.caps

    def _recipient(
        self, session: Session, message: Message, *, device: Device | None, maker: Maker | None
    ) -> Recipient:
        if message.recipient_kind == RecipientKind.CUSTOMER:
            return people.customer(session, message.recipient_id, device=device, maker=maker)
        if message.recipient_kind == RecipientKind.TECHNICIAN:
            return people.technician(session, message.recipient_id)
        return self.dispatcher

    def _link(self, message: Message, visit: Visit | None) -> str:
        if message.recipient_kind == RecipientKind.CUSTOMER:
            return self.signer.link(Purpose.CUSTOMER, message.ticket_id or 0)
        if message.recipient_kind == RecipientKind.TECHNICIAN and visit is not None:
            return self.signer.link(Purpose.VISIT, visit.id)
        if message.stage in {MessageStage.APPROVAL_WANTED, MessageStage.COST_CEILING}:
            return self.signer.page("approvals" if message.stage == MessageStage.APPROVAL_WANTED else "status")
        return self.signer.page(f"tickets/{message.ticket_id}")

    def _unsubscribe(self, message: Message) -> str:
        """Danger is not refused by a click, and who works here does not subscribe."""
        refusable = message.recipient_kind == RecipientKind.CUSTOMER and message.purpose != MessagePurpose.SAFETY
        return self.signer.link(Purpose.UNSUBSCRIBE, message.id) if refusable else ""


def _thread(session: Session, message: Message) -> MailThread | None:
    """The first e-mail about its ticket that this person has."""
    if absent(session, MESSAGE, message.ticket_id, message.recipient_kind, message.recipient_id):
        return None
    if message.ticket_id is None:
        return None
    query = select(Message.provider_id, Message.subject).where(
        Message.ticket_id == message.ticket_id,
        Message.recipient_kind == message.recipient_kind,
        Message.recipient_id == message.recipient_id,
        Message.channel == Channel.EMAIL,
        Message.state.in_(tuple(REACHED)),
        Message.id != message.id,
    )
    first = session.execute(query.order_by(Message.accepted_at, Message.id).limit(1)).first()
    return MailThread(first.provider_id or "", first.subject or "") if first else None


def _origins(maker: Maker | None) -> Mapping[Channel, str]:
    own = maker.body if maker else {}
    found = {Channel.SMS: own.get("sms_sender"), Channel.EMAIL: own.get("mail_from")}
    return {channel: origin for channel, origin in found.items() if origin}


def _moment(text: str | None) -> datetime | None:
    return parse_iso(text) if text else None


def sender_of(session: Session, product: Product | None) -> str:
    if product is None or not product.maker:
        return HOUSE_NAME
    maker = session.get(Maker, product.maker)
    return maker.name if maker else product.maker


def _rule_facts(session: Session, ticket: Ticket) -> dict[str, Any]:
    version = session.get(RuleVersion, (ticket.rule, ticket.rule_version)) if ticket.rule else None
    rule = session.get(Rule, ticket.rule) if ticket.rule else None
    playbook = session.get(Playbook, ticket.playbook) if ticket.playbook else None
    tried = select(Command.name).where(Command.ticket_id == ticket.id, Command.sent_at.is_not(None))
    untried = absent(session, COMMAND, ticket.id)
    return {
        "says": version.says if version else {},
        "max_evidence_age_s": version.max_evidence_age_s if version else 3600.0,
        "rule_stage": Stage(rule.stage) if rule else Stage.LIVE,
        "notice": playbook.body.get("notice") or {} if playbook else {},
        "instruction": playbook.body.get("instruction") or {} if playbook else {},
        "remote_try": None if untried else session.scalar(tried.order_by(Command.sent_at.desc())),
    }


def _fault_facts(session: Session, ticket: Ticket) -> dict[str, Any]:
    faults: Sequence[Fault] | None = faults_of(session, ticket.id)
    if faults is None:
        faults = session.scalars(select(Fault).where(Fault.ticket_id == ticket.id)).all()
    firing = [fault for fault in faults if fault.state == "firing" and fault.verdict != "false_alarm"]
    return {
        "still_firing": bool(firing) or not faults,
        "evidence_age_s": min((_age_s(fault) for fault in firing or faults), default=0.0),
    }


def _age_s(fault: Fault) -> float:
    return max(0.0, (fault.received_at - fault.fired_at).total_seconds(), fault.late_evidence_s or 0.0)


def _visit(session: Session, message: Message) -> Visit | None:
    if message.visit_id is not None:
        return session.get(Visit, message.visit_id)
    if absent(session, VISIT, message.ticket_id):
        return None
    query = select(Visit).where(Visit.ticket_id == message.ticket_id, Visit.state.in_(_UNDER_WAY))
    return session.scalars(query.order_by(Visit.id.desc())).first()


def _visit_facts(session: Session, visit: Visit | None, message: Message) -> dict[str, Any]:
    if visit is None:
        return {"skill": message.details.get("skill")}
    who = session.get(Technician, visit.technician_id)
    order = session.get(WorkOrder, visit.work_order_id)
    return {
        "technician": who.name.split()[0] if who and who.name.strip() else None,
        "visit_start": visit.window_start,
        "visit_end": visit.window_end,
        "visit_state": visit.state,
        "skill": order.skill if order else None,
    }


def _role_facts(session: Session, person: Recipient, device: Device | None, ticket: Ticket) -> dict[str, Any]:
    if person.kind is not RecipientKind.CUSTOMER or device is None:
        return {}
    return {
        "role": contacts.role_of(device, person.id, owner_id=ticket.customer_id),
        "disowned": device.id in ownership.disowned(session, person.id),
    }


def _customer_facts(session: Session, ticket: Ticket, recipient: Recipient) -> dict[str, Any]:
    if ticket.customer_id is None:
        return {}
    is_owner = recipient.kind is RecipientKind.CUSTOMER and recipient.id == ticket.customer_id
    owner = recipient if is_owner else people.customer(session, ticket.customer_id)
    return {"customer_name": owner.name, "customer_phone": owner.phone}


def _in_contact(session: Session, ticket: Ticket, message: Message) -> bool:
    """Whether this very person has written to us about it."""
    if ticket.first_contact_at is None or message.recipient_kind != RecipientKind.CUSTOMER:
        return False
    if message.recipient_id == ticket.customer_id:
        return True
    wrote = select(Inbound.id).where(Inbound.ticket_id == ticket.id, Inbound.recipient_id == message.recipient_id)
    return session.scalar(wrote.limit(1)) is not None


def _opening(session: Session, message: Message) -> tuple[MessageState, Channel | None] | None:
    """How far the message got by which this recipient was told, and where: one that reached them if there is one, else
    the newest.

    What was told before the last good news is over: it is not what the next good news answers.
    """
    if absent(session, MESSAGE, message.ticket_id, message.recipient_kind, message.recipient_id):
        return None
    to_this_person = select(Message).where(
        Message.ticket_id == message.ticket_id,
        Message.recipient_kind == message.recipient_kind,
        Message.recipient_id == message.recipient_id,
        Message.id != message.id,
    )
    earlier = [(one, summaries.told_by(session, one)) for one in session.scalars(to_this_person.order_by(Message.id))]
    if message.stage == MessageStage.VISIT_CANCELLED:
        offers = [
            told for one, told in earlier if one.stage == MessageStage.VISIT_OFFER and one.visit_id == message.visit_id
        ]
        return offers[-1] if offers else None
    over = 0
    if message.stage in GOOD_NEWS:
        closing = (one.id for one, told in earlier if one.stage in GOOD_NEWS and told[0] in REACHED)
        over = max(closing, default=0)
    openings = [told for one, told in earlier if one.stage in BAD_NEWS and one.id > over]
    best = [told for told in openings if told[0] in REACHED] or openings
    return best[-1] if best else None


def _last_inbound(session: Session, message: Message, recipient: Recipient) -> dict[Channel, datetime]:
    """Only WhatsApp asks; it costs nothing where nobody has it."""
    if Channel.WHATSAPP not in {*recipient.channels, message.only_channel}:
        return {}
    heard = session.scalar(
        select(func.max(Inbound.at)).where(
            Inbound.recipient_kind == message.recipient_kind,
            Inbound.recipient_id == message.recipient_id,
            Inbound.channel == Channel.WHATSAPP,
        )
    )
    return {Channel.WHATSAPP: heard} if heard else {}


def _reached_before(session: Session, message: Message) -> bool:
    if absent(session, foresight.REACHED, message.recipient_kind, message.recipient_id):
        return False
    earlier = select(Message.id).where(
        Message.recipient_kind == message.recipient_kind,
        Message.recipient_id == message.recipient_id,
        Message.state.in_(tuple(REACHED)),
        Message.id != message.id,
    )
    return session.scalar(earlier.limit(1)) is not None
