"""`python -m devices_sim`: the simulator as a process of its own."""

import argparse
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from devices_sim.run import simulate


def main() -> int:
    """Run until SIGINT or SIGTERM; 2 for wrong usage."""
    options = _options()
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s devices_sim %(levelname)s %(message)s"
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda _number, _frame: stop.set())
    try:
        simulate(
            options.scenario,
            mqtt_url=options.mqtt,
            stop=stop,
            api_url=options.api,
            token=options.token or os.environ.get("PREVENANT_ADMIN_TOKEN", ""),
            clock_spec=options.clock,
        )
    except (ValueError, OSError) as exc:
        sys.stderr.write(f"devices_sim: {exc}\n")
        return 2
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="devices_sim", description="Simulated products and the people around them.")
    parser.add_argument(
        "--scenario", type=Path, required=True, help="the story, e.g. examples/home_fleet/scenario.yaml"
    )
    parser.add_argument("--mqtt", default="mqtt://127.0.0.1:1883", help="broker URL (default: %(default)s)")
    parser.add_argument("--api", help="web address of the product; without it nobody answers and nobody comes")
    parser.add_argument("--token", help="bearer token for it (default: PREVENANT_ADMIN_TOKEN)")
    parser.add_argument(
        "--clock",
        default=os.environ.get("PREVENANT_CLOCK", ""),
        help="START*SPEED@ORIGIN (default: PREVENANT_CLOCK, else real time)",
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
