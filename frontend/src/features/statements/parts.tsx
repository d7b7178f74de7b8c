import { Badge, Button } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { apiHref } from "../../lib/root";
import { Icon } from "../../ui/Icon";

/** Whether a month may still change. */
export function MonthState({ status }: { status: string }) {
  const { t } = useTranslation("statements");
  const isClosed = status === "closed";
  return (
    <Badge
      color={isClosed ? "teal" : "yellow"}
      variant="light"
      radius="sm"
      tt="none"
      className="state-badge"
      style={{ maxWidth: "none" }}
      leftSection={<Icon name={isClosed ? "check" : "queue"} size={13} />}
    >
      {isClosed ? t("status.closed") : t("status.open")}
    </Badge>
  );
}

/** The same statement to print, and as CSV. */
export function Papers({ path }: { path: string }) {
  const { t, i18n } = useTranslation("statements");
  return (
    <>
      <Button
        component="a"
        variant="default"
        target="_blank"
        rel="noopener"
        href={apiHref(path, { format: "html", lang: i18n.language })}
        leftSection={<Icon name="statement" size={16} />}
      >
        {t("print")}
      </Button>
      <Button
        component="a"
        variant="default"
        download
        href={apiHref(path, { format: "csv" })}
        leftSection={<Icon name="download" size={16} />}
      >
        CSV
      </Button>
    </>
  );
}
