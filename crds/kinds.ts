import type { Activation } from './generated/activation.ts'
import type { CampaignInstance } from './generated/campaign-instance.ts'
import type { CampaignSource } from './generated/campaign-source.ts'
import type { Dataset } from './generated/dataset.ts'
import type { Destination } from './generated/destination.ts'
import type { Organization } from './generated/organization.ts'
import type { ProfileStore } from './generated/profile-store.ts'
import type { Run } from './generated/run.ts'
import type { Segment } from './generated/segment.ts'

export const group = 'convoke.dev'
export const version = 'v1alpha1'
export const apiVersion = `${group}/${version}` as const

/** One row per CRD: its names in the API server, and the file in crds/ (and crds/generated/) without extension. */
export const kinds = {
  Organization: { plural: 'organizations', singular: 'organization', shortName: 'org', file: 'organization' },
  ProfileStore: { plural: 'profilestores', singular: 'profilestore', shortName: 'pstore', file: 'profile-store' },
  Dataset: { plural: 'datasets', singular: 'dataset', shortName: 'dset', file: 'dataset' },
  Segment: { plural: 'segments', singular: 'segment', shortName: 'seg', file: 'segment' },
  CampaignInstance: {
    plural: 'campaigninstances',
    singular: 'campaigninstance',
    shortName: 'cinst',
    file: 'campaign-instance',
  },
  Destination: { plural: 'destinations', singular: 'destination', shortName: 'dest', file: 'destination' },
  Activation: { plural: 'activations', singular: 'activation', shortName: 'act', file: 'activation' },
  CampaignSource: { plural: 'campaignsources', singular: 'campaignsource', shortName: 'csrc', file: 'campaign-source' },
  Run: { plural: 'runs', singular: 'run', shortName: 'run', file: 'run' },
} as const satisfies Record<string, KindFacts>

type KindFacts = {
  readonly plural: string
  readonly singular: string
  readonly shortName: string
  readonly file: string
}

export type Kind = keyof typeof kinds

export type ResourceByKind = {
  readonly Organization: Organization
  readonly ProfileStore: ProfileStore
  readonly Dataset: Dataset
  readonly Segment: Segment
  readonly CampaignInstance: CampaignInstance
  readonly Destination: Destination
  readonly Activation: Activation
  readonly CampaignSource: CampaignSource
  readonly Run: Run
}

export type Resource = ResourceByKind[Kind]
export type SpecOf<K extends Kind> = ResourceByKind[K]['spec']
export type StatusOf<K extends Kind> = NonNullable<ResourceByKind[K]['status']>
/** Kinds that a Run executes. */
export type RunnableKind = Run['spec']['target']['kind']

export function isKind(text: string): text is Kind {
  return Object.hasOwn(kinds, text)
}
