/**
 * A file's name from its template, with macros filled in; a `{…}` that is no macro stays. It has no separators and no control characters.
 */
export function filledFileName(template: string, macros: Readonly<Record<string, string>>): string {
  const name = template.replace(/\{(\w+)\}/g, (macro, key: string) => macros[key] ?? macro)
  // A display name is free text; a file name is not a path.
  return name.replace(/[/\\\u0000-\u001f]/g, '_')
}

/** The name with its number, counted from 1, and its extension: a file with more than `maxRows` rows is split. */
export function filePartName(name: string, part: number, compression: 'None' | 'GZIP'): string {
  return `${name}${part === 1 ? '' : `_${part}`}.csv${compression === 'GZIP' ? '.gz' : ''}`
}

/** The name that this is a part of, and its number: `x` for `x_2`; null where it is no part. */
export function wholeOfPart(name: string): { readonly name: string; readonly part: number } | null {
  const [, whole, part] = /^(.+)_([2-9]|[1-9]\d{1,3})$/s.exec(name) ?? []
  return whole === undefined ? null : { name: whole, part: Number(part) }
}

/** The longest file name that a file system takes, in bytes of UTF-8. */
export const longestNameBytes = 255
