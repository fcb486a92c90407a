// A page for each kind, made from its CRD: every field with its type, default and an example.
import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { kindNames } from '#crds'
import { type CrdSchema, readCrds } from '../crds/generate.ts'

const root = join(import.meta.dirname, '..')

/** Where examples are taken from, the richest first. */
const sources = ['examples/retail/resources/*.yaml', 'examples/minimal/*.yaml', 'docs/reference/examples.yaml']

/** Texts by path from the root of the repository. */
export function referenceFiles(): Readonly<Record<string, string>> {
  const order: readonly string[] = kindNames
  const crds = [...readCrds()].sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind))
  const examples = examplesOf()
  const pages = crds.map(({ file, kind, crd, schema }) => [
    `docs/reference/${file}.md`,
    page(kind, crd, schema, examples.get(kind) ?? [], others(examples, kind)),
  ])
  return { 'docs/reference/README.md': index(crds), ...Object.fromEntries(pages) }
}

/** Examples of other kinds: places, Pods and limits are written the same in all of them. */
function others(examples: ReadonlyMap<string, readonly Example[]>, kind: string): readonly Example[] {
  return [...examples].flatMap(([other, found]) => (other === kind ? [] : found))
}

type Crds = ReturnType<typeof readCrds>
type Example = { readonly text: string; readonly value: unknown }

/** Examples by kind, in the order of `sources`. */
function examplesOf(): ReadonlyMap<string, readonly Example[]> {
  const files = sources.flatMap((pattern) => globSync(pattern, { cwd: root }).sort())
  const all = files.flatMap((file) => {
    const text = readFileSync(join(root, file), 'utf8')
    return parseAllDocuments(text).flatMap((document): (Example & { kind: string })[] => {
      const value = document.toJS() as { kind?: string } | null
      if (!value?.kind) return []
      const [start, , end] = document.range
      const own = text
        .slice(start, end)
        .replace(/^[\s\S]*?(?=^apiVersion)/m, '')
        .replace(/\n---\s*$/, '\n')
      return [{ kind: value.kind, text: own.trim(), value }]
    })
  })
  return Map.groupBy(all, ({ kind }) => kind)
}

const banner = '<!-- Generated from crds/ by `npm run generate`. Do not edit. -->\n'

function index(crds: Crds): string {
  const rows = crds.map(({ file, kind, schema, crd }) => {
    const { shortNames } = crd.spec.names as { readonly shortNames?: readonly string[] }
    return `| [${kind}](${file}.md) | ${(shortNames ?? []).map(code).join(', ')} | ${cell(firstSentence(schema.description ?? ''))} |`
  })
  return `${banner}
# Reference

Every kind of resource with all of its fields. \`convoke schema --out DIR\` writes the same as JSON Schemas for editors; \`kubectl explain\` says it in a cluster.

| kind | short | what it is |
| --- | --- | --- |
${rows.join('\n')}

A [SegmentTest](../segment-tests.md) is a file beside them, which no cluster knows.
`
}

