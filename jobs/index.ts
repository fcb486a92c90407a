export { canonicalJson, digestOf, sha256, sha256OfFile } from './digest.ts'
export { JobError } from './errors.ts'
export { evaluationsOf, type ReportedRun, reportedRuns } from './history.ts'
export { type Rejects, rejectsOf } from './import/rejects.ts'
export { type ColumnPreview, type DatasetPreview, type IdentityMatch, previewDatasets } from './ingest/preview.ts'
export {
  countValues,
  type Member,
  type MembersFormat,
  readMembers,
  type Transition,
  transitionsOf,
  valuesOf,
  writeMembers,
} from './members.ts'
export { type OpenStore, openStore } from './open-store.ts'
export {
  countConditions,
  countIncomplete,
  countPeople,
  countShared,
  type LargestRecords,
  largestRecords,
  type Overlap,
  overlapOf,
  type PeopleCount,
} from './people.ts'
export { type FoundPerson, findPerson, type PersonSearch } from './person.ts'
export type { Ports, Progress } from './ports.ts'
export {
  type CampaignOverview,
  type CampaignRow,
  campaignOverview,
  listedRecipients,
  recipientsWithKey,
  waitingRows,
} from './postgres/campaign-look.ts'
export {
  type EmbeddedPostgres,
  ensureLogTables,
  ensureTarget,
  startEmbeddedPostgres,
} from './postgres/index.ts'
export { type CampaignSide, campaignSides, deliveredCounts } from './postgres/lists.ts'
export { countRecipients, type KnownRecipients } from './postgres/recipients.ts'
export { openPreview, openSparkPreview, type Preview, type PreviewPerson, type PreviewValue } from './preview.ts'
export {
  commitJson,
  type DataManifest,
  type MembershipManifest,
  readDataManifest,
  readMembershipManifest,
  storeRootOf,
} from './profile-store.ts'
export { type AudienceDelta, audienceDeltas, type QueryAnswer, queryStore } from './query.ts'
export { runStep, type StepContext, type StepResult, storedReport } from './step.ts'
export { steps } from './steps.ts'
export { storeNotes } from './store-notes.ts'
export { type LandingStore, openLandingStore } from './stores/index.ts'
export type { Evaluation } from './totals.ts'
export { openTrial, type Trial } from './trial.ts'
export { type Reasons, type Turnover, turnoverOf } from './turnover.ts'
export { lockFolder } from './writer-lock.ts'
