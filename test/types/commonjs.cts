/** TypeScript that is compiled to CommonJS: Node's `require` loads ES modules. The compiler checks this file; it is not run. */
import { Engine, type RunResult } from 'caisson';
import pty = require('caisson/pty');
import { container } from 'caisson/test';

export async function run(): Promise<RunResult> {
  const engine = await Engine.open();
  const { rootfs } = await import('caisson');
  try {
    return await engine.run(rootfs('/srv/root'), ['true'], { memory: '64m' });
  } finally {
    await engine.close();
  }
}

export const open: (typeof pty)['spawn'] = pty.spawn;
export const clean: Parameters<typeof container>[1] = 'debian:12';
