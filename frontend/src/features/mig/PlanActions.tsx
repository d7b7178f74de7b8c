import { Button, Group, Modal, Stack, Text } from "@mantine/core";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useState } from "react";
import { useTranslation } from "react-i18next";
import { api, got } from "../../api/client";
import { Icon, type IconName } from "../../ui/Icon";
import { tell, tellFailure } from "../../ui/toast";
import { type PlanRunDetail, planQuery } from "./api";
import { offered } from "./progress";

type Act = ReturnType<typeof offered>[number];

const ICONS: Record<Act, IconName> = {
  approve: "check",
  pause: "pause",
  resume: "refresh",
  cancel: "close",
};
const ASKS = new Set<Act>(["approve", "cancel"]);

function send(planId: string, act: Act) {
  const asked = { params: { path: { planId } } };
  switch (act) {
    case "approve":
      return got(api.POST("/api/v1/gpu/mig/plans/{planId}/approve", asked));
    case "pause":
      return got(api.POST("/api/v1/gpu/mig/plans/{planId}/pause", asked));
    case "resume":
      return got(api.POST("/api/v1/gpu/mig/plans/{planId}/resume", asked));
    case "cancel":
      return got(api.POST("/api/v1/gpu/mig/plans/{planId}/cancel", asked));
  }
}

const AFTER: Record<Act, Partial<PlanRunDetail>> = {
  approve: { state: "APPROVED" },
  pause: { state: "PAUSED" },
  resume: { state: "RUNNING", message: null },
  cancel: { isUndoing: true },
};

/** Shown as done at once, and put back when the server refuses. */
function useAct(plan: PlanRunDetail) {
  const { t } = useTranslation("mig");
  const client = useQueryClient();
  const { queryKey } = planQuery(plan.planId);
  return useMutation({
    mutationFn: (act: Act) => send(plan.planId, act),
    onMutate: async (act) => {
      await client.cancelQueries({ queryKey });
      client.setQueryData(queryKey, { ...plan, ...AFTER[act] });
    },
    onSuccess: (_told, act) => tell(t(`act.done.${act}`)),
    onError: (error) => {
      client.setQueryData(queryKey, plan);
      tellFailure(t("act.failed"), error);
    },
    onSettled: () => client.invalidateQueries({ queryKey: ["mig"] }),
  });
}

/** Buttons for what may be done with the plan now; what cannot be taken back lightly is asked. */
export function PlanActions({ plan }: { plan: PlanRunDetail }) {
  const { t } = useTranslation("mig");
  const act = useAct(plan);
  const [asked, setAsked] = useState<Act | null>(null);
  const hits = plan.steps.filter((step) => step.allocationId).length;
  const isBegun = plan.startedAt !== null;
  const name = (one: Act) => t(one === "cancel" && isBegun ? "act.rollBack" : `act.${one}`);
  return (
    <>
      {offered(plan).map((one) => (
        <Button
          key={one}
          size="xs"
          variant={one === "approve" || one === "resume" ? "filled" : "default"}
          loading={act.isPending && act.variables === one}
          leftSection={<Icon name={ICONS[one]} size={14} />}
          onClick={() => (ASKS.has(one) ? setAsked(one) : act.mutate(one))}
        >
          {name(one)}
        </Button>
      ))}
      <Modal
        opened={asked !== null}
        onClose={() => setAsked(null)}
        title={asked && name(asked)}
        closeButtonProps={{ "aria-label": t("app:action.close") }}
      >
        <Stack>
          <Text size="sm">
            {asked === "approve"
              ? t("act.means.approve", { count: hits })
              : t(isBegun ? "act.means.rollBack" : "act.means.cancel")}
          </Text>
          <Group justify="flex-end">
            <Button variant="default" onClick={() => setAsked(null)}>
              {t("app:action.close")}
            </Button>
            <Button
              onClick={() => {
                if (asked) act.mutate(asked);
                setAsked(null);
              }}
            >
              {t("app:action.confirm")}
            </Button>
          </Group>
        </Stack>
      </Modal>
    </>
  );
}
