import { builtin } from "./builtin.ts";

/** The SHA-256 of a text in UTF-8, in hexadecimal. */
export function sha256(text: string): string {
  return builtin("node:crypto").createHash("sha256").update(text).digest("hex");
}
