import { parseDurationSeconds } from '#crds'
import { segmentPath } from '../activated-segments.ts'
import { exampleFileName, fileExtension } from '../file-name.ts'
import type { ActivationModel, SegmentModel } from '../model.ts'
import type { Resource } from '../resource.ts'
import type { Rule } from './rule.ts'

export const fileNameCollision: Rule = {
  severity: 'error',
  page: {
    title: 'Two files would get the same name',
    checks:
      '`file.nameTemplate` with the names filled in, over all Activations and Segments that are delivered to the same place. Names that differ by {timestamp} or {unix} alone are the same where the two schedules fall on the same instant.',
    why: 'There is one file for a Segment; of two with one name the later replaces the earlier before Campaign has read it.',
    source:
      'Real-Time CDP with Adobe Campaign v8 integration pattern, guardrails; Activate audiences to batch profile export destinations',
    bad: `
kind: Destination
metadata: { name: letter-box }
spec:
  file: { nameTemplate: "{destination}_{timestamp}" }
`,
    good: `
kind: Destination
metadata: { name: letter-box }
spec:
  file: { nameTemplate: "{destination}_{segment}_{timestamp}" }
`,
  },
  check: {
    Destination(destination, { model, report }) {
      const { relations } = model
      const neighbours = relations.destinationsBeside(destination).filter(({ name }) => name <= destination.name)
      const files = neighbours.flatMap((other) =>
        relations
          .activationsOfDestination(other)
          .flatMap((activation) => activation.segments.map((segment) => ({ destination: other, activation, segment }))),
      )
      const byName = Map.groupBy(
        files,
        ({ destination: own, activation, segment }) =>
          exampleFileName(activation, segment, activation.instance?.spec.organizationRef.name ?? '') +
          fileExtension(own.spec.file.compression),
      )
      for (const [name, sameName] of byName) {
        // Where the Destination comes in only as the earlier one, the later one reports it.
        const later = sameName.findIndex(
          (file, index) =>
            file.destination === destination && sameName.some((one, at) => at < index && collide(one, file)),
        )
        const other = sameName[later]
        const first = other && sameName.find((one) => collide(one, other))
        if (!first) continue
        const what = ({ segment, activation }: File): string =>
          first.segment === other.segment
            ? `Activation \`${activation.resource.name}\``
            : `Segment \`${segment.resource.name}\``
        report({
          path: ['spec', 'file', 'nameTemplate'],
          message: `${what(first)} and ${what(other)} would both be written to \`${name.length > 60 ? `${name.slice(0, 59)}…` : name}\``,
          help: `Add ${first.segment !== other.segment ? '`{segment}`' : first.activation !== other.activation && first.destination === other.destination ? '`{activation}`' : '`{destination}`'} to the template.`,
          related: [first, other].map((file) => ({
            resource: file.activation.resource,
            path: segmentPath(file),
            message: `Segment \`${file.segment.resource.name}\` of Activation \`${file.activation.resource.name}\``,
          })),
        })
        return
      }
    },
  },
}

type File = {
  readonly destination: Resource<'Destination'>
  readonly activation: ActivationModel
  readonly segment: SegmentModel
}

/** Names without the instant are the same in every run; with it, in the runs that two schedules have in common. */
function collide(a: File, b: File): boolean {
  const timed = [a, b].every(({ destination }) => /\{(timestamp|unix)\}/.test(destination.spec.file.nameTemplate))
  return !timed || a.activation === b.activation || haveCommonSlot(a.activation, b.activation)
}

function haveCommonSlot(a: ActivationModel, b: ActivationModel): boolean {
  const [left, right] = [a, b].map(({ resource }) => resource.spec.schedule)
  const [first, second] = [left, right].map((schedule) => ({
    start: Date.parse(schedule?.startAt ?? '') / 1000,
    every: parseDurationSeconds(schedule?.every ?? ''),
  }))
  // A daily evaluation drifts past any instant with the clocks' changes, so it meets every other schedule sooner or later.
  if (!first?.every || !second?.every || Number.isNaN(first.start) || Number.isNaN(second.start)) return true
  return (first.start - second.start) % greatestCommonDivisor(first.every, second.every) === 0
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
