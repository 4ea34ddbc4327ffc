/** What tests of builds share: an image to build upon, contexts, and what a build has told of. */
import { expect } from 'chai';
import { execFileSync } from 'node:child_process';
import { createReadStream, readdirSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { Readable } from 'node:stream';
import type { BuildEvent, BuildOptions } from '../../lib/engine/build/build-options.js';
import type { ImageInfo } from '../../lib/engine/images/image-info.js';
import { ContentStore } from '../../lib/image/content/content-store.js';
import { leftIn } from './image-store.js';
import { eventually } from './outside.js';
import { Workshop } from './workshop.js';

/** What is at each path of a context: a text, or undefined for a directory. */
export type ContextFiles = Readonly<Record<string, string | Buffer | undefined>>;

export interface Built {
  readonly image: ImageInfo;
  readonly events: readonly BuildEvent[];
  /** What programs of RUN have written. */
  readonly output: string;
  /** The texts of the steps that were found in the cache. */
  readonly cached: readonly string[];
  /** The texts of those that were not. */
  readonly executed: readonly string[];
}

export class BuildShop {
  #serial = 0;

  private constructor(readonly workshop: Workshop) {}

  /** With the image `busybox`. */
  static async open(): Promise<BuildShop> {
    const workshop = await Workshop.open();
    const archive = workshop.path('busybox.tar');
    execFileSync('tar', ['-C', workshop.path('busybox'), '-cf', archive, '.']);
    await workshop.engine.images.import(archive, 'busybox', { changes: ['CMD ["sh"]'] });
    return new BuildShop(workshop);
  }

  get engine() {
    return this.workshop.engine;
  }

  /** A directory with these files. */
  async context(files: ContextFiles): Promise<string> {
    const directory = this.workshop.path(`context-${this.#serial++}`);
    await mkdir(directory);
    for (const [path, content] of Object.entries(files)) {
      const place = join(directory, path);
      await mkdir(content === undefined ? place : dirname(place), { recursive: true });
      if (content !== undefined) await writeFile(place, content);
    }
    return directory;
  }

  /** @param dockerfile its lines */
  async build(
    dockerfile: readonly string[],
    context: ContextFiles | string | Readable = {},
    options: BuildOptions = {},
  ): Promise<Built> {
    const events: BuildEvent[] = [];
    const isFiles = typeof context === 'object' && !('read' in context);
    const directory = isFiles ? await this.context(context) : context;
    const image = await this.engine.build(directory as string | Readable, {
      dockerfile: dockerfile.join('\n'),
      onProgress: (event) => events.push(event),
      ...options,
    });
    return { image, events, ...told(events) };
  }

  /** What a shell command writes in a container of the image. */
  async sh(image: ImageInfo, command: string): Promise<string> {
    return this.workshop.sh(command, {}, image.id);
  }

  /** Nothing but images is left of builds; what looks at images is removed soon after it has ended. */
  async expectClean(): Promise<void> {
    const { dataRoot } = this.engine;
    await eventually(() => {
      expect(readdirSync(join(dataRoot, 'containers'))).to.deep.equal([]);
      expect(leftIn(new ContentStore(dataRoot))).to.deep.equal([]);
    });
  }

  async close(): Promise<void> {
    await this.workshop.close();
  }
}

function told(events: readonly BuildEvent[]) {
  const steps = new Map<number, string>();
  const cached: string[] = [];
  let output = '';
  for (const event of events) {
    if (event.kind === 'step') steps.set(event.number, event.text);
    else if (event.kind === 'cached') {
      cached.push(steps.get(event.number) ?? '');
      steps.delete(event.number);
    } else if (event.kind === 'output') output += event.bytes.toString('utf8');
  }
  const executed = [...steps.values()].filter((text) => !text.startsWith('FROM'));
  return { output, cached, executed };
}

/** A tar stream of a directory, as a pipe has it. */
export function archiveOf(directory: string, path: string): Readable {
  execFileSync('tar', ['-C', directory, '-cf', path, '.']);
  return createReadStream(path);
}
