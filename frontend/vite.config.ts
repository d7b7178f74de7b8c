import react from "@vitejs/plugin-react";
import { defineConfig } from "vitest/config";

const backend = process.env.GPU_MANAGEMENT_URL ?? "http://127.0.0.1:8080";

export default defineConfig({
  // Relative, so that the same files work under a context path.
  base: "./",
  plugins: [react()],
  build: {
    outDir: "../src/gpu_management/api/dashboard",
    emptyOutDir: true,
    assetsDir: "ui",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    manifest: "manifest.json",
    target: "es2022",
    chunkSizeWarningLimit: 600,
  },
  server: { proxy: { "/api": backend, "/actuator": backend } },
  test: {
    environment: "jsdom",
    include: ["src/**/*.test.{ts,tsx}"],
    setupFiles: ["src/testing.ts"],
    restoreMocks: true,
  },
});
