/** Every case, in the order of the report. */
import type { Section } from '../parity-case.js';
import { ENVIRONMENT, FILES, NAMES } from './create-flags.js';
import { EXEC } from './exec.js';
import { ATTACH, LIFECYCLE, RESTARTS } from './lifecycle.js';
import { LIMITS, NOT_YET, PRIVILEGES } from './limits.js';
import { LOGS } from './logs.js';
import { EXIT_CODES, STREAMS } from './run.js';
import { INFO, INSPECT, PS, USAGE } from './views.js';

export const SECTIONS: readonly Section[] = [
  EXIT_CODES,
  STREAMS,
  NAMES,
  ENVIRONMENT,
  FILES,
  LIMITS,
  PRIVILEGES,
  LIFECYCLE,
  RESTARTS,
  ATTACH,
  EXEC,
  LOGS,
  PS,
  INSPECT,
  USAGE,
  INFO,
  NOT_YET,
];
