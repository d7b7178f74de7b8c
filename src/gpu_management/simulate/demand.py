"""What the demonstration's teams ask for and when: arrivals follow from the seed alone."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from gpu_management.allocations.models import WorkloadType
from gpu_management.allocations.request import Ask

SLOT: Final = timedelta(minutes=30)
"""Arrivals are drawn slot by slot, so those of any moment can be drawn again."""

_EPOCH_HOUR_OF_DAY: Final = 9
"""Hours by which the teams' day is ahead of UTC: they work in Seoul."""
_BUSIEST_HOUR: Final = 14.5
_WEEKEND: Final = 5
_WEEKEND_FACTOR: Final = 0.45

_T: Final = WorkloadType.TRAINING
_I: Final = WorkloadType.INFERENCE
_D: Final = WorkloadType.DEVELOPMENT


@dataclass(frozen=True, slots=True)
class Kind:
    """A sort of work: who does it, what it needs, how long it runs, how much of it there is.

    Lives are log-normal. `running` is how many are running on average; how often they arrive
    follows from it (Little's law: number = rate x mean life).
    """

    team: str
    namespace: str
    stems: tuple[str, ...]
    workload: WorkloadType
    pool: str
    memory_gb: int
    running: float
    median_hours: float
    spread: float = 0.6
    """Standard deviation of the logarithm of the life."""
    count: int = 1
    use_mig: bool = False
    milli: int | None = None
    cores: int = 8
    ram_gib: int = 64
    priority: int = 0
    max_hours: int | None = None
    wait_hours: int | None = None
    daily: float = 0.2
    """How much more arrives at the busiest hour than on average; 1 is nothing at night."""
    brief: bool = False
    """Only while people watch: too many to be worth a past."""

    @property
    def per_hour(self) -> float:
        """Return how many arrive an hour, over a whole week."""
        return self.running / (self.median_hours * math.exp(self.spread**2 / 2))


