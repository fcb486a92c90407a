/**
 * Layout of a ProfileStore on its volume, under the claim's folder joined with the volume's path (the root):
 *
 *   data.json                       DataManifest: the current data, committed by ingest and extract
 *   membership.json                 MembershipManifest: the current membership version, committed by evaluate
 *   records/<source>/…              normalized records per source file, immutable, named by content and definition
 *   rejects/<source>/…csv           rows that could not be read, with their values, per source file
 *   data/<version>/…                merged profiles and bucketed events; manifest.json: the DataManifest committed with it
 *   membership/<version>/…          bits, and the log of changes, of one version; MembershipManifests of kept ones
 *   membership/totals/…             totals of evaluations whose versions are gone
 *   delivered/<activation>/.runs/<run>/   what an export delivered, the baseline of later ones (see export/delivered-set.ts)
 *   reports/<run>/<step>-<attempt>.json   full RunReports
 *   writer.lock                     who writes: one writer at a time
 *
 * A reader trusts a manifest and nothing else: it names exactly the files of its version, relative to the root. A manifest is
 * replaced by an atomic rename after everything it names is on disk, so a reader sees a whole version or the one before.
 */
import { closeSync, fsyncSync, mkdirSync, openSync, renameSync, writeSync } from 'node:fs'
import { dirname, join, sep } from 'node:path'
import type { Column, StorePlan } from '#crds'
import { identifier, readParquet, sqlTypeOf } from './engines/duckdb.ts'
import { JobError } from './errors.ts'
import type { Ports } from './ports.ts'
import { manifestText, readManifest } from './store-format.ts'

export { bitSql, membershipRowsSql, membersSql, slotsPerWord } from './memberships.ts'

/** A bucket's Parquet files, relative to the root. The index in the array is the number of the bucket. */
export type BucketFiles = readonly (readonly string[])[]

export type DataManifest = {
  readonly version: string
  /** The version before, whose files are kept for readers that began with it; null for the first. */
  readonly previous: string | null
  /** A power of two. `bucketSql` says which bucket a profile id belongs to. */
  readonly buckets: number
  /**
   * "$profile" VARCHAR, "$known" BOOLEAN (a record with the primary identity is among the profile's records; missing in files of earlier
   * versions of convoke) and one column per profile Column that any file has; one row per profile; sorted by "$profile".
   */
  readonly profiles: BucketFiles
  /**
   * "$profile" VARCHAR, "$namespace" VARCHAR (of the identity that the event came with) and one column per event Column (`timestamp`
   * among them); each file is sorted by ("$profile", timestamp).
   */
  readonly events: BucketFiles
  /** "$profile" and reason VARCHAR of profiles left out; neither `profiles` nor `events` hold them. */
  readonly leftOutProfiles: BucketFiles
  /**
   * For each bucket, files whose "$profile" names everybody whose profile or events differ from the version before; null: anybody's may
   * differ. Absent in what an earlier version of convoke wrote.
   */
  readonly touched?: readonly (readonly string[] | null)[]
  /** Private graph only: node VARCHAR (`namespace:value`), profile VARCHAR and size BIGINT (how many identities that profile has). */
  readonly identities: string | null
  /**
   * For identities whose comparison the store does not define: whether they are normalised by their namespace, and the usual placeholders
   * stand for nobody. true where the store's data began with that.
   */
  readonly normalizesByNamespace: boolean
  /** Private graph only: for each namespace, the values that stand for nobody because too many people have them. */
  readonly sharedIdentities?: Readonly<Record<string, readonly string[]>>
  /** Private graph only: how many graphs were parted because they held two identities of a unique namespace. */
  readonly splitGraphs?: number
  /**
   * The record files that `profiles` and `events` are made of, sorted, and the digest of how they were merged. Files in `sources` but not
   * here are merged by the next ingest.
   */
  readonly merged: { readonly records: readonly string[]; readonly definition: string }
  readonly profileCount: number
  readonly eventCount: number
  /** What was taken in, by Dataset (and CampaignSource): source files by path, each with its content hash and its record files. */
  readonly sources: Readonly<Record<string, SourceState>>
  /** Batches of the last day, by the instant of the ingest or extract that took them in; streaming is none. */
  readonly batches?: readonly { readonly at: string; readonly count: number }[]
  /** Profiles left out of segmentation because they exceed a guardrail (events per profile, identities per profile). */
  readonly leftOut: LeftOut
  /** SHA-256 of this version's files and CRC-32 (`crc32:…`) of record files, by path; absent in what an earlier version of convoke wrote. */
  readonly checksums?: Readonly<Record<string, string>>
}

