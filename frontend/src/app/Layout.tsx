import {
  ActionIcon,
  AppShell,
  Badge,
  Burger,
  Button,
  Group,
  NavLink,
  ScrollArea,
  Text,
} from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import { Link, Outlet, useRouterState } from "@tanstack/react-router";
import { lazy, Suspense, useEffect, useMemo } from "react";
import { useTranslation } from "react-i18next";
import { appRoot } from "../lib/root";
import { useLiveState } from "../lib/useLive";
import { Icon } from "../ui/Icon";
import { useSession } from "../ui/session";
import { Toasts } from "../ui/toast";
import { menuFor } from "./features";
import { LostBanner } from "./LostBanner";
import { useLogIn } from "./logIn";
import { LanguageChoice, SchemeChoice } from "./Preferences";
import { useShortcuts } from "./useShortcuts";

const Palette = lazy(() => import("./Palette"));
const Help = lazy(() => import("./Help"));
const AccountMenu = lazy(() => import("./AccountMenu"));

/** The shell around every page: navigation, search, language, theme, session. */
export function Layout() {
  const { t } = useTranslation("app");
  const [isMenuOpen, menu] = useDisclosure(false);
  const [isPaletteOpen, palette] = useDisclosure(false);
  const [isHelpOpen, help] = useDisclosure(false);
  const path = useRouterState({ select: (state) => state.location.pathname });
  useShortcuts({ onSearch: palette.open, onHelp: help.open });
  // biome-ignore lint/correctness/useExhaustiveDependencies: the menu closes when the page changes
  useEffect(() => menu.close(), [path]);
  return (
    <AppShell
      header={{ height: 52 }}
      navbar={{ width: 232, breakpoint: "md", collapsed: { mobile: !isMenuOpen } }}
    >
      <button type="button" className="skip" onClick={toContent}>
        {t("shell.skip")}
      </button>
      <AppShell.Header>
        <Group h="100%" px="sm" justify="space-between" wrap="nowrap" gap="xs">
          <Group gap="xs" wrap="nowrap">
            <Burger
              opened={isMenuOpen}
              onClick={menu.toggle}
              hiddenFrom="md"
              size="sm"
              aria-label={t("shell.menu")}
            />
            <Link to="/" className="brand" aria-label="k8s-gpu-management">
              <img src={`${appRoot}/ui/logo.svg`} alt="" width={26} height={26} />
              <span>k8s-gpu-management</span>
            </Link>
            <Live />
          </Group>
          <Group gap="xs" wrap="nowrap">
            <Button
              variant="default"
              onClick={palette.open}
              leftSection={<Icon name="search" size={16} />}
              rightSection={<kbd>/</kbd>}
              visibleFrom="sm"
            >
              {t("shell.search")}
            </Button>
            <ActionIcon
              variant="default"
              size="lg"
              hiddenFrom="sm"
              aria-label={t("shell.search")}
              onClick={palette.open}
            >
              <Icon name="search" />
            </ActionIcon>
            <Group gap="xs" wrap="nowrap" visibleFrom="sm">
              <LanguageChoice />
            </Group>
            <SchemeChoice />
            <LogIn />
            <Account onHelp={help.open} />
          </Group>
        </Group>
      </AppShell.Header>
      <AppShell.Navbar p="xs" aria-label={t("shell.navigation")}>
        <Navigation path={path} />
        <Group hiddenFrom="sm" py="xs">
          <LanguageChoice />
        </Group>
      </AppShell.Navbar>
      <AppShell.Main id="content" tabIndex={-1}>
        <LostBanner />
        <Outlet />
      </AppShell.Main>
      <Toasts />
      <Suspense>
        {isPaletteOpen && <Palette onClose={palette.close} />}
        {isHelpOpen && <Help onClose={help.close} />}
      </Suspense>
    </AppShell>
  );
}

/** No link: the page has a base address, to which `#content` would lead. */
function toContent(): void {
  document.getElementById("content")?.focus();
}

function Navigation({ path }: { path: string }) {
  const { t } = useTranslation("app");
  const { permissions } = useSession();
  const groups = useMemo(() => menuFor(permissions), [permissions]);
  return (
    <AppShell.Section grow component={ScrollArea}>
      {groups.map((group) => (
        <div key={group.section}>
          <Text size="xs" c="dimmed" fw={600} px="sm" pt="sm" pb={2}>
            {t(`shell.section.${group.section}`)}
          </Text>
          {group.lines.map((line) => (
            <NavLink
              key={line.path}
              component={Link}
              to={line.path as never}
              label={t(`${line.feature}:menu.${line.label}`)}
              leftSection={<Icon name={line.icon} />}
              active={isWithin(path, line.path)}
              aria-current={isWithin(path, line.path) ? "page" : undefined}
            />
          ))}
        </div>
      ))}
    </AppShell.Section>
  );
}

function isWithin(path: string, entry: string): boolean {
  const here = path.slice(appRoot.length) || "/";
  return entry === "/" ? here === "/" : here === entry || here.startsWith(`${entry}/`);
}

/** Whether what is shown follows what happens. */
function Live() {
  const { t } = useTranslation("app");
  const state = useLiveState();
  if (state === "idle") return null;
  const color = { live: "teal", connecting: "gray", lost: "orange" }[state];
  return (
    <Badge
      title={t(`live.${state}Hint`)}
      color={color}
      variant="light"
      tt="none"
      role="status"
      visibleFrom="xs"
      className="state-badge"
      leftSection={<Icon name={state === "live" ? "check" : "refresh"} size={12} />}
    >
      {t(`live.${state}`)}
    </Badge>
  );
}

function LogIn() {
  const { t } = useTranslation("app");
  const logIn = useLogIn();
  return logIn && <Button onClick={logIn}>{t("login.send")}</Button>;
}

/** The menu's code comes with the first click on it. */
function Account({ onHelp }: { onHelp: () => void }) {
  const { t } = useTranslation("app");
  const [isWanted, want] = useDisclosure(false);
  const button = (
    <ActionIcon variant="default" size="lg" aria-label={t("shell.account")} onClick={want.open}>
      <Icon name="team" />
    </ActionIcon>
  );
  return isWanted ? (
    <Suspense fallback={button}>
      <AccountMenu onHelp={onHelp} />
    </Suspense>
  ) : (
    button
  );
}
