// The page of a plan: what has to be decided before a change is merged, what it does to audiences, what it changes, what comes next.
import { diffWordsWithSpace } from 'diff'
import { largeAudiencePercent } from '#crds'
import { attentionList, type Entry } from './attention.ts'
import { againstLimit, type BarPart, gaugeChange, stacked, swatch } from './charts.ts'
import { type Html, html, listedParts, named, said, time } from './html.ts'
import { pageText, section } from './page.ts'
import type { PlanDocument, PlannedAudience, PlannedDelivery } from './plan-document.ts'
import { count, counted, fullTime, percent, shortTime } from './words.ts'

/** How many changes, audiences and slots a page shows one by one. */
const most = { changes: 60, audiences: 24, slots: 9, entries: 12 } as const

export function planReport(plan: PlanDocument, { where }: { readonly where: string }): string {
  const { headline, title } = headlineOf(plan)
  return pageText({
    title: `Plan: ${title}`,
    where,
    meta: html`Plan · <b>against ${named(plan.against)}</b> · ${plan.isCounted ? 'predicted from the data of' : 'without data, as of'} ${time(plan.at, fullTime(plan.at))}`,
    headline: html`${headline}`,
    lead: leadOf(plan),
    body: [
      section('decide', 'Decide before you merge', null, attentionList(attentionOf(plan))),
      audienceSection(plan),
      deliverySection(plan),
      changeSection(plan),
      html`<div class="two">${nextSection(plan)}${limitSection(plan)}</div>`,
    ],
    footer: [
      html`Times are UTC. ${plan.isCounted ? 'What is predicted comes from the data at hand, and will differ by what comes in until then. ' : ''}No personal data is in this page: it counts people and names none.`,
    ],
  })
}

type Held = {
  readonly audience: PlannedAudience
  readonly delivery: PlannedDelivery & { readonly held: NonNullable<PlannedDelivery['held']> }
}

function heldOf({ audiences }: PlanDocument): readonly Held[] {
  return audiences.flatMap((audience) =>
    audience.deliveries.flatMap((delivery) =>
      delivery.held ? [{ audience, delivery: { ...delivery, held: delivery.held } }] : [],
    ),
  )
}

function headlineOf(plan: PlanDocument): { readonly headline: string; readonly title: string } {
  const { summary, changes, audiences, isCounted, segments } = plan
  const say = (headline: string): { headline: string; title: string } => ({
    headline,
    title: headline.replace(/\.$/, ''),
  })
  if (summary.errors > 0) return say(`${counted(summary.errors, 'error')}: nothing of this can be applied yet.`)
  if (changes.length === 0) return say('Nothing changes.')
  const held = heldOf(plan)
  const [first] = held
  if (first && held.length === 1) {
    const { audience, delivery } = first
    const { direction, people } = delivery.held
    return say(
      direction === 'empty'
        ? `Nobody would be in ${audience.displayName} any more, and its next delivery would be held.`
        : `${counted(people, ...audience.people)} would ${direction === 'exited' ? 'leave' : 'join'}, and the next delivery of ${audience.displayName} would be held.`,
    )
  }
  if (held.length > 1) return say(`The next deliveries of ${counted(held.length, 'Segment')} would be held.`)
  const [came, went] = [
    audiences.reduce((sum, { entered }) => sum + entered, 0),
    audiences.reduce((sum, { exited }) => sum + exited, 0),
  ]
  const touched = audiences.filter(({ entered, exited }) => entered + exited > 0)
  if (touched.length > 0)
    return say(
      `${counted(touched.length, 'Segment')} would change: ${count(came)} would come, ${count(went)} would go.`,
    )
  if (segments.length > 0 && !isCounted)
    return say(`${counted(segments.length, 'Segment')} ${segments.length === 1 ? 'is' : 'are'} defined anew.`)
  return say(
    `${counted(changes.length, 'resource')} ${changes.length === 1 ? 'changes' : 'change'}, and no audience does.`,
  )
}

function leadOf({ summary, changes, breaking, isCounted }: PlanDocument): Html {
  const parts = [
    `${count(summary.added)} to add`,
    `${count(summary.changed)} to change`,
    `${count(summary.removed)} to remove`,
  ]
  const still = summary.resources - summary.added - summary.changed
  return html`${changes.length === 0 ? 'The resources mean what they meant.' : `${parts.join(', ')}; of ${counted(summary.resources, 'resource')} ${count(still)} stay as they are.`}${breaking.length > 0 && html` <b>${counted(breaking.length, 'thing')}</b> to take care of.`}${!isCounted && changes.length > 0 && html` Who would come and go is not known without data: give <code>--volumes DIR</code>.`}`
}

