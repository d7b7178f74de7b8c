import type { ComponentType } from "react";
import type { IconName } from "../ui/Icon";

/** Where an entry stands in the navigation. */
export type Section = "see" | "work" | "money" | "admin";

/** One line of the navigation. Its text is the key `menu.<label>` of the feature's locale files. */
export interface MenuEntry {
  path: string;
  label: string;
  icon: IconName;
  section: Section;
  order: number;
  /** Shown only to whom holds it (docs/reference/api.md lists them). */
  permission?: string;
}

/** One page; `$name` in the path is a parameter, as TanStack Router writes it. */
export interface PageRoute {
  path: string;
  page: () => Promise<{ default: ComponentType }>;
}

/** What `features/<name>/routes.tsx` exports as default. */
export interface Feature {
  name: string;
  menu?: MenuEntry[];
  routes: PageRoute[];
}

/** Declare a feature; found by its place, so that no shared file lists it. */
export function defineFeature(feature: Feature): Feature {
  return feature;
}
