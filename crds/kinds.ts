import type { ResourceByKind } from './generated/resources.ts'

export const group = 'convoke.dev'
export const version = 'v1alpha1'
export const apiVersion = `${group}/${version}` as const

type KindFacts = {
  readonly plural: string
  readonly singular: string
  readonly shortName: string
  /** Name of its file in crds/ and crds/generated/, without extension. */
  readonly file: string
  /** What the kind is, in a few words, for catalogues. */
  readonly summary: string
  /** Whether Runs execute it: it has slots, plans and a history. */
  readonly isRunnable: boolean
  /** Who writes it: people who write audiences, or people who are responsible for limits and entitlements. */
  readonly writtenBy: 'authors' | 'platform'
}

/** One row per CRD, in the order in which kinds are listed. A field whose name is a kind's with `Ref` refers to a resource of that kind. */
export const kinds = {
  Organization: {
    plural: 'organizations',
    singular: 'organization',
    shortName: 'org',
    file: 'organization',
    summary: 'The IMS organization and what it is entitled to',
    isRunnable: false,
    writtenBy: 'platform',
  },
  ProfileStore: {
    plural: 'profilestores',
    singular: 'profilestore',
    shortName: 'pstore',
    file: 'profile-store',
    summary: 'Profiles and events, their union schema, and when Segments are evaluated',
    isRunnable: true,
    writtenBy: 'authors',
  },
  Dataset: {
    plural: 'datasets',
    singular: 'dataset',
    shortName: 'dset',
    file: 'dataset',
    summary: 'One source of records for a ProfileStore',
    isRunnable: false,
    writtenBy: 'authors',
  },
  Segment: {
    plural: 'segments',
    singular: 'segment',
    shortName: 'seg',
    file: 'segment',
    summary: 'An audience, the profiles for which a PQL expression is true',
    isRunnable: false,
    writtenBy: 'authors',
  },
  CampaignInstance: {
    plural: 'campaigninstances',
    singular: 'campaigninstance',
    shortName: 'cinst',
    file: 'campaign-instance',
    summary: 'An Adobe Campaign v8 instance with its target mapping and limits',
    isRunnable: false,
    writtenBy: 'platform',
  },
  Destination: {
    plural: 'destinations',
    singular: 'destination',
    shortName: 'dest',
    file: 'destination',
    summary: 'A landing zone and how files look there',
    isRunnable: false,
    writtenBy: 'authors',
  },
  Activation: {
    plural: 'activations',
    singular: 'activation',
    shortName: 'act',
    file: 'activation',
    summary: 'Which Segments go to which Destination, and when',
    isRunnable: true,
    writtenBy: 'authors',
  },
  CampaignSource: {
    plural: 'campaignsources',
    singular: 'campaignsource',
    shortName: 'csrc',
    file: 'campaign-source',
    summary: 'Logs of Campaign, read back as events',
    isRunnable: true,
    writtenBy: 'authors',
  },
  Run: {
    plural: 'runs',
    singular: 'run',
    shortName: 'run',
    file: 'run',
    summary: 'One execution with its steps and results',
    isRunnable: false,
    writtenBy: 'authors',
  },
} as const satisfies Readonly<Record<keyof ResourceByKind, KindFacts>>

export type Kind = keyof typeof kinds

/** Kinds that a Run executes. */
export type RunnableKind = { [K in Kind]: (typeof kinds)[K]['isRunnable'] extends true ? K : never }[Kind]

// The keys of a table of literals, in its order.
export const kindNames = Object.keys(kinds) as readonly Kind[]
export const runnableKinds = kindNames.filter(isRunnable)
/** The kinds that people write in YAML: resources, and tests of Segments. */
export const writtenKinds = [...kindNames, 'SegmentTest'] as const

export type Resource = ResourceByKind[Kind]
export type SpecOf<K extends Kind> = ResourceByKind[K]['spec']
export type StatusOf<K extends Kind> = NonNullable<ResourceByKind[K]['status']>

export function isKind(text: string): text is Kind {
  return Object.hasOwn(kinds, text)
}

export function isRunnable(kind: Kind): kind is RunnableKind {
  return kinds[kind].isRunnable
}

/** The kind that a field with this name refers to (`profileStoreRef`, `segmentRefs`); null where it refers to none. */
export function referredKind(field: string): Kind | null {
  const [, name] = /^(\w+)Refs?$/.exec(field) ?? []
  const kind = name && name.charAt(0).toUpperCase() + name.slice(1)
  return kind && isKind(kind) ? kind : null
}
