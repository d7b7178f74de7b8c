"""Wire shapes of the MIG page: GPUs as they are cut, and what is asked for beside what fits."""

from pydantic import Field

from gpu_management.core.wire import WireModel
from gpu_management.devices.models import DeviceState
from gpu_management.mig.plan_schemas import Fragmentation


class SliceHolder(WireModel):
    """Who holds a slice, and what the owner says about moving it."""

    allocation_id: str
    namespace: str
    pod_name: str
    team_id: str | None
    movable: bool | None = Field(description="May it move? null: its owner said nothing.")


class ScreenSlice(WireModel):
    """A slice at its place."""

    mig_id: str
    profile: str
    start: int
    is_held: bool
    holder: SliceHolder | None = Field(description="null too where another team holds it.")


class ScreenDevice(WireModel):
    """A GPU in MIG mode, as it is cut."""

    device_id: str
    node_name: str
    model_id: str
    model_name: str
    geometry: str
    state: DeviceState
    free_units: int = Field(description="Placement units that no slice in use occupies.")
    stranded_units: int = Field(
        description="Those of them where nothing can be cut beside what is in use."
    )
    largest_profile: str | None = Field(description="The largest that fits beside what is in use.")
    slices: list[ScreenSlice]


class ScreenGeometry(WireModel):
    """How the profiles of a kind of GPU lie."""

    geometry: str
    placement_units: int
    sizes: dict[str, int] = Field(description="Placement units of a slice, by profile.")


class ProfileDemand(WireModel):
    """One profile: what is in use and asked for, and how many more could be."""

    profile: str
    compute_slices: int
    held: int
    idle: int = Field(description="Cut already, and nobody's.")
    waiting: int = Field(description="Slices that waiting requests ask for.")
    peak: int = Field(description="In use at once, at most, in the days before.")
    fits_now: int = Field(description="How many more fit beside what is in use, alone.")
    fits_repacked: int = Field(description="The same after a perfect repack.")


class MigScreen(WireModel):
    """The GPUs in MIG mode in figures."""

    history_days: int
    devices: int = Field(description="GPUs in MIG mode.")
    slices: int
    held_slices: int
    stranded_units: int = Field(description="Free placement units where nothing can be cut.")
    waiting_requests: int
    fragmentation: Fragmentation
    demand: list[ProfileDemand]
    geometries: list[ScreenGeometry]
    models: list[str] = Field(description="Ids of their models.")
    nodes: list[str] = Field(description="Names of their nodes.")
