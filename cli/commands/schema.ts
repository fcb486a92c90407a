import { mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { nearest } from '#compiler'
import { type JsonSchema, kinds, schemaOf, writtenKinds } from '#crds'
import { type Command, exitCodes, text, UsageError } from '../command.ts'

export const command: Command = {
  summary: 'JSON Schemas of the kinds, for editors',
  operands: ['KIND', 'NOTHING'],
  usage: 'schema [KIND] [--out DIR]',
  description: [
    'Without KIND one schema for all kinds, which chooses by `kind` and says nothing about resources of other groups.',
    'With yaml-language-server (settings.json of VS Code, after `convoke schema --out .vscode`):',
    '',
    '  "yaml.schemas": { ".vscode/convoke.schema.json": ["segments/**/*.yaml", "platform/**/*.yaml"] }',
    '',
    'or, in a file: `# yaml-language-server: $schema=.vscode/convoke.schema.json`. `convoke lsp` knows more: references and expressions.',
  ].join('\n'),
  options: {
    out: { type: 'string', value: 'DIR', help: 'write convoke.schema.json and one file for each kind there' },
  },
  examples: ['convoke schema --out .vscode', 'convoke schema Segment > segment.schema.json'],
  run: async ({ positionals, values, io }) => {
    const [given, ...more] = positionals
    if (more.length > 0) throw new UsageError('`convoke schema` takes one kind.')
    const kind = given === undefined ? null : kindNamed(given)
    const out = text(values, 'out')
    if (out === null) {
      io.out(printed(kind ? editorSchema(kind) : combinedSchema()))
      return exitCodes.fine
    }
    mkdirSync(resolve(io.cwd, out), { recursive: true })
    const files: [name: string, schema: object][] = (kind ? [kind] : writtenKinds).map((each) => [
      `${each.toLowerCase()}.schema.json`,
      editorSchema(each),
    ])
    if (!kind) files.unshift(['convoke.schema.json', combinedSchema()])
    for (const [name, schema] of files) {
      writeFileSync(resolve(io.cwd, out, name), printed(schema))
      io.err(`${join(out, name)}\n`)
    }
    return exitCodes.fine
  },
}

type WrittenKind = (typeof writtenKinds)[number]

/** The kind for a name as kubectl takes it: in any case, in the plural, or short. */
function kindNamed(given: string): WrittenKind {
  const wanted = given.toLowerCase()
  const found = writtenKinds.find((kind) => {
    const names = kind === 'SegmentTest' ? { plural: 'segmenttests', shortName: '' } : kinds[kind]
    return [kind.toLowerCase(), names.plural, names.shortName].includes(wanted)
  })
  if (found) return found
  const near = nearest(given, writtenKinds)[0]
  throw new UsageError(
    `There is no kind \`${given}\`.${near ? ` Did you mean \`${near}\`?` : ` Kinds are ${writtenKinds.join(', ')}.`}`,
  )
}

/** One schema for all kinds. With a `oneOf` of them, editors would report every fault as no kind fitting. */
function combinedSchema(): object {
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'Convoke',
    description: 'A resource of Convoke; which one, `kind` says.',
    type: 'object',
    properties: {
      apiVersion: {
        description: 'convoke.dev/v1alpha1',
        anyOf: [{ enum: ['convoke.dev/v1alpha1'] }, { type: 'string' }],
      },
      kind: { description: 'What is described.', anyOf: [{ enum: writtenKinds }, { type: 'string' }] },
    },
    allOf: writtenKinds.map((kind) => ({
      if: {
        required: ['apiVersion', 'kind'],
        properties: { apiVersion: { pattern: '^convoke\\.dev/' }, kind: { const: kind } },
      },
      // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
      then: { $ref: `#/definitions/${kind}` },
    })),
    definitions: Object.fromEntries(
      writtenKinds.map((kind) => {
        const { $schema, $id, ...schema } = editorSchema(kind)
        return [kind, schema]
      }),
    ),
  }
}

function editorSchema(kind: WrittenKind): JsonSchema {
  return withoutServerFields(schemaOf(kind))
}

/** The schema without fields that the API server fills in (their schema is empty): they are allowed, but nobody is asked to write them. */
function withoutServerFields(schema: JsonSchema): JsonSchema {
  return Object.fromEntries(
    Object.entries(schema).map(([keyword, value]) =>
      keyword === 'properties' && schema.properties
        ? [
            keyword,
            Object.fromEntries(
              Object.entries(schema.properties).map(([name, property]) => [
                name,
                Object.keys(property).length === 0 ? { doNotSuggest: true } : withoutServerFields(property),
              ]),
            ),
          ]
        : [keyword, value],
    ),
  )
}

function printed(schema: object): string {
  return `${JSON.stringify(schema, null, 2)}\n`
}
