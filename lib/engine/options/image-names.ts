/** Names of images: `repository[:tag][@digest]`. */

/** `latest` is what a name without a tag means; one with a digest stays as it is. */
export function withTag(name: string): string {
  return name.includes('@') || name.lastIndexOf(':') > name.lastIndexOf('/')
    ? name
    : `${name}:latest`;
}

/** Without the tag. A colon before a slash is a registry's port. */
export function repository(image: string): string {
  const colon = image.lastIndexOf(':');
  return colon > image.lastIndexOf('/') ? image.slice(0, colon) : image;
}
