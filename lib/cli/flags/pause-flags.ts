/** `pause` and `unpause`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';

export const PAUSE: CommandSpec = {
  name: 'pause',
  usage: 'CONTAINER [CONTAINER...]',
  description: 'Freeze all processes of containers',
  examples: [['caisson pause web', 'until caisson unpause web']],
  argument: 'running',
  flags: [HELP_FLAG],
  args: [1, Infinity],
};
export const UNPAUSE: CommandSpec = {
  name: 'unpause',
  usage: 'CONTAINER [CONTAINER...]',
  description: 'Resume paused containers',
  examples: [['caisson unpause web', 'its processes continue']],
  argument: 'paused',
  flags: [HELP_FLAG],
  args: [1, Infinity],
};
