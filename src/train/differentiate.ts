import { valueAndGrad as jaxValueAndGrad, tree } from "@jax-js/jax";
import type { Tensor, Tree } from "./types.ts";

/** A loss, what else came out of computing it, and the loss's gradient. All belong to the caller. */
export interface Differentiated<P extends Tree, A extends Tree> {
  loss: Tensor;
  aux: A;
  gradient: P;
}

/**
 * The gradient of a loss with respect to `params`, by reverse-mode differentiation.
 *
 * `params` is lent, to this function and by it to `compute`, so a network can be applied, penalised and bounded from one
 * tree without counting references. `compute` gives the loss (a scalar) and anything else the step needs (`aux`: the next
 * state, outputs), which is not differentiated.
 * @throws TypeError when the loss is not a scalar.
 */
export function differentiate<P extends Tree, A extends Tree>(
  compute: (params: P) => { loss: Tensor; aux: A },
  params: P,
): Differentiated<P, A> {
  const lossAndAux = (lentParams: P): [Tensor, A] => {
    const { loss, aux } = compute(lentParams);
    tree.dispose(lentParams);
    return [loss, aux];
  };
  const differentiated = jaxValueAndGrad(lossAndAux as (p: Tree) => [Tensor, A], { hasAux: true });
  const [[loss, aux], gradient] = differentiated(tree.ref(params) as never) as unknown as [[Tensor, A], P];
  return { loss, aux, gradient };
}
