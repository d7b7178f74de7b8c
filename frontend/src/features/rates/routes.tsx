import { defineFeature } from "../../lib/feature";

export default defineFeature({
  name: "rates",
  menu: [
    {
      path: "/rates",
      label: "rates",
      icon: "rates",
      section: "money",
      order: 40,
      permission: "cost.read",
    },
  ],
  routes: [{ path: "/rates", page: () => import("./RatesPage") }],
});
