"""The notify role as a process that a test may kill: `python -m tests.fakes.notify_process DATABASE_URL TWILIO_URL`."""

import sys
import threading

from domain.clock import FakeClock
from domain.links import LinkSigner
from domain.messages import Channel
from notify.channels.sandbox import SandboxChannel
from notify.channels.twilio_client import TwilioAccount
from notify.channels.twilio_sms import TwilioSms
from notify.sender import Sender
from store.database import Database
from store.outbox import SqlOutbox
from store.sandbox import SqlSandbox
from tests.fakes.outbox_rows import DISPATCHER, START
from tests.fakes.twilio_fake import ACCOUNT, SENDER, TOKEN


def main(database_url: str, twilio_url: str) -> None:
    """Until killed."""
    database, clock = Database(database_url), FakeClock(START)
    account = TwilioAccount(sid=ACCOUNT, auth_token=TOKEN, sender=SENDER, base_url=twilio_url)
    outbox = SqlOutbox(database, clock, LinkSigner(b"k" * 32, "https://prv.nt"), DISPATCHER, "victim")
    channels = {
        Channel.SMS: TwilioSms(account, timeout_s=1.0),
        Channel.EMAIL: SandboxChannel(Channel.EMAIL, SqlSandbox(database, clock)),
    }
    Sender(outbox, channels, clock).run(threading.Event())


if __name__ == "__main__":
    main(*sys.argv[1:])
