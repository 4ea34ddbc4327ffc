/** An error of the library as the command line prints it. */
import { type CaissonError, messageWithoutHint } from '../../base/errors.js';
import { RUN_FLAGS } from '../flags/run-flags.js';

const FLAG_OF_OPTION: ReadonlyMap<string, string> = new Map(
  RUN_FLAGS.map(({ long, option }) => [option ?? long, long]),
);

/** The library names its options, which are replaced by the flags of the command line. The hint gets its own line. */
export function errorText(error: CaissonError): string {
  const { hint, path } = error;
  let text = messageWithoutHint(error);
  const flag = path === undefined ? undefined : FLAG_OF_OPTION.get(path);
  if (flag !== undefined && text.startsWith(`${String(path)}: `)) {
    text = `invalid --${flag}: ${text.slice(String(path).length + 2)}`;
  }
  return `caisson: ${text}\n${hint === undefined ? '' : `hint: ${hint}\n`}`;
}
