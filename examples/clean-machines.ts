// A clean machine for every job: ten at a time, each with the same directory, read-only, and its own /tmp.
import { chmod, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Engine } from 'caisson';

const source = await mkdtemp('/tmp/caisson-example-');
try {
  await chmod(source, 0o755); // for the container's `nobody`
  await writeFile(join(source, 'numbers'), '1\n2\n3\n4\n');
  await using engine = await Engine.open();
  const jobs = Array.from({ length: 10 }, (_, n) =>
    engine.run(
      'host',
      ['sh', '-c', 'awk "{ s += $N * \\$1 } END { print s }" numbers | tee /tmp/sum'],
      {
        env: { N: String(n) },
        volumes: [`${source}:/work:ro`],
        workdir: '/work',
        user: 'nobody',
      },
    ),
  );
  const results = await Promise.all(jobs);
  console.log(results.map(({ stdout }) => Number(stdout)));
} finally {
  await rm(source, { recursive: true });
}
