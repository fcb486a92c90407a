import { type Kind, kinds } from '#crds'
import { UsageError } from '../command.ts'

/** The kind for any name that kubectl takes for it, in any case; null: no such kind. */
export function kindNamed(text: string): Kind | null {
  const wanted = text.toLowerCase().replace(/\.convoke\.dev$/, '')
  const found = Object.entries(kinds).find(([kind, { plural, singular, shortName }]) =>
    [kind.toLowerCase(), plural, singular, shortName].some((name) => name === wanted),
  )
  return (found?.[0] as Kind | undefined) ?? null // a key of the table
}

/** Kind and name from `KIND/NAME`, or from `NAME`, which then is of the kind `otherwise`. */
export async function kindAndName(
  text: string,
  otherwise: Kind,
): Promise<{ readonly kind: Kind; readonly name: string }> {
  const [first = '', name, ...more] = text.split('/')
  if (name === undefined) return { kind: otherwise, name: text }
  const kind = kindNamed(first)
  if (kind === null) throw new UsageError(await unknownKind(first))
  if (name === '' || more.length > 0) throw new UsageError(`\`${text}\` is not KIND/NAME.`)
  return { kind, name }
}

export async function unknownKind(text: string): Promise<string> {
  const near = await didYouMean(text, Object.keys(kinds))
  return `There is no kind \`${text}\`.${near === '' ? ` There are ${Object.keys(kinds).join(', ')}.` : near}`
}

/** ` Did you mean …?`, or empty. */
export async function didYouMean(name: string, candidates: Iterable<string>): Promise<string> {
  const { alternatives, nearest } = await import('#compiler')
  const near = nearest(name, candidates)
  return near.length === 0 ? '' : ` Did you mean ${alternatives(near)}?`
}