KINDS: Final = (
    Kind(
        "foundation-models",
        "llm-pretrain",
        ("pretrain-ko-70b", "pretrain-moe", "pretrain-longctx"),
        _T,
        "training",
        80,
        running=3.0,
        median_hours=48,
        count=8,
        cores=12,
        ram_gib=160,
        priority=20,
        wait_hours=8,
    ),
    Kind(
        "foundation-models",
        "llm-finetune",
        ("sft-chat", "dpo-align", "lora-sweep"),
        _T,
        "training",
        80,
        running=2.0,
        median_hours=30,
        count=4,
        cores=12,
        ram_gib=128,
        priority=10,
        max_hours=72,
    ),
    Kind(
        "vision-lab",
        "vision",
        ("diffusion-hires", "video-encoder"),
        _T,
        "training",
        80,
        running=2.0,
        median_hours=36,
        count=2,
        cores=12,
        ram_gib=128,
        max_hours=96,
    ),
    Kind(
        "vision-lab",
        "vision",
        ("segment-train", "detector-train", "vit-distill"),
        _T,
        "research",
        40,
        running=18,
        median_hours=54,
        cores=10,
    ),
    Kind(
        "foundation-models",
        "llm-finetune",
        ("eval-suite", "reward-model"),
        _T,
        "research",
        40,
        running=3,
        median_hours=36,
        count=2,
        cores=10,
        ram_gib=96,
    ),
    Kind(
        "recommend",
        "recsys",
        ("two-tower", "ranking-dcn", "embed-refresh"),
        _T,
        "research",
        48,
        running=15,
        median_hours=54,
        cores=10,
    ),
    Kind(
        "data-science",
        "ds-batch",
        ("forecast-train", "tabular-nn"),
        _T,
        "research",
        20,
        running=9,
        median_hours=60,
        use_mig=True,
        cores=4,
        ram_gib=32,
    ),
    Kind(
        "vision-lab",
        "vision-eval",
        ("render-sim", "nerf-scenes"),
        _T,
        "research",
        90,
        running=6,
        median_hours=48,
        cores=16,
    ),
    Kind(
        "serving",
        "serving-prod",
        ("chat-api", "translate-ko-en", "summarize"),
        _I,
        "serving",
        80,
        running=2.5,
        median_hours=200,
        cores=12,
        priority=50,
        daily=0.0,
    ),
    Kind(
        "serving",
        "serving-prod",
        ("embed-api", "rerank-api", "moderation"),
        _I,
        "serving",
        10,
        running=22,
        median_hours=200,
        use_mig=True,
        cores=4,
        ram_gib=24,
        priority=50,
        daily=0.0,
    ),
    Kind(
        "serving",
        "serving-stage",
        ("canary", "chat-api-stage"),
        _I,
        "serving",
        20,
        running=8,
        median_hours=90,
        use_mig=True,
        cores=4,
        ram_gib=32,
    ),
    Kind(
        "serving",
        "serving-prod",
        ("speech-to-text", "ocr-api", "vision-api"),
        _I,
        "serving",
        20,
        running=18,
        median_hours=200,
        cores=8,
        ram_gib=48,
        priority=40,
        daily=0.0,
    ),
    Kind(
        "recommend",
        "recsys",
        ("rank-serve", "recall-serve"),
        _I,
        "shared",
        8,
        running=46,
        median_hours=200,
        milli=250,
        cores=2,
        ram_gib=8,
        priority=30,
        daily=0.0,
    ),
    Kind(
        "vision-lab",
        "vision-eval",
        ("tagger", "thumbnail"),
        _I,
        "shared",
        12,
        running=16,
        median_hours=100,
        milli=500,
        cores=3,
        ram_gib=12,
    ),
    Kind(
        "data-science",
        "notebooks",
        ("jupyter", "vscode"),
        _D,
        "shared",
        8,
        running=4,
        median_hours=7,
        spread=0.4,
        milli=300,
        cores=2,
        ram_gib=16,
        max_hours=10,
        daily=0.9,
    ),
    Kind(
        "recommend",
        "recsys-batch",
        ("backfill", "hyperopt"),
        _T,
        "batch",
        32,
        running=18,
        median_hours=72,
    ),
    Kind(
        "vision-lab",
        "vision",
        ("legacy-resnet", "augment"),
        _T,
        "batch",
        32,
        running=2.5,
        median_hours=48,
        count=4,
        cores=6,
        ram_gib=48,
    ),
    Kind(
        "data-science",
        "notebooks",
        ("smoke-test", "ci-gpu-test", "quick-eval"),
        _D,
        "batch",
        16,
        running=3,
        median_hours=0.05,
        spread=0.7,
        cores=4,
        ram_gib=16,
        max_hours=1,
        brief=True,
    ),
    Kind(
        "serving",
        "serving-stage",
        ("load-test", "warmup"),
        _D,
        "shared",
        8,
        running=3,
        median_hours=0.06,
        spread=0.7,
        milli=200,
        cores=2,
        ram_gib=8,
        max_hours=1,
        brief=True,
    ),
)


@dataclass(frozen=True, slots=True)
class Arrival:
    """Somebody asks for something at a moment."""

    at: datetime
    kind: Kind
    pod_name: str
    user: str


def arrivals(
    seed: int, since: datetime, until: datetime, *, brief: bool, people: dict[str, Sequence[str]]
) -> list[Arrival]:
    """Return who asks in [since, until), in order; without `brief`, the long work only."""
    found: list[Arrival] = []
    slot = _slot_of(since)
    while slot < until:
        for number, kind in enumerate(KINDS):
            if brief or not kind.brief:
                found += _in_slot(seed, slot, number, people[kind.team])
        slot += SLOT
    return sorted(
        (one for one in found if since <= one.at < until), key=lambda one: (one.at, one.pod_name)
    )


def _slot_of(moment: datetime) -> datetime:
    seconds = SLOT.total_seconds()
    start = moment.timestamp() // seconds * seconds
    return datetime.fromtimestamp(start, tz=moment.tzinfo)


