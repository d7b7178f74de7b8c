"""Which fields each table shows, in order; the highest ranks give way on narrow terminals."""

from gpu_management.cli import text
from gpu_management.cli.output import Column, Row, View, col, num, when


def _mig(row: Row) -> str:
    summary = row.get("migSummary")
    return f"{summary['allocated']}/{summary['total']}" if summary else text.UNKNOWN


def _holders(row: Row) -> str:
    holders = row.get("allocations") or []
    names = [f"{holder['namespace']}/{holder['podName']}" for holder in holders]
    more = f" +{len(names) - 1}" if len(names) > 1 else ""
    return names[0] + more if names else text.UNKNOWN


def _placed(row: Row) -> str:
    resources = row.get("resources") or []
    more = f" +{len(resources) - 1}" if len(resources) > 1 else ""
    return resources[0] + more if resources else text.UNKNOWN


def _ask(row: Row) -> str:
    count = "" if row["count"] == 1 else f"{row['count']}x "
    kind = " MIG" if row.get("useMig") else ""
    share = f" {text.gpus(row['gpuMilli'])} GPU" if row.get("gpuMilli") else ""
    return f"{count}{row['requiredMemoryGb']} GB{kind}{share}"


def _wanted(row: Row) -> str:
    return f"{text.gpus(row['gpuFreeMilli'])}/{text.gpus(row['gpuTotalMilli'])}"


def _since(row: Row, view: View) -> str:
    since = str(row.get("effectiveFrom"))
    # A list price holds from before anything that can be metered.
    return "always" if since.startswith("1970-") else text.ago(since, view.now, wide=view.wide)


