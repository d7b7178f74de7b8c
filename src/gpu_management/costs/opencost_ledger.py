"""Answer OpenCost's questions from the ledger: the same micros as every other answer of ours."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation
from gpu_management.allocations.queries import hold_facts, scoped
from gpu_management.core.clock import whole_second
from gpu_management.core.database import AnyRow, AnySelect
from gpu_management.costs.capacity import buckets_by
from gpu_management.costs.closed_rows import Terms
from gpu_management.costs.grouping import Dimension
from gpu_management.costs.ledger import WHOLE_MILLI
from gpu_management.costs.opencost import IDLE, Gpu, Properties, Row, Wanted, grouped, share_idle
from gpu_management.costs.opencost_shape import StepRows
from gpu_management.costs.opencost_window import Span
from gpu_management.costs.pieces import cut
from gpu_management.costs.queries import Pricer, overlapping, second
from gpu_management.costs.reader import Reader
from gpu_management.devices.models import Device, Node


@dataclass(frozen=True, slots=True)
class Asked:
    """A question: stretches that adjoin, grouped by words, idle time told or shared."""

    spans: Sequence[Span]
    words: Sequence[str]
    wanted: Wanted
    include_idle: bool = False
    idle_by_node: bool = False
    share_idle: bool = False


def answered(
    session: Session, terms: Terms, asked: Asked, *, reader: Reader, now: datetime
) -> list[StepRows]:
    """Return the rows of every stretch; what lies ahead of `now` has none."""
    present = whole_second(now)
    begun = [
        Span(span.start, min(span.end, present)) for span in asked.spans if span.start < present
    ]
    rows = _held(session, terms, begun, reader) if begun else {}
    sets = []
    for place, span in enumerate(asked.spans):
        found = rows.get(place, [])
        if (asked.include_idle or asked.share_idle) and place < len(begun):
            idle = _idle(session, terms, begun[place], by_node=asked.idle_by_node)
            if asked.share_idle:
                found = share_idle(found, idle, by_node=asked.idle_by_node)
            else:
                found = [*found, *idle]
        kept = [row for row in found if asked.wanted(row.properties)]
        sets.append(StepRows(span, grouped(kept, asked.words)))
    return sets


def _facts() -> AnySelect:
    return (
        hold_facts()
        .join(Node, Node.id == Device.node_id)
        .add_columns(
            Device.device_id,
            Device.uuid,
            Node.node_name,
            Allocation.pod_name,
            Allocation.container_name,
        )
    )


def _held(
    session: Session, terms: Terms, spans: Sequence[Span], reader: Reader
) -> dict[int, list[Row]]:
    """Return the pieces of holds by stretch; cut anywhere, they add up to the whole."""
    since, until = spans[0].start, spans[-1].end
    query = scoped(_facts(), reader.principal, reader.permission)
    rows = session.connection().execute(query.where(overlapping(since, until))).all()
    bounds = [*(second(span.start) for span in spans), second(until)]
    pricer, known = Pricer(terms.book), [_known(row) for row in rows]
    holds = [pricer.held(row) for row in rows]
    found: dict[int, list[Row]] = defaultdict(list)
    for piece in cut(holds, bounds):
        hold, (properties, gpu) = holds[piece.hold], known[piece.hold]
        ends = bounds[piece.stretch + 1]
        found[piece.stretch].append(
            Row(
                properties=properties,
                start=max(hold.since, bounds[piece.stretch]),
                end=ends if hold.until is None else min(hold.until, ends),
                milli_seconds=piece.milli_seconds,
                micros=piece.micros,
                gpu=gpu,
            )
        )
    return found


def _known(row: AnyRow) -> tuple[Properties, Gpu]:
    told = {
        "cluster": row.cluster_name,
        "node": row.node_name,
        "namespace": row.namespace,
        "pod": row.pod_name,
        "container": row.container_name,
        "label:team": row.team_id,
        "label:user": row.user_id,
        "label:workload_type": None if row.workload_type is None else row.workload_type.value,
        "label:gpu_model": row.model_id,
        "label:mig_profile": row.profile_name,
        "label:allocation_id": row.allocation_id,
    }
    is_shared = row.profile_name is not None or row.milli < WHOLE_MILLI
    gpu = Gpu(row.device_id, row.model_id, row.uuid, is_shared)
    return {name: value for name, value in told.items() if value is not None}, gpu


def _idle(session: Session, terms: Terms, span: Span, *, by_node: bool) -> list[Row]:
    """Return the time of GPUs that could work and were free, at the card's price."""
    places = (Dimension.CLUSTER, Dimension.NODE)
    found = buckets_by(session, terms, (span.start, span.end), places)
    rows = []
    for (cluster, node), sums in sorted(found.items()):
        if not sums.free:
            continue
        told = {"cluster": cluster, IDLE: f"{cluster}/{node}/{IDLE}" if by_node else IDLE}
        rows.append(
            Row(
                properties=told | ({"node": node} if by_node else {}),
                start=second(span.start),
                end=second(span.end),
                milli_seconds=sums.free,
                micros=sums.free_micros,
            )
        )
    return rows
