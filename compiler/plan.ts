import {
  annotations,
  apiVersion,
  type Column,
  type DatasetPlan,
  type DataType,
  digestOf,
  type EvaluatePlan,
  type ExportPlan,
  type ImportPlan,
  type JobPlan,
  membershipPath,
  parseDurationSeconds,
  type StorePlan,
  type TransformStepPlan,
} from '#crds'
import { withoutConsent } from './consent.ts'
import { allowedMeasured } from './measured.ts'
import {
  type CompiledSegment,
  isCompiled,
  isLinkedActivation,
  isLinkedSource,
  type LinkedActivation,
  type LinkedSource,
  type Model,
  type StoreModel,
} from './model.ts'
import { type Condition, visit } from './pql/ir.ts'
import { idFieldOf, recordColumnsOf } from './record-columns.ts'
import { referencesFirst } from './references-first.ts'
import type { Resource } from './resource.ts'
import { constraintsAt } from './schema.ts'
import { duckdb } from './sql/duckdb.ts'
import { streamingQuery } from './sql/flip-query.ts'
import { printerOf } from './sql/print.ts'
import { transformSteps } from './transform.ts'

/**
 * Record guardrails of Real-Time CDP ("Default guardrails for Real-Time Customer Profile data"). There, sizes and identities are
 * enforced, too many events leave a profile out of segmentation, and long arrays cost performance.
 */
const recordLimits = {
  profileRecordBytes: 100 * 1024,
  eventBytes: 10 * 1024,
  eventsPerProfile: 5_000,
  eventArrayLength: 10,
  profileArrayLength: 500,
  identitiesPerProfile: 50,
}

/** What planning remembers from one compilation to the next, for as long as its ingredients are held. */
export type PlanMemory = {
  readonly plans: WeakMap<Target, { readonly madeOf: readonly unknown[]; readonly plan: JobPlan }>
  /** Texts of trees, as `meaningText` writes them. */
  readonly meanings: WeakMap<Condition, string>
}

export function openPlanMemory(): PlanMemory {
  return { plans: new WeakMap(), meanings: new WeakMap() }
}

/**
 * The plans of everything that runs: one for each ProfileStore, Activation and CampaignSource that `isRunnable` accepts, ordered by kind,
 * namespace and name. Segments that do not compile are left out. A plan that would come out as before is the same object as before.
 */
export function plansOf(
  model: Model,
  isRunnable: (resource: { readonly kind: string; readonly namespace: string; readonly name: string }) => boolean,
  memory: PlanMemory,
): JobPlan[] {
  const segmentsOf = Map.groupBy(
    model.segments.filter(isCompiled).filter(({ resource }) => isRunnable(resource)),
    ({ store }) => store,
  )
  const datasetsOf = Map.groupBy(
    model.datasets.filter(({ resource }) => isRunnable(resource)),
    ({ store }) => store,
  )
  const plans: JobPlan[] = []
  for (const store of model.stores) {
    const { resource } = store
    if (!isRunnable(resource)) continue
    const segments = segmentsOf.get(store) ?? []
    const datasets = (datasetsOf.get(store) ?? []).map((dataset) => dataset.resource)
    const madeOf = [
      ...datasets,
      ...segments.flatMap((segment) => [segment.condition, segment.resource.name, segment.resource.spec.evaluation]),
    ]
    plans.push(
      planned(memory, resource, madeOf, () => ({
        store: storePlan(store),
        ingest: { datasets: datasets.map((dataset) => datasetPlan(dataset, store)).sort(byName), limits: recordLimits },
        evaluate: evaluatePlan(segments, store, memory),
      })),
    )
  }
  for (const activation of model.activations.filter(isLinkedActivation)) {
    const { resource, destination, instance, store } = activation
    if (![resource, destination, instance, store.resource].every(isRunnable)) continue
    const segments = activation.segments.filter(isCompiled).filter((segment) => isRunnable(segment.resource))
    const database = instance.spec.database?.postgreSQL
    const organization = model.organizationOf(instance)?.name ?? instance.spec.organizationRef.name
    const madeOf = [
      destination,
      instance,
      store.resource,
      organization,
      ...segments.flatMap((segment) => [segment.resource.name, segment.resource.spec.displayName]),
    ]
    plans.push(
      planned(memory, resource, madeOf, () => ({
        store: storePlan(store),
        export: exportPlan(activation, segments, organization, instance.spec.limits.fileNameLength),
        ...(database ? { import: importPlan(activation, database) } : {}),
      })),
    )
  }
  for (const source of model.sources.filter(isLinkedSource)) {
    const { instance, store, resource } = source
    const database = instance.spec.database?.postgreSQL
    if (!database || ![resource, instance, store.resource].every(isRunnable)) continue
    plans.push(
      planned(memory, resource, [instance, store.resource], () => ({
        store: storePlan(store),
        extract: extractPlan(source, store, database),
      })),
    )
  }
  const key = (plan: JobPlan): string => `${plan.target.kind}/${plan.target.namespace}/${plan.target.name}`
  return plans.sort((a, b) => (key(a) < key(b) ? -1 : 1))
}

