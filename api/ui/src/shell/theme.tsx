/** The reader's theme on the page, and the kit told of it. */

import { createTheme, MantineProvider } from "@mantine/core";
import { useMediaQuery } from "@mantine/hooks";
import { type ReactNode, useEffect } from "react";
import { usePreferences } from "@/data/preferences";

const kit = createTheme({
  fontFamily: "var(--sans)",
  fontFamilyMonospace: "var(--mono)",
  defaultRadius: 6,
  fontSizes: { xs: "11px", sm: "12px", md: "13px", lg: "15px", xl: "20px" },
  cursorType: "pointer",
  respectReducedMotion: true,
});

export function Themed({ children }: { children: ReactNode }) {
  const { theme } = usePreferences();
  const systemIsDark = useMediaQuery("(prefers-color-scheme: dark)") ?? false;
  const shown = theme === "system" ? (systemIsDark ? "dark" : "light") : theme;
  useEffect(() => {
    document.documentElement.dataset["theme"] = shown;
    window.dispatchEvent(new Event("themechange")); // canvases read the tokens again
  }, [shown]);
  return (
    <MantineProvider theme={kit} forceColorScheme={shown} deduplicateInlineStyles>
      {children}
    </MantineProvider>
  );
}
