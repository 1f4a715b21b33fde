import { random } from "@jax-js/jax";
import { splitKey } from "../keys.ts";
import type { WeightMonitor } from "../monitor/monitor.ts";
import type { Tensor } from "../types.ts";
import type { CheckedOptions } from "./options.ts";
import type { Carry } from "./train-step.ts";

/** What the first step is handed, from the seed; the caller's. */
export function startingCarry(options: CheckedOptions, monitor: WeightMonitor | null): Carry {
  const [weightKey, runKey, penaltyKey, monitorKey] = splitKey(random.key(options.seed), 4);
  const { params, state } = options.net.init(weightKey, options.inputShape);
  const { penalty } = options;
  return {
    params,
    state,
    optimizer: options.optimizer.init(params),
    key: runKey,
    penalty: penalty && typeof penalty !== "function" ? penalty.init(params, penaltyKey) : unused(penaltyKey),
    monitor: monitor ? monitor.init(params, state, monitorKey) : unused(monitorKey),
  };
}

function unused(key: Tensor): Carry["monitor"] {
  key.dispose();
  return {};
}
