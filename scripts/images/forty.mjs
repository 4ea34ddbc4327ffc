// 40 layers: each changes some files of those below, and every kind of whiteout occurs often.
import { BUSYBOX_CONFIG, busyboxLayer } from './busybox.mjs';
import { EPOCH } from './layout.mjs';
import { archive, tarEntry } from './tar-entry.mjs';

const LAYERS = 40;

export async function make(layout) {
  await layout.addLayer(busyboxLayer(), 'ADD busybox');
  for (let index = 1; index < LAYERS; index++) {
    await layout.addLayer(layer(index), `RUN step ${index}`);
  }
  await layout.finish(BUSYBOX_CONFIG);
}

function layer(index) {
  const mtime = EPOCH + index;
  const directory = (name, mode = 0o755) => tarEntry({ name: `${name}/`, type: '5', mode, mtime });
  const file = (name, data, mode = 0o644) => tarEntry({ name, data, mode, mtime });
  const number = String(index).padStart(2, '0');
  const before = String(index - 1).padStart(2, '0');
  const entries = [
    directory('layers'),
    // Changed by every layer: its mode too.
    file('layers/newest', `${number}\n`, 0o600 + index),
    file(`layers/${number}`, `made by layer ${number}\n`.repeat(index * 10)),
    directory(`layers/${number}.d`, 0o700 + index),
    ...Array.from({ length: 20 }, (_, at) =>
      file(`layers/${number}.d/${at}`, `${number} ${at}\n`, 0o640),
    ),
  ];
  // Of three layers, the second deletes a file of the first and a whole directory of it.
  if (index % 3 === 2)
    entries.push(file(`layers/.wh.${before}`, ''), file(`layers/.wh.${before}.d`, ''));
  // What a directory had is hidden, and it has other files.
  if (index % 5 === 0) {
    entries.push(directory('layers/opaque'), file('layers/opaque/.wh..wh..opq', ''));
  } else {
    entries.push(directory('layers/opaque'));
  }
  entries.push(file(`layers/opaque/since-${number}`, `${number}\n`));
  // By turns a file and a directory, of which what was deleted is made again.
  entries.push(
    ...(index % 2 === 0
      ? [directory('layers/turns'), file(`layers/turns/${number}`, `${number}\n`)]
      : [file('layers/turns', `${number}\n`)]),
  );
  if (index % 7 === 0)
    entries.push(
      file('layers/hard', `${number}\n`),
      tarEntry({ name: `layers/hard-${number}`, type: '1', link: 'layers/hard', mtime }),
    );
  return archive(...entries);
}
