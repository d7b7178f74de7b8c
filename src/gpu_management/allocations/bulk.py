"""Several requests that are answered together: all of them, or none."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from gpu_management.allocations.errors import GpuNotAvailable
from gpu_management.allocations.models import Allocation
from gpu_management.allocations.office import Office
from gpu_management.allocations.request import Ask
from gpu_management.allocations.service import request
from gpu_management.auth.principals import Principal


def request_all(
    session: Session,
    office: Office,
    asks: Sequence[Ask],
    *,
    principal: Principal,
    now: datetime,
) -> list[Allocation]:
    """Serve every request, or none: one refusal refuses them all.

    Raises:
        GpuNotAvailable: one of them does not fit beside the others; the facts say which.
    """
    made: list[Allocation] = []
    try:
        for number, ask in enumerate(asks):
            try:
                made.append(request(session, office, ask, principal=principal, now=now))
            except GpuNotAvailable as refusal:
                raise _refused_of(refusal, number, len(asks)) from refusal
            session.flush()
    finally:
        office.placer.forget()  # its view saw holds that are not committed yet
    return made


def _refused_of(refusal: GpuNotAvailable, number: int, count: int) -> GpuNotAvailable:
    return GpuNotAvailable(
        f"request {number + 1} of {count}: {refusal.detail}; nothing was held",
        headers=refusal.headers,
        **{**refusal.facts, "failedRequest": number},
    )
