/** What keeps packets of a network from being forwarded, and the remedy. */
export interface FirewallWarning {
  readonly message: string;
  readonly hint: string;
}
