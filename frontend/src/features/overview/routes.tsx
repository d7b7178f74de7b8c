import { defineFeature } from "../../lib/feature";

export default defineFeature({
  name: "overview",
  menu: [
    {
      path: "/",
      label: "overview",
      icon: "overview",
      section: "see",
      order: 0,
      permission: "overview.read",
    },
  ],
  routes: [
    { path: "/", page: () => import("./OverviewPage") },
    { path: "/dashboard", page: () => import("./OverviewPage") },
  ],
});
