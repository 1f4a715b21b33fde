import { describe, expect, it } from "vitest";
import { memorySource } from "../../../test/fixtures/onnx/memory-source.ts";
import { MAX_ITEMS, MAX_NODES, MAX_TENSORS } from "./limits.ts";
import { onnxFormat } from "./onnx.ts";
import { ProtobufWriter } from "./protobuf-writer.ts";

/** One empty field, many times: two bytes each in the file, far more in memory. */
function emptyFields(tag: number, times: number): Uint8Array {
  const bytes = new Uint8Array(2 * times);
  for (let i = 0; i < bytes.length; i += 2) bytes[i] = tag;
  return bytes;
}

function modelWith(graph: Uint8Array): Uint8Array {
  const model = new ProtobufWriter();
  model.integer(1, 8);
  model.bytes(7, graph);
  return model.finish();
}

describe("what a file may hold", () => {
  it.each([
    ["nodes", 0x0a, MAX_NODES],
    ["tensors", 0x2a, MAX_TENSORS],
  ])("refuses more %s than the limit", async (what, tag, most) => {
    const opened = onnxFormat.open(memorySource(modelWith(emptyFields(tag, most + 1))));
    await expect(opened).rejects.toMatchObject({ code: "too-large" });
    await expect(opened).rejects.toThrow(`more than ${most} ${what}`);
  });

  it("refuses more node inputs than the limit", async () => {
    const node = new ProtobufWriter();
    node.bytes(1, emptyFields(0x0a, MAX_ITEMS + 1));
    const opened = onnxFormat.open(memorySource(modelWith(node.finish())));
    await expect(opened).rejects.toThrow(`more than ${MAX_ITEMS} items`);
  });
});
