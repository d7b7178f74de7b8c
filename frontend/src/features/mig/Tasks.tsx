import { Progress } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { Icon, type IconName } from "../../ui/Icon";
import type { PlanRunDetail } from "./api";
import { type TaskState, taskState } from "./progress";

const SIGNS: Record<TaskState, IconName> = {
  done: "check",
  now: "refresh",
  next: "queue",
  failed: "error",
  void: "off",
};

interface Task {
  /** `cut`, `move`, `stop` or `start`. */
  kind: string;
  where: string;
  who: string;
}

/** The tasks of a plan in order, with what is done and what is in hand. */
export function Tasks({ plan }: { plan: PlanRunDetail }) {
  const { t } = useTranslation("mig");
  const done = Math.max(0, Math.min(plan.position, plan.taskCount));
  return (
    <>
      <Progress
        value={plan.taskCount > 0 ? (100 * done) / plan.taskCount : 0}
        aria-label={t("run.done", { done, total: plan.taskCount })}
        mb="xs"
      />
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: who has no mouse must be able to scroll */}
      <section className="tasks-box" aria-label={t("run.tasks")} tabIndex={0}>
        <ol className="tasks">
          {plan.tasks.map((raw, index) => {
            const state = taskState(plan, index);
            const task = taskOf(raw);
            return (
              // biome-ignore lint/suspicious/noArrayIndexKey: tasks are known by their place
              <li key={index} data-state={state}>
                <Icon name={SIGNS[state]} size={16} />
                <span>
                  <b>{t(`task.${task.kind}`, { defaultValue: task.kind })}</b> {task.who}{" "}
                  {task.where}
                </span>
                <span>{t(`task.state.${state}`)}</span>
              </li>
            );
          })}
        </ol>
      </section>
    </>
  );
}

const text = (value: unknown) => (typeof value === "string" ? value : "");

function taskOf(raw: Record<string, unknown>): Task {
  const pod = text(raw.pod_name);
  const devices = [text(raw.from_device), text(raw.to_device)].filter(Boolean);
  return {
    kind: text(raw.deed),
    where: text(raw.node_name) || devices.join(" → "),
    who: pod ? `${text(raw.namespace)}/${pod}` : "",
  };
}
