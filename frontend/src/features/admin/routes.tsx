import { defineFeature, type MenuEntry } from "../../lib/feature";

const line = (path: string, label: string, icon: MenuEntry["icon"], order: number): MenuEntry => ({
  path,
  label,
  icon,
  section: "admin",
  order,
  permission: "admin",
});

export default defineFeature({
  name: "admin",
  menu: [
    line("/admin/teams", "teams", "team", 10),
    line("/admin/keys", "keys", "key", 20),
    line("/admin/audit", "audit", "audit", 30),
    line("/admin/settings", "settings", "settings", 50),
    { ...line("/admin/quality", "quality", "quality", 40), permission: "devices.read" },
  ],
  routes: [
    { path: "/admin/teams", page: () => import("./TeamsPage") },
    { path: "/admin/keys", page: () => import("./KeysPage") },
    { path: "/admin/audit", page: () => import("./AuditPage") },
    { path: "/admin/settings", page: () => import("./SettingsPage") },
    { path: "/admin/quality", page: () => import("./QualityPage") },
  ],
});
