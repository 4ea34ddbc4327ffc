/** `caisson completion`: scripts for shells, made from the tables of flags. */
import { type CommandEntry, registeredCommands } from './command-table.js';
import { bashScript } from './completion/bash.js';
import { fishScript } from './completion/fish.js';
import { places } from './completion/table.js';
import { zshScript } from './completion/zsh.js';

export type Shell = 'bash' | 'zsh' | 'fish';

export function completionScript(
  shell: Shell,
  entries: readonly CommandEntry[] = registeredCommands(),
): string {
  const known = places(entries);
  switch (shell) {
    case 'bash':
      return bashScript(known);
    case 'zsh':
      return zshScript(known);
    case 'fish':
      return fishScript(known);
  }
}
