import { defineFeature } from "../../lib/feature";

export default defineFeature({
  name: "allocations",
  menu: [
    {
      path: "/allocations",
      label: "allocations",
      icon: "allocations",
      section: "work",
      order: 10,
      permission: "allocations.read",
    },
  ],
  routes: [
    { path: "/allocations", page: () => import("./AllocationsPage") },
    { path: "/allocations/new", page: () => import("./NewAllocationPage") },
    { path: "/allocations/$allocationId", page: () => import("./AllocationPage") },
  ],
});
