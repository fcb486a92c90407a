import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Column, DatasetPlan, IngestPlan, JobPlan, RunInput, StorePlan } from '#crds'
import { type Engine, openDuckDB } from '../../jobs/engines/duckdb.ts'
import { JobError } from '../../jobs/errors.ts'
import type { Ports } from '../../jobs/ports.ts'
import { type DataManifest, eventsSql, profilesSql, readDataManifest } from '../../jobs/profile-store.ts'

/** A folder with volumes and a scratch folder, removed at the end of the scope. */
export type Workspace = AsyncDisposable & {
  readonly root: string
  readonly ports: Ports
  readonly engine: Engine
  /** Writes `volumes/landing/<name>`. */
  readonly land: (name: string, content: string | Uint8Array) => void
  readonly remove: (name: string) => void
}

export async function openWorkspace(folder = mkdtempSync(join(tmpdir(), 'convoke-ingest-'))): Promise<Workspace> {
  for (const name of ['landing', 'store', 'scratch']) mkdirSync(join(folder, name), { recursive: true })
  const ports: Ports = {
    now: () => new Date(),
    claim: (name) => {
      if (name !== 'landing' && name !== 'store') throw new JobError('MissingVolume', `There is no volume ${name}.`)
      return join(folder, name)
    },
    secret: () => {
      throw new JobError('MissingSecret', 'There is none.')
    },
    scratch: join(folder, 'scratch'),
    progress: () => {},
    database: () => null,
    signal: new AbortController().signal,
  }
  const engine = await openDuckDB(storePlan, ports)
  return {
    root: join(folder, 'store', 'retail'),
    ports,
    engine,
    land: (name, content) => {
      const path = join(folder, 'landing', name)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, content)
    },
    remove: (name) => rmSync(join(folder, 'landing', name)),
    async [Symbol.asyncDispose]() {
      await engine[Symbol.asyncDispose]()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

export const storePlan: StorePlan = {
  name: 'retail',
  volume: { claimName: 'store', path: 'retail' },
  engine: { type: 'DuckDB', duckDB: { threads: 2, memoryLimit: '1Gi' } },
  profile: [
    { path: 'customerId', type: 'string' },
    { path: 'person.name.firstName', type: 'string' },
    { path: 'person.birthDate', type: 'date' },
    { path: 'personalEmail.address', type: 'string' },
    { path: 'loyalty.points', type: 'integer' },
    { path: 'loyalty.joinedAt', type: 'timestamp' },
    { path: 'score', type: 'number' },
    { path: 'optOut', type: 'boolean' },
    { path: 'tags', type: { items: 'string' } },
    { path: 'scores', type: { values: 'number' } },
  ],
  event: [
    { path: 'timestamp', type: 'timestamp' },
    { path: 'eventType', type: 'string' },
    { path: 'total', type: 'number' },
    { path: 'items', type: { items: { fields: { SKU: 'string', quantity: 'integer' } } } },
  ],
  identities: [
    { namespace: 'CustomerId', path: 'customerId', primary: true },
    { namespace: 'Email', path: 'personalEmail.address', primary: false },
  ],
  mergePolicy: { attributes: 'TimestampOrdered', stitching: 'None' },
}

export const limits: IngestPlan['limits'] = {
  profileRecordBytes: 102_400,
  eventBytes: 10_240,
  eventsPerProfile: 5000,
  eventArrayLength: 10,
  profileArrayLength: 500,
  identitiesPerProfile: 50,
}

export const customers: DatasetPlan = {
  name: 'customers',
  record: 'Profile',
  format: 'CSV',
  ingestion: 'Batch',
  location: { volume: { claimName: 'landing', path: 'customers' } },
  timestamp: 'updated_at',
  precedence: 0,
  mapping: [
    { source: 'id', target: 'customerId', type: 'string' },
    { source: 'first_name', target: 'person.name.firstName', type: 'string' },
    { source: 'birth_date', target: 'person.birthDate', type: 'date' },
    { source: 'email', target: 'personalEmail.address', type: 'string' },
    { source: 'points', target: 'loyalty.points', type: 'integer' },
  ],
}

export const orders: DatasetPlan = {
  name: 'orders',
  record: 'Event',
  format: 'NDJSON',
  ingestion: 'Streaming',
  location: { volume: { claimName: 'landing', path: 'orders' } },
  timestamp: 'at',
  identity: { namespace: 'CustomerId', source: 'customer' },
  precedence: 0,
  mapping: [
    { source: 'type', target: 'eventType', type: 'string' },
    { source: 'order.total', target: 'total', type: 'number' },
    { source: 'items', target: 'items', type: { items: { fields: { SKU: 'string', quantity: 'integer' } } } },
  ],
}

export function planOf(
  datasets: readonly DatasetPlan[],
  changes: { readonly store?: Partial<StorePlan>; readonly limits?: Partial<IngestPlan['limits']> } = {},
): JobPlan {
  return {
    apiVersion: 'convoke.dev/v1alpha1',
    kind: 'JobPlan',
    digest: 'sha256:test',
    target: { kind: 'ProfileStore', namespace: 'default', name: 'retail' },
    store: { ...storePlan, ...changes.store },
    ingest: { datasets: [...datasets], limits: { ...limits, ...changes.limits } },
  }
}

export function inputOf(now: string, evaluation: 'Batch' | 'Streaming' = 'Batch'): RunInput {
  return { run: `pstore-retail-${Date.parse(now) / 60_000}`, scheduledTime: now, now, trigger: 'Schedule', evaluation }
}

export function dataOf(workspace: Workspace): DataManifest {
  const manifest = readDataManifest(workspace.root)
  if (manifest === null) throw new Error('Nothing was committed.')
  return manifest
}

/** All profiles, sorted, values as DuckDB prints them; absent ones left out. */
export async function profilesIn(workspace: Workspace, columns: readonly Column[] = storePlan.profile) {
  const manifest = dataOf(workspace)
  return rowsOf(
    workspace,
    manifest.profiles.map((_, bucket) => profilesSql(manifest, workspace.root, bucket, columns)),
    '"$profile"',
    columns,
  )
}

/** All events, sorted by profile and time. */
export async function eventsIn(workspace: Workspace, columns: readonly Column[] = storePlan.event) {
  const manifest = dataOf(workspace)
  const order = ['"$profile"', ...columns.map(({ path }) => `"${path}"::VARCHAR`)].join(', ')
  return rowsOf(
    workspace,
    manifest.events.map((_, bucket) => eventsSql(manifest, workspace.root, bucket, columns)),
    order,
    columns,
  )
}

async function rowsOf(workspace: Workspace, selects: readonly string[], order: string, columns: readonly Column[]) {
  const texts = columns.map(({ path }) => `"${path}"::VARCHAR AS "${path}"`).join(', ')
  const rows = await workspace.engine.rows(
    `SELECT "$profile", ${texts} FROM (${selects.join(' UNION ALL ')}) ORDER BY ${order}`,
  )
  return rows.map((row) => Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null)))
}
