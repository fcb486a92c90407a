import { setTimeout as sleep } from 'node:timers/promises'
import type { Kind } from '#crds'
import type { Attention } from '../cluster/attention.ts'
import type { Inventory } from '../cluster/resources.ts'
import { type Command, choice, exitCodes, type Io, UsageError } from '../command.ts'
import { clusterOptions } from '../kubernetes.ts'

const watchSeconds = 2

export const command: Command = {
  summary: 'What needs attention in the cluster, then a table per kind',
  operands: ['KIND/NAME'],
  usage: 'status [KIND | KIND/NAME]… [-n NS | -A] [--watch]',
  description:
    'Needs attention: resources that do not pass a guardrail or are stalled, targets whose latest Run failed, Segments that are held, slots\n' +
    'that are late or were missed. Exit code 1 where one of these is an error. A resource that is named is shown with its conditions and Runs.',
  options: {
    ...clusterOptions,
    'all-namespaces': { type: 'boolean', short: 'A', help: 'every namespace' },
    watch: { type: 'boolean', short: 'w', help: `draw it again every ${watchSeconds} seconds` },
    output: { type: 'string', short: 'o', value: 'FORMAT', words: ['text', 'json'], help: 'text (default) or json' },
  },
  examples: ['convoke status', 'convoke status -A --watch', 'convoke status Activation/win-back segments'],
  run: async ({ positionals, values, io }) => {
    const output = choice(values, 'output', ['text', 'json'])
    // The client takes most of a second to load; everything else is small beside it.
    const [{ openCluster }, { inventoryOf }, { attentionOf }, { screenOf, statusDocument }] = await Promise.all([
      import('../kubernetes.ts'),
      import('../cluster/resources.ts'),
      import('../cluster/attention.ts'),
      import('../cluster/screen.ts'),
    ])
    const wanted = await selectionOf(positionals)
    const cluster = await openCluster(values)
    const isEverywhere = values['all-namespaces'] === true
    const place = {
      context: cluster.context,
      namespace: isEverywhere ? null : cluster.namespace,
      isDefaultNamespace: cluster.isDefaultNamespace,
    }
    const look = async (): Promise<Seen> => {
      const inventory = await inventoryOf(cluster, place.namespace)
      const now = io.now()
      const attention = attentionOf(inventory, now).filter((each) => isWanted(each, wanted))
      return { inventory, now, attention, wanted, place }
    }
    if (values['watch'] === true) {
      if (io.rows === null || output === 'json')
        throw new UsageError('--watch draws on a terminal; leave it out for text that goes elsewhere and for JSON.')
      return watch(async () => screenOf(await look(), io), io)
    }
    const seen = await look()
    await mustExist(seen)
    io.out(output === 'json' ? `${JSON.stringify(statusDocument(seen), null, 2)}\n` : screenOf(seen, io))
    return seen.attention.some(({ severity }) => severity === 'error') ? exitCodes.findings : exitCodes.fine
  },
}

/** A kind, or one resource of it (`name`). */
export type Wanted = { readonly kind: Kind; readonly name: string | null }

export type Seen = {
  readonly inventory: Inventory
  readonly now: Date
  readonly attention: readonly Attention[]
  /** Empty: everything. */
  readonly wanted: readonly Wanted[]
  readonly place: {
    readonly context: string
    /** null: all namespaces. */
    readonly namespace: string | null
    readonly isDefaultNamespace: boolean
  }
}

async function selectionOf(positionals: readonly string[]): Promise<readonly Wanted[]> {
  const { kindAndName, kindNamed, unknownKind } = await import('../cluster/kind-name.ts')
  return Promise.all(
    positionals.map(async (text) => {
      if (text.includes('/')) return kindAndName(text, 'Activation')
      const kind = kindNamed(text)
      if (kind === null) throw new UsageError(`${await unknownKind(text)} One resource is KIND/NAME.`)
      return { kind, name: null }
    }),
  )
}

function isWanted({ resource, run }: Attention, wanted: readonly Wanted[]): boolean {
  if (wanted.length === 0 || resource === null) return true
  return wanted.some(
    ({ kind, name }) =>
      (kind === resource.kind && (name === null || name === resource.name)) || (kind === 'Run' && name === run),
  )
}

async function mustExist({ inventory, wanted, place }: Seen): Promise<void> {
  for (const { kind, name } of wanted) {
    const names = inventory[kind].map(({ metadata }) => metadata.name)
    if (name === null || names.includes(name)) continue
    const { didYouMean } = await import('../cluster/kind-name.ts')
    const where = place.namespace === null ? 'in any namespace' : `in namespace \`${place.namespace}\``
    throw new UsageError(`There is no ${kind} \`${name}\` ${where}.${await didYouMean(name, names)}`)
  }
}

/** Draws the screen over the one before, until interrupted. A server that does not answer is drawn too: that may pass. */
export async function watch(screen: () => Promise<string>, io: Io): Promise<number> {
  while (!io.signal.aborted) {
    const text = await screen().catch((error: unknown) => {
      if (error instanceof UsageError) return `${error.message}\n`
      throw error
    })
    const lines = text.trimEnd().split('\n')
    const room = Math.max(1, (io.rows ?? lines.length) - 1)
    const shown =
      lines.length <= room ? lines : [...lines.slice(0, room - 1), `… ${lines.length - room + 1} more lines`]
    io.out(`\x1b[H\x1b[2J${shown.join('\n')}\n`)
    await sleep(watchSeconds * 1000, undefined, { signal: io.signal }).catch(() => undefined)
  }
  return exitCodes.fine
}
