// Sections of a run's report about what stands around its Segments: deliveries, limits, steps, next slots, data and lineage.
import { type Step, steps as stepTable } from '#crds'
import { gauge } from './charts.ts'
import { amount, type Html, html, named, said, time } from './html.ts'
import { type Lineage, type LineageNode, lineagePicture, sizeWords } from './lineage.ts'
import { section } from './page.ts'
import type { NextSlot, Outcome, RunDocument, SegmentRow } from './run-document.ts'
import { stepWords } from './step-words.ts'
import { count, counted, duration, listed, percent, shortTime } from './words.ts'

/** How many Activations a table lists one by one. */
const mostWays = 20

type Sent = {
  readonly activation: string
  readonly at: string
  readonly files: number
  readonly rows: number
  readonly updated: number | null
  readonly unchanged: number | null
  readonly waiting: number | null
  readonly rejected: number | null
  readonly exits: number
  readonly added: number | null
  readonly removed: number | null
  readonly hasList: boolean
}

export function sentSection({ runs, segments, at }: RunDocument): Html | null {
  const sent = runs
    .filter(({ target }) => target.kind === 'Activation')
    .map(({ target, scheduledTime }): Sent => {
      const own = segments.filter(
        (row) => row.activation === target.name && row.namespace === target.namespace && row.isInRun,
      )
      const sum = (of: (row: SegmentRow) => number | null): number =>
        own.reduce((total, row) => total + (of(row) ?? 0), 0)
      const orNull = (of: (row: SegmentRow) => number | null): number | null =>
        own.every((row) => of(row) === null) ? null : sum(of)
      return {
        activation: target.name,
        at: scheduledTime,
        files: sum(({ files }) => files.length),
        rows: sum(({ rows }) => rows),
        updated: orNull(({ updated }) => updated),
        unchanged: orNull(({ unchanged }) => unchanged),
        waiting: orNull(({ rowsWaiting }) => rowsWaiting),
        rejected: orNull(({ rejected }) => rejected),
        exits: sum(({ exits }) => exits),
        added: orNull(({ added }) => added),
        removed: orNull(({ removed }) => removed),
        hasList: own.some(({ syncType }) => syncType === 'Audience'),
      }
    })
  if (sent.length === 0) return null
  const shown = sent.length <= mostWays ? sent : [...sent].sort((a, b) => b.rows - a.rows).slice(0, mostWays - 1)
  const others = sent.filter((each) => !shown.includes(each))
  const sumOf = (some: readonly Sent[], of: (each: Sent) => number | null): number =>
    some.reduce((sum, each) => sum + (of(each) ?? 0), 0)
  const rows = sumOf(sent, ({ rows: own }) => own)
  const isKnown = sent.some(({ updated }) => updated !== null)
  const number = (value: number | null, tone = ''): Html =>
    value === null
      ? html`<td class="num dim">—</td>`
      : html`<td class="num${value === 0 ? ' dim' : tone === '' ? '' : ` ${tone}`}">${count(value)}</td>`
  const sums = (some: readonly Sent[]): Html =>
    html`${number(sumOf(some, ({ files }) => files))}${number(sumOf(some, (each) => each.rows))}${isKnown && [({ updated }: Sent) => updated, ({ unchanged }: Sent) => unchanged, ({ waiting }: Sent) => waiting, ({ rejected }: Sent) => rejected, ({ exits }: Sent) => exits, ({ added }: Sent) => added, ({ removed }: Sent) => removed].map((of) => number(sumOf(some, of)))}`
  const list = (each: Sent, value: number | null, tone: string): Html =>
    each.hasList ? number(value, tone) : html`<td class="num dim">no list</td>`
  const words = (each: Sent): Html =>
    html`<li><b class="strong">${named(each.activation)}</b>, ${shortTime(each.at, at)}: ${counted(each.files, 'file')}, ${counted(each.rows, 'row')}${each.updated !== null && html` = ${count(each.updated)} updated + ${count(each.unchanged ?? 0)} unchanged + ${count(each.waiting ?? 0)} waiting + <span class="${(each.rejected ?? 0) > 0 && 'bad'}">${count(each.rejected ?? 0)} rejected</span> + ${count(each.exits)} exits`}${each.hasList && each.added !== null && html`; <span class="came">${count(each.added)} joined</span> and <span class="went">${count(each.removed ?? 0)} left</span> a list`}</li>`
  return section(
    'sent',
    'What was sent',
    html`${counted(rows, 'row')}. ${isKnown ? 'Each changed a recipient, found nothing to change, waits for its recipient, was rejected, or took somebody off a list.' : 'Campaign reads the files itself.'}`,
    html`<ul class="plain only-narrow">${shown.map(words)}</ul><div class="scroll hide-narrow" role="region" aria-label="Rows by Activation" tabindex="0"><table><caption class="unseen">Rows by Activation</caption><thead><tr><th scope="col">Activation</th><th scope="col" class="num">Files</th><th scope="col" class="num">Rows</th>${isKnown && html`<th scope="col" class="num">= updated</th><th scope="col" class="num">+ unchanged</th><th scope="col" class="num">+ waiting</th><th scope="col" class="num">+ rejected</th><th scope="col" class="num">+ exits</th><th scope="col" class="num">Joined lists</th><th scope="col" class="num">Left lists</th>`}</tr></thead><tbody>${shown.map((each) => html`<tr><th scope="row"><span class="strong">${named(each.activation)}</span> <span class="dim">${shortTime(each.at, at)}</span></th>${number(each.files)}${number(each.rows, 'strong')}${isKnown && html`${number(each.updated)}${number(each.unchanged)}${number(each.waiting)}${number(each.rejected, 'bad')}${number(each.exits)}${list(each, each.added, 'came')}${list(each, each.removed, 'went')}`}</tr>`)}${others.length > 0 && html`<tr><th scope="row" class="soft">${counted(others.length, 'other')}</th>${sums(others)}</tr>`}</tbody><tfoot><tr><th scope="row">Run</th>${sums(sent)}</tr></tfoot></table></div>${neverListed(sent)}`,
  )
}

