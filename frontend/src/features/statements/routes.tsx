import { defineFeature } from "../../lib/feature";

export default defineFeature({
  name: "statements",
  menu: [
    {
      path: "/statements",
      label: "statements",
      icon: "statement",
      section: "money",
      order: 30,
      permission: "cost.own",
    },
  ],
  routes: [
    { path: "/statements", page: () => import("./StatementsPage") },
    { path: "/statements/$month", page: () => import("./MonthPage") },
    { path: "/statements/$month/$teamId", page: () => import("./TeamPage") },
  ],
});
