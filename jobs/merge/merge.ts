import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { IngestPlan, StorePlan } from '#crds'
import { digestOf, sha256 } from '../digest.ts'
import { type Engine, readParquet } from '../engines/duckdb.ts'
import { JobError } from '../errors.ts'
import type { Ports } from '../ports.ts'
import type { DataManifest, SourceState } from '../profile-store.ts'
import { checkFiles } from '../store-files.ts'
import { bucketWriter, chooseBuckets, countRows, isOutgrown } from './buckets.ts'
import { mergeEvents } from './events.ts'
import { type IdentityRule, identityRulesOf, isPlain } from './identities.ts'
import { type IdentityGraph, writeIdentityGraph } from './identity-graph.ts'
import { type People, type Placeholder, peopleOf, placeholdersIn } from './people.ts'
import { mergeProfiles, touchedProfiles } from './profiles.ts'
import {
  activeRecords,
  clearable,
  holdsEvents,
  holdsProfiles,
  type Places,
  precedencesOf,
  recordsOf,
  takenIn,
} from './records.ts'

export type MergeContext = {
  readonly engine: Engine
  readonly root: string
  readonly store: StorePlan
  readonly plan: IngestPlan
  readonly ports: Ports
}

/** The change from one data version to the next. */
export type Change = {
  /** The current version; null for the first ingest. */
  readonly before: DataManifest | null
  /** The version to grow from; null: everything is made again. */
  readonly previous: DataManifest | null
  /** Record files of the new version; those that the version before lacked; those that only the version before had. */
  readonly records: readonly string[]
  readonly added: readonly string[]
  readonly removed: readonly string[]
  /** The files of `records` whose content this ingest took in; their places are `since` and later. */
  readonly taken: readonly string[]
  readonly since: number
  readonly buckets: number
  /** The file of the identity graph; null without stitching. */
  readonly graph: string | null
  /** Folder of the new version's files, relative to the root. */
  readonly folder: string
}

export type MergedData = {
  readonly manifest: DataManifest
  readonly people: readonly People[]
  readonly placeholders: readonly Placeholder[]
}

/**
 * Writes the data version that holds the records of the sources `found`, and does not commit it. Where no record differs, this is the
 * version before with these sources.
 * New events are appended to their buckets. Buckets that lose a record, or decide anew between records, are made again from the record
 * files. Everything is made again when the way of merging changes, when the data has outgrown its buckets, and, with a private graph,
 * when any profile record changes, because that can join profiles anywhere.
 */
