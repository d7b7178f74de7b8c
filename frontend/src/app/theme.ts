import { createTheme, localStorageColorSchemeManager } from "@mantine/core";

/* One face for Latin and Hangul, from our own files; until it is there, that of the system. */
const FACE = `"Noto Sans KR Variable", system-ui, -apple-system, "Segoe UI", Roboto, sans-serif`;

/** Our look: one calm blue, dense text, Hangul from our own files. */
export const theme = createTheme({
  primaryColor: "blue",
  primaryShade: 8,
  autoContrast: true,
  fontFamily: FACE,
  headings: { fontFamily: FACE },
  defaultRadius: "md",
  respectReducedMotion: true,
  cursorType: "pointer",
});

/** Remembers light or dark under the name that boot.js reads. */
export const schemes = localStorageColorSchemeManager({ key: "gpu.scheme" });
