/**
 * Why a name found inside a model file may not be used to reach a file beside it, or null when it is safe: a
 * relative path with "/" between parts that stays inside the folder on every operating system.
 */
export function unsafeNameReason(name: string): string | null {
  if (name === "") return "it is empty";
  if (name.length > 4096) return "it is longer than 4096 characters";
  if (name.includes("\0")) return "it contains a NUL character";
  if (name.includes("\\")) return "it contains a backslash";
  if (name.startsWith("/")) return "it is an absolute path";
  // "C:x" is a drive, "x:stream" an alternate stream on Windows.
  if (name.includes(":")) return "it contains a colon";
  const parts = name.split("/");
  if (parts.includes("..")) return 'it leaves the folder ("..")';
  if (parts.some((part) => part === "")) return "it has an empty part";
  return null;
}
