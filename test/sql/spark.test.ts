import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { checkPql } from '../../compiler/pql/check.ts'
import { example, functions } from '../../compiler/pql/functions.ts'
import { foldCase } from '../../compiler/pql/interpret.ts'
import type { Condition } from '../../compiler/pql/ir.ts'
import type { UnionTypes } from '../../compiler/schema.ts'
import { allRewrites, noRewrites, type Rewrites } from '../../compiler/sql/rewrites.ts'
import { spark as sparkDialect } from '../../compiler/sql/spark.ts'
import type { Spark } from '../../jobs/engines/spark.ts'
import { convoke } from '../cli-tools/command-line.ts'
import { disagreement, worlds } from '../pql/arbitrary.ts'
import { casesOf, consentTypes, type Kind, peopleOf } from '../pql/consent.ts'
import { constructs } from '../pql/constructs.ts'
import { corpus } from '../pql/corpora.ts'
import * as far from '../pql/extremes.ts'
import { members, qualifications, segments } from '../pql/qualifications.ts'
import { namesakes, passing, suite } from '../segment-test/suites.ts'
import {
  asParquet,
  compileAll,
  compileOne,
  interpreted,
  membersOf,
  queryOf,
  type TestPerson,
  typesOf,
} from '../support/pql.ts'
import { patience, tries } from '../support/soak.ts'
import * as bundled from './bundles.ts'
import { python, startSpark, whyNoSpark } from './spark.ts'

const reason = whyNoSpark()
const runs = tries(12, 200)

