import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import {
  CodeActionRequest,
  CompletionRequest,
  DefinitionRequest,
  DocumentFormattingRequest,
  DocumentSymbolRequest,
  HoverRequest,
  PrepareRenameRequest,
  ReferencesRequest,
  RenameRequest,
  type TextEdit,
} from 'vscode-languageserver-protocol/node'
import { folderOf } from './command-line.ts'
import { type Editor, startEditor } from './editor.ts'

const bundle = readFileSync(new URL('../fixtures/retail.yaml', import.meta.url), 'utf8')

function segment(spec: string, name = 'strays'): string {
  return `apiVersion: convoke.dev/v1alpha1
kind: Segment
metadata: { name: ${name} }
spec:
  profileStoreRef: { name: readers }
${spec}`
}

const expression = (text: string): string => segment(`  expression: ${text}\n`)

async function editor(files: Readonly<Record<string, string>> = {}): Promise<Editor> {
  const started = await startEditor(folderOf({ 'bundle.yaml': bundle, ...files }))
  onTestFinished(started.close)
  return started
}

/** One server for a table of questions: each opens its document anew. */
function sharedEditor(): () => Editor {
  let shared: Editor
  let folder: string
  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'convoke-lsp-'))
    writeFileSync(join(folder, 'bundle.yaml'), bundle)
    shared = await startEditor(folder)
  })
  afterAll(async () => {
    await shared.close()
    rmSync(folder, { recursive: true })
  })
  return () => shared
}