function attentionOf(plan: PlanDocument): readonly Entry[] {
  const { findings, breaking, guardrails, gaps, audiences, warnings } = plan
  const errors = findings.filter(({ severity }) => severity === 'error')
  const shown = errors.slice(0, most.entries)
  const over = guardrails.filter(({ after, limit }) => after > limit)
  const close = guardrails.filter(
    ({ before, after, limit }) => after <= limit && after >= limit * 0.8 && after !== before,
  )
  return [
    ...shown.map(
      ({ code, message, kind, name, path }): Entry => ({
        level: 'bad',
        title: html`${named(name === null ? path : `${kind} ${name}`)}: ${said(message)}`,
        why: null,
        act: html`<code>convoke explain ${code}</code>`,
      }),
    ),
    ...(errors.length > shown.length
      ? [
          {
            level: 'bad' as const,
            title: html`${count(errors.length - shown.length)} more errors`,
            why: null,
            act: null,
          },
        ]
      : []),
    ...over.map(
      ({ name, after, limit, what }): Entry => ({
        level: 'bad',
        title: html`${named(name)} would use ${count(after)} of ${count(limit)} ${what}`,
        why: null,
        act: null,
      }),
    ),
    ...heldOf(plan)
      .slice(0, most.entries)
      .map(({ audience, delivery }) => heldEntry(audience, delivery, plan.at)),
    ...warnings.slice(0, most.entries).map(
      ({ message, code }): Entry => ({
        level: 'look',
        title: said(message),
        why: null,
        act: code === 'large-audience' ? html`<code>convoke explain ${code}</code>` : null,
      }),
    ),
    ...audiences
      .filter(({ isLarge }) => isLarge)
      .slice(0, most.entries)
      .map(
        ({ displayName, after }): Entry => ({
          level: 'look',
          title: html`${named(displayName)} would have ${count(after)} members, more than ${largeAudiencePercent} % of all profiles`,
          why: null,
          act: html`<code>convoke explain large-audience</code>`,
        }),
      ),
    ...breaking.slice(0, most.entries).map(
      ({ kind, name, message, help }): Entry => ({
        level: 'look',
        title: html`${kind} ${named(name)} ${said(message)}`,
        why: said(help),
        act: null,
      }),
    ),
    ...audiences
      .filter(({ after, before, deliveries }) => after === 0 && before !== 0 && deliveries.length > 0)
      .slice(0, most.entries)
      .map(
        ({ displayName }): Entry => ({
          level: 'look',
          title: html`Nobody would be in ${named(displayName)}`,
          why: null,
          act: null,
        }),
      ),
    ...close.map(
      ({ name, after, limit, what }): Entry => ({
        level: 'know',
        title: html`${named(name)} would use ${count(after)} of ${count(limit)} ${what}`,
        why: html`${percent(after, limit)} of the limit.`,
        act: null,
      }),
    ),
    ...gaps.map((gap): Entry => ({ level: 'know', title: said(gap), why: null, act: null })),
  ]
}

function heldEntry(
  { displayName, segment, people }: PlannedAudience,
  { activation, at, list, held }: Held['delivery'],
  today: string,
): Entry {
  const { direction, percent: share, limit, people: moved } = held
  const what =
    direction === 'empty'
      ? html`${named(displayName)} would lose all of its list`
      : html`${named(displayName)} would ${direction === 'exited' ? 'lose' : 'gain'} ${share.toFixed(1)}% of its list; ${named(activation)} lets ${String(limit)}% ${direction === 'exited' ? 'leave' : 'join'} at once`
  return {
    level: 'decide',
    title: what,
    why: html`About ${counted(moved, ...people)} of ${list === null ? 'its members' : `a list of ${count(list)}`}. ${at === null ? 'Its next delivery' : html`The delivery of ${time(at, shortTime(at, today))}`} would be held, and Campaign keep the old list until somebody decides. The other Segments are delivered.`,
    act: html`Merge, and approve it once:<br><code>convoke approve ${activation} ${segment}</code>`,
    picture:
      limit === null
        ? null
        : againstLimit([{ label: displayName, words: `${share.toFixed(1)}%`, share, state: 'held' }], {
            share: limit,
            words: `${activation} lets ${limit}% ${direction === 'exited' ? 'leave' : 'join'}`,
          }),
  }
}

function audienceSection({ audiences, isCounted, summary }: PlanDocument): Html | null {
  if (!isCounted) return null
  if (audiences.length === 0)
    return section('audiences', 'Audiences', 'No Segment is new or redefined: everybody stays where they are.')
  const ordered = [...audiences].sort((a, b) => b.entered + b.exited - a.entered - a.exited)
  const shown = ordered.slice(0, most.audiences)
  const whole = Math.max(1, ...shown.map(({ before, after, exited }) => Math.max(before ?? 0, after + exited)))
  return section(
    'audiences',
    'Audiences',
    html`${counted(audiences.length, 'Segment')} of ${count(summary.segments)} ${audiences.length === 1 ? 'is' : 'are'} touched; the others stay as they are. Bars share one scale.`,
    html`<div class="panel pad"><div class="ledger">${shown.map((audience) => audienceRow(audience, whole))}</div></div>`,
    audiences.length > shown.length
      ? html`<p class="empty">And ${count(audiences.length - shown.length)} more.</p>`
      : null,
  )
}

