import { defineFeature } from "../../lib/feature";

export default defineFeature({
  name: "resources",
  menu: [
    {
      path: "/resources",
      label: "resources",
      icon: "resources",
      section: "see",
      order: 40,
      permission: "general.read",
    },
  ],
  routes: [{ path: "/resources", page: () => import("./ResourcesPage") }],
});
