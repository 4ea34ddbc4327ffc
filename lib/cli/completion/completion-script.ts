/** `caisson completion`: scripts for shells, generated from the commands' specifications. */
import { bashScript } from './bash.js';
import { fishScript } from './fish.js';
import { positions } from './positions.js';
import { zshScript } from './zsh.js';
import type { DescribedCommand } from '../command.js';

export type Shell = 'bash' | 'zsh' | 'fish';

export function completionScript(shell: Shell, commands: readonly DescribedCommand[]): string {
  const known = positions(commands);
  switch (shell) {
    case 'bash':
      return bashScript(known);
    case 'zsh':
      return zshScript(known);
    case 'fish':
      return fishScript(known);
  }
}
