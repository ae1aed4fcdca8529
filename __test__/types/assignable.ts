/** What we export can stand wherever the types of the package that this one replaces are asked for. */

import type * as upstream from '@amplitude/experiment-node-server';
import type * as ours from 'experiment';

/** Fails to compile unless the first can be used as the second. */
type Assignable<From extends To, To> = From;

export type Ours = [
  Assignable<ours.ExperimentUser, upstream.ExperimentUser>,
  Assignable<ours.Variant, upstream.Variant>,
  Assignable<ours.Variants, upstream.Variants>,
  Assignable<ours.FetchOptions, upstream.FetchOptions>,
  Assignable<ours.FlagConfig, upstream.FlagConfig>,
  Assignable<ours.FlagConfigCache, upstream.FlagConfigCache>,
  Assignable<ours.InMemoryFlagConfigCache, upstream.FlagConfigCache>,
  Assignable<ours.LoggerProvider, upstream.LoggerProvider>,
];

export type Theirs = [
  Assignable<upstream.ExperimentUser, ours.ExperimentUser>,
  Assignable<upstream.Variant, ours.Variant>,
  Assignable<upstream.Variants, ours.Variants>,
  Assignable<upstream.FetchOptions, ours.FetchOptions>,
  Assignable<upstream.FlagConfig, ours.FlagConfig>,
  Assignable<upstream.FlagConfigCache, ours.FlagConfigCache>,
  Assignable<upstream.LoggerProvider, ours.LoggerProvider>,
];
