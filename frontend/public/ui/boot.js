// Runs before the first paint, so that nobody in the dark is flashed with white.
(() => {
  const root = document.documentElement;
  let scheme = "auto";
  try {
    scheme = localStorage.getItem("gpu.scheme") || "auto";
    const language = localStorage.getItem("gpu.language");
    root.lang = language || (navigator.language.toLowerCase().startsWith("ko") ? "ko" : "en");
  } catch {
    // Storage may be forbidden: the browser's own preferences stand.
  }
  const dark = window.matchMedia("(prefers-color-scheme: dark)").matches;
  const shown = scheme === "auto" ? (dark ? "dark" : "light") : scheme;
  root.setAttribute("data-mantine-color-scheme", shown);
})();
