"""A process that is killed (-9) between firing and the answer: sent at least once, as it was."""

import os
import signal
import subprocess
import sys
from threading import Event

from tests.support.channels import alert, channel, courier, deliveries, run
from tests.support.house import House
from tests.support.receivers import receiving
from tests.support.server import ROOT, environment

PROGRAM = """
import sys, time
from datetime import UTC, datetime
from gpu_management.core.database import open_database
from gpu_management.notifications.courier import Courier
from tests.support.channels import terms
now = datetime.fromisoformat(sys.argv[2])
carrier = Courier(open_database(sys.argv[1]), terms(timeout_seconds=60), lambda: now)
carrier.tick(now)
print("started", flush=True)
carrier.wait(seconds=120)
"""


def test_what_a_killed_process_was_sending_is_sent_again_by_the_next(house: House) -> None:
    carrier = courier(house)
    with receiving() as receiver:
        channel(house, url=receiver.url)
        alert(house)
        receiver.hold = Event()
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(house.database.engine.url), house.now.isoformat()],
            env=environment() | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")])},
        )
        try:
            assert receiver.came.wait(60)
        finally:
            process.send_signal(signal.SIGKILL)
            process.wait()
        held, receiver.hold = receiver.hold, None
        held.set()
        alert(house, kind="alert.resolved")
        run(house, carrier)
        # The claim of the dead process holds a while; what came later waits behind it.
        assert len(receiver.got) == 1
        house.clock.forward(minutes=3)
        run(house, carrier)
        told = [(got.headers["webhook-id"], got.json["eventType"]) for got in receiver.got]
        first = receiver.got[0]
        assert told == [
            (told[0][0], "alert.firing"),
            (told[0][0], "alert.firing"),
            (told[2][0], "alert.resolved"),
        ]
        assert receiver.got[1].text == first.text
    assert [row.state for row in deliveries(house)] == ["sent", "sent"]
