"""The clock role: due times in, what is due out; control entries into the log."""

import threading

from app.clockwork import Clockwork
from app.house import House, Part


def build(house: House) -> Part:
    log = house.log()
    clockwork = Clockwork(
        house.database, house.clock, log.append, partitions=house.settings.partitions, owner=house.instance
    )

    def run(stop: threading.Event) -> None:
        clockwork.run(stop)
        log.close()

    return Part(run, clockwork.report)