function audienceRow(audience: PlannedAudience, whole: number): Html {
  const {
    displayName,
    segment,
    change,
    before,
    after,
    entered,
    exited,
    people,
    campaign,
    deliveries,
    overlaps = [],
  } = audience
  const stay = after - entered
  const parts: readonly (BarPart & { readonly words: Html })[] = [
    { value: stay, fill: 'main', words: html`stay` },
    { value: entered, fill: 'came', words: html`<span class="came">would come</span>` },
    { value: exited, fill: 'went', isGone: true, words: html`<span class="went">would go</span>` },
  ]
  const known = Object.values(campaign)
  const sum = (of: (each: (typeof known)[number]) => number): number =>
    known.reduce((total, each) => total + of(each), 0)
  const how =
    change === 'added'
      ? 'new'
      : change === 'delivered'
        ? 'the same members, delivered for the first time'
        : change === 'consent'
          ? 'the same members, by another consent'
          : change === 'data'
            ? `by other data; ${count(before ?? 0)} before`
            : before === null
              ? 'redefined; never evaluated before'
              : `redefined; ${count(before)} before`
  return html`<div class="row"><div class="head"><b>${count(after)}</b><span>${people[after === 1 ? 0 : 1]} in <span class="strong">${named(displayName)}</span>${displayName !== segment && html` <span class="id">${named(segment)}</span>`}, ${how}</span></div>${stacked(
    parts,
    whole,
    `${displayName}: ${count(stay)} stay, ${count(entered)} would come, ${count(exited)} would go`,
    24,
  )}<ul class="parts">${parts.filter(({ value }, index) => value > 0 || index === 0).map(({ value, fill, isGone, words }) => html`<li>${!isGone && swatch(fill)}<b>${count(value)}</b> ${words}</li>`)}${known.length > 0 && sum(({ unknown }) => unknown) > 0 && html`<li><b>${count(sum(({ unknown }) => unknown))}</b> of those who come are not in Campaign</li>`}${known.length > 0 && sum(({ optedOut }) => optedOut) > 0 && html`<li><b>${count(sum(({ optedOut }) => optedOut))}</b> of them have opted out</li>`}${deliveries.map(({ activation, rows, isFirst, held, latency, withoutConsent }) => html`<li>${named(activation)}: ${held ? html`<span class="held">would be held</span>` : html`about ${counted(rows, 'row')}${isFirst && ', in full'}`}${withoutConsent !== null && withoutConsent > 0 && html`, ${count(withoutConsent)} left out for consent`}${latency !== null && html`, up to ${latency} after an event`}</li>`)}${overlaps.map(({ segment: other, people: shared }) => html`<li><b>${count(shared)}</b> also in ${named(other)}</li>`)}</ul></div>`
}

/** What the next deliveries hold; null where they were not made for trial. */
function deliverySection({ expected, at }: PlanDocument): Html | null {
  if (expected === null) return null
  const shown = expected.slice(0, most.audiences)
  const isAnyHeld = shown.some(({ held }) => held !== null)
  const rows = shown.map(
    ({ activation, segment, at: next, files, realized, exited, leftOut, rejects, held }) =>
      html`<tr><th scope="row" class="nw">${named(segment)}</th><td class="nw">${named(activation)}</td><td class="nw">${next === null ? '' : time(next, shortTime(next, at))}</td><td class="num">${count(files.length)}</td><td class="num">${count(realized)}</td><td class="num">${count(exited)}</td><td class="num">${count(leftOut)}</td><td class="num">${rejects === null ? '' : count(rejects)}</td>${isAnyHeld && html`<td>${held !== null && html`<span class="held">${files.length > 0 ? 'entries held' : 'held'}</span>`}</td>`}</tr>`,
  )
  const numbers = ['Files', 'Realized', 'Exited', 'Left out', 'Rejects']
  return section(
    'deliveries',
    'What the next deliveries hold',
    'Made for trial from the data at hand, and sent to nobody.',
    html`<div class="panel pad"><div class="scroll" role="region" aria-label="Next deliveries" tabindex="0"><table><caption class="unseen">Next deliveries</caption><thead><tr>${['Segment', 'Activation', 'Next'].map((head) => html`<th scope="col">${head}</th>`)}${numbers.map((head) => html`<th scope="col" class="num">${head}</th>`)}${isAnyHeld && html`<th scope="col">Held</th>`}</tr></thead><tbody>${rows}</tbody></table></div></div>`,
    expected.length > rows.length ? html`<p class="empty">And ${count(expected.length - rows.length)} more.</p>` : null,
  )
}

