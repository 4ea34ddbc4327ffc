/** The errors of an image store. */
import { CaissonError } from '../../base/errors.js';

/** A blob that is not what its descriptor says. */
export function digestMismatch(digest: string, why: string): CaissonError {
  return new CaissonError('ERR_DIGEST_MISMATCH', `the blob ${digest} ${why}`, {
    stage: 'image',
    path: digest,
  });
}

/** A file of the store that caisson has not written like this. */
export function damaged(path: string, why: string): CaissonError {
  return new CaissonError('ERR_DAMAGED_STATE', `${path} ${why}`, {
    stage: 'image',
    path,
    hint: 'move it away, and pull or load the images again',
  });
}

/** Content of an image that is not what its type says. */
export function invalidImage(what: string, why: string, hint?: string): CaissonError {
  return new CaissonError('ERR_INVALID_IMAGE', `${what} ${why}`, {
    stage: 'image',
    path: what,
    hint,
  });
}

export function missingBlob(digest: string): CaissonError {
  return new CaissonError('ERR_INVALID_IMAGE', `the blob ${digest} is missing`, {
    stage: 'image',
    path: digest,
    hint: 'pull or load the image again',
  });
}
