/** Values of flags: which of them the command line reads itself, and what a wrong one ends with. */
import { expect } from 'chai';
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describeCommands } from '../../../lib/cli/registry.js';
import { FlagParser } from '../../../lib/cli/args/flag-parser.js';
import { CaissonError } from '../../../lib/base/errors.js';
import { repository } from '../../support/paths.js';

/** By flag: a value that Docker's client (28.2) refuses, and one that it takes, also if its daemon does not. */
const READ: Readonly<Record<string, readonly [wrong: string, right: string]>> = {
  'add-host': ['db:10.0.0.999', 'db:10.0.0.1'],
  allow: ['x/8', 'example.org:443'],
  'aux-address': ['=x', 'a=10.0.0.9'],
  'blkio-weight': ['-1', '5'],
  'build-arg': ['=x', 'a=b'],
  'cpu-period': ['x', '1'],
  'cpu-quota': ['1.5', '-5'],
  'cpu-shares': ['x', '-1'],
  cgroupns: ['x', 'private'],
  cpus: ['x', '99999'],
  deny: ['*', '10.0.0.0/8'],
  device: ['null', '/dev/no-such-device'],
  'device-cgroup-rule': ['x', 'c 1:3 r'],
  'device-read-bps': ['/dev/null:x', '/dev/null:1m'],
  'device-read-iops': ['/dev/null:1m', '/dev/null:5'],
  'device-write-bps': ['x', '/dev/null:1m'],
  'device-write-iops': ['x', '/dev/null:5'],
  dns: ['1.2.3', '::1'],
  'dns-search': ['..', 'example.org.'],
  env: ['=x', 'X'],
  expose: ['x', '80-90/udp'],
  filter: ['x', 'until=1s'],
  'gw-priority': ['x', '-2'],
  label: ['=x', 'x'],
  last: ['x', '-1'],
  memory: ['-1', '1k'],
  'memory-reservation': ['x', '1'],
  'memory-swap': ['-2', '-1'],
  'memory-swappiness': ['101', '-1'],
  'volume-driver': ['nfs', 'local'],
  network: ['ip=10.1.0.9', 'name=web,ip=x'],
  'network-default': ['x', 'deny'],
  opt: ['=x', 'a=b'],
  'oom-score-adj': ['x', '5000'],
  pid: ['x', 'host'],
  'pids-limit': ['x', '-5'],
  progress: ['x', 'plain'],
  'pty-limit': ['x', '-5'],
  secret: ['x', 'id=x'],
  'security-opt': ['seccomp=/no/such/profile', 'no-new-privileges=x'],
  'shm-size': ['-1', '1'],
  'stop-timeout': ['1.5', '-5'],
  'storage-opt': ['size', 'size=1'],
  sysctl: ['x', 'net.core.somaxconn=5'],
  timeout: ['99999999999999999999', '-1'],
  ulimit: ['nofile=5:3', 'nofile=5'],
  userns: ['x', 'host'],
  uts: ['x', 'host'],
};

/** Words that a command reads as a whole, names, paths, and what Docker's client leaves to the daemon. */
const OTHERS: ReadonlySet<string> = new Set(
  (
    'alias attach author cap-add cap-drop cgroup-conf cgroup-parent change cidfile cpuset-cpus cpuset-mems detach-keys dns-option domainname driver entrypoint ' +
    'env-file file format gateway group-add health-cmd health-interval health-retries health-start-interval health-start-period ' +
    'health-timeout hostname iidfile input ip ip-range ip6 ipc label-file link-local-ip log-driver log-opt mac-address message mount name network-alias output password ' +
    'platform publish pull restart signal since ' +
    'stop-signal subnet tag tail target tmpfs type until user username volume volumes-from workdir writable'
  ).split(' '),
);

describe('values of flags', () => {
  it('C4: every flag whose value the command line reads refuses a wrong one before anything else', async () => {
    for (const { spec } of await describeCommands())
      for (const { long, value } of spec.flags) {
        if (value === undefined) continue;
        const name = `${spec.name} --${long}`;
        const examples = READ[long];
        const parser = new FlagParser(spec.name, spec.flags, spec.unsupported);
        if (examples === undefined) {
          expect(OTHERS.has(long), name).to.equal(true);
          continue;
        }
        const [wrong, right] = examples;
        expect(() => parser.parse([`--${long}=${wrong}`]), name).to.throw(CaissonError);
        expect(() => parser.parse([`--${long}=${right}`]), name).not.to.throw();
      }
  });

  it("C4: a wrong value ends a command with Docker's code: 125, or 1 where the engine is what refuses it", async () => {
    const home = mkdtempSync(join(tmpdir(), 'caisson-flags-'));
    const roots = ['--data-root', join(home, 'data'), '--run-root', join(home, 'run')];
    const table: Readonly<Record<string, number>> = {
      'create -c x host': 125,
      'create --cpu-shares 1 host true': 1,
      'create --add-host x host': 125,
      'create --restart on-failure:x host': 125,
      'create --restart x host': 1,
      'create --platform nope host': 1,
      'create --stop-signal NOPE host': 1,
      'run -c x host': 125,
      'stop -t x c': 125,
      'stop -s NOPE c': 1,
      'restart --time 1.5 c': 125,
      'ps -n x': 125,
      'ps -f x=y': 1,
      'events -f x': 125,
      'container prune -f --filter x': 125,
      'exec -e =x c true': 125,
      'exec --env-file /no/such c true': 1,
      'update --pids-limit x c': 125,
      'update --restart on-failure:x c': 1,
    };
    try {
      const found = await Promise.all(
        Object.keys(table).map(
          (line) =>
            new Promise<readonly [string, number | null]>((resolve) => {
              const words = [...roots, ...line.split(' ')];
              spawn(join(repository, 'bin/caisson'), words, { stdio: 'ignore' }).on(
                'close',
                (code) => resolve([line, code]),
              );
            }),
        ),
      );
      expect(Object.fromEntries(found)).to.deep.equal(table);
    } finally {
      rmSync(home, { recursive: true, force: true });
    }
  });
});
