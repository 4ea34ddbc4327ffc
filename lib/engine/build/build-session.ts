/** What the steps of one build share. */
import type { BuildCache } from '../../build/build-cache.js';
import type { BuildContext } from '../../build/build-context.js';
import type { BuildPlan } from '../../build/build-plan.js';
import type { Dockerfile } from '../../build/dockerfile.js';
import type { Lease } from '../../image/content/lease.js';
import type { ImageConfig } from '../../image/image-config.js';
import type { Descriptor } from '../../image/manifest.js';
import type { HistoryEntry } from '../../image/write-image-config.js';
import type { ContainerContext } from '../container/container-context.js';
import type { ImagesContext } from '../images/images-context.js';
import type { StartContext } from '../start/context.js';
import type { CheckedBuild } from './build-options.js';

/**
 * Layers. The configuration of the image says nothing: a container of a step has only what the step says, and neither the
 * volumes nor the health check of the image that is being built.
 */
export interface StageFiles {
  /** Digest of its manifest. */
  readonly manifest: string;
  readonly layers: readonly Descriptor[];
  /** The lowest one first. */
  readonly diffIds: readonly string[];
}

export interface BuiltStage {
  readonly files: StageFiles;
  readonly config: ImageConfig;
  /** One entry without `emptyLayer` for each layer. */
  readonly history: readonly HistoryEntry[];
  /** ISO 8601: when its last layer was made. */
  readonly created: string;
}

export interface BuildSession {
  readonly context: ContainerContext & StartContext;
  readonly images: ImagesContext;
  /** Keeps what the build needs. */
  readonly lease: Lease;
  readonly options: CheckedBuild;
  readonly dockerfile: Dockerfile;
  readonly plan: BuildPlan;
  /** Undefined: there is none, and COPY has nothing to copy. */
  readonly files: BuildContext | undefined;
  readonly cache: BuildCache;
  /** What the build makes on the host for itself, removed at its end. */
  readonly directory: string;
  /** The same for secrets. */
  readonly secretDirectory: string;
  /** By their index. */
  readonly stages: Map<number, BuiltStage>;
  /** Manifests of images that were looked for. */
  readonly found: Map<string, Promise<string>>;
  /** Steps that were begun. */
  count: number;
}
