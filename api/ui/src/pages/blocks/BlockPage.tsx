/** One block: its fields to change, how code reads it, and the way to delete it. */

import { useQuery, useQueryClient } from "@tanstack/react-query";
import { useNavigate, useParams } from "@tanstack/react-router";
import { Copy, Send, Trash2 } from "lucide-react";
import { useState } from "react";
import { type BlockDocument, blockDocumentQuery, changeBlock, deleteBlock } from "@/data/blocks";
import { post } from "@/data/client";
import { said } from "@/data/failures";
import { act } from "@/parts/acting";
import { Button } from "@/parts/Button";
import { copy } from "@/parts/copying";
import { differences } from "@/parts/form/compare";
import { SchemaForm } from "@/parts/form/SchemaForm";
import type { Schema } from "@/parts/form/shape";
import { useSchemaCheck } from "@/parts/form/useSchemaCheck";
import { ConfirmDestroy, CopyAs } from "@/parts/overlays";
import { Pairs, SectionHead, Title } from "@/parts/page";
import { Loaded } from "@/parts/places";
import { StateGlyph } from "@/parts/StateGlyph";
import { Time } from "@/parts/Time";
import { toast } from "@/parts/toasts";
import { counted } from "@/words/numbers";
import "./blocks.css";

export default function BlockPage() {
  const { id = "" } = useParams({ strict: false });
  const query = useQuery(blockDocumentQuery(id));
  return (
    <Loaded query={query} what="The block">
      {(block) => <Block key={block.updated} block={block} />}
    </Loaded>
  );
}

function Block({ block }: { block: BlockDocument }) {
  const [value, setValue] = useState<Schema>(block.data);
  const [failed, setFailed] = useState<unknown>(null);
  const [asks, setAsks] = useState(false);
  const queries = useQueryClient();
  const navigate = useNavigate();
  const fields = block.block_schema?.fields ?? {};
  const check = useSchemaCheck(fields, value);
  const differs = differences(block.data, value);
  const slug = block.block_type?.slug ?? "";
  const template = `{{ prefect.blocks.${slug}.${block.name} }}`;
  const save = async () => {
    try {
      await changeBlock(block.id, value);
      setFailed(null);
      await queries.invalidateQueries({ queryKey: ["block_documents"] });
      toast({ text: `Block ${block.name} saved` });
    } catch (error) {
      setFailed(error);
    }
  };
  return (
    <>
      <Title
        crumbs={[{ text: "Blocks", to: "/blocks" }]}
        title={block.name ?? block.id}
        sub={block.block_type?.name}
      >
        <CopyAs commands={{ api: { method: "GET", path: `/block_documents/${block.id}` } }} json={block} />
        {block.block_schema?.capabilities.includes("notify") && (
          <Button
            onClick={() =>
              void act(
                "The test did not arrive",
                () => post(`/heliostat/block_documents/${block.id}/send_test`),
                {
                  done: `A test was sent over ${block.name}`,
                },
              )
            }
          >
            <Send className="i" /> Send a test
          </Button>
        )}
        <Button danger onClick={() => setAsks(true)}>
          <Trash2 className="i" /> Delete...
        </Button>
      </Title>
      <div className="cols block-cols bt">
        <section aria-label="Fields">
          <div className="formpad">
            <SchemaForm
              schema={fields}
              value={value}
              base={block.data}
              onChange={setValue}
              problems={check.problems}
            />
            {failed !== null && (
              <div className="row err-line" role="alert">
                <StateGlyph type="FAILED" label={false} /> {said(failed)}
              </div>
            )}
            <div className="row">
              <Button
                sun
                disabled={differs.length === 0 || check.problems.length > 0}
                onClick={() => void save()}
              >
                Save {differs.length > 0 ? counted(differs.length, "change") : "block"}
              </Button>
              {differs.length > 0 && (
                <Button quiet onClick={() => setValue(block.data)}>
                  Discard
                </Button>
              )}
            </div>
          </div>
        </section>
        <section aria-label="How it is used">
          <SectionHead title="In a template" />
          <div className="block-use">
            <code className="cut" title={template}>
              {template}
            </code>
            <Button small onClick={() => void copy(template, "Template")}>
              <Copy className="i s" /> Copy
            </Button>
          </div>
          <div className="block-facts">
            <Pairs
              rows={[
                ["Type", block.block_type?.name ?? ""],
                ["Can", block.block_schema?.capabilities.join(", ") || "be read"],
                ["Made", <Time key="made" at={block.created} />],
                ["Changed", <Time key="changed" at={block.updated} />],
                ["Id", <code key="id">{block.id}</code>],
              ]}
            />
          </div>
        </section>
      </div>
      <ConfirmDestroy
        open={asks}
        title={`Delete block ${block.name}?`}
        losses={[
          "Its values, secrets too, are lost.",
          "Flows, deployments and automations that read it fail from now on.",
        ]}
        verb={`Delete block ${block.name}`}
        onClose={() => setAsks(false)}
        act={async () => {
          // Its page goes first: it would ask for what is gone.
          await navigate({ to: "/blocks" });
          await act("Not deleted", () => deleteBlock(block.id), { done: `Block ${block.name} is deleted` });
          await queries.invalidateQueries({ queryKey: ["block_documents"] });
        }}
      />
    </>
  );
}
