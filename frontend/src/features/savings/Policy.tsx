import { Anchor, Code, Text } from "@mantine/core";
import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { useTranslation } from "react-i18next";
import { useMay } from "../../ui/session";
import { Async, Panel } from "../../ui/states";
import { useFormat } from "../../ui/useFormat";
import { POLICY, type PolicyLine, policyQuery } from "./api";

/** A phone is narrower than the keys of settings. */
const WRAPPED = { whiteSpace: "normal", overflowWrap: "anywhere" } as const;

/** When something counts as idle, what is done about it, and where that is changed. */
export function Policy() {
  const { t } = useTranslation("savings");
  const mayRead = useMay("admin");
  return (
    <Panel title={t("policy.title")} note={mayRead ? t("policy.note") : t("policy.ask")}>
      <Text size="sm" mb="xs">
        {t("policy.rule")}
      </Text>
      {mayRead && <Lines />}
    </Panel>
  );
}

function Lines() {
  const { t } = useTranslation("savings");
  const policy = useQuery(policyQuery);
  return (
    <Async query={policy} rows={3}>
      {(lines) => (
        <>
          <table className="rows" aria-label={t("policy.title")}>
            <tbody>
              {lines.map((line) => (
                <Line key={line.key} line={line} />
              ))}
            </tbody>
          </table>
          <Anchor component={Link} to={`/admin/settings?q=${POLICY}` as never} size="xs">
            {t("policy.settings")}
          </Anchor>
        </>
      )}
    </Async>
  );
}

function Line({ line }: { line: PolicyLine }) {
  const { t } = useTranslation("savings");
  const format = useFormat();
  const [name = "", ...of] = line.key.slice(POLICY.length).split(".");
  const value = name.endsWith("-seconds")
    ? format.duration(Number(line.value))
    : t(`policy.value.${line.value || "none"}`, { defaultValue: line.value });
  return (
    <tr>
      <th scope="row" style={WRAPPED}>
        {t(`policy.key.${name}`, { defaultValue: name })} {of.join(".")}
        <br />
        <Code>{line.key}</Code>
      </th>
      <td style={WRAPPED}>{value}</td>
    </tr>
  );
}
