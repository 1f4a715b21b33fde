import { numpy as np, tree } from "@jax-js/jax";
import { compile } from "../../compile.ts";
import { type DataArray, differentiate, type Tensor, type Tree, type Variables } from "../../train.ts";
import type { Deep } from "./network.ts";

/** Examples to look at a network with. */
export interface Probe {
  readonly x: DataArray;
  readonly y: DataArray;
}

/**
 * ‖∂L/∂h_l‖ over a batch for the output h_l of every hidden layer, first to last, as training sees it (float32, batch
 * statistics). Lends `params` and `state`.
 * @param loss of outputs and targets; consumes both.
 */
export async function layerGradients(
  deep: Deep,
  { params, state }: Variables,
  { x, y }: Probe,
  loss: (outputs: Tensor, targets: Tensor) => Tensor,
): Promise<number[]> {
  const gradients = compile(
    (layers: Tree[], states: Tree[], inputs: Tensor, targets: Tensor, zeros: Tensor[]) => {
      // A zero added to a layer's output has the gradient of that output.
      const { gradient, loss: value } = differentiate((probes: Tensor[]) => {
        let h = inputs.ref;
        deep.hidden.forEach((layer, l) => {
          const applied = layer.apply(layers[l], states[l], h, { training: true });
          tree.dispose(applied.state);
          h = applied.y.add(probes[l].ref);
        });
        const outputs = deep.last.apply(layers.at(-1)!, states.at(-1)!, h);
        tree.dispose(outputs.state);
        return { loss: loss(outputs.y, targets.ref), aux: [] };
      }, zeros);
      value.dispose();
      return gradient.map((each) => np.sqrt(each.ref.mul(each).sum()));
    },
  );
  try {
    const zeros = deep.hidden.map(() => np.zeros([x.shape[0], deep.width]));
    const [layers, states] = tree.ref([params, state] as never) as unknown as [Tree[], Tree[]];
    const norms = await gradients(layers, states, arrayOf(x), arrayOf(y), zeros);
    return await Promise.all(norms.map(async (norm) => (await norm.data())[0] as number));
  } finally {
    gradients.dispose();
  }
}

function arrayOf({ data, shape }: DataArray): Tensor {
  return np.array(data as Float32Array<ArrayBuffer>, { shape: [...shape] });
}
