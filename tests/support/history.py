"""A machine that lives random histories of a fleet, with two replicas on one database."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gpu_management.allocations import bulk, jobs, service
from gpu_management.allocations.models import Allocation, Hold, Phase
from gpu_management.allocations.placer import Place, Placer
from gpu_management.allocations.service import Office, Outcome
from gpu_management.core.database import Database
from gpu_management.core.problems import Problem
from gpu_management.devices import service as devices
from gpu_management.devices.errors import StaleDecision
from gpu_management.devices.models import Device, DeviceState, Node
from gpu_management.mig import service as mig
from gpu_management.mig.geometry import Placement
from gpu_management.rates.service import BookKeeper
from tests.support.apps import Hands
from tests.support.house import A100, CLUSTER, H100, T4, ask
from tests.support.ledger import check_ledger, view_of
from tests.support.principals import ADMIN

LAYOUTS: tuple[tuple[tuple[str, int], ...], ...] = (
    (),
    (("3g.40gb", 0), ("3g.40gb", 4)),
    (("7g.80gb", 0),),
    (("1g.10gb", 0), ("1g.10gb", 1), ("2g.20gb", 2), ("3g.40gb", 4)),
    (("4g.40gb", 0), ("2g.20gb", 4), ("1g.10gb", 6)),
)
NAMES = ("n1", "n2", "n3")
MODELS = (T4, A100, H100)
DEEDS = ("state", "repair", "repair", "remove", "cordon", "switch")
PROFILES = ("1g.10gb", "2g.20gb", "3g.40gb", "7g.80gb")

requests = st.one_of(
    st.builds(dict, count=st.integers(1, 3), required_memory_gb=st.sampled_from((10, 16, 80))),
    st.builds(dict, gpu_milli=st.sampled_from((1, 250, 333, 500, 750, 1000))),
    st.builds(
        dict,
        use_mig=st.just(True),
        count=st.integers(1, 3),
        required_memory_gb=st.sampled_from((5, 10, 20, 40)),
    ),
)
extras = st.fixed_dictionaries(
    {},
    optional={
        "cpu_milli": st.sampled_from((0, 4000, 16_000)),
        "memory_mib": st.sampled_from((0, 8192)),
        "wait_seconds": st.sampled_from((60, 3600)),
        "max_duration_hours": st.sampled_from((1, 24)),
        "priority": st.integers(-2, 2),
        "node_selector": st.just((("zone", "a"),)),
    },
)
picks = st.integers(0, 1_000_000)
seldom = st.sampled_from((False, False, False, True))


class Crash(Exception):
    """The process dies before its commit."""


class History(RuleBasedStateMachine):
    """Every rule is one transaction of one of two replicas; invariants are checked after each."""

    def __init__(self) -> None:
        super().__init__()
        self.database = self.open_database()
        self.clock = Hands()
        self.replicas = [self._replica(), self._replica()]
        self.follower = self._replica().placer

    @staticmethod
    def _replica() -> Office:
        return Office(Placer(CLUSTER, keeper=BookKeeper()), aging_seconds=600)

    def open_database(self) -> Database:
        """Return a prepared database that nothing else uses."""
        raise NotImplementedError

    def teardown(self) -> None:
        try:
            for replica in self.replicas:
                self._compare(replica.placer)
        finally:
            self.database.close()

    @contextmanager
    def tried(self) -> Iterator[Session]:
        """Run one transaction; a problem a caller may get is a fine end, nothing else is."""
        try:
            with self.database.write() as session:
                yield session
        except (Problem, StaleDecision, Crash):
            pass

    def _device(self, session: Session, pick: int, *, cut: bool | None = None) -> Device | None:
        query = select(Device).where(Device.live_id.is_not(None)).order_by(Device.id)
        if cut is not None:
            query = query.where(Device.mig_enabled.is_(cut))
        found = list(session.scalars(query))
        return found[pick % len(found)] if found else None

    def _allocation(self, session: Session, pick: int, *phases: Phase) -> str | None:
        query = select(Allocation.allocation_id).order_by(Allocation.requested_at)
        if phases:
            query = query.where(Allocation.phase.in_(phases))
        found = list(session.scalars(query))
        return found[pick % len(found)] if found else None

    @initialize(gpus=st.integers(1, 3))
    def begin(self, gpus: int) -> None:
        self._add("n1", T4, gpus, is_cut=False)
        self._add("n2", A100, gpus, is_cut=True)
        self._add("n3", A100, gpus, is_cut=False)

    def _add(self, name: str, model: str, gpus: int, *, is_cut: bool) -> None:
        facts = devices.NodeFacts(
            cpu_total_milli=32_000,
            memory_total_mib=65_536,
            labels={"zone": "a" if name == "n1" else "b"},
        )
        with self.tried() as session:
            node = devices.ensure_node(session, CLUSTER, name, facts=facts, now=self.clock())
            for index in range(gpus):
                told = devices.DeviceFacts(model_id=model)
                made = devices.register(session, node, index, facts=told, now=self.clock())
                if is_cut and model != T4:
                    mig.enable(session, made, now=self.clock())

    @rule(name=st.sampled_from((*NAMES, "n4")), model=st.sampled_from(MODELS), is_cut=st.booleans())
    def register(self, name: str, model: str, is_cut: bool) -> None:
        self._add(name, model, 2, is_cut=is_cut)

    @rule(pick=picks, what=st.sampled_from(DEEDS), state=st.sampled_from(DeviceState))
    def disturb(self, pick: int, what: str, state: DeviceState) -> None:
        """Do what happens to a device now and then."""
        now = self.clock()
        with self.tried() as session:
            device = self._device(session, pick)
            if device is None:
                return
            if what == "state":
                devices.set_state(session, device, state, reason="history", now=now)
            elif what == "repair":
                devices.set_state(session, device, DeviceState.READY, reason="history", now=now)
            elif what == "remove":
                mig.remove_device(session, device, now=now)
            elif what == "cordon":
                node = session.get_one(Node, device.node_id)
                is_open = not node.is_schedulable
                devices.set_schedulable(session, node, is_schedulable=is_open)
            else:
                (mig.disable if device.mig_enabled else mig.enable)(session, device, now=now)

    @rule(pick=picks, profile=st.sampled_from(PROFILES), layout=st.sampled_from(LAYOUTS))
    def cut(self, pick: int, profile: str, layout: tuple[tuple[str, int], ...]) -> None:
        """Carve a slice, apply a layout, or destroy a slice."""
        now = self.clock()
        with self.tried() as session:
            device = self._device(session, pick, cut=True)
            if device is None:
                return
            slices = mig.instances_of(session, device.id)
            if pick % 3 == 0:
                mig.create(session, device, profile, start=None, now=now)
            elif pick % 3 == 1 or not slices:
                mig.apply_layout(session, device, [Placement(*p) for p in layout], now=now)
            else:
                mig.destroy(session, slices[pick % len(slices)], now=now)

    @rule(replica=st.integers(0, 1), wanted=requests, more=extras, dies=seldom)
    def request(
        self, replica: int, wanted: dict[str, Any], more: dict[str, Any], dies: bool
    ) -> None:
        with self.tried() as session:
            self._request(session, replica, {**wanted, **more})
            if dies:
                raise Crash

    @rule(replica=st.integers(0, 1), several=st.lists(requests, min_size=1, max_size=4))
    def request_one_after_the_other(self, replica: int, several: list[dict[str, Any]]) -> None:
        for wanted in several:
            with self.tried() as session:
                self._request(session, replica, wanted)

    def _request(self, session: Session, replica: int, wanted: dict[str, Any]) -> None:
        office = self.replicas[replica]
        service.request(session, office, ask(**wanted), principal=ADMIN, now=self.clock())

    @rule(replica=st.integers(0, 1), wanted=st.lists(requests, min_size=1, max_size=3))
    def request_all(self, replica: int, wanted: list[dict[str, Any]]) -> None:
        asks = [ask(**one) for one in wanted]
        before = self._count()
        try:
            with self.database.write() as session:
                office = self.replicas[replica]
                bulk.request_all(session, office, asks, principal=ADMIN, now=self.clock())
        except Problem:
            assert self._count() == before
        else:
            assert self._count() == before + len(asks)

    def _count(self) -> int:
        with self.database.read() as session:
            return session.scalar(select(func.count()).select_from(Allocation)) or 0

    @rule(replica=st.integers(0, 1), wanted=requests)
    def commit_what_may_be_stale(self, replica: int, wanted: dict[str, Any]) -> None:
        """Decide on whatever the replica remembers, and try to hold just that."""
        office = self.replicas[replica]
        found = office.placer.place(ask(**wanted), kept_nodes=())
        if not isinstance(found, Place):
            return
        now = self.clock()
        with self.tried() as session:
            revision = devices.lock(session, CLUSTER)
            made = service._new(office, ask(**wanted), principal=ADMIN, now=now)
            session.add(made)
            outcome = Outcome(found, None, None)
            service.keep(session, made, outcome, revision=revision, now=now)

    @rule(pick=picks, again=st.booleans(), dies=seldom)
    def release(self, pick: int, again: bool, dies: bool) -> None:
        with self.tried() as session:
            wanted = () if again else (Phase.ALLOCATED, Phase.PENDING)
            found = self._allocation(session, pick, *wanted)
            if found is not None:
                service.release(session, found, principal=ADMIN, reason="test", now=self.clock())
            if dies:
                raise Crash

    @rule(pick=picks, hours=st.integers(1, 168))
    def extend(self, pick: int, hours: int) -> None:
        with self.tried() as session:
            found = self._allocation(session, pick, Phase.ALLOCATED)
            if found is not None:
                service.extend(session, found, hours, principal=ADMIN, now=self.clock())

    @rule(seconds=st.sampled_from((0.4, 30, 3600, 100_000)))
    def time_passes(self, seconds: float) -> None:
        self.clock.forward(seconds=seconds)

    @rule(seconds=st.integers(1, 5))
    def somebody_has_a_slow_clock(self, seconds: int) -> None:
        self.clock.forward(seconds=-seconds)

    @rule()
    def run_timers(self) -> None:
        with self.database.write() as session:
            jobs.expire(session, now=self.clock())
            jobs.warn_expiring(session, now=self.clock())
            jobs.give_up_waiting(session, now=self.clock())

    @rule(replica=st.integers(0, 1))
    def run_queue(self, replica: int) -> None:
        for _ in range(5):
            with self.database.write() as session:
                if not jobs.serve_queue(session, self.replicas[replica], now=self.clock()):
                    return

    @rule(replica=st.integers(0, 1))
    def restart(self, replica: int) -> None:
        self.replicas[replica] = self._replica()

    @rule(replica=st.integers(0, 1))
    def catch_up(self, replica: int) -> None:
        self._compare(self.replicas[replica].placer)

    def _compare(self, placer: Placer) -> None:
        fresh = self._replica().placer
        with self.database.read() as session:
            placer.refresh(session)
            fresh.refresh(session)
        assert view_of(placer) == view_of(fresh)

    @invariant()
    def who_follows_sees_what_is_there(self) -> None:
        self._compare(self.follower)

    @invariant()
    def the_ledger_is_whole(self) -> None:
        with self.database.read() as session:
            check_ledger(session)

    @invariant()
    def free_and_held_are_the_capacity(self) -> None:
        with self.database.read() as session:
            held = select(func.coalesce(func.sum(Hold.milli), 0)).where(Hold.ended_at.is_(None))
            free = select(func.coalesce(func.sum(1000 - Device.held_milli), 0)).where(
                Device.live_id.is_not(None)
            )
            count = select(func.count()).where(Device.live_id.is_not(None))
            total = session.scalar(held) + session.scalar(free)
            assert total == 1000 * (session.scalar(count) or 0)

    @precondition(lambda self: self._count() > 0)
    @rule()
    def nothing_changes_what_ended(self) -> None:
        with self.database.read() as session:
            ended = {h.id: h.ended_at for h in session.scalars(select(Hold)) if h.ended_at}
        seen: dict[int, Any] = self.__dict__.setdefault("ended_seen", {})
        assert {pk: ended.get(pk) for pk in seen} == seen
        seen.update(ended)

    @rule(name=st.sampled_from(NAMES))
    def nodes_keep_their_rank(self, name: str) -> None:
        with self.database.read() as session:
            ranks = list(session.scalars(select(Node.rank)))
        assert len(set(ranks)) == len(ranks), name
