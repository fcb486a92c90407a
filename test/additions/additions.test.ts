// What CONTRIBUTING says that an addition takes, tried with made-up ones in a copy of the rooms: what says that there is such a thing is put in,
// the type checker must then name exactly the files that lack something, and when they have it the thing works.
import { execFile } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'

const root = join(import.meta.dirname, '../..')
const bin = join(root, 'node_modules/.bin')
type Edit = {
  readonly file: string
  /** Before this text (or at the end of the file). */
  readonly before?: string
  readonly text: string
}

type Addition = {
  /** What says that there is one. */
  readonly declared: readonly Edit[]
  /** What the type checker then asks for. */
  readonly asked: readonly Edit[]
  /** What does the work. */
  readonly work: readonly Edit[]
  /** A program in the copy that throws where something does not know of it. */
  readonly tried: string
}

const landingStore: Addition = {
  declared: [
    {
      file: 'crds/parts/locations.yaml',
      text: `webDav:
  standsIn: [Dataset, Destination]
  schema:
    type: object
    required: [host]
    description: A folder of a WebDAV server.
    properties:
      host: { type: string, minLength: 1, maxLength: 253, description: Name of the server. }
      port: { type: integer, format: int32, minimum: 1, maximum: 65535, default: 443, description: "Port. Default: 443." }
      path: { type: string, maxLength: 1024, description: "Folder on the server. Default: none." }
      credentialsSecretRef:
        type: object
        required: [name]
        description: Secret with the keys username and password.
        properties:
          name: { type: string, minLength: 1, maxLength: 253, description: Name of the Secret. }
`,
    },
  ],
  asked: [
    {
      file: 'crds/locations.ts',
      before: '  azureBlob: {',
      text: `  webDav: { text: ({ host }) => \`WebDAV \${host}\`, identity: ({ host, port }) => [host, port], folder: 'path' },\n`,
    },
    {
      file: 'jobs/stores/index.ts',
      before: '  azureBlob: async',
      text: `  webDav: async () => (await import('./web-dav.ts')).openWebDav,\n`,
    },
  ],
  work: [
    {
      file: 'jobs/stores/web-dav.ts',
      text: `import type { PlaceOf } from '#crds'
import type { LandingStore } from './landing-store.ts'
export async function openWebDav({ host, port }: PlaceOf<'webDav'>): Promise<LandingStore> {
  throw new Error(\`tried \${host}:\${port}\`)
}
`,
    },
  ],
  tried: `
import { compile } from '#compiler'
import { mountsOf, locationIdentity, locationText, inFolder, withDefaults } from '#crds'
import { openLandingStore } from '#jobs'
import { readFileSync } from 'node:fs'
const text = readFileSync('examples/minimal/minimal.yaml', 'utf8').replace(
  /volume: \\{ claimName: landing.*?, path: (\\w+) \\}/g,
  'webDav: { host: files, path: $1, credentialsSecretRef: { name: key } }',
)
const { diagnostics, plans } = compile([{ file: 'a.yaml', text }])
if (diagnostics.length > 0) throw new Error(JSON.stringify(diagnostics))
const said = plans.flatMap((plan) => ['ingest', 'export'].filter((step) => plan[step]).map((step) => mountsOf(plan, step).secrets))
if (!said.every((secrets) => secrets.includes('key'))) throw new Error(JSON.stringify(said))
const { location } = plans.find((plan) => plan.export).export.destination
if (location.webDav?.port !== 443) throw new Error(JSON.stringify(location))
if (locationText(location) !== 'WebDAV files') throw new Error(locationText(location))
if (locationIdentity(location) === locationIdentity(inFolder(location, 'elsewhere'))) throw new Error('the same place')
const message = await openLandingStore(location, {}).catch((error) => error.message)
if (message !== 'tried files:443') throw new Error(message)
`,
}

const step: Addition = {
  declared: [
    {
      file: 'crds/contracts/job-plan.schema.yaml',
      before: `  extract: { $ref:`,
      text: `  compact: { type: object, required: [olderThan], additionalProperties: false, properties: { olderThan: { type: string } } }\n`,
    },
    {
      file: 'crds/steps.ts',
      before: '  export: {\n    summary',
      text: `  compact: { summary: 'forget what is old', verb: 'forget', owner: storeOf, settlesSegments: false },\n`,
    },
  ],
  asked: [
    {
      file: 'jobs/steps.ts',
      before: '  extract: async',
      text: `  compact: async (context) => (await import('./compact/compact.ts')).compact(context),\n`,
    },
  ],
  work: [
    {
      file: 'compiler/plan.ts',
      before: '        evaluate: evaluatePlan(',
      text: `        compact: { olderThan: '1h' },\n`,
    },
    {
      file: 'jobs/compact/compact.ts',
      text: `import { runStep, type StepContext } from '../step.ts'
export function compact(context: StepContext) {
  return runStep('compact', context, async () => ({ totals: { removed: 0 }, details: [], warnings: [] }))
}
`,
    },
  ],
  tried: `
import { compile } from '#compiler'
import { stepsOf } from '#crds'
import { commands } from './cli/main.ts'
import { readFileSync } from 'node:fs'
const { plans } = compile([{ file: 'a.yaml', text: readFileSync('examples/minimal/minimal.yaml', 'utf8') }])
const found = stepsOf(plans.find((plan) => plan.evaluate)).join()
if (found !== 'ingest,evaluate,compact') throw new Error(found)
const { command } = await commands.compact()
if (command.summary !== 'One job step: forget what is old') throw new Error(command.summary)
if (!readFileSync('crds/run.yaml', 'utf8').includes('enum: [ingest, evaluate, compact, export')) throw new Error('not in the CRD')
`,
}

