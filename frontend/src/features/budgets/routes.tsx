import { defineFeature } from "../../lib/feature";

export default defineFeature({
  name: "budgets",
  menu: [
    {
      path: "/budgets",
      label: "budgets",
      icon: "budget",
      section: "money",
      order: 20,
      permission: "cost.own",
    },
  ],
  routes: [{ path: "/budgets", page: () => import("./BudgetsPage") }],
});
