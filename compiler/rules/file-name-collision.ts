import { filePartName, parseDurationSeconds, wholeOfPart } from '#crds'
import { segmentPath } from '../activated-segments.ts'
import type { Delivery } from '../diagnostic.ts'
import { exampleFileName } from '../file-name.ts'
import type { ActivationModel, SegmentModel } from '../model.ts'
import type { Resource } from '../resource.ts'
import type { Rule } from './rule.ts'

export const fileNameCollision: Rule = {
  severity: 'error',
  page: {
    title: 'Two files would get the same name',
    checks:
      '`file.nameTemplate` with the names filled in, over all Activations and Segments that are delivered to the same place, their parts (`x_2` of `x`) included. Names that differ by case or by the composition of their letters are the same, as on some file systems. Names that differ by {timestamp} or {unix} alone are the same where the two schedules fall on the same instant. In a cluster the newer Segment is held, and the others are delivered.',
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
        relations.activationsOfDestination(other).flatMap((activation) =>
          activation.segments.map((segment): File => {
            const organization = activation.instance?.spec.organizationRef.name ?? ''
            return { destination: other, activation, segment, base: exampleFileName(activation, segment, organization) }
          }),
        ),
      )
      // Where the Destination is only the earlier of the two, the later one reports the collision.
      const pairs = collisionsOf(files).filter(({ second }) => second.destination === destination)
      const [pair] = pairs
      if (!pair) return
      const { first, second } = pair
      const what = ({ segment, activation }: File, part = 1): string =>
        (part === 1 ? '' : `part ${part} of `) +
        (first.segment === second.segment
          ? `Activation \`${activation.resource.name}\``
          : `Segment \`${segment.resource.name}\``)
      const both = [what(first, pair.firstPart), what(second, pair.secondPart)].join(' and ')
      const name = shortened(nameOf(second, pair.secondPart))
      report({
        path: ['spec', 'file', 'nameTemplate'],
        message: `${both.charAt(0).toUpperCase()}${both.slice(1)} would both be written to \`${name}\``,
        help: `Add ${first.segment !== second.segment ? '`{segment}`' : first.activation !== second.activation && first.destination === second.destination ? '`{activation}`' : '`{destination}`'} to the template.`,
        related: [first, second].map((file) => ({
          resource: file.activation.resource,
          path: segmentPath(file),
          message: `Segment \`${file.segment.resource.name}\` of Activation \`${file.activation.resource.name}\``,
        })),
        without: pairs.map((each) => ({
          keepsOne: true,
          deliveries: [
            deliveryOf(each.first, each.firstPart, each.second),
            deliveryOf(each.second, each.secondPart, each.first),
          ],
        })),
      })
    },
  },
}

type File = {
  readonly destination: Resource<'Destination'>
  readonly activation: ActivationModel
  readonly segment: SegmentModel
  /** The name without number and extension, for an example's times. */
  readonly base: string
}

/** Two files that get one name (of a split file, one of its parts). `second` comes later in the list. */
type Collision = {
  readonly first: File
  readonly firstPart: number
  readonly second: File
  readonly secondPart: number
}

/** Each file, with the first one that it collides with. */
function collisionsOf(files: readonly File[]): readonly Collision[] {
  const byKey = Map.groupBy(files, ({ base, destination }) => keyOf(base, destination))
  const positions = new Map(files.map((file, index) => [file, index]))
  const found: Collision[] = []
  for (const sameName of byKey.values())
    for (const [index, second] of sameName.entries()) {
      const first = sameName.find((one, at) => at < index && collide(one, second))
      if (first) found.push({ first, firstPart: 1, second, secondPart: 1 })
    }
  for (const file of files) {
    const whole = wholeOfPart(file.base)
    const split = whole && byKey.get(keyOf(whole.name, file.destination))?.find((one) => collide(one, file))
    if (!split) continue
    const isLater = positions.get(file)! > positions.get(split)!
    found.push(
      isLater
        ? { first: split, firstPart: whole.part, second: file, secondPart: 1 }
        : { first: file, firstPart: 1, second: split, secondPart: whole.part },
    )
  }
  return found
}

/** Equal for names that some file systems take for the same: in another case, or composed of other code points. */
function keyOf(base: string, { spec }: Resource<'Destination'>): string {
  return filePartName(base.normalize('NFC').toLowerCase(), 1, spec.file.compression)
}

function nameOf({ base, destination }: File, part: number): string {
  return filePartName(base, part, destination.spec.file.compression)
}

function deliveryOf(file: File, part: number, other: File): Delivery {
  return {
    activation: file.activation.resource.name,
    segment: file.segment.resource.name,
    message: `It would be written to \`${shortened(nameOf(file, part))}\`, where Segment \`${other.segment.resource.name}\` of Activation \`${other.activation.resource.name}\` goes`,
  }
}

function shortened(name: string): string {
  return name.length > 60 ? `${name.slice(0, 59)}…` : name
}

/** Whether two files with one name meet. Names without the instant are the same in every run; with it, in runs that both schedules have. */
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
  // A daily evaluation shifts with changes of the clocks, so it meets every other schedule sooner or later.
  if (!first?.every || !second?.every || Number.isNaN(first.start) || Number.isNaN(second.start)) return true
  return (first.start - second.start) % greatestCommonDivisor(first.every, second.every) === 0
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
