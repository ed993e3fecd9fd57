import js from "@eslint/js";
import hooks from "eslint-plugin-react-hooks";
import globals from "globals";
import ts from "typescript-eslint";

// The rooms, from the top. A file may import from its own room and from rooms below.
const ROOMS = ["shell", "pages", "graph", "parts", "data", "words"];

const oneWay = ROOMS.map((room, floor) => ({
  files: [`src/${room}/**/*.{ts,tsx}`],
  rules: {
    "no-restricted-imports": [
      "error",
      {
        patterns: [
          {
            group: ROOMS.slice(0, floor).flatMap((above) => [
              `@/${above}`,
              `@/${above}/**`,
              `../**/${above}/**`,
            ]),
            message: `Imports point down: ${ROOMS.join(" → ")}.`,
          },
        ].filter((pattern) => pattern.group.length > 0),
      },
    ],
  },
}));

export default ts.config(
  { ignores: ["dist", "node_modules", "src/data/openapi.d.ts"] },
  js.configs.recommended,
  ...ts.configs.strict,
  hooks.configs.flat.recommended,
  {
    languageOptions: { globals: { ...globals.browser, ...globals.node } },
    rules: {
      "max-lines": ["error", 400],
      "no-control-regex": "off",
      "react-hooks/incompatible-library": "off", // nothing is compiled
      "no-undef": "off", // the compiler checks names
      "@typescript-eslint/no-non-null-assertion": "error",
      "no-restricted-syntax": [
        "error",
        {
          selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']",
          message: "Nothing from a run may become HTML.",
        },
      ],
    },
  },
  ...oneWay,
);
