"""What a node's collector is told to cut, and what it reports: orders come from plans that run.

A report is two things: the collector's word on its order, and what it sees of the GPUs. The word
is believed only when a later look shows the layout that was ordered.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.devices.models import Device, Model
from gpu_management.mig import execution as rules
from gpu_management.mig import plan_store as store
from gpu_management.mig.execution import BEGUN, Method, OrderOutcome, PlanState
from gpu_management.mig.geometry import Geometry, load_geometries
from gpu_management.mig.plan_models import MigNodeReport, MigPlan
from gpu_management.mig.plan_tasks import Cut

OUTDATED_SECONDS = 300.0
"""A collector that has said nothing for so long is away."""


@dataclass(frozen=True, slots=True)
class SeenSlice:
    """A MIG slice that a collector sees."""

    profile: str
    start: int
    uuid: str | None = None
    gpu_instance_id: int | None = None


@dataclass(frozen=True, slots=True)
class SeenBoard:
    """A GPU that a collector sees."""

    uuid: str
    index: int
    mig_enabled: bool
    slices: Sequence[SeenSlice]

    def wrong(self, wanted: Sequence[tuple[str, int]]) -> str | None:
        """Say what it has other than `wanted` (profile and start of each slice), or None."""
        has = Counter((one.profile, one.start) for one in self.slices)
        if has == Counter(wanted):
            return None
        return f"GPU {self.index} has {_words(has)}, not {_words(Counter(wanted))}"


@dataclass(frozen=True, slots=True)
class Report:
    """What a collector saw, and its word on an order."""

    boards: Sequence[SeenBoard]
    order_id: str | None = None
    outcome: OrderOutcome | None = None
    message: str | None = None


@dataclass(frozen=True, slots=True)
class SliceOrder:
    """A slice that a GPU shall have; drivers call some profiles otherwise."""

    profile: str
    start: int
    also_called: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class BoardOrder:
    """The slices that a GPU shall have, known by its UUID or, where that is not known, number."""

    uuid: str | None
    index: int
    slices: Sequence[SliceOrder]


@dataclass(frozen=True, slots=True)
class Order:
    """What a node's collector is to do; GPUs that are not named are left alone."""

    order_id: str
    boards: Sequence[BoardOrder]


def order_id(plan_id: str, position: int, *, is_undoing: bool) -> str:
    """Return the name of the order of one task of a plan, on the way there or back."""
    return sha256(f"{plan_id}/{position}/{is_undoing}".encode()).hexdigest()[:32]


def take_report(
    session: Session, cluster: str, node_name: str, report: Report, *, now: datetime
) -> Order | None:
    """Keep what a collector saw and says; return what it is to do, if anything."""
    row = session.get(MigNodeReport, (cluster, node_name), populate_existing=True)
    if row is None:
        row = MigNodeReport(cluster_name=cluster, node_name=node_name)
        session.add(row)
    row.devices = [asdict(board) for board in report.boards]
    row.seen_at = now
    is_news = (report.order_id, report.outcome) != (row.order_id, row.outcome)
    if report.order_id is not None and is_news:
        row.order_id, row.outcome = report.order_id, report.outcome
        row.message = (report.message or "")[:1000] or None
        row.reported_at = now
    session.flush()
    return order_for(session, cluster, node_name)


def order_for(session: Session, cluster: str, node_name: str) -> Order | None:
    """Return what the plan that has a node wants its collector to cut now, or None."""
    running = select(MigPlan).where(
        MigPlan.cluster_name == cluster,
        MigPlan.state == PlanState.RUNNING,
        MigPlan.method == Method.COLLECTOR,
    )
    for plan in session.scalars(running.order_by(MigPlan.started_at)):
        progress = store.progress_of(plan)
        task = rules.task_in_hand(progress, store.tasks_of(plan))
        is_asked = progress.stage not in {"", BEGUN}
        if is_asked and isinstance(task, Cut) and task.node_name == node_name:
            name = order_id(plan.plan_id, progress.position, is_undoing=progress.is_undoing)
            return Order(name, _boards(session, task))
    return None


def _boards(session: Session, task: Cut) -> list[BoardOrder]:
    query = (
        select(Device.device_id, Device.uuid, Device.device_index, Model.mig_geometry)
        .join(Model, Model.model_id == Device.model_id)
        .where(Device.live_id.in_(sorted(task.after)))
    )
    found = []
    for row in session.execute(query.order_by(Device.device_index)):
        aliases = load_geometries()[row.mig_geometry].profile_aliases
        slices = [
            SliceOrder(name, start, [other for other, real in aliases.items() if real == name])
            for name, start in task.after[row.device_id]
        ]
        found.append(BoardOrder(row.uuid, row.device_index, slices))
    return found


def report_of(session: Session, cluster: str, node_name: str) -> MigNodeReport | None:
    """Return what the collector of a node said last."""
    return session.get(MigNodeReport, (cluster, node_name), populate_existing=True)


def boards_of(report: MigNodeReport) -> list[SeenBoard]:
    """Return the GPUs that a collector saw."""
    return [read_board(told) for told in report.devices]


def read_board(told: Mapping[str, Any]) -> SeenBoard:
    """Return a GPU from the database."""
    slices = [SeenSlice(**one) for one in told["slices"]]
    return SeenBoard(told["uuid"], told["index"], told["mig_enabled"], slices)


def find_board(boards: Sequence[SeenBoard], device: Device, geometry: Geometry) -> SeenBoard | None:
    """Return what was seen of a device, by its UUID, else its number; profiles by our names."""
    for board in boards:
        by_number = device.uuid is None and board.index == device.device_index
        if by_number or (device.uuid is not None and board.uuid == device.uuid):
            return replace(board, slices=[_renamed(one, geometry) for one in board.slices])
    return None


def _renamed(one: SeenSlice, geometry: Geometry) -> SeenSlice:
    kind = geometry.find(one.profile)
    return one if kind is None else replace(one, profile=kind.name)


def _words(slices: Mapping[tuple[str, int], int]) -> str:
    told = [f"{profile} at {start}" for profile, start in sorted(slices, key=lambda s: s[1])]
    return ", ".join(told) or "no slices"
