/// <reference types="node" />
import { TlsOptions } from 'tls';

/** The endpoints: what clients ask for, not where it is. */
export type Endpoint = 'flags' | 'variants' | 'cohort' | 'stream' | 'events' | 'batch';

/** What an emulator serves. */
export interface World {
  /** When stated, requests for flags, variants and the stream need it (401 otherwise). */
  deploymentKey?: string;
  /** When stated, cohorts need it together with the secret key (401), and events need it (400). */
  apiKey?: string;
  secretKey?: string;
  /** Flag configs as Amplitude serves them. Not validated: a test may serve malformed ones. */
  flags?: any[];
  cohorts?: Cohort[];
}

/** A cohort, with its members stated or generated. */
export interface Cohort {
  cohortId: string;
  /** `'User'` (default) or a group type. */
  groupType?: string;
  groupTypeId?: number;
  lastComputed?: number;
  /** Default 1. A request that has seen this or a later one gets 204. */
  lastModified?: number;
  /** Default: the number of members. Above the request's `maxCohortSize`: 413. */
  size?: number;
  memberIds?: unknown;
  generate?: Generate;
}

/** Members that are computed while they are sent. */
export interface Generate {
  count: number;
  /** Default `'digits'`. */
  kind?: 'digits' | 'uuid';
  /** Characters of a member of digits, 8 to 17; default 15. */
  length?: number;
  /** Another seed gives other members. */
  seed?: number;
}

export interface EmulatorOptions extends World {
  /** Default 0: a free one. */
  port?: number;
  /** Default 127.0.0.1. Anything else lets others in. */
  host?: string;
  /** Serve https with these options (`key`, `cert`, and for client certificates `ca`, `requestCert`, `rejectUnauthorized`). */
  tls?: TlsOptions;
  /** Whether answers are compressed for clients that accept gzip; default true. */
  gzip?: boolean;
  /** Milliseconds between the keep-alives of a stream; default 15 000. */
  keepAliveMillis?: number;
  /** How many requests are remembered; default 10 000. */
  historyLimit?: number;
  /** Called when a request has come to its end. */
  onRequest?: (request: RecordedRequest) => void;
}

export interface RecordedRequest {
  id: number;
  /** null for a path that Amplitude does not have. */
  endpoint: Endpoint | null;
  method: string;
  /** Path and query as sent. */
  url: string;
  /** The path as sent, not decoded. */
  path: string;
  query: Record<string, string>;
  httpVersion: string;
  /** By lower-case name. */
  headers: Record<string, string>;
  /** Names and values as sent, in their order. */
  rawHeaders: [string, string][];
  /** The same number for requests on the same connection. */
  connection: number;
  /** Milliseconds since the epoch, with fractions. */
  receivedAt: number;
  endedAt?: number;
  body: string;
  /** variants: the user, decoded. */
  user?: any;
  /** variants: the flag keys, decoded. */
  flagKeys?: string[];
  /** events, batch: all events of the upload, taken or not. */
  events?: any[];
  /** events, batch: true when the events were taken. */
  taken?: boolean;
  /** The status that was sent, once it was. */
  status?: number;
  /** Whether the answer went out whole. */
  outcome: 'pending' | 'answered' | 'broken';
  /** The kind of failure that it met. */
  failure?: string;
}

/** What all failures have in common. */
export interface FailureOptions {
  /** How many requests meet it; default: all, until it is cleared. */
  times?: number;
  /** Milliseconds to wait first. */
  delayMillis?: number;
  /** Only requests whose path and query contain this text. */
  urlContains?: string;
}

