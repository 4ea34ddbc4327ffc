/** `caisson completion`: scripts for shells, made from the tables of flags. */
import { bashScript } from './completion/bash.js';
import { fishScript } from './completion/fish.js';
import { places } from './completion/table.js';
import { zshScript } from './completion/zsh.js';
import type { DescribedCommand } from './command.js';

export type Shell = 'bash' | 'zsh' | 'fish';

export function completionScript(shell: Shell, commands: readonly DescribedCommand[]): string {
  const known = places(commands);
  switch (shell) {
    case 'bash':
      return bashScript(known);
    case 'zsh':
      return zshScript(known);
    case 'fish':
      return fishScript(known);
  }
}
