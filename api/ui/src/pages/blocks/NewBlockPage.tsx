/** The catalogue of block types, then the form of the chosen one. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useState } from "react";
import { type BlockType, blockSchemaQuery, blockTypesQuery, createBlock } from "@/data/blocks";
import { ApiFailure, said } from "@/data/failures";
import { useUrlState } from "@/data/urlState";
import { Button } from "@/parts/Button";
import { SearchField, TextField } from "@/parts/fields";
import { defaultsOf } from "@/parts/form/compare";
import { SchemaForm } from "@/parts/form/SchemaForm";
import type { Schema } from "@/parts/form/shape";
import { schemaCheckQuery, useSchemaCheck } from "@/parts/form/useSchemaCheck";
import { Title } from "@/parts/page";
import { Loaded } from "@/parts/places";
import "./blocks.css";

export default function NewBlockPage() {
  const [slug, setSlug] = useUrlState("type");
  const query = useQuery(blockTypesQuery);
  return (
    <Loaded query={query} what="The catalogue of blocks">
      {(types) => {
        const chosen = types.find((each) => each.slug === slug);
        return chosen ? (
          <Form key={chosen.id} type={chosen} back={() => setSlug("")} />
        ) : (
          <Catalogue types={types} choose={setSlug} />
        );
      }}
    </Loaded>
  );
}

function Catalogue({ types, choose }: { types: BlockType[]; choose: (slug: string) => void }) {
  const [text, setText] = useState("");
  const fits = (each: BlockType) =>
    `${each.name} ${each.description ?? ""}`.toLowerCase().includes(text.toLowerCase());
  return (
    <>
      <Title crumbs={[{ text: "Blocks", to: "/blocks" }]} title="New block" sub="choose its type" />
      <div className="gbar bt">
        <SearchField label="What it is for" value={text} onChange={(event) => setText(event.target.value)} />
      </div>
      <ul className="catalogue bt">
        {types.filter(fits).map((each) => (
          <li key={each.id}>
            <button type="button" onClick={() => choose(each.slug)}>
              <b className="b">{each.name}</b>
              <span className="m">{each.description ?? ""}</span>
              <code className="q">{each.slug}</code>
            </button>
          </li>
        ))}
      </ul>
    </>
  );
}

function Form({ type, back }: { type: BlockType; back: () => void }) {
  const query = useQuery(blockSchemaQuery(type.id));
  return (
    <>
      <Title crumbs={[{ text: "Blocks", to: "/blocks" }]} title={`New ${type.name}`} sub={type.description}>
        <Button quiet onClick={back}>
          Another type
        </Button>
      </Title>
      <Loaded query={query} what={`The form of ${type.name}`}>
        {(schema) =>
          schema ? (
            <Fields type={type} schemaId={schema.id} fields={schema.fields} />
          ) : (
            <p className="block-none">
              No client has told this server which fields {type.name} has. Save one block of it in Python
              first.
            </p>
          )
        }
      </Loaded>
    </>
  );
}

function Fields({
  type,
  schemaId,
  fields,
}: {
  type: BlockType;
  schemaId: string;
  fields: Record<string, unknown>;
}) {
  const [value, setValue] = useState<Schema>(() => defaultsOf(fields));
  const [name, setName] = useState("");
  const [failed, setFailed] = useState<unknown>(null);
  const [tried, setTried] = useState(false);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const check = useSchemaCheck(fields, value);
  const save = async () => {
    setTried(true);
    try {
      // What is shown may still be about what stood there before the last key.
      const problems = await queries.fetchQuery(schemaCheckQuery(fields, value));
      if (problems.length > 0) return;
      const made = await createBlock({
        name,
        data: value,
        block_schema_id: schemaId,
        block_type_id: type.id,
      });
      await queries.invalidateQueries({ queryKey: ["block_documents"] });
      await navigate({ to: `/blocks/${made.id}` });
    } catch (error) {
      setFailed(error);
    }
  };
  const ofName =
    failed instanceof ApiFailure ? failed.fields.find((each) => each.at === "name")?.text : undefined;
  return (
    <form
      className="formpad bt"
      onSubmit={(event) => {
        event.preventDefault();
        void save();
      }}
    >
      <TextField
        label="Name of the block"
        hint="small letters, digits and -"
        value={name}
        required
        autoFocus
        error={ofName ?? (failed !== null ? said(failed) : null)}
        onChange={(event) => {
          setName(event.target.value);
          setFailed(null);
        }}
      />
      <SchemaForm schema={fields} value={value} onChange={setValue} problems={tried ? check.problems : []} />
      <div className="row">
        <button type="submit" className="btn sun">
          Save block
        </button>
      </div>
    </form>
  );
}