type Parts = Omit<JobPlan, 'apiVersion' | 'kind' | 'digest' | 'target'>

type Target = Resource<JobPlan['target']['kind']>

/** The plan of a resource and of everything else it is made of: a change to one of many stores makes only that store's plans anew. */
function planned({ plans }: PlanMemory, resource: Target, madeOf: readonly unknown[], parts: () => Parts): JobPlan {
  const known = plans.get(resource)
  if (known?.madeOf.length === madeOf.length && known.madeOf.every((part, index) => part === madeOf[index]))
    return known.plan
  const plan = sealed(resource, parts())
  plans.set(resource, { madeOf, plan })
  return plan
}

function sealed(resource: Target, parts: Parts): JobPlan {
  const body = {
    apiVersion,
    kind: 'JobPlan' as const,
    target: { kind: resource.kind, namespace: resource.namespace, name: resource.name },
    ...parts,
  }
  return { ...body, digest: digestOf(body) }
}

/** The store as every plan describes it. */
export function storePlan(store: StoreModel): StorePlan {
  const { spec, name } = store.resource
  return {
    name,
    volume: spec.storage.volume,
    engine: { type: spec.engine.type, duckDB: spec.engine.duckDB },
    // The API server sorts the keys of a schema: sorted here, a plan is the same whichever way the schema came.
    profile: [...store.profileColumns].sort(byPath),
    event: [...store.eventColumns].sort(byPath),
    // Absent fields stay absent in the plan: some defaults depend on how the store began.
    identities: spec.identities.map(
      ({ namespace, path, primary, unique, normalize, defaultCountry, placeholders }) => ({
        namespace,
        path,
        primary,
        ...(unique ? { unique } : {}),
        ...(normalize === undefined ? {} : { normalize }),
        ...(normalize === 'Phone' && defaultCountry !== undefined ? { defaultCountry } : {}),
        ...(placeholders === undefined ? {} : { placeholders }),
      }),
    ),
    mergePolicy: spec.mergePolicy,
  }
}

type DatasetSpec = Resource<'Dataset'>['spec']

function datasetPlan(dataset: Model['datasets'][number]['resource'], store: StoreModel): DatasetPlan {
  const { spec, name, metadata } = dataset
  const isEvent = spec.record === 'Event'
  const columns = isEvent ? store.eventColumns : store.profileColumns
  const schema = isEvent ? store.resource.spec.schema.event : store.resource.spec.schema.profile
  const {
    csv,
    include,
    exclude,
    partitions,
    ready,
    mode,
    delivery,
    onBadCell,
    timeFormats,
    timeZone,
    booleans,
    decimal,
  } = spec
  const lower = (values: readonly string[]) => values.map((value) => value.trim().toLowerCase())
  const approved = metadata.annotations?.[annotations.approve]?.split(/[\s,]+/).filter((part) => part !== '') ?? []
  return {
    name,
    record: spec.record,
    format: spec.format,
    ingestion: spec.ingestion,
    location: spec.location,
    timestamp: spec.timestamp,
    precedence: spec.precedence,
    // Absent fields stay absent in the plan, so that a Dataset keeps its digest, and its records, when a new field is added.
    ...given({ csv, include, exclude, partitions, eventId: spec.eventId, onBadCell, timeFormats, decimal }),
    ...given({ mode: mode === 'Snapshot' ? mode : undefined, delivery: delivery === 'Folder' ? delivery : undefined }),
    ...(ready && {
      ready: given({
        marker: ready.marker,
        minAgeSeconds: ready.minAge === undefined ? undefined : (parseDurationSeconds(ready.minAge) ?? undefined),
      }),
    }),
    ...(timeZone === undefined || timeZone === 'UTC' || timeZone === 'Etc/UTC' ? {} : { timeZone }),
    ...(booleans && {
      booleans: { trueValues: lower(booleans.trueValues), falseValues: lower(booleans.falseValues) },
    }),
    tolerance: {
      badRows: Number.parseFloat(spec.tolerance.badRows),
      maxShrink: Number.parseFloat(spec.tolerance.maxShrink),
      ...given({ minRows: spec.tolerance.minRows }),
    },
    ...(approved.length > 0 ? { approved } : {}),
    ...(spec.identity === undefined
      ? {}
      : { identity: { namespace: spec.identity.namespace, source: spec.identity.source } }),
    ...(spec.expectations.length > 0 && { expectations: expectationPlans(spec, store) }),
    mapping: spec.mapping.map(({ source, target, transform, emptyOverwrites }) => ({
      source,
      target,
      type: typeAt(columns, target),
      ...transformOf(stepPlans(transform, null)),
      ...given({ constraints: constraintsAt(schema, target), emptyOverwrites: emptyOverwrites || undefined }),
    })),
  }
}

