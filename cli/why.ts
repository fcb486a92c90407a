import {
  type Compilation,
  type ConsentAnswer,
  type Explanation,
  type Found,
  type Plain,
  type SegmentModel,
  storePlan,
  turnsAt,
  visible,
  whyConsent,
  whySegment,
} from '#compiler'
import { findPerson, type Ports } from '#jobs'
import { type Io, UsageError } from './command.ts'
import { relativeTo, rfc3339 } from './instants.ts'
import { painterOf } from './paint.ts'

/** Why a person is, or is not, in a Segment; JSON data. */
export type Answer = {
  readonly segment: string
  /** The store's profile id; null in the form without identity. */
  readonly profile: string | null
  /** The instant that the answer is for, in RFC 3339. */
  readonly at: string
  readonly isMember: boolean
  /** The result of the last evaluation; null where the Segment was not evaluated yet. `since` null: never in it. */
  readonly lastEvaluation: { readonly at: string; readonly isMember: boolean; readonly since: string | null } | null
  /** Why segmentation leaves the profile out; null: it does not. */
  readonly leftOut: string | null
  /** When the conditions change by time alone, in RFC 3339; null: never, or not as far as that can be followed. */
  readonly turnsAt: string | null
  /** What the store's consent says of the person; empty where it says nothing. */
  readonly consent: readonly ConsentAnswer[]
  readonly why: Explanation
}

/**
 * The answer without identity: no id, no text, no time of day; only counts, numbers, truth and days. The days may still identify somebody
 * where few people are in a Segment.
 */
export function withoutIdentity({ lastEvaluation, turnsAt: turns, why, ...answer }: Answer): Answer {
  return {
    ...answer,
    profile: null,
    lastEvaluation: lastEvaluation && { ...lastEvaluation, since: lastEvaluation.since?.slice(0, 10) ?? null },
    // An answer of an older version lacks this field.
    turnsAt: turns?.slice(0, 10) ?? null,
    consent: (answer.consent ?? []).map((each) => ({ ...each, value: plainWithout(each.value) })),
    why: partWithout(why),
  }
}

function partWithout(part: Explanation): Explanation {
  switch (part.kind) {
    case 'not':
      return { ...part, parts: [partWithout(part.parts[0])] }
    case 'and':
    case 'or':
    case 'segment':
      return { ...part, parts: part.parts.map(partWithout) }
    case 'condition':
      return {
        ...part,
        found: part.found.map((found) =>
          found.kind === 'events'
            ? {
                ...found,
                shown: found.shown.map(({ unmet, ...event }) => ({
                  ...eventWithout(event),
                  ...(unmet && { unmet: unmet.map(({ text, by }) => ({ text, by: by && eventWithout(by) })) }),
                })),
              }
            : { ...found, value: plainWithout(found.value) },
        ),
        compared: part.compared && {
          ...part.compared,
          value: plainWithout(part.compared.value),
          ...(part.compared.unit === 'seconds' && {
            bound: plainWithout(part.compared.bound),
            distance: Math.round(part.compared.distance / 86_400) * 86_400,
          }),
        },
      }
  }
}

/** An event by its day, without texts. */
function eventWithout<E extends { readonly timestamp: string; readonly fields: { readonly [path: string]: Plain } }>(
  event: E,
): E {
  const fields = Object.entries(event.fields).map(([path, value]) => [path, plainWithout(value)])
  return { ...event, timestamp: event.timestamp.slice(0, 10), fields: Object.fromEntries(fields) }
}

const withheld = '(withheld)'

function plainWithout(value: Plain): Plain {
  if (typeof value === 'string') return /^\d{4}-\d\d-\d\d(T[\d:.]+Z)?$/.test(value) ? value.slice(0, 10) : withheld
  return typeof value === 'object' && value !== null ? withheld : value
}

/** The Segment's name, and those of all that it refers to, directly and through others. */
function withReferences(segment: SegmentModel, model: Compilation['model']): readonly string[] {
  const { namespace, name } = segment.resource
  // A set is walked over while it grows.
  const names = new Set([name])
  for (const each of names) for (const other of model.segmentNamed(namespace, each)?.references ?? []) names.add(other)
  return [...names]
}

/** Asks the store's data. Throws UsageError for a person who is not there or not unique, and for a Segment that does not compile. */
export async function answerOf(
  segment: SegmentModel,
  { model }: Compilation,
  who: string,
  at: Date,
  ports: Ports,
): Promise<Answer> {
  const { name } = segment.resource
  if (!segment.store || !segment.condition)
    throw new UsageError(`The Segment \`${name}\` does not compile; \`convoke check\` says why.`)
  const plan = storePlan(segment.store)
  const search = await findPerson(plan, who, withReferences(segment, model), ports)
  if (search.kind === 'not one') {
    const primary = plan.identities.find((identity) => identity.primary)?.namespace ?? ''
    const others = plan.identities.filter((identity) => !identity.primary).map(({ namespace }) => `${namespace}:VALUE`)
    throw new UsageError(
      search.ids.length > 0
        ? `${search.ids.length} profiles of ${plan.name} have that identity: ${search.ids.slice(0, 10).join(', ')}${search.ids.length > 10 ? ', …' : ''}. Name one by its ${primary}.`
        : `No profile of ${plan.name} has that identity. Give a value of ${primary}${others.length > 0 ? `, or ${others.join(' or ')}` : ''}.`,
    )
  }
  const { person } = search
  const why = whySegment(segment, model, person, at)
  if (!why) throw new UsageError(`The Segment \`${name}\` does not compile; \`convoke check\` says why.`)
  const evaluatedAt = person.evaluatedAt.get(name)
  const membership = person.memberships.find((each) => each.segment === name)
  const turns = turnsAt(segment, model, person, at)
  return {
    segment: name,
    profile: person.id,
    at: rfc3339(at),
    isMember: why.holds && person.leftOut === null,
    lastEvaluation:
      evaluatedAt === undefined
        ? null
        : {
            at: evaluatedAt,
            isMember: membership?.isMember ?? false,
            since: membership ? rfc3339(new Date(membership.since)) : null,
          },
    leftOut: person.leftOut,
    turnsAt: turns && rfc3339(turns),
    consent: whyConsent(segment, person),
    why,
  }
}

