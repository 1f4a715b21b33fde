/**
 * The first seed of the games: the sizes of their networks were found by looking at runs with smaller ones. Its runs keep what
 * they made, to be shown.
 */
export const FIRST_SEED = 101;
