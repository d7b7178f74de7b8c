"""Assemble the application: routes, handlers, middleware, documents."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from fastapi import Depends, FastAPI

from gpu_management import __version__
from gpu_management.alerts.routes import router as alerts
from gpu_management.alerts.rules import RULES, Rule
from gpu_management.allocations.office import Office
from gpu_management.allocations.routes import router as allocations
from gpu_management.allocations.slice_claims import claims_of, past_use
from gpu_management.api import actuator, errors, openapi, pages
from gpu_management.api.dashboard import Dashboard, Gzip, mount_dashboard
from gpu_management.api.limits import BodyLimit, RateLimit
from gpu_management.api.middleware import ContextPath, Head, Observe
from gpu_management.api.session_routes import router as session
from gpu_management.api.settings_routes import router as settings
from gpu_management.auth.access import Permission
from gpu_management.auth.principals import Security
from gpu_management.auth.routes import requires
from gpu_management.auth.routes import router as auth
from gpu_management.auth.sessions import Sessions
from gpu_management.core.cache import Cache
from gpu_management.core.http import Runtime
from gpu_management.costs.budget_routes import router as budgets
from gpu_management.costs.budgets import Purse
from gpu_management.costs.ledger_routes import router as ledger
from gpu_management.costs.opencost_routes import router as opencost
from gpu_management.costs.routes import router as costs
from gpu_management.costs.service import Desk
from gpu_management.costs.statement_routes import router as statements
from gpu_management.costs.tally import Tally
from gpu_management.devices.pools import WELL_KNOWN_LABELS
from gpu_management.devices.routes import router as devices
from gpu_management.events.routes import router as events
from gpu_management.events.stream import Broadcaster
from gpu_management.metrics.embedded import Embedded
from gpu_management.metrics.latest import Latest
from gpu_management.metrics.routes import router as metrics
from gpu_management.metrics.service import Intake
from gpu_management.metrics.store import Store
from gpu_management.mig.execution import Method
from gpu_management.mig.node_routes import router as mig_nodes
from gpu_management.mig.plan_routes import router as mig_plans
from gpu_management.mig.plans_routes import router as mig_plans_run
from gpu_management.mig.routes import router as mig
from gpu_management.mig.screen_routes import router as mig_screen
from gpu_management.notifications.routes import router as notifications
from gpu_management.notifications.terms import Terms
from gpu_management.optimization.routes import router as optimization
from gpu_management.optimization.suggestion_routes import router as suggestions
from gpu_management.overview.board import Board
from gpu_management.overview.dashboard_routes import router as first_screen
from gpu_management.overview.routes import router as overview
from gpu_management.overview.slices_routes import router as slices
from gpu_management.rates.routes import router as rates
from gpu_management.resources.routes import router as resources

SUMMARY = "Who holds which GPU, since when, and what it costs."
DESCRIPTION = """
The management plane for the GPUs of a Kubernetes cluster.

