// Generated from crds/ by `npm run generate`. Do not edit.
import type { Activation } from './activation.ts'
import type { CampaignInstance } from './campaign-instance.ts'
import type { CampaignSource } from './campaign-source.ts'
import type { Dataset } from './dataset.ts'
import type { Destination } from './destination.ts'
import type { Organization } from './organization.ts'
import type { ProfileStore } from './profile-store.ts'
import type { Run } from './run.ts'
import type { Segment } from './segment.ts'
export type * from './activation.ts'
export type * from './campaign-instance.ts'
export type * from './campaign-source.ts'
export type * from './dataset.ts'
export type * from './destination.ts'
export type * from './organization.ts'
export type * from './profile-store.ts'
export type * from './run.ts'
export type * from './segment.ts'
export type ResourceByKind = {
  readonly Activation: Activation
  readonly CampaignInstance: CampaignInstance
  readonly CampaignSource: CampaignSource
  readonly Dataset: Dataset
  readonly Destination: Destination
  readonly Organization: Organization
  readonly ProfileStore: ProfileStore
  readonly Run: Run
  readonly Segment: Segment
}