/** People who leave without having been on the list were rejected when they came. */
function neverListed(sent: readonly Sent[]): Html | null {
  const lists = sent.filter(({ hasList, removed }) => hasList && removed !== null)
  const [exits, removed] = [
    lists.reduce((sum, each) => sum + each.exits, 0),
    lists.reduce((sum, each) => sum + each.removed!, 0),
  ]
  if (exits <= removed) return null
  return html`<p class="empty">${count(exits)} exits, ${count(removed)} left a list: ${exits - removed === 1 ? 'one was' : `${count(exits - removed)} were`} never on it: Campaign had not taken ${exits - removed === 1 ? 'it' : 'them'}.</p>`
}

export function limitsSection({ guardrails, stores }: RunDocument): Html {
  const shown = guardrails.slice(0, 9)
  if (shown.length === 0) return section('limits', 'Limits', 'Nothing that has a limit is in use.')
  return section(
    'limits',
    'Limits',
    'Closest first.',
    html`<ul class="gauges">${shown.map(({ what, name, kind, used, limit }) => {
      const state = used > limit ? 'bad' : used >= limit * 0.8 ? 'held' : 'main'
      const one = stores.find((store) => store.name === name)?.people[0] ?? 'person'
      const label =
        what === 'events of one person'
          ? html`Events of one ${one}`
          : html`${what[0]!.toUpperCase()}${what.slice(1)} of ${kind === 'CampaignInstance' ? 'Campaign ' : ''}${named(name)}`
      return html`<li><span>${label}</span><span class="num${state !== 'main' && ` ${state} strong`}">${count(used)} of ${count(limit)}${state !== 'main' && ` · ${percent(used, limit)}`}</span>${gauge(used, limit, state)}</li>`
    })}</ul>`,
  )
}

