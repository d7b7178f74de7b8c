import { defineFeature } from "../../lib/feature";

export default defineFeature({
  name: "savings",
  menu: [
    {
      path: "/savings",
      label: "savings",
      icon: "savings",
      section: "money",
      order: 50,
      permission: "general.read",
    },
  ],
  routes: [{ path: "/savings", page: () => import("./SavingsPage") }],
});
