/** `caisson info`. */
import { machineInfo } from '../../info/info.js';
import type { MachineInfo } from '../../info/machine-info.js';
import { hasAppArmor } from '../../host/security-labels.js';
import { hasSelinux } from '../../host/selinux.js';
import { parseCommandLine } from '../command-line.js';
import { INFO } from '../flags/info.js';
import type { EngineLocation } from '../context.js';
import { bytesSize } from '../human.js';
import { print } from '../report.js';

export async function info(args: readonly string[], location: EngineLocation): Promise<number> {
  const line = parseCommandLine(INFO, args);
  const found = machineInfo(location);
  const format = line.value('format');
  if (format === undefined || format === '') {
    print(1, infoText(await found));
    return 0;
  }
  const { markStruct, parseTemplate, TemplateError } = await import('../template.js');
  try {
    const data = markStruct('Info', dockerShape(await found));
    print(1, `${parseTemplate(format === 'json' ? '{{json .}}' : format).execute(data)}\n`);
    return 0;
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    if (error.phase === 'parse') {
      print(2, `caisson: template parsing error: ${error.message}\n`);
      return 64;
    }
    // As Docker: what there was of it, which is nothing, ends its line.
    print(1, '\n');
    print(2, `caisson: ${error.message}\n`);
    return 1;
  }
}

/** In the order and with the words of `docker info`, as far as there is such a thing here. */
function infoText(info: MachineInfo): string {
  const { containers, cgroup } = info;
  const lines = [
    `Version: ${info.version}`,
    `Node.js: ${info.node}`,
    ...(containers === undefined
      ? ['Containers: not to be seen by this user']
      : [
          `Containers: ${containers.total}`,
          ` Running: ${containers.running}`,
          ` Paused: ${containers.paused}`,
          ` Stopped: ${containers.stopped}`,
        ]),
    `Cgroup Driver: ${cgroup.driver}`,
    `Cgroup Version: ${cgroup.versions.join(' and ') || 'none'}`,
    `Kernel Version: ${info.kernel}`,
    `Operating System: ${info.system}`,
    'OSType: linux',
    `Architecture: ${info.architecture}`,
    `CPUs: ${info.cpus}`,
    `Total Memory: ${bytesSize(info.memory)}`,
    `Name: ${info.hostname}`,
    `User: ${info.user.name} (${info.user.uid})`,
    ...(info.inside === undefined ? [] : [`Inside: ${info.inside}`]),
    `Data Root: ${info.dataRoot}`,
    `Run Root: ${info.runRoot}`,
  ];
  const width = Math.max(...info.abilities.map(({ name }) => name.length)) + 2;
  const missing = (reason = '', remedy = '') => [
    ` ${' '.repeat(width)}      ${reason}`,
    ` ${' '.repeat(width)}      → ${remedy}`,
  ];
  const row = (name: string, available: boolean, text: string) =>
    ` ${name.padEnd(width)}${available ? 'yes' : 'no '}   ${text}`.trimEnd();
  lines.push('Controllers:');
  for (const { name, available, version, limits, reason, remedy } of cgroup.controllers) {
    lines.push(row(name, available, `${available ? `v${version}: ` : ''}${flags(limits)}`));
    if (!available) lines.push(...missing(reason, remedy));
  }
  lines.push('Abilities:');
  for (const { name, gives, available, detail, reason, remedy } of info.abilities) {
    lines.push(row(name, available, detail === undefined ? gives : `${gives} (${detail})`));
    if (!available) lines.push(...missing(reason, remedy));
  }
  return `${lines.join('\n')}\n`;
}

function flags(options: readonly string[]): string {
  return options
    .map((option) => `--${option.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`)
    .join(' ');
}

/** Docker's names for what Docker has, too. */
function dockerShape(info: MachineInfo): Record<string, unknown> {
  const { containers, cgroup } = info;
  const gives = new Set(
    cgroup.controllers.filter(({ available }) => available).flatMap(({ limits }) => limits),
  );
  const able = new Set(info.abilities.filter(({ available }) => available).map(({ name }) => name));
  return {
    ID: '',
    Containers: containers?.total ?? 0,
    ContainersRunning: containers?.running ?? 0,
    ContainersPaused: containers?.paused ?? 0,
    ContainersStopped: containers?.stopped ?? 0,
    Images: 0,
    Driver: 'overlay',
    DriverStatus: null,
    Plugins: { Volume: null, Network: null, Authorization: null, Log: null },
    MemoryLimit: gives.has('memory'),
    SwapLimit: gives.has('memorySwap'),
    CpuCfsPeriod: gives.has('cpuPeriod'),
    CpuCfsQuota: gives.has('cpuQuota'),
    CPUShares: gives.has('cpuShares'),
    CPUSet: gives.has('cpusetCpus'),
    PidsLimit: gives.has('pidsLimit'),
    IPv4Forwarding: false,
    Debug: false,
    NFd: 0,
    OomKillDisable: gives.has('oomKillDisable'),
    NGoroutines: 0,
    SystemTime: new Date().toISOString(),
    LoggingDriver: 'json-file',
    CgroupDriver: cgroup.driver,
    CgroupVersion: cgroup.versions.at(-1) === undefined ? '' : String(cgroup.versions[0]),
    NEventsListener: 0,
    KernelVersion: info.kernel,
    OperatingSystem: info.system,
    OSVersion: '',
    OSType: 'linux',
    Architecture: info.architecture,
    IndexServerAddress: '',
    RegistryConfig: null,
    NCPU: info.cpus,
    MemTotal: info.memory,
    GenericResources: null,
    DockerRootDir: info.dataRoot,
    HttpProxy: '',
    HttpsProxy: '',
    NoProxy: '',
    Name: info.hostname,
    Labels: [],
    ExperimentalBuild: false,
    ServerVersion: info.version,
    Runtimes: {},
    DefaultRuntime: 'caisson',
    Swarm: {
      NodeID: '',
      NodeAddr: '',
      LocalNodeState: 'inactive',
      ControlAvailable: false,
      Error: '',
      RemoteManagers: null,
    },
    LiveRestoreEnabled: true,
    Isolation: '',
    InitBinary: 'caisson-init',
    ContainerdCommit: { ID: '' },
    RuncCommit: { ID: '' },
    InitCommit: { ID: '' },
    SecurityOptions: [
      ...(hasAppArmor() ? ['name=apparmor'] : []),
      ...(hasSelinux() ? ['name=selinux'] : []),
      ...(able.has('seccomp') ? ['name=seccomp,profile=default'] : []),
      ...(able.has('user-namespaces') ? ['name=userns'] : []),
      ...(info.user.uid === 0 ? [] : ['name=rootless']),
    ],
    CDISpecDirs: null,
    Warnings: null,
    ClientInfo: { Version: info.version, Context: 'default', Plugins: null, Warnings: null },
    NodeVersion: info.node,
    RunRoot: info.runRoot,
    User: info.user,
    Inside: info.inside ?? '',
    CgroupVersions: cgroup.versions,
    Controllers: cgroup.controllers,
    Abilities: info.abilities,
  };
}
