import { defineFeature } from "../../lib/feature";

export default defineFeature({
  name: "mig",
  menu: [
    {
      path: "/mig",
      label: "mig",
      icon: "slices",
      section: "see",
      order: 20,
      permission: "mig.read",
    },
  ],
  routes: [
    { path: "/mig", page: () => import("./MigPage") },
    { path: "/mig/gpus/$deviceId", page: () => import("./LayoutPage") },
    { path: "/mig/plan", page: () => import("./NewPlanPage") },
    { path: "/mig/plans/$planId", page: () => import("./PlanPage") },
  ],
});
