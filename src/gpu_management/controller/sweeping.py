"""Remove claims of ours that outlived their allocation: the ledger gave their devices back."""

from collections.abc import Collection
from contextlib import suppress

from sqlalchemy import select

from gpu_management.allocations.models import Allocation, Phase
from gpu_management.cluster.claims import ALLOCATION_LABEL, claim_name, read_claim
from gpu_management.cluster.mirror import Mirror
from gpu_management.cluster.protocol import (
    Cluster,
    ClusterAway,
    ClusterForbids,
    Kind,
    KindUnknown,
    ObjectGone,
)
from gpu_management.core.database import Database
from gpu_management.core.logs import get_logger

log = get_logger(__name__)

AT_ONCE = 100


def sweep(database: Database, cluster: Cluster, mirror: Mirror, live: Collection[str]) -> int:
    """Delete claims whose allocation has ended; return how many. `live` are those that have not.

    A claim of an allocation that this database does not know is left alone: another installation
    may have made it.
    """
    orphans = _orphans(mirror, live)
    if not orphans:
        return 0
    ended = _ended(database, list(orphans)[:AT_ONCE])
    for allocation_id in ended:
        namespace, name = orphans[allocation_id]
        try:
            with suppress(ObjectGone):
                cluster.delete(Kind.CLAIM, name, namespace=namespace)
        except (ClusterAway, ClusterForbids, KindUnknown) as trouble:
            log.warning("GPU claims that are left over stay for now: %s", trouble)
            return 0
        log.warning("GPU claim %s/%s outlived its allocation; it is removed", namespace, name)
    return len(ended)


def _orphans(mirror: Mirror, live: Collection[str]) -> dict[str, tuple[str, str]]:
    found = {}
    for thing in mirror.objects(Kind.CLAIM):
        allocation_id = (thing["metadata"].get("labels") or {}).get(ALLOCATION_LABEL)
        if allocation_id is None or allocation_id in live:
            continue
        claim = read_claim(thing)
        if claim.is_ours and not claim.is_deleted and claim.name == claim_name(allocation_id):
            found[allocation_id] = claim.key
    return found


def _ended(database: Database, ids: list[str]) -> list[str]:
    query = select(Allocation.allocation_id).where(
        Allocation.allocation_id.in_(ids), Allocation.phase.in_([Phase.RELEASED, Phase.FAILED])
    )
    with database.read() as session:
        return list(session.scalars(query))
