import { execFileSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'
import { compile, type Diagnostic, renderText, type Source, summaryText } from '#compiler'
import { folderOf } from '../cli-tools/command-line.ts'

const bundle: Source = {
  file: 'bundle.yaml',
  text: readFileSync(new URL('../fixtures/retail.yaml', import.meta.url), 'utf8'),
}

function segment(name: string, expression: string, more = ''): string {
  return `apiVersion: convoke.dev/v1alpha1
kind: Segment
metadata: { name: ${name} }
spec:
  profileStoreRef: { name: readers }${more}
  expression: ${expression}
`
}

/** What is wrong, in files beside a sound bundle. Each case has one snapshot, which is read by people. */
const cases: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'a name in a literal block': {
    'strays.yaml': segment('strays', '|\n    club.level = "patron"\n    and homeAdress.countryCode in ["DE", "AT"]'),
  },
  'a name in a folded block': {
    'strays.yaml': segment(
      'strays',
      '>\n    club.level = "patron"\n    and homeAdress.countryCode\n    in ["DE", "AT"]',
    ),
  },
  'escapes in double quotes': {
    'strays.yaml': segment('strays', String.raw`"club.level = \"nobody\" and club.credits = \"x\""`),
  },
  'a long line': {
    'strays.yaml': segment(
      'strays',
      `club.level in ["patron", "friend"] ${'and homeAddress.countryCode in ["DE", "AT", "CH"] '.repeat(3)}and clubb.credits < 100 and club.credits > 10 ${'or club.credits = 1 '.repeat(9)}or clubb.credits = 3`,
    ),
  },
  'evidence too far away on the same line': {
    'strays.yaml': segment('strays', `club.credits${' + club.credits'.repeat(20)} = "sixty"`),
  },
  'wide characters': {
    'strays.yaml': segment(
      'strays',
      `'club.level = "🎉👩‍👩‍👧🇦🇹" and person.name.firstName = "日本ｱ한e\u0301" and clubb.x = 1'`,
    ),
  },
  tabs: { 'strays.yaml': segment('strays', '|\n    club.level = "patron"\n    \tand\tclubb.credits > 1') },
  'CRLF line ends': {
    'strays.yaml': segment('strays', '|\n    club.level = "patron"\n    and clubb.credits > 1').replaceAll(
      '\n',
      '\r\n',
    ),
  },
  'characters that would steer a terminal': {
    'strays.yaml': segment('strays', `'club.level = "\u202edlog\u202c" and clubb.x = "\u009b31m"'`),
    'un\u001b[31mnamed.yaml': 'a: *x\n',
  },
  'a cycle over three files': {
    'a.yaml': segment('a', 'inSegment("b")'),
    'b.yaml': segment('b', 'inSegment("c")'),
    'c.yaml': segment('c', 'inSegment("a")'),
  },
  'evidence far above in the same file': {
    'strays.yaml': segment(
      'strays',
      '|\n    xEvent[eventType = "purchase"].count() >= 3\n    and exists E from xEvent where E.timestamp occurs <= 90 days before now',
      `\n  evaluation: Streaming\n${'  # why this Segment is there\n'.repeat(5)}  description: Strays`,
    ),
  },
  'the same name twice': { 'again.yaml': segment('patrons', 'club.credits > 0') },
  'an open bracket': { 'open.yaml': 'a: [1, 2\nb: *x\n' },
  'a text without end': {
    'strays.yaml': segment('strays', '|\n    club.level =\n      "nobody and club.credits > 0\n    and x = 1'),
  },
  'a field that is missing and one that is not known': {
    'strays.yaml':
      'apiVersion: convoke.dev/v1alpha1\nkind: Segment\nmetadata: { name: strays }\nspec:\n  profileStoreRef: { name: readers }\n  evalution: Streamin\n',
  },
}

test.each(Object.entries(cases))('%s', async (title, files) => {
  const sources = [bundle, ...Object.entries(files).map(([file, text]) => ({ file, text }))]
  const { diagnostics, count } = compile(sources)
  const at = (width: number): string =>
    `${renderText(diagnostics, sources, { colour: false, width })}\n${summaryText(diagnostics, count)}\n`
  const rule = (width: number): string => `${'─'.repeat(width)} ${width} columns\n`
  const shown = [100, 60].map((width) => rule(width) + at(width)).join('\n')
  await expect(shown).toMatchFileSnapshot(`snapshots/${title.replaceAll(' ', '-')}.txt`)
})

test('a cut-out of source is never wider than the terminal', () => {
  const sources = [bundle, { file: 'strays.yaml', text: Object.values(cases['a long line']!)[0]! }]
  const { diagnostics } = compile(sources)
  for (const width of [30, 60, 79, 100, 133]) {
    const lines = renderText(diagnostics, sources, { colour: false, width }).split('\n')
    const source = lines.filter((line) => /^\s*\d+ \|/.test(line))
    expect(Math.max(...source.map((line) => line.length))).toBeLessThanOrEqual(width)
  }
})

test('a finding without a place names its resource and field', () => {
  const diagnostic: Diagnostic = {
    code: 'unresolved-reference',
    severity: 'error',
    message: 'There is no Segment `x`',
    file: null,
    span: null,
    resource: { kind: 'Activation', namespace: 'default', name: 'win-back' },
    path: 'spec.segmentRefs[0].name',
    related: [],
    fixes: [],
  }
  expect(renderText([diagnostic], [], { colour: false, width: 80 })).toBe(
    'error[unresolved-reference]: There is no Segment `x`\n --> Activation win-back spec.segmentRefs[0].name\n',
  )
})

test('colour adds nothing but colour', async () => {
  const sources = [
    bundle,
    ...Object.entries(cases['a cycle over three files']!).map(([file, text]) => ({ file, text })),
  ]
  const { diagnostics } = compile(sources)
  const render = (colour: boolean): string => renderText(diagnostics, sources, { colour, width: 80 })
  expect(render(true).replace(/\x1b\[[\d;]*m/g, '')).toBe(render(false))
  await expect(
    render(true)
      .replaceAll('\x1b[', '‹')
      .replace(/‹([\d;]*)m/g, '‹$1›'),
  ).toMatchFileSnapshot('snapshots/colour.txt')
})

test.each([
  ['a pipe', {}, false],
  ['FORCE_COLOR', { FORCE_COLOR: '1' }, true],
  ['NO_COLOR beside FORCE_COLOR', { FORCE_COLOR: '1', NO_COLOR: '1' }, false],
])('%s decides on colour', (_, env, coloured) => {
  const cwd = folderOf({ 'open.yaml': 'a: [1\n' })
  const main = new URL('../../cli/main.ts', import.meta.url).pathname
  let out = ''
  try {
    execFileSync(process.execPath, [main, 'check', '.'], { cwd, env, encoding: 'utf8', stdio: 'pipe' })
  } catch (error) {
    // Findings end with exit code 1; what was printed comes with the error.
    out = (error as { stdout: string }).stdout
  }
  expect(out).toContain('yaml-syntax')
  expect(out.includes('\x1b')).toBe(coloured)
})
