// Campaign: a real PostgreSQL on this machine's loopback, which Pods know as a Service.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import pg from 'pg'
import type { JobPlan } from '#crds'
import { ensureTarget, startEmbeddedPostgres } from '#jobs'
import { type Cluster, manifests } from './cluster.ts'

export type Campaign = AsyncDisposable & {
  /** As the database's owner. */
  readonly query: (sql: string, values?: readonly unknown[]) => Promise<readonly Readonly<Record<string, unknown>>[]>
  /** Lets imports wait for its recipients until what it gives is called. */
  readonly occupy: () => Promise<() => Promise<void>>
}

/** With the target table of the plan, filled from a CSV file, and a role that may do in it what an import needs and no more. */
export async function startCampaign(
  { kubectl, reach }: Pick<Cluster, 'kubectl' | 'reach'>,
  namespace: string,
  plan: NonNullable<JobPlan['import']>,
  csvPath: string,
): Promise<Campaign> {
  const { host, port, database, credentialsSecretRef } = plan.database
  const folder = mkdtempSync(join(tmpdir(), 'convoke-campaign-'))
  const server = await startEmbeddedPostgres({ folder, log: () => {} })
  const url = new URL(server.url)
  await using(server.url, (client) => client.query(`CREATE DATABASE ${database}`))
  url.pathname = `/${database}`
  await ensureTarget(url.href, plan, csvPath)
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  const [username, password] = ['convoke', 'only in this test']
  await client.query(`CREATE ROLE ${username} LOGIN PASSWORD '${password}'; GRANT CREATE ON DATABASE ${database} TO ${username};
    GRANT SELECT, UPDATE ON ${plan.target.schema}.${plan.target.table} TO ${username}`)
  const outside = await reach(Number(url.port))
  await kubectl(
    ['-n', namespace, 'apply', '-f', '-'],
    manifests(
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { name: credentialsSecretRef!.name },
        stringData: { username, password },
      },
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: { name: host },
        spec: { ports: [{ port, targetPort: outside.port }] },
      },
      {
        apiVersion: 'discovery.k8s.io/v1',
        kind: 'EndpointSlice',
        metadata: { name: host, labels: { 'kubernetes.io/service-name': host } },
        addressType: 'IPv4',
        endpoints: [{ addresses: [outside.host] }],
        ports: [{ port: outside.port }],
      },
    ),
  )
  return {
    query: async (sql, values = []) => (await client.query(sql, [...values])).rows,
    async occupy() {
      const other = new pg.Client({ connectionString: url.href })
      await other.connect()
      await other.query(`BEGIN; LOCK TABLE ${plan.target.schema}.${plan.target.table} IN ACCESS EXCLUSIVE MODE`)
      return () => other.end()
    },
    async [Symbol.asyncDispose]() {
      await client.end()
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function using(url: string, work: (client: pg.Client) => Promise<unknown>): Promise<void> {
  const client = new pg.Client({ connectionString: url })
  await client.connect()
  await work(client)
  await client.end()
}
