/**
 * Fields of moby's API types (api/types, v1.50) that its JSON leaves out while they are empty, and Go's names of fields
 * that have another in JSON: templates can ask for both, and neither is printed.
 */

/** By type: the value of an empty field. */
const EMPTY: Readonly<Record<string, Readonly<Record<string, unknown>>>> = {
  Container: { SizeRw: null, SizeRootFs: null, ImageManifestDescriptor: null },
  State: { Health: null },
  Config: {
    ExposedPorts: {},
    Healthcheck: null,
    ArgsEscaped: false,
    NetworkDisabled: false,
    MacAddress: '',
    StopSignal: '',
    StopTimeout: null,
    Shell: [],
  },
  ImageConfig: {
    User: '',
    ExposedPorts: null,
    Env: null,
    Entrypoint: null,
    Cmd: null,
    Healthcheck: null,
    ArgsEscaped: false,
    Volumes: null,
    WorkingDir: '',
    OnBuild: null,
    Labels: null,
    StopSignal: '',
    Shell: null,
  },
  Image: { Created: '', Variant: '', OsVersion: '' },
  HostConfig: {
    Annotations: {},
    StorageOpt: {},
    Tmpfs: {},
    Sysctls: {},
    KernelMemory: 0,
    KernelMemoryTCP: 0,
    Mounts: [],
    Init: null,
  },
  Healthcheck: {
    Test: [],
    Interval: 0,
    Timeout: 0,
    StartPeriod: 0,
    StartInterval: 0,
    Retries: 0,
  },
  MountPoint: { Name: '', Driver: '' },
  EndpointIPAMConfig: { IPv4Address: '', IPv6Address: '', LinkLocalIPs: [] },
  Event: { status: '', id: '', from: '' },
  IPAMConfig: { IPRange: '', AuxiliaryAddresses: {} },
};

/** By type: a field's name in Go, and in JSON. */
const GO_NAMES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  Container: { ID: 'Id' },
  Image: { ID: 'Id' },
  Network: { ID: 'Id' },
  IPAMConfig: { AuxAddress: 'AuxiliaryAddresses' },
  PortBinding: { HostIP: 'HostIp' },
  HostConfig: {
    CPUShares: 'CpuShares',
    NanoCPUs: 'NanoCpus',
    CPUPeriod: 'CpuPeriod',
    CPUQuota: 'CpuQuota',
    CPURealtimePeriod: 'CpuRealtimePeriod',
    CPURealtimeRuntime: 'CpuRealtimeRuntime',
    CPUCount: 'CpuCount',
    CPUPercent: 'CpuPercent',
    DNS: 'Dns',
    DNSOptions: 'DnsOptions',
    DNSSearch: 'DnsSearch',
  },
  Event: {
    Status: 'status',
    ID: 'id',
    From: 'from',
    Scope: 'scope',
    Time: 'time',
    TimeNano: 'timeNano',
  },
};

/** Adds the missing fields of the type to a value. */
export function addFields<T extends object>(type: string, value: T): T {
  const fields = value as Readonly<Record<string, unknown>>;
  const add = (name: string, content: unknown): void => {
    if (!Object.hasOwn(value, name))
      Object.defineProperty(value, name, { value: content, enumerable: false });
  };
  for (const [name, empty] of Object.entries(EMPTY[type] ?? {})) add(name, empty);
  for (const [name, inJson] of Object.entries(GO_NAMES[type] ?? {})) add(name, fields[inJson]);
  return value;
}
