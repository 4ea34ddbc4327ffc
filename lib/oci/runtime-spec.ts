/**
 * The OCI Runtime Spec 1.3, its Linux parts: https://github.com/opencontainers/runtime-spec/tree/v1.3.0
 *
 * Types only. A `config.json` from another program has to be validated before it may be called a `Spec`.
 * Everything is read-only, because the constant parts of a spec are shared between containers.
 */

/** config.md, the root object. */
export interface Spec {
  readonly ociVersion: string;
  readonly process?: Process | undefined;
  readonly root?: Root | undefined;
  readonly hostname?: string | undefined;
  readonly domainname?: string | undefined;
  /** In the order in which they are mounted. */
  readonly mounts?: readonly Mount[] | undefined;
  readonly hooks?: Hooks | undefined;
  readonly annotations?: Readonly<Record<string, string>> | undefined;
  readonly linux?: Linux | undefined;
}

/** config.md, "Process". */
export interface Process {
  readonly terminal?: boolean | undefined;
  readonly consoleSize?: ConsoleSize | undefined;
  readonly user?: User | undefined;
  readonly args?: readonly string[] | undefined;
  /** `NAME=value`. */
  readonly env?: readonly string[] | undefined;
  readonly cwd: string;
  readonly capabilities?: LinuxCapabilities | undefined;
  readonly rlimits?: readonly PosixRlimit[] | undefined;
  readonly noNewPrivileges?: boolean | undefined;
  readonly apparmorProfile?: string | undefined;
  /** -1000 to 1000. */
  readonly oomScoreAdj?: number | undefined;
  readonly scheduler?: Scheduler | undefined;
  readonly selinuxLabel?: string | undefined;
  readonly ioPriority?: LinuxIoPriority | undefined;
  readonly execCPUAffinity?: CpuAffinity | undefined;
}

/** In characters. */
export interface ConsoleSize {
  readonly height: number;
  readonly width: number;
}

/** config.md, "POSIX-platform User". */
export interface User {
  readonly uid: number;
  readonly gid: number;
  /** Octal bits as a number. */
  readonly umask?: number | undefined;
  readonly additionalGids?: readonly number[] | undefined;
}

/** Names are `CAP_…`, in capitals. */
export interface LinuxCapabilities {
  readonly bounding?: readonly string[] | undefined;
  readonly effective?: readonly string[] | undefined;
  readonly inheritable?: readonly string[] | undefined;
  readonly permitted?: readonly string[] | undefined;
  readonly ambient?: readonly string[] | undefined;
}

/**
 * One `setrlimit`. The spec's numbers are 64 bits wide; anything from 2^53 on is read as "no limit", because
 * a JavaScript number cannot tell 2^64-1 from its neighbours.
 */
export interface PosixRlimit {
  /** Such as `RLIMIT_NOFILE`. */
  readonly type: string;
  readonly hard: number;
  readonly soft: number;
}

/** sched_setattr(2). Times in nanoseconds. */
export interface Scheduler {
  readonly policy:
    | 'SCHED_OTHER'
    | 'SCHED_FIFO'
    | 'SCHED_RR'
    | 'SCHED_BATCH'
    | 'SCHED_ISO'
    | 'SCHED_IDLE'
    | 'SCHED_DEADLINE';
  readonly nice?: number | undefined;
  readonly priority?: number | undefined;
  readonly flags?: readonly string[] | undefined;
  readonly runtime?: number | undefined;
  readonly deadline?: number | undefined;
  readonly period?: number | undefined;
}

/** ioprio_set(2). */
export interface LinuxIoPriority {
  readonly class: 'IOPRIO_CLASS_RT' | 'IOPRIO_CLASS_BE' | 'IOPRIO_CLASS_IDLE';
  readonly priority: number;
}

/** CPU lists, such as `0-3,7`. */
export interface CpuAffinity {
  readonly initial?: string | undefined;
  readonly final?: string | undefined;
}

export interface Root {
  readonly path: string;
  readonly readonly?: boolean | undefined;
}

/** config.md, "Mounts". */
export interface Mount {
  /** Absolute path inside the container. */
  readonly destination: string;
  readonly type?: string | undefined;
  readonly source?: string | undefined;
  readonly options?: readonly string[] | undefined;
  /** With the option `idmap` or `ridmap`; without them that option means the container's own mapping. */
  readonly uidMappings?: readonly LinuxIdMapping[] | undefined;
  readonly gidMappings?: readonly LinuxIdMapping[] | undefined;
}

