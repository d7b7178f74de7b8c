"""The MIG profiles of every board, read from the packaged `data/geometries.json`.

Positions are counted in placement units: 8 on seven-slice boards, 4 on the A30, 12 on the
RTX PRO 6000.
"""

import difflib
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cache, lru_cache
from importlib.resources import files
from types import MappingProxyType
from typing import Final, NamedTuple

from pydantic import ConfigDict, TypeAdapter, ValidationError

_FORBID_EXTRA: Final = ConfigDict(extra="forbid", strict=True)
_NAME: Final = re.compile(r"(\d+)g\.(\d+)gb([+-][a-z][a-z.]*)?")
_RESOURCE_PREFIX: Final = "nvidia.com/mig-"
_SCARCE_ENGINES: Final = ("decoder", "encoder", "jpeg", "ofa")


class GeometryDamaged(Exception):
    """The packaged MIG geometries contradict themselves or cannot be read."""


class LayoutRule(StrEnum):
    """The rule of a board that a layout breaks."""

    UNKNOWN_PROFILE = "UNKNOWN_PROFILE"
    ILLEGAL_START = "ILLEGAL_START"
    OVERLAP = "OVERLAP"
    MAX_INSTANCES = "MAX_INSTANCES"
    COMPUTE = "COMPUTE"
    ENGINES = "ENGINES"


class LayoutError(ValueError):
    """A layout is not legal on its board; the message is one sentence that says why."""

    def __init__(self, rule: LayoutRule, sentence: str) -> None:
        """Keep the rule that is broken beside the sentence for people."""
        super().__init__(sentence)
        self.rule = rule


class ProfileName(NamedTuple):
    """The parts of a profile name: GPU slices, GB of memory, and the attribute (`+me`) or ''."""

    slices: int
    memory_gb: int
    attribute: str


class Placement(NamedTuple):
    """A profile, by name, at a start in placement units."""

    profile: str
    start: int


@dataclass(frozen=True, slots=True)
class Engines:
    """How many media and copy engines a profile takes."""

    copy: int = 0
    decoder: int = 0
    encoder: int = 0
    jpeg: int = 0
    ofa: int = 0


@dataclass(frozen=True, slots=True)
class Profile:
    """One kind of GPU instance on one board; `None` means unknown.

    `size` and `starts` are in placement units; starts stand in the order the driver prefers.
    `profile_id` is what `nvidia-smi mig -cgi` takes, `nvml_enum` what NVML takes.
    """

    __pydantic_config__ = _FORBID_EXTRA

    name: str
    nvml_profile: str
    nvml_enum: int
    profile_id: int
    compute_slices: int
    memory_slices: int
    size: int
    starts: tuple[int, ...]
    max_instances: int
    sm_count: int | None
    memory_mib: int | None
    engines: Engines
    media_extension: bool
    double_memory: bool
    graphics: bool

    @property
    def memory_gb(self) -> int:
        """Return the GB in the name: the figure that requests are compared with."""
        return parse_profile_name(self.name).memory_gb

    @property
    def is_plain(self) -> bool:
        """Say whether the name carries no attribute such as `+me` or `+gfx`."""
        return not parse_profile_name(self.name).attribute

    @property
    def resource(self) -> str:
        """Return the Kubernetes resource of the mixed strategy; `+` becomes `.`."""
        return _RESOURCE_PREFIX + self.name.replace("+", ".")

    def bits(self, start: int) -> int:
        """Return the placement units taken from `start` on, as a bit mask."""
        return ((1 << self.size) - 1) << start


@dataclass(frozen=True, slots=True, eq=False)
class Geometry:
    """The MIG profiles of one board and the limits they share.

    Compared by identity, which makes it a quick key: there is one per board.
    """

    key: str
    models: tuple[str, ...]
    placement_units: int
    compute_slices: int
    engine_budget: Mapping[str, int] | None
    device_filters: tuple[str, ...]
    profile_aliases: Mapping[str, str]
    confidence: Mapping[str, str]
    notes: tuple[str, ...]
    profiles: tuple[Profile, ...]
    by_name: Mapping[str, Profile] = field(repr=False)

    @property
    def memory_slices(self) -> int:
        """Return the memory slices of the whole board."""
        return max(profile.memory_slices for profile in self.profiles)

    @property
    def all_units(self) -> int:
        """Return the mask of every placement unit."""
        return (1 << self.placement_units) - 1

    def find(self, name: str) -> Profile | None:
        """Return the profile of this name, alias or Kubernetes resource, or `None`."""
        return self.by_name.get(name)

    def profile(self, name: str) -> Profile:
        """Return the profile of this name, alias or Kubernetes resource.

        Raises:
            LayoutError: the board has no such profile; the sentence names the nearest.
        """
        found = self.by_name.get(name)
        if found is None:
            raise LayoutError(LayoutRule.UNKNOWN_PROFILE, _unknown_profile(self, name))
        return found


