export type { DeliveryManifest } from './generated/delivery-manifest.ts'
export type * from './generated/job-plan.ts'
export type { RunInput } from './generated/run-input.ts'
export type { Detail, RunReport } from './generated/run-report.ts'
