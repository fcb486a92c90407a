/**
 * Layout of a ProfileStore on its volume, under the claim's folder joined with the volume's path (the root):
 *
 *   data.json                       DataManifest: the current data, committed by ingest and extract
 *   membership.json                 MembershipManifest: the current membership version, committed by evaluate
 *   records/<source>/…              normalized records per source file, immutable, named by content and definition
 *   rejects/<source>/…csv           rows that could not be read, with their values, per source file
 *   data/<version>/…                merged profiles and bucketed events; manifest.json: the DataManifest committed with it
 *   membership/<version>/…          membership and transitions of one version, MembershipManifests of kept ones
 *   delivered/<activation>/<segment>/<run>.parquet   what an export delivered, the baseline of later ones
 *   reports/<run>/<step>-<attempt>.json   full RunReports
 *   writer.lock                     who writes: one writer at a time
 *
 * A reader trusts a manifest and nothing else: it names exactly the files of its version, relative to the root. A manifest is
 * replaced by an atomic rename after everything it names is on disk, so a reader sees a whole version or the one before.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'
import type { Column, StorePlan } from '#crds'
import { identifier, literal, readParquet, sqlTypeOf } from './engines/duckdb.ts'
import { JobError } from './errors.ts'
import type { Ports } from './ports.ts'
import { manifestText, readManifest } from './store-format.ts'

/** A bucket's Parquet files, relative to the root. Index in the array = bucket number. */
export type BucketFiles = readonly (readonly string[])[]

export type DataManifest = {
  readonly version: string
  /** The version before, whose files are still there for readers that began with it; null for the first. */
  readonly previous: string | null
  /** A power of two. Profile id → bucket: see `bucketSql`. */
  readonly buckets: number
  /**
   * "$profile" VARCHAR, "$known" BOOLEAN (whether a record with the primary identity is among what is known; earlier versions of convoke
   * did not say) and one column per profile Column that any file has; one row per profile; sorted by "$profile".
   */
  readonly profiles: BucketFiles
  /**
   * "$profile" VARCHAR, "$namespace" VARCHAR (of the identity it came with) and one column per event Column (`timestamp` among them); each
   * file sorted by ("$profile", timestamp).
   */
  readonly events: BucketFiles
  /** "$profile" and reason VARCHAR of those left out; neither `profiles` nor `events` hold them. */
  readonly leftOutProfiles: BucketFiles
  /**
   * Per bucket, files whose "$profile" names everybody whose profile or events differ from the version before; null: anybody's may.
   * Absent in what an earlier version of convoke wrote.
   */
  readonly touched?: readonly (readonly string[] | null)[]
  /** Private graph only: node VARCHAR (`namespace:value`), profile VARCHAR and size (identities of that profile) BIGINT. */
  readonly identities: string | null
  /**
   * Whether identities of which the store does not say how they are compared are normalised by their namespace, and the usual
   * placeholders stand for nobody: true where the store's data began with that.
   */
  readonly normalizesByNamespace: boolean
  /** Private graph only: per namespace, the values that stand for nobody because too many people have them. */
  readonly sharedIdentities?: Readonly<Record<string, readonly string[]>>
  /** Private graph only: how many graphs were parted because they held two identities of a unique namespace. */
  readonly splitGraphs?: number
  /** Record files that `profiles` and `events` are made of, sorted, and the digest of how they were merged. Those in `sources` but not here are merged by the next ingest. */
  readonly merged: { readonly records: readonly string[]; readonly definition: string }
  readonly profileCount: number
  readonly eventCount: number
  /** What is in, per Dataset (and CampaignSource): source files by path, each with its content hash and its records' files. */
  readonly sources: Readonly<Record<string, SourceState>>
  /** Profiles left out of segmentation because they exceed a guardrail (events per profile, identities per profile). */
  readonly leftOut: LeftOut
  /** SHA-256 of the files of this version, by path; absent in what an earlier version of convoke wrote. */
  readonly checksums?: Readonly<Record<string, string>>
}

export type LeftOut = { readonly eventsPerProfile: number; readonly identitiesPerProfile: number }

export type SourceState = {
  /** Digest of the Dataset's plan; another digest means its files are read again. */
  readonly definition: string
  readonly files: Readonly<Record<string, SourceFileState>>
  /** Files that nothing was taken in of as they are now; what an earlier content of the same name brought is in `files`. */
  readonly refused?: Readonly<Record<string, RefusedFile>>
  /** A Dataset of whole deliveries: the name of the one that is in, null before the first; and what was looked at, by name. */
  readonly snapshot?: { readonly delivery: string | null; readonly seen: Readonly<Record<string, string>> }
  /** CampaignSource only: table → watermark value as text. */
  readonly watermarks?: Readonly<Record<string, string>>
  /** CampaignSource only: table → the columns that make up a row's id where the table has no key; those that it had when it was first read. */
  readonly columns?: Readonly<Record<string, readonly string[]>>
  /** Datasets only: the latest deliveries, in order; those before the first are not remembered. */
  readonly deliveries?: readonly Delivery[]
  /** By name: what a look at the content of the latest delivery found. `digest` is of the expectation and of which delivery that was. */
  readonly expectations?: Readonly<
    Record<string, { readonly digest: string; readonly met: boolean; readonly message: string }>
  >
}

