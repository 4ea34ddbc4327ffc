/** An image store in a fresh directory, for the tests of unpacking. */
import { readdirSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { CaissonError } from '../../lib/base/errors.js';
import { findUserNamespaceIds, type UserNamespaceIds } from '../../lib/host/user-namespace-ids.js';
import { LayoutPaths } from '../../lib/image/content/layout-paths.js';
import { removeLayerTree } from '../../lib/image/unpack/remove-layer.js';
import {
  type UnpackedLayer,
  unpackLayer,
  type UnpackOptions,
} from '../../lib/image/unpack/unpack-layer.js';

export class LayerStore {
  readonly paths: LayoutPaths;

  private constructor(
    readonly directory: string,
    private readonly users: UserNamespaceIds | undefined,
  ) {
    this.paths = new LayoutPaths(join(directory, 'images'));
  }

  static async make(): Promise<LayerStore> {
    const store = new LayerStore(
      await mkdtemp(join(tmpdir(), 'caisson-layers-')),
      await findUserNamespaceIds(),
    );
    await store.paths.prepare();
    return store;
  }

  async remove(): Promise<void> {
    for (const name of readdirSync(this.paths.layers))
      await removeLayerTree(join(this.paths.layers, name), this.users);
    await rm(this.directory, { recursive: true, force: true });
  }

  unpack(archive: Buffer, options: Partial<UnpackOptions> = {}): Promise<UnpackedLayer> {
    return unpackLayer(this.paths, {
      input: Readable.from([archive]),
      users: this.users,
      ...options,
    });
  }

  /** What `unpack` throws. */
  async refusal(archive: Buffer, options: Partial<UnpackOptions> = {}): Promise<CaissonError> {
    try {
      await this.unpack(archive, options);
    } catch (error) {
      if (error instanceof CaissonError) return error;
      throw error;
    }
    throw new Error('the archive was not refused');
  }

  /** Names in the directories of layers, and of what is unfinished. */
  names(): { layers: string[]; ingest: string[] } {
    return { layers: readdirSync(this.paths.layers), ingest: readdirSync(this.paths.ingest) };
  }
}
