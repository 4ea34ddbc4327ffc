/**
 * How slow this machine is: scripts/test-vm says so in CAISSON_TEST_SLOWNESS for emulated ones. No import of mocha:
 * programs that tests start import this file too, and so does a reporter, which cannot wait for an import.
 */

/** How many times as long as on a real machine things may take. */
export const slowness = Math.max(1, Number(process.env['CAISSON_TEST_SLOWNESS'] ?? 1));
