/** Text of many lines with line numbers and colours; loaded when it is first shown. */

import { json } from "@codemirror/lang-json";
import { python } from "@codemirror/lang-python";
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { tags } from "@lezer/highlight";
import CodeMirror, { EditorView } from "@uiw/react-codemirror";

const COLOURS = syntaxHighlighting(
  HighlightStyle.define([
    { tag: [tags.string, tags.special(tags.string)], color: "var(--completed-ink)" },
    { tag: [tags.number, tags.bool], color: "var(--paused-ink)" },
    { tag: [tags.keyword, tags.null], color: "var(--running-ink)" },
    { tag: tags.comment, color: "var(--ink-3)" },
    { tag: [tags.propertyName, tags.definition(tags.variableName)], fontWeight: "500" },
  ]),
);
const LOOK = EditorView.theme({
  "&": { backgroundColor: "var(--sunk)", color: "var(--ink)", fontSize: "12px" },
  "&.cm-focused": { outline: "2px solid var(--focus)", outlineOffset: "2px" },
  ".cm-content": { fontFamily: "var(--mono)", lineHeight: "20px", caretColor: "var(--ink)" },
  ".cm-gutters": {
    backgroundColor: "var(--sunk)",
    color: "var(--ink-3)",
    border: "0",
    fontFamily: "var(--mono)",
  },
  ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "transparent" },
  ".cm-cursor": { borderLeftColor: "var(--ink)" },
  ".cm-selectionBackground, &.cm-focused .cm-selectionBackground": { backgroundColor: "var(--mark)" },
});
const LANGUAGES = { json: [json()], yaml: [], python: [python()], text: [] };

export default function CodeEditor({
  kind,
  text,
  onChange,
  label,
  readOnly = false,
  height,
}: {
  kind: keyof typeof LANGUAGES;
  text: string;
  onChange?: (text: string) => void;
  label: string;
  readOnly?: boolean;
  height?: string;
}) {
  return (
    <CodeMirror
      className="code-edit"
      value={text}
      theme="none"
      readOnly={readOnly}
      minHeight="120px"
      maxHeight={height ?? "60vh"}
      basicSetup={{ foldGutter: false, autocompletion: false, highlightActiveLine: false }}
      extensions={[
        ...LANGUAGES[kind],
        COLOURS,
        LOOK,
        EditorView.lineWrapping,
        EditorView.contentAttributes.of({ "aria-label": label }),
      ]}
      onChange={onChange}
    />
  );
}
