import { ActionIcon, Menu } from "@mantine/core";
import { useTranslation } from "react-i18next";
import { appRoot } from "../lib/root";
import { Icon } from "../ui/Icon";
import { useSession } from "../ui/session";
import { useLogIn } from "./logIn";
import { useLogout } from "./useLogout";

/** Who one is, help, the API reference, and the way out. */
export default function AccountMenu({ onHelp }: { onHelp: () => void }) {
  const { t } = useTranslation("app");
  const session = useSession();
  const logout = useLogout();
  const logIn = useLogIn();
  const who = session.isAnonymous ? t("shell.visitor") : session.name;
  return (
    <Menu position="bottom-end" width={240} defaultOpened>
      <Menu.Target>
        <ActionIcon variant="default" size="lg" aria-label={t("shell.account")}>
          <Icon name="team" />
        </ActionIcon>
      </Menu.Target>
      <Menu.Dropdown>
        <Menu.Label>
          {session.needsLogin ? who : t("shell.open")}
          <br />
          {session.roles.join(", ")}
          {session.team ? ` · ${session.team}` : ""}
        </Menu.Label>
        <Menu.Item leftSection={<Icon name="help" size={16} />} onClick={onHelp}>
          {t("shell.help")}
        </Menu.Item>
        <Menu.Item
          leftSection={<Icon name="link" size={16} />}
          component="a"
          href={`${appRoot}/docs`}
        >
          {t("shell.api")}
        </Menu.Item>
        {logIn && (
          <Menu.Item leftSection={<Icon name="key" size={16} />} onClick={logIn}>
            {t("login.send")}
          </Menu.Item>
        )}
        {session.needsLogin && !session.isAnonymous && (
          <Menu.Item leftSection={<Icon name="logout" size={16} />} onClick={logout}>
            {t("shell.logout")}
          </Menu.Item>
        )}
        <Menu.Label>
          {session.clusterName} · {session.version}
        </Menu.Label>
      </Menu.Dropdown>
    </Menu>
  );
}
