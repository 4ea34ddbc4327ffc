/** Asks caisson-init what this machine lets this user do: cpp/init/probe.cpp. Leaves nothing behind. */
import { execFile } from 'node:child_process';
import { dirname, join } from 'node:path';
import { errnoName } from '../base/errno.js';
import { addonPath } from './load.js';

export interface ProbeOutcome {
  /** Of the call that failed; missing: it works. */
  readonly errno?: string | undefined;
  readonly call?: string | undefined;
}

/** Milliseconds. It takes some fifty; a machine that is emulated, a second. */
const PATIENCE = 10_000;

/**
 * What was tried, by name. What is not in it was not reached, as something that it needs does not work.
 *
 * @param directory on the filesystem that containers are to lie on.
 * @throws when caisson-init is not there, or cannot be executed.
 */
export async function probeMachine(directory: string): Promise<ReadonlyMap<string, ProbeOutcome>> {
  const init = join(dirname(addonPath()), 'caisson-init');
  const text = await new Promise<string>((resolve, reject) => {
    const options = { timeout: PATIENCE, killSignal: 'SIGKILL', env: {} } as const;
    execFile(init, ['probe', directory], options, (error, stdout) => {
      if (error !== null) reject(new Error(`${init}: ${error.message.trim()}`, { cause: error }));
      else resolve(stdout);
    });
  });
  return parseProbe(text);
}

export function parseProbe(text: string): ReadonlyMap<string, ProbeOutcome> {
  const found = new Map<string, ProbeOutcome>();
  for (const [, name = '', errno = '', call = ''] of text.matchAll(/^(\S+) (\d+) (.+)$/gm))
    found.set(name, errno === '0' ? {} : { errno: errnoName(Number(errno)), call });
  return found;
}
