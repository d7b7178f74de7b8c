/** Where a plan has come to, task by task. */

/** `void`: it was taken back, or never begun, and will not be. */
export type TaskState = "done" | "now" | "next" | "failed" | "void";

interface Standing {
  state: string;
  position: number;
  isUndoing: boolean;
}

const OPEN = new Set(["RUNNING", "PAUSED"]);

/**
 * The state of task `index`. Forward, `position` counts what is done; while a plan is taken back it
 * is the task in hand, and what lies behind it has been taken back already.
 */
export function taskState(plan: Standing, index: number): TaskState {
  if (plan.state === "DONE") return "done";
  if (plan.state === "ROLLED_BACK") return "void";
  if (plan.state === "FAILED" && index >= plan.position) {
    return index === plan.position ? "failed" : "void";
  }
  if (OPEN.has(plan.state) && index === plan.position) return "now";
  return index < plan.position ? "done" : "next";
}

/** What may be done with a plan in this state. */
export function offered(plan: Standing): ("approve" | "pause" | "resume" | "cancel")[] {
  switch (plan.state) {
    case "DRAFT":
      return ["approve", "cancel"];
    case "APPROVED":
      return ["cancel"];
    case "RUNNING":
      return plan.isUndoing ? ["pause"] : ["pause", "cancel"];
    case "PAUSED":
      return plan.isUndoing ? ["resume"] : ["resume", "cancel"];
    default:
      return [];
  }
}
