/** The command line asks for help. main prints it, because only main has all commands. */
export class HelpRequest extends Error {
  /**
   * @param command such as `explain run`; empty for caisson itself.
   * @param stream 2 where a group of commands was named without one of them, as with Docker
   */
  constructor(
    readonly command: string,
    readonly stream: 1 | 2 = 1,
  ) {
    super(`help for "${command}"`);
    this.name = 'HelpRequest';
  }
}
