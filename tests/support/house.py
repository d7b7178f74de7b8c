"""A whole control plane for tests: database, office, clock, application, and verbs in one line."""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import anyio
from fastapi import FastAPI
from fastapi.testclient import TestClient
from sqlalchemy.orm import Session

from gpu_management.allocations import jobs, service
from gpu_management.allocations.models import Allocation, WorkloadType
from gpu_management.allocations.office import Office
from gpu_management.allocations.placer import Placer
from gpu_management.allocations.request import Ask
from gpu_management.api.app import Parts, create_app
from gpu_management.auth.principals import Mode, Principal, Security
from gpu_management.cli.wiring import prepare
from gpu_management.core.database import Database, open_database
from gpu_management.core.http import Runtime
from gpu_management.costs.service import Desk
from gpu_management.devices import service as devices
from gpu_management.mig import service as mig
from gpu_management.mig.geometry import Placement
from gpu_management.rates.service import BookKeeper
from tests.support.apps import Hands
from tests.support.principals import ADMIN

CLUSTER = "test"
A100 = "a100-sxm4-80gb"
H100 = "h100-sxm5-80gb"
T4 = "t4"
V100 = "v100-sxm2-16gb"

BROWSER = {"user-agent": "test"}
"""An agent that gets what callers get who ask for nothing special."""


@cache
def _prepared() -> bytes:
    """Return a migrated and seeded SQLite database: made once, then copied."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "template.db"
        database = open_database(f"sqlite:///{file}")
        prepare(database, CLUSTER, Hands())
        database.close()
        return file.read_bytes()


def prepared_database(folder: Path) -> Database:
    """Return a SQLite database as a first start leaves it: migrated, catalogue, list prices."""
    file = folder / "house.db"
    file.write_bytes(_prepared())
    return open_database(f"sqlite:///{file}")


def ask(**changes: Any) -> Ask:
    """Return a request for one whole GPU of 16 GB; `changes` say what is special."""
    plain: dict[str, Any] = {
        "namespace": "ml",
        "pod_name": "train",
        "workload_type": WorkloadType.TRAINING,
        "required_memory_gb": 16,
    }
    return Ask(**plain | changes)


class House:
    """One control plane. Each verb is a transaction of its own, as a request or job would be."""

    def __init__(self, database: Database, *, zone: str = "UTC", aging_seconds: int = 600) -> None:
        self.database = database
        self.clock = Hands()
        self.keeper = BookKeeper()
        self.office = Office(Placer(CLUSTER, keeper=self.keeper), aging_seconds=aging_seconds)
        self.desk = Desk("USD", ZoneInfo(zone), self.keeper)

    @property
    def now(self) -> Any:
        """The present moment of the house."""
        return self.clock()

    def restart(self) -> None:
        """Forget everything that is not in the database, as a new process would."""
        self.keeper = BookKeeper()
        placer = Placer(CLUSTER, keeper=self.keeper)
        self.office = Office(placer, aging_seconds=self.office.aging_seconds)
        self.desk = Desk(self.desk.currency, self.desk.zone, self.keeper)

    def node(  # noqa: PLR0913 - a builder names what a test is about
        self,
        name: str = "n1",
        *,
        gpus: int = 1,
        model: str = T4,
        cpu_milli: int | None = None,
        memory_mib: int | None = None,
        labels: Mapping[str, str] | None = None,
        layout: Sequence[tuple[str, int]] | None = None,
    ) -> list[str]:
        """Register a node with devices; a `layout` (may be empty) switches MIG on."""
        facts = devices.NodeFacts(
            cpu_total_milli=cpu_milli, memory_total_mib=memory_mib, labels=labels
        )
        ids = []
        with self.database.write() as session:
            node = devices.ensure_node(session, CLUSTER, name, facts=facts, now=self.now)
            for index in range(gpus):
                told = devices.DeviceFacts(model_id=model)
                device = devices.register(session, node, index, facts=told, now=self.now)
                ids.append(device.device_id)
                if layout is not None:
                    mig.enable(session, device, now=self.now)
                if layout:
                    places = [Placement(*place) for place in layout]
                    mig.apply_layout(session, device, places, now=self.now)
        return ids

    def request(self, *, by: Principal = ADMIN, key: str | None = None, **asked: Any) -> Allocation:
        """Ask for GPUs."""
        with self.database.write() as session:
            return service.request(
                session,
                self.office,
                ask(**asked),
                principal=by,
                now=self.now,
                idempotency_key=key,
            )

    def release(self, allocation_id: str, *, by: Principal = ADMIN) -> Allocation:
        """Give GPUs back."""
        with self.database.write() as session:
            return service.release(
                session, allocation_id, principal=by, reason="requested", now=self.now
            )

    def extend(self, allocation_id: str, hours: int, *, by: Principal = ADMIN) -> Allocation:
        """Let an allocation run longer."""
        with self.database.write() as session:
            return service.extend(session, allocation_id, hours, principal=by, now=self.now)

    def find(self, allocation_id: str) -> Allocation:
        """Read an allocation as it is committed."""
        with self.database.read() as session:
            return session.get_one(Allocation, allocation_id)

    def serve_queue(self) -> int:
        """Run the queue's job until nobody more is served; return how many were."""
        served = 0
        while True:
            with self.database.write() as session:
                if not jobs.serve_queue(session, self.office, now=self.now):
                    return served
            served += 1

    def end_of_time(self) -> None:
        """Run expiry, warnings and the end of waiting."""
        with self.database.write() as session:
            jobs.expire(session, now=self.now)
            jobs.warn_expiring(session, now=self.now)
            jobs.give_up_waiting(session, now=self.now)

    @contextmanager
    def device(self, device_id: str) -> Iterator[tuple[Session, devices.Device]]:
        """Yield a device in a transaction of its own."""
        with self.database.write() as session:
            yield session, devices.find_device(session, device_id)

    def set_state(self, device_id: str, state: devices.DeviceState, reason: str = "test") -> None:
        """Say that a device failed, went offline or works."""
        with self.device(device_id) as (session, device):
            devices.set_state(session, device, state, reason=reason, now=self.now)

    def app(self, security: Security | None = None, **parts: Any) -> FastAPI:
        """Return the product's application on this house."""
        settled: dict[str, Any] = {"strict_fields": parts.pop("strict_fields", False)}
        agents = parts.pop("envelope_agents", ("curl/",))
        runtime = Runtime(self.database, self.clock, anyio.Semaphore(1), CLUSTER, agents, **settled)
        return create_app(
            Parts(
                runtime=runtime,
                security=security or Security(Mode.DISABLED),
                office=self.office,
                desk=self.desk,
                **parts,
            )
        )

    def client(self, security: Security | None = None, **parts: Any) -> TestClient:
        """Return a caller of the application; enter it before use."""
        app = self.app(security, **parts)
        return TestClient(app, headers=BROWSER, raise_server_exceptions=False)