/** What one ingest took in of a Dataset: files that were new, or whose content had changed. */
export type Delivery = {
  /** As in SourceFileState. */
  readonly taken: number
  /** The instant of that ingest. */
  readonly at: string
  readonly rows: number
  /** The latest time of its records that was not ahead; null where there is none. */
  readonly newest: string | null
}

export type SourceFileState = {
  readonly sha256: string
  readonly bytes: number
  /** Record files relative to the root. */
  readonly records: readonly string[]
  readonly counts: Readonly<Record<string, number>>
  /**
   * Number of the ingest that took this content in, counted from 1: of records with the same time the one taken in later stands, within
   * one ingest that of the later name, within one file the later row. Absent in what an earlier version of convoke took in.
   */
  readonly taken?: number
}

export type RefusedFile = {
  readonly sha256: string
  /** As in SourceState: under another one it is read again. */
  readonly definition: string
  /** Whole sentences for people. */
  readonly message: string
  /** Whether somebody may let it pass as it is; what cannot be read at all cannot be taken in. */
  readonly approvable: boolean
  /** The list of its bad rows, relative to the root; null where there is none. */
  readonly rejects: string | null
  readonly counts: Readonly<Record<string, number>>
}

export type MembershipManifest = {
  readonly version: string
  /** The version before, null for the first. */
  readonly previous: string | null
  readonly run: string
  readonly evaluation: 'Batch' | 'Streaming'
  readonly evaluatedAt: string
  readonly planDigest: string
  readonly dataVersion: string
  readonly buckets: number
  /** Where each Segment's bit and time are; a slot is kept for a Segment's life. Ordered by segment name. */
  readonly segments: readonly MembershipSegment[]
  /**
   * Per bucket: "$profile" VARCHAR, words m0, m1, … BIGINT (bit slot % 60 of word floor(slot / 60) set: realized) and per slot N
   * a column tN TIMESTAMP: since when the profile has that status; null if it never was in the Segment. tN set and bit clear: exited.
   * One row per profile that is or was in something, sorted by "$profile".
   */
  readonly files: BucketFiles
  /** Per bucket, rows of the same shape that stand in place of those of the same profile in `files`; absent: none. */
  readonly changed?: BucketFiles
  /** History of this version: "$profile", segment VARCHAR, change VARCHAR ('entered' | 'exited'), at TIMESTAMP. */
  readonly transitions: readonly string[]
  /** Segments that the engine could not evaluate: their members are as they were. Absent: none. */
  readonly failed?: readonly { readonly segment: string; readonly message: string }[]
  /** As in DataManifest. */
  readonly checksums?: Readonly<Record<string, string>>
}

export type MembershipSegment = {
  readonly segment: string
  /** Digest of the definition that the bits come from. */
  readonly digest: string
  readonly slot: number
  readonly evaluatedAt: string
  readonly members: number
  readonly entered: number
  readonly exited: number
}

export const slotsPerWord = 60

/** SQL for the bucket of a profile id: our own function of the id, never an engine's hash, so every engine and version agrees. */
export function bucketSql(profileId: string, buckets: number): string {
  return `(('0x' || substr(md5(${profileId}), 1, 4))::INTEGER % ${buckets})`
}

/**
 * SELECT of a bucket's memberships in the named Segments: "$profile", segment VARCHAR, realized BOOLEAN, since TIMESTAMP; a row for
 * each profile that is (realized) or was (not realized) in it. A Segment that the version does not know has no rows.
 */
export function membersSql(
  manifest: MembershipManifest,
  root: string,
  bucket: number,
  segments: readonly string[],
): string {
  const wanted = manifest.segments.filter(({ segment }) => segments.includes(segment))
  const rows = membershipRowsSql(manifest, root, bucket)
  const empty = `SELECT NULL::VARCHAR AS "$profile", NULL::VARCHAR AS segment, NULL::BOOLEAN AS realized, NULL::TIMESTAMP AS since WHERE false`
  if (wanted.length === 0 || rows === null) return empty
  const entries = wanted.map(
    ({ segment, slot }) => `{segment: ${literal(segment)}, realized: ${bitSql(slot)}, since: t${slot}}`,
  )
  return `SELECT "$profile", m.segment, m.realized, m.since FROM (
    SELECT "$profile", unnest([${entries.join(', ')}]) AS m FROM (${rows})
  ) WHERE m.since IS NOT NULL`
}