export type Failure = FailureOptions &
  (
    | { kind: 'delay' }
    /** A status with a body (a string as it is, anything else as JSON). */
    | { kind: 'status'; status: number; body?: unknown; headers?: Record<string, string> }
    /** The connection is closed before the headers. */
    | { kind: 'close' }
    /** The connection is reset before the headers. */
    | { kind: 'reset' }
    /** The connection is reset in the middle of the headers. */
    | { kind: 'reset-in-headers' }
    /** The connection is closed (reset) after so many bytes of the body; default 8. */
    | { kind: 'cut'; afterBytes?: number; reset?: boolean }
    /** Nothing more comes after so many bytes of the body; default 8. */
    | { kind: 'stall'; afterBytes?: number }
    /** The body comes in pieces: by default one byte every 50 ms. */
    | { kind: 'drip'; chunkBytes?: number; everyMillis?: number }
    /** No answer, while the connection stays open. */
    | { kind: 'silence' }
    /** `Content-Length` is off by so many bytes; default 10. */
    | { kind: 'wrong-length'; by?: number }
    /** JSON that ends too early. */
    | { kind: 'wrong-json' }
    /** JSON of another type than the endpoint's. */
    | { kind: 'wrong-type' }
    /** The proper answer under another content type; default `text/html`. */
    | { kind: 'wrong-content-type'; contentType?: string }
    /** A body of so many bytes; default 1 GiB. */
    | { kind: 'gigantic'; bytes?: number }
    /** A compressed body that unpacks to so many bytes; default 1 GiB. */
    | { kind: 'gzip-bomb'; bytes?: number }
    /** To itself, unless a location is stated; default status 302. */
    | { kind: 'redirect'; status?: number; location?: string }
    /** So many informational answers (default one 103) before the proper one. */
    | { kind: 'informational'; status?: number; count?: number }
  );

/** Decides request by request; undefined lets a request through. */
export type FailureChooser = (
  request: RecordedRequest,
) => Failure | undefined | null | void | Promise<Failure | undefined | null | void>;

export class Emulator {
  private constructor(options: EmulatorOptions);
  static start(options?: EmulatorOptions): Promise<Emulator>;
  /** The member of a generated cohort at an index. */
  static generatedMember(generate: Generate, index: number): string;

  readonly url: string;
  readonly port: number;

  /** Everything received, oldest first. */
  readonly requests: RecordedRequest[];
  requestsTo(endpoint: Endpoint): RecordedRequest[];
  /** The events that were taken, oldest first. */
  events(endpoint?: 'events' | 'batch'): any[];
  clearHistory(): void;
  /** Resolves with the requests to an endpoint once there are so many; rejects after `timeoutMillis` (5000). */
  waitForRequests(endpoint: Endpoint, count?: number, timeoutMillis?: number): Promise<RecordedRequest[]>;
  /** Resolves with the events taken once there are so many; rejects after `timeoutMillis` (5000). */
  waitForEvents(count: number, timeoutMillis?: number): Promise<any[]>;
  /** Resolves once exactly so many streams are open; rejects after `timeoutMillis` (5000). */
  waitForStreams(count: number, timeoutMillis?: number): Promise<void>;

  readonly flags: any[];
  /** Serves something else altogether. Open streams get the flags, here and below. */
  load(world: World): void;
  setFlags(flags: any[]): void;
  setFlag(flag: any): void;
  removeFlag(key: string): boolean;
  setCohort(cohort: Cohort): void;
  removeCohort(cohortId: string): boolean;

  /** Has the next requests to an endpoint fail. Several failures are met one after the other. */
  fail(endpoint: Endpoint | 'all', failure: Failure | FailureChooser): void;
  clearFailures(endpoint?: Endpoint | 'all'): void;

  readonly openStreams: number;
  /** Sends text to all open streams as it is. */
  sendToStreams(text: string): void;
  /** Ends all open streams. */
  dropStreams(options?: { reset?: boolean }): void;
  /** No more updates and keep-alives on streams, until told otherwise. */
  silenceStreams(silent?: boolean): void;

  /** Stops listening and closes all connections: clients are refused. */
  suspend(): Promise<void>;
  /** Listens again, on the same port. */
  resume(): Promise<void>;
  close(): Promise<void>;
}
