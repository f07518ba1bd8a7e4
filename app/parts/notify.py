"""The notify role: the outbox in, messages on channels out."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from app.house import House, Part
from app.receipts import Fetch
from app.words import build_renderer
from domain.messages import Channel
from notify.channels.base import ChannelAdapter, TracingAdapter
from notify.channels.sandbox import SandboxChannel
from notify.channels.whatsapp_templates import parse_templates
from notify.sender import Sender
from store.outbox import SqlOutbox
from store.sandbox import SqlSandbox
from tickets.quiet import of_ticket


def build(house: House) -> Part:
    trouble: list[str | None] = [None]
    renderer, broken = build_renderer(house.database)
    outbox = SqlOutbox(
        house.database,
        house.clock,
        house.signer(),
        house.dispatcher(),
        house.instance,
        quiet=of_ticket,
        daily_caps=house.settings.daily_caps,
        rates=house.settings.rates,
        limits=house.limits(),
    )
    sender = Sender(
        outbox, channels(house), house.clock, renderer=renderer, trouble=lambda line: trouble.__setitem__(0, line)
    )
    return Part(sender.run, lambda: {"trouble": trouble[0] or broken()})


def channels(house: House) -> Mapping[Channel, ChannelAdapter]:
    """A provider where settings name one, else the sandbox."""
    settings, box = house.settings, SqlSandbox(house.database, house.clock)
    email: ChannelAdapter = SandboxChannel(Channel.EMAIL, box)
    if settings.smtp_url:
        email = _smtp(house)
    sandboxes = {channel: SandboxChannel(channel, box) for channel in Channel}
    return {**sandboxes, Channel.EMAIL: email, **_by_twilio(house), **_further(house)}


def _by_twilio(house: House) -> Mapping[Channel, ChannelAdapter]:
    """Text messages, calls and WhatsApp, each as far as there is a number that it can come from."""
    settings, found = house.settings, dict[Channel, ChannelAdapter]()
    if not settings.twilio_account_sid:
        return found
    from notify.channels.twilio_client import TwilioAccount
    from notify.channels.twilio_sms import TwilioSms
    from notify.channels.twilio_voice import TwilioVoice
    from notify.channels.twilio_whatsapp import TwilioWhatsapp

    account = TwilioAccount(
        settings.twilio_account_sid, settings.twilio_auth_token, settings.twilio_from, settings.twilio_base_url
    )
    hooks = f"{settings.public}/hooks/twilio"
    found[Channel.SMS] = TwilioSms(account, status_callback=f"{hooks}/status")
    if settings.voice_from:
        found[Channel.VOICE] = TwilioVoice(
            replace(account, sender=settings.voice_from),
            hook=f"{hooks}/voice",
            status_callback=f"{hooks}/status",
            machine_detection=settings.twilio_machine_detection,
        )
    if settings.twilio_whatsapp_from:
        found[Channel.WHATSAPP] = TwilioWhatsapp(
            replace(account, sender=settings.twilio_whatsapp_from),
            house.clock,
            templates=parse_templates(settings.twilio_whatsapp_templates),
            status_callback=f"{hooks}/status",
        )
    return found


def _further(house: House) -> Mapping[Channel, ChannelAdapter]:
    """Browsers, connectors and letter boxes, as far as they are set up."""
    settings, found = house.settings, dict[Channel, ChannelAdapter]()
    if identity := house.push_identity():
        from notify.channels.web_push import WebPush

        found[Channel.PUSH] = WebPush(identity)
    if settings.webhook_secret:
        from notify.channels.webhook import SignedWebhook

        found[Channel.WEBHOOK] = SignedWebhook(settings.webhook_secret, house.clock)
    if settings.letter_spool:
        from notify.channels.letter import SpooledLetter

        found[Channel.LETTER] = SpooledLetter(Path(settings.letter_spool), house.clock)
    return found


def _smtp(house: House) -> ChannelAdapter:
    from notify.channels.email_dkim import signer_of
    from notify.channels.email_message import Letterhead
    from notify.channels.email_smtp import SmtpEmail, parse_smtp_url

    settings = house.settings
    # Only where what comes back is handed to us does a mail have addresses of its own for it.
    returns = house.signer() if settings.mail_hook_secret else None
    letterhead = Letterhead(settings.mail_from, settings.mail_reply_to, returns)
    dkim = None
    if settings.dkim_key_file:
        domain = settings.dkim_domain or letterhead.domain
        dkim = signer_of(selector=settings.dkim_selector, domain=domain, key_file=settings.dkim_key_file)
    return SmtpEmail(parse_smtp_url(settings.smtp_url), house.clock, letterhead=letterhead, dkim=dkim)


def fetchers(house: House) -> Mapping[str, Fetch]:
    """By provider, how to ask what became of a message it took; none for those that cannot be asked."""
    return {
        adapter.provider: adapter.fetch for adapter in channels(house).values() if isinstance(adapter, TracingAdapter)
    }
