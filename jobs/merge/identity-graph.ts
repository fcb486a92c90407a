import { appendFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Engine, fileLiteral, literal } from '../engines/duckdb.ts'
import { settleFile, temporaryOf } from '../profile-store.ts'
import { type IdentityRule, nodeSql } from './identities.ts'
import { type LinkedIdentity, parted } from './linking.ts'
import type { MergeContext } from './merge.ts'
import { identitiesSql, identityColumns, orderSql, type Places, shaped } from './records.ts'
import { type Relation, type Table, tableOf } from './relation.ts'

export type IdentityGraph = {
  /** Path relative to the root; columns `node`, `profile` and `size` (see DataManifest). */
  readonly file: string
  /** The rules, with values that too many people have in `shared`. */
  readonly rules: readonly IdentityRule[]
  /** How many graphs held two identities of a unique namespace and were parted. */
  readonly split: number
}

/** No person has more identities of one namespace than this: a value that is linked with more of them identifies nobody. */
export const mostLinked = 1000

/** Identities that occurred together: `nodes` in order of priority; `last`: when they did so last. */
type Together = 'nodes' | 'last'
/** `priority` counts from 1, in the order of the rules. */
type Node = 'id' | 'node' | 'priority'
/** Every edge in both directions, between a record's identity of the highest priority and each of its others. */
type Edge = 'a' | 'b'
/** The same label for all nodes that are connected. */
type Label = 'id' | 'label'

/**
 * Finds which identities belong to one profile, because they occur together in a profile record, and writes the graph. `files` are the
 * record files with profiles, `folder` is the data version's.
 */
export async function writeIdentityGraph(
  context: MergeContext,
  rules: readonly IdentityRule[],
  folder: string,
  files: readonly string[],
  places: Places,
): Promise<IdentityGraph> {
  const { engine, root } = context
  await using together = await identitiesTogether(context, rules, files, places)
  await using nodes = await nodesOf(engine, rules, together)
  await using edges = await edgesOf(engine, together, nodes)
  const shared = await sharedAmong(engine, rules, nodes, edges)
  // Once more, without the shared values. That cannot raise another value's number of links beyond the limit.
  if (shared !== null) return writeIdentityGraph(context, shared, folder, files, places)

  await using connected = await componentsOf(engine, nodes, edges)
  await using components = await withoutDoubles(context, rules, together, nodes, connected)
  const [primary] = rules
  const prefix = `${primary?.namespace ?? ''}:`
  const value = `substr(node, ${prefix.length + 1})`
  const file = `${folder}/identities.parquet`
  const temporary = temporaryOf(join(root, file))
  await engine.run(`COPY (SELECT node, coalesce(min(${value}) FILTER (WHERE starts_with(node, ${literal(prefix)})) OVER component, min(node) OVER component) AS profile,
      count(*) OVER component AS size FROM ${nodes.sql} JOIN ${components.sql} USING (id) WINDOW component AS (PARTITION BY label) ORDER BY node)
    TO ${literal(temporary)} (FORMAT parquet, COMPRESSION zstd)`)
  settleFile(temporary, join(root, file))
  return { file, rules, split: components.split }
}

/** Each list of identities once. When it came last is computed only where a namespace is unique: nothing else asks for it. */
function identitiesTogether(
  { engine, root, store }: MergeContext,
  rules: readonly IdentityRule[],
  files: readonly string[],
  places: Places,
): Promise<Table<Together>> {
  const named = rules.map((rule, index) => nodeSql(rule, `"$id${index}"`))
  const nodes = `list_filter([${named.join(', ')}], lambda n: n IS NOT NULL) AS nodes`
  const none = `SELECT []::VARCHAR[] AS nodes, NULL AS last WHERE false`
  if (files.length === 0) return tableOf(engine, 'together', none)
  const isTimed = rules.some(({ unique }) => unique)
  const order = isTimed ? `, "$time", ${orderSql(files, places)}` : ''
  const rows = shaped(root, files, identityColumns(store), `${identitiesSql(rules)}${order}`)
  return tableOf(
    engine,
    'together',
    isTimed
      ? `SELECT ${nodes}, max(struct_pack(t := "$time", l := "$late", r := "$row")) AS last FROM ${rows} GROUP BY 1`
      : `SELECT DISTINCT ${nodes}, NULL AS last FROM ${rows}`,
  )
}

function nodesOf(engine: Engine, rules: readonly IdentityRule[], together: Relation<Together>): Promise<Table<Node>> {
  const priorities = rules
    .map(({ namespace }, index) => ({ prefix: `${namespace}:`, priority: index + 1 }))
    // Longest prefix first: one namespace's name may begin with another's.
    .sort((a, b) => b.prefix.length - a.prefix.length)
    .map(({ prefix, priority }) => `WHEN starts_with(node, ${literal(prefix)}) THEN ${priority}`)
  return tableOf(
    engine,
    'node',
    `SELECT node, row_number() OVER (ORDER BY node) AS id, CASE ${priorities.join(' ')} END AS priority
      FROM (SELECT DISTINCT unnest(nodes) AS node FROM ${together.sql})`,
  )
}

function edgesOf(engine: Engine, together: Relation<Together>, nodes: Relation<Node>): Promise<Table<Edge>> {
  return tableOf(
    engine,
    'edge',
    `WITH pair AS (SELECT DISTINCT a.id AS a, b.id AS b FROM (SELECT nodes[1] AS first, unnest(nodes[2:]) AS other FROM ${together.sql})
        JOIN ${nodes.sql} a ON a.node = first JOIN ${nodes.sql} b ON b.node = other)
      SELECT a, b FROM pair UNION SELECT b, a FROM pair`,
  )
}

