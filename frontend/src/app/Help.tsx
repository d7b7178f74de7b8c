import { Modal, Table } from "@mantine/core";
import { useTranslation } from "react-i18next";

const KEYS = [
  ["/", "search"],
  ["Ctrl K", "search"],
  ["g o", "overview"],
  ["g f", "fleet"],
  ["g m", "mig"],
  ["g a", "allocations"],
  ["g c", "cost"],
  ["?", "help"],
] as const;

/** The keys that work everywhere. */
export default function Help({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation("app");
  return (
    <Modal
      opened
      onClose={onClose}
      title={t("help.title")}
      closeButtonProps={{ "aria-label": t("action.close") }}
    >
      <Table>
        <Table.Tbody>
          {KEYS.map(([keys, what]) => (
            <Table.Tr key={keys}>
              <Table.Th scope="row" w={110}>
                <kbd>{keys}</kbd>
              </Table.Th>
              <Table.Td>{t(`help.${what}`)}</Table.Td>
            </Table.Tr>
          ))}
        </Table.Tbody>
      </Table>
    </Modal>
  );
}
