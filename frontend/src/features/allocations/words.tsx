import type { Facts } from "../../lib/told";
import { Original, Told } from "../../ui/Told";
import { WaitingWords } from "../../ui/WaitingWords";
import type { Allocation } from "./api";

type Condition = Allocation["conditions"][number];

/** How it stands, in a sentence: where it was placed, why it waits, why it is over. */
export function Message({ one }: { one: Allocation }) {
  if (one.phase === "Pending") return <WaitingWords decision={one.decision} own={one.message} />;
  if (one.phase === "Allocated" && one.releaseReason === null) {
    return <Told kind="allocation" code="placed" facts={placeOf(one)} own={one.message} />;
  }
  if (one.releaseReason === null) return <Original text={one.message} />;
  return <Told kind="ended" code={one.releaseReason} own={one.message} />;
}

/** The kind, code and facts that a condition's sentence is made of. */
export function sentenceOf(
  condition: Condition,
  one: Partial<Allocation>,
): [string, string, Facts] {
  const facts = { ...one, ...condition.facts };
  if (condition.type === "Released") return ["ended", condition.reason, facts];
  const isReleased = condition.reason === "NotUsed" && Boolean(condition.facts?.releaseAt);
  return ["condition", isReleased ? "NotUsedReleased" : condition.reason, facts];
}

/** What an event says of an allocation beyond its kind. */
export function EventWords({ type, details }: { type: string; details: Facts }) {
  const own = typeof details.message === "string" ? details.message : null;
  const { nodeName, allocatedResource } = details;
  const facts = { nodeName, resources: allocatedResource };
  const code = type === "allocation.created" ? "placed" : "";
  return <Told kind="allocation" code={code} facts={facts} own={own} />;
}

function placeOf(one: Allocation): Facts {
  return { nodeName: one.nodeName, resources: one.resources };
}
