import { Told } from "../../ui/Told";
import type { Alert, AlertRule } from "./api";

/** What an alert says: its summary, or its message with the figures. */
export function AlertWords({ alert, part }: { alert: Alert; part: "summary" | "message" }) {
  const { labels, value, threshold } = alert;
  return (
    <Told
      kind="alert"
      code={`${alert.alertType} ${part}`}
      facts={{ ...labels, value, threshold }}
      own={alert[part]}
    />
  );
}

/** What a rule would say, with the names of its figures in place of them. */
export function RuleWords({ rule }: { rule: AlertRule }) {
  const names = new Proxy({ threshold: rule.threshold } as Record<string, unknown>, {
    get: (known, name) => known[String(name)] ?? `‹${String(name)}›`,
  });
  return (
    <Told kind="alert" code={`${rule.name} message`} facts={names} own={plain(rule.description)} />
  );
}

/** A rule's sentence without the marks of its template: `{{ $labels.gpu }}` reads `gpu`. */
export function plain(template: string): string {
  return template.replace(/\{\{\s*\$(?:labels\.)?(\w+)[^}]*\}\}/g, "‹$1›");
}