function page(
  kind: string,
  crd: Crds[number]['crd'],
  schema: CrdSchema,
  own: readonly Example[],
  others: readonly Example[],
): string {
  const { spec, status } = schema.properties!
  const { plural, shortNames = [] } = crd.spec.names as { plural?: string; shortNames?: readonly string[] }
  const names = [plural, ...shortNames].filter((name) => name !== undefined).map((name) => code(name))
  const [example] = own
  const rules = rulesOf(spec!, 'spec')
  return `${banner}
# ${kind}

${schema.description ?? ''}

\`${crd.spec.group}/v1alpha1\`, namespaced. kubectl knows it as ${names.join(', ')}.
${example ? `\n## Example\n\n\`\`\`yaml\n${example.text}\n\`\`\`\n` : ''}
## spec

A field in **bold** is needed where the object it is in is written.

${table(spec!, 'spec', [...own, ...others])}
${rules.length === 0 ? '' : `\n### What else must hold\n\n${rules.map((rule) => `- ${rule}`).join('\n')}\n`}
## status

${status?.description ?? ''}

${table(status!, 'status', [])}
`
}

type Row = { readonly path: string; readonly schema: CrdSchema; readonly isRequired: boolean }

function rowsOf(schema: CrdSchema, path: string): readonly Row[] {
  const { properties = {}, items, additionalProperties } = schema
  const required = (schema['required'] ?? []) as readonly string[]
  const fields = Object.entries(properties).flatMap(([name, field]) => {
    const at = path === '' ? name : `${path}.${name}`
    return [{ path: at, schema: field, isRequired: required.includes(name) }, ...rowsOf(field, at)]
  })
  return [
    ...fields,
    ...(items ? rowsOf(items, `${path}[]`) : []),
    ...(typeof additionalProperties === 'object' ? rowsOf(additionalProperties, `${path}.KEY`) : []),
  ]
}

function table(schema: CrdSchema, part: 'spec' | 'status', examples: readonly Example[]): string {
  const isSpec = part === 'spec'
  const rows = rowsOf(schema, '').map(({ path, schema: field, isRequired }) => {
    const { text, fallback } = parted(field.description ?? '')
    const name = isRequired && isSpec ? `**${code(path)}**` : code(path)
    return isSpec
      ? `| ${name} | ${cell(typeOf(field))} | ${cell(fallback)} | ${cell(text)} | ${cell(exampleAt(path, field, examples))} |`
      : `| ${name} | ${cell(typeOf(field))} | ${cell(text)} |`
  })
  const head = isSpec
    ? '| field | type | default | what it says | example |\n| --- | --- | --- | --- | --- |'
    : '| field | type | what it says |\n| --- | --- | --- |'
  return `${head}\n${rows.join('\n')}`
}

/** A description and the default that it names. */
function parted(description: string): { readonly text: string; readonly fallback: string } {
  const [, text = description, fallback = '', more = ''] =
    /^([\s\S]*?)\s*Default: ([\s\S]*?)\.?(?:(?<=\.) ([\s\S]*))?$/.exec(description) ?? []
  return { text: `${text} ${more}`.trim(), fallback: fallback.replace(/\.$/, '') }
}

function typeOf(schema: CrdSchema): string {
  const { type, items, additionalProperties } = schema
  const values = schema['enum'] as readonly unknown[] | undefined
  if (values) return values.map((value) => code(String(value))).join(', ')
  if (schema['x-kubernetes-int-or-string']) return 'integer or text'
  if (type === undefined) return 'text, list or object'
  if (type === 'array') return `list of ${items ? plural(typeOf(items)) : 'anything'}`
  if (type === 'object')
    return typeof additionalProperties === 'object' ? `map of ${plural(typeOf(additionalProperties))}` : 'object'
  if (type === 'string')
    return schema['format'] === 'date-time' ? 'time' : `text${bounds(schema, 'Length', ' characters')}`
  return `${type === 'boolean' ? 'true or false' : type}${bounds(schema, '', '')}`
}

function plural(type: string): string {
  return type === 'object' ? 'objects' : type.startsWith('text') ? type.replace(/^text.*/, 'texts') : type
}

function bounds(schema: CrdSchema, suffix: string, unit: string): string {
  const [least, most] = [schema[suffix ? `min${suffix}` : 'minimum'], schema[suffix ? `max${suffix}` : 'maximum']]
  // Every text has some bound; only a short one is worth telling.
  if (suffix && Number(most) > 64) return ''
  if (least === undefined && most === undefined) return ''
  const [from, to] = [least, most].map((bound) => (bound === undefined ? '' : Number(bound).toLocaleString('en')))
  return suffix
    ? `, at most ${to}${unit}`
    : `, ${from === '' ? `at most ${to}` : to === '' ? `from ${from}` : `${from} to ${to}`}`
}

/** The field's value in an example; else the one that its description names; else the first of its possible values. */
function exampleAt(path: string, schema: CrdSchema, examples: readonly Example[]): string {
  const steps = path.split('.')
  for (const { value } of examples) {
    const found = valueAt((value as { spec?: unknown }).spec, steps)
    if (found !== undefined && !isObjects(found)) return code(written(found))
  }
  const { type, properties, items } = schema
  if (type === 'object' || (type === 'array' && (items?.properties || properties))) return ''
  const [, quoted, said] =
    /for example (?:"([^"]+)"|([^\s,;]+(?: [^\s,;.]+)*?))(?=[,;.]?(?:\s|$))/i.exec(schema.description ?? '') ?? []
  const named = quoted ?? said?.replace(/[.,;]$/, '')
  if (named !== undefined && named !== 'a') return code(named)
  const values = schema['enum'] as readonly unknown[] | undefined
  const { fallback } = parted(schema.description ?? '')
  return values
    ? code(String(values[0]))
    : type === 'boolean'
      ? code('true')
      : /^[\w%.]+$/.test(fallback) && !['none', 'any', 'absent'].includes(fallback)
        ? code(fallback)
        : ''
}

function isObjects(value: unknown): boolean {
  return Array.isArray(value) ? value.some(isObjects) : typeof value === 'object' && value !== null
}

/** The value as YAML, on one line. */
function written(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(written).join(', ')}]`
  const text = String(value)
  return typeof value === 'string' && !/^[A-Za-z][\w ./@-]*$/.test(text) ? JSON.stringify(text) : text
}

function valueAt(value: unknown, [step, ...rest]: readonly string[]): unknown {
  if (step === undefined) return value
  if (typeof value !== 'object' || value === null) return undefined
  const lists = /^(.*?)((?:\[\])*)$/.exec(step)!
  const inside = (value as Record<string, unknown>)[lists[1]!]
  if (lists[2] === '') return valueAt(inside, rest)
  if (!Array.isArray(inside)) return undefined
  return inside.map((item) => valueAt(item, rest)).find((found) => found !== undefined)
}

function rulesOf(schema: CrdSchema, path: string): readonly string[] {
  const own = (schema['x-kubernetes-validations'] ?? []).map(
    ({ message }) => `${code(path)}: ${cell(message.replace(/^[a-z-]+: /, ''))}`,
  )
  const { properties = {}, items } = schema
  return [
    ...own,
    ...Object.entries(properties).flatMap(([name, field]) => rulesOf(field, `${path}.${name}`)),
    ...(items ? rulesOf(items, `${path}[]`) : []),
  ]
}

function firstSentence(text: string): string {
  return /^[\s\S]*?[.](?=\s|$)/.exec(text)?.[0] ?? text
}

function code(text: string): string {
  return text.includes('`') ? text : `\`${text}\``
}

/** The text for a cell of a table. */
function cell(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .trim()
    .split('`')
    .map((part, index) => (index % 2 === 1 ? part : part.replace(/</g, '&lt;').replace(/\*(?=\*)/g, '\\*')))
    .join('`')
    .replaceAll('|', '\\|')
}
