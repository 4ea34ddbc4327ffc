/** A command line that cannot be understood. */
import { CaissonError, type ErrorCode } from '../../base/errors.js';

export class UsageError extends CaissonError {
  /** The command whose usage is shown, such as `run`; empty for caisson itself. */
  readonly command: string;
  /** The exit code. As Docker: 125 for a wrong flag, 1 for a wrong command or a missing argument. */
  readonly status: 1 | 125;

  constructor(code: ErrorCode, message: string, command: string, status: 1 | 125 = 125) {
    super(code, message, { stage: 'config' });
    this.name = 'UsageError';
    this.command = command;
    this.status = status;
  }
}
