// Writes crds/generated/ from the CRDs and the schemas beside them, after filling in what they share (parts.ts). Run by `npm run
// generate`; test/tidy fails when a committed file is stale.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { Ajv2019 } from 'ajv/dist/2019.js'
import standalone from 'ajv/dist/standalone/index.js'
import { compile, type JSONSchema, type Options } from 'json-schema-to-typescript'
import { parse } from 'yaml'
import { fieldPathsOf } from './fields.ts'
import { runnableKinds } from './kinds.ts'
import { locationDefaults, locationOf, planLocations, withParts } from './parts.ts'
import { stepNames } from './steps.ts'
import { transformSchema } from './transforms.ts'

const here = import.meta.dirname
const banner = '// Generated from crds/ by `npm run generate`. Do not edit.\n'

/** Contents by path in crds/. */
export async function generatedFiles(): Promise<Record<string, string>> {
  const filled = [...yamlFiles('.'), ...yamlFiles('contracts')].map((file) => [file, filledText(file)])
  const generated = Object.entries(await generatedCode()).map(([name, text]) => [join('generated', name), text])
  return Object.fromEntries([...filled, ...generated])
}

/** Contents by name in crds/generated/. */
async function generatedCode(): Promise<Record<string, string>> {
  const files: Record<string, string> = {}
  for (const file of yamlFiles('contracts')) {
    const schema: JSONSchema = read(file)
    const name = basename(file, '.schema.yaml')
    files[`${name}.ts`] =
      banner + (await typesOf(withoutAlternatives(schema), schema.title ?? name, { ignoreMinAndMaxItems: true }))
  }
  for (const { file, kind, schema } of readCrds()) {
    files[`${file}.ts`] = banner + imports(kind) + (await typesOf(crdTypes(kind, schema), kind, closedLists))
  }
  const fields = Object.fromEntries(readCrds().map(({ kind, schema }) => [kind, fieldPathsOf(schema)]))
  files['crd-fields.json'] = JSON.stringify(fields, null, 1) + '\n'
  const schemas = jsonSchemas()
  files['schemas.json'] = JSON.stringify(schemas, null, 1) + '\n'
  files['resources.ts'] = banner + resourceTypes(readCrds())
  files['location-defaults.ts'] = banner + locationDefaults(readPart('locations'))
  files['validators.js'] = banner + validatorsOf(schemas)
  files['validators.d.ts'] = banner + validatorTypes(Object.keys(schemas))
  return files
}

/** The CRDs in crds/, with the schema of their only version. */
export function readCrds(): readonly {
  readonly file: string
  readonly kind: string
  readonly crd: Crd
  readonly schema: CrdSchema
}[] {
  return yamlFiles('.').map((name) => {
    const crd: Crd = read(name)
    return {
      file: basename(name, '.yaml'),
      kind: crd.spec.names.kind,
      crd,
      schema: crd.spec.versions[0]!.schema.openAPIV3Schema,
    }
  })
}

export type Crd = {
  readonly metadata: { readonly name: string }
  readonly spec: {
    readonly group: string
    readonly scope: string
    readonly names: Readonly<Record<string, unknown>> & { readonly kind: string }
    readonly versions: readonly {
      readonly name: string
      readonly subresources?: object
      readonly additionalPrinterColumns: readonly {
        readonly name: string
        readonly type: string
        readonly jsonPath: string
      }[]
      readonly schema: { readonly openAPIV3Schema: CrdSchema }
    }[]
  }
}

/** OpenAPI v3, as far as a structural CRD schema may use it. */
export type CrdSchema = {
  readonly [keyword: string]: unknown
  readonly type?: string
  readonly description?: string
  readonly properties?: Readonly<Record<string, CrdSchema>>
  readonly additionalProperties?: CrdSchema
  readonly items?: CrdSchema
  readonly 'x-kubernetes-validations'?: readonly { readonly rule: string; readonly message: string }[]
}

