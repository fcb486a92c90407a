// What all pages of a catalog share: where each lies, how others link to it, its bar and its end.
import type { Kind } from '#crds'
import { type Html, html, named, time } from '../html.ts'
import { pageText } from '../page.ts'
import { fullTime } from '../words.ts'
import type { Catalog, CatalogResource } from './catalog.ts'

/** A file of the site; `path` uses `/` on every system. */
export type SiteFile = { readonly path: string; readonly text: string }

/** Pages that are in the bar. */
export const chapters = [
  ['index.html', 'Overview'],
  ['lineage.html', 'What feeds what'],
  ['owners.html', 'Owners and tags'],
  ['tests.html', 'Tests'],
  ['limits.html', 'Limits'],
] as const

export type Frame = {
  readonly catalog: Catalog
  /** The name of the project. */
  readonly where: string
  /** The page's own path. */
  readonly path: string
}

export type Content = {
  readonly title: string
  readonly meta: Html
  readonly headline: Html
  readonly lead: Html | null
  readonly body: readonly (Html | null)[]
  readonly script?: { readonly text: string; readonly loads: readonly string[] }
}

/** The path of a resource's page. Names of Kubernetes are safe in paths; other text is spelled out. */
export function pathOf({ kind, namespace, name }: Pick<CatalogResource, 'kind' | 'namespace' | 'name'>): string {
  return `${kind.toLowerCase()}/${safe(namespace)}/${safe(name)}.html`
}

function safe(name: string): string {
  const plain = name.replaceAll(/[^a-z0-9.-]/g, (character) => `_${character.codePointAt(0)!.toString(16)}_`)
  return /^\.*$/.test(plain) ? `_${plain.length}_` : plain
}

/** The relative link from one page of the site to another. */
export function relativeTo(path: string, target: string): string {
  return '../'.repeat(path.split('/').length - 1) + target
}

export function sitePage({ catalog, where, path }: Frame, content: Content): SiteFile {
  const { at, stores } = catalog.run
  const nav = chapters.map(([href, text]) => ({ href: relativeTo(path, href), text, isHere: href === path }))
  const isKnown = stores.some(({ evaluatedAt }) => evaluatedAt !== null)
  return {
    path,
    text: pageText({
      ...content,
      where,
      nav,
      home: relativeTo(path, 'index.html'),
      styleFile: relativeTo(path, 'style.css'),
      footer: [
        html`As of ${time(at, fullTime(at))}. ${isKnown ? 'Sizes are those of the newest evaluation.' : 'No sizes: no data of a store was given.'} Times are UTC. No personal data is in this page.`,
      ],
    }),
  }
}

/** A resource's display name with a link to its page; the name alone where there is no such resource. */
export function linkTo({ catalog, path }: Frame, kind: Kind, namespace: string, name: string): Html {
  const resource = catalog.of(kind, namespace, name)
  if (!resource) return named(name)
  return html`<a href="${relativeTo(path, pathOf(resource))}">${named(resource.displayName, 60)}</a>`
}

/** Rows of a page's facts: whose the resource is, and its tags. */
export function ownerFacts({
  owner,
  labels,
}: Pick<CatalogResource, 'owner' | 'labels'>): readonly (readonly [term: string, value: Html])[] {
  const tags = Object.entries(labels).map(
    ([key, value], index) => html`${index > 0 && ' '}<span class="tag">${named(`${key}: ${value}`, 40)}</span>`,
  )
  return [
    ['Owner', owner === null ? html`<span class="dim">not named</span>` : named(owner, 60)],
    ...(tags.length > 0 ? [['Tags', html`${tags}`] as const] : []),
  ]
}
