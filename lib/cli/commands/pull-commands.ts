/** `caisson pull` and `caisson push`. */
import {
  familiarName,
  parseReference,
  repositoryName,
  withDefaultTag,
} from '../../image/reference.js';
import type { ImageProgress } from '../../image/image-progress.js';
import type { Images } from '../../engine/images/images.js';
import type { PullOptions } from '../../engine/images/pull-image.js';
import { withTag } from '../../engine/options/image-names.js';
import { PULL, PUSH } from '../flags/pull-flags.js';
import { print } from '../report.js';
import type { OutputFd } from '../terminal/output.js';
import { ProgressLines, PULL_WORDS, PUSH_WORDS } from '../terminal/progress-lines.js';
import { imageCommand } from './image-command.js';

export const pull = imageCommand(PULL, async (line, all) => {
  const [name = ''] = line.args;
  const platform = line.value('platform');
  const options = platform === undefined ? {} : { platform };
  if (line.has('quiet')) {
    const { reference } = await all.pull(name, options);
    print(1, `${reference}\n`);
    return 0;
  }
  const reference = await pullShown(all, name, options, 1);
  print(1, `${reference}\n`);
  return 0;
});

/** With Docker's lines. @returns the name in full */
export async function pullShown(
  all: Images,
  name: string,
  options: PullOptions,
  fd: OutputFd,
): Promise<string> {
  const given = parseReference(name);
  const asked = withDefaultTag(given);
  if (given.tag === undefined && given.digest === undefined)
    print(fd, `Using default tag: ${asked.tag}\n`);
  const named = asked.digest === undefined ? asked.tag : familiarName({ ...asked, tag: undefined });
  const begin = () => print(fd, `${named}: Pulling from ${asked.path}\n`);
  const lines = new ProgressLines(PULL_WORDS, fd, (text) => print(fd, text));
  // As Docker: nothing before the registry has the image, and nothing of layers if all are there.
  let isBegun = false;
  const there: ImageProgress[] = [];
  const onProgress = (progress: ImageProgress): void => {
    if (!isBegun && progress.phase === 'exists') return void there.push(progress);
    if (!isBegun) {
      begin();
      isBegun = true;
      there.forEach(lines.show);
    }
    lines.show(progress);
  };
  const pulled = await all.pull(name, { ...options, onProgress });
  if (!isBegun) begin();
  print(fd, `Digest: ${pulled.pulledDigest}\n`);
  const what = pulled.isNew ? 'Downloaded newer image for' : 'Image is up to date for';
  print(fd, `Status: ${what} ${withTag(name)}\n`);
  return pulled.reference;
}

export const push = imageCommand(PUSH, async (line, all) => {
  const [name = ''] = line.args;
  const reference = withDefaultTag(parseReference(name));
  if (line.has('quiet')) {
    const pushed = await all.push(name);
    print(1, `${pushed.reference}\n`);
    return 0;
  }
  const given = parseReference(name);
  if (given.tag === undefined) print(1, `Using default tag: latest\n`);
  print(1, `The push refers to repository [${repositoryName(reference)}]\n`);
  const lines = new ProgressLines(PUSH_WORDS, 1, (text) => print(1, text));
  const pushed = await all.push(name, { onProgress: lines.show });
  print(1, `${reference.tag}: digest: ${pushed.digest} size: ${pushed.size}\n`);
  return 0;
});
