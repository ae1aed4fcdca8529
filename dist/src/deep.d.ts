/**
 * The types of every file below `dist/src`: the whole face, and what the package that this one replaces exports from its
 * inner files alone. `typesVersions` in package.json leads here.
 */

export * from '../../index';
import { AssignmentConfig, CohortSyncConfig, ExposureConfig, LocalEvaluationConfig } from '../../index';
import { LoggerProvider, LogLevel } from '../../index';

export const LocalEvaluationDefaults: LocalEvaluationConfig;
export const AssignmentConfigDefaults: Omit<AssignmentConfig, 'apiKey'>;
export const ExposureConfigDefaults: Omit<ExposureConfig, 'apiKey'>;
export const CohortSyncConfigDefaults: Omit<CohortSyncConfig, 'apiKey' | 'secretKey'>;
export const EU_SERVER_URLS: { name: string; remote: string; flags: string; stream: string; cohort: string };
/** The group type of cohorts of users. */
export const USER_GROUP_TYPE = 'User';

/** Cohorts in memory. */
export { InMemoryCohortStorage } from '../../index';

/** Logs to the console. */
export class ConsoleLogger implements LoggerProvider {
  verbose(message?: string, ...optionalParams: any[]): void;
  debug(message?: string, ...optionalParams: any[]): void;
  info(message?: string, ...optionalParams: any[]): void;
  warn(message?: string, ...optionalParams: any[]): void;
  error(message?: string, ...optionalParams: any[]): void;
}

/** Passes on what a level lets through. */
export class AmplitudeLogger implements LoggerProvider {
  constructor(logLevel: LogLevel, loggerProvider: LoggerProvider);
  verbose(message?: string, ...optionalParams: any[]): void;
  debug(message?: string, ...optionalParams: any[]): void;
  info(message?: string, ...optionalParams: any[]): void;
  warn(message?: string, ...optionalParams: any[]): void;
  error(message?: string, ...optionalParams: any[]): void;
}