function changeSection({ changes }: PlanDocument): Html {
  if (changes.length === 0) return section('changes', 'What changes', 'Nothing.')
  const shown = changes.slice(0, most.changes)
  const words = { added: 'added', removed: 'removed', changed: 'changed' } as const
  return section(
    'changes',
    'What changes',
    'Underlined: what differs within a line.',
    html`<div class="panel diff">${shown.map(({ kind, name, change, fields }) =>
      change === 'changed'
        ? fields.map(
            ({ path, before, after }) =>
              html`<div class="path"><b class="strong">${named(name)}</b> <span class="id">${kind}, ${named(path, 160)}</span></div>${diffLines(before, after)}`,
          )
        : html`<div class="path"><span class="${change === 'added' ? 'came' : 'went'} strong">${words[change]}</span> ${kind} <b class="strong">${named(name)}</b></div>`,
    )}</div>`,
    changes.length > shown.length ? html`<p class="empty">And ${count(changes.length - shown.length)} more.</p>` : null,
  )
}

/** Before and after, line by line, with the differences within a line marked. */
function diffLines(before: string | null, after: string | null): Html {
  const parts = before !== null && after !== null ? diffWordsWithSpace(before, after) : []
  const side = (text: string | null, mine: 'added' | 'removed', sign: string, word: string): Html | null => {
    if (text === null) return null
    const marked =
      parts.length === 0
        ? html`${text}`
        : html`${parts.filter((part) => part[mine] || (!part.added && !part.removed)).map((part) => (part[mine] ? html`<b>${part.value}</b>` : html`${part.value}`))}`
    return html`<div class="${mine === 'added' ? 'add' : 'del'}${mine === 'added' || after === null ? ' last' : ''}"><span class="unseen">${word}: </span>${sign} ${marked}</div>`
  }
  return html`${side(before, 'removed', '\u2212', 'was')}${side(after, 'added', '+', 'is')}`
}

function nextSection({ next, at, audiences }: PlanDocument): Html {
  if (next.length === 0) return section('next', 'What happens next', 'Nothing is scheduled.')
  const shown = next.slice(0, most.slots)
  const about = (name: string, namespace: string): Html | null => {
    const own = audiences.flatMap((audience) =>
      audience.namespace === namespace
        ? audience.deliveries
            .filter(({ activation }) => activation === name)
            .map((delivery) => ({ audience, delivery }))
        : [],
    )
    if (own.length === 0) return null
    return html`<span class="soft block">${listedParts(
      own
        .slice(0, 5)
        .map(({ audience, delivery: { held, rows, isFirst } }) =>
          held
            ? html`<span class="held">${named(audience.displayName, 60)} would be held</span>`
            : html`${named(audience.displayName, 60)}, about ${counted(rows, 'row')}${isFirst && ' in full'}`,
        ),
    )}</span>`
  }
  return section(
    'next',
    'What happens next',
    'Once it is applied; soonest first.',
    html`<ul class="plain">${shown.map((slot) => html`<li><b class="strong nw">${time(slot.at, shortTime(slot.at, at))}</b> ${named(slot.kind === 'ProfileStore' ? `evaluation of ${slot.name}` : slot.name)}${slot.often > 1 && html` <span class="dim">· ${count(slot.often)} times in 24 hours</span>`}${slot.kind === 'Activation' && about(slot.name, slot.namespace)}</li>`)}</ul>${next.length > shown.length && html`<p class="empty">And ${count(next.length - shown.length)} more.</p>`}`,
  )
}

function limitSection({ guardrails }: PlanDocument): Html {
  if (guardrails.length === 0) return section('limits', 'Limits', 'Nothing that has a limit is in use.')
  const share = ({ after, limit }: (typeof guardrails)[number]): number => after / Math.max(1, limit)
  const ordered = [...guardrails].sort((a, b) => share(b) - share(a)).slice(0, 12)
  return section(
    'limits',
    'Limits',
    'Now and after; closest first.',
    html`<ul class="gauges">${ordered.map(({ what, name, before, after, limit }) => {
      const state = after > limit ? 'bad' : after >= limit * 0.8 ? 'held' : 'main'
      return html`<li><span>${what[0]!.toUpperCase()}${what.slice(1)} of ${named(name)}</span><span class="num${state !== 'main' && ` ${state} strong`}">${before !== after && html`${before === null ? 'new' : count(before)} → `}<b class="strong">${count(after)}</b> of ${count(limit)}</span>${gaugeChange(before ?? 0, after, limit, state)}</li>`
    })}</ul>`,
  )
}
