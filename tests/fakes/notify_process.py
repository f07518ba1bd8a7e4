"""The notify role as a process that a test may kill: `python -m tests.fakes.notify_process DATABASE_URL TWILIO_URL`.

With a third argument, real time as the outbox sees it (leases, pauses, breakers) runs so many times faster.
"""

import os
import sys
import threading
import time
from collections.abc import Callable

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

EPOCH_S = 1_790_000_000.0


def hurried(speed: float) -> Callable[[], float]:
    """Epoch seconds that run `speed` times faster, the same in every process."""
    return lambda: EPOCH_S + (time.time() - EPOCH_S) * speed


def main(database_url: str, twilio_url: str, speed: str = "1") -> None:
    """Until killed."""
    database, clock = Database(database_url), FakeClock(START)
    account = TwilioAccount(sid=ACCOUNT, auth_token=TOKEN, sender=SENDER, base_url=twilio_url)
    outbox = SqlOutbox(
        database,
        clock,
        LinkSigner(b"k" * 32, "https://prv.nt"),
        DISPATCHER,
        f"victim-{os.getpid()}",
        wall=hurried(float(speed)),
        take_lease_s=2.0 * float(speed),
    )
    sms = TwilioSms(account, timeout_s=1.0)
    sms.patience_s *= float(speed)  # the socket knows real time only
    channels = {Channel.SMS: sms, Channel.EMAIL: SandboxChannel(Channel.EMAIL, SqlSandbox(database, clock))}
    Sender(outbox, channels, clock).run(threading.Event())


if __name__ == "__main__":
    main(*sys.argv[1:])
