export { canonicalJson, digestOf, sha256, sha256OfFile } from './digest.ts'
export { type FaultReason, faultReasons, JobError } from './errors.ts'
export { evaluate } from './evaluate/evaluate.ts'
export { ingest } from './ingest/ingest.ts'
export type { Ports, Progress } from './ports.ts'
export { ensureTarget, startEmbeddedPostgres } from './postgres/index.ts'
export {
  commitJson,
  type DataManifest,
  type MembershipManifest,
  readDataManifest,
  readMembershipManifest,
  storeRootOf,
} from './profile-store.ts'
export { runStep, type StepContext, type StepResult } from './step.ts'
export { steps } from './steps.ts'
export { type QueryAnswer, queryStore } from './query.ts'
