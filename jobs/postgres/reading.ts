import type { ImportPlan } from '#crds'
import type { Ports } from '../ports.ts'
import { connect, type Database, name } from './connection.ts'

/** Looks at Campaign's recipients once, in a connection of its own. */
export async function readingTarget<T>(
  { instance, database, target }: Pick<ImportPlan, 'instance' | 'database' | 'target'>,
  ports: Ports,
  work: (query: Database['query']) => Promise<T>,
): Promise<T> {
  const connection = await connect(instance, database, ports)
  const table = name(target.schema, target.table)
  const options = {
    mode: 'Snapshot',
    tables: [table],
    advice: 'Check the target mapping against the table.',
    grant: `Grant the role what it needs: GRANT SELECT ON ${table} TO ${connection.role};`,
  } as const
  try {
    return await connection.transaction(options, () => work(connection.query))
  } finally {
    await connection.close()
  }
}
