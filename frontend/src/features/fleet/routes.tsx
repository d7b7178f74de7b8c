import { defineFeature } from "../../lib/feature";

export default defineFeature({
  name: "fleet",
  menu: [
    {
      path: "/fleet",
      label: "fleet",
      icon: "fleet",
      section: "see",
      order: 10,
      permission: "devices.read",
    },
  ],
  routes: [
    { path: "/fleet", page: () => import("./FleetPage") },
    { path: "/fleet/register", page: () => import("./RegisterPage") },
    { path: "/fleet/nodes/$nodeName", page: () => import("./NodePage") },
    { path: "/fleet/gpus/$deviceId", page: () => import("./DevicePage") },
  ],
});
