import { FormatError } from "./errors.ts";
import type { Format, Model, ModelWarning, TensorEntry } from "./model.ts";
import { npyEntry, toStored } from "./npy.ts";
import { type NpyArray, type NpyBytes, readNpyHeader } from "./npy-array.ts";
import type { ByteSource } from "./source.ts";
import { firstMemberName, looksLikeZip, readZip, STORED, type ZipMember } from "./zip.ts";
import { type MemberReader, memberReader } from "./zip-read.ts";
import { rewriteZip } from "./zip-writer.ts";

interface NpzMember {
  readonly member: ZipMember;
  readonly reader: MemberReader;
  readonly bytes: NpyBytes;
  readonly array: NpyArray;
  readonly entry: TensorEntry;
}

async function openMember(source: ByteSource, member: ZipMember): Promise<NpzMember> {
  const name = member.name.slice(0, -".npy".length);
  const reader = memberReader(source, member);
  const stored = member.method === STORED;
  const bytes: NpyBytes = {
    file: source.name,
    byteLength: member.size,
    tensor: name,
    ...(stored ? { start: member.dataStart } : {}),
    read: (start, end) => reader.read(start, end),
  };
  const array = await readNpyHeader(bytes);
  if (array.dataEnd !== member.size) {
    const what = `its header promises ${array.dataEnd} bytes, but the archive declares ${member.size}.`;
    throw new FormatError("corrupt", what, { file: source.name, tensor: name, byte: member.headerStart });
  }
  const entry = npyEntry(name, array, bytes, stored ? source : null);
  return { member, reader, bytes, array, entry };
}

/** The whole member with new elements: the header as it was, then the replacement. */
async function newContent({ bytes, array, entry }: NpzMember, replacement: Uint8Array): Promise<Uint8Array> {
  const content = new Uint8Array(bytes.byteLength);
  content.set(await bytes.read(0, array.dataStart), 0);
  content.set(toStored(array, entry, replacement), array.dataStart);
  return content;
}

async function closeAll(source: ByteSource, members: readonly NpzMember[]): Promise<void> {
  for (const { reader } of members) await reader.close();
  await source.close();
}

/** NumPy's archive of arrays: a zip file with one .npy member per array, stored or deflated. */
export const npzFormat: Format = {
  name: "npz",
  match(source, head) {
    if (!looksLikeZip(head)) return source.name.toLowerCase().endsWith(".npz");
    const first = firstMemberName(head);
    return first.endsWith(".npy") || (source.name.toLowerCase().endsWith(".npz") && !first.endsWith(".pkl"));
  },
  async open(source): Promise<Model> {
    const archive = await readZip(source);
    const members: NpzMember[] = [];
    const warnings: ModelWarning[] = [];
    for (const member of archive.members) {
      if (member.name.endsWith(".npy")) members.push(await openMember(source, member));
      else if (!member.name.endsWith("/")) {
        warnings.push({ where: member.name, message: "is not an array (.npy) and is ignored." });
      }
    }
    return {
      format: "npz",
      sources: [source],
      tensors: members.map(({ entry }) => entry),
      warnings,
      rewrite: (replaced, replace) => {
        const edits = new Map(
          members
            .filter(({ entry }) => replaced.has(entry))
            .map((one) => [one.member, async () => newContent(one, await replace(one.entry))] as const),
        );
        return [{ relativeName: "", chunks: () => rewriteZip(archive, edits) }];
      },
      close: () => closeAll(source, members),
    };
  },
};