describe.skipIf(reason !== null)(reason ?? 'Spark', () => {
  let spark: Spark
  const folder = mkdtempSync(join(tmpdir(), 'convoke-spark-'))
  beforeAll(async () => {
    spark = await startSpark(folder)
  }, 1_200_000)
  afterAll(async () => {
    await spark[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true })
  }, 60_000)

  async function onSpark(
    conditions: readonly Condition[],
    people: readonly TestPerson[],
    types: UnionTypes,
    now: string,
    rewrites: Rewrites = allRewrites,
  ): Promise<string[][]> {
    const { sql, names } = queryOf(conditions, types, now, 'spark', rewrites)
    const { columns, rows } = await spark.query(sql, await asParquet(people, types, folder))
    return membersOf(names, columns, rows)
  }

  test.each<Kind>(['text', 'flag', 'number'])(
    'knows who may not be sent, by consent as %s',
    { timeout: patience(120_000) },
    async (kind) => {
      const cases = casesOf(kind)
      const conditions = cases.map(({ condition }) => condition)
      const found = await onSpark(conditions, peopleOf(kind), consentTypes, '2026-01-15T10:30:00Z')
      expect(found).toEqual(cases.map(({ out }) => out))
    },
  )

  test('accepts whatever the compiler lets pass', { timeout: patience(600_000) }, async () => {
    const sound: { readonly pql: string; readonly condition: Condition }[] = []
    for (let index = 0; index < tries(12, 10_000); index += 1) {
      const pql = fc.sample(far.extremes, { seed: 20_260_115 + index, numRuns: 1 })[0]!
      const { condition } = checkPql(pql, { types: far.types, segments: new Set() })
      if (condition) sound.push({ pql, condition })
    }
    for (const { pql, condition } of sound)
      await expect(onSpark([condition], far.people, far.types, far.now), pql.slice(0, 2000)).resolves.toBeDefined()
  })

  test('every function example holds as documented', { timeout: 300_000 }, async () => {
    const types = typesOf(example.schema)
    const cases = Object.values(functions).flatMap((entry): (readonly [string, boolean])[] => [...entry.examples])
    const found = await onSpark(
      cases.map(([pql]) => compileOne(pql, types)),
      [{ id: 'P1', attributes: example.profile, events: example.events }],
      types,
      example.now,
    )
    expect(found.map((ids, index) => [cases[index]![0], ids.length > 0])).toEqual(cases)
  })

  test.each(Object.entries(constructs))('every documented construct: %s', { timeout: 300_000 }, async (_, cases) => {
    const types = typesOf(example.schema)
    const found = await onSpark(
      cases.map(([pql]) => compileOne(pql, types)),
      [{ id: 'P1', attributes: example.profile, events: example.events }],
      types,
      example.now,
    )
    expect(cases.map(([pql], index) => [pql, found[index]!.length > 0])).toEqual(cases)
  })

  test('what the version before says of a Segment', { timeout: 300_000 }, async () => {
    const types = typesOf(example.schema)
    const conditions = qualifications.map(([pql]) => compileOne(pql, types, segments))
    const found = await onSpark(conditions, members, types, example.now)
    expect(qualifications.map(([pql], index) => [pql, found[index]])).toEqual(qualifications)
  })

  test('every text with every pattern and regular expression means the same', { timeout: 300_000 }, async () => {
    const types = typesOf(corpus.schema)
    for (let start = 0; start < corpus.expressions.length; start += 100) {
      const expressions = corpus.expressions.slice(start, start + 100)
      const conditions = compileAll(expressions, types)
      const wanted = interpreted(conditions, corpus.people, types, example.now)
      const found = await onSpark(conditions, corpus.people, types, example.now)
      expect(expressions.map((pql, index) => [pql, found[index]])).toEqual(
        expressions.map((pql, index) => [pql, wanted[index]]),
      )
    }
  })

  test('the case of every code point is folded alike', { timeout: 300_000 }, async () => {
    const characters = `SELECT id, decode(unhex(lpad(hex(id), 8, '0')), 'UTF-32') AS c FROM range(1, 1114112) WHERE id < 55296 OR id > 57343`
    const { rows } = await spark.query(`SELECT id, ${sparkDialect.foldCase('c')} FROM (${characters})`, {})
    // The decoder takes a byte order mark for one.
    expect(
      rows.filter(
        ([code, folded]) => Number(code) !== 0xfeff && foldCase(String.fromCodePoint(Number(code))) !== folded,
      ),
    ).toEqual([])
  })

  test('Spark finds the members that the interpreter finds', { timeout: patience(1_200_000) }, async () => {
    await fc.assert(
      fc.asyncProperty(worlds({ people: 30, expressions: 15 }), async (world) => {
        const conditions = compileAll(world.expressions, world.types)
        const found = await onSpark(conditions, world.people, world.types, world.now)
        expect(disagreement(world, interpreted(conditions, world.people, world.types, world.now), found)).toBe(null)
      }),
      { numRuns: runs, interruptAfterTimeLimit: 1_000_000 },
    )
  })

  test('no rewrite of the query changes whom it finds', { timeout: patience(1_200_000) }, async () => {
    await fc.assert(
      fc.asyncProperty(bundled.bundles, async (bundle) => {
        const conditions = compileAll(bundle.expressions, bundled.types)
        const wanted = interpreted(conditions, bundle.people, bundled.types, bundled.now)
        for (const rewrites of [allRewrites, noRewrites]) {
          const found = await onSpark(conditions, bundle.people, bundled.types, bundled.now, rewrites)
          expect(bundled.difference(bundle, wanted, found)).toBe(null)
        }
      }),
      { numRuns: tries(12, 300), interruptAfterTimeLimit: 1_000_000 },
    )
  })

  test('an error of Spark is said, and the next query runs', async () => {
    await expect(spark.query('SELECT nothing', {})).rejects.toThrow('UNRESOLVED_COLUMN')
    expect(await spark.query("SELECT 1 AS a, 'x' AS b", {})).toEqual({ columns: ['a', 'b'], rows: [[1, 'x']] })
  })

  test('SegmentTests run on it, beside the other engines', { timeout: 1_200_000 }, async () => {
    const tests = mkdtempSync(join(folder, 'tests-'))
    writeFileSync(join(tests, 'own.test.yaml'), passing)
    writeFileSync(join(tests, 'segments.test.yaml'), namesakes)
    writeFileSync(
      join(tests, 'wrong.test.yaml'),
      suite('- {name: wrong, expression: tags.count() > 1, members: [bob]}').replace('shop', 'wrong'),
    )
    const io = { env: { ...process.env, PYSPARK_PYTHON: python() } }
    const { code, out, err } = await convoke(tests, ['test', '.', '--engine', 'all', '-o', 'json'], io)
    expect(err).toBe(`Engines: reference, duckdb and Spark ${spark.version}.\n`)
    const { cases }: { cases: { name: string; engine: string; status: string; actual: unknown }[] } = JSON.parse(out)
    const on = (engine: string) =>
      cases.filter((each) => each.engine === engine).map(({ name, status, actual }) => ({ name, status, actual }))
    expect(on('spark').length).toBeGreaterThan(20)
    expect(on('spark')).toEqual(on('reference'))
    expect(on('spark').filter(({ status }) => status === 'failed')).toEqual([
      { name: 'wrong', status: 'failed', actual: ['ann'] },
    ])
    expect(code).toBe(1)
  })

  test('without Java, or in a Python that has no pyspark, it is wrong use with the next step', {
    timeout: 60_000,
  }, async () => {
    const tests = mkdtempSync(join(folder, 'tests-'))
    writeFileSync(join(tests, 'own.test.yaml'), passing)
    const alone = join(tests, 'python-alone')
    writeFileSync(alone, '#!/bin/sh\nexec python3 -I -S "$@"\n', { mode: 0o755 })
    for (const [env, said] of [
      [
        { PYSPARK_PYTHON: python(), JAVA_HOME: '/nowhere' },
        /^convoke: Spark is not here: there is no `java`\. .*pip install pyspark/,
      ],
      [{ PYSPARK_PYTHON: alone }, /^convoke: Spark is not here: \S* has no `pyspark`\. .*pip install pyspark/],
    ] as const) {
      const ended = await convoke(tests, ['test', '.', '--engine', 'spark'], { env: { ...process.env, ...env } })
      expect([ended.code, ended.out]).toEqual([2, ''])
      expect(ended.err).toMatch(said)
    }
  })
})
