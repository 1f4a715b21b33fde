import { UsageError } from "./errors.ts";
import type { WeightGroup } from "./groups.ts";
import type { NormalizeOptions } from "./normalize-schema.ts";
import type { NormalizeMethod } from "./shrink.ts";

/** @throws UsageError for options out of range or that exclude each other. */
export function checkNormalizeOptions(options: NormalizeOptions, method: NormalizeMethod): void {
  const { to, network, guarantee, preserve } = options;
  if (guarantee === "estimate") {
    throw new UsageError(
      "an estimate is no upper bound, so nothing could be promised",
      "Use --guarantee probable or proof.",
    );
  }
  for (const [name, value] of [
    ["--to", to],
    ["--network", network],
  ] as const) {
    if (value !== undefined && !(value > 0 && Number.isFinite(value))) {
      throw new UsageError(`${name} must be a positive number, got ${value}`);
    }
  }
  if (preserve === true && method === "clip") {
    throw new UsageError(
      "--preserve follows one factor per layer through the network, and clipping has none",
      "Use --method divide or cap, or do without --preserve.",
    );
  }
  if (network === undefined) return;
  if (to !== undefined) {
    throw new UsageError(
      "--to sets every layer's limit and --network sets the whole network's: give one of them",
    );
  }
  if (method === "clip") {
    throw new UsageError(
      "--network scales all layers by one factor, which clipping does not",
      "Leave out --method clip.",
    );
  }
}

/** Why there is nothing that --network could do. */
export function onlyDerived(): UsageError {
  return new UsageError(
    "every selected weight is quantised or computed in the graph: what is stored cannot carry a factor, so the network's bound cannot change",
    "Normalise the model before it is quantised, or export it with plain weights (in PyTorch remove_spectral_norm or remove_parametrizations first).",
  );
}

/** @throws UsageError where a selected weight is a convolution and would be clipped. */
export function refuseClippedConvolutions(groups: readonly WeightGroup[], method: NormalizeMethod): void {
  if (method !== "clip") return;
  const use = groups.flatMap((group) => group.uses).find(({ layout }) => layout.kind === "convolution");
  if (use === undefined) return;
  throw new UsageError(
    `${use.name} is a convolution: clipping its singular values leaves the kernel's support, so no kernel has them`,
    "Use --method divide or cap, or leave it out with --only.",
  );
}
