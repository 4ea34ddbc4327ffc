// busybox-static with its applets. The other small images have the same first layer.
import { execFileSync } from 'node:child_process';
import { readFileSync, realpathSync } from 'node:fs';
import { EPOCH } from './layout.mjs';
import { archive, tarEntry } from './tar-entry.mjs';

const PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
export const BUSYBOX_CONFIG = { Env: [`PATH=${PATH}`], Cmd: ['sh'] };

/** The first layer, as an archive. */
export function busyboxLayer() {
  const program = realpathSync(
    execFileSync('sh', ['-c', 'command -v busybox'], { encoding: 'utf8' }).trim(),
  );
  const applets = execFileSync(program, ['--list'], { encoding: 'utf8' }).trim().split('\n').sort();
  const directory = (name, mode = 0o755) =>
    tarEntry({ name: `${name}/`, type: '5', mode, mtime: EPOCH });
  const link = (name, target) =>
    tarEntry({ name, type: '2', link: target, mode: 0o777, mtime: EPOCH });
  const file = (name, data, mode = 0o644) => tarEntry({ name, data, mode, mtime: EPOCH });
  return archive(
    directory('bin'),
    file('bin/busybox', readFileSync(program), 0o755),
    ...applets.filter((name) => name !== 'busybox').map((name) => link(`bin/${name}`, 'busybox')),
    ...['dev', 'etc', 'home', 'proc'].map((name) => directory(name)),
    directory('root', 0o700),
    ...['run', 'sys', 'usr', 'usr/bin', 'var'].map((name) => directory(name)),
    directory('tmp', 0o1777),
    directory('var/tmp', 0o1777),
    tarEntry({ name: 'home/user/', type: '5', mode: 0o755, uid: 1000, gid: 1000, mtime: EPOCH }),
    link('usr/bin/env', '../../bin/env'),
    link('sbin', 'bin'),
    file(
      'etc/passwd',
      'root:x:0:0:root:/root:/bin/sh\nuser:x:1000:1000:user:/home/user:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n',
    ),
    file('etc/group', 'root:x:0:\ntty:x:5:\naudio:x:29:user\nuser:x:1000:\nnogroup:x:65534:\n'),
    file('etc/os-release', 'NAME="BusyBox"\nID=busybox\nPRETTY_NAME="BusyBox"\n'),
  );
}

export async function make(layout) {
  await layout.addLayer(busyboxLayer(), 'ADD busybox');
  await layout.finish(BUSYBOX_CONFIG);
}
