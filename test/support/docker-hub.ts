/** What stands for Docker's registry, and registry.example.org, in tests of examples: one of this machine that has the image busybox. */
import { execFile } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { repository } from './paths.js';
import { TestRegistry } from './registry.js';

export class DockerHub {
  /** Variables for commands and programs that pull from it by Docker's names. */
  readonly env: Readonly<Record<string, string>>;

  private constructor(private readonly registry: TestRegistry) {
    const file = join(registry.directory, 'registries.conf');
    writeFileSync(
      file,
      ['docker.io/library', 'registry.example.org']
        .map(
          (prefix) =>
            `[[registry]]\nprefix = "${prefix}"\nlocation = "${registry.host}"\ninsecure = true\n`,
        ) // prettier-ignore
        .join('\n'),
    );
    // Other users pull, too.
    chmodSync(registry.directory, 0o755);
    this.env = { CONTAINERS_REGISTRIES_CONF: file };
  }

  /** @param within what runs a command in another network namespace */
  static async start(within: readonly string[] = []): Promise<DockerHub> {
    const registry = await TestRegistry.start({ within });
    try {
      const script = join(repository, 'scripts/make-images');
      const [program = '', ...args] = [...within, script, '--push', registry.host, 'busybox'];
      await promisify(execFile)(program, args);
    } catch (error) {
      await registry.stop();
      throw error;
    }
    return new DockerHub(registry);
  }

  stop(): Promise<void> {
    return this.registry.stop();
  }
}
