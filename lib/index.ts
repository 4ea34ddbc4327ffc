/** caisson: containers from Node.js, in milliseconds. */
export { Engine, type EngineOptions } from './engine/engine.js';
export type { Execution, RunResult } from './engine/execution.js';
export type * from './engine/options.js';
export type {
  Container,
  ContainerExit,
  RemoveOptions,
  StopOptions,
  UpdateOptions,
  WaitCondition,
} from './engine/container.js';
export type { Attached, AttachOptions, AttachResult, AttachStream } from './engine/attached.js';
export type { Pruned } from './engine/containers.js';
export type { CreateOptions } from './engine/create-options.js';
export type { ExecOptions } from './engine/exec-options.js';
export type { EventOptions } from './engine/event-log.js';
export { machineInfo, type ContainerCounts, type MachineInfo } from './engine/info.js';
export type { Ability } from './machine/abilities.js';
export type { ControllerInfo } from './machine/controllers.js';
export type { LogEntry, LogOptions } from './engine/log-reader.js';
export type { ContainerStats } from './engine/stats.js';
export type { TopResult } from './engine/top.js';
export type {
  ContainerEvent,
  ContainerInfo,
  ContainerStatus,
  LogConfig,
  RestartPolicy,
  StoredConfig,
  StoredState,
} from './engine/stored.js';
export { CaissonError, type ErrorCode } from './errors.js';
export { rootfs, type RootfsImage } from './image/rootfs.js';
export { drawTimeline, type Timeline, type TimelineStep } from './program/timeline.js';
