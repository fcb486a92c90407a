import type { ExportPlan, MembershipQuery, StorePlan } from '#crds'
import { identifier, literal } from './engines/duckdb.ts'
import { atInstant, columnsOf, openStore, relationsSql } from './open-store.ts'
import type { Ports } from './ports.ts'
import { membersSql, profilesSql } from './profile-store.ts'

export type QueryAnswer = {
  readonly profiles: number
  readonly members: number
  /** Profile ids: the first ones in order of id. */
  readonly sample: readonly string[]
  readonly seconds: number
}

export type AudienceDelta = {
  readonly segment: string
  /** Members at the last evaluation; null for a Segment that it does not know. */
  readonly before: number | null
  readonly after: number
  readonly entered: number
  readonly exited: number
  /** Values of the asked column for those who would enter; absent ones are left out. */
  readonly enteredKeys: readonly string[]
  /** How many of the members after may not be sent, by Activation; those that send to everybody are left out. */
  readonly withoutConsent: Readonly<Record<string, number>>
}

/**
 * What an evaluation of the query at an instant would change against the last evaluation, over the store's current data. Reads only.
 * `keys` names, for a Segment, the profile column whose values to return for those who would enter. `exports`: what delivers them.
 */
export async function audienceDeltas(
  store: StorePlan,
  query: MembershipQuery,
  keys: ReadonlyMap<string, string>,
  exports: readonly Pick<ExportPlan, 'activation' | 'segments' | 'consent'>[],
  now: string,
  ports: Ports,
): Promise<AudienceDelta[]> {
  await using open = await openStore(store, ports)
  const { root, data, membership, engine } = open
  const totals = query.segments.map((segment) => ({ segment, before: 0, after: 0, entered: 0, exited: 0 }))
  const entering = query.segments.map((): string[] => [])
  const withheld = query.segments.map((): Record<string, number> => ({}))
  for (let bucket = 0; bucket < data.buckets; bucket += 1) {
    ports.progress({ step: 'plan', subject: store.name, done: bucket, total: data.buckets, unit: 'buckets' })
    const relations = relationsSql(store, query, [...keys.values()], open, bucket)
    await engine.run(`CREATE OR REPLACE TEMP TABLE now AS WITH ${relations.join(', ')} ${atInstant(query, now)}`)
    const known = membership ? membersSql(membership, root, bucket, query.segments) : null
    await engine.run(
      `CREATE OR REPLACE TEMP TABLE earlier AS SELECT "$profile", segment FROM (${known ?? `SELECT '' AS "$profile", '' AS segment, false AS realized WHERE false`}) WHERE realized`,
    )
    for (const [index, total] of totals.entries()) {
      const holds = identifier(total.segment)
      const key = keys.get(total.segment)
      for (const { activation, segments, consent } of exports) {
        if (!consent || !segments.some(({ name }) => name === total.segment)) continue
        const [out] = await engine.rows(
          `SELECT count(*) AS people FROM (SELECT "$profile" FROM now WHERE ${holds}) SEMI JOIN (SELECT * FROM (${profilesSql(data, root, bucket, consent.columns)}) WHERE ${consent.withoutConsent}) USING ("$profile")`,
        )
        withheld[index]![activation] = (withheld[index]![activation] ?? 0) + Number(out?.['people'] ?? 0)
      }
      const pairs = `(SELECT "$profile" FROM now WHERE ${holds}) AS n FULL JOIN (SELECT "$profile" FROM earlier WHERE segment = ${literal(total.segment)}) AS e USING ("$profile")`
      const [row] = await engine.rows(
        `SELECT count(e."$profile") AS before, count(n."$profile") AS after, count(*) FILTER (WHERE e."$profile" IS NULL) AS entered, count(*) FILTER (WHERE n."$profile" IS NULL) AS exited FROM ${pairs}`,
      )
      for (const count of ['before', 'after', 'entered', 'exited'] as const) total[count] += Number(row?.[count] ?? 0)
      if (key === undefined) continue
      const profiles = profilesSql(data, root, bucket, columnsOf(store.profile, [key]))
      const found = await engine.rows(
        `SELECT p.${identifier(key)}::VARCHAR AS key FROM ${pairs} JOIN (${profiles}) AS p USING ("$profile") WHERE e."$profile" IS NULL AND p.${identifier(key)} IS NOT NULL`,
      )
      for (const { key: value } of found) entering[index]!.push(String(value))
    }
  }
  const known = new Set(membership?.segments.map(({ segment }) => segment))
  return totals.map((total, index) => ({
    ...total,
    before: known.has(total.segment) ? total.before : null,
    enteredKeys: entering[index]!,
    withoutConsent: withheld[index]!,
  }))
}

/**
 * For how many profiles of a store's current data one expression holds at an instant, and a few of them. Reads only; Segments that it
 * refers to are as at the last evaluation.
 */
export async function queryStore(
  store: StorePlan,
  query: MembershipQuery,
  now: string,
  sampleSize: number,
  ports: Ports,
): Promise<QueryAnswer> {
  const started = performance.now()
  await using open = await openStore(store, ports)
  const { data, engine } = open
  const name = identifier(query.segments[0] ?? '')
  let members = 0
  let sample: string[] = []
  for (let bucket = 0; bucket < data.buckets; bucket += 1) {
    ports.progress({ step: 'query', subject: store.name, done: bucket, total: data.buckets, unit: 'buckets' })
    const relations = relationsSql(store, query, [], open, bucket)
    const [row] = await engine.rows(
      `WITH ${relations.join(', ')} SELECT count(*) AS members, array_to_string(list_slice(list("$profile" ORDER BY "$profile"), 1, ${sampleSize}), chr(10)) AS sample FROM (${atInstant(query, now)}) WHERE ${name}`,
    )
    members += Number(row?.['members'] ?? 0)
    const ids = row?.['sample']
    if (typeof ids === 'string' && ids !== '') sample = [...sample, ...ids.split('\n')]
  }
  return {
    profiles: data.profileCount,
    members,
    sample: sample.sort().slice(0, sampleSize),
    seconds: (performance.now() - started) / 1000,
  }
}
