/** A module of TypeScript, whose `module` is `nodenext`. The compiler checks this file; it is not run. */
import { CaissonError, Engine, type RunResult } from 'caisson';
import * as pty from 'caisson/pty';
import { container } from 'caisson/test';

export async function run(): Promise<RunResult | undefined> {
  const engine = await Engine.open();
  try {
    return await engine.run('host', ['true'], { memory: '64m' });
  } catch (error) {
    if (error instanceof CaissonError && error.code === 'ERR_TIMEOUT') return undefined;
    throw error;
  } finally {
    await engine.close();
  }
}

export const open: (typeof pty)['spawn'] = pty.spawn;
export const clean: Parameters<typeof container>[1] = 'debian:12';
