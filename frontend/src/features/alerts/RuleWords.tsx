import { Told } from "../../ui/Told";
import type { AlertRule } from "./api";

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
