// Whatever data, files and resources hold, a terminal, a pull request's page and a build's runner see text and nothing to obey.
import { cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { blockMarkdown, codeMarkdown, messageMarkdown, plainMarkdown, tableMarkdown } from '../../cli/markdown.ts'
import { safe } from '../../cli/safe-output.ts'
import { table } from '../../cli/table.ts'
import { githubAnnotations, renderText } from '../../compiler/index.ts'
import { convoke, folderOf } from '../support/cli.ts'

const steering = /[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/

describe('what is said', () => {
  test.each([
    ['a colour of data', 'a\x1b[31mb', false, 'a\\u001b[31mb'],
    ['a colour of ours', '\x1b[31mb\x1b[0m', true, '\x1b[31mb\x1b[0m'],
    ['hidden text', '\x1b[8mb', true, '\\u001b[8mb'],
    ['a window title', '\x1b]0;x\x07', true, '\\u001b]0;x\\u0007'],
    ['a link', '\x1b]8;;http://x\x1b\\y', true, '\\u001b]8;;http://x\\u001b\\y'],
    ['the C1 form of a sequence', '\x9b31m', true, '\\u009b31m'],
    ['a carriage return', 'good\rbad', true, 'good\\u000dbad'],
    ['where a line is drawn over', '\r\x1b[2Kx', true, '\r\x1b[2Kx'],
    ['the same where no terminal is', '\r\x1b[2Kx', false, '\\u000d\\u001b[2Kx'],
    ['writing turned around', 'a\u202eb', true, 'a\\u202eb'],
    ['lines and tabs', 'a\n\tb', false, 'a\n\tb'],
    ['Arabic, Hebrew, emoji', 'قائمة נאמן 👨‍👩‍👧', false, 'قائمة נאמן 👨‍👩‍👧'],
    ['a workflow command', 'a\n::add-mask::x', false, 'a\n\\u003a:add-mask::x'],
    ['one behind spaces', '  ::error::x', false, '  \\u003a:error::x'],
    ['an old workflow command', 'x ##[group]y', false, 'x \\u0023#[group]y'],
    ['a command of another runner', '##vso[task.x]', false, '\\u0023#vso[task.x]'],
    ['colons in a line', 'a :: b', false, 'a :: b'],
  ])('%s', (_, text, isOwnAllowed, expected) => {
    expect(safe(text, isOwnAllowed)).toBe(expected)
  })

  test('a JSON document means the same afterwards', () => {
    const value = { name: 'a\x1b[31m\x9b\u202e\u2028::x', lines: ['::error::', '##[x]'] }
    const text = safe(JSON.stringify(value, null, 2), false)
    expect(text).not.toMatch(steering)
    expect(JSON.parse(text)).toEqual(value)
  })

  test('cells of a table', () => {
    expect(table(['x'], [['a\x1b[31m\nb']])).not.toMatch(/\x1b|\n.*\n.*\nb/)
  })
})

describe('Markdown', () => {
  test.each([
    [
      'plain',
      plainMarkdown('<img src=x> [a](b) @all #1 `c` ~d~ https://e.example'),
      '\\<img src=x\\> \\[a\\]\\(b\\) @\u2060all \\#1 \\`c\\` \\~d\\~ https\u2060://e.example',
    ],
    ['code with backticks', codeMarkdown('a``b'), '```a``b```'],
    ['code that begins with one', codeMarkdown('`a'), '`` `a ``'],
    ['code in a table', codeMarkdown('a|b', true), '`a\\|b`'],
    ['a message', messageMarkdown('`a<b>` is *gone*'), '`a<b>` is \\*gone\\*'],
    [
      'a block that holds a fence',
      blockMarkdown(['a', '````', '</details>'], 'diff'),
      '`````diff\na\n````\n</details>\n`````',
    ],
    ['a table', tableMarkdown(['a', 'n'], [['`x`', 1234]]), '| a | n |\n| --- | --: |\n| `x` | 1,234 |'],
  ])('%s', (_, text, expected) => {
    expect(text).toBe(expected)
  })
})

test('findings quote what they are about, and nothing of it is obeyed', () => {
  const file = { file: 'a\x1b[31m.yaml', text: 'x: "\x1b]0;t\x07"\n' }
  const finding = {
    code: 'unknown-field' as const,
    severity: 'error' as const,
    file: file.file,
    span: { start: 0, end: 1 },
    resource: null,
    path: '',
    message: '`\x1b[2J` is no field\n::error::x',
    help: '\x9b31m',
    related: [],
    fixes: [],
  }
  expect(renderText([finding], [file], { colour: false, width: 100 })).not.toMatch(steering)
  expect(githubAnnotations([finding], [file], (name) => name)).not.toMatch(steering)
})

test('file names and headers of data are named, and steer nothing', () => {
  const minimal = join(import.meta.dirname, '../../examples/minimal')
  using folder = folderOf({ 'bundle.yaml': readFileSync(join(minimal, 'minimal.yaml'), 'utf8') })
  cpSync(join(minimal, 'volumes'), join(folder.path, 'volumes'), { recursive: true })
  const landing = join(folder.path, 'volumes/landing/customers')
  writeFileSync(join(landing, 'x\x1b[31m\x1b]0;owned\x07.csv'), 'id,upd\x1b[2Jated_at\nC1,2026-01-01\n')
  writeFileSync(join(landing, '::error::y.csv'), 'id,updated_at,tier\nC2,not a time,gold\n')
  const run = [
    'run',
    'bundle.yaml',
    '--workdir',
    'work',
    '--volumes',
    'volumes',
    '--at',
    '2026-01-15T06:00:00Z',
    '--report',
    'report.html',
  ]
  const { out, err } = convoke(run, { cwd: folder.path, env: { NO_COLOR: '', FORCE_COLOR: '1' } })
  expect(out + err).toContain('owned')
  // Colours are ours.
  expect((out + err).replace(/\x1b\[(?:0|1|2|3[1-6])m/g, '')).not.toMatch(steering)
  expect(out + err).not.toMatch(/^\s*::/m)
  const page = readFileSync(join(folder.path, 'report.html'), 'utf8')
  expect(page).toContain('owned')
  expect(page).not.toMatch(steering)
  const document = convoke(
    ['run', 'bundle.yaml', '--workdir', 'work', '--volumes', 'volumes', '--at', '2026-01-16T06:00:00Z', '-o', 'json'],
    { cwd: folder.path },
  )
  expect(document.out + document.err).not.toMatch(steering)
  expect(JSON.parse(document.out).runs.length).toBeGreaterThan(0)
})
