/** The loop devices that containers' layers are mounted by. */
import { execFileSync } from 'node:child_process';
import { type BigIntStats, statSync } from 'node:fs';
import { join } from 'node:path';

/** The file with a container's layer: also after it has been removed, the kernel knows it by this. */
export function imageIn(directory: string): BigIntStats {
  return statSync(join(directory, 'layer.img'), { bigint: true });
}

/** The devices that an image is attached to: by its number, since the kernel may have no name for it. */
export function loopDevicesOf(image: string | BigIntStats): string[] {
  const { ino } = typeof image === 'string' ? imageIn(image) : image;
  const list = execFileSync('losetup', ['--list', '--noheadings', '-O', 'NAME,BACK-INO'], {
    encoding: 'utf8',
  });
  return list
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter(([, inode]) => inode === String(ino))
    .map(([name = '']) => name);
}
