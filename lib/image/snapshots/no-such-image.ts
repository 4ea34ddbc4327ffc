import { CaissonError } from '../../base/errors.js';

/** @param platform if one was asked for */
export function noSuchImage(name: string, platform?: string): CaissonError {
  const wanted = platform === undefined || platform === '' ? '' : ` for ${platform}`;
  return new CaissonError('ERR_NO_SUCH_IMAGE', `No such image: ${name}${wanted}`, {
    stage: 'image',
    path: name,
    hint: "pull or load it first; 'host' is this machine's own programs, and rootfs() (--rootfs DIR) a directory",
  });
}
