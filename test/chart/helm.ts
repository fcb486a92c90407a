// The chart as Helm makes it.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { parseAllDocuments } from 'yaml'
import { findPrograms } from '../cluster/binaries.ts'

export const chart = join(import.meta.dirname, '../../charts/convoke')

const programs = await findPrograms(['helm'])
export const hasHelm = !('skip' in programs)
if ('skip' in programs) console.warn(`Skipped what needs Helm: ${programs.skip}.`)
const program = 'skip' in programs ? 'helm' : programs.helm

/** Of every object of Kubernetes, what tests look at. */
export type Manifest = {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace?: string
    readonly labels?: Readonly<Record<string, string>>
    readonly annotations?: Readonly<Record<string, string>>
  }
  // biome-ignore lint/suspicious/noExplicitAny: each kind has its own fields, and a test that is wrong about them fails.
  readonly [field: string]: any
}

export type HelmOutcome = { readonly code: number; readonly out: string; readonly err: string }

export function helm(
  args: readonly string[],
  { values = {}, kubeconfig }: { readonly values?: object; readonly kubeconfig?: string } = {},
): HelmOutcome {
  const withValues = ['template', 'lint', 'install', 'upgrade'].includes(args[0]!) ? ['-f', '-'] : []
  const { status, stdout, stderr, error } = spawnSync(program, [...args, ...withValues], {
    input: JSON.stringify(values),
    encoding: 'utf8',
    maxBuffer: 1 << 28,
    // No cluster but the one that is meant.
    env: { ...process.env, KUBECONFIG: kubeconfig ?? '/dev/null' },
  })
  if (error) throw error
  return { code: status ?? -1, out: stdout, err: stderr }
}

export type Target = { readonly release?: string; readonly namespace?: string }

/** Every object of a release, in Helm's order; `values` that Helm refuses throw what it said. */
export function render(values: object = {}, { release = 'convoke', namespace = 'convoke' }: Target = {}): Manifest[] {
  const { code, out, err } = helm(['template', release, chart, '--namespace', namespace], { values })
  if (code !== 0) throw new Error(err)
  return manifestsOf(out)
}

export function manifestsOf(text: string): Manifest[] {
  return parseAllDocuments(text, { strict: true })
    .map((document) => {
      if (document.errors.length > 0) throw document.errors[0]
      return document.toJS()
    })
    .filter((document) => document !== null)
}

/** The only object of a kind. */
export function only(manifests: readonly Manifest[], kind: string, name?: string): Manifest {
  const found = manifests.filter((each) => each.kind === kind && (name === undefined || each.metadata.name === name))
  if (found.length !== 1) throw new Error(`${found.length} objects of kind ${kind}${name ? ` named ${name}` : ''}`)
  return found[0]!
}
