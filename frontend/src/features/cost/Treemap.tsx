import { SegmentedControl } from "@mantine/core";
import { useElementSize } from "@mantine/hooks";
import { useQuery } from "@tanstack/react-query";
import { type KeyboardEvent, useMemo, useState } from "react";
import { useTranslation } from "react-i18next";
import { cividis } from "../../lib/colors";
import { useUrlState } from "../../lib/urlState";
import { Async, Empty, Panel } from "../../ui/states";
import { treeQuery } from "./api";
import type { CostQuestion } from "./question";
import { BranchBox } from "./TreeBoxes";
import { TreeTable } from "./TreeTable";
import { groupsOf, type Inner, innersOf, laidOut } from "./tree";
import "./treemap.css";

const HEIGHT = 340;

/** Who spends how much on what, as areas; each leads one step down. */
export function CostTree({ question, seesAll }: { question: CostQuestion; seesAll: boolean }) {
  const { t } = useTranslation("cost");
  const inners = innersOf(question);
  const [asked, setInner] = useUrlState("inner", inners[0] ?? "");
  const [isTable, setTable] = useState(false);
  const inner = inners.find((one) => one === asked) ?? inners[0];
  const rows = useQuery({
    ...treeQuery(question, inner ?? "namespace", seesAll),
    enabled: inner !== undefined,
  });
  if (!inner) return null;
  return (
    <Panel
      title={t("tree.title", {
        outer: t(`dimension.${question.aggregate}`),
        inner: t(`dimension.${inner}`),
      })}
      note={t("tree.note")}
      side={
        inners.length > 1 && (
          <SegmentedControl
            size="xs"
            aria-label={t("tree.inner")}
            value={inner}
            onChange={setInner}
            data={inners.map((value) => ({ value, label: t(`dimension.${value}`) }))}
          />
        )
      }
    >
      <Async
        query={rows}
        rows={6}
        isEmpty={(list) => list.rows.every((row) => row.cost <= 0)}
        empty={<Empty title={t("empty.title")} hint={t("empty.hint")} icon="cost" />}
      >
        {(list) => (
          <>
            {isTable ? (
              <TreeTable rows={list.rows} outer={question.aggregate} inner={inner} />
            ) : (
              <Boxes question={question} inner={inner} rows={list.rows} />
            )}
            <button type="button" className="quiet" onClick={() => setTable(!isTable)}>
              {isTable ? t("app:chart.asChart") : t("app:chart.asTable")}
            </button>
          </>
        )}
      </Async>
    </Panel>
  );
}

interface BoxesProps {
  question: CostQuestion;
  inner: Inner;
  rows: Parameters<typeof groupsOf>[0];
}

function Boxes({ question, inner, rows }: BoxesProps) {
  const { t } = useTranslation("cost");
  const { ref, width } = useElementSize();
  const groups = useMemo(
    () => groupsOf(rows, question.aggregate, inner),
    [rows, question.aggregate, inner],
  );
  const branches = useMemo(() => laidOut(groups, width, HEIGHT), [groups, width]);
  const total = groups.reduce((sum, group) => sum + group.cost, 0);
  return (
    <>
      {/* biome-ignore lint/a11y/useSemanticElements: a fieldset is for forms */}
      <div
        ref={ref}
        className="treemap"
        role="group"
        aria-label={`${t("tree.name")}. ${t("tree.keys")}`}
        style={{ height: HEIGHT }}
        onKeyDown={walk}
      >
        {branches.map((branch) => (
          <BranchBox
            key={String(branch.group.value)}
            branch={branch}
            question={question}
            inner={inner}
            total={total}
          />
        ))}
      </div>
      <Legend />
    </>
  );
}

/** Arrow keys go from box to box in their order, which is that of the costs. */
function walk(event: KeyboardEvent<HTMLElement>): void {
  const steps: Record<string, number> = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 };
  const step = steps[event.key];
  if (step === undefined) return;
  const boxes = [...event.currentTarget.querySelectorAll<HTMLElement>("a")];
  const at = boxes.indexOf(document.activeElement as HTMLElement);
  boxes[at + step]?.focus();
  event.preventDefault();
}

function Legend() {
  const { t } = useTranslation("cost");
  return (
    <ul className="legend" aria-label={t("bars.legend")}>
      {[0, 0.5, 1].map((step) => (
        <li key={step}>
          <i style={{ background: cividis(step) }} aria-hidden="true" />
          {t("tree.used", { share: `${step * 100} %` })}
        </li>
      ))}
      <li>
        <i className="tree-unknown" aria-hidden="true" />
        {t("tree.unknown")}
      </li>
    </ul>
  );
}
