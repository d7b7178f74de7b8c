import { Link } from "@tanstack/react-router";
import type { CSSProperties, ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { cividis } from "../../lib/colors";
import { useUrlStates } from "../../lib/urlState";
import { useFormat } from "../../ui/useFormat";
import type { CostQuestion } from "./question";
import { type Branch, type Group, type Inner, leadsTo, type Part, usedShare } from "./tree";

/** Smaller boxes are no targets (WCAG 2.5.8); the table has their rows. */
const TARGET = 26;
const WRITTEN = { width: 58, height: 34 };

interface BranchProps {
  branch: Branch;
  question: CostQuestion;
  inner: Inner;
  total: number;
}

/** A group with the boxes of its parts. */
export function BranchBox({ branch, question, inner, total }: BranchProps) {
  const { group, box, hasHead, leaves } = branch;
  const told = useTold(total);
  const name = useName(group);
  return (
    <div className="tree-group" style={placed(box)}>
      {hasHead && (
        <Step question={question} to={leadsTo(question, group.value, inner, undefined)}>
          {{ className: "tree-head", title: `${name} ${told(group).told}`, text: name }}
        </Step>
      )}
      {leaves.map(({ part, box: place }) => (
        <LeafBox
          key={String(part.value)}
          group={group}
          part={part}
          place={place}
          question={question}
          inner={inner}
          told={told}
        />
      ))}
    </div>
  );
}

interface LeafProps {
  group: Group;
  part: Part;
  place: Branch["box"];
  question: CostQuestion;
  inner: Inner;
  told: ReturnType<typeof useTold>;
}

function LeafBox({ group, part, place, question, inner, told }: LeafProps) {
  const [outerName, name] = [useName(group), useName(part)];
  const share = usedShare(part);
  const isWritten = place.width >= WRITTEN.width && place.height >= WRITTEN.height;
  const { written, told: whole } = told(part);
  const title = `${outerName} › ${name} ${whole}`;
  const isTarget = Math.min(place.width, place.height) >= TARGET;
  const style = {
    ...placed(place),
    ...(share === null ? {} : { background: cividis(share) }),
    // The scale goes from a dark blue to a bright yellow.
    color: share === null ? undefined : share > 0.47 ? "#000" : "#fff",
  };
  return (
    <Step
      question={question}
      to={isTarget ? leadsTo(question, group.value, inner, part.value) : null}
    >
      {{
        className: share === null ? "tree-leaf tree-unknown" : "tree-leaf",
        title,
        style,
        text: isWritten && (
          <>
            <b>{name}</b> <span>{written}</span>
          </>
        ),
        bar: share,
      }}
    </Step>
  );
}

interface StepProps {
  question: CostQuestion;
  to: Record<string, string> | null;
  children: {
    className: string;
    title: string;
    text: ReactNode;
    style?: CSSProperties;
    bar?: number | null;
  };
}

function Step({ question, to, children }: StepProps) {
  const [search] = useUrlStates();
  const { className, title, text, style, bar } = children;
  const inside = (
    <>
      {text}
      {bar != null && <i style={{ width: `${100 * bar}%` }} aria-hidden="true" />}
    </>
  );
  if (!to) {
    return (
      <div className={className} title={title} style={style}>
        {inside}
      </div>
    );
  }
  const next = { window: search.window, bars: search.bars, ...question.filters, ...to };
  return (
    <Link
      to="."
      search={next as never}
      className={className}
      title={title}
      aria-label={title}
      style={style}
    >
      {inside}
    </Link>
  );
}

function useName(part: Part): string {
  const { t } = useTranslation("cost");
  if (part.value === undefined) return t("bars.others");
  return part.value ?? t("none");
}

/** What a box says: the amount and its share in use, then what is only told to who asks. */
function useTold(total: number): (part: Part) => { written: string; told: string } {
  const { t } = useTranslation("cost");
  const format = useFormat();
  return (part) => {
    const share = usedShare(part);
    const written =
      share === null
        ? format.money(part.cost)
        : `${format.money(part.cost)} · ${t("tree.used", { share: format.ratio(share) })}`;
    const rest = share === null ? `, ${t("tree.unknown")}` : "";
    const ofAll = t("tree.ofAll", { share: format.ratio(part.cost / total, 1) });
    return { written, told: `${written}${rest}, ${ofAll}` };
  };
}

function placed(box: Branch["box"]): CSSProperties {
  return { left: box.x, top: box.y, width: box.width, height: box.height };
}
