/** A dot for each test, with the reasons of skipped tests at its end. */
import mocha from 'mocha';
import { withSkipSummary } from './skip-summary.js';

// Mocha takes the default export of a file.
// eslint-disable-next-line no-restricted-syntax
export default class DotReporter extends withSkipSummary(mocha.reporters.Dot) {}
