export { isWaitingReason } from './attention.ts'
export {
  type Catalog,
  type CountedSweep,
  type CountedWaterfall,
  catalogOf,
  type Shared,
  type TestedCase,
} from './catalog/catalog.ts'
export { catalogSite } from './catalog/site.ts'
export { leftOutIn } from './delivery.ts'
export { phraseText } from './expression.ts'
export { type GraphDocument, graphDocument } from './graph-document.ts'
export type { ActivationKnowledge, CampaignKnowledge, Knowledge, StoreKnowledge } from './knowledge.ts'
export {
  type AudienceCount,
  consentChanged,
  type ExpectedDelivery,
  newlyDelivered,
  type PlanDocument,
  type PlannedAudience,
  type PlanWarning,
  planDocument,
} from './plan-document.ts'
export { planReport } from './plan-report.ts'
export {
  type NextSlot,
  type Outcome,
  type RunDocument,
  runDocument,
  type SegmentRow,
} from './run-document.ts'
export { runReport, shownRows, totalsOf } from './run-report.ts'
export { stepWords } from './step-words.ts'
export { type TestedDocument, testReport } from './test-report.ts'
export * from './words.ts'
