/** `completion`. */
import type { CommandSpec } from '../args/command-spec.js';
import { HELP_FLAG } from '../args/command-spec.js';

export const COMPLETION: CommandSpec = {
  name: 'completion',
  usage: 'bash|zsh|fish',
  description: 'Print a completion script for a shell',
  examples: [
    ['source <(caisson completion bash)', 'in ~/.bashrc'],
    ['source <(caisson completion zsh)', 'in ~/.zshrc, after compinit'],
    ['caisson completion fish | source', 'in ~/.config/fish/config.fish'],
  ],
  argument: ['bash', 'zsh', 'fish'],
  flags: [HELP_FLAG],
  args: [1, 1],
};
