"""The wire shape of an event."""

from typing import Any

from pydantic import AliasChoices, ConfigDict, Field

from gpu_management.core.wire import Moment, WireModel


class Event(WireModel):
    """Something that happened to `subjectId`; `details` depend on the type."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "id": 42,
                    "type": "allocation.created",
                    "cluster": None,
                    "subjectKind": "allocation",
                    "subjectId": "7d9c4f0e-3a62-4f5e-9a52-0d6f3f6f3c11",
                    "team": "ml-team",
                    "namespace": "ml",
                    "details": {"phase": "Allocated"},
                    "createdAt": "2026-01-02T03:04:05.678Z",
                }
            ]
        }
    )

    id: int
    type: str
    cluster: str | None
    subject_kind: str
    subject_id: str
    team: str | None
    namespace: str | None
    details: dict[str, Any] = Field(validation_alias=AliasChoices("details", "data"))
    created_at: Moment
