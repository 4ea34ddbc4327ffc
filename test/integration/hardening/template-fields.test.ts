/** What templates can ask of commands that show containers. */
import { expect } from 'chai';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repository } from '../../support/paths.js';

describe('fields of templates', () => {
  let home: string;
  const caisson = (...args: readonly string[]): string => {
    const roots = ['--data-root', join(home, 'data'), '--run-root', join(home, 'run')];
    const { stdout, stderr } = spawnSync(join(repository, 'bin/caisson'), [...roots, ...args], {
      encoding: 'utf8',
    });
    return stdout + stderr;
  };

  before(() => {
    home = mkdtempSync(join(tmpdir(), 'caisson-fields-'));
  });
  after(() => rmSync(home, { recursive: true, force: true }));

  it('C6: stats show the name that was asked for, and info has every field', () => {
    const id = caisson('create', '--name', 'box', 'host', 'true').trim();
    try {
      const short = id.slice(0, 5);
      expect(caisson('stats', '--no-stream', '--format', '{{.Container}}', 'box', short)).to.equal(
        `box\n${short}\n`,
      );
      expect(
        caisson('inspect', '-f', '{{json .State.Health}} {{json .Config.Healthcheck}}', 'box'),
      ).to.equal('null null\n');
      const fields =
        'ID Containers ContainersRunning ContainersPaused ContainersStopped Images Driver DriverStatus Plugins MemoryLimit ' +
        'SwapLimit CpuCfsPeriod CpuCfsQuota CPUShares CPUSet PidsLimit IPv4Forwarding Debug NFd OomKillDisable NGoroutines ' +
        'SystemTime LoggingDriver CgroupDriver CgroupVersion NEventsListener KernelVersion OperatingSystem OSVersion OSType ' +
        'Architecture IndexServerAddress RegistryConfig NCPU MemTotal GenericResources DockerRootDir HttpProxy HttpsProxy NoProxy ' +
        'Name Labels ExperimentalBuild ServerVersion Runtimes DefaultRuntime Swarm LiveRestoreEnabled Isolation InitBinary ' +
        'ContainerdCommit RuncCommit InitCommit SecurityOptions CDISpecDirs Warnings ClientInfo';
      const template = fields
        .split(' ')
        .map((field) => `{{.${field}}}`)
        .join('');
      expect(caisson('info', '-f', template)).not.to.match(/^caisson: /m);
      expect(caisson('info', '-f', '{{.Containers}} {{.Swarm.LocalNodeState}}')).to.equal(
        '1 inactive\n',
      );
    } finally {
      caisson('rm', '-f', 'box');
    }
  });
});
