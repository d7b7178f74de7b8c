import { createContext, useContext } from "react";
import { Format } from "../lib/format";

const plain = new Format({ locale: "en", currency: "USD", timeZone: "UTC" });

/** Formatters of the language, currency and billing zone in force. */
export const FormatContext = createContext<Format>(plain);

/** The formatters: `useFormat().money(12.5)`. */
export function useFormat(): Format {
  return useContext(FormatContext);
}
