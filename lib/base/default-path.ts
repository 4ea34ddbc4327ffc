/** Where programs are looked for if neither the image nor the caller says so: Docker's PATH (moby daemon/pkg/oci/defaults.go). */
export const DEFAULT_PATH = '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin';
