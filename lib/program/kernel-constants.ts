/**
 * The kernel's constants for steps. Those of mounts are in mount-options.ts, those of namespaces in oci/namespaces.ts.
 */
import { constants } from 'node:fs';

/** open(2). The number of O_DIRECTORY differs between architectures: on arm64, x86's is O_DIRECT. */
export const O_PATH_DIRECTORY = 0x20_0000 | constants.O_DIRECTORY;
export const O_RDWR_NOCTTY = constants.O_RDWR | constants.O_NOCTTY;

/** inode(7): the type of a file. */
export const S_IFCHR = 0o020000;
export const S_IFBLK = 0o060000;
export const S_IFIFO = 0o010000;

/** chown(2): the id stays as it is. */
export const SAME_OWNER = 0xffff_ffff;
