/** A template of a file's name with its macros filled in; `{…}` of no macro stays. As a name it holds no separator and no control character. */
export function filledFileName(template: string, macros: Readonly<Record<string, string>>): string {
  const name = template.replace(/\{(\w+)\}/g, (macro, key: string) => macros[key] ?? macro)
  // A display name is free text; a file name is not a path.
  return name.replace(/[/\\\u0000-\u001f]/g, '_')
}

/** With its number, from 1, and extension: a file of more than `maxRows` rows is several. */
export function filePartName(name: string, part: number, compression: 'None' | 'GZIP'): string {
  return `${name}${part === 1 ? '' : `_${part}`}.csv${compression === 'GZIP' ? '.gz' : ''}`
}

/** The name of which this would be a part: of `x_2` it is `x`; null where it is none. */
export function wholeOfPart(name: string): { readonly name: string; readonly part: number } | null {
  const [, whole, part] = /^(.+)_([2-9]|[1-9]\d{1,3})$/s.exec(name) ?? []
  return whole === undefined ? null : { name: whole, part: Number(part) }
}

/** What a file system takes as a name, in bytes of UTF-8. */
export const longestNameBytes = 255
