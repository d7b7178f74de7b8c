"""Read the state and the demand of `gpuctl mig plan`, and refuse what cannot be."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, StrictBool, StrictInt

from gpu_management.core.text import did_you_mean
from gpu_management.mig.cluster_layout import Gpu, Item, Situation
from gpu_management.mig.files import BadInput, check_profile, geometry_named, read_json
from gpu_management.mig.geometry import Geometry, LayoutError, load_geometries
from gpu_management.mig.layout import check_layout

_Amount = Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)]
_MOST: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class _RawInstance:
    id: str
    profile: str
    start: StrictInt
    state: Literal["running", "free"]
    movable: StrictBool = False
    move_cost: _Amount | None = None
    move_s: _Amount | None = None


@dataclass(frozen=True, slots=True)
class _RawGpu:
    id: str
    geometry: str
    instances: list[_RawInstance]
    node: str = ""


@dataclass(frozen=True, slots=True)
class _RawState:
    version: Literal[1]
    gpus: list[_RawGpu]
    name: str = ""


@dataclass(frozen=True, slots=True)
class _RawDemand:
    version: Literal[1]
    demand: dict[str, Annotated[StrictInt, Field(ge=0, le=_MOST)]]


def read_situation(state: Path, demand: Path) -> Situation:
    """Return what the two files describe.

    Raises:
        BadInput: one of them cannot be read or used.
    """
    gpus = [_gpu(state, n, raw) for n, raw in enumerate(read_json(state, _RawState).gpus)]
    _refuse_twice(state, "gpus", (gpu.id for gpu in gpus))
    _refuse_twice(state, "instances", (item.id for gpu in gpus for item in gpu.items))
    return Situation(gpus, _demand(demand, gpus))


def _gpu(file: Path, number: int, raw: _RawGpu) -> Gpu:
    field = f"gpus.{number}"
    geometry = geometry_named(file, f"{field}.geometry", raw.geometry)
    items = tuple(
        _item(file, f"{field}.instances.{n}", each, geometry)
        for n, each in enumerate(raw.instances)
    )
    gpu = Gpu(raw.id, raw.node, geometry, items)
    try:
        check_layout(geometry, gpu.places)
    except LayoutError as error:
        raise BadInput(f"{file}: {field}.instances ({raw.id}): {error}") from error
    return gpu


def _item(file: Path, field: str, raw: _RawInstance, geometry: Geometry) -> Item:
    check_profile(file, f"{field}.profile", raw.profile, boards={geometry})
    moves = raw.state == "running" and raw.movable
    for name in ("move_cost", "move_s") if moves else ():
        if getattr(raw, name) is None:
            raise BadInput(
                f"{file}: {field}.{name}: is missing ({raw.id}); a movable instance has"
                " move_cost and move_s, numbers from 0 on"
            )
    return Item(
        raw.id,
        geometry.profile(raw.profile).name,
        raw.start,
        running=raw.state == "running",
        movable=moves,
        move_cost=raw.move_cost or 0.0,
        move_s=raw.move_s or 0.0,
    )


def _refuse_twice(file: Path, field: str, names: Iterable[str]) -> None:
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise BadInput(f"{file}: {field}: the id '{twice[0]}' is there twice; ids are unique")


def _demand(file: Path, gpus: list[Gpu]) -> dict[str, int]:
    """Return the demand under the boards' own names; what only other boards have stays unserved."""
    here = {gpu.geometry for gpu in gpus}
    ordered = sorted(load_geometries().values(), key=lambda g: (g not in here, g.key))
    found: Counter[str] = Counter()
    for name, count in read_json(file, _RawDemand).demand.items():
        kind = next(filter(None, (geometry.find(name) for geometry in ordered)), None)
        if kind is None:
            known = sorted({p.name for g in here for p in g.profiles})
            raise BadInput(
                f"{file}: demand.{name}: is no MIG profile; these GPUs have"
                f" {', '.join(known) or 'none'}{did_you_mean(name, known)}"
            )
        found[kind.name] += count
    return dict(found)