function transformOf(transform: TransformStepPlan[]): { transform?: TransformStepPlan[] } {
  return transform.length === 0 ? {} : { transform }
}

/** `columns`: the profile's columns that steps may read; null: they read none. */
function stepPlans(transform: unknown, columns: readonly Column[] | null): TransformStepPlan[] {
  return transformSteps(transform).map((step): TransformStepPlan => {
    if (typeof step === 'string') return step
    if ('constant' in step) return { constant: String(step.constant) }
    if ('split' in step) return { split: { by: step.split.by, index: step.split.index ?? null } }
    if ('parseJson' in step) return { parseJson: step.parseJson === true ? [] : step.parseJson.split('.') }
    return {
      concat: step.concat.map((part) => {
        if (typeof part === 'string') return part
        if ('value' in part) return null
        return { source: part.source, ...(columns && { type: mappedType(columns, part.source) }) }
      }),
    }
  })
}

/** A step without arguments is written as its name alone, as plans have always had it. */
function columnTransform(transform: unknown, columns: readonly Column[]): ExportPlan['columns'][number]['transform'] {
  const steps = stepPlans(transform, columns)
  const [only = 'None'] = steps
  return steps.length <= 1 && typeof only === 'string' ? only : steps
}

function expectationPlans(spec: DatasetSpec, store: StoreModel): NonNullable<DatasetPlan['expectations']> {
  const columns = recordColumnsOf(spec)
  // A field that the Dataset does not read was refused before planning.
  const columnOf = (source: string) => ({ source, column: columns.get(source)! })
  const primary = store.resource.spec.identities.find((identity) => identity.primary)?.path
  return spec.expectations.map(({ requiredColumns, uniqueIds, acceptedValues, ...rest }) => ({
    ...rest,
    ...(requiredColumns && {
      requiredColumns: { ...requiredColumns, columns: requiredColumns.columns.map(columnOf) },
    }),
    ...(uniqueIds && {
      uniqueIds: { columns: (uniqueIds.columns ?? [idFieldOf(spec, primary)!]).map(columnOf) }, // as above
    }),
    ...(acceptedValues && { acceptedValues: { ...acceptedValues, column: columnOf(acceptedValues.column) } }),
  }))
}

/** The object without fields that are undefined. */
function given<T extends object>(fields: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as ReturnType<
    typeof given<T>
  >
}

function evaluatePlan(segments: readonly CompiledSegment[], store: StoreModel, memory: PlanMemory): EvaluatePlan {
  const ordered = [...segments].sort((a, b) => byName(a.resource, b.resource))
  const byNames = new Map(ordered.map((segment) => [segment.resource.name, segment]))
  const referencesOf = (name: string): readonly string[] => [...new Set(byNames.get(name)?.references ?? [])].sort()
  const digests = new Map<string, string>()
  for (const name of referencesFirst(byNames.keys(), referencesOf)) {
    const refersTo = referencesOf(name).map((other) => digests.get(other))
    digests.set(name, digestOf({ condition: meaningText(byNames.get(name)?.condition, memory), refersTo }))
  }
  const entries = (of: readonly CompiledSegment[]): { name: string; condition: Condition }[] =>
    of.map(({ resource, condition }) => ({ name: resource.name, condition }))
  const streaming = ordered.filter((segment) => segment.resource.spec.evaluation === 'Streaming')
  return {
    segments: ordered.map((segment) => ({
      name: segment.resource.name,
      digest: digests.get(segment.resource.name)!, // it has a digest for each Segment
      evaluation: segment.resource.spec.evaluation,
      ...(allowedMeasured(segment.resource.metadata.annotations?.[annotations.allow]).includes('large-audience') && {
        mayBeLarge: true,
      }),
    })),
    full: streamingQuery(entries(ordered), store.eventColumns),
    ...(streaming.length > 0 ? { streaming: streamingQuery(entries(streaming), store.eventColumns) } : {}),
  }
}

/** The tree as text without types: those follow from the schema, not from the definition. */
function meaningText(condition: Condition | undefined, { meanings }: PlanMemory): string | undefined {
  if (!condition) return undefined
  const text =
    meanings.get(condition) ?? JSON.stringify(condition, (key, value: unknown) => (key === 'type' ? undefined : value))
  meanings.set(condition, text)
  return text
}

