/** Says which machine the tests run on, in lines that scripts/record-platform.mjs reads. */
import { access, readFile } from 'node:fs/promises';
import { release, userInfo } from 'node:os';
import { detectCgroups } from '../../lib/cgroup/detect.js';
import { loadNative } from '../../lib/native/load.js';

async function distribution(): Promise<string> {
  const text = await readFile('/etc/os-release', 'utf8').catch(() => '');
  return /^PRETTY_NAME="?([^"\n]*)/m.exec(text)?.[1] ?? 'unknown';
}

/** sd_booted(3) */
async function managed(): Promise<boolean> {
  return access('/run/systemd/system').then(
    () => true,
    () => false,
  );
}

const { mode, controllers } = await detectCgroups();
const v2 = [...controllers].filter(([, { version }]) => version === 2).map(([name]) => name);
const { overlayByDescriptor } = loadNative().probe();
/** A version that was built by hand says no more than its number here. */
const kernel = process.env['CAISSON_TEST_VM'] === undefined ? release().split('-')[0] : release();
const facts = {
  kernel,
  system: `${await distribution()}${(await managed()) ? ', systemd' : ''}`,
  user: userInfo().username,
  node: process.version,
  cgroups: mode,
  'cgroup v2 has': v2.join(' ') || 'no controllers',
  'overlay layers': overlayByDescriptor ? 'by descriptor' : 'by path',
};
for (const [name, value] of Object.entries(facts)) console.log(`machine: ${name}: ${value}`);
