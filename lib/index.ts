/** caisson: containers from Node.js, in milliseconds. */
export { Engine, type EngineOptions } from './engine/engine.js';
export type { Execution, RunResult } from './engine/execution.js';
export type * from './engine/options.js';
export { CaissonError, type ErrorCode } from './errors.js';
export { rootfs, type RootfsImage } from './image/rootfs.js';
export { drawTimeline, type Timeline, type TimelineStep } from './program/timeline.js';
