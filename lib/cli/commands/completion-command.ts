/** `caisson completion`. */
import { invalid } from '../../base/check.js';
import { parseCommandLine } from '../args/command-line.js';
import { COMPLETION } from '../flags/completion-flags.js';
import type { DescribedCommand } from '../command.js';
import { print } from '../report.js';

/** @param describe answers all commands that there are. */
export async function completion(
  args: readonly string[],
  describe: () => Promise<readonly DescribedCommand[]>,
): Promise<number> {
  const [shell = ''] = parseCommandLine(COMPLETION, args).args;
  if (shell !== 'bash' && shell !== 'zsh' && shell !== 'fish')
    throw invalid('shell', shell, 'is not one of bash, zsh, fish');
  const { completionScript } = await import('../completion/completion-script.js');
  print(1, completionScript(shell, await describe()));
  return 0;
}