/**
 * The rules, with values that are linked with more than `mostLinked` of one other namespace added to `shared`; null where there are none.
 */
async function sharedAmong(
  engine: Engine,
  rules: readonly IdentityRule[],
  nodes: Relation<Node>,
  edges: Relation<Edge>,
): Promise<readonly IdentityRule[] | null> {
  const watched = rules.flatMap(({ placeholders }, index) => (placeholders.length > 0 ? [index + 1] : []))
  if (watched.length === 0) return null
  const rows = await engine.rows(`SELECT DISTINCT n.node, n.priority FROM ${edges.sql} e
      JOIN (SELECT a FROM ${edges.sql} GROUP BY a HAVING count(*) > ${mostLinked}) many ON many.a = e.a
      JOIN ${nodes.sql} n ON n.id = e.a JOIN ${nodes.sql} o ON o.id = e.b
    WHERE n.priority IN (${watched.join(', ')}) GROUP BY n.node, n.priority, o.priority HAVING count(*) > ${mostLinked}`)
  if (rows.length === 0) return null
  return rules.map((rule, index) => ({
    ...rule,
    shared: [
      ...rule.shared,
      ...rows
        .filter(({ priority }) => priority === index + 1)
        .map(({ node }) => String(node).slice(rule.namespace.length + 1)),
    ].sort(),
  }))
}

/**
 * The connected components: the smallest id is passed along the edges until nothing changes. Each round also follows the labels
 * themselves, so that long chains take few rounds.
 */
async function componentsOf(engine: Engine, nodes: Relation<Node>, edges: Relation<Edge>): Promise<Table<Label>> {
  let labels = await tableOf<Label>(engine, 'label', `SELECT id, id AS label FROM ${nodes.sql}`)
  for (let changed = true; changed; ) {
    await using passed = await tableOf<Label>(
      engine,
      'passed',
      `SELECT l.id, least(l.label, coalesce(min(n.label), l.label)) AS label
        FROM ${labels.sql} l LEFT JOIN ${edges.sql} e ON e.a = l.id LEFT JOIN ${labels.sql} n ON n.id = e.b GROUP BY l.id, l.label`,
    )
    const jumped = await tableOf<Label>(
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

/** How many records are held in memory at a time. */
const batch = 50_000

/** The components, those with two identities of a unique namespace parted, and how many were. */
async function withoutDoubles(
  { engine, ports }: MergeContext,
  rules: readonly IdentityRule[],
  together: Relation<Together>,
  nodes: Relation<Node>,
  components: Relation<Label>,
): Promise<Table<Label> & { readonly split: number }> {
  const unique = new Set(rules.flatMap((rule, index) => (rule.unique ? [index + 1] : [])))
  const unchanged = async () => ({
    ...(await tableOf<Label>(engine, 'component', `SELECT * FROM ${components.sql}`)),
    split: 0,
  })
  if (unique.size === 0) return unchanged()
  await using doubles = await tableOf<'label'>(
    engine,
    'double',
    `SELECT DISTINCT label FROM (SELECT label FROM ${nodes.sql} JOIN ${components.sql} USING (id)
      WHERE priority IN (${[...unique].join(', ')}) GROUP BY label, priority HAVING count(*) > 1)`,
  )
  await using records = await tableOf<'place' | 'label' | 'identities'>(
    engine,
    'record',
    `SELECT row_number() OVER (ORDER BY label, last) AS place, label, identities FROM (
      SELECT c.label, any_value(last) AS last, string_agg(n.id || ':' || n.priority, ' ' ORDER BY n.priority) AS identities
      FROM (SELECT row_number() OVER () AS record, unnest(nodes) AS node, last FROM ${together.sql}) t
        JOIN ${nodes.sql} n USING (node) JOIN ${components.sql} c USING (id) JOIN ${doubles.sql} USING (label)
      GROUP BY t.record, c.label)`,
  )
  const file = join(ports.scratch, 'parted.csv')
  writeFileSync(file, 'id,label\n')
  let split = 0
  const part = (graph: readonly (readonly LinkedIdentity[])[]) => {
    split += 1
    const labelled = parted(graph, unique).flatMap((ids) => {
      const label = ids.reduce((least, id) => Math.min(least, id))
      return ids.map((id) => `${id},${label}\n`)
    })
    appendFileSync(file, labelled.join(''))
  }
  let label: number | null = null
  let graph: (readonly LinkedIdentity[])[] = []
  for (let from = 1; ; from += batch) {
    const rows = await engine.rows(
      `SELECT label, identities FROM ${records.sql} WHERE place >= ${from} AND place < ${from + batch} ORDER BY place`,
    )
    for (const row of rows) {
      if (label !== row['label']) {
        if (label !== null) part(graph)
        label = Number(row['label'])
        graph = []
      }
      graph.push(identitiesOf(String(row['identities'])))
    }
    if (rows.length < batch) break
  }
  if (label === null) return unchanged()
  part(graph)
  const table = await tableOf<Label>(
    engine,
    'component',
    `SELECT c.id, coalesce(p.label, c.label) AS label FROM ${components.sql} c
      LEFT JOIN read_csv(${fileLiteral(file)}, header = true, columns = {id: 'BIGINT', label: 'BIGINT'}) p USING (id)`,
  )
  rmSync(file)
  return { ...table, split }
}

/** Ids and priorities from a text such as `12:1 45:3`. */
function identitiesOf(text: string): readonly LinkedIdentity[] {
  return text.split(' ').map((pair) => {
    const [id, priority] = pair.split(':')
    return { id: Number(id), priority: Number(priority) }
  })
}
