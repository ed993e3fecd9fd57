import { SchemaForm } from "@/parts/form/SchemaForm";
import type { Schema } from "@/parts/form/shape";
import { useSchemaCheck } from "@/parts/form/useSchemaCheck";

/** The form of an answer that a paused run waits for, checked by the server as it is filled. */
export default function InputForm({
  schema,
  value,
  onChange,
}: {
  schema: unknown;
  value: Schema;
  onChange: (value: Schema) => void;
}) {
  const check = useSchemaCheck(schema, value);
  return (
    <SchemaForm id="answer" schema={schema} value={value} onChange={onChange} problems={check.problems} />
  );
}
