import { keepPreviousData, useQuery } from "@tanstack/react-query";
import type { ReactNode } from "react";
import { useTranslation } from "react-i18next";
import { Async, Panel } from "../../ui/states";
import { changeQuery, type ScreenDevice } from "./api";
import { counted, type Place } from "./layouts";

interface ChangeProps {
  device: ScreenDevice;
  places: Place[];
  /** The button that does it, shown once the server has said that it may be. */
  apply: ReactNode;
}

/** What the drawn layout would change, as the server says. */
export function Change({ device, places, apply }: ChangeProps) {
  const { t } = useTranslation("mig");
  const change = useQuery({
    ...changeQuery(device.deviceId, places),
    placeholderData: keepPreviousData,
  });
  return (
    <Panel title={t("change.title")}>
      <Async query={change} rows={3}>
        {(found) => (
          <>
            <dl className="changes">
              <dt>{t("change.kept")}</dt>
              <dd>{found.kept.length}</dd>
              <dt>{t("change.destroyed")}</dt>
              <dd>{found.destroyed.join(", ") || "–"}</dd>
              <dt>{t("change.created")}</dt>
              <dd>{told(counted(found.created))}</dd>
              <dt>{t("change.fits")}</dt>
              <dd>{told(Object.entries(found.fitsAfter).filter(([, count]) => count > 0))}</dd>
            </dl>
            {!change.isPlaceholderData && !change.isError && apply}
          </>
        )}
      </Async>
    </Panel>
  );
}

function told(counts: [string, number][]): string {
  return counts.map(([name, count]) => `${count} × ${name}`).join(", ") || "–";
}
