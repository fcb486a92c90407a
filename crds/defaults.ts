import type { DatasetLocation, DestinationLocation } from './generated/job-plan.ts'
import { locationDefaults } from './generated/location-defaults.ts'
import type { Kind, SpecOf } from './kinds.ts'
import type { LocationKind } from './locations.ts'

/** A spec with a value for every field that has a default. Lists keep their order. */
export type Defaulted<K extends Kind> = ReturnType<(typeof defaults)[K]>

/**
 * The spec with every default filled in. The CRDs themselves have no defaults: the API server would write those back, and the resource
 * would differ from Git for ever. `name` is the resource's, the default of a Segment's display name.
 */
export function withDefaults<K extends Kind>(kind: K, spec: SpecOf<K>, name: string): Defaulted<K> {
  // A row of `defaults` takes the spec of its own kind, which TypeScript cannot follow through a generic key.
  return (defaults[kind] as unknown as (spec: SpecOf<K>, name: string) => Defaulted<K>)(spec, name)
}

const defaults = {
  Organization: (spec: SpecOf<'Organization'>) => ({
    productContexts: [],
    ...spec,
    limits: { mergePolicies: 5, destinations: 100, ...spec.limits },
  }),

  ProfileStore: (spec: SpecOf<'ProfileStore'>) => ({
    strictPql: false,
    ...spec,
    identities: spec.identities.map((identity) => ({ primary: false, unique: false, ...identity })),
    mergePolicy: { attributes: 'TimestampOrdered' as const, stitching: 'None' as const, ...spec.mergePolicy },
    evaluation: {
      ...spec.evaluation,
      batch: { schedule: '0 1 * * *', timeZone: 'Etc/UTC', ...spec.evaluation?.batch },
      ...(spec.evaluation?.streaming && { streaming: { every: streamingInterval, ...spec.evaluation.streaming } }),
    },
    engine: {
      type: 'DuckDB' as const,
      ...spec.engine,
      duckDB: { threads: 2, memoryLimit: '1Gi', ...spec.engine?.duckDB },
      ...(spec.engine?.spark && {
        spark: {
          ...spec.engine.spark,
          driver: { cores: 1, memory: '1Gi', ...spec.engine.spark.driver },
          executor: { instances: 2, cores: 1, memory: '1Gi', ...spec.engine.spark.executor },
        },
      }),
    },
    historyLimits: historyLimits(spec),
    retry: retryPolicy(spec.retry),
    podTemplate: podTemplate(spec),
  }),

  Dataset: (spec: SpecOf<'Dataset'>) => ({
    ingestion: 'Batch' as const,
    precedence: 0,
    mode: 'Append' as const,
    delivery: 'File' as const,
    onBadCell: 'DropRow' as const,
    ...spec,
    location: location<'Dataset'>(spec.location),
    expectations: (spec.expectations ?? []).map(expectation),
    tolerance: { badRows: '1%', maxShrink: '50%', ...spec.tolerance },
  }),

  Segment: (spec: SpecOf<'Segment'>, name: string) => ({
    displayName: name,
    evaluation: 'Batch' as const,
    deletionPolicy: 'Retain' as const,
    ...spec,
  }),

  CampaignInstance: ({ database, ...spec }: SpecOf<'CampaignInstance'>) => ({
    unknownProfiles: 'Reject',
    ...spec,
    ...(database && {
      database: { postgreSQL: { port: 5432, sslMode: 'VerifyFull' as const, ...database.postgreSQL } },
    }),
    targetMapping: { name: '', schema: 'public', optOutColumns: [], ...spec.targetMapping },
    limits: {
      segments: 50,
      attributes: 20,
      minActivationInterval: '3h',
      fileNameLength: 255,
      retention: '168h',
      sourceFields: 20,
      ...spec.limits,
    },
    enforcement: {
      segments: 'Enforce' as const,
      attributes: 'Enforce' as const,
      minActivationInterval: 'Enforce' as const,
      fileNameLength: 'Enforce' as const,
      retention: 'Enforce' as const,
      sourceFields: 'Enforce' as const,
      ...spec.enforcement,
    },
    podTemplate: podTemplate(spec),
  }),

  Destination: (spec: SpecOf<'Destination'>) => ({
    syncType: 'Audience' as const,
    ...spec,
    location: location<'Destination'>(spec.location),
    file: {
      format: 'CSV' as const,
      compression: 'None' as const,
      encryption: 'None',
      delimiter: ',',
      nullValue: '',
      maxRows: 5_000_000,
      nameTemplate: '{destination}_{segment}_{timestamp}',
      ...spec.file,
    },
    podTemplate: podTemplate(spec),
  }),

  Activation: (spec: SpecOf<'Activation'>) => ({
    export: 'Incremental' as const,
    incrementalOn: 'Membership' as const,
    membershipStatus: 'Include' as const,
    suspend: false,
    concurrencyPolicy: 'Forbid' as const,
    catchUp: 'Latest' as const,
    ...spec,
    mapping: spec.mapping.map((item) => ({
      deduplicationKey: false,
      mandatory: false,
      transform: 'None' as const,
      ...item,
    })),
    historyLimits: historyLimits(spec),
    retry: retryPolicy(spec.retry),
    ...(spec.circuitBreaker && {
      circuitBreaker: { allowEmpty: false, minPeople: 0, hold: 'All' as const, ...spec.circuitBreaker },
    }),
  }),

  CampaignSource: (spec: SpecOf<'CampaignSource'>) => ({
    timeZone: 'Etc/UTC',
    overlap: '10m',
    overlapRows: 1000,
    ...spec,
    tables: spec.tables.map((table) => ({ mapping: [], ...table })),
    historyLimits: historyLimits(spec),
    retry: retryPolicy(spec.retry),
  }),

  Run: (spec: SpecOf<'Run'>) => ({ approved: [], ...spec }),
}

