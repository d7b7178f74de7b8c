"""Claims follow allocations, and holds end when claims are gone."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gpu_management.allocations.enforcement import EnforcementMode
from gpu_management.allocations.errors import AllocationEnded
from gpu_management.allocations.models import Allocation, Hold, Phase
from gpu_management.cluster.claims import Pin, pinned_claim, read_claim
from gpu_management.cluster.memory import MemoryCluster
from gpu_management.cluster.models import ClaimIntent
from gpu_management.cluster.protocol import Json, Kind, ObjectGone
from gpu_management.devices.models import Device
from gpu_management.events.models import Event
from tests.support.clusters import Yard
from tests.support.house import House
from tests.support.kube import gpu_slice, mig, pod
from tests.support.ledger import check_ledger


@pytest.fixture
def yard(house: House) -> Yard:
    return Yard(house)


def held(yard: Yard) -> int:
    with yard.house.database.read() as session:
        check_ledger(session)
        return sum(session.scalars(select(Hold.milli).where(Hold.ended_at.is_(None))))


def events(yard: Yard) -> list[str]:
    with yard.house.database.read() as session:
        kinds = session.scalars(select(Event.type).order_by(Event.id))
        return [kind for kind in kinds if kind.startswith("allocation.")]


def phase(yard: Yard, allocation: Allocation) -> Phase:
    return yard.house.find(allocation.allocation_id).phase


def test_an_allocation_gets_a_claim_pinned_to_its_card(yard: Yard):
    made = yard.house.request()
    assert yard.claim(made.allocation_id) is None
    assert yard.conditions(made)["Enforced"] == ("False", "Pending")
    yard.enforce()
    claim = read_claim(yard.claim(made.allocation_id) or {})
    assert claim.selectors == (Pin(uuid="GPU-0").selector(),)
    assert yard.conditions(made)["Enforced"] == ("True", "ClaimCreated")
    assert events(yard) == ["allocation.created", "allocation.enforced"]
    assert yard.enforce() == 0


def test_several_cards_are_one_claim(yard: Yard):
    made = yard.house.request(count=2)
    yard.enforce()
    assert len(read_claim(yard.claim(made.allocation_id) or {}).selectors) == 2


def test_release_waits_until_the_claim_is_gone(yard: Yard):
    made = yard.house.request()
    yard.enforce()
    answer = yard.house.release(made.allocation_id)
    assert answer.phase is Phase.ALLOCATED
    assert yard.conditions(made)["Releasing"] == ("True", "WaitingForCluster")
    assert held(yard) == 1000
    yard.enforce()
    assert yard.claim(made.allocation_id) is None
    ended = yard.house.find(made.allocation_id)
    assert (ended.phase, ended.release_reason) == (Phase.RELEASED, "requested")
    assert held(yard) == 0


def test_a_pod_that_uses_the_claim_keeps_the_hold_until_it_ends(yard: Yard):
    made = yard.house.request()
    yard.enforce()
    yard.use(made.allocation_id, "train-0")
    yard.enforce()
    assert yard.conditions(made)["Bound"] == ("True", "PodUsesClaim")
    yard.house.release(made.allocation_id)
    yard.enforce()
    assert yard.conditions(made)["Releasing"] == ("True", "PodsUseClaim")
    assert "train-0" in str(yard.house.find(made.allocation_id).conditions)
    assert held(yard) == 1000
    yard.use(made.allocation_id)
    yard.enforce(after_seconds=1)
    assert phase(yard, made) is Phase.RELEASED
    assert held(yard) == 0


def test_a_second_release_changes_nothing(yard: Yard):
    made = yard.house.request()
    yard.enforce()
    yard.house.release(made.allocation_id)
    yard.house.release(made.allocation_id)
    yard.enforce()
    assert phase(yard, made) is Phase.RELEASED
    assert events(yard).count("allocation.releasing") == 1
    assert events(yard).count("allocation.released") == 1


def test_what_is_being_released_cannot_be_extended_nor_expire_again(yard: Yard):
    made = yard.house.request(max_duration_hours=1)
    yard.enforce()
    yard.use(made.allocation_id, "train-0")
    yard.house.clock.forward(hours=2)
    yard.house.end_of_time()
    yard.house.end_of_time()
    assert yard.house.find(made.allocation_id).release_reason == "expired"
    with pytest.raises(AllocationEnded, match="being released"):
        yard.house.extend(made.allocation_id, 1)


def test_a_release_before_the_claim_was_made_leaves_nothing_behind(yard: Yard):
    made = yard.house.request()
    yard.house.release(made.allocation_id)
    yard.enforce()
    assert phase(yard, made) is Phase.RELEASED
    assert yard.claim(made.allocation_id) is None
    assert held(yard) == 0


def test_evict_ends_the_pods_unless_a_budget_keeps_them(yard: Yard):
    made = yard.house.request()
    yard.enforce()
    for name in ("train-0", "train-1"):
        yard.cluster.put(Kind.POD, pod(name))
    yard.use(made.allocation_id, "train-0", "train-1")
    yard.cluster.protected_pods.add("train-1")
    with yard.house.database.write() as session:
        from gpu_management.allocations import service
        from tests.support.principals import ADMIN

        service.release(
            session,
            made.allocation_id,
            principal=ADMIN,
            reason="requested",
            now=yard.house.now,
            ends_pods=True,
        )
    yard.enforce()
    names = {p["metadata"]["name"] for p in yard.cluster.list(Kind.POD).objects}
    assert names == {"train-1"}
    assert yard.conditions(made)["Releasing"] == ("True", "EvictionDelayed")
    yard.cluster.protected_pods.clear()
    yard.enforce(after_seconds=5)
    yard.use(made.allocation_id)
    yard.enforce(after_seconds=5)
    assert phase(yard, made) is Phase.RELEASED


class DiesAfterwards(MemoryCluster):
    """The controller is killed after the cluster did as told, before anybody wrote it down."""

    class Killed(Exception):
        pass

    def __init__(self, cluster: MemoryCluster) -> None:
        self.__dict__.update(cluster.__dict__)

    def create(self, kind: Kind, manifest: Json) -> Json:
        super().create(kind, manifest)
        raise self.Killed

    def delete(self, kind: Kind, name: str, *, namespace: str | None = None) -> None:
        super().delete(kind, name, namespace=namespace)
        raise self.Killed


def test_killed_between_commit_and_claim_the_next_run_makes_it(yard: Yard):
    made = yard.house.request()
    yard.house.restart()
    yard.restart()
    yard.enforce()
    assert yard.conditions(made)["Enforced"][0] == "True"


def test_killed_between_claim_and_its_record_the_claim_is_adopted(yard: Yard):
    made = yard.house.request()
    yard.restart(DiesAfterwards(yard.cluster))
    with pytest.raises(DiesAfterwards.Killed):
        yard.enforce()
    before = yard.claim(made.allocation_id)
    assert yard.conditions(made)["Enforced"] == ("False", "Pending")
    yard.restart()
    yard.enforce()
    assert yard.conditions(made)["Enforced"][0] == "True"
    assert yard.claim(made.allocation_id) == before


def test_killed_between_deletion_and_its_record_the_hold_ends_once(yard: Yard):
    made = yard.house.request()
    yard.enforce()
    yard.house.release(made.allocation_id)
    yard.restart(DiesAfterwards(yard.cluster))
    with pytest.raises(DiesAfterwards.Killed):
        yard.enforce()
    assert held(yard) == 1000
    yard.restart()
    yard.enforce()
    assert phase(yard, made) is Phase.RELEASED


def test_a_cluster_that_is_away_fails_nobody_however_long(yard: Yard):
    made = yard.house.request()
    other = yard.house.request()
    yard.enforce()
    yard.house.release(other.allocation_id)
    late = yard.house
    yard.cluster.go_away()
    for _ in range(5):
        assert yard.enforce(after_seconds=3600) == 0
    assert phase(yard, made) is Phase.ALLOCATED
    assert phase(yard, other) is Phase.ALLOCATED
    assert held(yard) == 2000
    yard.cluster.go_away(is_away=False)
    yard.enforce()
    assert phase(yard, other) is Phase.RELEASED
    assert late.find(made.allocation_id).phase is Phase.ALLOCATED


def test_a_claim_deleted_by_hand_is_made_anew(yard: Yard):
    made = yard.house.request()
    yard.enforce()
    yard.cluster.drop(Kind.CLAIM, f"gpualloc-{made.allocation_id}", "ml")
    yard.enforce(after_seconds=1)
    assert yard.claim(made.allocation_id) is not None
    assert phase(yard, made) is Phase.ALLOCATED


def test_a_deleted_claim_that_a_pod_keeps_is_told_and_made_anew_later(yard: Yard):
    made = yard.house.request()
    yard.enforce()
    yard.use(made.allocation_id, "train-0")
    yard.cluster.delete(Kind.CLAIM, f"gpualloc-{made.allocation_id}", namespace="ml")
    yard.enforce(after_seconds=1)
    assert yard.conditions(made)["Enforced"] == ("False", "ClaimDeleted")
    yard.use(made.allocation_id)
    yard.enforce(after_seconds=5)
    assert yard.conditions(made)["Enforced"][0] == "True"
    assert phase(yard, made) is Phase.ALLOCATED


def test_another_claim_of_the_same_name_is_replaced_while_nobody_uses_it(yard: Yard):
    made = yard.house.request()
    wrong = pinned_claim(made.allocation_id, "ml", [Pin(uuid="GPU-1")], owner={})
    yard.cluster.put(Kind.CLAIM, wrong)
    yard.enforce()
    assert yard.conditions(made)["Enforced"] == ("False", "ClaimChanged")
    yard.enforce(after_seconds=5)
    claim = read_claim(yard.claim(made.allocation_id) or {})
    assert claim.selectors == (Pin(uuid="GPU-0").selector(),)


def test_our_label_is_put_back_on_a_claim(yard: Yard):
    made = yard.house.request()
    yard.enforce()
    claim = dict(yard.claim(made.allocation_id) or {})
    yard.cluster.put(Kind.CLAIM, {**claim, "metadata": {**claim["metadata"], "labels": {}}})
    yard.enforce(after_seconds=1)
    assert read_claim(yard.claim(made.allocation_id) or {}).allocation_id == made.allocation_id


def test_missing_rights_are_a_condition_and_in_the_end_a_failure(yard: Yard):
    made = yard.house.request()
    yard.cluster.forbidden.add(("create", Kind.CLAIM))
    yard.enforce()
    assert yard.conditions(made)["Enforced"] == ("False", "Forbidden")
    assert phase(yard, made) is Phase.ALLOCATED
    yard.enforce(after_seconds=60)
    assert phase(yard, made) is Phase.ALLOCATED
    yard.enforce(after_seconds=61)
    yard.enforce(after_seconds=1)
    failed = yard.house.find(made.allocation_id)
    assert (failed.phase, failed.failure_reason) == (Phase.FAILED, "Forbidden")
    assert "forbidden" in (failed.message or "")
    assert events(yard)[-1] == "allocation.failed"
    assert held(yard) == 0


def test_rights_that_come_in_time_fail_nobody(yard: Yard):
    made = yard.house.request()
    yard.cluster.forbidden.add(("create", Kind.CLAIM))
    yard.enforce()
    yard.cluster.forbidden.clear()
    yard.enforce(after_seconds=20)
    assert yard.conditions(made)["Enforced"][0] == "True"


class NoNamespace(MemoryCluster):
    """A cluster whose namespace `ml` was deleted."""

    def __init__(self, cluster: MemoryCluster) -> None:
        self.__dict__.update(cluster.__dict__)

    def create(self, kind: Kind, manifest: Json) -> Json:
        raise ObjectGone('namespaces "ml" not found')


def test_a_namespace_deleted_under_an_allocation_releases_it(yard: Yard):
    made = yard.house.request()
    yard.enforce()
    yard.cluster.drop(Kind.CLAIM, f"gpualloc-{made.allocation_id}", "ml")
    yard.restart(NoNamespace(yard.cluster))
    yard.enforce(after_seconds=1)
    ended = yard.house.find(made.allocation_id)
    assert (ended.phase, ended.release_reason) == (Phase.RELEASED, "namespace deleted")
    assert held(yard) == 0


def test_a_namespace_that_never_was_is_told_and_fails_after_the_deadline(yard: Yard):
    made = yard.house.request()
    yard.restart(NoNamespace(yard.cluster))
    yard.enforce()
    assert yard.conditions(made)["Enforced"] == ("False", "NamespaceMissing")
    yard.enforce(after_seconds=121)
    yard.enforce(after_seconds=1)
    assert phase(yard, made) is Phase.FAILED


def test_a_cluster_that_lost_the_kind_releases_nothing(yard: Yard):
    made = yard.house.request()
    yard.enforce()
    yard.house.release(made.allocation_id)
    yard.cluster.unknown_kinds.add(Kind.CLAIM)
    yard.enforce(after_seconds=3600)
    assert phase(yard, made) is Phase.ALLOCATED
    assert yard.conditions(made)["Releasing"] == ("True", "NoResourceClaims")


def test_a_static_slice_is_pinned_by_its_uuid(house: House):
    yard = Yard(house, cards=0)
    cut = [mig(0, "GPU-a", "3g.40gb", start=s, uuid=f"MIG-{s}", slices=4) for s in (0, 4)]
    yard.cluster.put(Kind.SLICE, gpu_slice("n1", cut))
    yard.sync()
    made = yard.house.request(use_mig=True, required_memory_gb=40)
    yard.enforce()
    with yard.house.database.read() as session:
        [told] = session.scalars(select(ClaimIntent)).one().devices
    [selector] = read_claim(yard.claim(made.allocation_id) or {}).selectors
    assert f"uuid == 'MIG-{told['start']}'" in selector


def test_a_slice_that_the_cluster_does_not_have_is_told(house: House):
    yard = Yard(house, cards=1)
    with yard.house.device("n1-GPU-00") as (session, device):
        from gpu_management.mig import service as slices

        slices.enable(session, device, now=yard.house.now)
    made = yard.house.request(use_mig=True, required_memory_gb=10)
    yard.enforce()
    assert yard.conditions(made)["Enforced"] == ("False", "SliceMissing")


def test_shares_and_nameless_cards_are_allocated_without_a_claim(yard: Yard):
    share = yard.house.request(gpu_milli=500)
    assert yard.conditions(share)["Enforced"] == ("False", "NotEnforceable")
    yard.house.release(share.allocation_id)
    assert phase(yard, share) is Phase.RELEASED
    with yard.house.database.write() as session:
        for device in session.scalars(select(Device)):
            device.uuid = device.live_uuid = None
    nameless = yard.house.request()
    assert yard.conditions(nameless)["Enforced"] == ("False", "NotEnforceable")


def test_a_namespace_may_be_only_observed(house: House):
    rules: dict[str, Any] = {"namespaces": {"dev": EnforcementMode.OBSERVE}}
    yard = Yard(house, **rules)
    free = yard.house.request(namespace="dev")
    kept = yard.house.request(namespace="ml")
    yard.enforce()
    assert yard.conditions(free)["Enforced"] == ("False", "ObserveOnly")
    assert yard.conditions(kept)["Enforced"] == ("True", "ClaimCreated")
    assert yard.house.release(free.allocation_id).phase is Phase.RELEASED


def test_whoever_waited_in_line_gets_a_claim_too(yard: Yard):
    first = yard.house.request(count=2)
    waiting = yard.house.request(wait_seconds=3600)
    yard.enforce()
    yard.house.release(first.allocation_id)
    assert yard.house.serve_queue() == 0
    yard.enforce()
    assert yard.house.serve_queue() == 1
    yard.enforce()
    assert yard.conditions(waiting)["Enforced"][0] == "True"


def test_a_controller_whose_clock_is_behind_acts_at_once_all_the_same(yard: Yard):
    made = yard.house.request()
    behind = yard.house.now - timedelta(minutes=5)
    assert yard.enforcer.run(behind) == 1
    assert yard.claim(made.allocation_id) is not None
    yard.house.release(made.allocation_id)
    yard.enforcer.run(behind)
    yard.enforcer.run(behind)
    assert yard.claim(made.allocation_id) is None
    assert yard.house.find(made.allocation_id).phase is Phase.RELEASED


def test_a_controller_whose_clock_is_ahead_fails_nobody_early(yard: Yard):
    yard.cluster.forbidden.add(("create", Kind.CLAIM))
    made = yard.house.request()
    ahead = yard.house.now + timedelta(minutes=5)
    yard.enforcer.run(ahead)
    assert yard.house.find(made.allocation_id).phase is Phase.ALLOCATED
    yard.cluster.forbidden.clear()
    yard.enforcer.run(ahead + timedelta(seconds=30))
    assert yard.claim(made.allocation_id) is not None
