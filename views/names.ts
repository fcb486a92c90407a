// How resources of a run are named and linked on a page.
import { type Html, html, named } from './html.ts'
import type { RunDocument, SegmentRow } from './run-document.ts'
import { counted } from './words.ts'

export type Names = {
  /** The display name with a link to the Segment's row. */
  readonly link: (row: Pick<SegmentRow, 'namespace' | 'segment' | 'displayName' | 'activation'>) => Html
  /** `12 households`: the people, in the word that the Segment's store has for them. */
  readonly people: (row: Pick<SegmentRow, 'store' | 'namespace'>, value: number) => string
  /** Whether there are several namespaces, so that names need theirs. */
  readonly isSpread: boolean
}

export function namesOf({ stores, segments }: Pick<RunDocument, 'stores' | 'segments'>): Names {
  const shown = new Set(segments.map(anchorOf))
  return {
    link: (row) =>
      shown.has(anchorOf(row))
        ? html`<a href="#${anchorOf(row)}">${named(row.displayName)}</a>`
        : named(row.displayName),
    people: (row, value) => {
      const store = stores.find(({ name, namespace }) => name === row.store && namespace === row.namespace)
      return counted(value, ...(store?.people ?? (['person', 'people'] as const)))
    },
    isSpread: new Set(segments.map(({ namespace }) => namespace)).size > 1,
  }
}

/** The id of a Segment's row. */
export function anchorOf({
  namespace,
  segment,
  activation,
}: Pick<SegmentRow, 'namespace' | 'segment' | 'activation'>): string {
  return ['s', namespace, segment, ...(activation === null ? [] : [activation])].join('-')
}
