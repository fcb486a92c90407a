import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { checkDocument, compile, compileObjects } from '../../compiler/index.ts'
import { readYaml, valueOf } from '../../compiler/yaml/index.ts'
import { digestOf, validatorOf } from '../../crds/index.ts'
import { planConfigMaps } from '../../protocol/index.ts'
import { convoke, folderOf } from '../support/cli.ts'
import { largePlan } from '../support/large-plan.ts'

const root = join(import.meta.dirname, '../..')
const resources = join(root, 'examples/retail/resources')
const sources = readdirSync(resources).map((file) => ({ file, text: readFileSync(join(resources, file), 'utf8') }))

test('the same bytes for any order of files', () => {
  const once = compile(sources)
  const again = compile([...sources].reverse())
  expect(JSON.stringify(again.plans)).toBe(JSON.stringify(once.plans))
  expect(JSON.stringify(checkDocument(again.diagnostics, sources, again.count))).toBe(
    JSON.stringify(checkDocument(once.diagnostics, sources, once.count)),
  )
})

test('every plan is what its schema says', () => {
  for (const plan of compile(sources).plans) expect(validatorOf('JobPlan')(plan)).toEqual([])
})

test('compile --out writes plans and their ConfigMaps, byte for byte the same each time', () => {
  using first = folderOf({})
  using second = folderOf({})
  for (const folder of [first, second]) expect(convoke(['compile', resources, '--out', folder.path]).code).toBe(0)
  const files = (folder: string) =>
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
  const contents = (folder: string) =>
    files(folder).map((file) => [file.slice(folder.length), readFileSync(file, 'utf8')])
  expect(contents(first.path).length).toBe(8)
  expect(contents(second.path)).toEqual(contents(first.path))
})

test('a plan lies gzipped in an immutable ConfigMap named by its digest', () => {
  for (const plan of compile(sources).plans) {
    const [map, ...others] = planConfigMaps(plan)
    const digits = plan.digest.slice(7, 47)
    expect(others).toEqual([])
    expect(map).toMatchObject({
      metadata: {
        name: `plan-${digits}`,
        namespace: plan.target.namespace,
        labels: {
          'app.kubernetes.io/managed-by': 'convoke',
          'convoke.dev/target-kind': plan.target.kind,
          'convoke.dev/target': plan.target.name,
          'convoke.dev/plan': digits,
        },
      },
      immutable: true,
    })
    const packed = Buffer.from(map!.binaryData['plan.json.gz.000']!, 'base64')
    expect(JSON.parse(gunzipSync(packed).toString())).toEqual(plan)
    // No time and no operating system in the header.
    expect([...packed.subarray(4, 8), packed[9]]).toEqual([0, 0, 0, 0, 255])
  }
})

test('a plan too large for one ConfigMap is split over several', () => {
  const plan = largePlan()
  const maps = planConfigMaps(plan)
  const digits = plan.digest.slice(7, 47)
  expect(maps.map(({ metadata }) => metadata.name)).toEqual([`plan-${digits}`, `plan-${digits}-2`, `plan-${digits}-3`])
  const parts = Object.entries(Object.assign({}, ...maps.map(({ binaryData }) => binaryData)) as Record<string, string>)
  expect(parts.map(([name]) => name)).toEqual(['plan.json.gz.000', 'plan.json.gz.001', 'plan.json.gz.002'])
  const bytes = parts.map(([, part]) => Buffer.from(part, 'base64'))
  for (const part of bytes) expect(part.length).toBeLessThanOrEqual(900_000)
  const { digest, ...body } = JSON.parse(gunzipSync(Buffer.concat(bytes)).toString())
  expect(digestOf(body)).toBe(digest)
})

test('the order of keys in a schema, which the API server sorts, changes no plan', () => {
  const sorted = (value: unknown): unknown =>
    Array.isArray(value)
      ? value.map(sorted)
      : typeof value === 'object' && value !== null
        ? Object.fromEntries(
            Object.entries(value)
              .sort(([a], [b]) => (a < b ? -1 : 1))
              .map(([key, item]) => [key, sorted(item)]),
          )
        : value
  const values = sources.flatMap((source) => readYaml(source.text).documents.map(valueOf))
  const digests = (objects: readonly unknown[]) => compileObjects(objects).plans.map((plan) => plan.digest)
  expect(digests(values.map(sorted))).toEqual(digests(values))
})

test('a chain of thousands of Segments compiles, and the last one in it is known by all', () => {
  const bundle = readFileSync(join(root, 'test/fixtures/retail.yaml'), 'utf8')
  const chain = (last: string): string =>
    Array.from(
      { length: 4000 },
      (_, index) => `---
apiVersion: convoke.dev/v1alpha1
kind: Segment
metadata: { name: c${index} }
spec:
  profileStoreRef: { name: readers }
  expression: ${index === 3999 ? last : `inSegment("c${index + 1}")`}
`,
    ).join('')
  const compiled = (last: string) => compile([{ file: 'chain.yaml', text: bundle + chain(last) }])
  const digestOf = (last: string): string | undefined =>
    compiled(last)
      .plans.find(({ target }) => target.kind === 'ProfileStore')
      ?.evaluate?.segments.find(({ name }) => name === 'c0')?.digest
  expect(digestOf('club.credits > 3')).toMatch(/^sha256:/)
  expect(digestOf('club.credits > 3')).not.toBe(digestOf('club.credits > 4'))
  const { model } = compiled('club.kredits > 3')
  expect(model.segmentNamed('default', 'c0')?.condition).toBeNull()
})
