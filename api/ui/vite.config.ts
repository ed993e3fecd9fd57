import { fileURLToPath } from "node:url";
import react from "@vitejs/plugin-react";
import { defineConfig } from "vite";

// The server may serve the pages under any prefix: addresses of files are relative to the page's <base>.
export default defineConfig({
  base: "./",
  plugins: [react()],
  resolve: { alias: { "@": fileURLToPath(new URL("./src", import.meta.url)) } },
  build: { outDir: "dist", target: "es2022", chunkSizeWarningLimit: 700, reportCompressedSize: false },
  server: {
    proxy: { "/api": { target: process.env["HELIOSTAT_SERVER"] ?? "http://127.0.0.1:4200", ws: true } },
  },
});
