import "@/look/index.css";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { makeQueries } from "@/data/queries";
import { makeRouter } from "./routes";
import { Themed } from "./theme";
import { reloadWhenRenewed } from "./renewed";

reloadWhenRenewed();
const place = document.getElementById("root");
if (!place) throw new Error("The page has no place for the application.");
createRoot(place).render(
  <StrictMode>
    <Themed>
      <QueryClientProvider client={makeQueries()}>
        <RouterProvider router={makeRouter()} />
      </QueryClientProvider>
    </Themed>
  </StrictMode>,
);
