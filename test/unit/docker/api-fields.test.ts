/** Templates are written for Docker: every field of moby's API types (api/types, v1.50) can be asked for. */
import { expect } from 'chai';
import { inspectShape } from '../../../lib/docker/inspect-shape.js';
import { eventShape } from '../../../lib/docker/event-shape.js';
import { parseTemplate } from '../../../lib/cli/template/go-template.js';
import type { ContainerEvent } from '../../../lib/engine/store/stored.js';
import { containerInfo } from '../support/container-info.js';

const words = (text: string): readonly string[] => text.split(/\s+/);

/** By the path to a value of the type: its fields, by Go's names and by those of JSON where they differ. */
const INSPECT: Readonly<Record<string, readonly string[]>> = {
  '': words(
    'ID Id Created Path Args State Image ResolvConfPath HostnamePath HostsPath LogPath Name RestartCount Driver Platform ' +
      'MountLabel ProcessLabel AppArmorProfile ExecIDs HostConfig GraphDriver SizeRw SizeRootFs Mounts Config NetworkSettings ' +
      'ImageManifestDescriptor',
  ),
  '.State': words(
    'Status Running Paused Restarting OOMKilled Dead Pid ExitCode Error StartedAt FinishedAt Health',
  ),
  '.Config': words(
    'Hostname Domainname User AttachStdin AttachStdout AttachStderr ExposedPorts Tty OpenStdin StdinOnce Env Cmd Healthcheck ' +
      'ArgsEscaped Image Volumes WorkingDir Entrypoint NetworkDisabled MacAddress OnBuild Labels StopSignal StopTimeout Shell',
  ),
  '.HostConfig': words(
    'Binds ContainerIDFile LogConfig NetworkMode PortBindings RestartPolicy AutoRemove VolumeDriver VolumesFrom ConsoleSize ' +
      'Annotations CapAdd CapDrop CgroupnsMode DNS Dns DNSOptions DnsOptions DNSSearch DnsSearch ExtraHosts GroupAdd IpcMode ' +
      'Cgroup Links OomScoreAdj PidMode Privileged PublishAllPorts ReadonlyRootfs SecurityOpt StorageOpt Tmpfs UTSMode ' +
      'UsernsMode ShmSize Sysctls Runtime Isolation CPUShares CpuShares Memory NanoCPUs NanoCpus CgroupParent BlkioWeight ' +
      'BlkioWeightDevice BlkioDeviceReadBps BlkioDeviceWriteBps BlkioDeviceReadIOps BlkioDeviceWriteIOps CPUPeriod CpuPeriod ' +
      'CPUQuota CpuQuota CPURealtimePeriod CpuRealtimePeriod CPURealtimeRuntime CpuRealtimeRuntime CpusetCpus CpusetMems ' +
      'Devices DeviceCgroupRules DeviceRequests KernelMemory KernelMemoryTCP MemoryReservation MemorySwap MemorySwappiness ' +
      'OomKillDisable PidsLimit Ulimits CPUCount CpuCount CPUPercent CpuPercent IOMaximumIOps IOMaximumBandwidth Mounts ' +
      'MaskedPaths ReadonlyPaths Init',
  ),
  '.NetworkSettings': words(
    'Bridge SandboxID SandboxKey Ports HairpinMode LinkLocalIPv6Address LinkLocalIPv6PrefixLen SecondaryIPAddresses ' +
      'SecondaryIPv6Addresses EndpointID Gateway GlobalIPv6Address GlobalIPv6PrefixLen IPAddress IPPrefixLen IPv6Gateway ' +
      'MacAddress Networks',
  ),
  '.NetworkSettings.Networks.none': words(
    'IPAMConfig Links Aliases MacAddress DriverOpts GwPriority NetworkID EndpointID Gateway IPAddress IPPrefixLen IPv6Gateway ' +
      'GlobalIPv6Address GlobalIPv6PrefixLen DNSNames',
  ),
  '.HostConfig.RestartPolicy': words('Name MaximumRetryCount'),
  '.HostConfig.LogConfig': words('Type Config'),
  '.GraphDriver': words('Data Name'),
};

const CHECKED: Readonly<Record<string, readonly string[]>> = {
  '.State.Health': words('Status FailingStreak Log'),
  '.Config.Healthcheck': words('Test Interval Timeout StartPeriod StartInterval Retries'),
};

const EVENT: ContainerEvent = {
  type: 'container',
  action: 'start',
  id: 'a1'.repeat(32),
  attributes: { image: 'host', name: 'x' },
  timeNano: '1767225600123456789',
};

describe("fields of moby's API types", () => {
  const render = (text: string, data: object): string =>
    parseTemplate(text).execute(data, { missingKey: 'error' });

  it('C6: inspect has all fields, empty where they are, and prints none that Docker leaves out', () => {
    const plain = inspectShape(containerInfo());
    for (const [path, fields] of Object.entries(INSPECT))
      for (const field of fields)
        expect(() => render(`{{${path}.${field}}}`, plain), `${path}.${field}`).not.to.throw();
    expect(render('{{if .State.Health}}a{{else}}b{{end}}', plain)).to.equal('b');
    expect(render('{{if .Config.Healthcheck}}a{{else}}b{{end}}', plain)).to.equal('b');
    expect(render('{{json .State.Health}} {{json .Config.Healthcheck}}', plain)).to.equal(
      'null null',
    );
    expect(() => render('{{.State.Nope}}', plain)).to.throw(/can't evaluate field Nope/);
    for (const left of ['Health', 'Healthcheck', 'KernelMemory', 'CPUShares', 'ID', 'SizeRw'])
      expect(render('{{json .}}', plain)).not.to.include(`"${left}"`);
    const checked = inspectShape(
      containerInfo({
        health: { status: 'healthy', failingStreak: 0, log: [] },
        config: {
          healthcheck: {
            test: 'true',
            interval: 0,
            timeout: 0,
            startPeriod: 0,
            startInterval: 0,
            retries: 0,
          },
        },
      }),
    );
    for (const [path, fields] of Object.entries(CHECKED))
      for (const field of fields)
        expect(() => render(`{{${path}.${field}}}`, checked), `${path}.${field}`).not.to.throw();
  });

  it("C6: events have time and timeNano in every form, under Go's names and those of JSON", () => {
    const shape = eventShape(EVENT);
    for (const field of words('Status ID From Type Action Actor Scope Time TimeNano'))
      expect(() => render(`{{.${field}}}`, shape), field).not.to.throw();
    const object =
      `{"status":"start","id":"${EVENT.id}","from":"host","Type":"container","Action":"start","Actor":{"ID":"${EVENT.id}",` +
      '"Attributes":{"image":"host","name":"x"}},"scope":"local","time":1767225600,"timeNano":1767225600123456789}';
    expect(render('{{json .}}', shape)).to.equal(object);
    expect(parseTemplate('{{json .}}').execute(eventShape(EVENT))).to.equal(object);
    expect(render('{{.Time}} {{json .TimeNano}}', shape)).to.equal(
      '1767225600 1767225600123456789',
    );
  });
});
