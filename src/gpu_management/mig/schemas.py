"""Wire shapes of MIG (DTO-07, DTO-08)."""

from pydantic import ConfigDict, Field, JsonValue

from gpu_management.core.wire import Moment, WireInt, WireModel, WireRequest
from gpu_management.mig.geometry import Placement

_TWO_HALVES: dict[str, JsonValue] = {
    "placements": [{"profile": "3g.40gb", "start": 0}, {"profile": "3g.40gb", "start": 4}]
}


class PlacementInfo(WireModel):
    """A legal place of a profile, in placement units."""

    start: int
    size: int


class Profile(WireModel):
    """A MIG profile of a model, and how many would fit into the fleet now."""

    profile_name: str
    model_id: str
    geometry: str
    resource_name: str
    compute_slices: int
    memory_slices: int
    memory_gb: int
    memory_mib: int | None
    max_instances: int
    placement_units: int
    placements: list[PlacementInfo]
    free_instances: int = Field(description="Idle instances of this profile in the fleet.")
    carvable: int = Field(description="Further ones that fit beside what exists now.")


class Instance(WireModel):
    """A MIG instance."""

    mig_id: str
    uuid: str | None
    device_id: str
    node_name: str
    profile_name: str
    gpu_instance_id: int | None
    compute_instance_id: int | None
    placement_start: int
    placement_size: int
    milli: int
    status: str = Field(description="`AVAILABLE` or `ALLOCATED`.")
    allocation_id: str | None
    created_at: Moment


class InstanceCreate(WireRequest):
    """A slice to carve; without a start, the first legal place."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"profile": "1g.10gb"}]})

    profile: str = Field(min_length=1, max_length=24)
    start: WireInt | None = Field(default=None, ge=0, le=11)


class PlacementAsk(WireRequest):
    """One slice of a layout."""

    profile: str = Field(min_length=1, max_length=24)
    start: WireInt = Field(ge=0, le=11)


class LayoutApply(WireRequest):
    """The layout a device shall have; instances in use must be part of it."""

    model_config = ConfigDict(json_schema_extra={"examples": [_TWO_HALVES]})

    placements: list[PlacementAsk] = Field(max_length=12)
    dry_run: bool = Field(default=False, description="Only say what would change.")

    def wanted(self) -> list[Placement]:
        """Return the layout as the service takes it."""
        return [Placement(place.profile, place.start) for place in self.placements]


class PlacementTold(WireModel):
    """One slice of a layout."""

    profile: str
    start: int


class LayoutChange(WireModel):
    """What applying a layout did, or would do."""

    applied: bool
    kept: list[str] = Field(description="MIG ids that stay.")
    destroyed: list[str] = Field(description="MIG ids that go.")
    created: list[PlacementTold]
    fits_after: dict[str, int] = Field(description="Further instances of each profile that fit.")


class DeviceMig(WireModel):
    """How a device is cut, and what still fits."""

    device_id: str
    mig_enabled: bool
    geometry: str
    placement_units: int
    instances: list[Instance]
    free_placements: dict[str, list[int]] = Field(description="Legal starts left, by profile.")


class LayoutStretch(WireModel):
    """A stretch of a device's layout history."""

    mig_enabled: bool
    layout: list[PlacementTold]
    started_at: Moment
    ended_at: Moment | None
