/** The PATH if neither the image nor the caller sets one, as in Docker (moby daemon/pkg/oci/defaults.go). */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