function exportPlan(
  activation: LinkedActivation,
  segments: readonly CompiledSegment[],
  organization: string,
  fileNameLength: number,
): ExportPlan {
  const { destination, store } = activation
  const { spec, name } = activation.resource
  const { file } = destination.spec
  return {
    activation: name,
    organization,
    destination: {
      name: destination.name,
      location: destination.spec.location,
      syncType: destination.spec.syncType,
      file: {
        compression: file.compression,
        delimiter: file.delimiter,
        nullValue: file.nullValue,
        maxRows: file.maxRows,
        nameTemplate: file.nameTemplate,
      },
    },
    export: spec.export,
    incrementalOn: spec.incrementalOn,
    membershipStatus: spec.membershipStatus,
    segments: segments
      .map(({ resource }) => ({ name: resource.name, displayName: resource.spec.displayName }))
      .sort(byName),
    columns: spec.mapping.map((item) => ({
      source: item.source,
      target: item.target,
      type: mappedType(store.profileColumns, item.source),
      transform: columnTransform(item.transform, store.profileColumns),
      deduplicationKey: item.deduplicationKey,
      mandatory: item.mandatory,
    })),
    ...consentPlan(activation),
    ...(spec.circuitBreaker ? { circuitBreaker: spec.circuitBreaker } : {}),
    fileNameLength,
  }
}

function consentPlan({ resource, destination, store }: LinkedActivation): Pick<ExportPlan, 'consent'> {
  const without = resource.spec.consent ? null : withoutConsent(store, destination.spec.channel)
  if (!without) return {}
  const paths = new Set<string>()
  visit(without, (node) => {
    if (node.kind === 'column') paths.add(node.path)
  })
  return {
    consent: {
      columns: store.profileColumns.filter(({ path }) => paths.has(path)).sort(byPath),
      withoutConsent: `(${printerOf(duckdb).condition(without, new Map())} IS TRUE)`,
    },
  }
}

type PostgreSql = NonNullable<Resource<'CampaignInstance'>['spec']['database']>['postgreSQL']

function databasePlan(database: PostgreSql): ImportPlan['database'] {
  return {
    host: database.host,
    port: database.port,
    database: database.database,
    ...(database.sslMode ? { sslMode: database.sslMode } : {}),
    ...(database.caSecretRef ? { caSecretRef: database.caSecretRef } : {}),
    ...(database.credentialsSecretRef ? { credentialsSecretRef: database.credentialsSecretRef } : {}),
  }
}

function importPlan({ instance, destination }: LinkedActivation, database: PostgreSql): ImportPlan {
  const { targetMapping, limits } = instance.spec
  return {
    instance: instance.name,
    database: databasePlan(database),
    target: {
      schema: targetMapping.schema,
      table: targetMapping.table,
      columns: targetMapping.columns,
      reconciliationKey: targetMapping.reconciliationKey as [string, ...string[]],
      optOutColumns: targetMapping.optOutColumns,
    }, // not empty, by missing-reconciliation-key
    syncType: destination.spec.syncType,
    location: destination.spec.location,
    retention: limits.retention,
  }
}

function extractPlan(source: LinkedSource, store: StoreModel, database: PostgreSql): NonNullable<JobPlan['extract']> {
  const { spec, name } = source.resource
  return {
    instance: source.instance.name,
    source: name,
    database: databasePlan(database),
    identity: spec.identity,
    overlap: spec.overlap,
    overlapRows: spec.overlapRows,
    tables: spec.tables.map((table) => ({
      name: table.name,
      eventType: table.eventType,
      watermark: table.watermark,
      ...(table.key && { key: table.key as [string, ...string[]] }), // not empty, by its minItems
      // Without a mapping the job reads every column that names a schema path; only the database knows which those are.
      mapping: table.mapping.map(({ source: from, target }) => ({
        source: from,
        target,
        type: typeAt(store.eventColumns, target),
      })),
    })),
  }
}

function typeAt(columns: readonly Column[], path: string): DataType {
  // A path that does not exist was refused before planning.
  return columns.find((column) => column.path === path)?.type ?? 'string'
}

/** The type of a profile's path, or of what a path reads of a Segment's membership. */
function mappedType(columns: readonly Column[], path: string): DataType {
  const membership = columns.some((column) => column.path === path) ? null : membershipPath(path)
  return membership ? (membership.part === 'status' ? 'string' : 'timestamp') : typeAt(columns, path)
}

function byName(a: { readonly name: string }, b: { readonly name: string }): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0
}

function byPath(a: Column, b: Column): number {
  return a.path < b.path ? -1 : 1
}