/** How often Streaming Segments are evaluated, where the store does not say. */
export const streamingInterval = '5m'

type Expectation = NonNullable<SpecOf<'Dataset'>['expectations']>[number]

function expectation({ freshness, deliverySize, requiredColumns, acceptedValues, ...rest }: Expectation) {
  return {
    severity: 'Warn' as const,
    ...rest,
    ...(freshness && { freshness: { of: 'Records' as const, ...freshness } }),
    ...(deliverySize && { deliverySize: { deliveries: 7, ...deliverySize } }),
    ...(requiredColumns && { requiredColumns: { minPercent: 100, ...requiredColumns } }),
    ...(acceptedValues && { acceptedValues: { minPercent: 100, ...acceptedValues } }),
  }
}

function location<In extends 'Dataset' | 'Destination'>(location: SpecOf<In>['location']) {
  const filled = Object.entries(location).map(([kind, place]) => [
    kind,
    { ...locationDefaults[kind as LocationKind], ...place }, // the keys of a location are kinds
  ])
  // A location in a plan has a value for every field that has a default.
  return Object.fromEntries(filled) as In extends 'Dataset' ? DatasetLocation : DestinationLocation
}

function historyLimits(spec: { readonly historyLimits?: { successful?: number; failed?: number } }) {
  return { successful: 3, failed: 3, ...spec.historyLimits }
}

/**
 * How often a Run is tried again, and how long after a failure: by default ten times within about five hours, so that an outage of an
 * hour costs a daily Run nothing.
 */
export function retryPolicy(retry: { limit?: number; backoff?: string } = {}): { limit: number; backoff: string } {
  return { limit: 10, backoff: '1m', ...retry }
}

type PodTemplate = NonNullable<SpecOf<'Destination'>['podTemplate']>

function podTemplate(spec: { readonly podTemplate?: PodTemplate }): PodTemplate {
  return spec.podTemplate ?? {}
}
