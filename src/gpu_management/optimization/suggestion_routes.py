"""HTTP for suggestions and exemptions: /api/v1/gpu/suggestions."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from gpu_management.allocations.errors import AllocationNotFound
from gpu_management.auth.access import Permission
from gpu_management.auth.principals import Principal
from gpu_management.auth.routes import requires
from gpu_management.core.http import (
    Now,
    Paging,
    ReadSession,
    WireRoute,
    WriteSession,
    note_unknown,
    page_of,
    problems,
)
from gpu_management.optimization import exemptions, schemas, service
from gpu_management.optimization.errors import (
    ExemptionInvalid,
    ExemptionNotFound,
    SuggestionEnded,
    SuggestionNotFound,
)
from gpu_management.optimization.models import Status, SuggestionType

router = APIRouter(prefix="/api/v1/gpu/suggestions", tags=["optimization"], route_class=WireRoute)

Reader = Annotated[Principal, Depends(requires(Permission.GENERAL_READ))]
Holder = Annotated[Principal, Depends(requires(Permission.ALLOCATIONS_WRITE))]
SuggestionId = Annotated[int, Path(alias="suggestionId", ge=1, le=2**53)]
ExemptionId = Annotated[int, Path(alias="exemptionId", ge=1, le=2**53)]


async def _asked(
    status: Annotated[Status | None, Query(description="Only of this state.")] = None,
    kind: Annotated[
        SuggestionType | None, Query(alias="type", description="Only of this kind.")
    ] = None,
    team_id: Annotated[str | None, Query(alias="teamId", max_length=120)] = None,
    namespace: Annotated[str | None, Query(max_length=63)] = None,
    allocation_id: Annotated[str | None, Query(alias="allocationId", max_length=40)] = None,
) -> service.Filter:
    return service.Filter(status, kind, team_id, namespace, allocation_id)


@router.get(
    "",
    response_model=list[schemas.Suggestion],
    operation_id="listSuggestions",
    summary="What could be saved, and what was",
    responses=problems(),
)
def list_all(
    principal: Reader,
    session: ReadSession,
    asked: Annotated[service.Filter, Depends(_asked)],
    page: Paging,
    request: Request,
    response: Response,
) -> Any:
    """List suggestions, newest first; who is not staff sees those of its own team."""
    found = service.list_suggestions(session, asked, principal=principal, page=page)
    return page_of(request, response, found)


@router.get(
    "/exemptions",
    response_model=list[schemas.Exemption],
    operation_id="listIdleExemptions",
    summary="What is left alone although it lies idle",
    responses=problems(),
)
def list_exemptions(
    principal: Reader, session: ReadSession, page: Paging, request: Request, response: Response
) -> Any:
    """List exemptions, those that end first at the top."""
    found = exemptions.list_exemptions(session, principal=principal, page=page)
    return page_of(request, response, found)


@router.post(
    "/exemptions",
    status_code=201,
    response_model=schemas.Exemption,
    operation_id="createIdleExemption",
    summary="Leave something alone until a moment",
    responses=problems(AllocationNotFound, ExemptionInvalid),
)
def create_exemption(
    body: schemas.ExemptionCreate,
    principal: Holder,
    session: WriteSession,
    now: Now,
    request: Request,
    response: Response,
) -> Any:
    """Exempt an allocation, a namespace or a team; what was said of it before is replaced."""
    note_unknown(request, response, body)
    wish = exemptions.Wish(body.scope, body.scope_name, body.until, body.note)
    return exemptions.exempt(session, wish, principal=principal, now=now)


@router.delete(
    "/exemptions/{exemptionId}",
    response_model=schemas.Exemption,
    operation_id="deleteIdleExemption",
    summary="End an exemption",
    responses=problems(ExemptionNotFound),
)
def delete_exemption(
    exemption_id: ExemptionId, principal: Holder, session: WriteSession, now: Now
) -> Any:
    """Remove an exemption; the answer is what it was."""
    row = exemptions.end(session, exemption_id, principal=principal, now=now)
    return schemas.Exemption.model_validate(row)


@router.get(
    "/{suggestionId}",
    response_model=schemas.Suggestion,
    operation_id="getSuggestion",
    summary="Show a suggestion with its evidence",
    responses=problems(SuggestionNotFound),
)
def get(suggestion_id: SuggestionId, principal: Reader, session: ReadSession) -> Any:
    """Return one suggestion."""
    return service.describe(session, suggestion_id, principal=principal)


@router.post(
    "/{suggestionId}/dismiss",
    response_model=schemas.Suggestion,
    operation_id="dismissSuggestion",
    summary="Say no to a suggestion",
    responses=problems(SuggestionNotFound, SuggestionEnded),
)
def dismiss(
    suggestion_id: SuggestionId,
    body: schemas.Dismissal,
    principal: Holder,
    session: WriteSession,
    now: Now,
    request: Request,
    response: Response,
) -> Any:
    """Leave the allocation alone from now on; a notice is withdrawn."""
    note_unknown(request, response, body)
    return service.dismiss(session, suggestion_id, body.note, principal=principal, now=now)


@router.post(
    "/{suggestionId}/apply",
    response_model=schemas.Suggestion,
    operation_id="applySuggestion",
    summary="Do what is suggested",
    responses=problems(SuggestionNotFound, SuggestionEnded),
)
def apply(suggestion_id: SuggestionId, principal: Holder, session: WriteSession, now: Now) -> Any:
    """Release the allocation and its pods now; what that saves is written down."""
    return service.apply(session, suggestion_id, principal=principal, now=now)
