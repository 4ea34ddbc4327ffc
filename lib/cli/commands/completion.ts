/** `caisson completion`. */
import { invalid } from '../../base/check.js';
import { parseCommandLine } from '../command-line.js';
import { COMPLETION } from '../flags/completion.js';
import { print, printHelp } from '../report.js';

export async function completion(args: readonly string[]): Promise<number> {
  const line = parseCommandLine(COMPLETION, args);
  if (line === undefined) {
    return printHelp('completion');
  }
  const [shell = ''] = line.args;
  if (shell !== 'bash' && shell !== 'zsh' && shell !== 'fish')
    throw invalid('shell', shell, 'is not one of bash, zsh, fish');
  const { completionScript } = await import('../completion.js');
  print(1, completionScript(shell));
  return 0;
}
