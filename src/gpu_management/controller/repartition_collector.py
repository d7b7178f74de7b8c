"""Cuts through the collectors of nodes: asked for by what stands in the plan, seen in reports.

The collector of a node asks what it is to cut whenever it reports. Its word is believed when a
later look of its shows the layout, and, in a cluster, the node announces it.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.controller.repartition import Work
from gpu_management.core.database import Database
from gpu_management.core.problems import Conflict
from gpu_management.devices import service as devices
from gpu_management.devices.models import Device
from gpu_management.mig import execution as rules
from gpu_management.mig import node_orders as orders
from gpu_management.mig import service as mig
from gpu_management.mig.execution import (
    ASKED,
    BEGUN,
    PATIENCE,
    News,
    OrderOutcome,
    Outcome,
    Patience,
    Seen,
)
from gpu_management.mig.geometry import Placement
from gpu_management.mig.models import MigInstance
from gpu_management.mig.node_orders import SeenBoard
from gpu_management.mig.plan_models import MigNodeReport
from gpu_management.mig.plan_tasks import Cut, Move

_STATES: Final = {
    OrderOutcome.WORKING: "pending",
    OrderOutcome.DONE: "success",
    OrderOutcome.FAILED: "failed",
}


class CollectorHands:
    """Has GPUs cut by collectors, where no cluster has pods to be ended."""

    def __init__(
        self, database: Database, cluster_name: str, *, patience: Patience = PATIENCE
    ) -> None:
        """Prepare."""
        self._database = database
        self._cluster_name = cluster_name
        self._patience = patience

    def cut(self, work: Work, task: Cut, *, now: datetime) -> Outcome:
        """Have a node's collector cut, and judge what it reports."""
        with self._database.read() as session:
            report = orders.report_of(session, self._cluster_name, task.node_name)
            if work.progress.stage == BEGUN:
                return self._ask(session, task, report, now)
            name = orders.order_id(
                work.plan_id, work.progress.position, is_undoing=work.progress.is_undoing
            )
            seen = _seen(session, task, name, report)
        return rules.judge_cut(seen, name, work.progress, now=now, patience=self._patience)

    def _ask(
        self, session: Session, task: Cut, report: MigNodeReport | None, now: datetime
    ) -> Outcome:
        used = slices_in_use(session, task)
        if used:
            return Outcome(News.PAUSE, f"still in use: {used}")
        away = timedelta(seconds=orders.OUTDATED_SECONDS)
        if report is None or now - report.seen_at > away:
            return Outcome(News.PAUSE, f"no collector on {task.node_name} asks what to cut")
        return Outcome(News.WAIT, f"the collector of {task.node_name} is asked", ASKED)

    def drain(self, work: Work, task: Move, *, now: datetime) -> Outcome:
        """Give notice: there are no pods that could be ended."""
        if work.progress.is_undoing:
            return Outcome(News.DONE)
        return rules.judge_notice(work.progress, work.notice, now=now)

    def settle(self, session: Session, _work: Work, task: Cut, *, now: datetime) -> None:
        """Write the slices that the collector sees, with their names.

        Raises:
            Conflict: a GPU is no longer reported, or has other slices than its last look showed.
        """
        report = orders.report_of(session, self._cluster_name, task.node_name)
        boards = [] if report is None else orders.boards_of(report)
        for device_id, places in task.after.items():
            device = devices.find_device(session, device_id)
            board = orders.find_board(boards, device, mig.geometry_of(session, device))
            wrong = f"{device_id} is not reported" if board is None else board.wrong(places)
            if board is None or wrong is not None:
                raise Conflict(f"{task.node_name}: {wrong}")
            _write(session, device, board, now=now)


def slices_in_use(session: Session, task: Cut) -> str:
    """Return the slices in use that a cut would destroy, by name."""
    query = (
        select(Device.device_id, MigInstance)
        .join(Device, Device.id == MigInstance.device_id)
        .where(
            Device.live_id.in_(sorted(task.after)),
            MigInstance.live_id.is_not(None),
            MigInstance.held.is_(True),
        )
    )
    return ", ".join(
        sorted(
            one.mig_id
            for device_id, one in session.execute(query)
            if (one.profile_name, one.placement_start) not in task.after[device_id]
        )
    )


def _seen(session: Session, task: Cut, name: str, report: MigNodeReport | None) -> Seen:
    who = f"the collector of {task.node_name}"
    if report is None or report.order_id != name or report.outcome is None:
        return Seen(name, None, None, who)
    wrong = _wrong(session, task, report)
    return Seen(name, _STATES[report.outcome], wrong, who, report.message)


def _wrong(session: Session, task: Cut, report: MigNodeReport) -> str | None:
    """Say what the collector sees other than ordered, at a look after it said it was done."""
    if report.reported_at is None or report.seen_at <= report.reported_at:
        return "it has not looked again"
    boards = orders.boards_of(report)
    for device_id, places in sorted(task.after.items()):
        device = devices.find_device(session, device_id)
        board = orders.find_board(boards, device, mig.geometry_of(session, device))
        wrong = f"{device_id} is not reported" if board is None else board.wrong(places)
        if wrong is not None:
            return wrong
    return None


def _write(session: Session, device: Device, board: SeenBoard, *, now: datetime) -> None:
    wanted = [Placement(one.profile, one.start) for one in board.slices]
    named = {(one.profile, one.start): one for one in board.slices}
    for instance in _applied(session, device, wanted, now=now):
        told = named[instance.profile_name, instance.placement_start]
        instance.uuid = told.uuid or instance.uuid
        instance.gpu_instance_id = told.gpu_instance_id


def _applied(
    session: Session, device: Device, wanted: Sequence[Placement], *, now: datetime
) -> list[MigInstance]:
    standing = mig.instances_of(session, device.id)
    if {Placement(i.profile_name, i.placement_start) for i in standing} == set(wanted):
        return standing
    return mig.apply_layout(session, device, wanted, now=now)
