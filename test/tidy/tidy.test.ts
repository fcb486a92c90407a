// Holds the sentences of ARCHITECTURE.md: who imports whom, what the core never touches, that generated files are fresh, and that every
// code has its file, its page and its fixture.
import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { codes } from '../../compiler/codes.ts'
import { rules } from '../../compiler/rules/index.ts'
import { generatedFiles } from '../../crds/generate.ts'

const root = join(import.meta.dirname, '../..')

/** Which doors a room may use; its own files it imports by path. */
const rooms: Readonly<Record<string, readonly string[]>> = {
  crds: [],
  compiler: ['#crds'],
  jobs: ['#crds'],
  protocol: ['#crds', '#compiler'],
  operator: ['#crds', '#compiler', '#protocol'],
  views: ['#crds', '#compiler', '#protocol'],
  cli: ['#crds', '#compiler', '#protocol', '#jobs', '#operator', '#views'],
}

/** Rooms that decide, and touch nothing. */
const pureRooms = ['compiler', 'crds', 'protocol', 'views']

type Import = { readonly file: string; readonly room: string; readonly from: string }

const sourceFiles = (room: string): string[] =>
  globSync(`${room}/**/*.ts`, { cwd: root })
    .filter((file) => !file.includes('/generated/'))
    .sort()

const imports: Import[] = Object.keys(rooms).flatMap((room) =>
  sourceFiles(room).flatMap((file) =>
    [
      ...readFileSync(join(root, file), 'utf8').matchAll(
        /(?:^|\n)(?:import|export)\s+(?:type\s+)?(?:\{[^}]*\}|\*(?:\s+as\s+\w+)?|\w+)\s+from\s+'([^']+)'|import\('([^']+)'\)|(?:^|\n)import\s+'([^']+)'/g,
      ),
    ].map((found) => ({ file, room, from: found[1] ?? found[2] ?? found[3] ?? '' })),
  ),
)

test('rooms import downwards only, and only through their doors', () => {
  const wrong = imports.filter(({ file, room, from }) => {
    if (from.startsWith('#')) return !rooms[room]!.includes(from)
    if (!from.startsWith('.')) return false
    // A program beside the room (crds/generate.ts and its like) is not part of it.
    return (
      relative(join(root, room), resolve(join(root, dirname(file)), from)).startsWith('..') &&
      !/\/package\.json$/.test(from)
    )
  })
  expect(wrong).toEqual([])
})

/**
 * The phases of the compiler, earliest first, as ARCHITECTURE.md lists them: files, and folders with all in them. Types count as much as
 * values: what a phase cannot be read without, it depends on.
 */
function phasesOf(map: string): readonly (readonly string[])[] {
  const block = /## compiler\/\n\n```\n([\s\S]*?)\n```/.exec(map)?.[1] ?? ''
  const phases: string[][] = []
  // Names of one phase may go on in the next line; a text, beside them or below, ends them.
  let isOpen = false
  for (const line of block.split('\n')) {
    const [names = '', text] = line.split(/ {2,}/)
    if (isOpen && names !== '') phases.at(-1)!.push(...names.split(' '))
    else if (names !== '') phases.push(names.split(' '))
    isOpen = names !== '' && text === undefined
  }
  return phases
}

