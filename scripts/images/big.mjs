// What a usual image is like: a distribution, packages, an application.
import { readdirSync, readFileSync, readlinkSync, lstatSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { addDebian, archiveOf, DEBIAN_CONFIG, makeRootfs } from './debian.mjs';
import { EPOCH } from './layout.mjs';
import { archive, tarEntry } from './tar-entry.mjs';

export async function make(layout) {
  await addDebian(layout);
  const packages = join(layout.directory, 'packages.tar');
  const more = makeRootfs('python');
  const names = changed(makeRootfs('debian'), more);
  archiveOf(more, packages, Buffer.from(names.map((name) => `./${name}\0`).join('')));
  await layout.addLayer(packages, 'RUN apt-get install');
  rmSync(packages);
  await layout.addLayer(application(), 'COPY . /srv/app');
  await layout.finish({ ...DEBIAN_CONFIG, WorkingDir: '/srv/app', Cmd: ['python3'] });
}

/** What a tree has that another has not, or not the same: names, directories before what is in them. */
function changed(before, after, below = '') {
  const names = [];
  for (const name of readdirSync(join(after, below)).sort()) {
    const path = below === '' ? name : `${below}/${name}`;
    const [old, now] = [before, after].map((tree) =>
      lstatSync(join(tree, path), { throwIfNoEntry: false }),
    );
    const inside =
      now.isDirectory() && old?.isDirectory() === true ? changed(before, after, path) : undefined;
    const same =
      old !== undefined &&
      ['mode', 'uid', 'gid', 'rdev'].every((field) => old[field] === now[field]) &&
      (now.isFile()
        ? old.size === now.size &&
          (old.mtimeMs === now.mtimeMs ||
            readFileSync(join(before, path)).equals(readFileSync(join(after, path))))
        : !now.isSymbolicLink() ||
          readlinkSync(join(before, path)) === readlinkSync(join(after, path)));
    if (!same || (inside?.length ?? 0) > 0) names.push(path);
    if (now.isDirectory()) names.push(...(inside ?? changed('/nonexistent', after, path)));
  }
  return names;
}

/** Small source files, and a large one that can hardly be compressed. */
function application() {
  const directory = (name) => tarEntry({ name: `${name}/`, type: '5', mode: 0o755, mtime: EPOCH });
  const entries = [directory('srv/app')];
  for (let part = 0; part < 50; part++) {
    entries.push(directory(`srv/app/part${part}`));
    for (let at = 0; at < 20; at++) {
      const data = `# part ${part}, module ${at}\ndef f${at}(x):\n    return x + ${part * at}\n`;
      entries.push(
        tarEntry({
          name: `srv/app/part${part}/m${at}.py`,
          data: data.repeat(1 + at * 4),
          mtime: EPOCH,
        }),
      );
    }
  }
  const noise = Buffer.alloc(16 * 2 ** 20);
  let state = 1;
  for (let at = 0; at < noise.length; at += 4) {
    // xorshift32, so that the bytes are the same everywhere.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    noise.writeInt32LE(state, at);
  }
  entries.push(tarEntry({ name: 'srv/app/model.bin', data: noise, mtime: EPOCH }));
  return archive(...entries);
}
