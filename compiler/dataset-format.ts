import type { Defaulted } from '#crds'

/** A fault in how a Dataset describes the format and choice of its files. The path is within the spec. */
export type FormatFault = {
  readonly path: readonly (string | number)[]
  readonly message: string
  readonly help: string
}

type Spec = Defaulted<'Dataset'>

export function formatFaults(spec: Spec): readonly FormatFault[] {
  return [...csvFaults(spec), ...fileFaults(spec), ...timeFaults(spec), ...otherFaults(spec)]
}

function csvFaults({ csv, format }: Spec): FormatFault[] {
  if (!csv) return []
  if (format !== 'CSV')
    return [
      {
        path: ['csv'],
        message: `\`csv\` says how CSV files are written, and these are ${format}`,
        help: 'Remove it, or set `format: CSV`.',
      },
    ]
  const faults: FormatFault[] = []
  const { delimiter = ',', quote = '"', escape = quote, comment = '', header = true, columns } = csv
  for (const [name, text] of Object.entries({ delimiter, quote, escape, comment }))
    if (/[\r\n\0]/.test(text))
      faults.push({ path: ['csv', name], message: `\`${name}\` may not be a line break`, help: 'Lines end records.' })
  for (const [name, text] of Object.entries({ quote, escape }))
    if (!/^[\x00-\x7f]?$/.test(text))
      faults.push({
        path: ['csv', name],
        message: `\`${name}\` is an ASCII character`,
        help: "Write one, for example `'\"'`.",
      })
  if (quote !== '' && delimiter.includes(quote))
    faults.push({
      path: ['csv', 'delimiter'],
      message: 'The delimiter holds the quote',
      help: 'Set `quote` to another character, or to "".',
    })
  if (comment !== '' && (comment === quote || delimiter.startsWith(comment)))
    faults.push({
      path: ['csv', 'comment'],
      message: 'Comments begin like a cell or a delimiter',
      help: 'Comments begin with a character of their own.',
    })
  if (!header && !columns)
    faults.push({
      path: ['csv', 'header'],
      message: 'Without a header nobody knows what the columns are called',
      help: 'List them in `csv.columns`, in order.',
    })
  return faults
}

function fileFaults({ mode, delivery, record, ready, partitions = [] }: Spec): FormatFault[] {
  const faults: FormatFault[] = []
  if (mode === 'Snapshot' && record === 'Event')
    faults.push({
      path: ['mode'],
      message: 'An event has happened: a later delivery without it does not take it back',
      help: 'Use `mode: Append` for events; `eventId` says which of them are the same.',
    })
  if (delivery === 'Folder' && mode !== 'Snapshot')
    faults.push({
      path: ['delivery'],
      message: 'Only with `mode: Snapshot` files come as whole deliveries',
      help: 'Remove `delivery`, or set `mode: Snapshot`.',
    })
  if (ready?.marker !== undefined && /^\/|(^|\/)\.\.(\/|$)/.test(ready.marker))
    faults.push({
      path: ['ready', 'marker'],
      message: 'A marker lies beside the files it is for',
      help: 'Write a name like `_SUCCESS` or `{name}.done`.',
    })
  for (const [index, key] of partitions.entries())
    if (partitions.indexOf(key) !== index || /[/=]/.test(key))
      faults.push({
        path: ['partitions', index],
        message:
          partitions.indexOf(key) === index ? `\`${key}\` cannot be the key of a folder` : `\`${key}\` is there twice`,
        help: 'A key is what stands before `=` in the name of a folder, for example `dt`.',
      })
  return faults
}

const namedFormats = ['ISO8601', 'EpochSeconds', 'EpochMilliseconds']

function timeFaults({ timeFormats = [] }: Spec): FormatFault[] {
  return timeFormats.flatMap((format, index): FormatFault[] => {
    const fault = (message: string, help: string) => [{ path: ['timeFormats', index], message, help }]
    if (namedFormats.includes(format)) return []
    if (!format.includes('%'))
      return fault(
        `\`${format}\` is no format of times`,
        `Formats are ${namedFormats.join(', ')}, or patterns like \`%d.%m.%Y %H:%M\`.`,
      )
    const unknown = /%(?![-]?[aAbBdfgGHIjmMpSUuVwWyYzZ%])-?.?/.exec(format)
    if (unknown)
      return fault(
        `\`${unknown[0]}\` is no part of a pattern of times`,
        'Parts are %Y %y %m %b %B %d %j %H %I %p %M %S %g %f %z and %%.',
      )
    const has = (part: RegExp) => part.test(format.replaceAll('%%', ''))
    if (!has(/%-?[yY]/) || !(has(/%-?j/) || (has(/%-?[mbB]/) && has(/%-?d/))))
      return fault(`\`${format}\` does not say which day`, 'A pattern has a year (%Y), a month (%m) and a day (%d).')
    const swapped = (text: string) => text.replace(/%-?[dm]/g, '%?')
    const other = timeFormats.findIndex((one, at) => at < index && one !== format && swapped(one) === swapped(format))
    if (other >= 0)
      return fault(
        `\`${timeFormats[other]}\` and \`${format}\` both read 01/02: nobody can tell which is meant`,
        'Keep one of them; a file that mixes them is for its supplier to correct.',
      )
    return []
  })
}

function otherFaults({ booleans, record, mapping }: Spec): FormatFault[] {
  const faults: FormatFault[] = []
  const trueValues = new Set(booleans?.trueValues.map((value) => value.trim().toLowerCase()))
  for (const [index, value] of booleans?.falseValues.entries() ?? [])
    if (trueValues.has(value.trim().toLowerCase()))
      faults.push({
        path: ['booleans', 'falseValues', index],
        message: `\`${value}\` means both yes and no`,
        help: 'Remove it from one of the lists.',
      })
  for (const [index, { emptyOverwrites }] of mapping.entries())
    if (emptyOverwrites && record === 'Event')
      faults.push({
        path: ['mapping', index, 'emptyOverwrites'],
        message: 'An event overwrites nothing',
        help: 'Remove it; it is for records of profiles.',
      })
  return faults
}