@lru_cache(maxsize=1024)
def parse_profile_name(name: str) -> ProfileName:
    """Return the parts of a profile name such as `1g.10gb+me`.

    Raises:
        LayoutError: the text is no profile name.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise LayoutError(
            LayoutRule.UNKNOWN_PROFILE,
            f"'{name}' is no MIG profile name; they look like '1g.10gb' or '1g.10gb+me'",
        )
    return ProfileName(int(match[1]), int(match[2]), match[3] or "")


def parse_geometries(document: str | bytes) -> Mapping[str, Geometry]:
    """Return the geometries in a JSON document of the packaged form, by key.

    Raises:
        GeometryDamaged: the document is not of that form, or contradicts itself.
    """
    try:
        parsed = TypeAdapter(_GeometriesFile).validate_json(document)
    except ValidationError as error:
        raise GeometryDamaged(f"the MIG geometries cannot be read: {error}") from error
    if parsed.schema_version != 1:
        raise GeometryDamaged(f"MIG geometries have version {parsed.schema_version}, not 1")
    built = {key: _geometry(key, raw) for key, raw in parsed.geometries.items()}
    models = Counter(model for geometry in built.values() for model in geometry.models)
    twice = sorted(model for model, count in models.items() if count > 1)
    if twice:
        raise GeometryDamaged(f"these models have more than one geometry: {twice}")
    return MappingProxyType(built)


@cache
def load_geometries() -> Mapping[str, Geometry]:
    """Return the packaged geometries by key, read once.

    Raises:
        GeometryDamaged: the packaged file is damaged.
    """
    packaged = files("gpu_management.mig").joinpath("data/geometries.json")
    return parse_geometries(packaged.read_bytes())


@dataclass(frozen=True, slots=True)
class _RawGeometry:
    __pydantic_config__ = _FORBID_EXTRA

    models: tuple[str, ...]
    placement_units: int
    compute_slices: int
    engine_budget: dict[str, int] | None
    device_filters: tuple[str, ...]
    profile_aliases: dict[str, str]
    confidence: dict[str, str]
    notes: tuple[str, ...]
    profiles: tuple[Profile, ...]


@dataclass(frozen=True, slots=True)
class _GeometriesFile:
    __pydantic_config__ = _FORBID_EXTRA

    schema_version: int
    rules: dict[str, str]
    geometries: dict[str, _RawGeometry]


def _geometry(key: str, raw: _RawGeometry) -> Geometry:
    by_name = {profile.name: profile for profile in raw.profiles}
    if len(by_name) != len(raw.profiles):
        raise GeometryDamaged(f"{key} lists a profile twice")
    for profile in raw.profiles:
        _check_profile(key, raw.placement_units, profile)
    unknown = set(raw.profile_aliases.values()) - by_name.keys()
    if unknown or set(raw.engine_budget or ()) - set(_SCARCE_ENGINES):
        raise GeometryDamaged(f"{key}: aliases or engines name what the board does not have")
    spellings = {name: by_name[real] for name, real in raw.profile_aliases.items()}
    spellings |= {profile.resource: profile for profile in raw.profiles} | by_name
    return Geometry(
        key=key,
        models=raw.models,
        placement_units=raw.placement_units,
        compute_slices=raw.compute_slices,
        engine_budget=raw.engine_budget and MappingProxyType(raw.engine_budget),
        device_filters=raw.device_filters,
        profile_aliases=MappingProxyType(raw.profile_aliases),
        confidence=MappingProxyType(raw.confidence),
        notes=raw.notes,
        profiles=raw.profiles,
        by_name=MappingProxyType(spellings),
    )


def _check_profile(key: str, units: int, profile: Profile) -> None:
    ends = [start + profile.size for start in profile.starts]
    if not ends or min(profile.starts) < 0 or max(ends) > units or profile.size < 1:
        raise GeometryDamaged(f"{key}: {profile.name} does not stand on {units} placement units")
    if profile.size * 1000 % units:
        raise GeometryDamaged(f"{key}: {profile.name} is no whole thousandth of the board")
    try:
        parse_profile_name(profile.name)
    except LayoutError as error:
        raise GeometryDamaged(f"{key}: {error}") from error


def _unknown_profile(geometry: Geometry, name: str) -> str:
    owners = sorted(key for key, other in load_geometries().items() if name in other.by_name)
    nearest = _nearest(geometry, name)
    if owners:
        return (
            f"'{name}' is a profile of {', '.join(owners)}, not of {geometry.key}; "
            f"the nearest there is '{nearest}'"
        )
    return f"{geometry.key} has no profile '{name}'; the nearest is '{nearest}'"


def _nearest(geometry: Geometry, name: str) -> str:
    """Return the profile of the closest slices and memory, or of the closest spelling."""
    match = _NAME.fullmatch(name)
    if match is None:
        spelled = [profile.name for profile in geometry.profiles]
        return difflib.get_close_matches(name, spelled, n=1, cutoff=0.0)[0]
    wanted = parse_profile_name(name)
    parsed = [parse_profile_name(profile.name) for profile in geometry.profiles]
    best = min(
        range(len(parsed)),
        key=lambda i: (
            abs(parsed[i].slices - wanted.slices),
            abs(parsed[i].memory_gb - wanted.memory_gb),
            parsed[i].attribute != wanted.attribute,
            i,
        ),
    )
    return geometry.profiles[best].name
