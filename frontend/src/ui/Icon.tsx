/** Our icons: 24 units square, drawn with one stroke in the colour of the text. */
const PATHS = {
  overview: "M4 13h6V4H4zM14 20h6v-9h-6zM14 4v4h6V4zM4 20h6v-4H4z",
  fleet: "M4 5h16v5H4zM4 14h16v5H4zM8 7.5h.01M8 16.5h.01M12 7.5h5M12 16.5h5",
  gpu: "M3 7h16a2 2 0 0 1 2 2v6a2 2 0 0 1-2 2H3zM3 4v16M8 17v3M13 17v3M12 12m-2.5 0a2.5 2.5 0 1 0 5 0a2.5 2.5 0 1 0-5 0",
  slices: "M4 5h16v14H4zM9 5v14M9 12h11M15 12v7",
  allocations: "M12 3l8 4.5v9L12 21l-8-4.5v-9zM12 12l8-4.5M12 12v9M12 12L4 7.5",
  queue: "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18M12 7v5l3 2",
  cost: "M12 3v18M16.5 7.5C15.5 6 14 5.5 12 5.5c-2.5 0-4.5 1-4.5 3.2C7.5 13.5 17 11 17 15.5c0 2-2 3-5 3c-2.3 0-4-.8-5-2.3",
  rates: "M4 4h8l8 8-8 8-8-8zM8.5 8.5h.01",
  budget: "M4 7h14a2 2 0 0 1 2 2v9H6a2 2 0 0 1-2-2zM4 7a2 2 0 0 1 2-2h10v2M15.5 12.5h4.5v3h-4.5z",
  statement: "M6 3h9l4 4v14H6zM14 3v5h5M9 12h7M9 16h7",
  savings:
    "M5 12a6 6 0 0 1 6-6h3a5 5 0 0 1 5 5v1l1.5 1v3h-2.5l-1.5 2v2h-3v-2h-3v2h-3v-2.5A6 6 0 0 1 5 12zM15 11h.01",
  forecast: "M3 17l5-6 4 3 5-7M17 7h4M21 7v4M3 21h18",
  whatif: "M6 3v6a4 4 0 0 0 4 4h8M18 13l-3-3M18 13l-3 3M6 9v12",
  alerts: "M6 16V11a6 6 0 1 1 12 0v5l2 2H4zM10 21h4",
  resources: "M7 7h10v10H7zM10 3v4M14 3v4M10 17v4M14 17v4M3 10h4M3 14h4M17 10h4M17 14h4",
  admin: "M12 3l7 3v6c0 4.5-3 7.5-7 9c-4-1.5-7-4.5-7-9V6zM9 12l2 2 4-4",
  key: "M8 15m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0M11 12l8-8M16 7l3 3M14 9l2 2",
  audit: "M5 4h14v16H5zM9 9h6M9 13h6M9 17h3",
  team: "M9 8m-3 0a3 3 0 1 0 6 0a3 3 0 1 0-6 0M3 20c0-4 2.5-6 6-6s6 2 6 6M16 5a3 3 0 0 1 0 6M17 14.5c2.5.5 4 2.5 4 5.5",
  settings: "M4 7h10M18 7h2M16 5v4M4 17h2M10 17h10M8 15v4M4 12h4M12 12h8M10 10v4",
  quality: "M4 18V9M9 18V5M14 18v-6M19 18V8",
  search: "M11 11m-6 0a6 6 0 1 0 12 0a6 6 0 1 0-12 0M20 20l-4.5-4.5",
  sun: "M12 12m-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0M12 2v2M12 20v2M4.9 4.9l1.4 1.4M17.7 17.7l1.4 1.4M2 12h2M20 12h2M4.9 19.1l1.4-1.4M17.7 6.3l1.4-1.4",
  moon: "M20 14.5A8.5 8.5 0 0 1 9.5 4a8.5 8.5 0 1 0 10.5 10.5z",
  language:
    "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18M3 12h18M12 3c3 3 3.5 6 3.5 9s-.5 6-3.5 9c-3-3-3.5-6-3.5-9s.5-6 3.5-9",
  help: "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18M9.5 9.5a2.5 2.5 0 1 1 3.5 2.3c-.7.4-1 .8-1 1.7M12 17h.01",
  logout: "M10 4H5v16h5M15 8l4 4-4 4M19 12H9",
  up: "M6 15l6-6 6 6",
  down: "M6 9l6 6 6-6",
  sort: "M8 10l4-4 4 4M8 14l4 4 4-4",
  columns: "M4 5h16v14H4zM9.3 5v14M14.7 5v14",
  download: "M12 4v11M7 11l5 5 5-5M4 20h16",
  refresh: "M20 12a8 8 0 1 1-2.5-5.800M20 4v4h-4",
  close: "M6 6l12 12M18 6L6 18",
  menu: "M4 7h16M4 12h16M4 17h16",
  check: "M5 12.5l4.5 4.5L19 7.5",
  warning: "M12 4l9 16H3zM12 10v4M12 17h.01",
  error: "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18M9 9l6 6M15 9l-6 6",
  info: "M12 3a9 9 0 1 0 0 18a9 9 0 1 0 0-18M12 11v5M12 8h.01",
  pause: "M9 5v14M15 5v14",
  wrench:
    "M14.5 6a4.5 4.5 0 0 1 5.5-1l-3 3 .5 2.5 2.5.5 3-3a4.5 4.5 0 0 1-6.5 5L9 21.5 5.5 18l7.5-7.5A4.5 4.5 0 0 1 14.5 6z",
  off: "M12 4v8M7 6.5a8 8 0 1 0 10 0",
  plus: "M12 5v14M5 12h14",
  link: "M10 14l4-4M8 11l-2.5 2.5a3.5 3.5 0 0 0 5 5L13 16M16 13l2.5-2.5a3.5 3.5 0 0 0-5-5L11 8",
  chevron: "M9 6l6 6-6 6",
  table: "M4 5h16v14H4zM4 10h16M4 14.5h16M10 10v9",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 2-2 5 5M15 9h.01",
} as const;

export type IconName = keyof typeof PATHS;

/** One icon; it is decoration, so the text beside it must say the same. */
export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg
      width={size}
      height={size}
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth={1.8}
      strokeLinecap="round"
      strokeLinejoin="round"
      aria-hidden="true"
      focusable="false"
    >
      <path d={PATHS[name]} />
    </svg>
  );
}