export async function mergeData(
  context: MergeContext,
  before: DataManifest | null,
  found: Readonly<Record<string, SourceState>>,
): Promise<MergedData> {
  const { engine, root, store, plan } = context
  const { sources, isTaken } = takenIn(found, before)
  const places = activeRecords(plan, sources)
  const files = [...places.keys()]
  // A store whose data began before normalising stays as it is, unless its own fields ask for it.
  const normalizesByNamespace = before === null || before.merged.records.length === 0 || before.normalizesByNamespace
  const ruled = identityRulesOf(store, { normalizesByNamespace })
  const definition = mergeDefinitionOf(store, plan, ruled)
  const was = new Set(before?.merged.records)
  const is = new Set(files)
  const added = files.filter((path) => !was.has(path))
  const removed = (before?.merged.records ?? []).filter((path) => !is.has(path))
  if (before && added.length === 0 && removed.length === 0 && before.merged.definition === definition) {
    return { manifest: { ...before, sources }, people: [], placeholders: [] }
  }

  const isStitched = store.mergePolicy.stitching === 'PrivateGraph'
  const profilesChanged = [...added, ...removed].some(holdsProfiles)
  const canGrow =
    before !== null &&
    before.merged.definition === definition &&
    !(isStitched && profilesChanged) &&
    !isOutgrown(store, before, await countRows(engine, root, added.filter(holdsEvents)))
  const previous = canGrow ? before : null
  // The same records after the same version give the same name: an attempt that was cut off writes the same files again.
  const version = sha256(digestOf({ previous: before?.version ?? null, definition, records: files })).slice(0, 16)
  const folder = `data/${version}`
  mkdirSync(join(root, folder), { recursive: true })
  const graph = isStitched ? await identityGraph(context, ruled, previous, folder, places) : null
  const rules = graph?.rules ?? ruled
  const records = recordsOf(context, rules, places, graph?.file ?? null)
  const buckets =
    previous?.buckets ?? (await chooseBuckets(engine, store, records.profiles(files), records.events(files)))
  const taken = files.filter(isTaken)
  // Rows from `since` on are of files that this ingest took in: they are told by their place where older rows stand beside them.
  const since = taken.reduce((least, file) => Math.min(least, places.get(file) ?? 0), Number.MAX_SAFE_INTEGER)
  const change: Change = {
    before,
    previous,
    records: files,
    added,
    removed,
    taken,
    since,
    buckets,
    graph: graph?.file ?? null,
    folder,
  }
  using writer = bucketWriter(context, folder, buckets)
  const check = (some: readonly string[]) => checkFiles(root, some, before?.checksums)
  const { merged, profiles, remade, touched } = await mergeAll().catch(async (error: unknown) => {
    // A file that the engine cannot read may be damaged.
    if (!(error instanceof JobError) && !context.ports.signal.aborted) await check(files)
    throw error
  })
  // Files that were read as a whole; of others the engine reads a column or two.
  if (merged.rebuilt.size > 0) await check(files.filter(holdsEvents))
  if (remade.size > 0) await check(files.filter(holdsProfiles))
  const manifest: DataManifest = {
    version,
    previous: before?.version ?? null,
    buckets,
    profiles,
    events: merged.events,
    leftOutProfiles: merged.leftOut,
    touched,
    identities: graph?.file ?? null,
    normalizesByNamespace,
    ...(graph && { sharedIdentities: sharedIn(graph.rules), splitGraphs: graph.split }),
    merged: { records: files, definition },
    profileCount: await countRows(engine, root, profiles.flat()),
    eventCount: await countRows(engine, root, merged.events.flat()),
    sources,
    leftOut: await countLeftOut(engine, root, merged.leftOut.flat()),
  }
  return {
    manifest,
    people: await peopleOf(context, records, writer, change, profiles),
    placeholders: await placeholdersIn(context, records, change),
  }

  async function mergeAll() {
    const merged = await mergeEvents(context, records, writer, change)
    const made = await mergeProfiles(context, records, writer, change, merged)
    return { merged, ...made, touched: await touchedProfiles(context, records, writer, change, merged) }
  }
}

/** The graph of the version to grow from, whose profile records are the same; else a new one. */
function identityGraph(
  context: MergeContext,
  rules: readonly IdentityRule[],
  previous: DataManifest | null,
  folder: string,
  places: Places,
): Promise<IdentityGraph> | IdentityGraph {
  if (previous?.identities == null)
    return writeIdentityGraph(context, rules, folder, [...places.keys()].filter(holdsProfiles), places)
  return {
    file: previous.identities,
    rules: identityRulesOf(context.store, previous),
    split: previous.splitGraphs ?? 0,
  }
}

function sharedIn(rules: readonly IdentityRule[]): NonNullable<DataManifest['sharedIdentities']> {
  return Object.fromEntries(rules.flatMap(({ namespace, shared }) => (shared.length > 0 ? [[namespace, shared]] : [])))
}

function mergeDefinitionOf(store: StorePlan, plan: IngestPlan, rules: readonly IdentityRule[]): string {
  const { profile, event, mergePolicy } = store
  const { eventsPerProfile, identitiesPerProfile } = plan.limits
  return digestOf({
    layout: 1,
    profile,
    event,
    identities: store.identities.map(({ namespace, path, primary }) => ({ namespace, path, primary })),
    // Absent where all namespaces are plain, so that digests from before there were rules stay valid.
    ...(rules.every(isPlain) ? {} : { rules }),
    mergePolicy,
    eventsPerProfile,
    identitiesPerProfile,
    precedences: precedencesOf(plan),
    ...(clearable(plan).length > 0 ? { clearable: clearable(plan) } : {}),
  })
}

async function countLeftOut(engine: Engine, root: string, files: readonly string[]): Promise<DataManifest['leftOut']> {
  const rows =
    files.length === 0
      ? []
      : await engine.rows(`SELECT reason, count(*) AS rows FROM ${readParquet(root, files)} GROUP BY 1`)
  const of = (reason: string) => Number(rows.find((row) => row['reason'] === reason)?.['rows'] ?? 0)
  return { eventsPerProfile: of('eventsPerProfile'), identitiesPerProfile: of('identitiesPerProfile') }
}