export type LeftOut = { readonly eventsPerProfile: number; readonly identitiesPerProfile: number }

export type SourceState = {
  /** Digest of the Dataset's plan; with another digest its files are read again. */
  readonly definition: string
  readonly files: Readonly<Record<string, SourceFileState>>
  /** Files whose present content was refused; what an earlier content of the same name brought is in `files`. */
  readonly refused?: Readonly<Record<string, RefusedFile>>
  /** For a Dataset of whole deliveries: the name of the one that is in (null before the first), and what was looked at, by name. */
  readonly snapshot?: { readonly delivery: string | null; readonly seen: Readonly<Record<string, string>> }
  /** CampaignSource only: the watermark's value as text, by table. */
  readonly watermarks?: Readonly<Record<string, string>>
  /** CampaignSource only: the columns that make up a row's id where a table has no key, as they were when it was first read; by table. */
  readonly columns?: Readonly<Record<string, readonly string[]>>
  /** Datasets only: the latest deliveries, in order; older ones are forgotten. */
  readonly deliveries?: readonly Delivery[]
  /**
   * For each expectation by name, what a look at the latest delivery's content found. `digest` covers the expectation and that delivery.
   */
  readonly expectations?: Readonly<
    Record<string, { readonly digest: string; readonly met: boolean; readonly message: string }>
  >
}

/** What one ingest took in of a Dataset: files that were new, or whose content had changed. */
export type Delivery = {
  /** Number of the ingest, as in SourceFileState. */
  readonly taken: number
  /** The instant of that ingest. */
  readonly at: string
  readonly rows: number
  /** The latest time of its records that was not in the future; null where there is none. */
  readonly newest: string | null
}

export type SourceFileState = {
  readonly sha256: string
  readonly bytes: number
  /** Record files, relative to the root. */
  readonly records: readonly string[]
  readonly counts: Readonly<Record<string, number>>
  /**
   * Number of the ingest that took this content in, counted from 1. Of records with the same time the one taken in later stands; within
   * one ingest that of the later file name, within one file the later row. Absent in what an earlier version of convoke took in.
   */
  readonly taken?: number
}

export type RefusedFile = {
  readonly sha256: string
  /** As in SourceState: with another digest the file is read again. */
  readonly definition: string
  /** Whole sentences for people. */
  readonly message: string
  /** Whether somebody may approve the file as it is; a file that cannot be read at all cannot be taken in. */
  readonly approvable: boolean
  /** The list of its bad rows, relative to the root; null where there is none. */
  readonly rejects: string | null
  readonly counts: Readonly<Record<string, number>>
}

export type MembershipManifest = {
  readonly version: string
  /** The version before; null for the first. */
  readonly previous: string | null
  readonly run: string
  readonly evaluation: 'Batch' | 'Streaming'
  readonly evaluatedAt: string
  readonly planDigest: string
  readonly dataVersion: string
  readonly buckets: number
  /** Counts the versions of the store, from 1; absent in form 1, which counts as 0. */
  readonly ordinal?: number
  /** Where each Segment's bit is, ordered by Segment name. A Segment keeps its slot as long as it lives. */
  readonly segments: readonly MembershipSegment[]
  /**
   * For each bucket: "$profile" VARCHAR, words m0, m1, … BIGINT (bit slot % 60 of word floor(slot / 60) is set: realized). One row for
   * each profile that is in something, sorted by "$profile". Without a `log`, rows also are of those who were in something, and have for
   * each slot N a column tN TIMESTAMP: since when the profile has that status; null if it never was in the Segment.
   */
  readonly files: BucketFiles
  /** For each bucket, rows of the same shape that replace those of the same profile in `files`; absent: none. */
  readonly changed?: BucketFiles
  /**
   * For each bucket, what changed after a Segment's first evaluation, as `logSql` reads it; sorted by "$profile" within a file. Of what is
   * older than 30 days, only the last change of each bit is kept. Absent: the version has form 1.
   */
  readonly log?: BucketFiles
  /** Segments that left, while the log holds their changes; absent: none. */
  readonly gone?: readonly GoneSegment[]
  /** The newest version of form 1, from which the chain leads to changes before the log; absent: there was none. */
  readonly formerly?: string
  /** Form 1 only: files with the changes of this version, "$profile", segment VARCHAR, change VARCHAR ('entered' | 'exited'), at TIMESTAMP. */
  readonly transitions: readonly string[]
  /** Segments that the engine could not evaluate, whose members are as they were; absent: none. */
  readonly failed?: readonly { readonly segment: string; readonly message: string }[]
  /** As in DataManifest. */
  readonly checksums?: Readonly<Record<string, string>>
}