def _in_slot(seed: int, slot: datetime, number: int, people: Sequence[str]) -> Iterator[Arrival]:
    kind = KINDS[number]
    random = Random(f"{seed}/{slot.timestamp():.0f}/{number}")  # noqa: S311 - repeatable on purpose
    expected = kind.per_hour * _busy(kind, slot) * (SLOT / timedelta(hours=1))
    for _ in range(_poisson(random, expected)):
        name = f"{random.choice(kind.stems)}-{random.getrandbits(24):06x}"
        yield Arrival(slot + random.random() * SLOT, kind, name, random.choice(people))


def draw(random: Random, *, at: datetime, people: dict[str, Sequence[str]]) -> Arrival:
    """Return an arrival of long work out of turn, as often of each kind as it runs on average."""
    kinds = [kind for kind in KINDS if not kind.brief]
    kind = random.choices(kinds, [kind.running for kind in kinds])[0]
    name = f"{random.choice(kind.stems)}-{random.getrandbits(24):06x}"
    return Arrival(at, kind, name, random.choice(people[kind.team]))


def large_request(seed: int, at: datetime, *, people: dict[str, Sequence[str]]) -> Arrival:
    """Return an arrival of the largest work, which seldom finds a place at once."""
    kind = max(KINDS, key=lambda kind: (kind.wait_hours is not None, kind.count))
    random = Random(f"{seed}/large")  # noqa: S311 - repeatable on purpose
    name = f"{kind.stems[0]}-{random.getrandbits(24):06x}"
    return Arrival(at, kind, name, people[kind.team][0])


def _poisson(random: Random, expected: float) -> int:
    """Return a Poisson number by multiplying uniforms (Knuth); `expected` is small here."""
    floor, product, number = math.exp(-expected), random.random(), 0
    while product > floor:
        product *= random.random()
        number += 1
    return number


def _busy(kind: Kind, moment: datetime) -> float:
    """Return how busy the teams are beside their average: by day more, at week-ends less."""
    local = moment + timedelta(hours=_EPOCH_HOUR_OF_DAY)
    hour = local.hour + local.minute / 60
    day = 1 + kind.daily * math.cos(2 * math.pi * (hour - _BUSIEST_HOUR) / 24)
    if local.weekday() < _WEEKEND or not kind.daily:
        return day
    return day * (1 - kind.daily * (1 - _WEEKEND_FACTOR))


def life_of(seed: int, kind: Kind, pod_name: str) -> timedelta:
    """Return how long a pod of this name runs: always the same, so a restart knows it too."""
    random = Random(f"{seed}/{pod_name}")  # noqa: S311 - repeatable on purpose
    hours = kind.median_hours * math.exp(random.gauss(0, kind.spread))
    return max(timedelta(minutes=1), timedelta(hours=hours))


def kind_of(namespace: str, pod_name: str) -> Kind | None:
    """Return the kind of work that a pod of ours is; None when nobody here asks for it."""
    stem = pod_name.rpartition("-")[0]
    return next((k for k in KINDS if k.namespace == namespace and stem in k.stems), None)


def ask_of(arrival: Arrival, *, pool_label: str, may_wait: bool) -> Ask:
    """Return the request of an arrival; where it `may_wait`, it queues when nothing fits."""
    kind = arrival.kind
    waits = kind.wait_hours if may_wait else None
    return Ask(
        namespace=kind.namespace,
        pod_name=arrival.pod_name,
        workload_type=kind.workload,
        required_memory_gb=kind.memory_gb,
        use_mig=kind.use_mig,
        count=kind.count,
        gpu_milli=kind.milli,
        cpu_milli=kind.cores * kind.count * 1000,
        memory_mib=kind.ram_gib * kind.count * 1024,
        user_id=arrival.user,
        team_id=kind.team,
        node_selector=((pool_label, kind.pool),),
        priority=kind.priority,
        max_duration_hours=kind.max_hours,
        wait_seconds=None if waits is None else waits * 3600,
    )
