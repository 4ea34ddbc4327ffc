/** caisson: containers from Node.js, in milliseconds. */
export { Engine, type EngineOptions } from './engine/engine.js';
export type { Execution, RunResult } from './engine/start/execution.js';
export type * from './engine/options/options.js';
export type {
  Container,
  ContainerExit,
  RemoveOptions,
  StopOptions,
  UpdateOptions,
} from './engine/container/container.js';
export type { WaitCondition } from './engine/container/wait-for.js';
export type {
  Attached,
  AttachOptions,
  AttachResult,
  AttachStream,
} from './engine/supervisor/attached.js';
export type { Pruned } from './engine/container/containers.js';
export type { CreateOptions } from './engine/options/create-options.js';
export type { LogConfig } from './engine/options/log-config.js';
export type { RestartPolicy } from './engine/options/restart-policy.js';
export type { ExecOptions } from './engine/options/exec-options.js';
export type { EventOptions } from './engine/store/event-log.js';
export { machineInfo } from './info/info.js';
export type { ContainerCounts, MachineInfo } from './info/machine-info.js';
export type { Ability } from './info/abilities.js';
export type { ControllerInfo } from './info/controllers.js';
export type { LogEntry, LogOptions } from './engine/logs/log-reader.js';
export type { ContainerStats } from './engine/views/stats.js';
export type { TopResult } from './engine/views/top.js';
export type {
  ContainerEvent,
  ContainerInfo,
  ContainerStatus,
  StoredConfig,
  StoredState,
} from './engine/store/stored.js';
export { CaissonError, type ErrorCode } from './base/errors.js';
export { rootfs, type RootfsImage } from './image/rootfs.js';
export { drawTimeline, type Timeline, type TimelineStep } from './program/timeline.js';
