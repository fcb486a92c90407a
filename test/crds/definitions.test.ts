import { describe, expect, test } from 'vitest'
import { conditionTypes, kinds } from '#crds'
import { type CrdSchema, readCrds, shapeOf } from '../../crds/generate.ts'

const crds = readCrds()

test('there is a CRD for every kind, under its names', () => {
  const found = crds.map(({ file, kind, crd }) => {
    const { plural, singular, shortNames, categories, listKind } = crd.spec.names
    expect(crd.metadata.name).toBe(`${plural}.convoke.dev`)
    expect(listKind).toBe(`${kind}List`)
    expect(categories).toEqual(['convoke'])
    expect([crd.spec.group, crd.spec.scope, crd.spec.versions.map(({ name }) => name)]).toEqual([
      'convoke.dev',
      'Namespaced',
      ['v1alpha1'],
    ])
    return [kind, { plural, singular, shortName: Array.isArray(shortNames) ? shortNames[0] : singular, file }]
  })
  const named = Object.entries(kinds).map(([kind, { plural, singular, shortName, file }]) => [
    kind,
    { plural, singular, shortName, file },
  ])
  expect(Object.fromEntries(found)).toEqual(Object.fromEntries(named))
})

describe.each(crds)('$kind', ({ kind, crd, schema }) => {
  const fields = fieldsOf(schema, [])

  test('every field is described', () => {
    const silent = fields.filter(({ path, schema }) => !schema.description && path.join('.') !== 'metadata')
    expect(silent.map(({ path }) => path.join('.'))).toEqual([])
  })

  test('every text, list and map is bounded', () => {
    const open = fields.filter(({ schema }) => {
      if (schema['x-kubernetes-int-or-string']) return schema['maxLength'] === undefined
      switch (schema.type) {
        case 'string':
          return schema['maxLength'] === undefined && schema['enum'] === undefined
        case 'array':
          return schema['maxItems'] === undefined
        case 'object':
          return schema.additionalProperties !== undefined && schema['maxProperties'] === undefined
        default:
          return false
      }
    })
    expect(open.map(({ path }) => path.join('.'))).toEqual([])
  })

  test('the schema is structural', () => {
    const faults = fields.flatMap(({ path, schema }) => {
      const wrong = [
        schema.type === undefined &&
          !schema['x-kubernetes-int-or-string'] &&
          !schema['x-kubernetes-preserve-unknown-fields'] &&
          'no type',
        ['$ref', 'definitions', 'not', 'oneOf', 'allOf', 'patternProperties', 'const', 'uniqueItems'].find(
          (keyword) => keyword in schema,
        ),
        schema.properties && schema.additionalProperties && 'properties and additionalProperties',
        schema.type === 'array' && !schema.items && 'no items',
        schema.type === 'object' &&
          !schema.properties &&
          !schema.additionalProperties &&
          !schema['x-kubernetes-preserve-unknown-fields'] &&
          path.join('.') !== 'metadata' &&
          'empty object',
        (schema['required'] as string[] | undefined)?.find((name) => !schema.properties?.[name]),
      ]
      return wrong.filter((fault) => typeof fault === 'string').map((fault) => `${path.join('.')}: ${fault}`)
    })
    expect(faults).toEqual([])
  })

  test('a spec has no defaults of the API server, a status begins unobserved', () => {
    const defaulted = fields.filter(({ schema }) => 'default' in schema)
    expect(defaulted.map(({ path, schema }) => [path.join('.'), schema['default']])).toEqual([
      ['status', { observedGeneration: -1 }],
    ])
    expect(crd.spec.versions[0]!.subresources).toEqual({ status: {} })
  })

  test('a rule of its own is a shape that the validators know too, or says which guardrail it is', () => {
    const shapes = ['missing-field', 'invalid-value']
    const guardrails = [
      'invalid-ims-org',
      'unsupported-campaign-version',
      'multiple-organizational-units',
      'creates-profiles',
      'encrypted-file',
    ]
    for (const { rule, message } of fields.flatMap(({ schema }) => schema['x-kubernetes-validations'] ?? [])) {
      const code = message.slice(0, message.indexOf(': '))
      if (rule === 'self == oldSelf') expect(kind).toBe('Run')
      else expect(shapeOf(rule) ? shapes : guardrails, rule).toContain(code)
    }
  })

  test('printer columns read fields that are there', () => {
    const { additionalPrinterColumns: columns } = crd.spec.versions[0]!
    const answer = kind === 'Run' ? conditionTypes.succeeded : conditionTypes.ready
    expect(columns.map(({ name }) => name)).toEqual(expect.arrayContaining([answer, 'Age', ...(first[kind] ?? [])]))
    for (const { jsonPath } of columns.filter(({ name }) => name !== 'Age')) {
      const path = jsonPath.replace(/\[\?\(@\.type=="\w+"\)\]/, '.[]').slice(1)
      expect(
        fields.map(({ path }) => path.join('.')),
        jsonPath,
      ).toContain(path)
    }
  })
})

/** What a person asks first. */
const first: Readonly<Record<string, readonly string[]>> = {
  Segment: ['Members', 'Last Evaluated', 'Latency'],
  Run: ['Target', 'Step'],
  Activation: ['Segments', 'Last Run', 'Next Run'],
  CampaignInstance: ['Segments', 'Limit'],
}

test.each([
  ['a Pod template', 'podTemplate'],
  ['a location', 'location'],
  ['history limits', 'historyLimits'],
  ['conditions', 'conditions'],
  ['active Runs', 'activeRuns'],
  ['a volume', 'volume'],
  ["a Pod's resources", 'resources'],
])('%s is the same wherever it stands', (_, name) => {
  const blocks = crds.flatMap(({ schema }) =>
    fieldsOf(schema, [])
      .filter(({ path }) => path.at(-1) === name)
      .map(({ schema: { description: _, ...block } }) => block),
  )
  expect(blocks.length).toBeGreaterThan(1)
  for (const block of blocks) expect(block).toEqual(blocks[0])
})

type Field = { readonly path: readonly string[]; readonly schema: CrdSchema }

/** A schema and all below it; items of lists and values of maps are called []. */
function fieldsOf(schema: CrdSchema, path: readonly string[]): readonly Field[] {
  const below: [string, CrdSchema][] = Object.entries(schema.properties ?? {})
  if (schema.items) below.push(['[]', schema.items])
  if (schema.additionalProperties) below.push(['[]', schema.additionalProperties])
  return [{ path, schema }, ...below.flatMap(([name, child]) => fieldsOf(child, [...path, name]))]
}
