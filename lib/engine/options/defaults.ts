/** Defaults that a caller can change, and that the default specification is made with. */

/**
 * Of those that the machine has (kernel.pty.max, 4096), and that containers have to share (less kernel.pty.reserve, 1024):
 * without a limit one of them could take them all.
 */
export const PTY_LIMIT = 256;

/** Bytes of /dev/shm. */
export const SHM_SIZE = 64 * 2 ** 20;
