import type { TFunction } from "i18next";
import type { Format } from "../../lib/format";
import { RowLink } from "../../ui/RowLink";
import { StateBadge } from "../../ui/StateBadge";
import type { Column } from "../../ui/tableRows";
import type { Demand, PlanRun, PlanStep, Screen, ScreenDevice } from "./api";
import { counted } from "./layouts";
import { Strip } from "./Strip";

type Words = TFunction<"mig">;
type Geometries = Screen["geometries"];

/** The units and sizes of a device's geometry. */
export function geometryOf(geometries: Geometries, key: string | undefined) {
  const found = geometries.find((one) => one.geometry === key);
  return { units: found?.placementUnits ?? 8, sizes: found?.sizes ?? {} };
}

const STATES = ["READY", "MAINTENANCE", "RECONFIGURING", "FAILED", "OFFLINE"];

/** Columns of the GPUs in MIG mode; those the server sorts or filters by bear its names. */
export function boardColumns(t: Words, screen: Screen): Column<ScreenDevice>[] {
  const { geometries } = screen;
  return [
    {
      id: "deviceId",
      header: t("col.gpu"),
      value: (row) => row.deviceId,
      cell: (row) => <GpuLink id={row.deviceId} />,
    },
    {
      id: "layout",
      header: t("col.layout"),
      width: 280,
      sortable: false,
      value: (row) => textOf(row),
      cell: (row) => (
        <Strip
          label={row.deviceId}
          {...geometryOf(geometries, row.geometry)}
          slices={row.slices.map((one) => ({ ...one, state: one.isHeld ? "held" : "idle" }))}
        />
      ),
    },
    {
      id: "state",
      header: t("col.state"),
      value: (row) => row.state,
      cell: (row) => <StateBadge state={row.state} />,
      filter: STATES.map((value) => ({ value, label: t(`app:state.value.${value}`) })),
    },
    {
      id: "freeUnits",
      header: t("col.free"),
      align: "end",
      value: (row) => row.freeUnits,
      cell: (row) => `${row.freeUnits}/${geometryOf(geometries, row.geometry).units}`,
    },
    {
      id: "largestProfile",
      header: t("col.largest"),
      sortable: false,
      value: (row) => row.largestProfile,
      filter: screen.demand.map(({ profile }) => ({ value: profile, label: profile })),
    },
    {
      id: "strandedUnits",
      header: t("col.stranded"),
      align: "end",
      value: (row) => row.strandedUnits,
    },
    {
      id: "holders",
      header: t("col.holders"),
      hidden: true,
      sortable: false,
      value: (row) => row.slices.flatMap(({ holder }) => holder?.podName ?? []).join(", "),
    },
    {
      id: "modelId",
      header: t("col.model"),
      value: (row) => row.modelId,
      filter: screen.models.map((value) => ({ value, label: value })),
    },
    {
      id: "modelName",
      header: t("col.modelName"),
      hidden: true,
      sortable: false,
      value: (row) => row.modelName,
    },
    { id: "nodeName", header: t("col.node"), hidden: true, value: (row) => row.nodeName },
  ];
}

function textOf(row: ScreenDevice): string {
  return counted(row.slices)
    .map(([name, count]) => `${count} × ${name}`)
    .join(", ");
}

/** Columns of demand by profile. */
export function demandColumns(t: Words, format: Format, days: number): Column<Demand>[] {
  const figure = (id: string, header: string, value: (row: Demand) => number): Column<Demand> => ({
    id,
    header,
    value,
    align: "end",
    cell: (row) => format.number(value(row)),
  });
  return [
    { id: "profile", header: t("col.profile"), value: (row) => row.profile },
    figure("held", t("col.inUse"), (row) => row.held),
    figure("idle", t("col.idle"), (row) => row.idle),
    figure("waiting", t("col.waiting"), (row) => row.waiting),
    figure("peak", t("col.peak", { count: days }), (row) => row.peak),
    figure("fitsNow", t("col.fitsNow"), (row) => row.fitsNow),
    figure("fitsRepacked", t("col.fitsRepacked"), (row) => row.fitsRepacked),
    figure("lost", t("col.lost"), (row) => row.fitsRepacked - row.fitsNow),
  ];
}

/** Columns of kept plans. */
export function planColumns(t: Words, format: Format): Column<PlanRun>[] {
  return [
    {
      id: "planId",
      header: t("col.plan"),
      value: (row) => row.planId,
      cell: (row) => <RowLink to={`/mig/plans/${row.planId}`}>{row.planId.slice(0, 13)}</RowLink>,
    },
    {
      id: "state",
      header: t("col.state"),
      value: (row) => row.state,
      cell: (row) => <StateBadge state={row.state} />,
      filter: "values",
    },
    {
      id: "progress",
      header: t("col.progress"),
      align: "end",
      value: (row) => row.position,
      cell: (row) => `${row.position}/${row.taskCount}`,
    },
    { id: "nodes", header: t("col.nodes"), value: (row) => row.nodes.join(", ") },
    { id: "method", header: t("col.method"), value: (row) => t(`method.${row.method}`) },
    { id: "message", header: t("col.message"), value: (row) => row.message },
    { id: "createdBy", header: t("col.by"), value: (row) => row.createdBy },
    {
      id: "createdAt",
      header: t("col.made"),
      value: (row) => row.createdAt,
      cell: (row) => format.time(row.createdAt),
    },
  ];
}

/** Columns of the steps of a plan. */
export function stepColumns(t: Words, format: Format): Column<PlanStep>[] {
  return [
    { id: "number", header: "#", align: "end", value: (row) => row.number },
    {
      id: "op",
      header: t("col.step"),
      value: (row) => t(`op.${row.op}`),
      filter: "values",
    },
    { id: "profile", header: t("col.profile"), value: (row) => `${row.profile} @ ${row.start}` },
    {
      id: "to",
      header: t("col.on"),
      value: (row) => row.deviceId,
      cell: (row) => <GpuLink id={row.deviceId} />,
    },
    {
      id: "from",
      header: t("col.from"),
      value: (row) => row.fromDeviceId,
      cell: (row) => (row.fromDeviceId ? <GpuLink id={row.fromDeviceId} /> : "–"),
    },
    ...hitColumns(t, format),
    {
      id: "after",
      header: t("col.after"),
      align: "end",
      value: (row) => row.startsAfterSeconds,
      cell: (row) => format.duration(row.startsAfterSeconds),
    },
    {
      id: "takes",
      header: t("col.takes"),
      align: "end",
      value: (row) => row.seconds,
      cell: (row) => format.duration(row.seconds),
    },
  ];
}

function hitColumns(t: Words, format: Format): Column<PlanStep>[] {
  return [
    {
      id: "hits",
      header: t("col.hits"),
      value: (row) => (row.allocationId ? `${row.namespace}/${row.podName}` : null),
      cell: (row) =>
        row.allocationId ? (
          <RowLink to={`/allocations/${row.allocationId}`}>
            {row.namespace}/{row.podName}
          </RowLink>
        ) : (
          "–"
        ),
    },
    {
      id: "down",
      header: t("col.down"),
      align: "end",
      value: (row) => (row.allocationId ? row.downtimeSeconds : null),
      cell: (row) =>
        row.allocationId
          ? row.downtimeSeconds > 0
            ? format.duration(row.downtimeSeconds)
            : t("hit.none")
          : "–",
    },
  ];
}

function GpuLink({ id }: { id: string }) {
  return <RowLink to={`/mig/gpus/${id}`}>{id}</RowLink>;
}
