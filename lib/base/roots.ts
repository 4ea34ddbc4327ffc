/** The two directories that an engine has. */
export interface Paths {
  /** What outlives a reboot. */
  readonly dataRoot: string;
  /** What does not. */
  readonly runRoot: string;
}

/** Of root. */
export const DEFAULT_PATHS: Paths = { dataRoot: '/var/lib/caisson', runRoot: '/run/caisson' };
