import { createConnection } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'
import type { DatabasePlan } from '#crds'
import { interrupted } from '../errors.ts'
import type { Ports } from '../ports.ts'
import { databaseFault, isPassing, isUnanswered } from './faults.ts'
import { fallsBack, wireFault, wireOf } from './wire.ts'

/**
 * A connection that leaves nothing behind on the server: every setting belongs to a transaction, so that a pooler may lend the server
 * connection to others in between. Values come back as text; times are UTC.
 */
export type Database = {
  /** For messages: the instance, and host and database without any password. */
  readonly place: string
  /** The role that is logged in, as an identifier. */
  readonly role: string
  /** Rejects with the server's or the network's own error; only `transaction` makes a JobError of it. */
  readonly query: pg.Client['query']
  /**
   * Begins, works and commits; rolls back whatever is thrown. Throws JobErrors for faults of the database or of the way to it, and
   * UnknownCommit where the COMMIT got no answer.
   */
  readonly transaction: <T>(options: TransactionOptions, work: () => Promise<T>) => Promise<T>
  readonly close: () => Promise<void>
}

export type TransactionOptions = {
  /** `Default`: as the role has it; `Snapshot`: one unchanging view of the data. */
  readonly mode: 'Default' | 'Snapshot'
  /** Tables whose locks the transaction may have to wait for, as `name` writes them. */
  readonly tables: readonly string[]
  /** The next step where the database refuses a statement, and the one where the role lacks a privilege. */
  readonly advice: string
  readonly grant?: string
}

/** The COMMIT got no answer: the database may have done it. */
export class UnknownCommit extends Error {
  override readonly cause: unknown
  constructor(cause: unknown) {
    super('no answer to COMMIT')
    this.cause = cause
  }
}

const connectAttempts = 3

/** Connects to a CampaignInstance's database; one that breaks off before it can be used is tried again. */
export async function connect(instance: string, database: DatabasePlan, ports: Ports): Promise<Database> {
  const place = placeOf(instance, database, ports)
  const wire = wireOf(instance, database, ports)
  let ssl = wire.config.ssl
  for (let attempt = 1; ; attempt++) {
    const client = new pg.Client({
      ...wire.config,
      ssl,
      application_name: 'convoke',
      connectionTimeoutMillis: 15_000,
      keepAlive: true,
    })
    // A broken connection also fails the statement that needs it.
    client.on('error', () => {})
    try {
      await client.connect()
      const { rows } = await client.query<{ role: string }>('SELECT quote_ident(current_user) AS role')
      return databaseOf(client, { place, role: rows[0]!.role }, ports)
    } catch (error) {
      await client.end().catch(() => {})
      if (ssl !== false && fallsBack(wire, error)) {
        ssl = false
        continue
      }
      if (attempt === connectAttempts || !isPassing(error) || ports.signal.aborted)
        throw wireFault(error, wire, place) ?? databaseFault(error, { place })
      await sleep(250 * 4 ** (attempt - 1))
    }
  }
}