export function stepsSection({ runs }: RunDocument): Html {
  const steps = runs.flatMap((run) => run.steps.map((step) => ({ run, step })))
  if (steps.length === 0) return section('steps', 'Steps', 'Nothing was run.')
  const began = Math.min(...steps.map(({ step }) => Date.parse(step.startedAt)))
  const ended = Math.max(...steps.map(({ step }) => Date.parse(step.finishedAt)))
  const whole = Math.max(1, ended - began)
  const attempts = Math.max(...steps.map(({ step }) => step.attempt))
  const shown = steps.slice(0, 24)
  return section(
    'steps',
    'Steps',
    html`${duration(whole / 1000)} from the first read to the last commit; ${attempts === 1 ? 'every step at its first attempt' : `up to ${counted(attempts, 'attempt')}`}.`,
    html`<ol class="steps">${shown.map(({ run, step }) => {
      const start = Date.parse(step.startedAt) - began
      const length = Date.parse(step.finishedAt) - Date.parse(step.startedAt)
      const isBad = step.error !== undefined
      return html`<li><span>${named(run.target.name)}, ${stepTable[step.step].verb} <span class="${isBad ? 'bad' : 'dim'}">· ${isBad ? said(step.error!.message) : stepWords(step)}</span></span><span class="num dim">${duration(length / 1000)}</span>${gauge(Math.max(length, whole / 250), whole, isBad ? 'bad' : step.outcome === 'Held' ? 'held' : 'main', start)}</li>`
    })}${unstarted(runs).map((words) => html`<li><span>${words}</span><span class="num dim">not started</span><svg class="chart" height="6" aria-hidden="true"><rect class="gone" y="0.5" width="100%" height="5" rx="2.5"/></svg></li>`)}</ol>${steps.length > shown.length && html`<p class="empty">And ${counted(steps.length - shown.length, 'more step')}.</p>`}`,
  )
}

/** Steps that a failed step kept from starting. */
function unstarted(runs: readonly Outcome[]): readonly Html[] {
  const after: { readonly [S in Step]?: Step } = { ingest: 'evaluate', export: 'import' }
  return runs.flatMap(({ target, steps }) => {
    const last = steps.at(-1)
    const next = last?.error === undefined ? undefined : after[last.step]
    return next === undefined ? [] : [html`${named(target.name)}, ${stepTable[next].verb}`]
  })
}

/** The schedule's name: `retention`, `the evaluation of grocery`. */
export function nextWords({ kind, name, evaluation }: NextSlot): string {
  if (kind === 'Activation') return name
  return kind === 'ProfileStore'
    ? `the ${evaluation === 'Streaming' ? 'streaming ' : ''}evaluation of ${name}`
    : `the logs of ${name}`
}

export function nextSection({ next, at }: RunDocument): Html {
  if (next.length === 0) return section('next', 'What comes next', 'Nothing is scheduled.')
  return section(
    'next',
    'What comes next',
    'Soonest first.',
    html`<ul class="plain">${next.slice(0, 9).map((slot) => html`<li><b class="strong nw">${time(slot.at, shortTime(slot.at, at))}</b> ${named(nextWords(slot))}${slot.often > 1 && html` <span class="dim">· ${count(slot.often)} times in 24 hours</span>`}</li>`)}</ul>${next.length > 9 && html`<p class="empty">And ${count(next.length - 9)} more.</p>`}`,
  )
}

export function dataSection({ stores, at }: RunDocument): Html {
  const datasets = stores.flatMap((store) => store.datasets.map((dataset) => ({ store, ...dataset })))
  if (datasets.length === 0) return section('data', 'Data', 'No record has been read yet.')
  const shown = datasets.slice(0, 12)
  const people = stores.map(
    (store) => `${store.name} knows ${counted(store.profiles, ...store.people)} and ${counted(store.events, 'event')}`,
  )
  return section(
    'data',
    'Data',
    html`${listed(people, 4)}.`,
    html`<table><caption class="unseen">Datasets</caption><thead><tr><th scope="col">Dataset</th><th scope="col" class="num">Records</th><th scope="col" class="num">Bad rows</th><th scope="col" class="num">Newest event</th></tr></thead><tbody>${shown.map(({ name, records, badRows: bad, newestEvent }) => html`<tr><th scope="row" class="strong">${named(name)}</th><td class="num">${amount(records)}</td><td class="num ${bad > 0 ? 'bad' : 'dim'}">${count(bad)}</td><td class="num soft">${newestEvent === null ? '—' : newestEvent > at ? html`<span title="${newestEvent}">after this run</span>` : time(newestEvent, shortTime(newestEvent, at))}</td></tr>`)}</tbody></table>${datasets.length > shown.length && html`<p class="empty">And ${count(datasets.length - shown.length)} more.</p>`}`,
  )
}

export function lineageSection(document: RunDocument): Html | null {
  const lineage = lineageOf(document)
  if (lineage.columns.every(({ nodes }) => nodes.length === 0)) return null
  return section(
    'lineage',
    'What feeds what',
    'From files to Campaign. Dashed: evaluated, but not delivered.',
    lineagePicture(lineage),
  )
}

