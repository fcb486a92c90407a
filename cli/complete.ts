import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { type Kind, kinds, type Resource, runnableKinds } from '#crds'
import type { Command, Io, OptionSpec } from './command.ts'
import type { Cluster } from './kubernetes.ts'

/** Whoever waits at a prompt is not kept longer by a cluster that does not answer. */
const patienceMilliseconds = 2000

/** What shells do beside the given words: cobra's numbers, which kubectl reads too. */
const directives = { files: 0, noFiles: 4, noSpace: 4 | 2, folders: 16, inOrder: 4 | 32 } as const

type Word = { readonly text: string; readonly about: string }
type Answer = { readonly words: readonly Word[]; readonly shell: keyof typeof directives }

type Asked = {
  /** The word at the cursor, or its part behind `=`. */
  readonly current: string
  /** Arguments before it. */
  readonly operands: readonly string[]
  /** Options before it. */
  readonly values: Readonly<Record<string, string | boolean>>
  readonly io: Io
}

type Loaders = Readonly<Record<string, () => Promise<{ readonly command: Command }>>>

/**
 * The words that may stand in place of the last word of `line`, one on each line with its meaning behind a tab, and a directive at the
 * end: the protocol of cobra, which kubectl speaks. `line` begins behind the program's name. What cannot be asked has no words.
 */
export async function complete(line: readonly string[], commands: Loaders, io: Io): Promise<string> {
  const answer = await answerTo(line, commands, io).catch(() => nothing)
  const current = line.at(-1) ?? ''
  const start = current.startsWith('--') && current.includes('=') ? current.slice(current.indexOf('=') + 1) : current
  const words = [...new Map(answer.words.map((word) => [word.text, word])).values()]
    .filter(({ text }) => text.startsWith(start))
    .map(({ text, about }) => (about === '' ? text : `${text}\t${about.replaceAll(/\s+/g, ' ')}`))
  return [...words, `:${directives[answer.shell]}`, ''].join('\n')
}

async function answerTo(line: readonly string[], commands: Loaders, io: Io): Promise<Answer> {
  const current = line.at(-1) ?? ''
  const [name, ...before] = line.slice(0, -1)
  if (name === undefined || (name === 'help' && before.length === 0)) {
    const words = await Promise.all(
      Object.entries(commands).map(async ([text, load]) => ({ text, about: (await load()).command.summary })),
    )
    return { words, shell: 'noFiles' }
  }
  const load = Object.hasOwn(commands, name) ? commands[name] : undefined
  if (!load) return nothing
  const { command } = await load()
  const { operands, values, pending } = read(before, command)
  const asked = { operands, values, io }
  if (pending !== null) return valuesOf(pending, { ...asked, current })
  const [, option, value] = /^--([^=]+)=(.*)$/s.exec(current) ?? []
  if (option !== undefined && value !== undefined) {
    const spec = command.options[option]
    return spec ? valuesOf(spec, { ...asked, current: value }) : nothing
  }
  if (current.startsWith('-')) return optionsOf(command, values)
  const names = command.operands ?? (/\b(?:PATH|FILE)…/.test(command.usage) ? ['PATH'] : [])
  return placeholder(names[Math.min(operands.length, names.length - 1)] ?? 'NOTHING', { ...asked, current })
}

/** Arguments and options of the words before the last; `pending` is the option whose value comes next. */
function read(words: readonly string[], command: Command) {
  const operands: string[] = []
  const values: Record<string, string | boolean> = {}
  let pending: { readonly name: string; readonly spec: OptionSpec } | null = null
  for (const word of words) {
    if (pending) {
      values[pending.name] = word
      pending = null
      continue
    }
    const [, long, value] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? []
    const found = Object.entries(command.options).find(([name, { short }]) =>
      long === undefined ? word.startsWith('-') && word === `-${short}` : name === long,
    )
    if (!found) {
      if (!word.startsWith('-') || word === '-') operands.push(word)
      continue
    }
    const [name, spec] = found
    if (spec.type === 'string' && value === undefined) pending = { name, spec }
    else values[name] = value ?? true
  }
  return { operands, values, pending: pending?.spec ?? null }
}

function optionsOf({ options }: Command, given: Asked['values']): Answer {
  const words = Object.entries(options)
    .filter(([name, { multiple }]) => multiple === true || given[name] === undefined)
    .map(([name, { help }]) => ({ text: `--${name}`, about: help }))
  return { words: [...words, { text: '--help', about: 'what this command does, with examples' }], shell: 'noFiles' }
}

async function valuesOf(spec: OptionSpec, asked: Asked): Promise<Answer> {
  if (spec.words) return { words: spec.words.map((text) => ({ text, about: '' })), shell: 'noFiles' }
  return placeholder(spec.value ?? 'NOTHING', asked)
}

const nothing: Answer = { words: [], shell: 'noFiles' }

