/** What the commands of images have in common. */
import { imagesIn } from '../../engine/images-in.js';
import type { Images } from '../../engine/images/images.js';
import type { CommandLine } from '../args/command-line.js';
import type { CommandSpec } from '../args/command-spec.js';
import type { CommandFunction } from '../command.js';
import { contextCommand } from './context-command.js';

export function imageCommand(
  spec: CommandSpec,
  work: (line: CommandLine, images: Images) => Promise<number>,
): CommandFunction {
  return contextCommand(spec, (line, { store }) => work(line, imagesIn(store)));
}