/** config.md, "POSIX-platform Hooks". */
export interface Hooks {
  /** @deprecated by the spec, but still written by engines. */
  readonly prestart?: readonly Hook[] | undefined;
  readonly createRuntime?: readonly Hook[] | undefined;
  readonly createContainer?: readonly Hook[] | undefined;
  readonly startContainer?: readonly Hook[] | undefined;
  readonly poststart?: readonly Hook[] | undefined;
  readonly poststop?: readonly Hook[] | undefined;
}

export interface Hook {
  readonly path: string;
  readonly args?: readonly string[] | undefined;
  readonly env?: readonly string[] | undefined;
  /** Seconds. */
  readonly timeout?: number | undefined;
}

/** config-linux.md. */
export interface Linux {
  readonly uidMappings?: readonly LinuxIdMapping[] | undefined;
  readonly gidMappings?: readonly LinuxIdMapping[] | undefined;
  readonly timeOffsets?:
    Readonly<Partial<Record<'monotonic' | 'boottime', TimeOffset>>> | undefined;
  /** Names with dots: `net.ipv4.ip_forward`. */
  readonly sysctl?: Readonly<Record<string, string>> | undefined;
  readonly resources?: LinuxResources | undefined;
  readonly cgroupsPath?: string | undefined;
  readonly namespaces?: readonly LinuxNamespace[] | undefined;
  readonly devices?: readonly LinuxDevice[] | undefined;
  /** By the device's name on the host. */
  readonly netDevices?: Readonly<Record<string, LinuxNetDevice>> | undefined;
  readonly seccomp?: LinuxSeccomp | undefined;
  readonly rootfsPropagation?: 'shared' | 'slave' | 'private' | 'unbindable' | undefined;
  readonly maskedPaths?: readonly string[] | undefined;
  readonly readonlyPaths?: readonly string[] | undefined;
  readonly mountLabel?: string | undefined;
  readonly intelRdt?: LinuxIntelRdt | undefined;
  readonly memoryPolicy?: LinuxMemoryPolicy | undefined;
  readonly personality?: LinuxPersonality | undefined;
}

export interface LinuxIdMapping {
  readonly containerID: number;
  readonly hostID: number;
  readonly size: number;
}

export interface TimeOffset {
  readonly secs?: number | undefined;
  readonly nanosecs?: number | undefined;
}

export type LinuxNamespaceType =
  'pid' | 'network' | 'mount' | 'ipc' | 'uts' | 'user' | 'cgroup' | 'time';

export interface LinuxNamespace {
  readonly type: LinuxNamespaceType;
  /** Joined when given, made when not. */
  readonly path?: string | undefined;
}

export interface LinuxDevice {
  readonly path: string;
  /** Block, character (`u`: unbuffered, the same), or fifo. */
  readonly type: 'b' | 'c' | 'u' | 'p';
  readonly major?: number | undefined;
  readonly minor?: number | undefined;
  /** Octal permission bits as a number. */
  readonly fileMode?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
}

export interface LinuxNetDevice {
  /** Its name inside the container. */
  readonly name?: string | undefined;
}

/** config-linux.md, "Control groups". */
export interface LinuxResources {
  readonly devices?: readonly LinuxDeviceCgroup[] | undefined;
  readonly memory?: LinuxMemory | undefined;
  readonly cpu?: LinuxCpu | undefined;
  readonly pids?: LinuxPids | undefined;
  readonly blockIO?: LinuxBlockIO | undefined;
  readonly hugepageLimits?: readonly LinuxHugepageLimit[] | undefined;
  readonly network?: LinuxNetwork | undefined;
  /** By device name. */
  readonly rdma?: Readonly<Record<string, LinuxRdma>> | undefined;
  /** cgroup v2 files and what is written to them. */
  readonly unified?: Readonly<Record<string, string>> | undefined;
}

export interface LinuxDeviceCgroup {
  readonly allow: boolean;
  /** `a`: all; the default. */
  readonly type?: 'a' | 'b' | 'c' | undefined;
  /** Every number when missing. */
  readonly major?: number | undefined;
  readonly minor?: number | undefined;
  /** Of `rwm`. */
  readonly access?: string | undefined;
}

/** Bytes; -1 is "no limit". */
export interface LinuxMemory {
  readonly limit?: number | undefined;
  readonly reservation?: number | undefined;
  /** Memory and swap together. */
  readonly swap?: number | undefined;
  readonly kernel?: number | undefined;
  readonly kernelTCP?: number | undefined;
  /** 0 to 100. */
  readonly swappiness?: number | undefined;
  readonly disableOOMKiller?: boolean | undefined;
  readonly useHierarchy?: boolean | undefined;
  readonly checkBeforeUpdate?: boolean | undefined;
}

