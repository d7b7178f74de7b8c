import { defineFeature } from "../../lib/feature";

export default defineFeature({
  name: "cost",
  menu: [
    {
      path: "/cost",
      label: "cost",
      icon: "cost",
      section: "money",
      order: 10,
      permission: "cost.own",
    },
  ],
  routes: [{ path: "/cost", page: () => import("./CostPage") }],
});
