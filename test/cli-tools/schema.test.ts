import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv } from 'ajv'
import formats from 'ajv-formats'
import { expect, test } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { convoke, folderOf } from './command-line.ts'

const bundle = readFileSync(new URL('../fixtures/retail.yaml', import.meta.url), 'utf8')
const documents = parseAllDocuments(bundle).map((document) => document.toJS())

type Described = {
  readonly description?: string
  readonly doNotSuggest?: boolean
  readonly const?: unknown
  readonly properties?: Readonly<Record<string, Described>>
}

async function combined() {
  const { out } = await convoke(folderOf(), ['schema'])
  const ajv = new Ajv({ strict: false, allErrors: true })
  formats.default(ajv)
  const validate = ajv.compile(JSON.parse(out))
  return (document: unknown): string[] => {
    validate(document)
    return (validate.errors ?? [])
      .filter((error) => error.keyword !== 'if')
      .map((error) => `${error.instancePath} ${error.message}`)
  }
}

test('the combined schema accepts every kind and other groups', async () => {
  const faults = await combined()
  expect(documents.length).toBeGreaterThan(8)
  for (const document of documents) expect(faults(document)).toEqual([])
  expect(faults({ apiVersion: 'apps/v1', kind: 'Deployment', spec: { replicas: 2 } })).toEqual([])
})

test('the combined schema blames the kind that is written, and nothing else', async () => {
  const faults = await combined()
  const segment = documents.find((document) => document.kind === 'Segment')
  expect(faults({ ...segment, spec: { ...segment.spec, evaluation: 'Hourly' } })).toEqual([
    '/spec/evaluation must be equal to one of the allowed values',
  ])
  expect(faults({ ...segment, spec: { expression: 'a = 1' } })).toEqual([
    "/spec must have required property 'profileStoreRef'",
  ])
})

test('every field has a description, except those the API server fills in', async () => {
  const undescribed = (schema: Described, path: string): string[] =>
    Object.entries(schema.properties ?? {}).flatMap(([name, property]) => [
      ...(property.description || property.doNotSuggest || property.const ? [] : [`${path}.${name}`]),
      ...undescribed(property, `${path}.${name}`),
    ])
  const schema = JSON.parse((await convoke(folderOf(), ['schema', 'seg'])).out)
  expect(schema.title).toBe('Segment')
  expect(undescribed(schema.properties.spec, 'spec')).toEqual([])
  expect(schema.properties.status).toEqual({ doNotSuggest: true })
})

test('--out writes one file for all kinds and one for each', async () => {
  const folder = folderOf()
  const { code, out } = await convoke(folder, ['schema', '--out', 'schemas'])
  expect([code, out]).toEqual([0, ''])
  expect(readdirSync(join(folder, 'schemas'))).toContain('convoke.schema.json')
  expect(JSON.parse(readFileSync(join(folder, 'schemas', 'segmenttest.schema.json'), 'utf8')).title).toBe('SegmentTest')
})

test('an unknown kind is wrong use', async () => {
  const { code, err } = await convoke(folderOf(), ['schema', 'Segmant'])
  expect([code, err]).toEqual([2, 'convoke: There is no kind `Segmant`. Did you mean `Segment`?\n'])
})
