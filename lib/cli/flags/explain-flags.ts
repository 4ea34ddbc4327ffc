/** `explain run`. */
import type { CommandSpec } from '../args/command-spec.js';
import { RUN } from './run-flags.js';

export const EXPLAIN_RUN: CommandSpec = {
  ...RUN,
  name: 'explain run',
  description: 'Print the launch program of "run" instead of running it',
  examples: [['caisson explain run -m 64m host true', 'the steps, without running them']],
};
