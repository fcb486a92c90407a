import { join } from 'node:path'
import { identifier, literal } from '../engines/duckdb.ts'
import { settleFile, temporaryOf } from '../profile-store.ts'
import type { MergeContext } from './merge.ts'
import { identityColumns, nodeSql, shaped } from './records.ts'
import { type Relation, type Table, tableOf } from './relation.ts'

/**
 * Writes which identities are one profile, because they occur together in a profile record: the file, relative to the root, of `node`,
 * `profile` and `size` (see DataManifest). `files` are the record files with profiles, `folder` is the data version's.
 */
export async function writeIdentityGraph(
  context: MergeContext,
  folder: string,
  files: readonly string[],
): Promise<string> {
  const { engine, root, store } = context
  const primary = store.identities.find((identity) => identity.primary)?.namespace ?? ''
  await using together = await identitiesTogether(context, files)
  await using nodes = await tableOf<'node' | 'id'>(
    engine,
    'node',
    `SELECT node, row_number() OVER (ORDER BY node) AS id FROM (SELECT DISTINCT unnest(nodes) AS node FROM ${together.sql})`,
  )
  await using edges = await tableOf<'a' | 'b'>(
    engine,
    'edge',
    `WITH pair AS (SELECT DISTINCT a.id AS a, b.id AS b FROM (SELECT nodes[1] AS first, unnest(nodes[2:]) AS other FROM ${together.sql})
        JOIN ${nodes.sql} a ON a.node = first JOIN ${nodes.sql} b ON b.node = other)
      SELECT a, b FROM pair UNION SELECT b, a FROM pair`,
  )
  await using components = await connected(context, nodes, edges)

  const prefix = `${primary}:`
  const value = `substr(node, ${prefix.length + 1})`
  const path = `${folder}/identities.parquet`
  const temporary = temporaryOf(join(root, path))
  await engine.run(`COPY (SELECT node, coalesce(min(${value}) FILTER (WHERE starts_with(node, ${literal(prefix)})) OVER component, min(node) OVER component) AS profile,
      count(*) OVER component AS size FROM ${nodes.sql} JOIN ${components.sql} USING (id) WINDOW component AS (PARTITION BY label) ORDER BY node)
    TO ${literal(temporary)} (FORMAT parquet, COMPRESSION zstd)`)
  settleFile(temporary, join(root, path))
  return path
}

/** The identities of each profile record, as a list of nodes in the store's order; each list once. */
function identitiesTogether({ engine, root, store }: MergeContext, files: readonly string[]): Promise<Table<'nodes'>> {
  const nodes = store.identities.map(({ namespace, path }) => nodeSql(namespace, identifier(path)))
  return tableOf(
    engine,
    'together',
    files.length === 0
      ? 'SELECT []::VARCHAR[] AS nodes WHERE false'
      : `SELECT DISTINCT list_filter([${nodes.join(', ')}], lambda n: n IS NOT NULL) AS nodes
         FROM ${shaped(root, files, identityColumns(store), '')}`,
  )
}

/**
 * The same `label` for every `id` that edges lead to: the smallest number is passed along the edges until nothing changes. Each round
 * also follows the labels themselves, so long chains take few rounds.
 */
async function connected(
  { engine }: MergeContext,
  nodes: Relation<'id'>,
  edges: Relation<'a' | 'b'>,
): Promise<Table<'id' | 'label'>> {
  let labels = await tableOf<'id' | 'label'>(engine, 'label', `SELECT id, id AS label FROM ${nodes.sql}`)
  for (let changed = true; changed; ) {
    await using passed = await tableOf<'id' | 'label'>(
      engine,
      'passed',
      `SELECT l.id, least(l.label, coalesce(min(n.label), l.label)) AS label
        FROM ${labels.sql} l LEFT JOIN ${edges.sql} e ON e.a = l.id LEFT JOIN ${labels.sql} n ON n.id = e.b GROUP BY l.id, l.label`,
    )
    const jumped = await tableOf<'id' | 'label'>(
      engine,
      'label',
      `SELECT p.id, least(p.label, q.label) AS label FROM ${passed.sql} p JOIN ${passed.sql} q ON q.id = p.label`,
    )
    const [row] = await engine.rows(
      `SELECT count(*) AS rows FROM ${jumped.sql} j JOIN ${labels.sql} l USING (id) WHERE j.label <> l.label`,
    )
    changed = Number(row?.['rows']) > 0
    await labels[Symbol.asyncDispose]()
    labels = jumped
  }
  return labels
}