export type MembershipSegment = {
  readonly segment: string
  /** Digest of the definition that the bits come from. */
  readonly digest: string
  readonly slot: number
  /** Ordinal and instant of the version in which it took its slot; absent in form 1: earlier than the log. */
  readonly from?: number
  readonly firstAt?: string
  readonly evaluatedAt: string
  readonly members: number
  readonly entered: number
  readonly exited: number
}

export type GoneSegment = {
  readonly segment: string
  readonly slot: number
  readonly from: number
  readonly firstAt: string
  /** Ordinal and instant of the version in which its members exited. */
  readonly until: number
  readonly leftAt: string
}

/** SQL for the bucket of a profile id: our own function of the id, never an engine's hash, so that every engine and version agrees. */
export function bucketSql(profileId: string, buckets: number): string {
  return `(('0x' || substr(md5(${profileId}), 1, 4))::INTEGER % ${buckets})`
}

/** SELECT of "$profile" and the given columns of a bucket's current profiles; a column that no file has is a NULL of its type. */
export function profilesSql(manifest: DataManifest, root: string, bucket: number, columns: readonly Column[]): string {
  return typedSelect(root, manifest.profiles[bucket] ?? [], columns)
}

/** SELECT of "$profile" and the given event columns of a bucket. */
export function eventsSql(manifest: DataManifest, root: string, bucket: number, columns: readonly Column[]): string {
  return typedSelect(root, manifest.events[bucket] ?? [], columns)
}

/** A union with an empty relation of the wanted shape adds missing columns; DuckDB reads only the selected columns through it. */
function typedSelect(root: string, files: readonly string[], columns: readonly Column[]): string {
  const shape = columns.map(({ path, type }) => `, NULL::${sqlTypeOf(type)} AS ${identifier(path)}`).join('')
  const empty = `SELECT NULL::VARCHAR AS "$profile"${shape} WHERE false`
  if (files.length === 0) return empty
  const names = ['$profile', ...columns.map(({ path }) => path)].map(identifier).join(', ')
  return `SELECT ${names} FROM (${empty} UNION ALL BY NAME SELECT * FROM ${readParquet(root, files)})`
}

/**
 * Absolute path of the store's folder, which may not exist yet. Throws JobError MissingVolume, or InvalidPlan for a path outside the
 * claim.
 */
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

/** The current data; null: none. Throws JobError NewerStore or DamagedStore, as all readers of manifests do. */
export function readDataManifest(root: string): DataManifest | null {
  return readManifest('data', join(root, 'data.json')) as DataManifest | null // written by `commitData`
}

/** The manifest of one data version; null where its folder is gone. */
export function readDataVersion(root: string, version: string): DataManifest | null {
  return readManifest('data', join(root, 'data', version, 'manifest.json')) as DataManifest | null // likewise
}

export function readMembershipManifest(root: string): MembershipManifest | null {
  return readManifest('membership', join(root, 'membership.json')) as MembershipManifest | null // written by `commitMembership`
}

export function readMembershipVersion(root: string, version: string): MembershipManifest | null {
  return readManifest('membership', join(root, 'membership', version, 'manifest.json')) as MembershipManifest | null // likewise
}

/** Makes this the current data; a new version gets a manifest of its own first. */
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

/** Where a file is written before `settleFile`; the next writer removes one that was left behind. */
export function temporaryOf(path: string): string {
  return `${path}.tmp-${process.pid}`
}

/** Flushes a complete file to disk, and gives it its name. */
export function settleFile(temporary: string, path: string): void {
  flush(temporary)
  renameSync(temporary, path)
}

/** Brings a file or folder to disk. */
export function flush(path: string): void {
  const handle = openSync(path, 'r')
  try {
    fsyncSync(handle)
  } finally {
    closeSync(handle)
  }
}

/** Replaces `path` atomically: written beside it, flushed, renamed, and the folder flushed. */
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
  flush(dirname(path))
}
