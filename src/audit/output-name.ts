import { UsageError } from "./errors.ts";

/** What each format is called, the ending to give it, and the endings it goes by. */
const NAMES: Readonly<
  Record<string, { readonly title: string; readonly ending: string; readonly own: RegExp }>
> = {
  safetensors: {
    title: "safetensors",
    ending: ".safetensors",
    own: /\.safetensors(?:\.index\.json)?$/i,
  },
  onnx: { title: "ONNX", ending: ".onnx", own: /\.onnx$/i },
  pytorch: { title: "PyTorch", ending: ".pt", own: /\.(?:pt|pth|bin|ckpt)(?:\.index\.json)?$/i },
  npz: { title: "NumPy (npz)", ending: ".npz", own: /\.npz$/i },
  npy: { title: "NumPy (npy)", ending: ".npy", own: /\.npy$/i },
};

/**
 * Refuses an output name that says another format than the model's: weights change, the format does not.
 * Endings that belong to no format are left to the user.
 * @throws UsageError
 */
export function checkOutputName(outPath: string, format: string): void {
  const known = NAMES[format];
  if (known === undefined || known.own.test(outPath)) return;
  if (!Object.values(NAMES).some(({ own }) => own.test(outPath))) return;
  throw new UsageError(`${outPath}: the output stays ${known.title}; name it ${known.ending}`);
}
