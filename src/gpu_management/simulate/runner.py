"""The thread in which a simulated fleet lives."""

from threading import Event, Thread

from gpu_management.core.clock import Clock
from gpu_management.core.logs import get_logger
from gpu_management.simulate.world import Simulation

log = get_logger(__name__)

_STOP_SECONDS = 2.0


class Runner:
    """Steps a simulation on a timer until it is stopped; a step that fails is logged."""

    def __init__(self, simulation: Simulation, clock: Clock) -> None:
        """Prepare; nothing moves before `start`."""
        self._simulation = simulation
        self._clock = clock
        self._stopping = Event()
        self._thread = Thread(target=self._run, name="simulation", daemon=True)

    def start(self) -> None:
        """Begin to step."""
        self._thread.start()

    def stop(self) -> None:
        """Stop after the present step; waits for it, but not for ever."""
        self._stopping.set()
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)

    def _run(self) -> None:
        while not self._stopping.wait(self._simulation.seconds):
            try:
                self._simulation.step(self._clock())
            except Exception as failure:
                log.warning("simulation: a step failed, goes on: %r", failure)