const crd = readFileSync(join(root, 'crds/organization.yaml'), 'utf8')
  .replaceAll('Organization', 'Consent')
  .replaceAll('organization', 'consent')
  .replace('[org]', '[cons]')
const row = (file: string, before: string, text: string): Edit => ({ file, before, text })
const kind: Addition = {
  declared: [
    { file: 'crds/consent.yaml', text: crd },
    row(
      'crds/kinds.ts',
      '  Run: {\n',
      `  Consent: { plural: 'consents', singular: 'consent', shortName: 'cons', file: 'consent', summary: 'What people agreed to', isRunnable: false, writtenBy: 'authors' },\n`,
    ),
  ],
  asked: [
    row('crds/defaults.ts', '  Run: (spec', `  Consent: (spec: SpecOf<'Consent'>) => ({ ...spec }),\n`),
    row('compiler/graph/graph.ts', '  Run: null', '  Consent: null,\n'),
    row('operator/views.ts', "    case 'Dataset':\n", "    case 'Consent':\n"),
    row('cli/cluster/tables.ts', '  Run: [\n', `  Consent: [{ key: 'state', fact: readiness }],\n`),
  ],
  work: [],
  tried: `
import { compile } from '#compiler'
import { kindNames, referredKind, schemaOf, writtenKinds } from '#crds'
import { readFileSync } from 'node:fs'
const text = readFileSync('examples/minimal/minimal.yaml', 'utf8').replace('kind: Organization', 'kind: Consent')
const { resources } = compile([{ file: 'a.yaml', text }])
if (!resources.some((resource) => resource.kind === 'Consent')) throw new Error('not read')
if (!kindNames.includes('Consent') || !writtenKinds.includes('Consent') || referredKind('consentRef') !== 'Consent') throw new Error('not a kind')
if (!schemaOf('Consent').properties.spec) throw new Error('no schema')
for (const file of ['charts/convoke/templates/_kinds.tpl', 'charts/convoke/Chart.yaml', 'examples/gitops/argocd/argocd-cm.yaml', 'examples/gitops/flux/kustomizations.yaml', 'charts/convoke/files/crds/consent.yaml'])
  if (!/consent/i.test(readFileSync(file, 'utf8'))) throw new Error(file)
`,
}

const counts = { landingStore: 4, step: 5, kind: 6 }

test('a landing store, a step of a Job and a kind take the files that CONTRIBUTING names', {
  timeout: 600_000,
}, async () => {
  const additions = { landingStore, step, kind }
  for (const [name, { declared, asked, work }] of Object.entries(additions))
    expect(new Set([...declared, ...asked, ...work].map(({ file }) => file)).size).toBe(
      counts[name as keyof typeof counts],
    )
  using folder = copy()
  const all = (part: 'declared' | 'asked' | 'work'): readonly Edit[] =>
    Object.values(additions).flatMap((each) => each[part])
  for (const edit of all('declared')) apply(folder.path, edit)
  await run(folder.path, 'node', ['crds/generate.ts'])
  expect(await faultyFiles(folder.path)).toEqual(
    all('asked')
      .map(({ file }) => file)
      .sort(),
  )
  for (const edit of [...all('asked'), ...all('work')]) apply(folder.path, edit)
  await run(folder.path, 'node', ['docs/generate.ts'])
  expect(await faultyFiles(folder.path)).toEqual([])
  for (const [name, { tried }] of Object.entries(additions)) {
    writeFileSync(join(folder.path, `${name}.ts`), tried)
    await run(folder.path, 'node', [`${name}.ts`])
  }
})

/** The rooms, and what the generators write. */
function copy(): Disposable & { readonly path: string } {
  const folder = mkdtempSync(join(tmpdir(), 'convoke-addition-'))
  const rooms = ['crds', 'compiler', 'protocol', 'views', 'jobs', 'operator', 'cli']
  for (const name of [...rooms, 'docs', 'charts', 'examples', 'package.json'])
    cpSync(join(root, name), join(folder, name), {
      recursive: true,
      filter: (path) => !/\/(?:\.work|\.cache|node_modules)(?:\/|$)/.test(path.slice(root.length)),
    })
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'))
  const { compilerOptions } = JSON.parse(readFileSync(join(root, 'tsconfig.json'), 'utf8'))
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: rooms }))
  return { path: folder, [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }) }
}

function apply(folder: string, { file, before, text }: Edit): void {
  const path = join(folder, file)
  const known = existsSync(path) ? readFileSync(path, 'utf8') : ''
  expect(known).toContain(before ?? '')
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, before === undefined ? known + text : known.replace(before, () => text + before))
}

/** Files in which the type checker finds something, sorted. */
async function faultyFiles(folder: string): Promise<readonly string[]> {
  const said = await promisify(execFile)(join(bin, 'tsc'), ['--noEmit', '--pretty', 'false'], { cwd: folder }).then(
    () => '',
    (error: { readonly stdout: string }) => error.stdout,
  )
  return [...new Set([...said.matchAll(/^(\S+?)\(\d+,\d+\): error/gm)].map(([, file]) => file!))].sort()
}

async function run(folder: string, program: string, args: readonly string[]): Promise<void> {
  await promisify(execFile)(join(bin, program), args, { cwd: folder })
}