describe('the compiler', () => {
  const files = sourceFiles('compiler')
  const importsOf = new Map(
    files.map((file) => [
      file,
      imports
        .filter((entry) => entry.file === file && entry.from.startsWith('.'))
        .map(({ from }) => relative(root, resolve(join(root, dirname(file)), from))),
    ]),
  )
  const phases = [...phasesOf(readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')), ['index.ts']]
  const phaseOf = (file: string): number =>
    phases.findIndex((parts) =>
      parts.some((part) => (part.endsWith('/') ? file.startsWith(`compiler/${part}`) : file === `compiler/${part}`)),
    )

  test('has each file in one phase, and no phase uses a later one', () => {
    expect(files.filter((file) => phaseOf(file) === -1)).toEqual([])
    const backwards = [...importsOf].flatMap(([file, others]) =>
      others.filter((other) => phaseOf(other) > phaseOf(file)).map((other) => `${file} → ${other}`),
    )
    expect(backwards).toEqual([])
  })

  test('has no file that leads back to itself', () => {
    const cyclic = files.filter((file) => {
      const reached = new Set(importsOf.get(file))
      for (const other of reached) for (const next of importsOf.get(other) ?? []) reached.add(next)
      return reached.has(file)
    })
    expect(cyclic).toEqual([])
  })
})

test('compiler, crds, protocol and views do no I/O: no files, processes, networks, clocks or randomness', () => {
  const program = new Set(['crds/generate.ts'])
  const pure = new Set(['node:crypto', 'node:zlib'])
  const wrong = imports.filter(
    ({ file, room, from }) =>
      pureRooms.includes(room) && !program.has(file) && from.startsWith('node:') && !pure.has(from),
  )
  const impure = pureRooms.flatMap(sourceFiles).filter((file) => {
    if (program.has(file)) return false
    const text = readFileSync(join(root, file), 'utf8').replace(/\/\/.*|\/\*[\s\S]*?\*\//g, '')
    return /\bDate\.now\(|\bnew Date\(\)|\bMath\.random\(|\bprocess\.|\bfetch\(|\bsetTimeout\(|\brandomUUID\(/.test(
      text,
    )
  })
  expect([...wrong, ...impure]).toEqual([])
})

/** Who touches the process beside cli/main.ts, which has all of it, and what of it. */
const processUses: Readonly<Record<string, readonly string[]>> = {
  'cli/commands/lsp.ts': ['stdin', 'stdout'],
  'cli/commands/operator.ts': ['constrainedMemory', 'on'],
  'cli/kubernetes.ts': ['env'],
  'cli/ports.ts': ['kill', 'pid'],
  'jobs/postgres/embedded.ts': ['kill'],
  'jobs/profile-store.ts': ['pid'],
  'jobs/writer-lock.ts': ['kill', 'off', 'once', 'pid'],
}

test('only cli/main.ts has the process; what others touch of it is written down', () => {
  const found = Object.keys(rooms)
    .flatMap(sourceFiles)
    .filter((file) => file !== 'cli/main.ts' && file !== 'crds/generate.ts')
    .flatMap((file) => {
      const text = readFileSync(join(root, file), 'utf8').replace(/\/\/.*|\/\*[\s\S]*?\*\//g, '')
      const members = [...text.matchAll(/(?<![\w.])process\.(\w+)/g)].map(([, member]) => member!)
      return members.length === 0 ? [] : [[file, [...new Set(members)].sort()] as const]
    })
  expect(Object.fromEntries(found)).toEqual(processUses)
})

test('every command has its file in cli/commands/, the steps of Jobs one for all', async () => {
  const { commands } = await import('../../cli/main.ts')
  const { stepNames } = await import('#crds')
  // What a step would do is a look of people, and stands beside the step.
  const beside = ['ingest']
  const files = Object.keys(commands).flatMap((name) =>
    stepNames.some((step) => step === name) ? ['step', ...(beside.includes(name) ? [name] : [])] : [name],
  )
  expect(globSync('cli/commands/*.ts', { cwd: root }).sort()).toEqual(
    [...new Set(files)].map((name) => `cli/commands/${name}.ts`).sort(),
  )
})

test('compiler and crds remember nothing of their own: what may be remembered is in a session', () => {
  // What Intl says of time zones is the same for the life of the process; both files say so and keep it bounded.
  const ofTheRuntime = new Set(['compiler/schedule/stretch.ts', 'compiler/schedule/time-zone.ts'])
  const mutable = /^(?:export )?(?:let \w|const \w+(?:: [^=\n]+)? = new (?:Weak)?(?:Map|Set)(?:<.*>)?\(\))/m
  const remembering = ['compiler', 'crds']
    .flatMap(sourceFiles)
    .filter((file) => mutable.test(readFileSync(join(root, file), 'utf8').replace(/`[^`]*`/g, '``')))
  expect(remembering.filter((file) => !ofTheRuntime.has(file))).toEqual([])
  expect([...ofTheRuntime].filter((file) => !remembering.includes(file))).toEqual([])
})

test('no file is longer than about 600 lines', () => {
  const lines = (file: string): number => readFileSync(join(root, file), 'utf8').split('\n').length - 1
  const files = Object.keys(rooms).flatMap(sourceFiles)
  expect(files.filter((file) => !file.includes('/generated/') && lines(file) > 620)).toEqual([])
})

test('a docstring names its subject first', () => {
  const fragment = /\/\*\*\s(?:Of|By|In|With|From|To)\s/
  const files = Object.keys(rooms).flatMap(sourceFiles)
  expect(
    files.filter((file) => !file.includes('/generated/') && fragment.test(readFileSync(join(root, file), 'utf8'))),
  ).toEqual([])
})

test('no file is named for the absence of a subject', () => {
  const vague = /(?:^|\/)(?:utils?|helpers?|common|types|misc|constants)(?:\.ts|\/)/
  expect(
    Object.keys(rooms)
      .flatMap(sourceFiles)
      .filter((file) => vague.test(file)),
  ).toEqual([])
})

describe('generated files are fresh (`npm run generate`)', async () => {
  const { documents } = await import('../../docs/generate.ts')
  const generated = {
    ...Object.fromEntries(Object.entries(await generatedFiles()).map(([name, text]) => [`crds/${name}`, text])),
    ...documents(),
  }
  test.each(Object.entries(generated))('%s', (path, text) => {
    expect(existsSync(join(root, path)) && readFileSync(join(root, path), 'utf8') === text).toBe(true)
  })
})

describe('every code', () => {
  test.each(codes.map((code) => ({ code })))('$code has its rule file, its page and a fixture', ({ code }) => {
    expect(existsSync(join(root, 'compiler/rules', `${code}.ts`))).toBe(true)
    expect(existsSync(join(root, 'test/rules', `${code}.md`))).toBe(true)
    expect(rules[code]?.page.title).toBeTruthy()
  })

  test('is documented in docs/guardrails.md', () => {
    const manual = readFileSync(join(root, 'docs/guardrails.md'), 'utf8')
    expect(codes.filter((code) => !manual.includes(`## ${code}`))).toEqual([])
  })
})

test('the examples shown in the README exist', () => {
  const readme = readFileSync(join(root, 'README.md'), 'utf8')
  const paths = [...readme.matchAll(/\]\(([^)#:]+)\)/g)].map(([, path]) => path!)
  expect(paths.filter((path) => !existsSync(join(root, path)))).toEqual([])
})

test('the lock file knows every package for every platform, so that `npm ci` takes it everywhere', () => {
  const lock: { packages: Record<string, { optionalDependencies?: Record<string, string> }> } = JSON.parse(
    readFileSync(join(root, 'package-lock.json'), 'utf8'),
  )
  const known = new Set(Object.keys(lock.packages).map((path) => path.split('node_modules/').at(-1)))
  const missing = Object.values(lock.packages).flatMap((entry) =>
    Object.keys(entry.optionalDependencies ?? {}).filter((name) => !known.has(name)),
  )
  expect(missing).toEqual([])
  expect(readFileSync(join(root, 'package-lock.json'), 'utf8')).not.toMatch(/"resolved"/)
})
