"""Everything that can be set: one frozen object, read once when a process starts.

`core/settings_load.py` reads it; `docs/reference/configuration.md` is made from it.
"""

from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    IPvAnyNetwork,
    SecretStr,
)

from gpu_management.core.settings_notifications import Webhooks
from gpu_management.core.settings_security import Alerts, Security
from gpu_management.core.settings_values import (
    FractionalSeconds,
    LevelName,
    Seconds,
    Section,
    Texts,
    comma_list,
    database_address,
    web_address,
    with_credentials,
)


def _known_timezone(name: str) -> str:
    """Refuse a time zone this machine has no rules for."""
    try:
        return name if name == "UTC" else ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ValueError("is no time zone known here, such as UTC or Asia/Seoul") from error


def _priceable_rule(name: object) -> object:
    """Refuse the slice rule that needs to know how a slice's neighbours stood."""
    if name == "dominant_share_normalised":
        raise ValueError(
            "cannot be dominant_share_normalised: it divides by the shares of all slices on the"
            " card, so what one team pays would change when another team's slice comes or goes;"
            " take dominant_share, whose difference to the card is shown as tariffAdjustment"
        )
    return name


def _context_path(path: str) -> str:
    """Write a path prefix with one slash before it and none after; "" for none."""
    inner = path.strip().strip("/")
    return f"/{inner}" if inner else ""


class Server(Section):
    """The process that answers HTTP."""

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 for all.")
    port: int = Field(8080, ge=0, le=65535, description="TCP port; 0 takes a free one.")
    role: Literal["all", "api", "controller"] = Field(
        "all", description="What this process runs: the API, the controller loops, or both."
    )
    insecure: bool = Field(
        default=False,
        description="Start without authentication although other machines can connect.",
    )
    context_path: Annotated[str, AfterValidator(_context_path)] = Field(
        "/k8s-monitor", description="Prefix under which everything answers a second time."
    )
    trusted_proxies: Annotated[tuple[IPvAnyNetwork, ...], BeforeValidator(comma_list)] = Field(
        (), description="Networks whose X-Forwarded-For and -Proto are believed."
    )
    shutdown_seconds: Seconds = Field(
        20, ge=0, description="Time that running requests get when the process is asked to stop."
    )


class Database(Section):
    """Where state is kept."""

    url: Annotated[str, AfterValidator(database_address)] = Field(
        "sqlite:///gpu-management.db",
        description="Address of the database; JDBC forms are read too.",
    )
    username: str | None = Field(None, description="User; not needed for SQLite.")
    password: SecretStr | None = Field(None, description="Password of this user.")
    schema_name: str = Field("gpu_admin", description="Schema of the tables; SQLite has none.")
    maximum_pool_size: int = Field(50, ge=1, description="Most connections of one process.")
    minimum_idle: int = Field(20, ge=0, description="Idle connections kept open.")
    batch_size: int = Field(100, ge=1, description="Rows written by one statement.")
    connect_timeout_seconds: Seconds = Field(10, ge=1, description="Wait for one connection.")
    start_retry_seconds: Seconds = Field(
        60, ge=0, description="How long a starting process waits for the database."
    )
    properties: dict[str, str] = Field(
        default_factory=dict, description="Options of the database driver, by their own names."
    )

    def connect_url(self) -> SecretStr:
        """Return the address with its credentials, for `sqlalchemy.create_engine`."""
        secret = self.password.get_secret_value() if self.password else None
        return SecretStr(with_credentials(self.url, self.username, secret))


class Api(Section):
    """How the API answers."""

    url: Annotated[str, AfterValidator(web_address)] = Field(
        "http://127.0.0.1:8080", description="Address at which clients reach the API."
    )
    envelope_user_agents: Texts = Field(
        ("curl/",), description="Clients whose lists come in the envelope, by User-Agent prefix."
    )
    strict_fields: bool = Field(default=False, description="Refuse requests with unknown fields.")
    rate_limit_per_minute: int | None = Field(
        None, ge=1, description="Requests a caller may make in a minute; none: no limit."
    )
    slow_call_seconds: FractionalSeconds = Field(
        1.0, gt=0, description="Requests that take longer are logged as slow."
    )
    max_page: int = Field(1000, ge=1, description="Most rows of one page.")


class Cache(Section):
    """Answers kept for a moment."""

    enabled: bool = Field(default=True, description="Keep answers of expensive reads.")
    ttl_seconds: Seconds = Field(30, ge=0, description="How long; a write ends it earlier.")
    max_size: int = Field(10_000, ge=1, description="Most answers kept.")


