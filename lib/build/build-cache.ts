/**
 * What steps of earlier builds have made: a file for each step, with the manifest of the files after it. The garbage
 * collection of images keeps what was used in the last weeks.
 */
import { createHash } from 'node:crypto';
import { readdirSync, statSync, unlinkSync } from 'node:fs';
import { utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { isErrno } from '../base/errno.js';
import { parseJson, readIfThere, StagedFile } from '../base/storage.js';
import { makeDirectory } from '../host/private-directory.js';
import { isSha256 } from '../oci/image-spec.js';

/** A step that was done before. */
export interface CachedStep {
  /** Digest of the manifest of the files after it. */
  readonly manifest: string;
  /** ISO 8601: when the step was done. */
  readonly created: string;
  /** It has added a layer. */
  readonly changed: boolean;
}

export interface KnownStep extends CachedStep {
  readonly key: string;
  /** ISO 8601: when a build has used it last. */
  readonly used: string;
}

/** Milliseconds for which a step is kept that no build has used: four weeks. */
const KEPT = 28 * 24 * 60 * 60 * 1000;

export class BuildCache {
  private readonly directory: string;

  /** @param root `DATA/images` */
  constructor(root: string) {
    this.directory = join(root, 'build-cache');
  }

  /** Undefined: it was not done before. Whether its files are still there shows when they are used. */
  async find(key: string): Promise<CachedStep | undefined> {
    const path = join(this.directory, key);
    const step = readStep(path);
    if (step === undefined) return undefined;
    const now = new Date();
    await utimes(path, now, now).catch(() => undefined);
    return step;
  }

  /** @throws ERR_STORAGE */
  async add(key: string, step: CachedStep): Promise<void> {
    makeDirectory(this.directory);
    await (await StagedFile.write(join(this.directory, key), JSON.stringify(step))).commit();
  }

  /**
   * What the garbage collection has to keep; it asks while the store is locked. Steps that no build has used for four weeks are
   * forgotten.
   *
   * @returns digests of manifests
   */
  manifests(): string[] {
    this.forget(Date.now() - KEPT);
    return this.steps().map(({ manifest }) => manifest);
  }

  /** All of them. */
  steps(): KnownStep[] {
    return this.names().flatMap((key) => {
      const path = join(this.directory, key);
      const used = statSync(path, { throwIfNoEntry: false })?.mtime.toISOString();
      // One that is just being written has another name, and is not known yet.
      const step = readStep(path);
      return used === undefined || step === undefined ? [] : [{ ...step, key, used }];
    });
  }

  /** @param before milliseconds since 1970: those that were used later stay @returns keys */
  forget(before: number): string[] {
    return this.names().filter((key) => {
      const path = join(this.directory, key);
      try {
        if (statSync(path).mtimeMs > before) return false;
        unlinkSync(path);
        return true;
      } catch (error) {
        // Another process forgets the same step.
        if (!isErrno(error, 'ENOENT')) throw error;
        return false;
      }
    });
  }

  private names(): string[] {
    try {
      return readdirSync(this.directory);
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    }
  }
}

function readStep(path: string): CachedStep | undefined {
  const step = parseJson(readIfThere(path) ?? '') as Partial<CachedStep> | null | undefined;
  if (typeof step !== 'object' || step === null) return undefined;
  const { manifest, created, changed } = step;
  if (typeof manifest !== 'string' || !isSha256(manifest)) return undefined;
  if (typeof created !== 'string' || typeof changed !== 'boolean') return undefined;
  return { manifest, created, changed };
}

/** Of a step, by all that its result depends on. */
export function cacheKey(...parts: readonly unknown[]): string {
  return createHash('sha256').update(JSON.stringify(parts)).digest('hex');
}
