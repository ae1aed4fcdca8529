/** What editors and compilers see of the installed package. */

import {
  Experiment,
  ExperimentUser,
  LocalEvaluationConfig,
  Variant,
} from '@amplitude/experiment-node-server';
import { FlagConfig } from '@amplitude/experiment-node-server/dist/src/types/flag';

const config: LocalEvaluationConfig = { flagConfigPollingIntervalMillis: 30000 };
const user: ExperimentUser = { user_id: 'user', user_properties: { plan: 'pro' } };
const variants: Record<string, Variant> = Experiment.initializeLocal('server-key', config).evaluateV2(user);
export const values: (string | undefined)[] = Object.values(variants).map((variant) => variant.value);
export const flag: FlagConfig | undefined = undefined;
