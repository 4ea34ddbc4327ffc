/**
 * Containers from Node.js, in milliseconds.
 *
 * What is wrong is a `CaissonError`, thrown or as a rejection, whose code says what; each method has a list of those that it may have.
 * In the examples, `engine` is an open `Engine`, and `box` a `Container` of `busybox` that runs.
 *
 * @module caisson
 */
export { Engine } from './engine/engine.js';
export type { EngineOptions } from './engine/engine-context.js';
export type { ContainerDiskUsage, DiskUsage, VolumeDiskUsage } from './engine/disk-usage.js';
export type { PrunedSystem, PruneOptions } from './engine/prune-unused.js';
export type { ImageUsage } from './engine/images/image-usage.js';
export type { UsageOf } from './engine/views/usage-of.js';
export type { StartWarning } from './engine/start/context.js';
export type { Execution } from './engine/start/execution.js';
export type { DeniedConnection, PolicyReport } from './network/policy/denied.js';
export type { PolicyOptions } from './network/policy/rules.js';
export type { Pool } from './engine/pool/pool.js';
export type {
  JobOptions,
  PoolOptions,
  PoolRunOptions,
  PoolStats,
  ReadyCondition,
} from './engine/pool/pool-options.js';
export type { RunResult } from './engine/start/run-result.js';
export type {
  BindMountOption,
  ImageMountOption,
  BindPropagation,
  BindRecursive,
  MountOption,
  TmpfsMountOption,
  VolumeMountOption,
  VolumeUser,
} from './engine/options/mount-types.js';
export type {
  DeviceRate,
  ImageOptions,
  IsolationOptions,
  JoinedContainer,
  MountOptions,
  Network,
  NetworkOptions,
  RestrictedNetwork,
  ProcessOptions,
  PullPolicy,
  ResourceOptions,
  RunOptions,
  Stdio,
  TerminalSize,
  Ulimit,
} from './engine/options/options.js';
export type { ExposeOption, PortOption, PortOptions } from './engine/options/ports.js';
export type {
  ConnectOptions,
  FirstConnectionOptions,
  NetworkConnection,
} from './engine/options/network-connections.js';
export type { Protocol as PortProtocol } from './network/firewall/port-bindings.js';
export type { Container } from './engine/container/container.js';
export type { ChangeKind, FileChange } from './archive/changes.js';
export type { CopyOptions, CopyResult } from './archive/copy.js';
export type { FileEntry, WriteOptions } from './archive/file-operations.js';
export type { WatchedChange } from './archive/file-server.js';
export type { FileKind, FileStat } from './archive/file-stat.js';
export type { ContainerFiles } from './engine/container/file-access.js';
export type { ContainerExit } from './engine/container/supervisor-client.js';
export type { RemoveOptions } from './engine/container/remove-container.js';
export type { CommitOptions } from './engine/container/commit-container.js';
export type { ForkOptions } from './engine/container/fork-container.js';
export type { StopOptions } from './engine/container/stop-container.js';
export type { UpdateOptions } from './engine/container/update-container.js';
export type { WaitOptions } from './engine/container/wait-container.js';
export type { WaitCondition } from './engine/container/wait-for.js';
export type { Attached } from './engine/supervisor/attached.js';
export type { AttachResult } from './engine/supervisor/attach-controller.js';
export type { AttachOptions, AttachStream } from './engine/options/attach-options.js';
export type { Pruned } from './engine/container/prune-containers.js';
export type { ResourceChange } from './engine/container/update-limits.js';
export type { CallerOption, CreateOptions } from './engine/options/create-options.js';
export type { Healthcheck, HealthcheckOptions } from './engine/options/healthcheck.js';
export type { LogConfig, LogDriverOptions } from './engine/options/log-config.js';
export type { RestartPolicy, RestartPolicyName } from './engine/options/restart-policy.js';
export type { ExecOptions } from './engine/options/exec-options.js';
export type { EventOptions } from './engine/store/event-log.js';
export { machineInfo } from './info/info.js';
export type { ContainerCounts, MachineInfo } from './info/machine-info.js';
export type { Ability } from './info/abilities.js';
export type { ControllerInfo } from './info/controllers.js';
export type { LogEntry, LogOptions } from './engine/logs/log-reader.js';
export type { BlkioCounters, BlkioStats } from './engine/views/block-io-stats.js';
export type { CpuStats } from './engine/views/cpu-stats.js';
export type { NetworkStats } from './engine/views/network-stats.js';
export type { Pressure, PressureShare, PressureStats } from './engine/views/pressure-stats.js';
export type { ContainerStats, MemoryStats, PidsStats } from './engine/views/stats.js';
export type { TopResult } from './engine/views/top.js';
export type {
  ContainerEvent,
  ContainerInfo,
  ContainerStatus,
  EndpointInfo,
  EngineEvent,
  HealthResult,
  HealthStatus,
  ImageEvent,
  NetworkEvent,
  PortInfo,
  StoredConfig,
  StoredHealth,
  StoredName,
  StoredRootfs,
  StoredState,
  StoredStatus,
  VolumeEvent,
} from './engine/store/stored.js';
export type { DisconnectOptions, Networks } from './engine/networks/networks.js';
export type { CreateNetworkOptions } from './engine/networks/create-network.js';
export type { Volumes } from './engine/volumes/volumes.js';
export type { CreateVolumeOptions } from './engine/volumes/create-volume.js';
export type { PrunedVolumes } from './engine/volumes/delete-volumes.js';
export type { VolumeInfo } from './engine/volumes/volume-info.js';
export type { MountConfig, ImageUse, VolumeUse } from './engine/options/mount-config.js';
export type { NetworkInfo } from './engine/networks/network-info.js';
export type { NetworkEndpoint } from './engine/networks/endpoints.js';
export type { BuildEvent, BuildOptions } from './engine/build/build-options.js';
export type { CachedBuildStep, PrunedBuilds } from './engine/images/build-cache-usage.js';
export type { Images } from './engine/images/images.js';
export type {
  ImageHistoryEntry,
  ImageInfo,
  LoadedImage,
  RemovedImages,
} from './engine/images/image-info.js';
export type { ImportOptions } from './engine/images/import-image.js';
export type { LoadOptions } from './engine/images/load-archive.js';
export type { ImageProgress, OnProgress } from './image/image-progress.js';
export type { PulledImage, PullOptions } from './engine/images/pull-image.js';
export type { PushedImage, PushOptions } from './engine/images/push-image.js';
export type { RemoveImageOptions } from './engine/images/remove-images.js';
export type { ImageConfig, ImageHealthcheck } from './image/image-config.js';
export type { Subnet } from './network/bridge/stored-network.js';
export type { SubnetRequest } from './network/bridge/subnets.js';
export type { Size } from './base/units.js';
export type { Paths } from './base/roots.js';
export type { CgroupMode } from './cgroup/layout.js';
export type { CgroupLocation } from './cgroup/cgroup-paths.js';
export type { CgroupDriver } from './cgroup/systemd/systemd.js';
export type { TimeStamp } from './base/time-stamp.js';
export { CaissonError, type ErrorCode, type ErrorDetails } from './base/errors.js';
export {
  rootfs,
  type RootfsImage,
  type RootfsOptions,
  type RootfsWritable,
} from './image/rootfs.js';
export type { ImageDefaults } from './image/snapshots/image-defaults.js';
export { drawTimeline, type Timeline, type TimelineStep } from './program/timeline.js';
