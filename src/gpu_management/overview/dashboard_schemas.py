"""Wire shapes of what only the dashboard's first screen and its search ask for."""

from typing import Literal

from pydantic import Field

from gpu_management.core.wire import WireModel


class SearchHit(WireModel):
    """Something that a searched text is a part of."""

    kind: Literal["node", "device", "allocation", "team"]
    id: str = Field(description="Its name in addresses.")
    title: str
    note: str | None = Field(description="Zone, model, team id or phase.")
