// Parts of the chart that come from elsewhere: the CRDs of crds/, and the comments of values.yaml for its schema and README.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { isMap, isScalar, parse, parseDocument, type YAMLMap } from 'yaml'
import { group, type Kind, kindNames, kinds, version } from '#crds'
import { dashboard } from './dashboard.ts'

const root = join(import.meta.dirname, '..')
const chart = 'charts/convoke'

/** A value of the chart. A map is one value if none of its keys has a comment. */
export type ChartValue = {
  readonly path: readonly string[]
  readonly value: unknown
  /** The comment above it; empty where there is none. */
  readonly description: string
  /** Whether it is a map of further values; its description is about all of them, and its value is null. */
  readonly isSection: boolean
}

/** Texts by path from the root of the repository. */
export function chartFiles(): Readonly<Record<string, string>> {
  const crds = readdirSync(join(root, 'crds')).filter((file) => /^[a-z-]+\.yaml$/.test(file))
  const values = chartValues(read(`${chart}/values.yaml`))
  return {
    ...Object.fromEntries(crds.map((file) => [`${chart}/files/crds/${file}`, read(`crds/${file}`)])),
    [`${chart}/Chart.yaml`]: withKinds(read(`${chart}/Chart.yaml`)),
    [`${chart}/templates/_kinds.tpl`]: kindLists(),
    [`${chart}/files/dashboard.json`]: dashboard(),
    [`${chart}/values.schema.json`]: schemaOf(values),
    [`${chart}/README.md`]: withTables(read(`${chart}/README.md`), {
      alerts: alertTable(parse(read(`${chart}/files/alerts.yaml`))),
      values: valueTable(values),
    }),
  }
}

/** The chart's values in the order of the file, a section before its content. */
export function chartValues(text: string): readonly ChartValue[] {
  const { contents } = parseDocument(text)
  return isMap(contents) ? valuesIn(contents, []) : []
}

function valuesIn(map: YAMLMap, above: readonly string[]): readonly ChartValue[] {
  return map.items.flatMap(({ key, value }, index) => {
    // All keys of the file are scalars. The parser gives a comment above a map's first key to the map.
    const { value: name, commentBefore } = isScalar(key) ? key : { value: '', commentBefore: null }
    const comment = (index === 0 && above.length > 0 ? map.commentBefore : commentBefore) ?? ''
    const path = [...above, String(name)]
    const description = comment.replace(/\s+/g, ' ').trim()
    if (!isMap(value) || !hasComments(value))
      return [{ path, value: JSON.parse(JSON.stringify(value)), description, isSection: false }]
    return [{ path, value: null, description, isSection: true }, ...valuesIn(value, path)]
  })
}

function hasComments({ commentBefore, items }: YAMLMap): boolean {
  return (
    commentBefore != null ||
    items.some(({ key, value }) => (isScalar(key) && key.commentBefore != null) || (isMap(value) && hasComments(value)))
  )
}

type Schema = { readonly properties?: Readonly<Record<string, Schema>>; readonly [keyword: string]: unknown }

function schemaOf(values: readonly ChartValue[]): string {
  const described = new Map(
    values.map(({ path, value, description, isSection }) => [
      path.join('.'),
      { ...(description === '' ? {} : { description }), ...(isSection ? {} : { default: value }) },
    ]),
  )
  const withDescriptions = (schema: Schema, path: readonly string[]): Schema => {
    const { definitions, properties, ...rest } = schema
    return {
      ...rest,
      ...described.get(path.join('.')),
      ...(properties === undefined
        ? {}
        : {
            properties: Object.fromEntries(
              Object.entries(properties).map(([name, each]) => [name, withDescriptions(each, [...path, name])]),
            ),
          }),
      ...(definitions === undefined ? {} : { definitions }),
    }
  }
  const schema: Schema = parse(read(`${chart}/values.schema.yaml`))
  return `${JSON.stringify(withDescriptions(schema, []), null, 2)}\n`
}

/** Artifact Hub's list of kinds, which is a text in itself. */
function withKinds(text: string): string {
  const list = kindNames.map((kind) => [
    `    - kind: ${kind}`,
    `      version: ${version}`,
    `      name: ${kinds[kind].plural}.${group}`,
    `      displayName: ${kind.replace(/(?<=[a-z])[A-Z]/g, (letter) => ` ${letter.toLowerCase()}`)}`,
    `      description: ${kinds[kind].summary}`,
    '',
  ])
  return text.replace(
    /(?<=^ {2}artifacthub\.io\/crds: \|\n)(?: {4}.*\n)+/m,
    list.flatMap((lines) => lines.join('\n')).join(''),
  )
}

/** The plural of each kind, for rights. */
function kindLists(): string {
  const listed = (wanted: readonly Kind[]): string =>
    `[${wanted
      .map((kind) => kinds[kind].plural)
      .sort()
      .join(', ')}]`
  const authored = kindNames.filter((kind) => kinds[kind].writtenBy === 'authors')
  return [
    '{{- /* Made from crds/kinds.ts by `npm run generate`: of each kind its plural. */ -}}',
    '{{- define "convoke.resources" -}}',
    listed(kindNames),
    '{{- end -}}',
    '{{- define "convoke.authored" -}}',
    listed(authored),
    '{{- end -}}',
    '',
  ].join('\n')
}

/** The text with each table put between its two marks. */
function withTables(text: string, tables: Readonly<Record<string, string>>): string {
  return Object.entries(tables).reduce(
    (written, [name, table]) =>
      written.replace(
        new RegExp(`(<!-- ${name} -->\\n)[\\s\\S]*(<!-- end of ${name} -->)`),
        (_, start: string, end: string) => `${start}${table}${end}`,
      ),
    text,
  )
}

type Alert = {
  readonly alert: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string }
}

function alertTable(alerts: readonly Alert[]): string {
  return table(
    ['alert', 'severity', 'says'],
    alerts.map(({ alert, labels, annotations }) => [
      `\`${alert}\``,
      labels.severity,
      annotations.summary
        .replaceAll(/\{\{ \$labels\.(\w+) \}\}/g, (_, label: string) => label.toUpperCase())
        .replaceAll(/\{\{ \$value.*?\}\}/g, 'N'),
    ]),
  )
}

function valueTable(values: readonly ChartValue[]): string {
  return table(
    ['value', 'default', 'says'],
    values
      .filter(({ isSection }) => !isSection)
      .map(({ path, value, description }) => [`\`${path.join('.')}\``, `\`${JSON.stringify(value)}\``, description]),
  )
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('')
}

function read(path: string): string {
  return readFileSync(join(root, path), 'utf8')
}
