"""The work of the demonstration's teams: what sorts there are, and how much of each."""

import math
from dataclasses import dataclass
from typing import Final

from gpu_management.allocations.models import WorkloadType

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
