import "@mantine/core/styles.css";
import "./app/app.css";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { rememberApiLanguage } from "./api/client";
import { App } from "./app/App";
import { preferredLanguage, speak, startI18n } from "./lib/i18n";
import { cspNonce } from "./lib/nonce";

const language = preferredLanguage();
// The parts that lock scrolling read the nonce of their style element here.
if (cspNonce) Object.assign(window, { __webpack_nonce__: cspNonce });
rememberApiLanguage(language);
await startI18n();
await speak(language);

const place = document.getElementById("root");
if (place) {
  createRoot(place).render(
    <StrictMode>
      <App />
    </StrictMode>,
  );
}
// After the first paint: text shows at once in a font of the system, then in ours.
void import("./app/fonts");
