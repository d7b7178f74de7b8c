import { createTheme, localStorageColorSchemeManager } from "@mantine/core";

const HANGUL = '"Noto Sans KR Variable", "Noto Sans KR"';

/** Our look: one calm blue, dense text, Hangul from our own files. */
export const theme = createTheme({
  primaryColor: "blue",
  primaryShade: { light: 8, dark: 4 },
  autoContrast: true,
  luminanceThreshold: 0.36,
  fontFamily: `system-ui, -apple-system, "Segoe UI", Roboto, ${HANGUL}, sans-serif`,
  headings: { fontFamily: `system-ui, -apple-system, "Segoe UI", Roboto, ${HANGUL}, sans-serif` },
  defaultRadius: "md",
  respectReducedMotion: true,
  cursorType: "pointer",
});

/** Remembers light or dark under the name that boot.js reads. */
export const schemes = localStorageColorSchemeManager({ key: "gpu.scheme" });
