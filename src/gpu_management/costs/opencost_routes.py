"""HTTP as OpenCost has it: /allocation and /allocation/summary, also under Kubecost's /model."""

from dataclasses import dataclass
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Response
from pydantic import BaseModel

from gpu_management.auth.access import Permission
from gpu_management.auth.principals import Principal
from gpu_management.auth.routes import requires
from gpu_management.core.http import Now, ReadSession, problems
from gpu_management.costs import opencost, opencost_ledger, opencost_shape
from gpu_management.costs import opencost_schemas as schemas
from gpu_management.costs.opencost_window import Unreadable, accumulated, parse_window, steps
from gpu_management.costs.reader import Reader
from gpu_management.costs.routes import DeskDep
from gpu_management.costs.service import Desk

router = APIRouter(tags=["opencost"])

_USUAL = problems()
_REFUSED: dict[int | str, dict[str, Any]] = {
    **_USUAL,
    400: {
        **_USUAL.get(400, {}),
        "model": schemas.Refusal,
        "description": "A parameter cannot be read, as OpenCost says it; or the request cannot.",
    },
}
_LONGEST = 2000


@dataclass(frozen=True, slots=True)
class Parameters:
    """The parameters of a question, as they came."""

    window: str
    aggregate: str
    step: str
    accumulate: str
    include_idle: bool
    idle_by_node: bool
    share_idle: bool
    filter: str


def _text(about: str) -> Any:
    return Query(max_length=_LONGEST, description=about)


async def parameters_of(
    window: Annotated[
        str, _text("today, week, lastmonth, 7d, `45m offset 15m`, or a pair of times.")
    ] = "",
    aggregate: Annotated[str, _text("Words such as namespace,label:team; or all.")] = "",
    step: Annotated[str, _text("Length of a set, such as 1d; else the window.")] = "",
    accumulate: Annotated[str, _text("true, or hour, day, week, month, quarter.")] = "",
    *,
    accumulate_by: Annotated[
        str, Query(alias="accumulateBy", max_length=_LONGEST, description="As accumulate.")
    ] = "",
    include_idle: Annotated[bool, Query(alias="includeIdle")] = False,
    idle_by_node: Annotated[bool, Query(alias="idleByNode")] = False,
    share_idle: Annotated[bool, Query(alias="shareIdle")] = False,
    filter: Annotated[str, _text('Terms such as namespace:"ml", joined by +.')] = "",  # noqa: A002 - OpenCost's name
) -> Parameters:
    """Return the parameters that OpenCost's clients send; others are ignored."""
    return Parameters(
        window=window,
        aggregate=aggregate,
        step=step,
        accumulate=accumulate_by or accumulate,
        include_idle=include_idle,
        idle_by_node=idle_by_node,
        share_idle=share_idle,
        filter=filter,
    )


ParametersDep = Annotated[Parameters, Depends(parameters_of)]
PrincipalDep = Annotated[Principal, Depends(requires(Permission.COST_READ))]


@router.get("/model/allocation", include_in_schema=False)
@router.get("/model/allocation/compute", include_in_schema=False)
@router.get("/allocation/compute", include_in_schema=False)
@router.get(
    "/allocation",
    operation_id="getOpenCostAllocation",
    summary="Costs as OpenCost tells them",
    response_model=schemas.AllocationAnswer,
    responses=_REFUSED,
)
def allocation(
    principal: PrincipalDep,
    asked: ParametersDep,
    session: ReadSession,
    desk: DeskDep,
    now: Now,
) -> Response:
    """Return one map of rows for each step of the window."""
    try:
        question = _question(asked, desk, now)
    except Unreadable as error:
        return _refusal(error)
    terms, reader = desk.terms(session), Reader(principal)
    sets = opencost_ledger.answered(session, terms, question, reader=reader, now=now)
    return _json(opencost_shape.allocations(sets))


@router.get("/model/allocation/summary", include_in_schema=False)
@router.get("/model/allocation/compute/summary", include_in_schema=False)
@router.get("/allocation/compute/summary", include_in_schema=False)
@router.get(
    "/allocation/summary",
    operation_id="getOpenCostSummary",
    summary="Costs as OpenCost sums them up",
    response_model=schemas.SummaryAnswer,
    responses=_REFUSED,
)
def summary(
    principal: PrincipalDep,
    asked: ParametersDep,
    session: ReadSession,
    desk: DeskDep,
    now: Now,
) -> Response:
    """Return the same with fewer fields, and how long a step is in nanoseconds."""
    try:
        question = _question(asked, desk, now)
    except Unreadable as error:
        return _refusal(error)
    terms, reader = desk.terms(session), Reader(principal)
    sets = opencost_ledger.answered(session, terms, question, reader=reader, now=now)
    return _json(opencost_shape.summary(sets))


def _question(asked: Parameters, desk: Desk, now: Any) -> opencost_ledger.Asked:
    window = parse_window(asked.window, desk.zone, now=now)
    spans = steps(window, asked.step)
    return opencost_ledger.Asked(
        spans=accumulated(window, spans, asked.accumulate, desk.zone),
        words=opencost.parse_aggregate(asked.aggregate),
        wanted=opencost.parse_filter(asked.filter),
        include_idle=asked.include_idle,
        idle_by_node=asked.idle_by_node,
        share_idle=asked.share_idle,
    )


def _refusal(error: Unreadable) -> Response:
    refusal = schemas.Refusal(code=400, message=str(error))
    return Response(refusal.model_dump_json(), status_code=400, media_type="application/json")


def _json(answer: BaseModel) -> Response:
    return Response(answer.model_dump_json(by_alias=True), media_type="application/json")
