import { effectiveLatency, type Model, type Schedule, schedulesOf, slotsBetween } from '#compiler'
import { type Command, choice, exitCodes, instant, UsageError } from '../command.ts'
import { compilePaths } from '../sources.ts'

export const command: Command = {
  summary: 'When everything will run, and how late each Segment may be',
  usage: 'slots PATH… --from TIME --to TIME [-o text|json]',
  description:
    'From inclusive, to exclusive; beside each instant what clocks say in its own time zone. A local slot runs exactly once, also when the clocks change. A Segment is as late as the slowest one it refers\n' +
    'to: so long it may take until a change of the data shows in it.',
  options: {
    from: { type: 'string', value: 'TIME', help: 'first instant, e.g. 2026-12-01T00:00:00Z (default: now)' },
    to: { type: 'string', value: 'TIME', help: 'end, not included (default: a day later)' },
    output: { type: 'string', short: 'o', value: 'FORMAT', words: ['text', 'json'], help: 'text (default) or json' },
  },
  examples: [
    'convoke slots examples/retail --from 2026-12-01 --to 2026-12-02',
    'convoke slots . --from 2026-10-25 --to 2026-10-26 -o json',
  ],
  run: async ({ positionals, values, io }) => {
    const from = instant(values, 'from') ?? io.now()
    const to = instant(values, 'to') ?? new Date(from.getTime() + 86_400_000)
    if (to <= from) throw new UsageError('--to must be later than --from.')
    const { compilation } = compilePaths(positionals, io)
    const slots = schedulesOf(compilation.model).map(({ resource, timeZone, schedule, evaluation }) => ({
      kind: resource.kind,
      name: resource.name,
      ...(evaluation ? { evaluation } : {}),
      timeZone,
      instants: instantsOf(schedule, from, to),
    }))
    const segments = latenciesOf(compilation.model)
    if (choice(values, 'output', ['text', 'json']) === 'json')
      io.out(`${JSON.stringify({ slots, segments }, null, 2)}\n`)
    else {
      for (const slot of slots) {
        io.out(
          `${slot.kind} ${slot.name}${slot.evaluation ? ` (${slot.evaluation})` : ''}, ${slot.timeZone}: ${slot.instants.length === 0 ? 'never in that time' : `${slot.instants.length} ${slot.instants.length === 1 ? 'run' : 'runs'}`}\n`,
        )
        for (const at of slot.instants.slice(0, 20)) io.out(`  ${at}${localText(at, slot.timeZone)}\n`)
        if (slot.instants.length > 20)
          io.out(`  … and ${slot.instants.length - 20} more until ${slot.instants.at(-1)}\n`)
      }
      if (slots.length === 0) io.out('Nothing there has a schedule.\n')
      for (const { name, evaluation, effectiveLatency: latency, slowest } of segments)
        io.out(
          `Segment ${name} (${evaluation}): up to ${latency} late${slowest === name ? '' : `, as \`${slowest}\` is`}\n`,
        )
    }
    return compilation.diagnostics.some((diagnostic) => diagnostic.severity === 'error')
      ? exitCodes.findings
      : exitCodes.fine
  },
}

const utc = /^(?:Etc\/)?(?:UTC|GMT|UCT|Zulu|Universal)$/

/** `  Sat 05:00 +0200`: the time in the schedule's own zone; empty where that is UTC. */
function localText(at: string, timeZone: string): string {
  if (utc.test(timeZone)) return ''
  const parts = new Intl.DateTimeFormat('en-GB', {
    timeZone,
    weekday: 'short',
    hour: '2-digit',
    minute: '2-digit',
    hourCycle: 'h23',
    timeZoneName: 'longOffset',
  }).formatToParts(new Date(at))
  const of = (type: Intl.DateTimeFormatPartTypes): string => parts.find((part) => part.type === type)?.value ?? ''
  const offset = of('timeZoneName').replace(/^GMT/, '').replace(':', '') || '+0000'
  return `  ${of('weekday')} ${of('hour')}:${of('minute')} ${offset}`
}

function instantsOf(schedule: Schedule, from: Date, to: Date): string[] {
  return [...slotsBetween(schedule, from, to)].map((slot) => slot.toISOString().replace('.000Z', 'Z'))
}

function latenciesOf(model: Model) {
  const key = ({ namespace, name }: { readonly namespace: string; readonly name: string }): string =>
    `${namespace}/${name}`
  return model.segments
    .map((segment) => {
      const { namespace, name, spec } = segment.resource
      const { seconds, text, slowest } = effectiveLatency(segment, model)
      return {
        namespace,
        name,
        evaluation: spec.evaluation,
        effectiveLatency: text,
        effectiveLatencySeconds: seconds,
        slowest: slowest.resource.name,
      }
    })
    .sort((a, b) => (key(a) < key(b) ? -1 : 1))
}