/** The CRDs are alone in their folder, so that `kubectl apply -f crds/` takes it; the contracts between rooms have one of their own. */
function yamlFiles(folder: '.' | 'contracts'): string[] {
  return readdirSync(join(here, folder))
    .filter((name) => name.endsWith('.yaml'))
    .sort()
    .map((name) => join(folder, name))
}

/** The caller states the file's type; all these files are ours. */
function read<T>(file: string): T {
  return parse(filledText(file))
}

/** A CRD or contract, with the parts that it shares with others filled in. */
function filledText(file: string): string {
  const text = readFileSync(join(here, file), 'utf8')
  return withParts(text, (name) => {
    if (name === 'location') return locationOf(/^ {4}kind: (\w+)$/m.exec(text)![1]!, readPart('locations'))
    if (name === 'plan-locations') return planLocations(readPart('locations'), text)
    if (name === 'runnable-kind') return `enum: [${runnableKinds.join(', ')}]`
    if (name === 'step') return `enum: [${stepNames.join(', ')}]`
    // Without the part's own comment.
    return readPart(name).replace(/^(?:#.*\n)+/, '')
  })
}

function readPart(name: string): string {
  return readFileSync(join(here, 'parts', `${name}.yaml`), 'utf8')
}

function typesOf(schema: JSONSchema, name: string, options: Partial<Options> = {}): Promise<string> {
  return compile(schema, name, {
    ...options,
    bannerComment: '',
    style: { semi: false, singleQuote: true },
  })
}

/** Fields that exclude each other are left to the validator: as a type they would make every such object an intersection. */
function withoutAlternatives<Part>(part: Part): Part {
  if (typeof part !== 'object' || part === null) return part
  for (const child of Object.values(part)) withoutAlternatives(child)
  // An object that an anchor names twice stays one object, and so becomes one type.
  if ('oneOf' in part && 'properties' in part) delete part.oneOf
  return part
}

/** Objects take no other fields; for readers a bounded list is a plain list. */
const closedLists: Partial<Options> = { additionalProperties: false, ignoreMinAndMaxItems: true }

/** The types of all kinds in one file, and by kind. */
function resourceTypes(crds: readonly { readonly file: string; readonly kind: string }[]): string {
  return [
    ...crds.map(({ file, kind }) => `import type { ${kind} } from './${file}.ts'`),
    ...crds.map(({ file }) => `export type * from './${file}.ts'`),
    'export type ResourceByKind = {',
    ...crds.map(({ kind }) => `  readonly ${kind}: ${kind}`),
    '}',
    '',
  ].join('\n')
}

function imports(kind: string): string {
  return (
    "import type { ObjectMeta } from '../object-meta.ts'\n" +
    (kind === 'Dataset' || kind === 'Activation' ? "import type { Transform } from '../transforms.ts'\n" : '') +
    (kind === 'ProfileStore' ? "import type { UnionSchema } from '../union-schema.ts'\n" : '')
  )
}

/** The schema with names for its parts, so that `SegmentSpec` and `SegmentStatus` become types of their own. */
function crdTypes(kind: string, schema: CrdSchema): JSONSchema {
  const { spec, status } = schema.properties!
  return {
    type: 'object',
    description: schema.description,
    required: ['apiVersion', 'kind', 'metadata', 'spec'],
    properties: {
      apiVersion: { const: 'convoke.dev/v1alpha1' },
      kind: { const: kind },
      metadata: { tsType: 'ObjectMeta' },
      spec: { title: `${kind}Spec`, ...withWrittenTypes(spec!) },
      status: { title: `${kind}Status`, ...withWrittenTypes(status!) },
    },
  } as JSONSchema
}

/** Fields that a CRD keeps as they are written have types written by hand. */
function withWrittenTypes(schema: CrdSchema): CrdSchema {
  if (schema['x-kubernetes-preserve-unknown-fields'])
    return { description: schema.description ?? '', tsType: isTransform(schema) ? 'Transform' : 'UnionSchema' }
  return {
    ...schema,
    ...(schema.items && { items: withWrittenTypes(schema.items) }),
    ...(schema.properties && {
      properties: Object.fromEntries(
        Object.entries(schema.properties).map(([name, property]) => [name, withWrittenTypes(property)]),
      ),
    }),
  }
}

/** Whether this is the field that takes a text, a list or an object, for which a CRD has no type. */
function isTransform(schema: CrdSchema): boolean {
  return schema['x-kubernetes-preserve-unknown-fields'] === true && schema.type === undefined
}

/** One JSON Schema for each kind of document: those of the four contracts, and the CRDs' for what people write. */
function jsonSchemas(): Record<string, JsonSchema> {
  const contracts = yamlFiles('contracts').map((name): [string, JsonSchema] => {
    const schema: JsonSchema = read(name)
    return [String(schema['title']), schema]
  })
  return Object.fromEntries([
    ...readCrds().map(({ kind, schema }) => [kind, documentSchema(kind, schema)] as const),
    ...contracts,
  ])
}

type JsonSchema = { readonly [keyword: string]: unknown }

function documentSchema(kind: string, schema: CrdSchema): JsonSchema {
  const { metadata, spec } = schema.properties!
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $id: `https://convoke.dev/schemas/${kind}.json`,
    title: kind,
    description: schema.description,
    type: 'object',
    required: ['apiVersion', 'kind', 'metadata', 'spec'],
    additionalProperties: false,
    properties: {
      apiVersion: { const: 'convoke.dev/v1alpha1' },
      kind: { const: kind },
      metadata: metadataSchema(jsonSchemaOf(metadata!.properties!['name']!)),
      spec: jsonSchemaOf(spec!),
      // Only the operator writes it.
      status: {},
    },
  }
}

/** What the API server accepts as metadata; fields that it writes itself are not checked. */
function metadataSchema(name: JsonSchema): JsonSchema {
  const server = [
    'uid',
    'resourceVersion',
    'generation',
    'creationTimestamp',
    'deletionTimestamp',
    'deletionGracePeriodSeconds',
    'finalizers',
    'ownerReferences',
    'managedFields',
    'selfLink',
    'generateName',
  ]
  return {
    type: 'object',
    required: ['name'],
    additionalProperties: false,
    properties: {
      name,
      namespace: { type: 'string', maxLength: 63, pattern: '^[a-z0-9]([-a-z0-9]*[a-z0-9])?$' },
      labels: {
        type: 'object',
        additionalProperties: {
          type: 'string',
          maxLength: 63,
          pattern: '^([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?$',
        },
      },
      annotations: { type: 'object', additionalProperties: { type: 'string' } },
      ...Object.fromEntries(server.map((field) => [field, {}])),
    },
  }
}

const sharedKeywords = [
  'type',
  'description',
  'enum',
  'pattern',
  'minLength',
  'maxLength',
  'minimum',
  'maximum',
  'required',
  'minItems',
  'maxItems',
  'minProperties',
  'maxProperties',
] as const

/** OpenAPI as JSON Schema: unknown fields are refused, which the API server does by other means. */
function jsonSchemaOf(schema: CrdSchema): JsonSchema {
  const { properties, items, additionalProperties } = schema
  return {
    ...Object.fromEntries(sharedKeywords.flatMap((keyword) => (keyword in schema ? [[keyword, schema[keyword]]] : []))),
    ...(isTransform(schema) && transformSchema),
    ...(schema['x-kubernetes-int-or-string'] === true && { type: ['integer', 'string'] }),
    // int32 and int64 tell how a number is stored, not which numbers are valid.
    ...(schema['format'] === 'date-time' && { format: 'date-time' }),
    ...(items && { items: jsonSchemaOf(items) }),
    ...(additionalProperties && { additionalProperties: jsonSchemaOf(additionalProperties) }),
    ...(properties && {
      additionalProperties: false,
      properties: Object.fromEntries(
        Object.entries(properties).map(([name, property]) => [name, jsonSchemaOf(property)]),
      ),
    }),
    ...Object.assign({}, ...shapes(schema)),
  }
}

/** Joins the `dependencies` of several rules, which are one keyword. */
function shapes(schema: CrdSchema): readonly JsonSchema[] {
  const found = (schema['x-kubernetes-validations'] ?? [])
    .map(({ rule }) => shapeOf(rule))
    .filter((shape) => shape !== null)
  const dependencies: object = Object.assign({}, ...found.map((shape) => shape['dependencies']))
  return Object.keys(dependencies).length > 0 ? [...found, { dependencies }] : found
}

/** JSON Schema for a CEL rule about the shape of one document; null for guardrails, which the compiler checks. */
export function shapeOf(rule: string): JsonSchema | null {
  if (/^\[has\(self\.\w+\)(, has\(self\.\w+\))+\]\.exists_one\(one, one\)$/.test(rule)) {
    return { oneOf: [...rule.matchAll(/has\(self\.(\w+)\)/g)].map(([, name]) => ({ required: [name] })) }
  }
  const [, field, needed] = /^!has\(self\.(\w+)\) \|\| has\(self\.(\w+)\)$/.exec(rule) ?? []
  if (field) return { dependencies: { [field]: [needed] } }
  const [, optional, selector, value, implied] =
    /^(?:!has\(self\.(\w+)\) \|\| )?self\.(\w+) != '(\w+)' \|\| has\(self\.(\w+)\)$/.exec(rule) ?? []
  if (selector) {
    const chosen = { ...(optional && { required: [optional] }), properties: { [selector]: { const: value } } }
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema; nothing awaits it.
    return { if: chosen, then: { required: [implied] } }
  }
  const [, flag] = /^self\.filter\(\w+, has\(\w+\.(\w+)\) && \w+\.\w+\)\.size\(\) == 1$/.exec(rule) ?? []
  if (flag)
    return { contains: { required: [flag], properties: { [flag]: { const: true } } }, minContains: 1, maxContains: 1 }
  return null
}

/** RFC 3339 with the days that each month can have. A pattern, because the validators would have to import a function at run time. */
const dateTime =
  /^\d{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12]\d|3[01])|(?:0[469]|11)-(?:0[1-9]|[12]\d|30)|02-(?:0[1-9]|[12]\d))T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)$/i