/** The answers for each word that stands for something in a command's usage or at an option. Words that are not here may be anything. */
const placeholders: Readonly<Record<string, (asked: Asked) => Answer | Promise<Answer>>> = {
  NOTHING: () => nothing,
  PATH: () => ({ words: [], shell: 'files' }),
  FILE: () => ({ words: [], shell: 'files' }),
  DIR: () => ({ words: [], shell: 'folders' }),
  CODE: async () => {
    const { codes, measured, rules } = await import('#compiler')
    const words = [
      ...codes.map((text) => ({ text, about: rules[text].page.title })),
      ...Object.entries(measured).map(([text, { title }]) => ({ text, about: title })),
    ]
    return { words, shell: 'noFiles' }
  },
  SHELL: async () => named((await import('./commands/completion.ts')).shells.map((text) => ({ text, about: '' }))),
  KIND: () => ({ words: Object.keys(kinds).map((text) => ({ text, about: '' })), shell: 'noFiles' }),
  NS: async (asked) => {
    const found = await (await clusterFor(asked)).list<Resource>('/api/v1/namespaces')
    return named((found ?? []).map(({ metadata }) => ({ text: metadata.name, about: '' })))
  },
  CONTEXT: async ({ values }) => {
    const { connect } = await import('./kubernetes.ts')
    const config = await connect({ kubeconfig: typed(values['kubeconfig']), context: null })
    return named(config.contexts.map(({ name, cluster }) => ({ text: name, about: cluster })))
  },
  STORE: async (asked) => named(await namesOf('ProfileStore', asked)),
  INSTANCE: async (asked) => named(await namesOf('CampaignInstance', asked)),
  /** Profile columns of the files that are named, or that lie here. */
  ATTRIBUTE: async ({ io, operands }) => {
    const { compilePaths } = await import('./sources.ts')
    const { columnsOf } = await import('#compiler')
    const paths = operands.filter((path) => path !== '-' && existsSync(resolve(io.cwd, path)))
    const { stores } = compilePaths(paths.length > 0 ? paths : ['.'], io).compilation.model
    const columns = stores.flatMap(({ types, resource }) =>
      columnsOf(types.profile).map(({ path }) => ({ text: path, about: resource.name })),
    )
    return named(columns)
  },
  SEGMENT: async (asked) => named(await namesOf('Segment', asked)),
  ACTIVATION: async (asked) => named(await namesOf('Activation', asked)),
  RUN: async (asked) => ({ words: await namesOf('Run', asked), shell: 'inOrder' }),
  /** Targets that can be run in the cluster. */
  TARGET: async (asked) => {
    const found = await Promise.all(
      runnableKinds.map(async (kind) =>
        (await namesOf(kind, asked)).map(({ text, about }) => ({
          text: kind === 'Activation' ? text : `${kind}/${text}`,
          about: about === '' ? kind : about,
        })),
      ),
    )
    // `run` takes files too, on this machine.
    return { words: found.flat(), shell: 'files' }
  },
  'KIND/NAME': async (asked) => {
    const { kindNamed } = await import('./cluster/kind-name.ts')
    const [given = '', name] = asked.current.split('/')
    if (name === undefined) return { words: Object.keys(kinds).map((text) => ({ text, about: '' })), shell: 'noSpace' }
    const kind = kindNamed(given)
    if (kind === null) return nothing
    return named((await namesOf(kind, asked)).map(({ text, about }) => ({ text: `${given}/${text}`, about })))
  },
  /** Segments that the Activation named before holds back. */
  HELD: async (asked) => {
    const { pathOf } = await import('./kubernetes.ts')
    const cluster = await clusterFor(asked)
    const name = (asked.operands[0] ?? '').replace(/^.*\//, '')
    const activation = await cluster.get<Extract<Resource, { kind: 'Activation' }>>(
      pathOf('Activation', cluster.namespace, name),
    )
    const held = (activation?.status?.held ?? []).filter(({ reason }) => reason === 'CircuitBreaker')
    return named(
      held
        .filter(({ segment }) => !asked.operands.includes(segment))
        .map(({ segment, message = '' }) => ({ text: segment, about: message })),
    )
  },
}

async function placeholder(name: string, asked: Asked): Promise<Answer> {
  return (await placeholders[name]?.(asked)) ?? nothing
}

function named(words: readonly Word[]): Answer {
  return { words, shell: 'noFiles' }
}

/** Names of a kind: in files, where some are given or there is no cluster, else in the cluster. */
async function namesOf(kind: Kind, asked: Asked): Promise<readonly Word[]> {
  const { io, operands } = asked
  const paths = operands.filter((path) => path !== '-' && existsSync(resolve(io.cwd, path)))
  if (paths.length > 0) return namesInFiles(kind, paths, io)
  try {
    const cluster = await clusterFor(asked)
    const { resourcesOf } = await import('./kubernetes.ts')
    const found = await resourcesOf(cluster, kind, [cluster.namespace])
    const times = ({ metadata }: Resource): string => metadata.creationTimestamp ?? ''
    const { conditionOf, stateOf } = await import('./cluster/resources.ts')
    const about = (resource: Resource): string => {
      if (resource.kind === 'Run') return `${resource.spec.target.name}, ${stateOf(resource)}`
      if (resource.kind === 'Segment' && resource.spec.displayName) return resource.spec.displayName
      const ready = conditionOf(resource, 'ready')
      return ready && ready.status !== 'True' ? `not ready: ${ready.reason}` : ''
    }
    const sorted = kind === 'Run' ? [...found].sort((a, b) => (times(a) > times(b) ? -1 : 1)) : found
    return sorted.map((resource) => ({ text: resource.metadata.name, about: about(resource) }))
  } catch {
    return kind === 'Run' ? [] : namesInFiles(kind, ['.'], io)
  }
}

async function namesInFiles(kind: Kind, paths: readonly string[], io: Io): Promise<readonly Word[]> {
  const { compilePaths } = await import('./sources.ts')
  const { resources } = compilePaths(paths, io).compilation
  return resources
    .filter((resource) => resource.kind === kind)
    .map((resource) => ({
      text: resource.name,
      about:
        resource.kind === 'Segment' && resource.spec.displayName !== resource.name ? resource.spec.displayName : '',
    }))
}

async function clusterFor({ values }: Asked): Promise<Cluster> {
  const { openCluster } = await import('./kubernetes.ts')
  return openCluster(values, patienceMilliseconds)
}

function typed(value: string | boolean | undefined): string | null {
  return typeof value === 'string' ? value : null
}

/** The words that `placeholders` knows. */
export const knownPlaceholders: ReadonlySet<string> = new Set(Object.keys(placeholders))