class MetricsRetention(Section):
    """How long measurements are kept in the database."""

    samples_hours: int = Field(6, ge=1, description="Hours that single samples are kept.")
    minutes_days: int = Field(30, ge=2, description="Days that minutes are kept.")
    hours_days: int = Field(400, ge=2, description="Days that hours are kept.")


class Metrics(Section):
    """Measuring the devices."""

    backend: Literal["embedded", "promql"] = Field(
        "embedded",
        description="Who answers questions about use: our database, or a Prometheus.",
    )
    prometheus_url: Annotated[str, AfterValidator(web_address)] | None = Field(
        None, description="Address of Prometheus or VictoriaMetrics; backend promql needs it."
    )
    collection_interval_seconds: Seconds = Field(15, ge=1, description="Time between samples.")
    batch_size: int = Field(
        500, ge=1, le=2000, description="GPUs and instances that one batch of a node may tell of."
    )
    retention: MetricsRetention = Field(
        default_factory=MetricsRetention, description="How long measurements are kept."
    )
    async_processing: bool = Field(default=True, description="Write samples beside the collection.")
    fail_on_xids: Annotated[tuple[int, ...], BeforeValidator(comma_list)] = Field(
        (), description="XID codes, such as 79, that make a GPU FAILED; others only a suspicion."
    )
    public: bool = Field(
        default=True, description="Let /metrics and /actuator/prometheus be read by all."
    )


class Billing(Section):
    """Money and its calendar."""

    currency: str = Field("USD", pattern="^[A-Z]{3}$", description="ISO 4217 code of all prices.")
    timezone: Annotated[str, AfterValidator(_known_timezone)] = Field(
        "UTC", description="Time zone whose days and months are billed."
    )
    slice_rule: Annotated[
        Literal["dominant_share", "compute_share", "memory_share", "sm_share"],
        BeforeValidator(_priceable_rule),
    ] = Field("dominant_share", description="Part of a card's price that a MIG slice pays.")
    node_pool_labels: Texts = Field(
        (
            "gpu.company.com/node-pool",
            "cloud.google.com/gke-nodepool",
            "eks.amazonaws.com/nodegroup",
            "kubernetes.azure.com/agentpool",
        ),
        description="Node labels that name a node's pool; the first one found wins.",
    )
    max_rate_per_hour: int = Field(
        1000,
        ge=1,
        le=999_999,
        description="Highest price an hour that can be set; catches slips of the keyboard.",
    )


class Allocations(Section):
    """How GPUs are given."""

    binding_deadline_seconds: Seconds = Field(
        3600, ge=0, description="Reservations that no pod used by then expire; 0: never."
    )
    max_wait_seconds: Seconds = Field(3600, ge=0, description="Longest time in the queue.")
    aging_seconds: Seconds = Field(
        600, ge=1, description="Waiting time that is worth one step of priority."
    )
    preemption: bool = Field(
        default=False,
        description="A waiting request may displace allocations of lower priority, after notice.",
    )
    preemption_notice_seconds: Seconds = Field(
        120, ge=10, description="Notice that a displaced allocation gets before it is released."
    )
    placement_policy: Literal["ours", "best-fit", "fgd", "random"] = Field(
        "ours", description="How a device is chosen among those that fit."
    )


def _off(value: object) -> object:
    """Return what YAML takes `off` for as it was written."""
    return "off" if value is False else value


IdlePolicy = Annotated[Literal["off", "suggest", "notify", "release"], BeforeValidator(_off)]


class Optimization(Section):
    """What is done about GPUs that are held and lie idle."""

    idle_policy: IdlePolicy = Field(
        "suggest",
        description="off; suggest: keep a suggestion; notify: tell the owner too; release: and"
        " after the grace release it.",
    )
    idle_teams: dict[str, IdlePolicy] = Field(
        default_factory=dict, description="Teams with another policy, by name."
    )
    idle_namespaces: dict[str, IdlePolicy] = Field(
        default_factory=dict,
        description="Namespaces with another policy, by name; they go before teams.",
    )
    idle_grace_seconds: Seconds = Field(
        3600, ge=60, description="Between the notice to the owner and the release."
    )
    idle_look_seconds: Seconds = Field(300, ge=10, description="Between looks for idle GPUs.")


class Scheduling(Section):
    """How often the controller looks."""

    expiry_seconds: Seconds = Field(5, ge=1, description="Between looks for expired allocations.")
    queue_seconds: Seconds = Field(2, ge=1, description="Between looks at the waiting queue.")
    budgets_seconds: Seconds = Field(
        30, ge=1, description="Between looks at budgets, to warn about them."
    )
    api_keys_seconds: Seconds = Field(
        10, ge=1, description="Between looks for changed API key files."
    )


