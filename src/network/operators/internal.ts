/**
 * The domain of operators that files do not have: nodes this package puts in the place of several (sorted pairs,
 * products of a value with a function of itself).
 */
export const INTERNAL_DOMAIN = "lipschitz.internal";
