"""The clock role: what is due; control entries into the log, the log into the history, readings beside faults."""

import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from app.clockwork import Clockwork, Task
from app.fetching import FETCH_EVERY_S, PictureFetcher
from app.freezing import FREEZE_EVERY_S, Freezer
from app.historian import LOOK_EVERY_S, WRITE_EVERY_S, Historian
from app.house import House, Part
from app.parts.notify import fetchers
from app.peering import SUM_UP_EVERY_S, SummingUp
from app.receipts import LOOK_EVERY_S as LOOK_EVERY_RECEIPTS_S
from app.receipts import ReceiptPoll
from domain.errors import StoreUnavailable
from notify.channels.twilio_media import TwilioMedia


def build(house: House) -> Part:
    log, settings = house.log(), house.settings
    historian = Historian(
        house.database,
        house.clock,
        log,
        house.history(),
        partitions=settings.partitions,
        owner=house.instance,
        keep_days=settings.history_days,
    )
    peers = SummingUp(house.database, house.clock, log.append, partitions=settings.partitions, owner=house.instance)
    freezer = Freezer(house.database, house.clock, log, partitions=settings.partitions, owner=house.instance)
    receipts = ReceiptPoll(house.database, house.clock, fetchers(house))
    clockwork = Clockwork(
        house.database,
        house.clock,
        log.append,
        partitions=settings.partitions,
        owner=house.instance,
        tasks=(
            ("history", WRITE_EVERY_S, historian.write),
            ("upkeep", LOOK_EVERY_S, historian.keep_up),
            ("peers", SUM_UP_EVERY_S, peers.sum_up),
            ("freeze", FREEZE_EVERY_S, freezer.work),
            ("receipts", LOOK_EVERY_RECEIPTS_S, receipts.work),
            *_pictures(house),
        ),
    )

    def report() -> Mapping[str, Any]:
        ours, theirs = clockwork.report(), historian.report()
        trouble = "; ".join(found for found in (ours["trouble"], theirs["trouble"]) if found)
        return {**ours, **theirs, "trouble": trouble or None}

    def run(stop: threading.Event) -> None:
        clockwork.run(stop)
        with suppress(StoreUnavailable):  # then the leases run out
            historian.close()
        log.close()

    return Part(run, report)


def _pictures(house: House) -> tuple[Task, ...]:
    """Only a provider's are to be fetched: what comes to the sandbox or a page is here at once."""
    settings = house.settings
    if not settings.twilio_account_sid:
        return ()
    media = TwilioMedia(settings.twilio_account_sid, settings.twilio_auth_token, base_url=settings.twilio_base_url)
    fetcher = PictureFetcher(house.database, house.clock, media, owner=house.instance)
    return (("pictures", FETCH_EVERY_S, fetcher.fetch),)
