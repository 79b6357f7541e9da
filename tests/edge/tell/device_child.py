"""The tell wing alone, as a process that tests kill: `python -m tests.edge.tell.device_child FOLDER PORT COUNT`.

Appends COUNT events to FOLDER/outbox.db, with FOLDER/ledger.jsonl beside it, while it delivers to the broker at PORT;
ends when the hub has acknowledged everything.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from edge import config
from edge.clock import SystemClock
from edge.delivery import Delivery
from edge.ledger import Ledger
from edge.outbox import Outbox, open_database
from edge.publish.mqtt import MqttPublisher
from tests.golden import messages
from tests.golden.keys import read_keys


def main(folder: Path, port: int, count: int) -> int:
    identity, clock = read_keys().identity(), SystemClock()
    ledger = Ledger(folder / "ledger.jsonl")
    outbox = Outbox(open_database(folder / "outbox.db"), identity, clock, config.Outbox(), ledger)
    publisher = MqttPublisher(config.Broker(port=port))
    settings = config.Delivery(resend_after_s=0.5)
    delivery = Delivery(outbox, publisher, identity, settings, clock, lambda: {"app": "child"})
    delivery.start()
    for number in range(count):
        outbox.append_many([messages.EVENTS[3], messages.EVENTS[-1]] if number % 3 == 0 else [messages.EVENTS[-1]])
        time.sleep(0.002)
    done = delivery.stop(20)
    outbox.close()
    ledger.close()
    heavy = {"numpy", "cv2", "ai_edge_litert"} & set(sys.modules)
    assert not heavy, f"the tell wing has imported {heavy}"
    return 0 if done else 1


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])))