const begins = { Default: 'BEGIN', Snapshot: 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY' } as const

/** How long a statement waits for a lock, where the role has no limit of its own. */
const lockTimeout = '60s'

const settings = `SET LOCAL TimeZone = 'UTC'; SET LOCAL DateStyle = 'ISO, YMD'; SET LOCAL IntervalStyle = 'postgres';
  SET LOCAL client_min_messages = warning; SET LOCAL standard_conforming_strings = on;
  SELECT set_config('lock_timeout', '${lockTimeout}', true) WHERE current_setting('lock_timeout') = '0'`

function databaseOf(client: pg.Client, { place, role }: Pick<Database, 'place' | 'role'>, ports: Ports): Database {
  /** The fault, with what only the server can say about it; the transaction has been rolled back by now. */
  const sorted = async (error: unknown, { tables, advice, grant }: TransactionOptions): Promise<unknown> => {
    const code = error instanceof Error && 'code' in error ? error.code : ''
    const asked =
      code === '55P03'
        ? client.query<{ more: string | null }>(blockersOf(tables))
        : code === '57014'
          ? client.query<{ more: string }>(`SELECT current_setting('statement_timeout') AS more`)
          : null
    const more = (await asked?.catch(() => null))?.rows[0]?.more ?? null
    return databaseFault(error, { place, advice, more, lockTimeout, ...(grant !== undefined && { grant }) })
  }
  return {
    place,
    role,
    query: client.query.bind(client) as pg.Client['query'],
    transaction: async (options, work) => {
      const stop = () => cancelStatement(client)
      ports.signal.addEventListener('abort', stop, { once: true })
      try {
        await client.query(`${begins[options.mode]}; ${settings}`)
        const result = await work()
        if (ports.signal.aborted) throw interrupted()
        await client.query('COMMIT').catch((error: unknown) => {
          throw isUnanswered(error) ? new UnknownCommit(databaseFault(error, { place })) : error
        })
        return result
      } catch (error) {
        await client.query('ROLLBACK').catch(() => {})
        throw error instanceof UnknownCommit ? error : await sorted(error, options)
      } finally {
        ports.signal.removeEventListener('abort', stop)
      }
    },
    close: () => client.end().catch(() => {}),
  }
}

/**
 * Who holds a lock on one of the tables, as text. Row locks cannot be seen from outside, but whoever has locked a row holds a lock on its
 * table as well.
 */
function blockersOf(tables: readonly string[]): string {
  const oids = tables.map((table) => `to_regclass(${text(table)})`).join(', ')
  return `SELECT string_agg(said, ', ') AS more FROM (
    SELECT format('session %s of %s%s', a.pid, coalesce(a.usename, 'somebody'), coalesce(' since ' || to_char(a.xact_start, 'YYYY-MM-DD HH24:MI:SS TZ'), '')) AS said
    FROM pg_stat_activity a WHERE a.pid <> pg_backend_pid() AND a.pid IN
      (SELECT pid FROM pg_locks WHERE granted AND locktype = 'relation' AND mode <> 'AccessShareLock' AND relation IN (${oids || 'NULL'}))
    ORDER BY a.xact_start NULLS LAST LIMIT 3) AS holders`
}

/**
 * Asks the server to end the running statement, which would otherwise go on and keep its locks long after this process is gone. The
 * protocol's own cancel request needs no second login, and finds its way through a pooler.
 */
function cancelStatement(client: pg.Client): void {
  // The server, or the pooler, gave this connection both; the types leave them out.
  const { processID, secretKey, host, port } = client as unknown as Record<
    'processID' | 'secretKey' | 'port',
    number
  > & {
    host: string
  }
  const request = Buffer.alloc(16)
  for (const [index, value] of [16, 80_877_102, processID, secretKey].entries()) request.writeInt32BE(value, index * 4)
  const socket = host.startsWith('/')
    ? createConnection(`${host}/.s.PGSQL.${port}`)
    : createConnection({ host, port, timeout: 5_000 })
  // If the request fails, the statement ends by itself, and no COMMIT follows it.
  socket.on('error', () => socket.destroy()).on('timeout', () => socket.destroy())
  socket.end(request)
}

/** For messages: the instance, and host and database without any password. */
function placeOf(instance: string, { host, port, database }: DatabasePlan, ports: Ports): string {
  const url = ports.database(instance)
  const where =
    url === null
      ? `${host}:${port}/${database}`
      : URL.canParse(url)
        ? `${new URL(url).host}${new URL(url).pathname}`
        : 'the given URL'
  return `the database of the CampaignInstance ${instance} (${where})`
}

/** Table or column name as an identifier. */
export function name(...parts: readonly string[]): string {
  return parts.map((part) => `"${part.replaceAll('"', '""')}"`).join('.')
}

/** A text as a literal, whatever it holds. */
export function text(value: string): string {
  const quoted = `'${value.replaceAll("'", "''")}'`
  return value.includes('\\') ? `E${quoted.replaceAll('\\', '\\\\')}` : quoted
}
