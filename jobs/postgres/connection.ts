import pg from 'pg'
import type { DatabasePlan } from '#crds'
import { JobError } from '../errors.ts'
import type { Ports } from '../ports.ts'

/** Connects to a CampaignInstance's database; values come back as text, times are UTC. */
export async function connect(instance: string, database: DatabasePlan, ports: Ports): Promise<pg.Client> {
  const url = ports.database(instance)
  const secret = database.credentialsSecretRef?.name
  const config: pg.ClientConfig = {
    ...(url === null
      ? {
          host: database.host,
          port: database.port,
          database: database.database,
          ...(secret !== undefined && {
            user: ports.secret(secret, 'username'),
            password: ports.secret(secret, 'password'),
          }),
        }
      : { connectionString: url }),
    application_name: 'convoke',
    connectionTimeoutMillis: 15_000,
    keepAlive: true,
  }
  const client = new pg.Client(config)
  // A broken connection also fails the statement that needs it.
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query(
      "SET TimeZone = 'UTC'; SET DateStyle = 'ISO, YMD'; SET client_min_messages = warning; SET standard_conforming_strings = on",
    )
    const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')
    const stop = () => void cancel(config, rows[0]!.pid)
    ports.signal.addEventListener('abort', stop, { once: true })
    client.once('end', () => ports.signal.removeEventListener('abort', stop))
  } catch (error) {
    await client.end().catch(() => {})
    throw databaseFault(error, placeOf(instance, database, ports))
  }
  return client
}

/** Ends the running statement of a connection: the server would go on with it, and keep its locks, long after the process is gone. */
async function cancel(config: pg.ClientConfig, pid: number): Promise<void> {
  const other = new pg.Client(config)
  other.on('error', () => {})
  try {
    await other.connect()
    await other.query('SELECT pg_cancel_backend($1)', [pid])
  } catch {
    // Then the statement ends by itself, without a COMMIT behind it.
  } finally {
    await other.end().catch(() => {})
  }
}

/** For messages: the instance, and host and database without any password. */
export function placeOf(instance: string, { host, port, database }: DatabasePlan, ports: Ports): string {
  const url = ports.database(instance)
  const where =
    url === null
      ? `${host}:${port}/${database}`
      : URL.canParse(url)
        ? `${new URL(url).host}${new URL(url).pathname}`
        : 'the given URL'
  return `the database of the CampaignInstance ${instance} (${where})`
}

/** What to do about an error of the database; JobErrors pass unchanged. `grant`: what the role needs, as SQL. */
export function databaseFault(error: unknown, place: string, grant?: string): JobError {
  if (error instanceof JobError) return error
  const code = error instanceof Error && 'code' in error ? String(error.code) : ''
  const said = error instanceof Error ? error.message || code : String(error)
  const refused = (next: string) =>
    new JobError('DatabaseRefused', `${capital(place)} refused: ${said}. ${next}`, error)
  if (code.startsWith('28')) return refused('Check username and password in its credentials secret.')
  if (code === '3D000') return refused('Check the name of the database.')
  if (code === '42501')
    return refused(grant === undefined ? 'Grant the role what is missing.' : `Grant the role what it needs: ${grant}`)
  if (/^(42|22|23|0A|3F|P0|428)/.test(code)) return refused('Check the target mapping against the table.')
  return new JobError(
    'DatabaseUnavailable',
    `${capital(place)} cannot be used: ${said}. Check that it is up and that the job may reach it; the step can be run again.`,
    error,
  )
}

function capital(text: string): string {
  return text[0]!.toUpperCase() + text.slice(1)
}

/** Table or column name as an identifier. */
export function name(...parts: readonly string[]): string {
  return parts.map((part) => `"${part.replaceAll('"', '""')}"`).join('.')
}
