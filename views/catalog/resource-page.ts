// The page of a resource other than a Segment: what feeds it, what it feeds, and how much of its limits is used.
import { attentionList, type Entry } from '../attention.ts'
import { gauge } from '../charts.ts'
import { amount, type Html, html, named, said, time } from '../html.ts'
import { lineagePicture } from '../lineage.ts'
import { section } from '../page.ts'
import { count, counted, percent, shortTime } from '../words.ts'
import type { CatalogResource, CatalogSegment } from './catalog.ts'
import { type Frame, linkTo, ownerFacts, pathOf, relativeTo, type SiteFile, sitePage } from './frame.ts'
import { neighbourLineage } from './lineage-of.ts'
import { sourceSection } from './segment-page.ts'
import { segmentTable } from './segment-table.ts'

/** How many Segments the page of a store or an Activation shows. */
const mostSegments = 100

export function resourcePage(frame: Omit<Frame, 'path'>, resource: CatalogResource): SiteFile {
  const own: Frame = { ...frame, path: pathOf(resource) }
  const { kind, namespace, name, displayName, description, owner, labels } = resource
  const { run, isSpread, segments } = frame.catalog
  const node = frame.catalog.node(`${kind}/${namespace}/${name}`)
  const used = run.guardrails.filter((each) => each.kind === kind && each.namespace === namespace && each.name === name)
  const mine = segments.filter((segment) => belongs(segment, resource))
  const slot = run.next.find((each) => each.kind === kind && each.namespace === namespace && each.name === name)
  const facts: (readonly [string, Html])[] = [
    ...(node ? [['What it is', html`${node.detail}`] as const] : []),
    ...(slot ? [['Next', time(slot.at, shortTime(slot.at, run.at))] as const] : []),
    ...ownerFacts({ owner, labels }),
  ]
  return sitePage(own, {
    title: displayName,
    meta: html`${kind} · <b>${named(name)}</b>${isSpread && html` in ${named(namespace)}`}`,
    headline: named(displayName, 120),
    lead: leadOf(own, resource, mine, description),
    body: [
      html`<dl class="facts">${facts.map(([term, value]) => html`<div><dt>${term}</dt><dd>${value}</dd></div>`)}</dl>`,
      findingsSection(resource),
      node
        ? section('way', 'What feeds it, and what it feeds', null, lineagePicture(neighbourLineage(own, resource)))
        : null,
      mine.length > 0
        ? section(
            'segments',
            'Segments',
            mine.length > mostSegments
              ? html`${count(mostSegments)} of ${counted(mine.length, 'Segment')}; <a href="${relativeTo(own.path, 'index.html')}">search finds the others</a>.`
              : null,
            segmentTable(own, mine.slice(0, mostSegments)),
          )
        : null,
      used.length > 0 ? section('limits', 'Limits', 'Closest first.', gauges(used)) : null,
      kind === 'ProfileStore' ? dataSection(own, namespace, name) : null,
      sourceSection(resource),
    ],
  })
}

function belongs(
  { rows, store, namespace }: CatalogSegment,
  { kind, namespace: space, name }: CatalogResource,
): boolean {
  if (namespace !== space) return false
  switch (kind) {
    case 'ProfileStore':
      return store === name
    case 'Activation':
      return rows.some(({ activation }) => activation === name)
    case 'Destination':
      return rows.some(({ destination }) => destination === name)
    case 'CampaignInstance':
      return rows.some(({ instance }) => instance === name)
    default:
      return false
  }
}

function leadOf(
  frame: Frame,
  { kind, namespace, name }: CatalogResource,
  segments: readonly CatalogSegment[],
  description: string | null,
): Html | null {
  const store = frame.catalog.run.stores.find((each) => each.namespace === namespace && each.name === name)
  const words =
    kind === 'ProfileStore' && store
      ? html`${store.profiles > 0 ? html`<b>${counted(store.profiles, ...store.people)}</b> and ${counted(store.events, 'event')}; ` : null}${counted(segments.length, 'Segment')} ${segments.length === 1 ? 'asks' : 'ask'} about them.`
      : kind === 'Activation' || kind === 'Destination' || kind === 'CampaignInstance'
        ? html`${counted(segments.length, 'Segment')} ${segments.length === 1 ? 'goes' : 'go'} through it.`
        : null
  if (description === null) return words
  return html`${description}${words && html` ${words}`}`
}

function findingsSection({ findings, allowed }: CatalogResource): Html | null {
  const entries: Entry[] = [
    ...findings.map(
      ({ code, severity, message, help }): Entry => ({
        level: severity === 'error' ? 'bad' : severity === 'warning' ? 'look' : 'know',
        title: said(message),
        why: help === null ? null : said(help),
        act: html`<code>convoke explain ${code}</code>`,
      }),
    ),
    ...allowed.map(
      ({ code, reason }): Entry => ({
        level: 'know',
        title: html`<code>${code}</code> is allowed`,
        why: html`“${named(reason, 200)}”`,
        act: null,
      }),
    ),
  ]
  return entries.length === 0 ? null : section('attention', 'What needs attention', null, attentionList(entries))
}

type Use = { readonly label: Html; readonly used: number; readonly limit: number }

/** How much of each limit is used. */
export function gauges(
  uses: readonly { readonly what: string; readonly used: number; readonly limit: number; readonly label?: Html }[],
): Html {
  const rows = uses.map(
    ({ what, used, limit, label }): Use => ({
      label: label ?? html`${what[0]!.toUpperCase()}${what.slice(1)}`,
      used,
      limit,
    }),
  )
  return html`<ul class="gauges">${rows.map(({ label, used, limit }) => {
    const state = used > limit ? 'bad' : used >= limit * 0.8 ? 'held' : 'main'
    return html`<li><span>${label}</span><span class="num${state !== 'main' && ` ${state} strong`}">${count(used)} of ${count(limit)}${state !== 'main' && ` · ${percent(used, limit)}`}</span>${gauge(used, limit, state)}</li>`
  })}</ul>`
}

function dataSection(frame: Frame, namespace: string, name: string): Html | null {
  const store = frame.catalog.run.stores.find((each) => each.namespace === namespace && each.name === name)
  if (!store || store.datasets.length === 0) return null
  return section(
    'data',
    'Data',
    'What has been read.',
    html`<table><caption class="unseen">Datasets</caption><thead><tr><th scope="col">Dataset</th><th scope="col" class="num">Files</th><th scope="col" class="num">Records</th><th scope="col" class="num">Bad rows</th></tr></thead><tbody>${store.datasets.map(({ name: own, files, records, badRows }) => html`<tr><th scope="row" class="strong">${linkTo(frame, 'Dataset', namespace, own)}</th><td class="num">${count(files)}</td><td class="num">${amount(records)}</td><td class="num ${badRows > 0 ? 'bad' : 'dim'}">${count(badRows)}</td></tr>`)}</tbody></table>`,
  )
}