/** Times in microseconds. */
export interface LinuxCpu {
  readonly shares?: number | undefined;
  readonly quota?: number | undefined;
  readonly burst?: number | undefined;
  readonly period?: number | undefined;
  readonly realtimeRuntime?: number | undefined;
  readonly realtimePeriod?: number | undefined;
  readonly cpus?: string | undefined;
  readonly mems?: string | undefined;
  readonly idle?: number | undefined;
}

export interface LinuxPids {
  /** -1: no limit. */
  readonly limit?: number | undefined;
}

export interface LinuxBlockIO {
  /** 10 to 1000. */
  readonly weight?: number | undefined;
  readonly leafWeight?: number | undefined;
  readonly weightDevice?: readonly LinuxWeightDevice[] | undefined;
  /** Bytes a second. */
  readonly throttleReadBpsDevice?: readonly LinuxThrottleDevice[] | undefined;
  readonly throttleWriteBpsDevice?: readonly LinuxThrottleDevice[] | undefined;
  /** Operations a second. */
  readonly throttleReadIOPSDevice?: readonly LinuxThrottleDevice[] | undefined;
  readonly throttleWriteIOPSDevice?: readonly LinuxThrottleDevice[] | undefined;
}

export interface LinuxWeightDevice {
  readonly major: number;
  readonly minor: number;
  readonly weight?: number | undefined;
  readonly leafWeight?: number | undefined;
}

export interface LinuxThrottleDevice {
  readonly major: number;
  readonly minor: number;
  readonly rate: number;
}

export interface LinuxHugepageLimit {
  /** Such as `2MB`. */
  readonly pageSize: string;
  /** Bytes. */
  readonly limit: number;
}

export interface LinuxNetwork {
  readonly classID?: number | undefined;
  readonly priorities?: readonly { readonly name: string; readonly priority: number }[] | undefined;
}

export interface LinuxRdma {
  readonly hcaHandles?: number | undefined;
  readonly hcaObjects?: number | undefined;
}

export type SeccompAction =
  | 'SCMP_ACT_KILL'
  | 'SCMP_ACT_KILL_PROCESS'
  | 'SCMP_ACT_KILL_THREAD'
  | 'SCMP_ACT_TRAP'
  | 'SCMP_ACT_ERRNO'
  | 'SCMP_ACT_TRACE'
  | 'SCMP_ACT_ALLOW'
  | 'SCMP_ACT_LOG'
  | 'SCMP_ACT_NOTIFY';

export type SeccompOperator =
  | 'SCMP_CMP_NE'
  | 'SCMP_CMP_LT'
  | 'SCMP_CMP_LE'
  | 'SCMP_CMP_EQ'
  | 'SCMP_CMP_GE'
  | 'SCMP_CMP_GT'
  | 'SCMP_CMP_MASKED_EQ';

/** config-linux.md, "Seccomp". */
export interface LinuxSeccomp {
  readonly defaultAction: SeccompAction;
  readonly defaultErrnoRet?: number | undefined;
  /** `SCMP_ARCH_…`. */
  readonly architectures?: readonly string[] | undefined;
  /** `SECCOMP_FILTER_FLAG_…`. */
  readonly flags?: readonly string[] | undefined;
  readonly listenerPath?: string | undefined;
  readonly listenerMetadata?: string | undefined;
  readonly syscalls?: readonly LinuxSyscall[] | undefined;
}

export interface LinuxSyscall {
  readonly names: readonly string[];
  readonly action: SeccompAction;
  readonly errnoRet?: number | undefined;
  readonly args?: readonly LinuxSeccompArg[] | undefined;
}

export interface LinuxSeccompArg {
  /** 0 to 5. */
  readonly index: number;
  readonly value: number;
  readonly valueTwo?: number | undefined;
  readonly op: SeccompOperator;
}

export interface LinuxIntelRdt {
  readonly closID?: string | undefined;
  readonly schemata?: readonly string[] | undefined;
  readonly l3CacheSchema?: string | undefined;
  readonly memBwSchema?: string | undefined;
  readonly enableMonitoring?: boolean | undefined;
}

/** set_mempolicy(2). */
export interface LinuxMemoryPolicy {
  /** `MPOL_…`. */
  readonly mode: string;
  readonly nodes?: string | undefined;
  /** `MPOL_F_…`. */
  readonly flags?: readonly string[] | undefined;
}

export interface LinuxPersonality {
  readonly domain: 'LINUX' | 'LINUX32';
  readonly flags?: readonly string[] | undefined;
}