/** SELECT of a bucket's rows in the shape of the manifest's `files`; null where it has no file. */
export function membershipRowsSql(
  { files, changed }: Pick<MembershipManifest, 'files' | 'changed'>,
  root: string,
  bucket: number,
): string | null {
  const [base, later] = [files[bucket] ?? [], changed?.[bucket] ?? []]
  if (base.length === 0 && later.length === 0) return null
  if (base.length === 0 || later.length === 0) return `SELECT * FROM ${readParquet(root, [...base, ...later])}`
  // A bare * of an ANTI JOIN within a UNION is refused.
  return `SELECT base.* FROM ${readParquet(root, base)} AS base ANTI JOIN ${readParquet(root, later)} USING ("$profile")
    UNION ALL BY NAME SELECT * FROM ${readParquet(root, later)}`
}

/** SQL over a membership row: whether the bit of the slot is set. */
export function bitSql(slot: number): string {
  return `((m${Math.floor(slot / slotsPerWord)} >> ${slot % slotsPerWord}) & 1 = 1)`
}

/** SELECT of "$profile" and the given columns of a bucket's current profiles; a column that no file has is a NULL of its type. */
export function profilesSql(manifest: DataManifest, root: string, bucket: number, columns: readonly Column[]): string {
  return typedSelect(root, manifest.profiles[bucket] ?? [], columns)
}

/** SELECT of "$profile" and the given event columns of a bucket. */
export function eventsSql(manifest: DataManifest, root: string, bucket: number, columns: readonly Column[]): string {
  return typedSelect(root, manifest.events[bucket] ?? [], columns)
}

/** The union with an empty relation of the wanted shape gives missing columns; DuckDB reads only the selected columns through it. */
function typedSelect(root: string, files: readonly string[], columns: readonly Column[]): string {
  const shape = columns.map(({ path, type }) => `, NULL::${sqlTypeOf(type)} AS ${identifier(path)}`).join('')
  const empty = `SELECT NULL::VARCHAR AS "$profile"${shape} WHERE false`
  if (files.length === 0) return empty
  const names = ['$profile', ...columns.map(({ path }) => path)].map(identifier).join(', ')
  return `SELECT ${names} FROM (${empty} UNION ALL BY NAME SELECT * FROM ${readParquet(root, files)})`
}

/** Absolute path of the store's folder; it need not exist yet. Throws JobError MissingVolume, InvalidPlan for a path out of the claim. */
export function storeRootOf(store: Pick<StorePlan, 'volume'>, ports: Pick<Ports, 'claim'>): string {
  const { claimName, path = '' } = store.volume
  const claim = ports.claim(claimName)
  const root = join(claim, path)
  if (root !== claim && !root.startsWith(claim.endsWith(sep) ? claim : claim + sep)) {
    throw new JobError(
      'InvalidPlan',
      `The store's path ${path} leads out of the volume ${claimName}; name a folder inside it.`,
    )
  }
  return root.replace(/\/+$/, '')
}

/** The current data. Throws JobError NewerStore, DamagedStore, as all readers of manifests do. */
export function readDataManifest(root: string): DataManifest | null {
  return readManifest('data', join(root, 'data.json')) as DataManifest | null // written by `commitData`
}

/** The manifest of one data version, null where its folder is gone. */
export function readDataVersion(root: string, version: string): DataManifest | null {
  return readManifest('data', join(root, 'data', version, 'manifest.json')) as DataManifest | null // likewise
}

export function readMembershipManifest(root: string): MembershipManifest | null {
  return readManifest('membership', join(root, 'membership.json')) as MembershipManifest | null // written by `commitMembership`
}

export function readMembershipVersion(root: string, version: string): MembershipManifest | null {
  return readManifest('membership', join(root, 'membership', version, 'manifest.json')) as MembershipManifest | null // likewise
}

/** Makes this the current data; a version that is new gets a manifest of its own first. */
export function commitData(root: string, manifest: DataManifest, isNewVersion: boolean): void {
  const text = manifestText('data', manifest)
  if (isNewVersion) commitJson(join(root, 'data', manifest.version, 'manifest.json'), text)
  commitJson(join(root, 'data.json'), text)
}

/** Makes this the current membership version. */
export function commitMembership(root: string, manifest: MembershipManifest): void {
  const text = manifestText('membership', manifest)
  commitJson(join(root, 'membership', manifest.version, 'manifest.json'), text)
  commitJson(join(root, 'membership.json'), text)
}

/** Where a file is written before `settleFile`; cleaned away by the next writer if nobody does. */
export function temporaryOf(path: string): string {
  return `${path}.tmp-${process.pid}`
}

/** Flushes a complete file to disk and gives it its name. */
export function settleFile(temporary: string, path: string): void {
  const file = openSync(temporary, 'r')
  try {
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(temporary, path)
}

/** Replaces `path` atomically: written beside it, flushed to disk, renamed, the folder flushed. */
export function commitJson(path: string, value: unknown): void {
  mkdirSync(dirname(path), { recursive: true })
  const temporary = temporaryOf(path)
  const file = openSync(temporary, 'w')
  try {
    writeSync(file, JSON.stringify(value, null, 1) + '\n')
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  renameSync(temporary, path)
  const folder = openSync(dirname(path), 'r')
  try {
    fsyncSync(folder)
  } finally {
    closeSync(folder)
  }
}
