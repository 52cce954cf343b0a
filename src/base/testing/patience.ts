/**
 * How long tests wait for what must come. Only a test that has failed waits so long: the number is
 * many times what the slowest machine needs, as a disk may stand still for seconds, and says nothing
 * about how fast anything should be.
 */
export const PATIENCE_MS = 120_000;