**Lists** answer a bare JSON array; `?envelope=true` (or `X-GPU-Envelope: true`) wraps it as
`{data, meta}`, and so does `curl`, which asks like the pipelines of the integration guide.
**Objects** carry their fields at the top and again under `data`. `X-Response-Style` tells which.
Lists page with `limit` and `cursor`, sort with `sort`, and export with `format=csv`.
**Errors** are `application/problem+json` (RFC 9457) with a `code` that never changes.
"""
MAX_BODY_BYTES = 1_048_576


@dataclass(frozen=True, slots=True)
class Parts:
    """What a serving process is made of."""

    runtime: Runtime
    security: Security
    office: Office
    desk: Desk
    purse: Purse | None = None
    context_path: str = "/k8s-monitor"
    slow_seconds: float = 1.0
    default_wait_seconds: int = 3600
    metrics_public: bool = True
    rate_limit_per_minute: int | None = None
    insecure_note: str | None = None
    node_pool_labels: tuple[str, ...] = WELL_KNOWN_LABELS
    max_rate_per_hour: int = 1000
    intake: Intake = field(default_factory=Intake)
    metrics_store: Store = field(default_factory=Embedded)
    cache: Cache = field(default_factory=Cache)
    mig_method: Method = Method.LEDGER
    alert_rules: Sequence[Rule] = RULES
    notification_terms: Terms = field(default_factory=Terms)
    mig_by_collectors: bool = False
    dashboard: Dashboard | None = None


def create_app(parts: Parts) -> FastAPI:
    """Return the application; its state holds the parts that dependencies ask for."""

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        yield
        parts.runtime.database.close()

    app = FastAPI(
        title="k8s-gpu-management",
        version=__version__,
        summary=SUMMARY,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        lifespan=lifespan,
        strict_content_type=False,
    )
    _fill_state(app, parts)
    for router in (
        metrics,  # every node's collector asks each 15 s, and routes are tried in order
        overview,
        first_screen,
        devices,
        mig,
        mig_plans,
        mig_plans_run,
        mig_screen,
        mig_nodes,
        slices,
        allocations,
        costs,
        ledger,
        budgets,
        statements,
        optimization,
        suggestions,
        rates,
        resources,
        alerts,
        events,
        notifications,
        auth,
        session,
        settings,
    ):
        app.include_router(router)
    app.include_router(opencost)
    app.include_router(actuator.router)
    closed = [] if parts.metrics_public else [Depends(requires(Permission.GENERAL_READ))]
    app.include_router(actuator.metrics_router, dependencies=closed)
    app.include_router(pages.router)
    pages.mount_assets(app)
    if parts.dashboard is not None:
        mount_dashboard(app, parts.dashboard)
    errors.install(app)
    openapi.install(app)
    app.add_middleware(Gzip, minimum_size=2048, compresslevel=1)
    if parts.rate_limit_per_minute:
        app.add_middleware(RateLimit, per_minute=parts.rate_limit_per_minute)
    app.add_middleware(BodyLimit, max_bytes=MAX_BODY_BYTES)
    app.add_middleware(Observe, slow_seconds=parts.slow_seconds)
    app.add_middleware(ContextPath, prefix=parts.context_path)
    app.add_middleware(Head)
    return app


def _fill_state(app: FastAPI, parts: Parts) -> None:
    app.state.runtime = parts.runtime
    app.state.security = parts.security
    app.state.sessions = Sessions(parts.runtime.database, parts.security.authenticators)
    app.state.office = parts.office
    app.state.desk = parts.desk
    app.state.purse = parts.purse or purse_of(parts.runtime, parts.desk)
    app.state.currency = parts.desk.currency
    app.state.answers = parts.cache
    app.state.slice_claims = claims_of
    app.state.slice_history = past_use
    app.state.mig_method = parts.mig_method
    app.state.alert_rules = parts.alert_rules
    app.state.notification_terms = parts.notification_terms
    app.state.mig_by_collectors = parts.mig_by_collectors
    app.state.default_wait_seconds = parts.default_wait_seconds
    app.state.event_stream = Broadcaster(parts.runtime.database, parts.runtime.clock)
    app.state.dashboard = parts.dashboard
    app.state.settings_shown = ()
    app.state.insecure_note = parts.insecure_note
    app.state.node_pool_labels = parts.node_pool_labels
    app.state.max_rate_per_hour = parts.max_rate_per_hour
    app.state.intake = parts.intake
    app.state.metrics_store = parts.metrics_store
    latest = app.state.latest = Latest(parts.metrics_store, parts.intake.interval_seconds)
    app.state.board = Board(parts.runtime.cluster_name, parts.desk, parts.cache, latest)


def purse_of(serving: Runtime, desk: Desk) -> Purse:
    """Return what budgets know of a house."""
    tally = Tally(serving.database, desk.keeper, desk.zone)
    return Purse(tally, serving.cluster_name, desk.currency)