/** Validators that need no library at run time: compiling 13 schemas would cost every command a third of a second. */
function validatorsOf(schemas: Record<string, JsonSchema>): string {
  const ajv = new Ajv2019({
    schemas: Object.entries(schemas).map(([kind, { $schema, $id, ...schema }]) => ({
      ...(withoutTexts(schema) as JsonSchema),
      $id: kind,
    })),
    formats: { 'date-time': dateTime },
    allErrors: true,
    allowUnionTypes: true,
    strictRequired: false,
    strictTypes: false,
    inlineRefs: false,
    code: { source: true, esm: true },
  })
  const code = standalone
    .default(ajv, Object.fromEntries(Object.keys(schemas).map((kind) => [kind, kind])))
    .replace(/^"use strict";/, '')
    .replaceAll('require("ajv/dist/runtime/ucs2length").default', 'codePoints')
  if (code.includes('require('))
    throw new Error(`validators.js would import something: ${/require\(.*\)/.exec(code)?.[0]}`)
  return `function codePoints(text) {\n  let count = 0\n  for (const _ of text) count++\n  return count\n}\n${code}\n`
}

/** The generated code repeats its schemas; texts for people would be two thirds of it. Transforms are checked by the compiler. */
function withoutTexts(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(withoutTexts)
  if (typeof schema !== 'object' || schema === null) return schema
  return Object.fromEntries(
    Object.entries(schema).flatMap(([keyword, value]) =>
      (keyword === 'description' && typeof value === 'string') || value === transformSchema.anyOf
        ? []
        : [[keyword, withoutTexts(value)]],
    ),
  )
}

function validatorTypes(kinds: readonly string[]): string {
  return (
    "import type { ErrorObject } from 'ajv'\n" +
    'type Validator = { (value: unknown): boolean; errors?: ErrorObject[] | null }\n' +
    kinds.map((kind) => `export const ${kind}: Validator\n`).join('')
  )
}

if (import.meta.main) {
  mkdirSync(join(here, 'generated'), { recursive: true })
  for (const [file, text] of Object.entries(await generatedFiles())) writeFileSync(join(here, file), text)
}
