import { ScrollArea } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { useFormat } from "../../ui/useFormat";
import type { CostRow } from "./api";
import type { Aggregate } from "./question";
import type { Inner } from "./tree";

interface TreeTableProps {
  rows: CostRow[];
  outer: Aggregate;
  inner: Inner;
}

/** The treemap in words: every row that it is made of, the dearest first. */
export function TreeTable({ rows, outer, inner }: TreeTableProps) {
  const { t } = useTranslation("cost");
  const format = useFormat();
  return (
    <ScrollArea.Autosize
      mah={340}
      type="auto"
      viewportProps={{ tabIndex: 0, role: "region", "aria-label": t("tree.name") }}
    >
      <table className="rows">
        <thead>
          <tr>
            <th scope="col">{t(`dimension.${outer}`)}</th>
            <th scope="col">{t(`dimension.${inner}`)}</th>
            <th scope="col" data-align="end">
              {t("column.cost")}
            </th>
            <th scope="col" data-align="end">
              {t("split.used")}
            </th>
            <th scope="col" data-align="end">
              {t("split.idle")}
            </th>
            <th scope="col" data-align="end">
              {t("split.unattributed")}
            </th>
          </tr>
        </thead>
        <tbody>
          {rows.map((row) => (
            <tr key={`${row[outer]} ${row[inner]}`}>
              <td>{row[outer] ?? t("none")}</td>
              <td>{row[inner] ?? t("none")}</td>
              <td data-align="end">{format.money(row.cost, 2)}</td>
              <td data-align="end">{format.money(row.usedCost, 2)}</td>
              <td data-align="end">{format.money(row.idleCost, 2)}</td>
              <td data-align="end">{format.money(row.unattributedCost, 2)}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </ScrollArea.Autosize>
  );
}