export function answerText(answer: Answer, io: Pick<Io, 'colour' | 'now'>): string {
  const paint = painterOf(io)
  const { segment, profile, at, isMember, lastEvaluation, leftOut } = answer
  const lines = [
    `${isMember ? paint.green('✓') : paint.red('✗')} ${paint.bold(profile ?? 'Somebody')} is ${isMember ? '' : 'not '}in ${paint.bold(segment)} at ${at}.`,
  ]
  if (leftOut !== null)
    lines.push(`  Segmentation leaves this profile out: it is over the limit ${leftOut}, so no Segment has it.`)
  if (lastEvaluation === null) lines.push('  The Segment was not evaluated yet.')
  else {
    const { since } = lastEvaluation
    const then = `By the last evaluation, ${lastEvaluation.at} (${relativeTo(io.now(), new Date(lastEvaluation.at))}), it is`
    const was = lastEvaluation.isMember
      ? `in, since ${since}`
      : since === null
        ? 'not in and never was'
        : `out, since ${since}`
    const next =
      lastEvaluation.isMember === isMember ? '' : ` An evaluation at ${at} makes it ${isMember ? 'enter' : 'leave'}.`
    lines.push(`  ${then} ${was}.${next}`)
  }
  // An answer of an older version lacks this field.
  if (leftOut === null && answer.turnsAt)
    lines.push(`  Time alone makes it ${isMember ? 'leave' : 'enter'} at ${answer.turnsAt}.`)
  for (const { channel, maySend, path, value } of answer.consent ?? [])
    lines.push(
      `  ${maySend ? 'May' : paint.yellow('May not')} be sent${channel === null ? '' : ` by ${visible(channel)}`}: ${path} is ${valueText(value)}.`,
    )
  return `${[...lines, '', ...treeOf(answer.why, '', '', paint)].join('\n')}\n`
}

/** `first` stands before the first line, `rest` before those below it. */
function treeOf(
  part: Explanation,
  first: string,
  rest: string,
  paint: ReturnType<typeof painterOf>,
): readonly string[] {
  const mark = part.holds ? paint.green('✓') : paint.red('✗')
  const parts = part.kind === 'condition' ? [] : part.parts
  const found = part.kind === 'condition' ? part.found.flatMap(foundLines) : []
  const bar = paint.dim(parts.length > 0 ? '│ ' : '  ')
  return [
    `${first}${mark} ${wordsOf(part)}`,
    ...found.map((line) => `${rest}${bar}  ${paint.dim(line)}`),
    ...parts.flatMap((inner, index) => {
      const isLast = index === parts.length - 1
      return treeOf(
        inner,
        `${rest}${paint.dim(isLast ? '└─' : '├─')} `,
        `${rest}${paint.dim(isLast ? '  ' : '│ ')} `,
        paint,
      )
    }),
  ]
}

function wordsOf(part: Explanation): string {
  switch (part.kind) {
    case 'and':
      return 'all of'
    case 'or':
      return 'any of'
    case 'not':
      return 'not'
    case 'segment':
    case 'condition':
      return part.text.replaceAll(/\s+/g, ' ')
  }
}

function foundLines(found: Found): readonly string[] {
  switch (found.kind) {
    case 'attribute':
      return [`${found.path} is ${valueText(found.value)}`]
    case 'value':
      return [`${found.text.replaceAll(/\s+/g, ' ')} is ${valueText(found.value)}`]
    case 'events': {
      if (found.of === 0) return ['there are no events']
      const head = `${found.matching.toLocaleString('en')} of ${found.of.toLocaleString('en')} ${found.of === 1 ? 'event' : 'events'}`
      const nearest =
        found.matching === 0 && found.shown.length > 0
          ? '; the nearest:'
          : found.matching > found.shown.length
            ? ', the latest:'
            : ':'
      return [
        `${head}${nearest}`,
        ...found.shown.flatMap(({ unmet = [], ...event }) => [
          `  ${eventText(event)}`,
          ...unmet.map(
            ({ text, by }) => `    ✗ ${text.replaceAll(/\s+/g, ' ')}${by ? ` — but there is ${eventText(by)}` : ''}`,
          ),
        ]),
      ]
    }
  }
}

function eventText({
  timestamp,
  fields,
}: {
  readonly timestamp: string
  readonly fields: { readonly [path: string]: Plain }
}): string {
  return [timestamp, ...Object.entries(fields).map(([path, value]) => `${path} ${valueText(value)}`)].join('  ')
}

function valueText(value: unknown): string {
  if (value === null) return 'absent'
  const text = JSON.stringify(value)
  return text.length > 80 ? `${text.slice(0, 79)}…` : text
}
