/** A Docker daemon with networks, for benchmarks and comparisons, is there only for its command, and changes no machine. */
import { expect } from 'chai';
import { execFile, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, readFile, readlink, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { needsNftables } from '../support/needs.js';
import { NetworkNamespace } from '../support/network-namespace.js';
import { eventually, hierarchies } from '../support/outside.js';
import { repository } from '../support/paths.js';
import { skip } from '../support/skip.js';
import { slowness } from '../support/slowness.js';

const SCRIPT = join(repository, 'scripts/with-docker');

needsNftables().describe('scripts/with-docker --network', function () {
  this.timeout(120_000 * slowness);
  let machine: NetworkNamespace;
  let directory: string;
  before(async function () {
    for (const program of ['dockerd', 'docker', 'iptables'])
      if (spawnSync(program, ['--version']).error !== undefined)
        skip(this, `${program} is not installed`);
    machine = await NetworkNamespace.make();
    // A short path, as a daemon's socket needs.
    directory = await mkdtemp('/tmp/caisson-');
  });
  after(async () => {
    await machine?.end();
    if (directory !== undefined) await rm(directory, { recursive: true });
  });

  /** Within the machine of this test, so that a change of it is the script's. */
  const command = (...words: readonly string[]): string[] => [
    ...machine.within,
    'env',
    `TMPDIR=${directory}`,
    SCRIPT,
    '--network',
    ...words,
  ];

  const network = () =>
    machine.run(
      ...['sh', '-c', 'ip -brief address; nft list ruleset; cat /proc/sys/net/ipv4/ip_forward'],
    );

  /** Processes and cgroups of the daemon, and what it has written. */
  async function left(): Promise<string[]> {
    const own = await readlink(machine.path);
    const found = await readdir(directory);
    for (const pid of await readdir('/proc')) {
      if (!/^\d+$/.test(pid)) continue;
      const words = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '');
      const namespace = await readlink(`/proc/${pid}/ns/net`).catch(() => '');
      const isOurs = namespace === own && Number(pid) !== machine.pid;
      if (words.includes(directory) || isOurs) found.push(words.replaceAll('\0', ' '));
    }
    for (const { mountPoint } of await hierarchies())
      found.push(
        ...(await readdir(mountPoint)).filter((name) => name.startsWith('caisson-docker')),
      );
    return found;
  }

  it('Docker has its bridge, its rules and published ports, and the machine has nothing of them', async () => {
    const before = await network();
    const script = `
      docker network ls --format '{{.Driver}}'
      nft list chain ip filter FORWARD | grep -o 'policy drop'
      root=$(scripts/make-rootfs busybox)
      tar -C "$root" -c . | docker import - busybox >/dev/null
      docker run -d -p 127.0.0.1:8080:80 busybox /bin/busybox sh -c 'hostname -i >index.html; exec httpd -f' >/dev/null
      for _ in $(seq 50); do "$root/bin/busybox" wget -qO- http://127.0.0.1:8080/index.html 2>&1 && break; sleep 0.1; done
      cat /proc/sys/net/ipv4/ip_forward`;
    const [program = '', ...args] = command('sh', '-c', script);
    const { stdout } = await promisify(execFile)(program, args, { cwd: repository });
    expect(stdout.trim().split('\n')).to.include.members(['bridge', 'policy drop', '172.17.0.2']);
    expect(stdout).to.match(/\n1\n$/);
    expect(await network()).to.equal(before);
    expect(await left()).to.deep.equal([]);
  });

  it('Nothing of it is left after it was interrupted', async () => {
    const before = await network();
    const script = `
      tar -C "$(scripts/make-rootfs busybox)" -c . | docker import - busybox >/dev/null
      docker run -d -p 8080:80 busybox /bin/busybox sleep 300 && exec sleep 300`;
    const [program = '', ...args] = command('sh', '-c', script);
    const child = spawn(program, args, { cwd: repository, stdio: ['ignore', 'pipe', 'inherit'] });
    await once(child.stdout, 'data');
    const exited = once(child, 'exit');
    child.kill('SIGTERM');
    expect(await exited).to.deep.equal([143, null]);
    expect(await network()).to.equal(before);
    await eventually(async () => expect(await left()).to.deep.equal([]));
  });
});
