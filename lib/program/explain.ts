/** A launch program as text: what would be cloned, mounted, written, dropped and executed. */
import { describe } from './describe.js';
import type { Phase, Program } from './instructions.js';

const TITLES: Readonly<Record<Phase, string>> = {
  host: "host: the launcher's thread, outside",
  container: 'container: caisson-init, inside',
  teardown: 'teardown: when it has ended, or failed',
};

/** @param notes remarks besides the steps. */
export function explain(
  { host, container, teardown }: Omit<Program, 'slots'>,
  notes: readonly string[] = [],
): string {
  const lines: string[] = [];
  for (const [phase, steps] of Object.entries({ host, container, teardown })) {
    if (steps.length === 0) continue;
    if (lines.length > 0) lines.push('');
    lines.push(TITLES[phase as Phase]);
    steps.forEach((step, index) => {
      lines.push(`  ${String(index).padStart(3)}  ${step.op.padEnd(15)} ${describe(step)}`);
    });
  }
  if (notes.length > 0) lines.push('', 'notes', ...notes.map((note) => `  ${note}`));
  return `${lines.join('\n')}\n`;
}
