// The one place where text becomes HTML or SVG: every value in a template is escaped, unless a template made it.
import { visible } from '#compiler'
import { count, cut } from './words.ts'

/** Markup that a template made. */
export type Html = { readonly markup: string }

type Part = Html | string | number | false | null | undefined | readonly Part[]

/**
 * A template with escaped values, for text and for attributes in double quotes. null, undefined and false give nothing; lists follow each
 * other.
 */
export function html(strings: TemplateStringsArray, ...values: readonly Part[]): Html {
  let markup = strings[0] ?? ''
  for (const [index, value] of values.entries()) markup += markupOf(value) + (strings[index + 1] ?? '')
  return { markup }
}

function markupOf(part: Part): string {
  if (part === null || part === undefined || part === false) return ''
  if (typeof part === 'string') return escaped(part)
  if (typeof part === 'number') return String(part)
  return 'markup' in part ? part.markup : part.map(markupOf).join('')
}

/** Markup of our own as it stands: styles and scripts. Never for data. */
export function trusted(markup: string): Html {
  return { markup }
}

/** The text with control characters made visible; lines stay lines. */
export function escaped(text: string): string {
  const plain = text.split('\n').map(visible).join('\n')
  return plain.replace(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}

/** A name from data: isolated, so that its direction of writing stays its own, and cut at 80 characters with the whole in its title. */
export function named(text: string, most = 80): Html {
  const short = cut(text, most)
  return short === text ? html`<bdi>${text}</bdi>` : html`<bdi title="${text}">${short}</bdi>`
}

/** A message written for a terminal, with words in backticks as code. */
export function said(message: string): Html {
  return html`${message.split('`').map((part, index) => (index % 2 === 1 ? html`<code>${part}</code>` : part))}`
}

/** `a, b and c` of markup; beyond `most` the last part says how many are left out. */
export function listedParts(parts: readonly Html[], most = Number.POSITIVE_INFINITY): Html {
  const shown = parts.length > most ? [...parts.slice(0, most - 1), html`${parts.length - most + 1} more`] : parts
  return html`${shown.map((part, index) => html`${index > 0 && (index === shown.length - 1 ? ' and ' : ', ')}${part}`)}`
}

/** `12.4 M` with the whole number in its title; a number of up to seven digits as it is. */
export function amount(value: number): Html {
  if (Math.abs(value) < 10_000_000) return html`${count(value)}`
  const [size, unit] = Math.abs(value) >= 1e9 ? [1e9, 'bn'] : [1e6, 'M']
  return html`<span title="${count(value)}">${(value / size).toFixed(1)} ${unit}</span>`
}

/** A moment for machines, around the words for it. */
export function time(instant: string, words: string): Html {
  return html`<time datetime="${instant}">${words}</time>`
}
