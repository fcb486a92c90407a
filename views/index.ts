export type { ActivationKnowledge, CampaignKnowledge, Knowledge, StoreKnowledge } from './knowledge.ts'
export {
  type NextSlot,
  type Outcome,
  type RunDocument,
  runDocument,
  type SegmentRow,
} from './run-document.ts'
export { runReport } from './run-report.ts'
export * from './words.ts'
