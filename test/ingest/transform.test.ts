// What is done to values before they get their type: each step, several in order, in files of every format.
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { DatasetPlan, TransformStepPlan } from '#crds'
import { ingest } from '../../jobs/ingest/ingest.ts'
import { customers, inputOf, openWorkspace, planOf, profilesIn, type Workspace } from './workspace.ts'

type Step = TransformStepPlan
const mapped = (target: string, type: DatasetPlan['mapping'][number]['type'], ...transform: Step[]) => ({
  source: 'x',
  target,
  type,
  ...(transform.length > 0 && { transform }),
})

async function valueOf(
  mapping: DatasetPlan['mapping'][number],
  format: DatasetPlan['format'],
  write: (workspace: Workspace) => void,
  more: Partial<DatasetPlan> = {},
) {
  await using workspace = await openWorkspace()
  write(workspace)
  const dataset: DatasetPlan = { ...customers, format, ...more, mapping: [customers.mapping[0]!, mapping] }
  const report = await ingest({
    plan: planOf([dataset]),
    input: inputOf('2026-01-10T00:00:00Z'),
    ports: workspace.ports,
  })
  const [row] = await profilesIn(workspace)
  const said = (report.warnings ?? []).map(({ message }) => message).join('\n')
  return row ? (row[mapping.target] ?? null) : said
}

const name = 'person.name.firstName'
test.each<[string, DatasetPlan['mapping'][number], string, unknown]>([
  ['Lowercase', mapped(name, 'string', 'Lowercase'), 'ANN', 'ann'],
  ['several in order', mapped(name, 'string', 'Trim', 'Uppercase'), '  ann ', 'ANN'],
  [
    'SHA256',
    mapped(name, 'string', 'Trim', 'Lowercase', 'SHA256'),
    ' A@x.test',
    '15a8717ffa4f3d4ff3fc98af10a028e44990c856478514d4b87a5cacc544ea08',
  ],
  ['a constant, whatever is there', mapped(name, 'string', { constant: 'web' }), '', 'web'],
  ['a constant of another type', mapped('loyalty.points', 'integer', { constant: '5' }), 'x', '5'],
  [
    'other fields, texts and the value so far',
    mapped(name, 'string', 'Trim', { concat: [{ source: 'first' }, ' ', null, '!'] }),
    ' Lee ',
    'Ann Lee!',
  ],
  ['texts alone are nothing', mapped(name, 'string', { concat: ['DE-', { source: 'none' }] }), 'x', null],
  ['the first piece', mapped(name, 'string', { split: { by: '|', index: 0 } }), 'a|b|c', 'a'],
  ['the last piece', mapped('loyalty.points', 'integer', { split: { by: '|', index: -1 } }), 'a|b|7', '7'],
  ['a piece that is not there', mapped(name, 'string', { split: { by: '|', index: 5 } }), 'a|b', null],
  ['all pieces', mapped('tags', { items: 'string' }, { split: { by: '|', index: null } }), 'a|b', '[a, b]'],
  ['JSON in text', mapped(name, 'string', { parseJson: [] }), '"""Ann"""', 'Ann'],
  ['a value inside of JSON', mapped(name, 'string', { parseJson: ['a', 'b'] }), '"{""a"":{""b"":7}}"', '7'],
  ['nothing of that name inside', mapped(name, 'string', { parseJson: ['c'] }), '"{""a"":1}"', null],
  [
    'no JSON',
    mapped(name, 'string', { parseJson: ['a'] }),
    '{a',
    expect.stringContaining('line 2, x is not text after parseJson'),
  ],
  [
    'a value that is not of the type then',
    mapped('loyalty.points', 'integer', 'Trim'),
    'many',
    expect.stringMatching(/x is not an integer between .* after Trim/),
  ],
  [
    'a time, as the Dataset writes it',
    mapped('loyalty.joinedAt', 'timestamp', 'Trim'),
    ' 2026-01-02 ',
    '2026-01-02 00:00:00',
  ],
])('%s', async (_, mapping, cell, expected) => {
  const found = await valueOf(mapping, 'CSV', (workspace) =>
    workspace.land('customers/a.csv', `id,x,first,none,updated_at\np1,${cell},Ann,,2026-01-01\n`),
  )
  expect(found).toEqual(expected)
})

test.each<[string, DatasetPlan['mapping'][number], unknown, unknown]>([
  ['a number', mapped(name, 'string', { concat: ['no. ', null] }), 7, 'no. 7'],
  ['JSON null', mapped(name, 'string', 'Trim'), null, null],
  ['a list is no text', mapped(name, 'string', 'Trim'), ['a'], expect.stringContaining('x is not text after Trim')],
  ['a list is looked into', mapped('tags', { items: 'string' }, { parseJson: [] }), ['a', 'b'], '[a, b]'],
  ['an object is looked into', mapped(name, 'string', { parseJson: ['a'] }), { a: 'in' }, 'in'],
  ['another field by its path', mapped(name, 'string', { concat: [{ source: 'y.z' }] }), 1, 'deep'],
])('NDJSON: %s', async (_, mapping, x, expected) => {
  const record = { id: 'p1', updated_at: '2026-01-01', x, y: { z: 'deep' } }
  const found = await valueOf(mapping, 'NDJSON', (workspace) =>
    workspace.land('customers/a.ndjson', `${JSON.stringify(record)}\n`),
  )
  expect(found).toEqual(expected)
})

test('what a step leaves nothing of takes an earlier value away, where that is asked for', async () => {
  await using workspace = await openWorkspace()
  const first = { ...mapped(name, 'string', 'Trim'), emptyOverwrites: true }
  const dataset: DatasetPlan = { ...customers, mapping: [customers.mapping[0]!, first] }
  const values: unknown[] = []
  for (const [index, cell] of ['Ann', '   ', ' Bea '].entries()) {
    workspace.land(`customers/${index}.csv`, `id,x,updated_at\np1,${cell},2026-01-0${index + 1}\n`)
    await ingest({ plan: planOf([dataset]), input: inputOf('2026-01-10T00:00:00Z'), ports: workspace.ports })
    values.push((await profilesIn(workspace))[0]![name] ?? null)
  }
  expect(values).toEqual(['Ann', null, 'Bea'])
})

test('Parquet, and folders as columns', async () => {
  await using workspace = await openWorkspace()
  workspace.land('customers/land=de/.keep', '')
  const path = join(workspace.root, '../../landing/customers/land=de/a.parquet')
  await workspace.engine.run(
    `COPY (SELECT 'p1' AS id, 7.0::DOUBLE AS x, DATE '2026-01-01' AS updated_at) TO '${path}' (FORMAT parquet)`,
  )
  const dataset: DatasetPlan = {
    ...customers,
    format: 'Parquet',
    partitions: ['land'],
    mapping: [customers.mapping[0]!, mapped(name, 'string', { concat: [{ source: 'land' }, '-', null] }, 'Uppercase')],
  }
  await ingest({ plan: planOf([dataset]), input: inputOf('2026-01-10T00:00:00Z'), ports: workspace.ports })
  expect(await profilesIn(workspace)).toMatchObject([{ [name]: 'DE-7' }])
})