class Retention(Section):
    """How long what happened is kept; what GPUs were held is kept for ever."""

    events_days: int = Field(90, ge=0, description="Days that events are kept; 0: for ever.")
    audit_days: int = Field(400, ge=0, description="Days that audit rows are kept; 0: for ever.")
    purge_seconds: Seconds = Field(600, ge=1, description="Between looks for what is too old.")


class Logging(Section):
    """What is written down."""

    format: Literal["text", "json"] = Field("text", description="One line, or one JSON object.")
    level: LevelName = Field("INFO", description="Least important level that is written.")
    levels: dict[str, LevelName] = Field(
        default_factory=dict, description="Level of single loggers, by their Python name."
    )
    file: Path | None = Field(None, description="File to write to as well as to the console.")
    rotate_mb: int = Field(50, ge=1, description="Size in MiB at which a new file is begun.")
    rotate_keep: int = Field(7, ge=1, description="Older files that are kept.")


class Cluster(Section):
    """Which cluster this is."""

    name: str = Field("gpu-cluster", min_length=1, description="Name on every row and in logs.")
    environment: str = Field("production", description="Stage, as messages and logs show it.")
    connection: Literal["none", "in-cluster", "kubeconfig"] = Field(
        "none", description="How the cluster is reached; none: devices are registered by hand."
    )
    kubeconfig: Path | None = Field(
        None, description="File to connect with; without one, $KUBECONFIG or ~/.kube/config."
    )
    context: str | None = Field(None, description="Context of the file; none: its current one.")
    enforcement: Literal["observe", "dra", "device-plugin"] = Field(
        "observe",
        description="observe: placement is advice; dra: a claim per allocation; device-plugin:"
        " pods that name their allocation are pinned to its node.",
    )
    enforcement_namespaces: dict[str, Literal["observe", "dra", "device-plugin"]] = Field(
        default_factory=dict, description="Namespaces that differ, by name."
    )
    enforcement_deadline_seconds: Seconds = Field(
        120, ge=1, description="How long the cluster may refuse a claim before it has failed."
    )
    release_with_pod: bool = Field(
        default=True, description="An allocation ends when the pods that used it have ended."
    )
    release_after_pod_seconds: Seconds = Field(
        60, ge=0, description="How long after its last pod ended another one may still come."
    )
    mig_by_collectors: bool = Field(
        default=False,
        description="Repartition plans may have GPUs cut by the collectors of their nodes.",
    )
    sync_seconds: FractionalSeconds = Field(
        1.0, gt=0, description="Between looks at what changed in the cluster."
    )
    enforce_seconds: FractionalSeconds = Field(
        0.3, gt=0, description="Between looks at claims that are to be made or removed."
    )


class Settings(Section):
    """All settings; code takes the few values it needs, not this object."""

    profiles: tuple[str, ...] = Field((), description="Profiles these settings were read with.")
    server: Server = Field(default_factory=Server, description="HTTP server.")
    database: Database = Field(default_factory=Database, description="Database.")
    security: Security = Field(default_factory=Security, description="Security.")
    api: Api = Field(default_factory=Api, description="API.")
    cache: Cache = Field(default_factory=Cache, description="Cache.")
    metrics: Metrics = Field(default_factory=Metrics, description="Metrics.")
    billing: Billing = Field(default_factory=Billing, description="Billing.")
    allocations: Allocations = Field(default_factory=Allocations, description="Allocations.")
    optimization: Optimization = Field(default_factory=Optimization, description="Optimization.")
    scheduling: Scheduling = Field(default_factory=Scheduling, description="Scheduling.")
    retention: Retention = Field(default_factory=Retention, description="Retention.")
    logging: Logging = Field(default_factory=Logging, description="Logging.")
    cluster: Cluster = Field(default_factory=Cluster, description="Cluster.")
    alerts: Alerts = Field(default_factory=Alerts, description="Alerts.")
    webhooks: Webhooks = Field(default_factory=Webhooks, description="Webhooks.")


def is_loopback(host: str) -> bool:
    """Tell whether only this machine can connect to a server that listens on `host`."""
    if host == "localhost":
        return True
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def auth_enforced(settings: Settings) -> bool:
    """Tell whether callers must say who they are (`security.mode`, with auto decided)."""
    if settings.security.mode != "auto":
        return settings.security.mode == "enforced"
    chosen = set(settings.profiles) - {"base"}
    if chosen & {"development", "test"}:
        return False
    return bool(chosen) or not is_loopback(settings.server.host)