DEVICES = (
    col("DEVICE", "deviceId"),
    col("MODEL", "modelId"),
    num("MEMORY", lambda row: text.gigabytes(row.get("memoryGb")), rank=1),
    col("STATUS", "status"),
    num("FREE", lambda row: text.gpus(row.get("freeMilli"))),
    num("MIG", _mig, rank=2),
    Column("HELD BY", lambda row, _view: _holders(row), rank=3),
    col("NODE", "nodeName", rank=6),
    num("TEMP", lambda row: _celsius(row.get("temperature")), rank=4),
    num("UTIL", lambda row: _percent(row.get("gpuUtilization")), rank=4),
    col("REASON", "stateReason", rank=5),
    col("UUID", "uuid", rank=7),
    when("REGISTERED", "registeredAt", rank=8),
)
DEVICE = (
    *DEVICES,
    col("MODEL NAME", "modelName"),
    col("STATE", "state"),
    num("MEMORY MiB", lambda row: text.plain(row.get("memoryTotalMb"))),
    col("PCI", "pciBusId"),
    col("SERIAL", "serialNumber"),
    col("DRIVER", "driverVersion"),
    num("PRICE/H", lambda row: text.money(row.get("costPerHour"), digits=4)),
    col("ETAG", "etag"),
    Column("MIG FREE", lambda row, _view: _free_places(row)),
)
NODES = (
    col("NODE", "nodeName"),
    col("STATUS", "status"),
    num("GPUS FREE", _wanted),
    num("WHOLE FREE", lambda row: text.plain(row.get("gpuAvailable")), rank=2),
    col("MODELS", "gpuModels", rank=1),
    num("CPU FREE", lambda row: text.cores(row.get("cpuFreeMilli")), rank=3),
    num("MEMORY FREE", lambda row: text.gibibytes(row.get("memoryFreeMib")), rank=3),
    col("ZONE", "zone", rank=5),
    col("POOL", "nodePool", rank=5),
    col("IP", "ip", rank=6),
    col("DRIVER", "driverVersion", rank=6),
    when("SEEN", "lastSeenAt", rank=4),
)
NODE = (*NODES, col("ETAG", "etag"))
MODELS = (
    col("MODEL", "modelId"),
    col("NAME", "modelName", rank=1),
    num("MEMORY", lambda row: text.gigabytes(row.get("memoryGb"))),
    col("MEMORY TYPE", "memoryType", rank=4),
    col("ARCHITECTURE", "architecture", rank=2),
    num("TDP", lambda row: f"{row['tdpWatts']} W" if row.get("tdpWatts") else text.UNKNOWN, rank=3),
    num("MIG", lambda row: text.plain(row.get("maxMigInstances") or None)),
    col("COMPUTE", "computeCapability", rank=5),
)
PROFILES = (
    col("PROFILE", "profileName"),
    col("MODEL", "modelId"),
    num("MEMORY", lambda row: text.gigabytes(row.get("memoryGb"))),
    num("SLICES", lambda row: text.plain(row.get("computeSlices"))),
    num("UNITS", lambda row: text.plain(row.get("placementUnits")), rank=2),
    num("MAX", lambda row: text.plain(row.get("maxInstances")), rank=1),
    num("IDLE", lambda row: text.plain(row.get("freeInstances"))),
    num("CARVABLE", lambda row: text.plain(row.get("carvable"))),
    Column(
        "STARTS",
        lambda row, _view: ",".join(str(place["start"]) for place in row.get("placements") or ()),
        rank=3,
    ),
    col("RESOURCE", "resourceName", rank=4),
)
CUTS = (
    col("DEVICE", "deviceId"),
    col("STATE", "state", rank=1),
    Column(
        "CUT", lambda row, _: text.plain([f"{s['profile']}@{s['start']}" for s in row["slices"]])
    ),
    num("HELD", lambda row: str(sum(s["isHeld"] for s in row["slices"]))),
    num("FREE", lambda row: str(row["freeUnits"])),
    num("STRANDED", lambda row: str(row["strandedUnits"])),
    col("LARGEST", "largestProfile", rank=2),
    col("NODE", "nodeName", rank=4),
    col("MODEL", "modelId", rank=3),
)
INSTANCES = (
    col("MIG", "migId"),
    col("PROFILE", "profileName", rank=1),
    num("START", lambda row: text.plain(row.get("placementStart")), rank=3),
    num("SIZE", lambda row: text.plain(row.get("placementSize")), rank=3),
    num("GPU", lambda row: text.gpus(row.get("milli")), rank=2),
    col("STATUS", "status"),
    col("ALLOCATION", "allocationId", rank=4),
    col("DEVICE", "deviceId", rank=5),
    col("UUID", "uuid", rank=6),
    when("CREATED", "createdAt", rank=5),
)
ALLOCATIONS = (
    col("ALLOCATION", "allocationId"),
    col("PHASE", "phase"),
    Column("PLACED ON", lambda row, _view: _placed(row), flexible=True),
    Column("ASKED", lambda row, _view: _ask(row), rank=5),
    col("TEAM", "teamId", rank=4),
    col("NAMESPACE", "namespace", rank=3),
    col("POD", "podName", rank=6),
    num("COST/H", lambda row: text.money(row.get("costPerHour")), rank=1),
    num("COST", lambda row: text.money(row.get("totalCost")), rank=2),
    when("REQUESTED", "requestedAt", rank=2),
    when("ENDS", "expiresAt", rank=7),
    col("TYPE", "workloadType", rank=8),
    col("USER", "userId", rank=8),
)
ALLOCATION = (
    *(column for column in ALLOCATIONS if column.title != "PLACED ON"),
    col("RESOURCES", "resources"),
    col("NODE", "nodeName"),
    num("PRIORITY", lambda row: text.plain(row.get("priority"))),
    when("ALLOCATED", "allocatedAt"),
    when("RELEASED", "releasedAt"),
    col("REASON", "releaseReason"),
    col("MESSAGE", "message"),
    Column("CONDITIONS", lambda row, _view: _conditions(row)),
)
HEALTH = (
    col("DEVICE", "deviceId"),
    col("HEALTH", "health"),
    col("STATE", "state"),
    when("SINCE", "since"),
    col("REASON", "reason"),
    num("TEMP", lambda row: _celsius(row.get("temperature"))),
    num("ECC", lambda row: text.plain(row.get("eccErrors"))),
    num("XID", lambda row: text.plain(row.get("xidErrors"))),
)
STRETCHES = (
    col("STATE", "state"),
    when("FROM", "startedAt"),
    when("TO", "endedAt"),
    col("REASON", "reason", flexible=True),
    col("BY", "actor", rank=1),
)
LAYOUTS = (
    when("FROM", "startedAt"),
    when("TO", "endedAt"),
    col("MIG", "migEnabled"),
    Column("LAYOUT", lambda row, _view: _layout(row.get("layout") or ())),
)
RATES = (
    num("ID", lambda row: str(row.get("id"))),
    col("MODEL", "modelId"),
    Column("PART", lambda row, _view: str(row.get("profileName") or row.get("kind"))),
    col("CLUSTER", "clusterName", rank=2),
    col("POOL", "nodePool", rank=1),
    num("PRICE/H", lambda row: text.money(row.get("costPerHour"), digits=4)),
    col("STATE", "state"),
    Column("FROM", _since, rank=1),
    col("CURRENCY", "currency", rank=3),
    col("SOURCE", "source", rank=4),
    col("NOTE", "note", rank=6),
    col("BY", "createdBy", rank=5),
)
UNPRICED = (
    col("MODEL", "modelId"),
    Column("PART", lambda row, _view: str(row.get("profileName") or "card")),
    col("CLUSTER", "clusterName", rank=1),
    col("POOL", "nodePool"),
    num("COUNT", lambda row: str(row.get("count"))),
    when("PRICED FROM", "pricedFrom", rank=2),
)
KEYS = (
    col("KEY", "keyId"),
    col("NAME", "name", flexible=True),
    col("ROLES", "roles", flexible=True),
    col("TEAM", "team", rank=3),
    col("STARTS WITH", "prefix", rank=5),
    when("EXPIRES", "expiresAt", rank=2),
    when("USED", "lastUsedAt", rank=4),
    when("REVOKED", "revokedAt", rank=1),
    when("CREATED", "createdAt", rank=6),
)
TEAMS = (
    col("TEAM", "teamId"),
    col("NAME", "name"),
    num("GPU LIMIT", lambda row: text.gpus(row.get("gpuLimitMilli"))),
    col("NAMESPACES", "namespaces", rank=1),
    when("CHANGED", "updatedAt", rank=2),
)
AUDIT = (
    when("WHEN", "at"),
    col("WHO", "principal"),
    col("WHAT", "action"),
    col("ON", "targetId", flexible=True),
    col("OUTCOME", "outcome", rank=1),
    col("FROM", "sourceAddress", rank=2),
    col("REQUEST", "requestId", rank=3),
)
SETTINGS = (
    col("SETTING", "key"),
    col("VALUE", "value", flexible=True),
    col("ORIGIN", "origin", rank=1),
    col("ABOUT", "description", rank=3),
)
WORKLOADS = (
    col("WORK", "workloadType"),
    num("SAMPLE", lambda row: text.plain(row.get("sampleSize"))),
    num("MEMORY", lambda row: text.gigabytes(row.get("typicalMemoryGb"))),
    num("9 OF 10", lambda row: text.gigabytes(row.get("largeMemoryGb")), rank=1),
    num("RUNS", lambda row: _span(row.get("typicalDurationSeconds"))),
    num("9 OF 10 RUN", lambda row: _span(row.get("longDurationSeconds")), rank=2),
    col("CHEAPEST", "recommendedModelId"),
    col("SLICE", "recommendedProfile"),
    num("PRICE/H", lambda row: text.money(row.get("recommendedCostPerHour"), digits=4)),
)
EVENTS = (
    num("ID", lambda row: text.plain(row.get("id"))),
    when("WHEN", "createdAt"),
    col("TYPE", "type"),
    col("SUBJECT", "subjectId"),
    col("TEAM", "team", rank=1),
    col("NAMESPACE", "namespace", rank=2),
)


def _span(seconds: float | None) -> str:
    return text.UNKNOWN if seconds is None else text.span(seconds)


def _celsius(degrees: float | None) -> str:
    return text.UNKNOWN if degrees is None else f"{degrees:.0f} °C"


def _percent(share: float | None) -> str:
    return text.UNKNOWN if share is None else f"{share:.0f}%"


def _free_places(row: Row) -> str:
    places = (row.get("mig") or {}).get("freePlacements") or {}
    return text.plain({name: len(starts) for name, starts in places.items() if starts})


def _conditions(row: Row) -> str:
    return text.plain([f"{c['type']}={c['status']}" for c in row.get("conditions") or ()])


def _layout(places: list[dict[str, object]] | tuple[()]) -> str:
    return text.plain([f"{place['profile']}@{place['start']}" for place in places])
