"""Wire shapes of what collectors report about MIG, and of what they are told to cut."""

from typing import Annotated

from pydantic import Field

from gpu_management.core.wire import WireInt, WireModel, WireRequest
from gpu_management.mig.execution import OrderOutcome
from gpu_management.mig.node_orders import Report, SeenBoard, SeenSlice

_Uuid = Annotated[str, Field(max_length=80)]
_MOST_GPUS = 64
_MOST_SLICES = 16


class SeenSliceTold(WireRequest):
    """A MIG slice that the collector sees."""

    profile: str = Field(max_length=24)
    start: WireInt = Field(ge=0, le=63)
    uuid: _Uuid | None = None
    gpu_instance_id: WireInt | None = Field(default=None, ge=0)


class SeenBoardTold(WireRequest):
    """A GPU that the collector sees."""

    uuid: _Uuid
    index: WireInt = Field(ge=0, le=255)
    mig_enabled: bool
    slices: list[SeenSliceTold] = Field(default=[], max_length=_MOST_SLICES)


class NodeReport(WireRequest):
    """What a node's collector sees of its GPUs, and its word on the order it was given."""

    devices: list[SeenBoardTold] = Field(max_length=_MOST_GPUS)
    order_id: str | None = Field(default=None, max_length=64)
    outcome: OrderOutcome | None = None
    message: str | None = Field(default=None, max_length=1000)

    def report(self) -> Report:
        """Return it as the service takes it."""
        boards = [
            SeenBoard(
                board.uuid,
                board.index,
                board.mig_enabled,
                [SeenSlice(s.profile, s.start, s.uuid, s.gpu_instance_id) for s in board.slices],
            )
            for board in self.devices
        ]
        return Report(boards, self.order_id, self.outcome, self.message)


class OrderedSlice(WireModel):
    """A slice that a GPU shall have."""

    profile: str
    start: int
    also_called: list[str] = Field(description="What some drivers call the profile.")


class OrderedBoard(WireModel):
    """The slices that a GPU shall have; those it has already stay as they are."""

    uuid: str | None
    index: int
    slices: list[OrderedSlice]


class NodeOrder(WireModel):
    """What the collector is to cut; null where there is nothing to do."""

    order_id: str | None
    devices: list[OrderedBoard]
