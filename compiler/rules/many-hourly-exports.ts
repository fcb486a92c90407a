import { activationSchedule } from '../activation-schedule.ts'
import type { ActivationModel } from '../model.ts'
import { type Schedule, slotsBetween } from '../schedule/index.ts'
import type { Rule } from './rule.ts'

export const manyHourlyExports: Rule = {
  severity: 'warning',
  page: {
    title: 'More than 100 Segments are exported in one hour',
    checks:
      'Segments over all Activations of a ProfileStore that are due within the same hour, on a day on which all of them have begun. Suspended Activations do not count.',
    why: 'More than 100 audiences exported at a given hour wait for one another.',
    source: 'Default guardrails for activation data, audiences exported at a given hour',
    bad: example(98, 12),
    good: example(97, 12),
  },
  check: {
    ProfileStore(resource, { model, report }) {
      const scheduled = model.activations.flatMap((activation) => {
        const { suspend } = activation.resource.spec
        const schedule =
          activation.store?.resource === resource && !suspend && activationSchedule(activation.resource, resource)
        return schedule ? [{ activation, schedule }] : []
      })
      const all = scheduled.reduce((sum, { activation }) => sum + activation.segments.length, 0)
      if (all <= limit) return
      const from = new Date(
        Math.max(0, ...scheduled.map(({ schedule }) => (schedule.kind === 'every' ? schedule.startAt.getTime() : 0))),
      )
      const [fullest] = hoursOf(scheduled, from).sort((a, b) => b.segments - a.segments || a.hour - b.hour)
      if (!fullest || fullest.segments <= limit) return
      report({
        path: ['metadata', 'name'],
        message: `${fullest.segments} Segments of \`${resource.name}\` are exported between ${clock(fullest.hour)} and ${clock(fullest.hour + 1)} UTC; ${limit} are recommended`,
        help: 'Move some Activations to another hour by `schedule.startAt`.',
        related: fullest.activations.slice(0, 3).map((activation) => ({
          resource: activation.resource,
          path: ['spec', 'schedule'],
          message: `${activation.segments.length} of them`,
        })),
      })
    },
  },
}

const limit = 100
const hourMs = 3_600_000

type Scheduled = { readonly activation: ActivationModel; readonly schedule: Schedule }
type Hour = { readonly hour: number; readonly segments: number; readonly activations: readonly ActivationModel[] }

/** The hours of the day from an instant on, each with what is due in it; an Activation counts once in an hour. */
function hoursOf(scheduled: readonly Scheduled[], from: Date): Hour[] {
  const start = Math.floor(from.getTime() / hourMs) * hourMs
  const hours = new Map<number, Set<ActivationModel>>()
  for (const { activation, schedule } of scheduled)
    for (const slot of slotsBetween(schedule, new Date(start), new Date(start + 24 * hourMs))) {
      const hour = slot.getUTCHours()
      hours.set(hour, (hours.get(hour) ?? new Set()).add(activation))
    }
  return [...hours].map(([hour, activations]) => ({
    hour,
    activations: [...activations],
    segments: [...activations].reduce((sum, { segments }) => sum + segments.length, 0),
  }))
}

function clock(hour: number): string {
  return `${String(hour % 24).padStart(2, '0')}:00`
}

function example(segments: number, every: number): string {
  return `
# repeat: 1..${segments}
kind: Segment
metadata: { name: s$n }
spec:
  expression: club.credits > $n
---
kind: CampaignInstance
metadata:
  name: letters
  annotations: { convoke.dev/allow: "many-segments: the limit was raised to 200" }
spec:
  limits: { segments: 200 }
---
kind: Activation
metadata: { name: win-back }
spec:
  segmentSelector: { matchLabels: {} }
  schedule: { every: ${every}h, startAt: "2026-12-01T04:00:00Z" }
`
}
