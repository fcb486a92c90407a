// A ProfileStore made by hand: what ingest and evaluate would have written.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DuckDBInstance } from '@duckdb/node-api'
import type { Column, JobPlan } from '#crds'
import { digestOf } from '../../jobs/digest.ts'
import { identifier, literal, sqlTypeOf } from '../../jobs/engines/duckdb.ts'
import {
  bucketSql,
  commitData,
  commitMembership,
  type DataManifest,
  type MembershipManifest,
} from '../../jobs/profile-store.ts'

export type Value = string | number | boolean | null

export type StoreContent = {
  readonly version: string
  readonly columns: readonly Column[]
  /** Profile id → path → value; dates and timestamps as text. */
  readonly profiles: Readonly<Record<string, Readonly<Record<string, Value>>>>
  /** Segment → profile id → since when it is a member, or `-since` when it left. Ids that are no profile are fine. */
  readonly members: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** How many members the manifest says that a Segment has, where that is not the truth. */
  readonly saidMembers?: Readonly<Record<string, number>>
}

const buckets = 2

export async function writeStore(
  root: string,
  { version, columns, profiles, members, saidMembers = {} }: StoreContent,
): Promise<void> {
  const instance = await DuckDBInstance.create(':memory:')
  const connection = await instance.connect()
  const folders = [`data/${version}`, `membership/${version}`]
  for (const folder of folders) mkdirSync(join(root, folder), { recursive: true })

  const source = join(root, 'source.json')
  writeFileSync(
    source,
    Object.entries(profiles)
      .map(([id, values]) => JSON.stringify({ $profile: id, ...values }))
      .join('\n') || '{}',
  )
  const types = [
    `"$profile": 'VARCHAR'`,
    ...columns.map(({ path, type }) => `${literal(path)}: ${literal(sqlTypeOf(type))}`),
  ]
  await connection.run(
    `CREATE TABLE profiles AS SELECT * FROM read_json(${literal(source)}, format = 'newline_delimited', columns = {${types.join(', ')}}) WHERE "$profile" IS NOT NULL`,
  )

  const names = Object.keys(members).sort()
  // Slots are not the order of names in a store that has lived, and may lie in any word.
  const slots = names.map((_, index) => (names.length - 1 - index) * 59 + 2)
  const words = Math.floor(Math.max(0, ...slots) / 60) + 1
  const ids = [...new Set(names.flatMap((name) => Object.keys(members[name]!)))]
  const wordColumns = Array.from({ length: words }, (_, word) => `m${word}`)
  await connection.run(
    `CREATE TABLE members ("$profile" VARCHAR, ${wordColumns.map((word) => `${word} BIGINT`).join(', ')}${slots.map((slot) => `, t${slot} TIMESTAMP`).join('')})`,
  )
  for (const id of ids) {
    const bits = wordColumns.map(() => 0n)
    const times = names.map((name, index) => {
      const since = members[name]![id]
      if (since === undefined) return 'NULL'
      if (!since.startsWith('-')) bits[Math.floor(slots[index]! / 60)]! |= 1n << BigInt(slots[index]! % 60)
      return `TIMESTAMP ${literal(since.replace(/^-/, '').replace('T', ' ').replace('Z', ''))}`
    })
    await connection.run(`INSERT INTO members VALUES (${[literal(id), ...bits, ...times].join(', ')})`)
  }

  const parts = async (table: string, folder: string) => {
    const files: string[][] = []
    for (let bucket = 0; bucket < buckets; bucket++) {
      const file = `${folder}/${bucket}.parquet`
      await connection.run(
        `COPY (SELECT * FROM ${table} WHERE ${bucketSql(identifier('$profile'), buckets)} = ${bucket} ORDER BY "$profile") TO ${literal(join(root, file))} (FORMAT parquet)`,
      )
      files.push([file])
    }
    return files
  }
  const data: DataManifest = {
    version,
    buckets,
    profiles: await parts('profiles', folders[0]!),
    previous: null,
    events: [[], []],
    leftOutProfiles: [[], []],
    identities: null,
    normalizesByNamespace: true,
    merged: { records: [], definition: '' },
    profileCount: Object.keys(profiles).length,
    eventCount: 0,
    sources: {},
    leftOut: { eventsPerProfile: 0, identitiesPerProfile: 0 },
  }
  const membership: MembershipManifest = {
    version,
    previous: null,
    run: `pstore-${version}`,
    evaluation: 'Batch',
    evaluatedAt: '2026-12-01T03:00:00Z',
    planDigest: 'sha256:0',
    dataVersion: version,
    buckets,
    segments: names.map((segment, index) => ({
      segment,
      digest: 'sha256:0',
      slot: slots[index]!,
      evaluatedAt: '2026-12-01T03:00:00Z',
      members:
        saidMembers[segment] ?? Object.values(members[segment]!).filter((since) => !since.startsWith('-')).length,
      entered: 0,
      exited: 0,
    })),
    files: await parts('members', folders[1]!),
    transitions: [],
  }
  connection.closeSync()
  instance.closeSync()
  commitData(root, data, false)
  commitMembership(root, membership)
}

export type ExportPlan = NonNullable<JobPlan['export']>

export type PlanChoices = Partial<Omit<ExportPlan, 'destination'>> & {
  readonly file?: Partial<ExportPlan['destination']['file']>
  readonly location?: ExportPlan['destination']['location']
}

/** An Activation's plan over claims `profile-store` and `landing-zone`. */
export function planOf({ file, location, ...choices }: PlanChoices, more: Partial<JobPlan> = {}): JobPlan {
  const plan: Omit<JobPlan, 'digest'> = {
    apiVersion: 'convoke.dev/v1alpha1',
    kind: 'JobPlan',
    target: { kind: 'Activation', namespace: 'default', name: 'offers' },
    store: {
      name: 'retail',
      volume: { claimName: 'profile-store', path: 'retail' },
      engine: { type: 'DuckDB', duckDB: { threads: 2, memoryLimit: '1Gi' } },
      profile: [],
      event: [],
      identities: [],
      mergePolicy: { attributes: 'TimestampOrdered', stitching: 'None' },
    },
    export: {
      activation: 'offers',
      organization: 'acme',
      destination: {
        name: 'zone',
        location: location ?? { volume: { claimName: 'landing-zone', path: 'audiences' } },
        syncType: 'Audience',
        file: {
          compression: 'None',
          delimiter: ',',
          nullValue: '',
          maxRows: 5_000_000,
          nameTemplate: '{destination}_{segment}_{timestamp}',
          ...file,
        },
      },
      export: 'Incremental',
      incrementalOn: 'Membership',
      membershipStatus: 'Include',
      segments: [{ name: 'gold', displayName: 'Gold' }],
      columns: [],
      fileNameLength: 255,
      ...choices,
    },
    ...more,
  }
  return { ...plan, digest: digestOf(plan) }
}

/** `id:string!*` → a column `id` from `id`, mandatory (!), in the key (*); `email=mail:string/Lowercase` maps mail to email. */
export function columnsOf(...texts: readonly string[]): ExportPlan['columns'] {
  return texts.map((text) => {
    const [, target = '', source = target, type = 'string', marks = '', transform = 'None'] =
      /^(\w+)(?:=([\w.]+))?(?::(\w+))?([!*]*)(?:\/(\w+))?$/.exec(text) ?? []
    // The texts are this repository's own.
    return {
      source,
      target,
      type,
      transform,
      deduplicationKey: marks.includes('*'),
      mandatory: marks.includes('!'),
    } as ExportPlan['columns'][number]
  })
}