function lineageOf({ stores, segments, findings }: RunDocument): Lineage {
  const edges: (readonly [string, string])[] = []
  const broken = new Set(
    findings.filter(({ severity }) => severity === 'error').map(({ kind, name }) => `${kind}/${name}`),
  )
  const state = (kind: string, name: string): LineageNode['state'] => (broken.has(`${kind}/${name}`) ? 'bad' : 'fine')
  const datasets = stores.flatMap((store) =>
    store.datasets.map(({ name, records, newestEvent }): LineageNode => {
      edges.push([`d/${name}`, `p/${store.name}`])
      return {
        id: `d/${name}`,
        name,
        detail: sizeWords(records, newestEvent === null ? 'record' : 'event'),
        state: records === 0 ? 'bad' : state('Dataset', name),
      }
    }),
  )
  const groups = [...Map.groupBy(segments, ({ activation, store }) => `${store}/${activation ?? ''}`)].map(
    ([key, rows]): LineageNode => {
      const [first] = rows
      const members = rows.reduce((sum, { members: own }) => sum + (own ?? 0), 0)
      edges.push([`p/${first!.store}`, `g/${key}`])
      if (first!.activation !== null) edges.push([`g/${key}`, `a/${first!.activation}`])
      return {
        id: `g/${key}`,
        name: counted(rows.length, 'Segment'),
        detail: first!.activation === null ? `${count(members)}, not delivered` : sizeWords(members, 'member'),
        state: rows.some(({ error }) => error !== null) ? 'bad' : first!.activation === null ? 'off' : 'fine',
      }
    },
  )
  const activations = [
    ...Map.groupBy(
      segments.filter(({ activation }) => activation !== null),
      ({ activation }) => activation!,
    ),
  ].map(([name, rows]): LineageNode => {
    const { destination } = rows[0]!
    const held = rows.filter((row) => row.held !== null).length
    const failed = rows.filter(({ error }) => error !== null).length
    if (destination !== null) edges.push([`a/${name}`, `t/${destination}`])
    return {
      id: `a/${name}`,
      name,
      detail:
        failed > 0
          ? `${failed} of ${rows.length} failed`
          : held > 0
            ? `${held} of ${rows.length} held`
            : `${count(rows.reduce((sum, { rows: own }) => sum + (own ?? 0), 0))} rows sent`,
      state: failed > 0 ? 'bad' : held > 0 ? 'held' : state('Activation', name),
    }
  })
  const destinations = [
    ...Map.groupBy(
      segments.filter(({ destination }) => destination !== null),
      ({ destination }) => destination!,
    ),
  ].map(([name, rows]): LineageNode => {
    const { instance } = rows[0]!
    if (instance !== null) edges.push([`t/${name}`, `c/${instance}`])
    return {
      id: `t/${name}`,
      name,
      detail: counted(
        rows.reduce((sum, { files }) => sum + files.length, 0),
        'file',
      ),
      state: state('Destination', name),
    }
  })
  const instances = [...new Set(segments.flatMap(({ instance }) => instance ?? []))].map((name): LineageNode => {
    const standing = segments.filter((row) => row.instance === name && row.standing && row.standing.held === 0)
    const there = standing.every(({ standing: own }) => own!.inCampaign !== null)
    const total = standing.reduce((sum, { standing: own }) => sum + (own!.inCampaign ?? own!.delivered), 0)
    return {
      id: `c/${name}`,
      name,
      detail: `${count(total)} ${there ? 'in Campaign' : 'written for it'}`,
      state: state('CampaignInstance', name),
    }
  })
  const evaluated = segments.filter(({ activation }) => activation !== null).length
  return {
    columns: [
      { heading: 'Datasets', nodes: datasets },
      {
        heading: 'Stores',
        nodes: stores.map(({ name, profiles, people }) => ({
          id: `p/${name}`,
          name,
          detail: sizeWords(profiles, ...people),
          state: state('ProfileStore', name),
        })),
      },
      { heading: 'Segments', nodes: groups },
      { heading: 'Activations', nodes: activations },
      { heading: 'Destinations', nodes: destinations },
      { heading: 'Campaign', nodes: instances },
    ],
    edges,
    words: `${counted(datasets.length, 'Dataset')} feed ${counted(stores.length, 'store')}; ${count(evaluated)} of ${counted(segments.length, 'Segment')} go through ${counted(activations.length, 'Activation')} and ${counted(destinations.length, 'Destination')} to Campaign.`,
  }
}