test('a folder is checked before anything is opened, and what is right again is withdrawn', async () => {
  const { open, change, published, uri } = await editor({
    'broken.yaml': expression('clubb.credits > 0'),
    'templates/helm.yaml': 'spec: {{ .Values.spec }}\n',
  })
  const [finding] = await published('broken.yaml')
  expect(finding).toMatchObject({
    source: 'convoke',
    code: 'unknown-attribute',
    severity: 1,
    range: { start: { line: 5, character: 14 }, end: { line: 5, character: 19 } },
  })
  expect(finding!.codeDescription!.href).toMatch(/^file:.*\/docs\/guardrails\.md#unknown-attribute$/)
  open('broken.yaml', expression('clubb.credits > 0'))
  const waited = published('broken.yaml')
  change('broken.yaml', expression('club.credits > 0'))
  expect(await waited).toEqual([])
  expect(uri('broken.yaml')).toMatch(/^file:/)
})

test('evidence in another file is related information', async () => {
  const { published, uri } = await editor({
    'a.yaml': segment('  expression: inSegment("b")\n', 'a'),
    'b.yaml': segment('  expression: inSegment("a")\n', 'b'),
  })
  const [finding] = await published('a.yaml')
  expect(finding).toMatchObject({
    code: 'segment-cycle',
    relatedInformation: [
      { location: { uri: uri('b.yaml'), range: { start: { line: 5, character: 25 } } }, message: '`b` refers to `a`' },
    ],
  })
})

describe('hover', () => {
  const editor = sharedEditor()
  test.each([
    [
      'a field',
      segment('  eval‸uation: Streaming\n  expression: club.credits > 0\n'),
      /\*\*evaluation\*\*: `Batch` or `Streaming`\n\nWhen membership/,
    ],
    ['a value', segment('  evaluation: Strea‸ming\n  expression: club.credits > 0\n'), /When membership is computed/],
    [
      'a path with its enum',
      expression('club.le‸vel = "patron"'),
      /^`club\.level`: text, one of `visitor`, `member`, `patron`$/,
    ],
    ['an object on the way', expression('cl‸ub.level = "patron"'), /^`club`: an object with/],
    [
      'a field of an event in a filter',
      expression('xEvent[event‸Type = "purchase"].count() > 1'),
      /^`eventType`: text$/,
    ],
    [
      'a field of a variable',
      expression('exists E from xEvent where E.time‸stamp occurs today'),
      /^`E\.timestamp`: a timestamp$/,
    ],
    ['a method', expression('person.name.firstName.starts‸With("A")'), /text\.startsWith\(text\[, caseSensitive\]\)/],
    ['a Segment in inSegment', expression('inSegment("patr‸ons")'), /^\*\*Segment\*\* `patrons`/],
    [
      'a reference',
      `apiVersion: convoke.dev/v1alpha1\nkind: Activation\nmetadata: { name: x }\nspec:\n  segmentRefs: [{ name: patr‸ons }]\n`,
      /^\*\*Segment\*\* `patrons`/,
    ],
    [
      'a literal block',
      segment('  expression: |\n    club.credits > 0\n    and club.le‸vel = "patron"\n'),
      /^`club\.level`/,
    ],
    [
      'a folded block',
      segment('  expression: >\n    club.credits > 0\n    and club.le‸vel = "patron"\n'),
      /^`club\.level`/,
    ],
    ['double quotes', expression('"club.level = \\"patron\\" and club.cre‸dits > 0"'), /^`club\.credits`: an integer$/],
    ['nothing', expression('club.credits > 0 ‸'), null],
  ])('%s', async (_, text, expected) => {
    const { open, connection } = editor()
    const hover = await connection.sendRequest(HoverRequest.type, open('here.yaml', text))
    if (expected === null) expect(hover).toBeNull()
    else expect(hover?.contents).toMatchObject({ kind: 'markdown', value: expect.stringMatching(expected) })
  })
})

describe('completion', () => {
  const editor = sharedEditor()
  const activation = (spec: string): string =>
    `apiVersion: convoke.dev/v1alpha1\nkind: Activation\nmetadata: { name: x }\nspec:\n  segmentRefs: [{ name: patrons }]\n  destinationRef: { name: letter-box }\n${spec}`
  test.each([
    [
      'fields that are not there yet',
      segment('  ‸\n'),
      ['displayName', 'evaluation', 'expression'],
      ['profileStoreRef', 'status'],
    ],
    ['a field that is begun', segment('  eva‸\n  expression: a = 1\n'), ['evaluation'], ['expression']],
    ['fields inside brackets', activation('  schedule: { ‸ }\n'), ['every', 'after'], ['mapping']],
    [
      'fields of an item of a list',
      activation('  mapping:\n    - source: readerId\n      ‸\n'),
      ['target', 'mandatory'],
      ['source'],
    ],
    ['values of an enum', segment('  evaluation: ‸\n  expression: a = 1\n'), ['Batch', 'Streaming'], []],
    ['kinds', 'apiVersion: convoke.dev/v1alpha1\nkind: ‸\n', ['Segment', 'SegmentTest'], ['JobPlan']],
    [
      'names in a reference',
      activation('  segmentRefs: [{ name: ‸ }]\n').replace('  segmentRefs: [{ name: patrons }]\n', ''),
      ['patrons', 'quiet-buyers'],
      ['readers'],
    ],
    ['attributes in a mapping', activation('  mapping:\n    - source: ‸\n'), ['readerId', 'club.level'], ['club']],
    [
      'columns in a mapping',
      activation('  mapping:\n    - source: readerId\n      target: ‸\n'),
      ['external_id'],
      ['readerId'],
    ],
    [
      'names at the beginning of an expression',
      expression('‸'),
      ['club', 'xEvent', 'inSegment', 'not'],
      ['timestamp', 'startsWith'],
    ],
    ['fields behind a dot', expression('club.‸'), ['level', 'credits'], ['club', 'and']],
    ['fields and methods behind a text', expression('club.level.st‸'), ['startsWith'], ['count', 'club']],
    ['methods of an array', expression('xEvent.‸'), ['count', 'filter', 'eventType'], ['startsWith']],
    ['fields of an event in a filter', expression('xEvent[‸]'), ['eventType', 'timestamp'], ['club']],
    ['fields of an event in a method', expression('xEvent[eventType = "a"].filter(‸)'), ['eventType'], ['club']],
    ['fields of a variable', expression('exists E from xEvent where E.‸'), ['eventType', 'timestamp'], ['club']],
    [
      'fields of an event in a CHAIN',
      expression("'CHAIN(xEvent, timestamp, [A: WHAT(event‸)])'"),
      ['eventType'],
      ['club'],
    ],
    ['values a field can have', expression(`'club.level = "‸"'`), ['visitor', 'member', 'patron'], ['club']],
    ['values in a list', expression(`'club.level in ["visitor", "‸"]'`), ['member', 'patron'], ['club']],
    ['Segments, but not the one itself', expression('inSegment("‸")'), ['patrons', 'quiet-buyers'], ['strays']],
    [
      'the second line of a block',
      segment('  expression: |\n    club.credits > 0\n    and ‸\n'),
      ['club', 'xEvent'],
      [],
    ],
  ])('%s', async (_, text, there, absent) => {
    const { open, connection } = editor()
    const items = (await connection.sendRequest(CompletionRequest.type, open('here.yaml', text))) ?? []
    const labels = (Array.isArray(items) ? items : items.items).map(({ label }) => label)
    expect(labels).toEqual(expect.arrayContaining(there))
    for (const label of absent) expect(labels).not.toContain(label)
  })

  test('replaces the word that was begun', async () => {
    const { open, connection } = editor()
    const items = await connection.sendRequest(
      CompletionRequest.type,
      open('here.yaml', expression('inSegment("quiet-b‸")')),
    )
    const item = (Array.isArray(items) ? items : []).find(({ label }) => label === 'quiet-buyers')
    expect(item?.textEdit).toEqual({
      newText: 'quiet-buyers',
      range: { start: { line: 5, character: 25 }, end: { line: 5, character: 32 } },
    })
  })
})

describe('definition', () => {
  const editor = sharedEditor()
  const line = (text: string): number => bundle.split('\n').findIndex((each) => each.includes(text))
  test.each([
    [
      'a reference',
      segment('  expression: a = 1\n').replace('name: readers', 'name: read‸ers'),
      'metadata: { name: readers }',
    ],
    ['a Segment in inSegment', expression('inSegment("patr‸ons")'), 'metadata: { name: patrons,'],
    ['an attribute', expression('club.le‸vel = "patron"'), 'level:'],
  ])('%s', async (_, text, expected) => {
    const { open, connection, uri } = editor()
    const found = await connection.sendRequest(DefinitionRequest.type, open('here.yaml', text))
    expect(found).toMatchObject({ uri: uri('bundle.yaml'), range: { start: { line: line(expected) } } })
  })
})

describe('renaming a Segment', () => {
  const test1 = `apiVersion: convoke.dev/v1alpha1
kind: SegmentTest
metadata: { name: t }
spec:
  profileStoreRef: { name: readers }
  at: "2026-01-15T10:30:00Z"
  profiles: []
  cases:
    - { name: one, segmentRef: { name: patrons }, members: [] }
    - { name: two, expression: 'inSegment("patrons")', members: [] }
`
  const elsewhere = bundle.replaceAll(/metadata: \{ name: ([\w-]+)/g, 'metadata: { namespace: other, name: $1')

  test('changes its name, every reference and every inSegment, and nothing of another namespace or kind', async () => {
    const files = {
      'bundle.yaml': bundle,
      'other.yaml': elsewhere,
      'test.yaml': test1,
      'quoted.yaml': expression('"inSegment(\\"patrons\\") and club.level = \\"patrons\\""'),
    }
    const folder = folderOf(files)
    const { open, connection, uri, close } = await startEditor(folder)
    onTestFinished(close)
    const at = open('here.yaml', expression('inSegment("patr‸ons")'))
    expect(await connection.sendRequest(PrepareRenameRequest.type, at)).toMatchObject({ placeholder: 'patrons' })
    const references = await connection.sendRequest(ReferencesRequest.type, {
      ...at,
      context: { includeDeclaration: true },
    })
    const edit = await connection.sendRequest(RenameRequest.type, { ...at, newName: 'donors' })
    const changed = edit!.changes!
    expect(Object.values(changed).flat()).toHaveLength(references!.length)
    expect(Object.keys(changed).sort()).toEqual(
      ['bundle.yaml', 'here.yaml', 'quoted.yaml', 'test.yaml'].map(uri).sort(),
    )
    const apply = (file: string, text: string): string =>
      [...(changed[uri(file)] ?? [])].sort(backwards).reduce((sofar, { range, newText }) => {
        const lines = sofar.split('\n')
        const row = lines[range.start.line]!
        lines[range.start.line] = row.slice(0, range.start.character) + newText + row.slice(range.end.character)
        return lines.join('\n')
      }, text)
    expect(apply('bundle.yaml', bundle)).toBe(
      bundle
        .replace('metadata: { name: patrons,', 'metadata: { name: donors,')
        .replace('segmentRefs: [{ name: patrons }', 'segmentRefs: [{ name: donors }')
        .replace('inSegment("patrons")', 'inSegment("donors")'),
    )
    expect(apply('test.yaml', test1)).toBe(test1.replaceAll('patrons', 'donors'))
    expect(apply('quoted.yaml', files['quoted.yaml'])).toBe(
      files['quoted.yaml'].replace('\\"patrons\\") and', '\\"donors\\") and'),
    )
    expect(readFileSync(join(folder, 'bundle.yaml'), 'utf8')).toBe(bundle)
  })

  test.each([
    ['a name that is taken', 'quiet-buyers', 'There is a Segment `quiet-buyers` already.'],
    ['no name', 'Quiet Buyers', '`Quiet Buyers` is not a name'],
  ])('is refused for %s', async (_, newName, message) => {
    const { open, connection } = await editor()
    const at = open('here.yaml', expression('inSegment("patr‸ons")'))
    await expect(connection.sendRequest(RenameRequest.type, { ...at, newName })).rejects.toThrow(message)
  })
})

const backwards = (a: TextEdit, b: TextEdit): number =>
  b.range.start.line - a.range.start.line || b.range.start.character - a.range.start.character

test('quick fixes edit what the finding points at; safe ones are preferred and come all at once too', async () => {
  const { open, connection, uri } = await editor()
  const { textDocument, position } = open('here.yaml', expression('club‸b.credits > 0'))
  const actions = await connection.sendRequest(CodeActionRequest.type, {
    textDocument,
    range: { start: position, end: position },
    context: { diagnostics: [] },
  })
  expect(actions).toMatchObject([
    {
      title: 'Replace with `club`',
      kind: 'quickfix',
      isPreferred: true,
      edit: {
        changes: {
          [uri('here.yaml')]: [
            { newText: 'club', range: { start: { line: 5, character: 14 }, end: { line: 5, character: 19 } } },
          ],
        },
      },
    },
    {
      kind: 'source.fixAll.convoke',
      edit: { changes: { [uri('here.yaml')]: [{ newText: expression('club.credits > 0') }] } },
    },
  ])
})

test('formatting formats expressions', async () => {
  const { open, connection } = await editor()
  const { textDocument } = open('here.yaml', expression('club.credits>0'))
  const edits = await connection.sendRequest(DocumentFormattingRequest.type, {
    textDocument,
    options: { tabSize: 2, insertSpaces: true },
  })
  expect(edits).toMatchObject([{ newText: expression('club.credits > 0') }])
})

test('symbols are the resources of a file', async () => {
  const { connection, uri } = await editor()
  const symbols = await connection.sendRequest(DocumentSymbolRequest.type, {
    textDocument: { uri: uri('bundle.yaml') },
  })
  expect(symbols).toContainEqual(expect.objectContaining({ name: 'quiet-patrons', detail: 'Segment' }))
})

test('a half-written document, however broken, neither stops the server nor hides what it knows', async () => {
  const { open, change, connection } = await editor()
  const at = open('here.yaml', expression('club.‸'))
  for (const text of [
    '',
    '---',
    'kind',
    '- {',
    'a: [\u0000',
    expression('"'),
    expression('CHAIN(((['),
    '\t\tkind: Segment',
    '{"kind": "Segment", "spec": {"expression": "club.',
  ])
    change('here.yaml', text)
  change('here.yaml', expression('club.'))
  const items = await connection.sendRequest(CompletionRequest.type, at)
  expect((Array.isArray(items) ? items : []).map(({ label }) => label)).toContain('level')
})
