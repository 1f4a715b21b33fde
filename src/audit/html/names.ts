/** The main file's name without its folder. */
export function modelName(files: readonly string[]): string {
  const first = files[0] ?? "model";
  return first.split(/[\\/]/).at(-1) || first;
}

/** A plain name for files saved from a page. */
export function fileStem(name: string): string {
  return name.replace(/[^\w.-]+/g, "_").slice(0, 60) || "model";
}

/** A relative link to a file beside the page; no name can turn it into another scheme or host. */
export function relativeLink(href: string): string {
  return `./${href.split("/").map(encodeURIComponent).join("/")}`;
}
