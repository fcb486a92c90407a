// Writes crds/generated/ from the CRDs and the schemas beside them. Run by `npm run generate`; test/crds says when a committed file
// is stale.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { compile, type JSONSchema, type Options } from 'json-schema-to-typescript'
import { parse } from 'yaml'

const here = import.meta.dirname
const banner = '// Generated from crds/ by `npm run generate`. Do not edit.\n'

/** Name in crds/generated/ → content. */
export async function generatedFiles(): Promise<Record<string, string>> {
  const files: Record<string, string> = {}
  for (const file of yamlFiles().filter((name) => name.endsWith('.schema.yaml'))) {
    const schema: JSONSchema = read(file)
    const name = basename(file, '.schema.yaml')
    files[`${name}.ts`] = banner + (await typesOf(schema, schema.title ?? name))
  }
  for (const { file, kind, schema } of readCrds()) {
    files[`${file}.ts`] = banner + imports(kind) + (await typesOf(crdTypes(kind, schema), kind, closedLists))
  }
  return files
}

/** The CRDs as they lie in crds/, with the schema of their only version. */
export function readCrds(): readonly {
  readonly file: string
  readonly kind: string
  readonly crd: Crd
  readonly schema: CrdSchema
}[] {
  return yamlFiles()
    .filter((name) => !name.endsWith('.schema.yaml'))
    .map((name) => {
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

/** OpenAPI v3 as a structural CRD schema may use it. */
export type CrdSchema = {
  readonly [keyword: string]: unknown
  readonly type?: string
  readonly description?: string
  readonly properties?: Readonly<Record<string, CrdSchema>>
  readonly additionalProperties?: CrdSchema
  readonly items?: CrdSchema
  readonly 'x-kubernetes-validations'?: readonly { readonly rule: string; readonly message: string }[]
}

function yamlFiles(): string[] {
  return readdirSync(here)
    .filter((name) => name.endsWith('.yaml'))
    .sort()
}

/** The caller says what the file holds; every one of them is ours. */
function read<T>(file: string): T {
  return parse(readFileSync(join(here, file), 'utf8'))
}

function typesOf(schema: JSONSchema, name: string, options: Partial<Options> = {}): Promise<string> {
  return compile(schema, name, {
    ...options,
    bannerComment: '',
    style: { semi: false, singleQuote: true },
  })
}

/** Objects take no other fields, and a bounded list is a plain list to whoever reads it. */
const closedLists: Partial<Options> = { additionalProperties: false, ignoreMinAndMaxItems: true }

function imports(kind: string): string {
  return (
    "import type { ObjectMeta } from '../object-meta.ts'\n" +
    (kind === 'ProfileStore' ? "import type { UnionSchema } from '../union-schema.ts'\n" : '')
  )
}

/** The same schema with names for its parts, so that `SegmentSpec` and `SegmentStatus` are types of their own. */
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
      spec: { title: `${kind}Spec`, ...withUnionSchema(spec!) },
      status: { title: `${kind}Status`, ...withUnionSchema(status!) },
    },
  } as JSONSchema
}

function withUnionSchema(schema: CrdSchema): CrdSchema {
  if (schema['x-kubernetes-preserve-unknown-fields'])
    return { description: schema.description ?? '', tsType: 'UnionSchema' }
  return {
    ...schema,
    ...(schema.properties && {
      properties: Object.fromEntries(
        Object.entries(schema.properties).map(([name, property]) => [name, withUnionSchema(property)]),
      ),
    }),
  }
}

if (import.meta.main) {
  mkdirSync(join(here, 'generated'), { recursive: true })
  for (const [name, text] of Object.entries(await generatedFiles())) writeFileSync(join(here, 'generated', name), text)
}
