import type { Feature, MenuEntry, Section } from "../lib/feature";

const found = import.meta.glob<{ default: Feature }>("../features/*/routes.tsx", { eager: true });

/** Every feature, found by its place in the tree. */
export const features: Feature[] = Object.values(found).map((module) => module.default);

export interface MenuLine extends MenuEntry {
  feature: string;
}

const SECTIONS: Section[] = ["see", "work", "money", "admin"];

/** The navigation for somebody who holds `permissions`, by section. */
export function menuFor(permissions: readonly string[]): { section: Section; lines: MenuLine[] }[] {
  const lines = features.flatMap((feature) =>
    (feature.menu ?? []).map((entry) => ({ ...entry, feature: feature.name })),
  );
  const allowed = lines.filter((line) => !line.permission || permissions.includes(line.permission));
  return SECTIONS.map((section) => ({
    section,
    lines: allowed
      .filter((line) => line.section === section)
      .sort((one, other) => one.order - other.order),
  })).filter((group) => group.lines.length > 0);
}
