import { defineFeature } from "../../lib/feature";

export default defineFeature({
  name: "alerts",
  menu: [
    {
      path: "/alerts",
      label: "alerts",
      icon: "alerts",
      section: "work",
      order: 30,
      permission: "general.read",
    },
  ],
  routes: [{ path: "/alerts", page: () => import("./AlertsPage") }],
});
